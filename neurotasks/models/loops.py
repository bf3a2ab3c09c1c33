"""The loops over trials, written once and compiled for each model.

The functions below name a model's rules (``begin``, ``probabilities``, ``learn``) as globals;
`compile_loops` gives every model its own copy of them, as `neurotasks.core.loops` does for tasks.
"""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from neurotasks.core.cache import cached
from neurotasks.core.fingerprints import fingerprint
from neurotasks.core.rules import rule
from neurotasks.models.rules import STEP, TINY

TRIAL = np.dtype(
    [
        ("reward", np.float64),
        ("choice", np.int64),
        ("second_state", np.int64),
        ("second_choice", np.int64),
        ("begins", np.bool_),
        ("counts", np.bool_),
    ]
)
"""A trial as models see it: the reward; choice, -1 if the trial was missed; second-stage state and
choice, 0 where there are none; whether it begins an episode, and whether its choices count in the
likelihood."""


@rule
def draw(probabilities: Any, uniform: float) -> int:
    """Return the option whose share of [0, 1) holds a uniform random number."""
    option, passed = 0, probabilities[0]
    while uniform >= passed and option < len(probabilities) - 1:
        option += 1
        passed += probabilities[option]
    return option


def run(
    trials: Any,
    playing: bool,
    world: Any,
    uniforms: Any,
    p: Any,
    states: Any,
    first: Any,
    second: Any,
    found: Any,
) -> None:
    """Go along trials whose choices are known, or, playing, make the choices.

    Args:
        trials: Records of `TRIAL`, (trials,); written if playing, except ``begins``, ``counts``.
        playing: Whether to play in the world.
        world: Whether each trial's transition is common, (trials,), and what each second-stage
            state and option pays, (trials, states, options); in a task of one stage the options
            of state 0.
        uniforms: Uniform random numbers that choices are drawn with, (trials, 2).
        p: Record of the parameters, (1,).
        states: Record of the state, (1,), which is written to.
        first: Written: probabilities of the first-stage options, (options,).
        second: Written: probabilities of the second-stage options, (options,); of fewer than two
            none is chosen.
        found: Written: log probability of the choice at either stage, (trials, 2), 0 where there
            was none.
    """
    common, pays = world
    for t in range(trials.shape[0]):
        trial = trials[t]
        if trial.begins:
            begin(states[0], p[0])
        found[t, 0] = 0.0
        found[t, 1] = 0.0
        if trial.choice < 0 and not playing:
            continue
        probabilities(states[0], p[0], trial, 0, first)
        if playing:
            trial.choice = draw(first, uniforms[t, 0])
            trial.second_state = 0
            trial.second_choice = 0
            if second.shape[0] > 0:
                trial.second_state = trial.choice if common[t] else 1 - trial.choice
        found[t, 0] = np.log(max(first[trial.choice], TINY))
        if second.shape[0] > 1:
            probabilities(states[0], p[0], trial, 1, second)
            if playing:
                trial.second_choice = draw(second, uniforms[t, 1])
            found[t, 1] = np.log(max(second[trial.second_choice], TINY))
        if playing:
            option = trial.second_choice if second.shape[0] > 0 else trial.choice
            trial.reward = pays[t, trial.second_state, option]
        learn(states[0], p[0], trial)


def gradient(
    trials: Any, p: Any, matters: Any, states: Any, first: Any, second: Any, slopes: Any
) -> float:
    """Return the log likelihood of the choices that count, and write its gradient.

    Args:
        trials: Records of `TRIAL`, (trials,).
        p: Complex records of the parameters, one per derivative: the imaginary part of the
            parameter that it is taken by is `STEP`.
        matters: Whether that parameter matters for choices at the first and the second stage,
            (derivatives, 2); what does not matter is not computed.
        states: Complex record of the state, (1,), which is written to.
        first: As for `run`, complex.
        second: As for `run`, complex.
        slopes: Written: the derivatives, in the order of `p`.
    """
    total = 0.0
    for k in range(p.shape[0]):
        at_first = k == 0 or matters[k, 0]
        at_second = second.shape[0] > 1 and (k == 0 or matters[k, 1])
        slope = 0.0
        for t in range(trials.shape[0]):
            trial = trials[t]
            if trial.begins:
                begin(states[0], p[k])
            if trial.choice < 0:
                continue
            if trial.counts:
                likelihood = 1.0
                if at_first:
                    probabilities(states[0], p[k], trial, 0, first)
                    chosen = first[trial.choice]
                    likelihood = max(chosen.real, TINY)
                    slope += chosen.imag / likelihood
                if at_second:
                    probabilities(states[0], p[k], trial, 1, second)
                    chosen = second[trial.second_choice]
                    slope += chosen.imag / max(chosen.real, TINY)
                    likelihood *= max(chosen.real, TINY)
                if k == 0:
                    total += np.log(likelihood)
            learn(states[0], p[k], trial)
        slopes[k] = slope / STEP
    return total


def trace(trials: Any, p: Any, states: Any, seen: Any) -> None:
    """Write down the state before each trial, such as the values that are known then.

    Args:
        trials: Records of `TRIAL`, (trials,).
        p: Record of the parameters, (1,).
        states: Record of the state, (1,), which is written to.
        seen: Written: records of the states, (trials,).
    """
    for t in range(trials.shape[0]):
        trial = trials[t]
        if trial.begins:
            begin(states[0], p[0])
        seen[t] = states[0]
        if trial.choice >= 0:
            learn(states[0], p[0], trial)


def respond(
    states: Any,
    p: Any,
    trials: Any,
    ended: Any,
    stages: Any,
    uniforms: Any,
    first: Any,
    second: Any,
    chosen: Any,
) -> None:
    """Let a player in each sub-environment learn from a trial that has ended, and choose.

    Args:
        states: Records of the states, (num_envs,), which are written to.
        p: Record of the parameters, (1,).
        trials: Trial of each, (num_envs,); an episode begins where it has ``begins``.
        ended: Whether the trial is over and to be learned from, (num_envs,).
        stages: Stage at which to choose, -1 where no choice is offered, (num_envs,).
        uniforms: Uniform random numbers, (num_envs,).
        first: As for `run`.
        second: As for `run`.
        chosen: Written: the choices, where one is offered, (num_envs,).
    """
    for i in range(states.shape[0]):
        if trials[i].begins:
            begin(states[i], p[0])
        elif ended[i]:
            learn(states[i], p[0], trials[i])
        if stages[i] == 0:
            probabilities(states[i], p[0], trials[i], 0, first)
            chosen[i] = draw(first, uniforms[i])
        elif stages[i] == 1 and second.shape[0] > 1:
            probabilities(states[i], p[0], trials[i], 1, second)
            chosen[i] = draw(second, uniforms[i])
        else:
            chosen[i] = 0


class Loops(NamedTuple):
    """The compiled loops of one model."""

    run: Callable[..., None]
    gradient: Callable[..., float]
    trace: Callable[..., None]
    respond: Callable[..., None]


@cache
def compile_loops(
    begin: Callable[..., None], probabilities: Callable[..., None], learn: Callable[..., None]
) -> Loops:
    """Return the loops for a model's rules, compiled at their first call or read from disk."""
    rules = {"begin": begin, "probabilities": probabilities, "learn": learn}
    scope = globals() | rules
    short = hashlib.sha256(fingerprint(list(rules.values())).encode()).hexdigest()[:16]

    def copy(name: str) -> Callable[..., Any]:
        clone = types.FunctionType(globals()[name].__code__, scope, name)
        clone.__qualname__ = f"{name}_{short}"  # numba's, which no other model may have
        return cached(clone, error_model="numpy", nogil=True)

    return Loops(**{name: copy(name) for name in Loops._fields})
