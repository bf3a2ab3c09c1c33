"""Output of the benchmarks: rows as JSON, a figure, and the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
import reprlib
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from neurotasks.files import replacing, write_whole
from neurotasks_baselines.benchmarks.harness import Speed
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.files import read_json
from neurotasks_baselines.plotting import IDEAL, OURS, new_figure, style
from neurotasks_baselines.processes import processor

PACKAGES = (
    "neurotasks",
    "gymnasium",
    "numpy",
    "numba",
    "torch",
    "stable-baselines3",
    "sb3-contrib",
)


def machine() -> dict[str, Any]:
    """Return processor, cores, system, and the versions of the packages."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
    }


def write(name: str, rows: Sequence[Any], figure: Figure, out: str | Path) -> None:
    """Write ``NAME.json`` and ``NAME.png``, and the machine to ``machine.json`` under the name.

    Args:
        name: Name of the benchmark.
        rows: Dataclasses, one per row.
        figure: Figure of the rows.
        out: Directory, made if it does not exist.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    machines = out / "machine.json"
    known = read_machines(machines)
    known[name] = machine()
    write_whole(machines, json.dumps(known, indent=1) + "\n")
    write_whole(out / f"{name}.json", json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    with replacing(out / f"{name}.png") as drawn:
        figure.savefig(drawn)


def read_machines(file: Path) -> dict[str, Any]:
    """Return the machines of the benchmarks that lie in a directory.

    Args:
        file: Path of ``machine.json``.

    Raises:
        RunDirectoryError: If the file holds something else.
    """
    try:
        known = read_json(file)
        if not isinstance(known, dict):
            raise ValueError(f"got {reprlib.repr(known)}")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} must hold the machines of benchmarks ({error}). Choose another --out, or "
            "delete the file."
        ) from error
    return known


def bars(rows: Sequence[Speed], highlighted: Sequence[str]) -> Figure:
    """Draw speeds as bars, medians with their range.

    Args:
        rows: Speeds, one bar for each.
        highlighted: Names of our programs, drawn in colour unless they run CartPole.
    """
    with style():
        figure, (axes,) = new_figure(1, width=7, height=0.8 + 0.2 * len(rows))
        labels = [label(r) for r in rows]
        ours = [r.program in highlighted and "CartPole" not in r.task for r in rows]
        speeds = [r.steps_per_second for r in rows]
        colours = [OURS if mine else IDEAL for mine in ours]
        axes.barh(labels, [s.median for s in speeds], color=colours)
        axes.hlines(labels, [s.min for s in speeds], [s.max for s in speeds], color="black")
        wide = max(s.max for s in speeds) > 100 * min(s.min for s in speeds)
        axes.set(xscale="log" if wide else "linear", xlabel="environment steps per second")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.tick_params(axis="y", labelsize=7)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        rounds = rows[0].rounds
        axes.set_title(f"{machine()['processor']}, {rounds} round{'s' * (rounds != 1)}")
    return figure


def label(row: Speed) -> str:
    """Return the name of a row in a figure."""
    parts = [row.program, row.task.removeprefix("neurotasks/")]
    parts += [f"{row.num_envs:,} environments"] if row.num_envs > 1 else []
    parts += [f"{row.threads} cores"] if row.threads > 1 else []
    return ", ".join(parts)
