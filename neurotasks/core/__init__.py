"""What every task needs, written once.

A custom task is a module with parameters, a state and four rules, put together in a
[`Task`][neurotasks.core.task.Task]; ``examples/custom_task.py`` is a complete one.
"""

from neurotasks.core.env import TaskEnv
from neurotasks.core.parameters import Parameters, choice, numbers, parameter, probability
from neurotasks.core.rules import Lane, chance, choose, rule, uniform
from neurotasks.core.task import Field, Invariant, Task
from neurotasks.core.vector_env import TaskVectorEnv
from neurotasks.rendering.frame import Item

__all__ = [
    "Field",
    "Invariant",
    "Item",
    "Lane",
    "Parameters",
    "Task",
    "TaskEnv",
    "TaskVectorEnv",
    "chance",
    "choice",
    "choose",
    "numbers",
    "parameter",
    "probability",
    "rule",
    "uniform",
]
