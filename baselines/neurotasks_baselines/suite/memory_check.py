"""`check_memory`: does an agent use its memory as it should, and if not, what is broken.

Trains the agent on each of the tiny tasks of `memory_tasks`, asks it the questions of held-out
episodes, shows it random streams (`memory_probes`), and looks at what it did while it was trained.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from neurotasks.episodes import Agent
from neurotasks_baselines.errors import CandidateError
from neurotasks_baselines.suite.agents import MakeAgent, as_agent
from neurotasks_baselines.suite.memory_probes import Probes, probe
from neurotasks_baselines.suite.memory_rollouts import Forgetting, answers_at_the_end, forgetting
from neurotasks_baselines.suite.memory_tasks import IDS, read_logs

STEPS = {
    "stimulus": 4096,
    "reward": 6144,
    "action": 6144,
    "start": 8192,
    "cue": 12288,
    "hold": 24576,
    "truncation": 12288,
}
"""Steps of training by task; `check_memory` multiplies them."""
TEST_ENVS, TEST_STEPS, TEST_SEED = 64, 150, 10_000


@dataclass(frozen=True)
class Answers:
    """Shares of right answers in held-out episodes; chance is 0.5 and the best agent has 1.

    Attributes:
        right: Over all questions.
        by_steps_ago: By the steps since the cue, or since the episode began.
        by_onset: By the step at which the cue was shown.
    """

    right: float
    by_steps_ago: dict[int, float] = field(default_factory=dict)
    by_onset: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measures:
    """All that is measured of an agent.

    Attributes:
        answers: By what the task needs.
        probes: By what the task needs that the agent was trained on.
        forgetting: Of the training on the task `hold`; None if it was not logged.
        trained: Shares of right answers at the end of the training on the task `cue`, by the step
            at which the cue was shown; empty if it was not logged.
    """

    answers: dict[str, Answers]
    probes: dict[str, Probes]
    forgetting: Forgetting | None
    trained: dict[int, float] = field(default_factory=dict)


def check_memory(
    make_agent: MakeAgent,
    *,
    seed: int = 0,
    factor: float = 1.0,
    track: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> Measures:
    """Train an agent on each of the tiny tasks and measure what it remembers.

    Args:
        make_agent: Function that trains an agent, see `neurotasks_baselines.suite.agents`.
        seed: Seed of the trainings.
        factor: Number that the steps of each training, `STEPS`, are multiplied by.
        track: Function that shows the progress of a loop.

    Returns:
        What `neurotasks_baselines.suite.memory_findings.findings` judges.

    Raises:
        CandidateError: If the agent does not take any number of environments.
    """
    found = Measures({}, {}, None)
    for need in track(list(STEPS)):
        found = joined(found, measure(make_agent, need, seed=seed, factor=factor))
    return found


def measure(make_agent: MakeAgent, need: str, *, seed: int = 0, factor: float = 1.0) -> Measures:
    """Train an agent on one of the tiny tasks and measure it; arguments as for `check_memory`."""
    steps = round(factor * STEPS[need])
    with tempfile.TemporaryDirectory() as directory:
        log = {"training_log": directory} if need in ("cue", "hold") else {}
        agent = as_agent(make_agent(IDS[need], total_steps=steps, seed=seed, **log))
        logs = read_logs(directory)
    return Measures(
        {need: ask(agent, need)},
        {need: probe(agent, _width(need), seed)},
        forgetting(logs) if need == "hold" else None,
        answers_at_the_end(logs) if need == "cue" else {},
    )


def joined(some: Measures, others: Measures) -> Measures:
    """Return two sets of measures in one; where both have one, that of the second."""
    return Measures(
        some.answers | others.answers,
        some.probes | others.probes,
        some.forgetting if others.forgetting is None else others.forgetting,
        others.trained or some.trained,
    )


def ask(agent: Agent, need: str, seed: int = TEST_SEED) -> Answers:
    """Let an agent answer the questions of held-out episodes, and return how often it was right.

    Args:
        agent: Agent with ``predict``, asked for its most probable actions.
        need: What the task needs, see `neurotasks_baselines.suite.memory_tasks.IDS`.
        seed: Seed of the episodes.

    Raises:
        CandidateError: If it does not return one action per environment.
    """
    envs = gym.make_vec(IDS[need], num_envs=TEST_ENVS, autoreset_mode="SameStep")
    observations, infos = envs.reset(seed=seed)
    starts, state, rows = np.ones(TEST_ENVS, np.bool_), None, []
    for _ in range(TEST_STEPS):
        actions, state = agent.predict(observations, state, starts, deterministic=True)
        actions = np.asarray(actions)
        if actions.size != TEST_ENVS or actions.dtype.kind not in "iu":
            raise CandidateError(
                f"An agent must return one action for each of {TEST_ENVS} environments, as "
                f"integers; got {actions.dtype} of shape {actions.shape}. Mend its predict()."
            )
        actions = actions.reshape(TEST_ENVS).astype(np.int64)
        right = actions == infos["best_action"]
        rows.append((infos["asked"], right, infos["steps_ago"], infos["onset"]))
        observations, _, terminated, truncated, infos = envs.step(actions)
        starts = terminated | truncated
    asked, right, ago, onset = (np.stack(part) for part in zip(*rows, strict=True))
    return Answers(
        float(right[asked].mean()),
        _shares(right[asked], ago[asked]),
        _shares(right[asked], onset[asked]),
    )


def _shares(right: NDArray[np.bool_], by: NDArray[Any]) -> dict[int, float]:
    return {int(value): float(right[by == value].mean()) for value in np.unique(by)}


def _width(need: str) -> int:
    space: Any = gym.make(IDS[need]).observation_space
    return int(space.shape[0])
