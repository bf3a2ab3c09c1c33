"""Neuroscience tasks as Gymnasium environments; importing this registers them.

The table `TASKS` is all there is: id -> where the task is, and the keywords that make a preset.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from neurotasks.scores import baseline_scores, normalized_score

__all__ = ["TASKS", "baseline_scores", "normalized_score", "register"]
__version__ = "0.1.0"

# A lick takes time, the outcome is uncertain by more than that, and licks are an effort: the
# presets in which it pays to lick before the outcome, so much that agents learn it.
LATENCY: dict[str, Any] = {
    "latency": 0.3,
    "trace_jitter": 0.5,
    "lick_cost": 0.03,
    "lick_effort": 0.01,
    "recovery_time": 1.0,
}

TASKS: dict[str, dict[str, Any]] = {
    "neurotasks/Bandit-v0": {"task": "neurotasks.tasks.bandit:TASK"},
    "neurotasks/BanditUniform-v0": {"task": "neurotasks.tasks.bandit:TASK", "problem": "uniform"},
    "neurotasks/BanditEasy-v0": {"task": "neurotasks.tasks.bandit:TASK", "problem": "easy"},
    "neurotasks/BanditMedium-v0": {"task": "neurotasks.tasks.bandit:TASK", "problem": "medium"},
    "neurotasks/BanditHard-v0": {"task": "neurotasks.tasks.bandit:TASK", "problem": "hard"},
    "neurotasks/BanditRestless-v0": {"task": "neurotasks.tasks.bandit:TASK", "problem": "restless"},
    "neurotasks/BanditInformative-v0": {
        "task": "neurotasks.tasks.bandit:TASK",
        "problem": "informative",
        "arms": 11,
        "trials": 5,
        "reward_one_hot": True,
    },
    "neurotasks/Foraging-v0": {"task": "neurotasks.tasks.foraging:TASK"},
    "neurotasks/Volatility-v0": {"task": "neurotasks.tasks.volatility:TASK"},
    "neurotasks/InferredValue-v0": {"task": "neurotasks.tasks.inferred_value:TASK"},
    "neurotasks/TwoStep-v0": {"task": "neurotasks.tasks.two_step:TASK"},
    "neurotasks/TwoStep2016-v0": {
        "task": "neurotasks.tasks.two_step:TASK",
        "p_common": 0.75,
        "p_reversal": 0.0,
        "fixation": False,
    },
    "neurotasks/TwoStepDaw-v0": {"task": "neurotasks.tasks.two_step_daw:TASK"},
    "neurotasks/TwoStepMiranda-v0": {
        "task": "neurotasks.tasks.two_step_daw:TASK",
        "trials": 100,
        "outcomes": "levels",
    },
    "neurotasks/Harlow-v0": {"task": "neurotasks.tasks.harlow:TASK"},
    "neurotasks/HarlowPixels-v0": {"task": "neurotasks.tasks.harlow_pixels:TASK"},
    "neurotasks/VariableReward-v0": {"task": "neurotasks.tasks.variable_reward:TASK"},
    "neurotasks/VariableProbability-v0": {"task": "neurotasks.tasks.variable_probability:TASK"},
    "neurotasks/VariableRewardLatency-v0": {"task": "neurotasks.tasks.variable_reward:TASK"}
    | LATENCY,
    "neurotasks/VariableProbabilityLatency-v0": {
        "task": "neurotasks.tasks.variable_probability:TASK"
    }
    | LATENCY,
    "neurotasks/SameMean-v0": {"task": "neurotasks.tasks.same_mean:TASK"},
    "neurotasks/RiskyChoice-v0": {"task": "neurotasks.tasks.risky_choice:TASK"},
}


def register(id: str, task: str, **keywords: Any) -> None:
    """Register a task with Gymnasium, for ``make`` and ``make_vec``.

    Args:
        id: Id, ``"namespace/Name-v0"``.
        task: Place of the `neurotasks.core.Task`, ``"package.module:NAME"``.
        **keywords: Parameters that differ from the task's defaults.
    """
    known = gym.registry.get(id)
    if known is not None and (known.entry_point, known.kwargs) == (task, keywords):
        return
    gym.register(
        id=id,
        entry_point=task,  # a Task makes its environments when it is called
        vector_entry_point=task,
        # The environment itself refuses what these wrappers would; without them it is what
        # `make` returns, and its trial table needs no `.unwrapped`.
        order_enforce=False,
        disable_env_checker=True,
        kwargs=keywords,
    )


for _id, _keywords in TASKS.items():
    register(_id, **_keywords)
