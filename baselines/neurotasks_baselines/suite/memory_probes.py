"""What an agent does with its state, seen from outside: the same observations in other batches.

No rewards and no training: random streams of observations are shown to the agent in several ways
that must not matter, or that must be the same as a fresh start. The state stays the agent's own,
so that environments are mixed by showing their streams in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.episodes import Agent

STEPS, NUM_ENVS, ALONE = 24, 64, 8
HALF = STEPS // 2
ROUNDING = 0.01
"""Share of actions that may differ: rounding differs between batches, and can turn close calls."""
SENSITIVE = 0.05
"""Share of actions that another history must change for a probe of the state to mean anything."""


@dataclass(frozen=True)
class Probes:
    """Shares of actions that differ, 0 to 1.

    Attributes:
        repeated: When the same streams are shown once more.
        history: In the second half, when only the first half is another.
        permuted: When the environments come in another order.
        alone: When some are shown alone, and when the batch is cut in two.
        reset: In the second half after a start in the middle, compared with a fresh state.
        late: The same, one step later, compared with a fresh state at that step and no start.
        forgotten: In the second half, when a fresh state takes the place of the history.
        neighbours: In the second half, when other environments start an episode in the middle.
    """

    repeated: float
    history: float
    permuted: float
    alone: float
    reset: float
    late: float
    forgotten: float
    neighbours: float


def probe(agent: Agent, width: int, seed: int = 0) -> Probes:
    """Show an agent the same random streams in several ways.

    Args:
        agent: Agent with ``predict``, asked for its most probable actions.
        width: Width of an observation; the streams are random bits, one in ten of them 1.
        seed: Seed of the streams.

    Returns:
        How many of its actions differ.
    """
    rng = np.random.default_rng(seed)
    seen, other = (rng.random((2, STEPS, NUM_ENVS, width)) < 0.1).astype(np.float32)
    starts = rng.random((STEPS, NUM_ENVS)) < 0.1
    starts[0] = True
    once = np.zeros_like(starts)
    once[0] = True

    actions = play(agent, seen, starts)
    order = rng.permutation(NUM_ENVS)
    singles = [play(agent, seen[:, [i]], starts[:, [i]]) for i in range(ALONE)]
    parts = (np.s_[:ALONE], np.s_[ALONE:])
    halves = [play(agent, seen[:, part], starts[:, part]) for part in parts]

    plain = play(agent, seen, once)
    fresh = play(agent, seen[HALF:], once[:HALF])
    fresh_later = play(agent, seen[HALF + 1 :], np.zeros_like(once[HALF + 1 :]))
    middle = once.copy()
    middle[HALF, ::2] = True  # in every other environment an episode starts in the middle
    restarted = play(agent, seen, middle)
    changed = play(agent, np.concatenate([other[:HALF], seen[HALF:]]), once)
    return Probes(
        repeated=_differ(actions, play(agent, seen, starts)),
        history=_differ(plain[HALF:], changed[HALF:]),
        permuted=_differ(actions[:, order], play(agent, seen[:, order], starts[:, order])),
        alone=max(
            _differ(actions[:, :ALONE], np.concatenate(singles, axis=1)),
            _differ(actions, np.concatenate(halves, axis=1)),
        ),
        reset=_differ(restarted[HALF:, ::2], fresh[:, ::2]),
        late=_differ(restarted[HALF + 1 :, ::2], fresh_later[:, ::2]),
        forgotten=_differ(plain[HALF:], fresh),
        neighbours=_differ(restarted[HALF:, 1::2], plain[HALF:, 1::2]),
    )


def play(agent: Agent, observations: Any, starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the actions, (steps, num_envs), of an agent that is shown some streams."""
    state, actions = None, []
    for seen, start in zip(observations, starts, strict=True):
        action, state = agent.predict(seen.copy(), state, start.copy(), deterministic=True)
        actions.append(np.asarray(action).reshape(len(start)))
    return np.stack(actions).astype(np.int64)


def _differ(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    return float((one != other).mean())
