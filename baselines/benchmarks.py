"""How fast it is: programs take turns in one process, medians with their range.

Ratios within a run are what to quote; the speed of a machine drifts.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from baselines.plotting import IDEAL, OURS, new_figure, style
from baselines.recurrent_ppo import FusedRecurrentPPO
from baselines.vec_env import GymnasiumVecEnv, make_vec_env
from neurotasks import TASKS
from neurotasks.core.task import load

SYMBOLIC = tuple(
    {
        keywords["task"]: id
        for id, keywords in reversed(TASKS.items())
        if load(keywords["task"]).image_shape is None
    }.values()
)[::-1]
WIDE = ("CartPole-v1", "neurotasks/Bandit-v0", "neurotasks/TwoStep-v0", "neurotasks/Harlow-v0")
SECONDS = 0.3  # that a program steps in one turn
TRAIN_LANES, TRAIN_STEPS, UNITS, EPOCHS, MINIBATCHES = 64, 300, 48, 4, 4


@dataclass(frozen=True)
class Speed:
    """What one program reached.

    Attributes:
        program: what ran.
        task: on which task.
        lanes: side by side.
        hidden: LSTM units, 0 without a network.
        threads: threads it could use.
        median: environment steps per second, median over the rounds.
        min: of the slowest round.
        max: of the fastest.
        rounds: how many.
    """

    program: str
    task: str
    lanes: int
    hidden: int
    threads: int
    median: float
    min: float
    max: float
    rounds: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields in the form of the benchmark files."""
        fields = asdict(self)
        speed = {name: fields.pop(name) for name in ("median", "min", "max")}
        rounds = fields.pop("rounds")
        return {**fields, "steps_per_second": speed, "rounds": rounds}


Entry = tuple[str, str, int, int, Callable[[], int]]


def benchmark_envs(out: str | Path, rounds: int = 5) -> list[Speed]:
    """Time the environments beside Gymnasium's own CartPole, random actions.

    One id of every task without pictures; the last two programs are what Stable-Baselines3 steps:
    its own ``DummyVecEnv`` over single environments, and our adapter over the native one.

    Args:
        out: directory for ``envs.json`` and ``envs.png``.
        rounds: turns of each program.

    Returns:
        The speeds.
    """
    entries: list[Entry] = []
    for task in ("CartPole-v1", *SYMBOLIC):
        entries.append(("gymnasium.make", task, 1, 0, single_stepper(task)))
        for lanes in (64, 1024, 16384) if task in WIDE else (64,):
            entries.append(("gymnasium.make_vec", task, lanes, 0, vector_stepper(task, lanes)))
    task, lanes = "neurotasks/TwoStep-v0", 64
    dummy = DummyVecEnv([lambda: gym.make(task)] * lanes)
    adapted = GymnasiumVecEnv(gym.make_vec(task, num_envs=lanes, autoreset_mode="SameStep"))
    for program, env in (("DummyVecEnv", dummy), ("GymnasiumVecEnv", adapted)):
        entries.append((program, task, lanes, 0, sb3_stepper(env)))
    return _race("envs", entries, Path(out), rounds)


def benchmark_train(out: str | Path, rounds: int = 5) -> list[Speed]:
    """Time our training beside sb3-contrib's on the same native vector environment.

    One LSTM, linear heads, rollouts of whole episodes, the same number of epochs and minibatches.
    The last program is what most users run: sb3-contrib on ``DummyVecEnv``.

    Args:
        out: directory for ``train.json`` and ``train.png``.
        rounds: turns of each program, each two rollouts with their updates.

    Returns:
        The speeds.
    """
    task = "neurotasks/TwoStep-v0"
    shape = {"n_steps": TRAIN_STEPS, "n_epochs": EPOCHS, "seed": 0}
    shape |= {"batch_size": TRAIN_LANES * TRAIN_STEPS // MINIBATCHES}
    stock: Any = {"shared_lstm": True, "enable_critic_lstm": False, "net_arch": []}
    stock |= {"lstm_hidden_size": UNITS}
    dummy = DummyVecEnv([lambda: gym.make(task)] * TRAIN_LANES)
    ours = FusedRecurrentPPO(
        "FusedLstmPolicy",
        make_vec_env(task, TRAIN_LANES),
        whole_episodes=True,
        policy_kwargs={"lstm_hidden_size": UNITS},
        **shape,
    )
    native = make_vec_env(task, TRAIN_LANES)
    models: dict[str, RecurrentPPO] = {
        "FusedRecurrentPPO, make_vec": ours,
        "RecurrentPPO, make_vec": RecurrentPPO(
            "MlpLstmPolicy", native, policy_kwargs=stock, **shape
        ),
        "RecurrentPPO, DummyVecEnv": RecurrentPPO(
            "MlpLstmPolicy", dummy, policy_kwargs=stock, **shape
        ),
    }

    def learner(model: RecurrentPPO) -> Callable[[], int]:
        steps = 2 * TRAIN_LANES * TRAIN_STEPS

        def learn() -> int:
            model.learn(steps, reset_num_timesteps=False)
            return steps

        return learn

    entries = [(name, task, TRAIN_LANES, UNITS, learner(m)) for name, m in models.items()]
    return _race("train", entries, Path(out), rounds)


def single_stepper(task: str) -> Callable[[], int]:
    """Return a function that steps a single environment for a while, and says how often."""
    env: Any = gym.make(task)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=1000).tolist()

    def turn() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    return _for_a_while(turn)


def vector_stepper(task: str, lanes: int) -> Callable[[], int]:
    """Return a function that steps lanes for a while, and says how many lane steps it took."""
    envs: Any = gym.make_vec(task, num_envs=lanes, vectorization_mode="vector_entry_point")
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=(10, lanes))

    def turn() -> int:
        for action in actions:
            envs.step(action)
        return actions.size

    return _for_a_while(turn)


def sb3_stepper(env: VecEnv) -> Callable[[], int]:
    """Return a function that steps Stable-Baselines3's kind of vector environment for a while."""
    env.reset()
    lanes: Any = env.num_envs
    space: Any = env.action_space
    actions = np.random.default_rng(0).integers(space.n, size=(10, lanes))

    def turn() -> int:
        for action in actions:
            env.step(action)
        return actions.size

    return _for_a_while(turn)


def table(rows: list[Speed]) -> str:
    """Return the speeds as a text table."""
    lines = [f"{'program':30} {'task':24} {'lanes':>6} {'steps/s':>12} {'min':>12} {'max':>12}"]
    for r in rows:
        speeds = " ".join(f"{speed:12,.0f}" for speed in (r.median, r.min, r.max))
        lines.append(f"{r.program:30} {r.task:24} {r.lanes:6} {speeds}")
    return "\n".join(lines)


def _for_a_while(turn: Callable[[], int]) -> Callable[[], int]:
    def repeat() -> int:
        steps, end = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            steps += turn()
        return steps

    return repeat


def _race(name: str, entries: list[Entry], out: Path, rounds: int) -> list[Speed]:
    th.set_num_threads(1)
    for *_, run in entries:  # compilation and first calls are not what is measured
        run()
    speeds: list[list[float]] = [[] for _ in entries]
    for turn in range(rounds):
        order = range(len(entries)) if turn % 2 == 0 else reversed(range(len(entries)))
        for i in order:
            start = time.perf_counter()
            steps = entries[i][-1]()
            speeds[i].append(steps / (time.perf_counter() - start))
    rows = [
        Speed(program, task, lanes, hidden, 1, float(np.median(s)), min(s), max(s), rounds)
        for (program, task, lanes, hidden, _), s in zip(entries, speeds, strict=True)
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps([r.to_json() for r in rows], indent=1) + "\n")
    with style():
        figure, axes = new_figure(1, width=7, height=0.6 + 0.3 * len(rows))
        labels = [f"{r.program}, {r.task}, {r.lanes}" for r in rows]
        theirs = ("CartPole-v1", "RecurrentPPO", "DummyVecEnv")
        colours = [
            IDEAL if r.task in theirs or r.program.startswith(theirs) else OURS for r in rows
        ]
        axes[0].barh(labels, [r.median for r in rows], color=colours)
        axes[0].hlines(labels, [r.min for r in rows], [r.max for r in rows], color="black")
        wide = max(r.max for r in rows) > 100 * min(r.min for r in rows)
        scale = "log" if wide else "linear"
        axes[0].set(xscale=scale, xlabel="environment steps per second")
        axes[0].invert_yaxis()
        axes[0].set_title(f"{platform.machine()}, one of {os.cpu_count()} cores, {rounds} rounds")
        figure.savefig(out / f"{name}.png")
    return rows
