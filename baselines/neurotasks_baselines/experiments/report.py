"""The report: one HTML page with everything in it."""

from __future__ import annotations

import base64
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from neurotasks_baselines.experiments.base import Experiment
from neurotasks_baselines.experiments.claims import Claim
from neurotasks_baselines.training import hyperparameters
from neurotasks_baselines.training.agent_files import PACKAGES

Part = tuple[Experiment, list[Claim], Path, dict[int, float]]


def write_report(
    file: Path, parts: Sequence[Part], command: str, seconds: float, quick: bool
) -> None:
    """Write the report of a reproduction.

    Args:
        file: the page.
        parts: for each experiment itself, its claims, its figure, and by seed the seconds its
            training took.
        command: the command that made it.
        seconds: how long that took.
        quick: whether the run was too short to mean anything.
    """
    environment = Environment(
        loader=PackageLoader("neurotasks_baselines"),
        autoescape=select_autoescape(),
        trim_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration}
    sections: list[dict[str, Any]] = [
        {
            "experiment": experiment,
            "tasks": list(dict.fromkeys(t.id for t in experiment.trainings.values())),
            "claims": claims,
            "passed": sum(claim.passed for claim in claims),
            "figure": base64.b64encode(figure.read_bytes()).decode(),
            "seeds": span(list(training)),
            "seconds": float(np.median(list(training.values()))),
            "all_seconds": sum(training.values()),
        }
        for experiment, claims, figure, training in parts
    ]
    page = environment.get_template("report.html").render(
        sections=sections,
        command=command,
        seconds=seconds,
        quick=quick,
        passed=sum(s["passed"] for s in sections),
        total=sum(len(s["claims"]) for s in sections),
        hyperparameters=(hyperparameters.__doc__ or "").replace("\n", " "),
        versions={name: version(name) for name in PACKAGES},
        machine=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )
    file.write_text(page)


def results_page(claims: Sequence[Claim]) -> str:
    """Return the claims as a page of the documentation.

    Args:
        claims: of all experiments.

    Returns:
        Markdown, a table for each experiment under the command that makes its numbers.
    """
    lines = [
        "# Results",
        "",
        "Published findings beside ours: medians over the seeds, with 95 % bootstrap intervals",
        "over the seeds. The agents, the shipped ones or with `--train` new ones, play held-out",
        "episodes with frozen weights, 300 a seed. Where cells are simulated and no agent is",
        "trained, a population is a seed.",
        f"{sum(claim.passed for claim in claims)} of {len(claims)} claims held.",
    ]
    for name in dict.fromkeys(claim.experiment for claim in claims):
        lines += [
            *("", f"## {name}", ""),
            f"`neurotasks reproduce {name}`",
            *("", "| claim | published | wanted | measured | 95 % interval | seeds | |"),
            "|---|---|---|---|---|---|---|",
        ]
        for c in claims:
            if c.experiment == name:
                interval = (
                    f"{number(c.ci_low)} to {number(c.ci_high)}" if c.ci_low is not None else ""
                )
                cells = [c.claim.replace("|", "\\|"), f"{c.published} ({c.source})", c.accept]
                cells += [number(c.measured), interval, str(c.seeds)]
                lines.append(f"| {' | '.join(cells)} | {'held' if c.passed else '**missed**'} |")
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Write a measured value with three decimals."""
    return "not defined" if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Write how long something took, in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def span(numbers: Sequence[int]) -> str:
    """Write whole numbers, a run of them by its ends."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
