"""Measures of the two-step task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour, Statement
from neurotasks.analysis.past_choices import (
    NO_PAIRS,
    followed,
    lagged_choices,
    ridge_weights,
    ridge_weights_by,
)
from neurotasks.columns import TRIAL, checked
from neurotasks.errors import TrialTableError
from neurotasks.observers.two_step import update_belief
from neurotasks.tasks.two_step import TASK, TwoStepParameters

STAYS = (*TRIAL, "choice", "outcome", "common")

CONDITIONS = {
    "rewarded common": (1, True),
    "rewarded rare": (1, False),
    "unrewarded common": (0, True),
    "unrewarded rare": (0, False),
}


def stays(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that are followed by a valid one, with whether the choice was repeated.

    Args:
        trials: Trial table with the columns ``env``, ``episode``, ``trial``, ``choice``
            (-1 where none was made), ``outcome``, ``common``.

    Returns:
        The rows whose trial and next trial are valid, in order, with a bool column ``stay``.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
    """
    return followed(checked(trials, TASK, STAYS))


def stay_probabilities(trials: pd.DataFrame) -> dict[str, float]:
    """Return P(stay) after each kind of trial (Daw 2011, Fig. 2; Wang 2018, Fig. 5).

    Args:
        trials: Trial table, see `stays`.

    Returns:
        The probabilities by the names in `CONDITIONS`; NaN where there is no such trial.

    Raises:
        TrialTableError: See `stays`.
    """
    pairs = stays(trials)
    return {
        name: float(
            pairs["stay"][(pairs["outcome"] == outcome) & (pairs["common"] == common)].mean()
        )
        for name, (outcome, common) in CONDITIONS.items()
    }


def stay_probabilities_by(trials: pd.DataFrame, by: tuple[str, ...] = ("env",)) -> pd.DataFrame:
    """Return P(stay) after each kind of trial for each subject, or each session of each.

    Published values of people are means over subjects: of all trials together they would be those
    of the people who missed fewest.

    Args:
        trials: Trial table, see `stays`.
        by: Columns that tell apart whom to return them for, such as ``("env", "episode")``.

    Returns:
        One row for each, indexed by those columns, with the columns in `CONDITIONS`; NaN where
        there is no such trial. `stay_effects` takes a row, or the mean over rows.

    Raises:
        TrialTableError: See `stays`, or if a column of `by` is missing.
    """
    by, conditions = tuple(by), ["outcome", "common"]
    pairs = stays(trials)
    if missing := [name for name in by if name not in pairs]:
        raise TrialTableError(
            f"A trial table must have the columns in by; got none called {', '.join(missing)}. "
            f"It has {', '.join(map(str, trials.columns))}."
        )
    everybody = trials.groupby([*by]).size().index
    means = pairs.groupby([*by, *conditions])["stay"].mean().unstack(conditions)
    wanted = pd.MultiIndex.from_tuples(list(CONDITIONS.values()), names=conditions)
    return means.reindex(everybody, columns=wanted).set_axis(list(CONDITIONS), axis="columns")


def stay_effects(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return the main effect of reward and the interaction of reward and transition.

    A model-free learner shows the first, a model-based one the second.

    Args:
        probabilities: Probabilities from `stay_probabilities`, or a row of `stay_probabilities_by`.

    Returns:
        ``"reward"``: mean over transitions of P(stay | rewarded) - P(stay | unrewarded);
        ``"interaction"``: half the difference of that between common and rare transitions.
    """
    common = probabilities["rewarded common"] - probabilities["unrewarded common"]
    rare = probabilities["rewarded rare"] - probabilities["unrewarded rare"]
    return {"reward": float(common + rare) / 2, "interaction": float(common - rare) / 2}


def stay_regression(trials: pd.DataFrame) -> pd.DataFrame:
    """Regress staying on reward, transition and their interaction (logistic; Daw 2011).

    Args:
        trials: Trial table, see `stays`.

    Returns:
        Coefficients (``coef``), standard errors (``se``) and p values (``p``) of the effect-coded
        (+-1) regressors, one row each.

    Raises:
        TrialTableError: See `stays`, or if no trial is followed by a valid one.
        numpy.linalg.LinAlgError: or a statsmodels warning, where a condition always or never
            stays, as an observer without lapse does: the coefficients are infinite then.
    """
    pairs = stays(trials)
    if pairs.empty:
        raise TrialTableError(NO_PAIRS)
    data = pd.DataFrame(
        {
            "stay": pairs["stay"].astype(int),
            "reward": np.where(pairs["outcome"] == 1, 1, -1),
            "transition": np.where(pairs["common"], 1, -1),
        }
    )
    fit = smf.logit("stay ~ reward * transition", data).fit(disp=0)
    return pd.DataFrame({"coef": fit.params, "se": fit.bse, "p": fit.pvalues})


def miller_regression(trials: pd.DataFrame, lags: int = 5, ridge: float = 0.0) -> pd.DataFrame:
    """Regress the choice on the choices of the last trials, each kind apart (Miller 2017).

    The regressor of a kind of trial and a lag is 1 where the trial so many before was of that kind
    and its choice was right, -1 where it was left, 0 where it was of another kind. A positive
    coefficient means repeating the choice. A model-free learner repeats rewarded choices, a
    model-based one those that were rewarded after a common or unrewarded after a rare transition.

    Args:
        trials: Trial table, see `stays`.
        lags: Number of past trials.
        ridge: Weight of half the squared coefficients against the mean log likelihood. Above 0 it
            keeps them finite for somebody who nearly always chooses the same, a trained agent say;
            they then have no standard errors, and are NaN where there are no two choices.

    Returns:
        Coefficients (``coef``), standard errors (``se``) and p values (``p``), with an index of
        the names in `CONDITIONS` and the lag, and ``("bias", 0)`` for the intercept. Choices count
        that follow on as many valid trials as there are lags.

    Raises:
        TrialTableError: See `stays`, or if no choice follows on as many valid trials.
        ParameterError: If `lags` is no number of trials.
        numpy.linalg.LinAlgError: or a statsmodels warning, where without `ridge` the choices can be
            predicted without error or a kind of trial is missing.
    """
    design, counting = _lagged(trials, lags, complete=True)
    choices = counting["choice"].to_numpy()
    if ridge > 0:
        table = {"coef": ridge_weights(design, choices, ridge), "se": np.nan, "p": np.nan}
    else:
        fit = sm.Logit(choices, design.to_numpy()).fit(disp=0)
        table = {"coef": fit.params, "se": fit.bse, "p": fit.pvalues}
    return pd.DataFrame(table, index=design.columns)


def lagged_weights_by(
    trials: pd.DataFrame, lags: int = 5, ridge: float = 1e-3, by: str = "env"
) -> pd.DataFrame:
    """Return the weights of `miller_regression` for everybody by themselves.

    Unlike there, a missed trial among the last ones, and one before the first, counts 0: whoever
    has few trials would lose most of them otherwise.

    Args:
        trials: Trial table, see `stays`.
        lags: Number of past trials.
        ridge: Weight of the penalty, above 0, see `miller_regression`.
        by: Column that tells persons apart.

    Returns:
        One row per person, with columns of the names in `CONDITIONS` and the lag, and
        ``("bias", 0)``.

    Raises:
        TrialTableError: See `stays`.
        ParameterError: If `lags` is no number of trials, or `ridge` not positive.
    """
    return ridge_weights_by(*_lagged(trials, lags, complete=False), ridge, by)


def _lagged(trials: pd.DataFrame, lags: int, complete: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    trials = checked(trials, TASK, STAYS).sort_values(list(TRIAL), ignore_index=True)
    kinds = {
        name: (trials["outcome"] == outcome) & (trials["common"] == common)
        for name, (outcome, common) in CONDITIONS.items()
    }
    return lagged_choices(trials, kinds, lags, complete=complete)


@dataclass(frozen=True)
class LearnerRpes:
    """RPEs of a learner at the two events of each valid trial.

    Attributes:
        arrival: At the second-stage state, (trials,).
        outcome: At the reward, (trials,).
    """

    arrival: NDArray[np.float64]
    outcome: NDArray[np.float64]


def model_based_rpes(trials: pd.DataFrame, parameters: TwoStepParameters) -> LearnerRpes:
    """Return the RPEs of a learner that knows the task, given somebody's choices.

    Its value of a second-stage state is the reward probability under the Bayesian belief, that of
    a choice the expectation over transitions.

    Args:
        trials: The valid trials (``outcome >= 0``) of a trial table.
        parameters: Parameters of the task.

    Returns:
        The RPEs, one for each row.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or a trial
            is not valid.
    """
    p = parameters
    trials = _valid(trials)
    arrival, outcome = np.empty(len(trials)), np.empty(len(trials))
    for rows in _episodes(trials):
        choices, states, rewards = _columns(trials, rows)
        beliefs = np.full(choices.shape[1], 0.5)
        for t in range(choices.shape[0]):
            state_1 = beliefs * p.p_reward + (1 - beliefs) * (1 - p.p_reward)
            values = np.stack([1 - state_1, state_1])
            columns = np.arange(choices.shape[1])
            common, rare = values[choices[t], columns], values[1 - choices[t], columns]
            expected = p.p_common * common + (1 - p.p_common) * rare
            reached = values[states[t], columns]
            arrival[rows[t]] = reached - expected
            outcome[rows[t]] = rewards[t] - reached
            beliefs = update_belief(beliefs, states[t], rewards[t], p)
    return LearnerRpes(arrival, outcome)


def model_free_rpes(trials: pd.DataFrame, alpha: float = 0.5, trace: float = 1.0) -> LearnerRpes:
    """Return the RPEs of a SARSA(lambda) learner, given somebody's choices (Daw 2011).

    Args:
        trials: The valid trials (``outcome >= 0``) of a trial table.
        alpha: Learning rate of both stages.
        trace: Lambda, how much of the outcome's RPE reaches the first stage directly.

    Returns:
        The RPEs, one for each row.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or a trial
            is not valid.
    """
    trials = _valid(trials)
    arrival, outcome = np.empty(len(trials)), np.empty(len(trials))
    for rows in _episodes(trials):
        choices, states, rewards = _columns(trials, rows)
        columns = np.arange(choices.shape[1])
        first, second = np.zeros((2, len(columns))), np.zeros((2, len(columns)))
        for t in range(choices.shape[0]):
            arrival[rows[t]] = second[states[t], columns] - first[choices[t], columns]
            outcome[rows[t]] = rewards[t] - second[states[t], columns]
            second[states[t], columns] += alpha * outcome[rows[t]]
            first[choices[t], columns] += alpha * (arrival[rows[t]] + trace * outcome[rows[t]])
    return LearnerRpes(arrival, outcome)


def _valid(trials: pd.DataFrame) -> pd.DataFrame:
    trials = checked(trials, TASK, (*TRIAL, "choice", "second_state", "outcome"))
    if (trials[["choice", "second_state", "outcome"]] < 0).any(axis=None):
        raise TrialTableError(
            "The RPEs are those of valid trials; got one without a choice, a second-stage state or "
            "an outcome. Pass trials[trials['outcome'] >= 0]."
        )
    return trials


def _episodes(trials: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Return row numbers (trial, episode) of the episodes, those of one length together."""
    env, episode, trial = (trials[name].to_numpy() for name in TRIAL)
    order = np.lexsort((trial, episode, env))
    starts = (np.diff(env[order]) != 0) | (np.diff(episode[order]) != 0)
    by_length: dict[int, list[NDArray[np.int64]]] = {}
    for rows in np.split(order, np.flatnonzero(starts) + 1):
        by_length.setdefault(len(rows), []).append(rows)
    return [np.stack(rows, axis=1) for rows in by_length.values()]


def _columns(
    trials: pd.DataFrame, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    choice, state, outcome = (
        trials[name].to_numpy()[rows] for name in ("choice", "second_state", "outcome")
    )
    return choice.astype(np.int64), state.astype(np.int64), outcome.astype(np.float64)


def _staying(published: dict[str, dict[str, str]]) -> Behaviour:
    """Return the measure of staying, with the numbers published of common and of rare trials."""
    return Behaviour(
        "P(stay at the first stage)",
        "last trial",
        lambda trials: pd.Series(stay_probabilities(trials)),
        tuple(
            Statement(
                f"stayed after a rewarded {kind} trial {{}} of the time",
                f"rewarded {kind}",
                published.get(kind, {}),
            )
            for kind in ("common", "rare")
        ),
    )


BEHAVIOUR = _staying(
    {"common": {"the paper's agent": "99 %"}, "rare": {"the paper's agent": "64 %"}}
)
DAW = _staying({})
"""Of the task of Daw et al. 2011, which that agent did not play."""
