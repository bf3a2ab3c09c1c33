"""What the papers say of the evaluation metrics of a task."""

from __future__ import annotations

from typing import Any

from neurotasks_baselines.experiments import EXPERIMENTS

# The claim about a metric, by its key, with the name of the training where its key has one.
CLAIMS = {
    "reward_per_trial": "reward_per_trial",
    "regret": "regret.{}.-1",
    "slope": "slope",
    **{f"correct_{block}": f"correct.{block}" for block in ("stable", "volatile")},
    **{
        f"stay_{outcome}_{transition}": f"stays.{outcome} {transition}"
        for outcome in ("rewarded", "unrewarded")
        for transition in ("common", "rare")
    },
    **{f"accuracy_{trial + 1}": f"accuracy.{trial}" for trial in range(6)},
}


def published(id: str, task_kwargs: dict[str, Any]) -> dict[str, str]:
    """Return the published value of each metric that has one, with its source."""
    found = {}
    for experiment in EXPERIMENTS.values():
        trainings = experiment.trainings.items()
        names = [n for n, t in trainings if t.id == id and dict(t.task_kwargs) == task_kwargs]
        claims = {claim.key: claim for claim in reversed(experiment.claims)}
        for metric, key in CLAIMS.items() if names else ():
            if (claim := claims.get(key.format(*names))) is not None:
                found[metric] = f"{claim.published}  ({claim.source})"
    return found
