"""The report of a directory: one HTML page with everything in it, and the claims as tables.

Each experiment's part lies in the directory as ``NAME.json`` and ``NAME.png``. The report is made
of all parts, whichever runs wrote them.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from neurotasks.files import write_whole
from neurotasks_baselines import pages
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.experiments.claims import KINDS, Claim
from neurotasks_baselines.files import check_fields, fits, json_text, read_json, read_regular
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training import hyperparameters
from neurotasks_baselines.training.agent_files import PACKAGES

LARGEST_FIGURE = 2**26  # bytes
RESULTS = (
    "Means over the seeds, with 95 % intervals over the seeds. A claim holds if its interval lies",
    "within the range that is wanted, and if its foil, somebody who lacks what the claim is about,",
    "does not lie there; a claim whose foil does is not diagnostic. Ranges, and when they changed,",
    "are in the [history of the claims](claims_history.md).",
    "The agents, the shipped ones or with `--train` new ones, play held-out episodes with frozen",
    "weights, 300 per seed, and other ones for each seed. Where neurons are simulated and no agent",
    "is trained, a population is a seed.",
)
PART = {  # as JSON
    "name": str,
    "command": str,
    "seconds": float,
    "quick": bool,
    "claims": list[dict[str, Any]],
    "measures": dict[str, dict[str, Any]],
}


@dataclass(frozen=True)
class Part:
    """Results of a run of one experiment.

    Attributes:
        name: Name of the experiment.
        command: Command line of the run.
        seconds: Duration of the whole run.
        quick: Whether the run was too short to mean anything.
        claims: Claims of the experiment.
        measures: Measures by seed, with the ``seconds`` that its training took.
    """

    name: str
    command: str
    seconds: float
    quick: bool
    claims: list[Claim]
    measures: dict[int, Measures]

    def write(self, out: Path) -> None:
        """Write the part into a directory."""
        write_whole(out / f"{self.name}.json", json_text(asdict(self)))


def read_parts(out: Path) -> list[Part]:
    """Return the parts that lie in a directory, in the order of the experiments.

    Raises:
        RunDirectoryError: If a part is damaged, or was written by another version.
    """
    parts = []
    for name in EXPERIMENTS:
        file = out / f"{name}.json"
        try:
            parts.append(_part(name, read_json(file)))
            read_regular(out / f"{name}.png", LARGEST_FIGURE)
        except FileNotFoundError:
            if file.exists():
                raise
            continue
        except ValueError as error:
            raise RunDirectoryError(
                f"{file} must be a part of a report of this version; got what cannot be read "
                f"({error}). Choose another --out, or delete the file."
            ) from error
    return parts


def _part(name: str, found: Any) -> Part:
    """Return the part that was written as JSON.

    Raises:
        ValueError: If it is none, or another experiment's.
    """
    check_fields(found, PART)
    for claim in found["claims"]:
        check_fields(claim, get_type_hints(Claim))
    for measures in found["measures"].values():
        if not fits(measures.get("seconds"), float):
            raise ValueError("measures of each seed must have their seconds")
    if found["name"] != name or not found["measures"]:
        raise ValueError(f"it must be measures of {name}; got {len(found['measures'])} seeds")
    claims = [Claim(**fields) for fields in found["claims"]]
    measures = {int(seed): of_seed for seed, of_seed in found["measures"].items()}
    return Part(**found | {"claims": claims, "measures": measures})


def write_report(out: Path) -> None:
    """Write the report of all parts that lie in a directory.

    Args:
        out: Directory; gets ``index.html``, ``claims.json`` and ``results.md``.
    """
    parts = read_parts(out)
    claims = [claim for part in parts for claim in part.claims]
    write_whole(out / "claims.json", json_text([claim.to_json() for claim in claims]))
    write_whole(out / "results.md", results_page(claims))
    pages.write_page(
        out / "index.html",
        "report.html",
        {"number": number, "duration": duration},
        sections=[section(part, out / f"{part.name}.png") for part in parts],
        runs=len({part.command for part in parts}),
        quick=any(part.quick for part in parts),
        headline=headline(claims),
        hyperparameters=(hyperparameters.__doc__ or "").replace("\n", " "),
        versions={name: version(name) for name in PACKAGES},
        machine=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )


def section(part: Part, figure: Path) -> dict[str, Any]:
    """Return the section of the page that shows a part.

    Args:
        part: Part of the report.
        figure: File of its figure.

    Returns:
        Variables of the template.
    """
    experiment = EXPERIMENTS[part.name]
    seconds = [m["seconds"] for m in part.measures.values()]
    return {
        "part": part,
        "experiment": experiment,
        "tasks": list(dict.fromkeys(t.id for t in experiment.trainings.values())),
        "claims": part.claims,
        "headline": headline(part.claims),
        "tables": tables(part.claims),
        "held": sum(claim.held for claim in part.claims),
        "counted": sum(claim.counted for claim in part.claims),
        "missed": [claim for claim in part.claims if claim.counted and not claim.held],
        "figure": pages.embedded(figure),
        "seeds": span(list(part.measures)),
        "seconds": float(np.median(seconds)),
        "all_seconds": sum(seconds),
    }


def headline(claims: Sequence[Claim]) -> str:
    """Return in a sentence how many claims hold."""
    counted = [claim for claim in claims if claim.counted]
    held, idle = sum(c.held for c in counted), sum(c.verdict == "not diagnostic" for c in counted)
    reported = sum(claim.kind == "reported" for claim in claims)
    text = f"{held} of {len(counted)} claims hold (interval within the range, foil fails)"
    text += f", {idle} are not diagnostic" if idle else ""
    undecided = sum(claim.verdict == "undecided" for claim in counted)
    text += f", {undecided} rest on one seed" if undecided else ""
    return f"{text}; {reported} measures are reported."


def tables(claims: Sequence[Claim]) -> list[tuple[str, list[Claim]]]:
    """Return claims by kind, under the title of each kind that there is."""
    found = [(title, [c for c in claims if c.kind == kind]) for kind, title in KINDS.items()]
    return [(title, of_kind) for title, of_kind in found if of_kind]


def results_page(claims: Sequence[Claim]) -> str:
    """Return the claims as a page of the documentation.

    Args:
        claims: Claims of all experiments.

    Returns:
        Markdown: the headline, and for each experiment a table of every kind of claims, under the
        command that makes the numbers.
    """
    lines = ["# Results", "", headline(claims), "", *RESULTS]
    for name in dict.fromkeys(claim.experiment for claim in claims):
        of_experiment = [claim for claim in claims if claim.experiment == name]
        lines += ["", f"## {name}", "", f"`neurotasks reproduce {name}`. {headline(of_experiment)}"]
        for title, of_kind in tables(of_experiment):
            lines += ["", f"### {title}", "", _claims_table(of_kind)]
    return "\n".join(lines) + "\n"


def _claims_table(claims: Sequence[Claim]) -> str:
    body = []
    for c in claims:
        interval = "" if c.ci_low is None else f"{number(c.ci_low)} to {number(c.ci_high)}"
        name = f"{c.claim}. {c.note}" if c.note else c.claim
        row = [name, f"{c.published} ({c.source})", number(c.measured), interval]
        if c.counted:
            foil = f"{c.foil}: {number(c.foil_measured)}" if c.foil else "none"
            row += [c.accept, foil, in_bold(c.verdict)]
        elif c.kind == "check":
            row += [c.accept]
        body.append((*row, str(len(c.values))))
    head = ["finding", "published", "measured", "95 % interval"]
    if claims[0].counted:
        head += ["wanted", "foil", "verdict"]
    elif claims[0].kind == "check":
        head += ["wanted"]
    return markdown_table((*head, "seeds"), body)


def in_bold(verdict: str) -> str:
    """Return a verdict, in bold if it is not that the claim holds."""
    return verdict if verdict == "held" else f"**{verdict}**"


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
