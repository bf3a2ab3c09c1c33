"""Recorded neurons and LSTM units, asked the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks_baselines.neurons.encoding import DRAWS, LEVEL, Coding, encode
from neurotasks_baselines.neurons.nulls import CircularShifts, Null, OtherSessions, ShuffledTrials
from neurotasks_baselines.neurons.optimism import PUBLISHED, Optimism
from neurotasks_baselines.neurons.population import (
    decode,
    fraction_coding,
    generalise,
    participation_ratio,
    pseudo_population,
)
from neurotasks_baselines.neurons.recording import Recording
from neurotasks_baselines.neurons.regressors import event_regressors, learning_regressors
from neurotasks_baselines.training.progress import track

Floats = NDArray[np.float64]

NULLS = ("shuffled trials", "circular shifts", "other sessions")
POPULATIONS = 20
"""Pseudo-populations over which a measure is averaged: each has other trials together (ours)."""
SHUFFLES = 20
"""Pseudo-populations with shuffled labels, of which the mean is the chance level (ours)."""

DECODED = {"choice": "rewarded", "common": "choice", "rewarded": "choice"}
"""Label -> context over which it must generalise."""


class Question(NamedTuple):
    """A regressor, and where it is looked for.

    Attributes:
        regressor: Regressor.
        event: Event of the recordings (a key of `monkeys.EVENTS`).
        given: Regressors that are taken out. None is of what happens later: given the reward, a
            transition is correlated with what was expected before it.
        learned: Whether they are those of `learning_regressors`, not of `event_regressors`.
    """

    regressor: str
    event: str
    given: tuple[str, ...] = ()
    learned: bool = False

    def regressors(self, trials: pd.DataFrame) -> pd.DataFrame:
        """Return the regressors of the trials."""
        table = learning_regressors(trials) if self.learned else event_regressors(trials)
        return table[[self.regressor, *self.given]]


QUESTIONS = (
    Question("choice", "first_on"),
    Question("value", "first_on", ("choice",), learned=True),
    Question("transition", "transition", ("choice", "transition x choice")),
    Question("transition x choice", "transition", ("choice", "transition")),
    Question(
        "reward",
        "reward_cue",
        ("transition", "choice", "transition x choice", "reward x transition", "reward x choice"),
    ),
    Question(
        "rpe_outcome",
        "reward_cue",
        ("value", "rpe_state", "transition", "choice", "transition x choice"),
        learned=True,
    ),
)


@dataclass(frozen=True)
class Answer:
    """How the neurons of one area, or the units of one kind of network, code a regressor.

    Attributes:
        question: What was asked.
        area: Area, or kind of network.
        times: Middles of the bins.
        significant: Whether each neuron codes in each bin, corrected, (neurons, bins).
        cpd: Coefficient of partial determination less what the null reaches, (neurons, bins).
        coding: Number of neurons that code in some bin, by null.
    """

    question: Question
    area: str
    times: Floats
    significant: NDArray[np.bool_]
    cpd: Floats
    coding: dict[str, int]


def answer(
    question: Question,
    recordings: Sequence[Recording],
    sessions: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    nulls: Sequence[str] = NULLS,
    draws: int = DRAWS,
) -> list[Answer]:
    """Ask a question of all neurons.

    Args:
        question: The question.
        recordings: Recordings around its event.
        sessions: Trial table of every session, by name, for the null of other sessions.
        rng: Random number generator, for the draws.
        nulls: Null hypotheses, among `NULLS`; the last one is that of the time courses.
        draws: Largest number of draws.

    Returns:
        One answer per area, in the order of the recordings.
    """
    tables = {name: question.regressors(trials) for name, trials in sessions.items()}
    found: dict[str, list[dict[str, Coding]]] = {}
    for one in track(recordings, question.regressor, len(recordings)):
        x = question.regressors(one.trials)
        codings: dict[str, Coding] = {}
        for name in nulls:
            null = _null(name, [t for other, t in tables.items() if other != one.session])
            codings[name] = encode(one, x, null, rng, test=[question.regressor], draws=draws)
        found.setdefault(one.area, []).append(codings)
    answers = []
    for area, each in found.items():
        last = [codings[nulls[-1]] for codings in each]
        numbers = {
            name: int(sum((codings[name].p <= LEVEL).sum() for codings in each)) for name in nulls
        }
        significant = np.concatenate([coding.p_cluster[0] <= LEVEL for coding in last])
        cpd = np.concatenate([(coding.cpd - coding.cpd_null)[0] for coding in last])
        answers.append(Answer(question, area, last[0].times, significant, cpd, numbers))
    return answers


def _null(name: str, others: list[pd.DataFrame]) -> Null:
    if name == "other sessions":
        return OtherSessions(others)
    return CircularShifts() if name == "circular shifts" else ShuffledTrials()


def coding_rows(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return how many neurons code what, anywhere in the window, as rows of a table.

    Args:
        answers: Answers.

    Returns:
        One row per answer and null, with ``regressor``, ``event``, ``area``, ``null`` and the
        columns of `fraction_coding`.
    """
    rows = []
    for one in answers:
        neurons = len(one.significant)
        for name, number in one.coding.items():
            coded = np.arange(neurons) < number
            about = {
                "regressor": one.question.regressor,
                "event": one.question.event,
                "area": one.area,
                "null": name,
            }
            rows += [about | row for row in fraction_coding(coded).to_dict("records")]
    return rows


def population_rows(
    recordings: Sequence[Recording],
    bins: Mapping[str, slice],
    rng: np.random.Generator,
    populations: int = POPULATIONS,
    shuffles: int = SHUFFLES,
) -> list[dict[str, Any]]:
    """Decode choice, transition and reward from each area, and measure its geometry.

    The middle one of three rewards is left out.

    Args:
        recordings: Recordings.
        bins: Bins over which activity is averaged, by label; of ``"rewarded"`` also for the
            geometry.
        rng: Random number generator.
        populations: Number of pseudo-populations.
        shuffles: Number of pseudo-populations with shuffled labels.

    Returns:
        One row per area and measure: ``area``, ``neurons``, ``measure``, ``value`` (mean over
        pseudo-populations), ``shuffled`` (mean with labels shuffled in each session) and ``p``, the
        fraction of shuffled pseudo-populations that reach the value (the value counts as one of
        them); both are None for the number of dimensions.
    """
    rows = []
    by_area: dict[str, list[Recording]] = {}
    for one in recordings:
        reward = one.trials["reward"]
        extreme = one.select((reward == reward.max()) | (reward == reward.min()))
        by_area.setdefault(one.area, []).append(extreme)
    for area, each in by_area.items():
        labels = [_labels(one.trials) for one in each]
        measured: dict[str, list[float]] = {}
        shuffled: dict[str, list[float]] = {}
        number = populations + shuffles
        for at in track(range(number), f"decoding {area}", number):
            into = measured if at < populations else shuffled
            for label, within in bins.items():
                drawn = pseudo_population(each, labels, within, rng, shuffle=into is shuffled)
                context = DECODED[label]
                values = {
                    f"decoding of {label}": decode(drawn, label),
                    f"decoding of {label} across {context}": generalise(drawn, label, context),
                }
                if label == "rewarded" and into is measured:
                    values["dimensions of eight conditions"] = participation_ratio(drawn)
                for name, value in values.items():
                    into.setdefault(name, []).append(value)
        neurons = sum(len(one.neurons) for one in each) - drawn.left_out
        for name, values_of in measured.items():
            value, null = float(np.mean(values_of)), shuffled.get(name, [])
            about = {"area": area, "neurons": neurons, "measure": name, "value": value}
            chance: dict[str, Any] = {"shuffled": None, "p": None}
            if null:
                reached = int(np.sum(np.array(null) >= value))
                chance = {"shuffled": float(np.mean(null)), "p": (1 + reached) / (1 + len(null))}
            rows.append(about | chance)
    return rows


def _labels(trials: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    return {
        "choice": trials["choice"].to_numpy(np.int64),
        "common": trials["common"].to_numpy(np.int64),
        "rewarded": (trials["reward"] == trials["reward"].max()).to_numpy(np.int64),
    }


def optimism_rows(found: Optimism) -> list[dict[str, Any]]:
    """Return the number of selective neurons of each area next to the published one.

    Args:
        found: Estimates.

    Returns:
        One row per area: ``area``, ``selective``, ``neurons``, ``published`` in words,
        ``optimistic`` and ``pessimistic``, numbers of selective neurons whose optimism is above or
        below one half (t test of the single trials).
    """
    rows = []
    for area, table in found.table.groupby("area", sort=False):
        kept = table[table["selective"]]
        differ = kept[kept["p_half"] < LEVEL]
        selective, of = PUBLISHED.get(str(area), (None, None))
        rows.append(
            {
                "area": area,
                "selective": len(kept),
                "neurons": len(table),
                "published": "-" if of is None else f"{selective}/{of}",
                "optimistic": int((differ["optimism"] > 0.5).sum()),
                "pessimistic": int((differ["optimism"] < 0.5).sum()),
            }
        )
    return rows
