"""The table of a sweep, one row per training, and what it says of the settings."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from neurotasks.errors import nearest
from neurotasks.files import replacing
from neurotasks_baselines.errors import SweepError
from neurotasks_baselines.sweeps.jobs import SweepJob
from neurotasks_baselines.sweeps.spec import Sweep

TRIMMED = 0.25  # at each end: the interquartile mean
EVERY = 60.0  # seconds between tables of what is done
KEY = ["target", "setting", "seed"]


class SweepTable:
    """Collects results, and writes them as ``table.parquet`` and ``table.csv``.

    Args:
        sweep: Sweep.
        out: Its directory.

    Attributes:
        names: Names of the jobs that are done.
    """

    def __init__(self, sweep: Sweep, out: Path) -> None:
        self.sweep, self.out, self.names = sweep, out, list[str]()
        self.rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.written = time.monotonic()

    def add(self, job: SweepJob, result: dict[str, Any]) -> list[dict[str, Any]]:
        """Add the result of a job; returns the rows of its setting.

        Raises:
            SweepError: If the objective is not among its measures.
        """
        measures, criterion = result.get("measures", {}), self.sweep.criterion
        row = {
            "target": job.target,
            "setting": job.number,
            "seed": job.seed,
            **{name: job.setting[name] for name in self.sweep.names},
            **measures,
        }
        if criterion is not None:
            row["steps_to_criterion"] = criterion.steps(result.get("history", []))
        row |= {
            "steps": job.steps,
            "seconds": result.get("seconds"),
            "problem": result.get("problem"),
            "directory": str(job.directory.relative_to(self.out.absolute())),
        }
        if self.sweep.objective not in row and not row["problem"]:
            raise SweepError(
                f"The objective must be a measure; got {self.sweep.objective!r}. "
                f"{nearest(self.sweep.objective, [*measures, 'seconds'])} Change [objective], and "
                "run the command again: what has been trained is kept."
            )
        self.rows[job.number].append(row)
        self.names.append(str(job))
        return self.rows[job.number]

    def write_now_and_then(self) -> None:
        """Write what is done if that was not done lately."""
        if self.names and time.monotonic() - self.written > EVERY:
            self.write()

    def write(self) -> pd.DataFrame:
        """Write the table, sorted; returns it."""
        rows = [row for of_setting in self.rows.values() for row in of_setting]
        table = pd.DataFrame(rows).sort_values(KEY, ignore_index=True)
        for name in self.sweep.names:  # a column of a file has one type
            if len({type(value) for value in table[name]}) > 1 or isinstance(table[name][0], tuple):
                table[name] = table[name].map(str)
        if "steps_to_criterion" in table:
            table["steps_to_criterion"] = table["steps_to_criterion"].astype("Int64")
        table["problem"] = table["problem"].astype("string")
        with replacing(self.out / "table.parquet") as file:
            table.to_parquet(file)
        with replacing(self.out / "table.csv") as file:
            table.to_csv(file, index=False)
        self.written = time.monotonic()
        return table


def objective(sweep: Sweep, rows: Any) -> pd.Series:
    """Return the objective of trainings; a criterion that was not met counts with all their steps.

    Args:
        sweep: Sweep.
        rows: Rows of its table.
    """
    table = pd.DataFrame(rows)
    if sweep.objective not in table:
        return pd.Series(np.nan, table.index)
    values = table[sweep.objective].astype(float)
    if sweep.objective == "steps_to_criterion":
        values = values.fillna(table["steps"]).where(table["problem"].isna())
    return values


def summary(values: ArrayLike) -> float:
    """Return the interquartile mean; NaN if there is a NaN among the values."""
    return float(stats.trim_mean(np.asarray(values, float), TRIMMED))


def interval(values: ArrayLike) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the interquartile mean, NaN for fewer than 2 values."""
    array = np.asarray(values, float)
    if len(array) < 2 or not np.isfinite(array).all():
        return float("nan"), float("nan")
    found = stats.bootstrap(
        (array,),
        lambda x, axis: stats.trim_mean(x, TRIMMED, axis=axis),
        method="percentile",
        vectorized=True,
        n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def ranking(sweep: Sweep, table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per setting, the best first.

    Args:
        sweep: Sweep.
        table: Its table.

    Returns:
        The varied values, and ``mean`` (interquartile), ``low`` and ``high`` (ends of its 95 %
        bootstrap interval over tasks and seeds) and ``trainings`` of the objective. Settings in
        which a training failed come last, with NaN.
    """
    found = []
    values = objective(sweep, table)
    for number, part in table.groupby("setting"):
        of_setting = values[part.index]
        low, high = interval(of_setting)
        row = {"setting": number, **part.iloc[0][sweep.varied].to_dict()}
        row |= {"mean": summary(of_setting), "low": low, "high": high, "trainings": len(part)}
        found.append(row)
    ranked = pd.DataFrame(found)
    return ranked.sort_values("mean", ascending=not sweep.maximize, ignore_index=True)
