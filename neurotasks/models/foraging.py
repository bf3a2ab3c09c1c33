"""Models of foraging between two arms or more."""

from __future__ import annotations

from typing import Any

from neurotasks.core.rules import rule
from neurotasks.models.model import Model, positive
from neurotasks.models.rules import exp, log, ratio, softmax

WHOLE_EPISODE = 1e9  # trials; a time constant without decay
NEGLIGIBLE = 1e-100  # income: arms that have none are chosen equally often


@rule
def begin_income(state: Any, p: Any) -> None:
    """All arms have brought as much."""
    state.income[:] = p.income0


@rule
def choose_income(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Match choices to income, to the power of the sensitivity."""
    for arm in range(len(out)):
        out[arm] = p.sensitivity * log(state.income[arm] + NEGLIGIBLE)
    softmax(out)


@rule
def learn_income(state: Any, p: Any, trial: Any) -> None:
    """Let all incomes decay, and add the reward to that of the chosen arm."""
    decay = exp(ratio(-1, p.tau))
    for arm in range(len(state.income)):
        state.income[arm] = state.income[arm] * decay
    state.income[trial.choice] += trial.reward


INCOME = Model(
    name="income",
    parameters=(
        positive("tau", "time constant of the decay, in trials", 1000.0),
        positive("sensitivity", "exponent of the generalised matching law", 10.0),
        positive("income0", "income of each arm at the start, in rewards", 100.0),
    ),
    state={"income": ("options",)},
    begin=begin_income,
    probabilities=choose_income,
    learn=learn_income,
    fixed={"income0": 0.6},
)
"""Both of the models below, at once."""

LEAKY_INCOME = INCOME.fixing("leaky income", sensitivity=1.0)
"""Matches choices to the income each arm has brought of late (Sugrue et al. 2004, Science
304:1782)."""

MATCHING = INCOME.fixing("matching", tau=WHOLE_EPISODE)
"""Matches choices to the income of the whole episode, to a power (generalised matching law; Baum
1974, J. Exp. Anal. Behav. 22:231)."""

MODELS = (LEAKY_INCOME, MATCHING)
"""The models that are compared on a foraging task."""
