"""How an agent plays: means over its seeds, and what the papers say of the same metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurotasks.analysis.two_step import CONDITIONS, stay_effects
from neurotasks.analysis.volatility import learning_rates
from neurotasks.episodes import Episodes
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for
from neurotasks_baselines.experiments.volatility_measures import BLOCKS, ID as VOLATILITY

FITTED = 300  # first episodes whose choices are fitted, in less than a second
# The claim about a metric, by its key, with the name of the training where its key has one.
CLAIMS = {
    "reward_per_trial": "reward_per_trial",
    "regret": "regret.{}.-1",
    "learning_rate_ratio": "ratio",
    **{name: name for name in ("slope", "interaction_effect")},
    **{f"correct_{block}": f"correct.{block}" for block in ("stable", "volatile")},
    **{f"stay_{name.replace(' ', '_')}": f"stays.{name}" for name in CONDITIONS},
    **{f"accuracy_{trial + 1}": f"accuracy.{trial}" for trial in range(6)},
}


def measure_behaviour(id: str, episodes: Episodes) -> dict[str, float]:
    """Return the evaluation metrics of a task, and those that take too long during trainings.

    Args:
        id: Id of the task.
        episodes: Episodes with the task's own parameters.

    Returns:
        The metrics by name, NaN where undefined.
    """
    found = dict(metrics_for(id).compute(episodes))
    if id == VOLATILITY:
        found |= fitted_learning_rates(episodes.trials)
    return found


def fitted_learning_rates(trials: pd.DataFrame) -> dict[str, float]:
    """Return the learning rate in each kind of block, and their ratio, volatile over stable.

    Medians over groups of ten of the first episodes, see
    `neurotasks.analysis.volatility.learning_rates`.

    Args:
        trials: Trial table of the volatility task, an episode for each ``env``.

    Returns:
        ``learning_rate_stable``, ``learning_rate_volatile`` and ``learning_rate_ratio``. A rate is
        NaN where the fits are worse than a coin (by their BIC, summed over the groups), or there is
        no such block, and so is the ratio; also if the stable rate is 0.
    """
    fits = learning_rates(trials[trials["env"] < FITTED]).groupby("block")
    sums = fits[["bic", "trials"]].sum()
    better = sums["bic"] < 2 * np.log(2) * sums["trials"]
    rates = fits["alpha"].median().where(better).reindex(list(BLOCKS.values()))
    found = {f"learning_rate_{name}": float(rates[block]) for name, block in BLOCKS.items()}
    stable, volatile = found["learning_rate_stable"], found["learning_rate_volatile"]
    return found | {"learning_rate_ratio": volatile / stable if stable else np.nan}


def published(id: str, task_kwargs: dict[str, Any]) -> dict[str, str]:
    """Return the published value of each metric that has one, with its source.

    Where several experiments train on the task, it is that of the first.
    """
    found: dict[str, str] = {}
    for experiment in EXPERIMENTS.values():
        trainings = experiment.trainings.items()
        names = [n for n, t in trainings if t.id == id and dict(t.task_kwargs) == task_kwargs]
        claims = {claim.key: claim for claim in reversed(experiment.claims)}
        for metric, key in CLAIMS.items() if names else ():
            if (claim := claims.get(key.format(*names))) is not None:
                found.setdefault(metric, f"{claim.published}  ({claim.source})")
    return found


def mean_behaviour(of_seeds: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the means of evaluation metrics over seeds, without those that are never defined.

    Where there are probabilities of staying, also what they tell (`stay_effects`): the effect of
    reward, which model-free learners show, and the interaction, which model-based ones show.

    Args:
        of_seeds: Metrics of each seed, None where undefined.
    """
    found = {}
    for name in dict.fromkeys(name for metrics in of_seeds for name in metrics):
        values = [v for metrics in of_seeds if (v := metrics.get(name)) is not None]
        if values:
            found[name] = float(np.mean(values))
    stays = {
        condition: found.get(f"stay_{condition.replace(' ', '_')}") for condition in CONDITIONS
    }
    known = {condition: stay for condition, stay in stays.items() if stay is not None}
    if len(known) == len(stays):
        found |= {f"{name}_effect": value for name, value in stay_effects(known).items()}
    return found
