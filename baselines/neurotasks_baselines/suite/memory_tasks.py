"""Tiny tasks that each need one thing of an agent, with exact chances and best scores.

They are for `neurotasks check-memory`, and none of the package's registered tasks. Importing this
module registers them; their full ids name the module, so that any process can make them:

    gym.make("neurotasks_baselines.suite.memory_tasks:memory/Cue-v0")

Actions are left and right, and every step is a trial. With one exception a step either asks for
one of the two, which chance gets right half the time and the best agent always, or pays the same
for both.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import NDArray

from neurotasks.core import Field, Lane, Parameters, Task, chance, choose, parameter, rule
from neurotasks.core.parameters import choice

NEEDS = "stimulus", "reward", "action", "start", "cue", "hold", "truncation"
STIMULUS, REWARD, ACTION, START, CUE, HOLD, TRUNCATION = range(len(NEEDS))
LEFT, RIGHT = 0, 1
TRUNCATED_AFTER = 2  # steps
HOLD_PAYS = 0.1  # for a right answer, and minus that for a wrong one: returns stay near 1
SAFE = 0.3  # what the safe choice pays at once; the other leads to a certain 1


@dataclass(frozen=True)
class MemoryParameters(Parameters):
    """What can be configured."""

    trials: int = parameter(200, "steps of the longest episode", "ours", low=8)
    need: str = choice("cue", NEEDS, "what the task needs of an agent", "ours")
    mean_hold: float = parameter(
        16.0, "mean number of steps for which a cue is to be held (`hold`)", "ours", low=1.0
    )

    @property
    def longest_episode(self) -> int:
        """Steps of the longest episode."""
        return self.trials


STATE = {
    "asked": Field(np.bool_, "one action is right and the other wrong", info=True, column=True),
    "best_action": Field(
        np.int8, "optimal action: 0 left, 1 right", info=True, column=True, low=0, high=1
    ),
    "secret": Field(np.int8, "what is to be remembered: 0 left, 1 right", low=0, high=1),
    "onset": Field(
        np.int8, "step of the cue, or of the question", info=True, column=True, low=0, high=1
    ),
    "steps_ago": Field(
        np.int64,
        "steps since the cue, or since the episode began",
        info=True,
        column=True,
        low=0,
        high=lambda p: p.trials,
    ),
    "cue": Field(np.int8, "cue shown: 0 left, 1 right, -1 none", low=-1, high=1),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Begin an episode: draw its length, the cue and when it is shown."""
    lane.secret = choose(lane, 2)
    lane.onset = 0
    if p.need == STIMULUS:
        lane.trials = 4
    elif p.need == REWARD or p.need == ACTION:
        lane.trials = 3
    elif p.need == CUE:
        lane.onset = choose(lane, 2)
        lane.trials = 3 + choose(lane, 3)
    elif p.need == START or p.need == HOLD:
        # After each step it ends with the same probability: no clock tells when.
        ends = 0.5 if p.need == START else 1.0 / p.mean_hold
        length = 1 if p.need == START else 2
        while length < p.trials and not chance(lane, ends):
            length += 1
        lane.trials = length
    elif p.need == TRUNCATION:
        # A question and the reward that follows it; a blank step before them, so that the reward
        # comes too late; or the reward alone, by which its value is learned.
        kind = choose(lane, 6)
        lane.onset = 1 if kind < 3 else 0
        lane.secret = 1 if kind > 3 else 0  # 1: no question
        lane.trials = 1 if kind > 3 else lane.onset + 2


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Begin a step: what is shown, and what is asked."""
    lane.cue = -1
    lane.asked = True
    lane.best_action = lane.secret
    if p.need == STIMULUS:
        lane.best_action = choose(lane, 2)
        lane.cue = lane.best_action
    elif p.need == REWARD:
        lane.asked = lane.trial > 0
    elif p.need == ACTION:
        lane.asked = lane.trial > 0
        if lane.trial == 1:
            lane.last_action = lane.secret  # the one that was carried out, whatever was chosen
    elif p.need == START:
        lane.best_action = RIGHT if lane.trial == 0 else LEFT
    elif p.need == CUE:
        lane.asked = lane.trial == lane.trials - 1
        if lane.trial == lane.onset:
            lane.cue = lane.secret
    elif p.need == HOLD:
        lane.asked = lane.trial > 0
        if lane.trial == 0:
            lane.cue = lane.secret
    elif p.need == TRUNCATION:
        lane.asked = lane.trial == lane.onset and lane.secret == 0
        lane.best_action = LEFT
        if lane.trial == lane.trials - 1:
            lane.cue = 1
    lane.steps_ago = max(lane.trial - lane.onset, 0)


@rule
def step(lane: Lane, p: Any, action: int) -> tuple[float, bool]:
    """Take one action; return the reward, and that the trial is over."""
    if p.need == TRUNCATION:
        lane.reward = 1.0 if lane.cue == 1 else 0.0
        if lane.asked and action == RIGHT:
            lane.reward = SAFE
            lane.trials = lane.trial + 1  # it ends the episode
    elif p.need == HOLD and lane.asked:
        lane.reward = HOLD_PAYS if action == lane.best_action else -HOLD_PAYS
    elif lane.asked:
        lane.reward = 1.0 if action == lane.best_action else 0.0
    elif p.need == REWARD:
        lane.reward = lane.secret
    lane.outcome = lane.reward > 0.0
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Write what is seen now; the core appends the previous action and reward."""
    if lane.cue >= 0:
        stimulus[lane.cue] = 1.0
    if lane.asked and p.need != START:
        stimulus[2] = 1.0


class MemoryTask(Task):
    """Task whose environments can log the steps of a training."""

    def __call__(self, *, training_log: str | None = None, **keywords: Any) -> Any:
        """Make an environment, or with ``num_envs`` a vector environment.

        Args:
            training_log: Directory that each environment writes a file of its steps to, see
                `read_logs`; None for no file.
            **keywords: Arguments of `env_class` or `vector_env_class`.

        Returns:
            The environment.
        """
        envs: Any = super().__call__(**keywords)
        if training_log is None:
            return envs
        return (LoggedVectorEnv if "num_envs" in keywords else LoggedEnv)(envs, training_log)


TASK = MemoryTask(
    name="Memory",
    doc="Take the action that a cue, the last reward, the last action or the start asks for.",
    parameters=MemoryParameters,
    state=STATE,
    actions=lambda p: ("left", "right"),
    stimulus=lambda p: ("left cue", "right cue", "question"),
    reward_range=lambda p: (-HOLD_PAYS, 1.0),
    begin=begin,
    new_trial=new_trial,
    step=step,
    observe=observe,
)

FEEDBACK = {"reward": "reward", "action": "action"}
IDS: dict[str, str] = {need: f"{__name__}:memory/{need.capitalize()}-v0" for need in NEEDS}
"""Full ids by what the task needs."""

for _need, _id in IDS.items():
    gym.register(
        id=_id.partition(":")[2],
        entry_point=f"{__name__}:TASK",
        vector_entry_point=f"{__name__}:TASK",
        max_episode_steps=TRUNCATED_AFTER if _need == "truncation" else None,
        order_enforce=False,
        disable_env_checker=True,
        kwargs={"need": _need, "feedback": FEEDBACK.get(_need, "none")},
    )


@dataclass(frozen=True)
class Log:
    """Steps of a training in some environments that are stepped together.

    Attributes:
        right: Whether the answer was right, bool (steps, num_envs).
        asked: Whether there was a question, bool (steps, num_envs).
        steps_ago: Steps since the episode began, int (steps, num_envs).
        onset: Step of the cue, int (steps, num_envs).
    """

    right: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    steps_ago: NDArray[np.int64]
    onset: NDArray[np.int64]


class _LogFile:
    """File with one row of uint8 per step: a bit for each thing that is logged."""

    ASKED: ClassVar[int] = 1
    RIGHT: ClassVar[int] = 2
    FIRST: ClassVar[int] = 4
    ONSET: ClassVar[int] = 8

    def __init__(self, directory: str, num_envs: int) -> None:
        # Opened anew for every row, so that a copied or pickled environment needs no open file.
        self.path = Path(directory) / f"{num_envs}-{os.getpid()}-{uuid.uuid4().hex}.log"

    def write(self, infos: dict[str, Any], asked: Any, actions: Any) -> None:
        bits = self.ASKED * np.asarray(asked) + self.FIRST * (infos["trial"] == 0)
        bits = bits + self.RIGHT * (infos["best_action"] == np.asarray(actions))
        bits = bits + self.ONSET * np.asarray(infos["onset"])
        with self.path.open("ab") as file:
            file.write(np.atleast_1d(bits).astype(np.uint8).tobytes())


def read_logs(directory: Path | str) -> list[Log]:
    """Return what the environments of a training have logged, one for each that was used."""
    logs = []
    for path in sorted(Path(directory).glob("*.log")):
        rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, int(path.name.split("-")[0]))
        first = rows & _LogFile.FIRST > 0
        index = np.arange(len(rows))[:, None]
        began = np.maximum.accumulate(np.where(first, index, 0), axis=0)
        onset = (rows & _LogFile.ONSET > 0).astype(np.int64)
        right, asked = rows & _LogFile.RIGHT > 0, rows & _LogFile.ASKED > 0
        logs.append(Log(right, asked, index - began, onset))
    return logs


class LoggedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Single environment that logs its steps."""

    def __init__(self, env: gym.Env[Any, Any], directory: str) -> None:
        super().__init__(env)
        self._log = _LogFile(directory, 1)

    def reset(self, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, self._info = self.env.reset(**keywords)
        return observation, self._info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take one action and log it."""
        info = self._info
        results = self.env.step(action)
        self._log.write(info, info["asked"], action)
        self._info = results[4]
        return results


class LoggedVectorEnv(VectorWrapper):
    """Vector environment that logs its steps; resets of their own (NextStep) ask nothing."""

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], directory: str) -> None:
        super().__init__(env)
        self._log = _LogFile(directory, env.num_envs)
        self._over = np.zeros(env.num_envs, np.bool_)
        self.autoreset_mode = env.metadata["autoreset_mode"]  # TorchRL asks for it

    def reset(self, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode everywhere."""
        observations, self._infos = self.env.reset(**keywords)
        self._over[:] = False
        return observations, self._infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Take one action in every sub-environment and log it."""
        infos = self._infos
        results = self.env.step(actions)
        asked = infos["asked"] & ~self._over
        self._log.write(infos, asked, actions)
        if self.env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            self._over = results[2] | results[3]
        self._infos = results[4]
        return results
