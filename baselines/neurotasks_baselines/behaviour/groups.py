"""Who is compared: trained agents, what they lack or what they are measured by, and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from neurotasks.episodes import Agent, run_episodes
from neurotasks.errors import TrialTableError
from neurotasks.models import Model
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.jobs import first_episode, shipped
from neurotasks_baselines.experiments.learners import LACKING, freeze, seeds_of
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.evaluate import held_out_envs, play

EPISODES = 60  # that an agent plays
FITTED_EPISODES = 3  # or sessions that models are fitted to: as many trials as a person makes
RUNS = 5  # of an observer
FEW = 5  # subjects: with fewer, intervals are over the sessions of each
FEWEST_CHOICES = 20  # of whom models are fitted to
FEED_FORWARD = LACKING["feed-forward"]


@dataclass(frozen=True)
class Group:
    """A row of the comparison.

    Attributes:
        name: Name of the row.
        kind: ``"network"``, ``"foil"``, ``"reference"`` or ``"table"``.
        units: What an ``env`` of the table is: agents, runs, subjects or sessions.
        trials: Trial table; intervals are over its ``env``.
        fitted: The part of it that models are fitted to.
        agents: The agents that played, by their ``env``.
    """

    name: str
    kind: str
    units: str
    trials: pd.DataFrame
    fitted: pd.DataFrame
    agents: Mapping[int, FusedRecurrentPPO] = field(default_factory=dict)


@dataclass(frozen=True)
class Networks:
    """Trained agents that are compared.

    Attributes:
        name: Name of the row.
        learner: What they were trained by, see `neurotasks_baselines.experiments.learners`.
        agent: Name of the agent in its experiment.
        kind: As of `Group`.
        frozen: Whether their memory is taken.
        experiment: Name of their experiment; that of the comparison by default.
    """

    name: str
    learner: str
    agent: str
    kind: str = "network"
    frozen: bool = False
    experiment: str = ""


@dataclass(frozen=True)
class Published:
    """Published values, which no trials here lead to.

    Attributes:
        name: Name of the row.
        source: Where it was published, and how many subjects it is of.
        values: Value by measure.
    """

    name: str
    source: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """A comparison of everybody on one kind of task.

    Attributes:
        name: Name on the command line.
        id: Id of the task.
        task: Name of the task.
        columns: Columns that a table must have.
        title: Title of the page.
        experiment: Name of the experiment whose agents are compared.
        networks: Its agents.
        observers: Name of a row -> its kind, and a function that makes a player of environments.
        measures: Label of each measure by its name.
        measure: Function of a trial table that returns the measures, one row per ``env``.
        history: Label of each summary of the regression on past choices by its name.
        weigh: Function of a trial table that returns these summaries, one row per ``env``.
        models: Function of a trial table that returns the models that are fitted to it.
        shipped: Names of data that need no download, and the column that splits each, if any.
        published: Values without data.
        limits: What the comparison cannot say, one paragraph each.
        plane: Function that draws the frame of the plane of both measures; None for no such figure.
    """

    name: str
    id: str
    task: str
    columns: Sequence[str]
    title: str
    experiment: str
    networks: Sequence[Networks]
    observers: Mapping[str, tuple[str, Callable[[Any], Agent]]]
    measures: Mapping[str, str]
    measure: Callable[[pd.DataFrame], pd.DataFrame]
    history: Mapping[str, str]
    weigh: Callable[[pd.DataFrame], pd.DataFrame]
    models: Callable[[pd.DataFrame], Sequence[Model]]
    shipped: Mapping[str, str] = field(default_factory=dict)
    published: Sequence[Published] = ()
    limits: Sequence[str] = ()
    plane: Callable[[Any], None] | None = None


def group_of_networks(comparison: Comparison, networks: Networks, seeds: int | None) -> Group:
    """Let shipped agents play held-out episodes.

    Args:
        comparison: The comparison.
        networks: The agents.
        seeds: Number of seeds; None for all.
    """
    experiment = EXPERIMENTS[networks.experiment or comparison.experiment]
    agents, tables = {}, []
    for env, seed in enumerate(seeds_of(experiment, networks.learner)[:seeds]):
        path = shipped(experiment.name, networks.learner, seed, networks.agent)
        agents[env] = load(path, num_envs=1)
        if networks.frozen:
            freeze({networks.agent: agents[env]})
        trials = play(agents[env], num_episodes=EPISODES, seed=first_episode(seed)).trials
        tables.append(trials.assign(episode=trials["env"], env=env))
    trials = pd.concat(tables, ignore_index=True)
    fitted = trials[trials["episode"] < FITTED_EPISODES]
    return Group(networks.name, networks.kind, "agents", trials, fitted, agents)


def group_of_observer(comparison: Comparison, name: str) -> Group:
    """Let an observer, or a learner without a network, play held-out episodes."""
    kind, make = comparison.observers[name]
    envs = held_out_envs(comparison.id, {}, RUNS * EPISODES)
    with limited_threads(1):
        trials = run_episodes(make(envs), seed=TEST_SEED).trials
    trials = trials.assign(episode=trials["env"] % EPISODES, env=trials["env"] // EPISODES)
    return Group(name, kind, "runs", trials, trials[trials["episode"] < FITTED_EPISODES])


def groups_of_table(
    name: str, trials: pd.DataFrame, people: int | None, seed: int = 0
) -> list[Group]:
    """Return people or animals as a row; where there are fewer than `FEW`, each as a row.

    Args:
        name: Name of the table.
        trials: Trial table, such as `neurotasks.datasets.read_choices` returns.
        people: Number of subjects, or of sessions, that models are fitted to, drawn at random, and
            of each subject the first sessions; None for all.
        seed: Seed of the draw.

    Raises:
        TrialTableError: If nobody made enough choices to fit anything to.
    """
    if "outcome" not in trials:
        paid = (trials["reward"] > 0).astype(int)
        trials = trials.assign(outcome=paid.where(trials["choice"] >= 0, -1))
    by_session = trials.groupby("env")["episode"].nunique()
    if len(by_session) >= FEW or by_session.max() < 2:
        return [_group(name, "subjects", trials, people, seed)]
    found = []
    for env, own in trials.groupby("env"):
        subject = own["subject"].iloc[0] if "subject" in own else env
        sessions = own.assign(env=own["episode"], episode=0)
        found.append(_group(f"{name}, {subject}", "sessions", sessions, people, seed))
    return found


def _group(name: str, units: str, trials: pd.DataFrame, people: int | None, seed: int) -> Group:
    made = (trials["choice"] >= 0).groupby(trials["env"]).sum()
    everybody = made.index[made >= FEWEST_CHOICES].to_numpy()
    if not len(everybody):
        raise TrialTableError(
            f"Somebody in {name} must have made {FEWEST_CHOICES} choices; the most are "
            f"{made.max()}. Give longer tables."
        )
    if people is not None and people < len(everybody):
        everybody = np.random.default_rng(seed).choice(everybody, people, replace=False)
    fitted = trials[trials["env"].isin(everybody)]
    if people is not None:
        session = fitted.groupby("env")["episode"].rank("dense")
        fitted = fitted[session <= FITTED_EPISODES]
    return Group(name, "table", units, trials, fitted)
