"""A tiny recurrent network as the flexible model of choices, trained on the choices themselves."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch as th
from numpy.typing import NDArray
from torch import nn

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require
from neurotasks.models import Model
from neurotasks.models.compare import people_folds
from neurotasks.models.likelihood import people
from neurotasks_baselines.behaviour.fits import FOLDS, FitJob, choices_of
from neurotasks_baselines.processes import limited_threads

if TYPE_CHECKING:
    import pandas as pd

UNITS = 2
MOST_UNITS = 64
RESTARTS = 2
MOST_RESTARTS = 1000
STOPPED_ON = 0.2  # share of the people for training whose choices say when to stop
SEARCH = {"max_iter": 10, "history_size": 20, "line_search_fn": "strong_wolfe"}
ROUNDS = 30  # of a search, at most; its choices are judged after each
PATIENCE = 2  # rounds without a better judgement
BETTER = 1e-4  # nats per choice
FEWEST_PEOPLE = 3  # one to train on, one to stop on, one to predict


class Sequences(NamedTuple):
    """Episodes of everybody, padded to the longest.

    Attributes:
        inputs: What was chosen and came of it in the trial before, (episodes, trials, features):
            the choice one-hot; the second-stage state, and the choice there, if the task has them,
            one-hot; the reward. All 0 in the first trial and after a missed one.
        choices: First-stage choices, -1 of missed trials and padding, (episodes, trials).
        people: Position of the person of each episode, (episodes,).
    """

    inputs: th.Tensor
    choices: th.Tensor
    people: NDArray[np.int64]

    def of(self, some: NDArray[np.int64]) -> Sequences:
        """Return the episodes of some people."""
        rows = np.flatnonzero(np.isin(self.people, some))
        return Sequences(self.inputs[rows], self.choices[rows], self.people[rows])


class Gru(nn.Module):
    """Gated recurrent units and a linear readout to log odds (Ji-An et al. 2025, Nature 644:993).

    Args:
        features: Number of inputs.
        units: Number of recurrent units.
        options: Number of options to choose from.
    """

    def __init__(self, features: int, units: int, options: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(features, units, batch_first=True, dtype=th.float64)
        self.readout = nn.Linear(units, options, dtype=th.float64)

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Return log probabilities of the options, (episodes, trials, options).

        Args:
            inputs: Inputs, see `Sequences`; the hidden state is 0 when an episode begins.
        """
        return self.readout(self.recurrent(inputs)[0]).log_softmax(-1)

    def log_likelihoods(self, sequences: Sequences) -> th.Tensor:
        """Return the log probability of each choice, 0 where none was made, (episodes, trials)."""
        chosen = sequences.choices.clamp(min=0)[..., None]
        found = self(sequences.inputs).gather(-1, chosen)[..., 0]
        return th.where(sequences.choices >= 0, found, 0.0)


def sequences_of(like: Model, trials: pd.DataFrame, by: str = "env") -> Sequences:
    """Return a trial table as a network reads it.

    Args:
        like: A model of the same choices, which says what of the table is read: its options and
            second-stage options.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        by: Column that tells persons apart.

    Returns:
        The sequences; people are numbered in the order of `people`.

    Raises:
        TrialTableError: If the table is empty or holds something else than it may.
    """
    episodes, whose = [], []
    for number, (_, records) in enumerate(people(like, trials, by).values()):
        own = np.split(records, np.flatnonzero(records["begins"])[1:])
        episodes += own
        whose += [number] * len(own)
    longest = max(map(len, episodes))
    features = [_features(like, episode) for episode in episodes]
    inputs = np.zeros((len(episodes), longest, features[0].shape[1]))
    choices = np.full((len(episodes), longest), -1)
    for row, (seen, episode) in enumerate(zip(features, episodes, strict=True)):
        inputs[row, 1 : len(episode)] = seen[:-1]
        choices[row, : len(episode)] = episode["choice"]
    return Sequences(th.from_numpy(inputs), th.from_numpy(choices), np.array(whose))


def _features(like: Model, episode: NDArray[np.void]) -> NDArray[np.float64]:
    parts = [np.eye(like.options)[episode["choice"]]]
    if like.second_options > 0:
        parts.append(np.eye(2)[episode["second_state"]])
    if like.second_options > 1:
        parts.append(np.eye(like.second_options)[episode["second_choice"]])
    found = np.concatenate([*parts, episode["reward"][:, None]], axis=1)
    found[episode["choice"] < 0] = 0
    return found


def train_gru(train: Sequences, stop: Sequences, units: int, options: int, seed: int) -> Gru:
    """Train a network by maximum likelihood (L-BFGS), until it predicts other people no better.

    Args:
        train: Episodes that it learns from.
        stop: Episodes of other people: the weights that predict these best are kept.
        units: Number of recurrent units.
        options: Number of options.
        seed: Seed of the first weights.

    Returns:
        The network.
    """
    with th.random.fork_rng(devices=[]):
        th.manual_seed(seed)
        network = Gru(train.inputs.shape[-1], units, options)
    optimizer = th.optim.LBFGS(network.parameters(), **SEARCH)  # type: ignore[arg-type]
    made = (train.choices >= 0).sum()

    def closure() -> float:
        optimizer.zero_grad()
        loss = -network.log_likelihoods(train).sum() / made
        loss.backward()
        return float(loss.detach())

    best, kept, since = -np.inf, network.state_dict(), 0
    for _ in range(ROUNDS):
        optimizer.step(closure)
        value = _per_choice(network, stop)
        since = 0 if value > best + BETTER else since + 1
        if value > best:
            best, kept = value, copy.deepcopy(network.state_dict())
        if since == PATIENCE:
            break
    network.load_state_dict(kept)
    return network


@th.no_grad()
def _per_choice(network: Gru, sequences: Sequences) -> float:
    total = network.log_likelihoods(sequences).sum() / (sequences.choices >= 0).sum()
    return float(total)


def held_out_gru(
    like: Model,
    trials: pd.DataFrame,
    units: int = UNITS,
    *,
    folds: int = 5,
    by: str = "env",
    restarts: int = RESTARTS,
    seed: int = 0,
) -> pd.Series[float]:
    """Return everybody's log likelihood under networks that were trained on other people.

    People are left out as in `neurotasks.models.held_out_people`, so that both can be compared. A
    fifth of the others say when training stops, and which of the restarts is taken.

    Args:
        like: A model of the same choices, see `sequences_of`.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        units: Number of recurrent units; 1 to 4 do in Ji-An et al. 2025, Nature 644:993.
        folds: Number of parts that people are dealt into.
        by: Column that tells persons apart.
        restarts: Number of trainings per fold.
        seed: Seed of the folds and of the first weights.

    Returns:
        The sum over everybody's first-stage choices, one row per person.

    Raises:
        TrialTableError: If the table is empty or holds something else than it may.
        ParameterError: If units or restarts are none, or there are fewer people than `folds`, or
            than the three that are needed.
    """
    check_count("units", units, MOST_UNITS)
    check_count("restarts", restarts, MOST_RESTARTS)
    labels = list(people(like, trials, by))
    sequences = sequences_of(like, trials, by)
    if len(labels) < FEWEST_PEOPLE:
        raise ParameterError(
            f"A network that predicts people needs {FEWEST_PEOPLE} of them or more, to train and "
            f"to stop on others; got {len(labels)}. Give another column in by=..."
        )
    total = np.zeros(len(labels))
    for fold, left_out in enumerate(people_folds(len(labels), folds, seed)):
        rng = np.random.default_rng([seed, fold])
        others = rng.permutation(np.setdiff1d(np.arange(len(labels)), left_out))
        stops = max(1, round(STOPPED_ON * len(others)))
        stop, train = sequences.of(others[:stops]), sequences.of(others[stops:])
        with limited_threads(1):
            networks = [
                train_gru(train, stop, units, like.options, int(rng.integers(2**31)))
                for _ in range(restarts)
            ]
            network = max(networks, key=lambda each: _per_choice(each, stop))
            predicted = sequences.of(left_out)
            with th.no_grad():
                each = network.log_likelihoods(predicted).sum(dim=1).numpy()
        np.add.at(total, predicted.people, each)
    pd = require("pandas", "analysis")
    return pd.Series(total, pd.Index(labels, name=by))


def run_gru(units: int, job: FitJob) -> pd.Series[float]:
    """Predict everybody by networks that were trained on others.

    Args:
        units: Number of recurrent units.
        job: Whom; its model says what is read of their table.

    Returns:
        Log likelihood per first-stage choice, one row per ``env``.
    """
    folds = min(FOLDS, job.trials["env"].nunique())
    found = held_out_gru(job.model, job.trials, units, folds=folds)
    return found / choices_of(job.model, job.trials)
