"""Models of choice fitted to everybody, and judged by choices that they were not fitted to.

Nothing here needs PyTorch: worker processes start without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from neurotasks.errors import require
from neurotasks.models import Model, compare_models, fit, held_out, held_out_people
from neurotasks.models.likelihood import people
from neurotasks_baselines.processes import worker_pool

if TYPE_CHECKING:
    import pandas as pd

STARTS = 3
FOLDS = 5

J = TypeVar("J")
R = TypeVar("R")


def run_jobs(function: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[tuple[J, R]]:
    """Yield each job with what a function returns for it, as they end.

    Args:
        function: Function of a job that processes can import.
        jobs: The jobs, the longest first.
        workers: Number of processes; with 1 there are none but this one.
    """
    if workers == 1:
        yield from ((job, function(job)) for job in jobs)
        return
    with worker_pool(min(workers, len(jobs))) as pool:
        running = {pool.submit(function, job): job for job in jobs}
        for future in as_completed(running):
            yield running[future], future.result()


@dataclass(frozen=True)
class FitJob:
    """A model to be fitted to everybody in a table.

    Attributes:
        group: Name of the group they belong to.
        model: Its model.
        trials: Trial table, everybody an ``env``.
    """

    group: str
    model: Model
    trials: pd.DataFrame


def run_fit(job: FitJob) -> pd.DataFrame:
    """Fit a model to everybody, by maximum likelihood, and predict what was left out.

    Args:
        job: The job.

    Returns:
        One row per ``env``: ``bic``, ``choices``, and ``held_out``, the log likelihood per choice
        in `FOLDS` blocks, each of which the fit was not made with.

    Raises:
        TrialTableError: See `neurotasks.models.fit`.
        ParameterError: If somebody has fewer choices than there are blocks.
    """
    found = fit(job.model, job.trials, starts=STARTS)
    predicted = held_out(job.model, job.trials, folds=FOLDS, starts=STARTS - 1)
    columns = {"bic": found.bic, "choices": found.choices, "held_out": predicted / found.choices}
    return require("pandas", "analysis").DataFrame(columns)


def run_others(job: FitJob) -> pd.Series[float]:
    """Predict everybody by parameters that were fitted to others, the same for all of them.

    Args:
        job: The job.

    Returns:
        Log likelihood per first-stage choice, one row per ``env``.
    """
    folds = min(FOLDS, job.trials["env"].nunique())
    found = held_out_people(job.model, job.trials, folds=folds, starts=STARTS)
    return found["first"] / choices_of(job.model, job.trials)


def choices_of(model: Model, trials: pd.DataFrame) -> pd.Series[int]:
    """Return how many first-stage choices everybody made that count, one row per ``env``."""
    made = {env: int((own["choice"] >= 0).sum()) for env, (_, own) in people(model, trials).items()}
    return require("pandas", "analysis").Series(made)


def compare_fits(models: Sequence[str], fits: Sequence[pd.DataFrame]) -> dict[str, object]:
    """Return which model describes most of a group, and how well each predicts.

    Args:
        models: Names of the models.
        fits: What `run_fit` returned for each, of the same people.

    Returns:
        ``best``, the model of the largest share; ``share``, by model the share of people whose
        lowest BIC it has; ``protected``, by model the protected exceedance probability of its being
        the most frequent one (from -BIC / 2); ``held_out``, one row per person and one column per
        model, the log likelihood per held-out choice.
    """
    pd = require("pandas", "analysis")
    bic = pd.concat([each["bic"] for each in fits], axis=1, keys=models)
    share = bic.idxmin(axis=1).value_counts(normalize=True).reindex(models, fill_value=0.0)
    return {
        "best": share.idxmax(),
        "share": share.to_dict(),
        "protected": compare_models(-bic / 2).protected.to_dict(),
        "held_out": pd.concat([each["held_out"] for each in fits], axis=1, keys=models),
    }
