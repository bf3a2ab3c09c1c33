"""Steps per second of the environments, compared with Gymnasium's CartPole and with peers."""

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
from neurotasks_baselines.benchmarks.harness import Candidate, Result, Speed, compare, repeated
from neurotasks_baselines.benchmarks.output import bars, write
from neurotasks_baselines.benchmarks.programs import BANDIT, GYMNAX_BANDIT, LOOP, TWO_STEP
from neurotasks_baselines.benchmarks.worker import Worker, peer_script
from neurotasks_baselines.processes import available_cores

SYMBOLIC = tuple(
    {
        kwargs["task"]: id
        for id, kwargs in reversed(TASKS.items())
        if load(kwargs["task"]).image_shape is None
    }.values()
)[::-1]
MANY_SIZES = ("CartPole-v1", BANDIT, TWO_STEP, "neurotasks/Harlow-v0")
COMPILED = (BANDIT, TWO_STEP)
SIZES = (64, 1024, 16384)  # numbers of sub-environments
HIGHLIGHTED = ("gymnasium.make", "gymnasium.make_vec", LOOP, "GymnasiumVecEnv")
STEPS_AT_ONCE = 200_000  # of the compiled loop, over all sub-environments

# Of each peer: program, task, number of sub-environments, and how its script runs them.
PEERS = {
    "gymnax": [
        *(("gymnax, scan", GYMNAX_BANDIT, n, "scan") for n in SIZES),
        *(("gymnax, scan, all steps kept", GYMNAX_BANDIT, n, "keep") for n in SIZES),
        *(("gymnax, step from Python", GYMNAX_BANDIT, n, "step") for n in SIZES),
    ],
    "neurogym": [
        (f"neurogym, {how}", task, num_envs, how)
        for task in ("Bandit-v0", "DawTwoStep-v0")
        for how, num_envs in (("gymnasium.make", 1), ("SyncVectorEnv", 64), ("DummyVecEnv", 64))
    ],
}


def benchmark_envs(
    out: str | Path, rounds: int = 5, peers: Mapping[str, str] | None = None
) -> list[Speed]:
    """Time the environments with random actions.

    One id of every task without pictures. The compiled loop takes many steps in one call, on one
    core and on all. Stable-Baselines3 steps its own ``DummyVecEnv`` over our single environments,
    or our adapter over the native vector environment.

    Args:
        out: Directory for ``envs.json`` and ``envs.png``.
        rounds: Number of rounds.
        peers: Python interpreters by peer, of environments made as the peers' scripts say.

    Returns:
        The speeds.

    Raises:
        PeerError: If a peer is unknown or does not run.
    """
    with ExitStack() as stack:
        candidates = own_candidates()
        for peer, python in (peers or {}).items():
            script = peer_script(peer, "envs")
            for program, task, num_envs, how in PEERS[peer]:
                configuration = {"how": how, "task": task, "num_envs": num_envs}
                worker = stack.enter_context(Worker([python, str(script)], configuration))
                candidates.append(Candidate(program, task, num_envs, worker))
        rows = compare(candidates, rounds)
    write("envs", rows, bars(rows, HIGHLIGHTED), out)
    return rows


def own_candidates() -> list[Candidate]:
    """Return our programs, and Gymnasium's CartPole."""
    candidates: list[Candidate] = []
    for task in ("CartPole-v1", *SYMBOLIC):
        candidates.append(Candidate("gymnasium.make", task, 1, single_stepper(task)))
        for n in SIZES if task in MANY_SIZES else SIZES[:1]:
            candidates.append(Candidate("gymnasium.make_vec", task, n, vector_stepper(task, n)))
    for task in COMPILED:
        for n in SIZES:
            for threads in sorted({1, available_cores()}):
                run = loop_stepper(task, n, threads)
                candidates.append(Candidate(LOOP, task, n, run, threads=threads))
    task, n = TWO_STEP, 64
    dummy = DummyVecEnv([lambda: gym.make(task)] * n)
    adapted = GymnasiumVecEnv(gym.make_vec(task, num_envs=n, autoreset_mode="SameStep"))
    candidates.append(Candidate("DummyVecEnv", task, n, sb3_stepper(dummy)))
    candidates.append(Candidate("GymnasiumVecEnv", task, n, sb3_stepper(adapted)))
    return candidates


def single_stepper(task: str) -> Callable[[], Result]:
    """Return the program that steps a single environment."""
    env: Any = gym.make(task)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=1000).tolist()

    def step() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    return repeated(step)


def vector_stepper(task: str, num_envs: int) -> Callable[[], Result]:
    """Return the program that steps a vector environment from Python."""
    envs: Any = gym.make_vec(task, num_envs=num_envs, vectorization_mode="vector_entry_point")
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=(10, num_envs))

    def step() -> int:
        for action in actions:
            envs.step(action)
        return actions.size

    return repeated(step)


def loop_stepper(task: str, num_envs: int, threads: int) -> Callable[[], Result]:
    """Return the program that takes many steps in one call."""
    kwargs: Any = {"num_envs": num_envs, "autoreset_mode": "SameStep", "threads": threads}
    envs: Any = gym.make_vec(task, **kwargs)
    envs.reset(seed=0)
    size = (max(100, STEPS_AT_ONCE // num_envs), num_envs)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=size)

    def step() -> int:
        envs.unwrapped.step_many(actions)
        return actions.size

    return repeated(step)


def sb3_stepper(env: VecEnv) -> Callable[[], Result]:
    """Return the program that steps Stable-Baselines3's kind of vector environment."""
    env.reset()
    space: Any = env.action_space
    actions = np.random.default_rng(0).integers(space.n, size=(10, env.num_envs))

    def step() -> int:
        for action in actions:
            env.step(action)
        return actions.size

    return repeated(step)
