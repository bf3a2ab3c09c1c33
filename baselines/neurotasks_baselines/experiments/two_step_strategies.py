"""Controls of the two-step task: which strategies predict somebody's choices (Akam 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from neurotasks.observers.two_step import update_belief

LATENT_STATE, REWARD_AS_CUE, FREE_FIT = "latent state", "reward as cue", "model-free"
ALPHAS = np.arange(0.1, 1.0, 0.1)
MOST_BETA = 100.0  # largest inverse temperature of a fit

Floats = NDArray[np.float64]


def strategy_fits(trials: pd.DataFrame, parameters: Any) -> dict[str, float]:
    """Return how well three strategies predict first-stage choices.

    Each gets the inverse temperature of its softmax, and the model-free learner its learning rate,
    that suit the choices best. The first trial of an episode, which none can predict, is left out.

    Args:
        trials: Trial table.
        parameters: Parameters of the task.

    Returns:
        Log likelihood per choice, in nats, by strategy: ``"latent state"`` infers the better state
        from all outcomes, ``"reward as cue"`` from the last one only, ``"model-free"`` learns by
        Q(1) which choice pays; log 1/2 is that of who knows nothing. NaN without choices.
    """
    by_trial = {
        name: trials.pivot(index="trial", columns=["env", "episode"], values=name)
        .fillna(-1)
        .to_numpy(np.int64)
        for name in ("choice", "second_state", "outcome")
    }
    choice, state, outcome = by_trial["choice"], by_trial["second_state"], by_trial["outcome"]
    counts = choice >= 0
    counts[:1] = False
    if not counts.any():
        return dict.fromkeys((LATENT_STATE, REWARD_AS_CUE, FREE_FIT), np.nan)
    sign = 2.0 * choice[counts] - 1

    def likelihood(leads: Floats) -> float:
        lead = sign * leads[counts]
        found: Any = minimize_scalar(
            lambda beta: np.logaddexp(0, -beta * lead).mean(),
            bounds=(0, MOST_BETA),
            method="bounded",
        )
        return float(-found.fun)

    belief = beliefs(state, outcome, parameters, forgets=False)
    cue = beliefs(state, outcome, parameters, forgets=True)
    return {
        LATENT_STATE: likelihood(belief - 0.5),
        REWARD_AS_CUE: likelihood(cue - 0.5),
        FREE_FIT: max(likelihood(value_leads(choice, outcome, float(a))) for a in ALPHAS),
    }


def beliefs(
    state: NDArray[np.int64], outcome: NDArray[np.int64], parameters: Any, *, forgets: bool
) -> Floats:
    """Return the belief before each trial that state 1 is the better one, (trials, episodes).

    Args:
        state: Second-stage states, (trials, episodes).
        outcome: Outcomes, -1 of an invalid trial, (trials, episodes).
        parameters: Parameters of the task.
        forgets: Whether all but the last trial is forgotten.
    """
    found = np.full(state.shape, 0.5)
    for t in range(len(state) - 1):
        before = np.full(state.shape[1], 0.5) if forgets else found[t]
        learned = update_belief(before, state[t], outcome[t].astype(np.float64), parameters)
        found[t + 1] = np.where(outcome[t] >= 0, learned, before)
    return found


def value_leads(choice: NDArray[np.int64], outcome: NDArray[np.int64], alpha: float) -> Floats:
    """Return the value of the right choice less that of the left one before each trial.

    Args:
        choice: First-stage choices, -1 for none, (trials, episodes).
        outcome: Outcomes, -1 of an invalid trial, (trials, episodes).
        alpha: Learning rate of the Q(1) learner.
    """
    values, found = np.full((2, choice.shape[1]), 0.5), np.zeros(choice.shape)
    for t in range(len(choice)):
        found[t] = values[1] - values[0]
        for side in (0, 1):
            chosen = (choice[t] == side) & (outcome[t] >= 0)
            values[side] += alpha * chosen * (outcome[t] - values[side])
    return found
