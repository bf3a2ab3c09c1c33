"""Models of a task in which one of two arms pays in each trial, and the better one may change."""

from __future__ import annotations

from typing import Any

from neurotasks.core.rules import rule
from neurotasks.models.model import Model, positive, rate
from neurotasks.models.rules import ratio, softmax

GRID = 10  # values that stand for a p_better that is not known


@rule
def begin_hazard(state: Any, p: Any) -> None:
    """Every p_better and either arm are equally likely."""
    state.belief[:] = 1 / (2 * GRID)


@rule
def choose_hazard(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose by the expected rewards."""
    lead = 0 * p.beta
    for i in range(GRID):
        lead += (i + 0.5) / GRID * (state.belief[i, 1] - state.belief[i, 0])
    out[0], out[1] = 0 * lead, p.beta * lead
    softmax(out)


@rule
def learn_hazard(state: Any, p: Any, trial: Any) -> None:
    """Apply Bayes' rule to the outcome, then let the arms swap."""
    paying = trial.choice if trial.reward > 0 else 1 - trial.choice
    total = 0 * p.hazard
    for i in range(GRID):
        level = 0.5 + (i + 0.5) / (2 * GRID)
        state.belief[i, paying] *= level
        state.belief[i, 1 - paying] *= 1 - level
        total += state.belief[i, 0] + state.belief[i, 1]
    for i in range(GRID):
        left, right = ratio(state.belief[i, 0], total), ratio(state.belief[i, 1], total)
        state.belief[i, 0] = left + p.hazard * (right - left)
        state.belief[i, 1] = right + p.hazard * (left - right)


HAZARD_RATE = Model(
    name="hazard rate",
    parameters=(
        rate("hazard", "probability of a reversal after a trial", 0.0, 0.5),
        positive("beta", "inverse temperature"),
    ),
    state={"belief": (GRID, 2)},
    begin=begin_hazard,
    probabilities=choose_hazard,
    learn=learn_hazard,
)
"""Infers which arm is the better one under a constant hazard rate; of `GRID` values of p_better
each is equally likely at first."""


@rule
def begin_volatility(state: Any, p: Any) -> None:
    """Every block and arm is equally likely."""
    state.belief[:] = 0.25


@rule
def choose_volatility(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose by the expected rewards."""
    lead = state.belief[0, 1] + state.belief[1, 1] - state.belief[0, 0] - state.belief[1, 0]
    out[0], out[1] = 0 * lead, p.beta * (2 * p.p_better - 1) * lead
    softmax(out)


@rule
def learn_volatility(state: Any, p: Any, trial: Any) -> None:
    """Apply Bayes' rule to the outcome, then let the block change and the arms swap."""
    paying = trial.choice if trial.reward > 0 else 1 - trial.choice
    total = 0 * p.k
    for block in range(2):
        state.belief[block, paying] *= p.p_better
        state.belief[block, 1 - paying] *= 1 - p.p_better
        total += state.belief[block, 0] + state.belief[block, 1]
    for arm in range(2):
        stable, volatile = ratio(state.belief[0, arm], total), ratio(state.belief[1, arm], total)
        state.belief[0, arm] = stable + p.k * (volatile - stable)
        state.belief[1, arm] = volatile + p.k * (stable - volatile)
    swap = p.hazard * (state.belief[1, 1] - state.belief[1, 0])
    state.belief[1, 0] += swap
    state.belief[1, 1] -= swap


VOLATILITY = Model(
    name="volatility",
    parameters=(
        rate("p_better", "reward probability of the better arm", 0.5, 0.999),
        rate("hazard", "probability of a reversal after a trial of a volatile block", 0.0, 0.5),
        rate("k", "probability that the block changes after a trial", 0.0, 0.5),
        positive("beta", "inverse temperature"),
    ),
    state={"belief": (2, 2)},  # stable or volatile, better arm
    begin=begin_volatility,
    probabilities=choose_volatility,
    learn=learn_volatility,
)
"""Infers the better arm and whether the block is stable or volatile, a two-level form of Behrens
et al. 2007 (Nature Neuroscience 10:1214)."""


@rule
def begin_rate(state: Any, p: Any) -> None:
    """Either arm pays as often."""
    state.p_right = 0.5


@rule
def choose_rate(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose by the difference of the arms' reward probabilities."""
    lead = p.beta * (2 * state.p_right - 1)
    out[0], out[1] = 0 * lead, lead
    softmax(out)


@rule
def learn_rate(state: Any, p: Any, trial: Any) -> None:
    """Move the estimate towards the arm that paid."""
    paying = trial.choice if trial.reward > 0 else 1 - trial.choice
    state.p_right += p.alpha * (paying - state.p_right)


RESCORLA_WAGNER = Model(
    name="Rescorla-Wagner",
    parameters=(rate("alpha", "learning rate"), positive("beta", "inverse temperature", 100.0)),
    state={"p_right": ()},
    begin=begin_rate,
    probabilities=choose_rate,
    learn=learn_rate,
)
"""Estimates at a fixed rate how often the right arm pays, from 1/2; every outcome tells of both
arms (Rescorla & Wagner 1972; Behrens et al. 2007)."""

MODELS = (HAZARD_RATE, VOLATILITY, RESCORLA_WAGNER)
"""The models that are compared on a volatility task."""
