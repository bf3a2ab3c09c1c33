"""Trained agents as models of somebody's choices, next to which they were never trained."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.behaviour.replay import replay
from neurotasks_baselines.processes import limited_threads

if TYPE_CHECKING:
    import pandas as pd

TINY = np.finfo(np.float32).tiny  # of a softmax in float32
LARGEST_TEMPERATURE = 10.0  # inverse
MOST_FOLDS = 1000


def policy_along(model: FusedRecurrentPPO, trials: pd.DataFrame) -> pd.DataFrame:
    """Return an agent's policy at every choice in a table, given all that came before.

    The recurrent state is carried through the episode of somebody else's choices, see
    `neurotasks_baselines.behaviour.replay.replay`; the probabilities are those of the actions that
    are choices, relative to each other. No weight is changed.

    Args:
        model: Agent of a two-step task or of a bandit.
        trials: Trial table, see `neurotasks.models.likelihood.people`.

    Returns:
        Log probability of each option, one row per row of the table and one column per option, and
        the column ``choice``, -1 and NaN where nothing was chosen.

    Raises:
        ParameterError: If the agent's task is another one.
        TrialTableError: See `replay`.
    """
    along = replay(model, trials)
    with limited_threads(1):
        probabilities = compute_activations(model, along.episodes).action_probabilities
    found = np.full((len(trials), along.options), np.nan)
    if probabilities is None:
        raise ParameterError("An agent's actions must be Discrete to have probabilities.")
    chosen = probabilities[along.steps, along.columns, : along.options]
    found[along.rows] = log_softmax(np.log(np.maximum(chosen, TINY)), axis=1)
    choice = np.full(len(trials), -1)
    choice[along.rows] = along.choices
    policy = require("pandas", "analysis").DataFrame(found, index=trials.index)
    return policy.assign(choice=choice)


def log_likelihoods(policy: pd.DataFrame, beta: float = 1.0) -> NDArray[np.float64]:
    """Return the log probability of every choice, NaN where nothing was chosen, (trials,).

    Args:
        policy: Policy from `policy_along`.
        beta: Inverse temperature that the policy's log odds are multiplied with, 1 for the agent as
            it is.
    """
    choice = policy["choice"].to_numpy()
    scaled = log_softmax(beta * policy.drop(columns="choice").to_numpy(), axis=1)
    found = scaled[np.arange(len(choice)), choice]
    return np.where(choice >= 0, found, np.nan)


def fit_temperature(policy: pd.DataFrame) -> float:
    """Return the inverse temperature at which an agent's policy makes choices most likely.

    It is the one parameter of an agent that is fitted to anybody, by maximum likelihood between 0,
    choosing at random, and `LARGEST_TEMPERATURE`; its likelihood has a single peak.

    Args:
        policy: Policy from `policy_along`, with at least one choice.
    """
    made = policy[policy["choice"] >= 0]

    def negative(beta: float) -> float:
        return -float(log_likelihoods(made, beta).sum())

    return float(minimize_scalar(negative, bounds=(0.0, LARGEST_TEMPERATURE)).x)


def held_out_policy(
    policy: pd.DataFrame, subjects: pd.Series, *, folds: int = 5
) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return everybody's log likelihood per choice under an agent that was not trained on them.

    The second is that of the agent with an inverse temperature of each subject's own. As in
    `neurotasks.models.held_out`, one block of a subject's choices after the other is left out, the
    temperature fitted to the others, and those of the block predicted.

    Args:
        policy: Policy from `policy_along`.
        subjects: Whose choice each row is.
        folds: Number of blocks.

    Returns:
        Log likelihoods per choice of the agent as it is, and with a temperature, one per subject.

    Raises:
        ParameterError: If there are fewer than two folds, or somebody has fewer choices.
    """
    check_count("folds", folds, MOST_FOLDS)
    plain: dict[Hashable, float] = {}
    scaled: dict[Hashable, float] = {}
    made = policy["choice"] >= 0
    for subject, own in policy[made].groupby(subjects[made], sort=True):
        plain[subject] = float(log_likelihoods(own).mean())
        parts = [
            log_likelihoods(block, fit_temperature(others)) for block, others in _blocks(own, folds)
        ]
        scaled[subject] = float(np.concatenate(parts).mean())
    pd = require("pandas", "analysis")
    return pd.Series(plain, dtype=float), pd.Series(scaled, dtype=float)


def _blocks(own: pd.DataFrame, folds: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    if not 2 <= folds <= len(own):
        raise ParameterError(
            f"folds must be from 2 to the number of a subject's choices; got {folds} for "
            f"{len(own)} choices. Leave out who made so few."
        )
    for block in np.array_split(np.arange(len(own)), folds):
        left_out = np.isin(np.arange(len(own)), block)
        yield own[left_out], own[~left_out]
