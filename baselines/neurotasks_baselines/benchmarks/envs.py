"""Steps per second of the environments, beside Gymnasium's CartPole and peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from neurotasks import TASKS
from neurotasks.core.task import load
from neurotasks_baselines.agents.vec_env import GymnasiumVecEnv
from neurotasks_baselines.benchmarks.harness import (
    Entry,
    Speed,
    Turn,
    Worker,
    available_cores,
    bars,
    for_a_while,
    peer_script,
    race,
    write,
)

SYMBOLIC = tuple(
    {
        kwargs["task"]: id
        for id, kwargs in reversed(TASKS.items())
        if load(kwargs["task"]).image_shape is None
    }.values()
)[::-1]
WIDE = ("CartPole-v1", "neurotasks/Bandit-v0", "neurotasks/TwoStep-v0", "neurotasks/Harlow-v0")
ROLLED = ("neurotasks/Bandit-v0", "neurotasks/TwoStep-v0")
LANES = (64, 1024, 16384)
OURS = ("gymnasium.make", "gymnasium.make_vec", "rollout", "GymnasiumVecEnv")
STEPS_AT_ONCE = 200_000  # lane steps of a compiled loop, and 100 steps at least

# Of each peer: program, task, lanes, and what its script is told.
PEERS = {
    "gymnax": [
        *(("gymnax, scan", "BernoulliBandit-misc", n, "scan") for n in LANES),
        *(("gymnax, scan, all steps kept", "BernoulliBandit-misc", n, "keep") for n in LANES),
        *(("gymnax, step from Python", "BernoulliBandit-misc", n, "step") for n in LANES),
    ],
    "neurogym": [
        (f"neurogym, {how}", task, lanes, how)
        for task in ("Bandit-v0", "DawTwoStep-v0")
        for how, lanes in (("gymnasium.make", 1), ("SyncVectorEnv", 64), ("DummyVecEnv", 64))
    ],
}


def benchmark_envs(
    out: str | Path, rounds: int = 5, peers: Mapping[str, str] | None = None
) -> list[Speed]:
    """Time the environments with random actions.

    One id of every task without pictures. ``rollout`` is the compiled loop over many steps, on
    one core and on all. Stable-Baselines3 steps its own ``DummyVecEnv`` over our single
    environments, or our adapter over the native one.

    Args:
        out: directory for ``envs.json`` and ``envs.png``.
        rounds: turns of each program.
        peers: Python interpreters by peer, of environments made as the peers' scripts say.

    Returns:
        The speeds.

    Raises:
        PeerError: if a peer is unknown or does not run.
    """
    with ExitStack() as stack:
        entries: list[Entry] = []
        for peer, python in (peers or {}).items():
            script = peer_script(peer, "envs")
            for program, task, lanes, how in PEERS[peer]:
                told = {"how": how, "task": task, "lanes": lanes}
                worker = stack.enter_context(Worker([python, str(script)], told))
                entries.append(Entry(program, task, lanes, worker))
        rows = race([*own_entries(), *entries], rounds)
    write("envs", rows, bars(rows, OURS), out)
    return rows


def own_entries() -> list[Entry]:
    """Return our programs, and Gymnasium's CartPole."""
    entries: list[Entry] = []
    for task in ("CartPole-v1", *SYMBOLIC):
        entries.append(Entry("gymnasium.make", task, 1, single_stepper(task)))
        for lanes in LANES if task in WIDE else LANES[:1]:
            entries.append(Entry("gymnasium.make_vec", task, lanes, vector_stepper(task, lanes)))
    counts = sorted({1, available_cores()})
    for task in ROLLED:
        for lanes in LANES:
            for threads in counts:
                roller = rollout_stepper(task, lanes, threads)
                entries.append(Entry("rollout", task, lanes, roller, threads=threads))
    task, lanes = "neurotasks/TwoStep-v0", 64
    dummy = DummyVecEnv([lambda: gym.make(task)] * lanes)
    adapted = GymnasiumVecEnv(gym.make_vec(task, num_envs=lanes, autoreset_mode="SameStep"))
    for program, env in (("DummyVecEnv", dummy), ("GymnasiumVecEnv", adapted)):
        entries.append(Entry(program, task, lanes, sb3_stepper(env)))
    return entries


def single_stepper(task: str) -> Callable[[], Turn]:
    """Return the program that steps a single environment."""
    env: Any = gym.make(task)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=1000).tolist()

    def turn() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    return for_a_while(turn)


def vector_stepper(task: str, lanes: int) -> Callable[[], Turn]:
    """Return the program that steps lanes from Python."""
    envs: Any = gym.make_vec(task, num_envs=lanes, vectorization_mode="vector_entry_point")
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=(10, lanes))

    def turn() -> int:
        for action in actions:
            envs.step(action)
        return actions.size

    return for_a_while(turn)


def rollout_stepper(task: str, lanes: int, threads: int) -> Callable[[], Turn]:
    """Return the program that takes many steps at once."""
    kwargs: Any = {"num_envs": lanes, "autoreset_mode": "SameStep", "threads": threads}
    envs: Any = gym.make_vec(task, **kwargs)
    envs.reset(seed=0)
    steps = max(100, STEPS_AT_ONCE // lanes)
    size = (steps, lanes)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=size)

    def turn() -> int:
        envs.unwrapped.rollout(actions)
        return actions.size

    return for_a_while(turn)


def sb3_stepper(env: VecEnv) -> Callable[[], Turn]:
    """Return the program that steps Stable-Baselines3's kind of vector environment."""
    env.reset()
    lanes: Any = env.num_envs
    space: Any = env.action_space
    actions = np.random.default_rng(0).integers(space.n, size=(10, lanes))

    def turn() -> int:
        for action in actions:
            env.step(action)
        return actions.size

    return for_a_while(turn)
