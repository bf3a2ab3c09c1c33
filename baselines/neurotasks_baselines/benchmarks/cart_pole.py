"""Steps per second of every id without pictures, compared with Gymnasium's CartPole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from matplotlib.figure import Figure

from neurotasks import TASKS
from neurotasks.core.task import load
from neurotasks_baselines.benchmarks.envs import single_stepper
from neurotasks_baselines.benchmarks.harness import Candidate, Result, Speed, compare, repeated
from neurotasks_baselines.benchmarks.output import write
from neurotasks_baselines.benchmarks.programs import CART_POLE, MAKE, MAKE_VEC
from neurotasks_baselines.benchmarks.tables import over_cart_pole
from neurotasks_baselines.plotting import new_figure, style

NUM_ENVS = 64


def benchmark_cart_pole(out: str | Path, rounds: int = 5) -> list[Speed]:
    """Time single environments, and vectors of 64 in every autoreset mode, with random actions.

    Gymnasium's vector of CartPoles knows one mode only, the next step's.

    Args:
        out: Directory for ``cart-pole.json`` and ``cart-pole.png``.
        rounds: Number of rounds.

    Returns:
        The speeds.
    """
    ids = [id for id, kwargs in TASKS.items() if load(kwargs["task"]).image_shape is None]
    candidates = []
    for task in (CART_POLE, *ids):
        candidates.append(Candidate(MAKE, task, 1, single_stepper(task)))
        for mode in AutoresetMode if task in ids else (AutoresetMode.NEXT_STEP,):
            run = vector_stepper(task, mode)
            candidates.append(Candidate(MAKE_VEC[mode.value], task, NUM_ENVS, run))
    rows = compare(candidates, rounds)
    write("cart-pole", rows, figure(rows), out)
    return rows


def vector_stepper(task: str, mode: AutoresetMode) -> Callable[[], Result]:
    """Return the program that steps a vector environment from Python, and resets it if need be."""
    given: Any = {} if task == CART_POLE else {"autoreset_mode": mode}
    envs: Any = gym.make_vec(
        task, num_envs=NUM_ENVS, vectorization_mode="vector_entry_point", **given
    )
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(envs.single_action_space.n, size=(100, NUM_ENVS))

    def step() -> int:
        for action in actions:
            _, _, terminations, truncations, _ = envs.step(action)
            if mode is AutoresetMode.DISABLED:
                ended = terminations | truncations
                if ended.any():
                    envs.reset(options={"reset_mask": ended})
        return actions.size

    return repeated(step)


def figure(rows: list[Speed]) -> Figure:
    """Draw the ratios to CartPole, a point for every way to step an id."""
    found = over_cart_pole([asdict(row) for row in rows])
    ids = list(found)
    with style():
        drawn, (axes,) = new_figure(1, width=6, height=0.8 + 0.25 * len(ids))
        for program, marker in zip((MAKE, *MAKE_VEC.values()), "os^x", strict=True):
            ratios = [found[id].get(program, np.nan) for id in ids]
            axes.plot(ratios, range(len(ids)), marker, mfc="none", label=program)
        axes.set_yticks(range(len(ids)), [id.partition("/")[2] for id in ids])
        axes.set(xlabel="speed, CartPole = 1", xlim=(0, None))
        axes.axvline(1, color="black", linewidth=1)
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
