"""What rules are written with: the `rule` decorator and the random numbers of a lane.

A rule is a plain Python function on one lane. numba compiles it; with ``NUMBA_DISABLE_JIT=1`` the
same function runs as ordinary Python and gives the same numbers.

The generator is SplitMix64 (Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195). Its state
lives in the lane's record and is set anew from a hash of (seed, episode, trial) when a trial
begins: whatever an agent does in one trial, the next one brings the same world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
TO_UNIT = 2.0**-53


class Lane(Protocol):
    """Record of one lane, which rules read and write.

    The fields below are the core's, which every task has; a task's own come after them.

    Attributes:
        trial: Index of the trial in the episode.
        trials: Number of trials in the episode.
        step: Number of steps taken in the episode.
        trial_start: Value of `step` when the trial began.
        last_action: Previous action, -1 at the start of an episode.
        last_reward: Previous reward.
        outcome: Outcome of the trial: 1 rewarded, 0 unrewarded, -1 none.
        reward: Reward of the outcome.
        over: Whether the episode is over.
        stream: State of the random number generator.
    """

    trial: int
    trials: int
    step: int
    trial_start: int
    last_action: int
    last_reward: float
    outcome: int
    reward: float
    over: bool
    stream: np.uint64

    def __getattr__(self, name: str) -> Any:
        """Return a field of the task's own."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field."""


def rule(function: Function) -> Function:
    """Compile a function on one lane, to be called by other rules."""
    # Inlined, a rule hands on arrays without counting references: three times faster where LLVM
    # would not inline a long one by itself.
    compile_it = numba.njit(error_model="numpy", nogil=True, forceinline=True)
    compiled: Function = compile_it(function)
    return compiled


@rule
def mix(word: Any) -> Any:
    """Return the SplitMix64 hash of a 64-bit word."""
    word = (word ^ (word >> np.uint64(30))) * MIX_1
    word = (word ^ (word >> np.uint64(27))) * MIX_2
    return word ^ (word >> np.uint64(31))


@rule
def uniform(lane: Lane) -> float:
    """Draw from the uniform distribution on [0, 1)."""
    lane.stream = lane.stream + GOLDEN
    return (mix(lane.stream) >> np.uint64(11)) * TO_UNIT  # type: ignore[no-any-return]


@rule
def chance(lane: Lane, p: float) -> bool:
    """Draw True with probability p."""
    return uniform(lane) < p


@rule
def choose(lane: Lane, number: int) -> int:
    """Draw one of 0, 1, ..., number - 1, all equally likely."""
    return int(uniform(lane) * number)


def hashed(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return fixed uniform random numbers, the same on every machine and with every numpy.

    Args:
        shape: of the result.

    Returns:
        Numbers in [0, 1): the hashes of 1, 2, 3 ...
    """
    words = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * GOLDEN
    mixed = getattr(mix, "py_func", mix)(words)
    result: NDArray[np.float64] = ((mixed >> np.uint64(11)) * TO_UNIT).reshape(shape)
    return result
