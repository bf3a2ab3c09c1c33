"""The report of a directory: one HTML page with everything in it, and the claims as tables.

Each experiment's part lies in the directory as ``NAME.json``, with a figure ``NAME-LEARNER.png``
for each algorithm. The report is made of all parts, whichever runs wrote them.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from neurotasks.files import write_whole
from neurotasks_baselines import pages
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import AGAIN_EPISODES, EPISODES, Experiment, Measures
from neurotasks_baselines.experiments.claims import COUNTED, KINDS, Claim
from neurotasks_baselines.experiments.learners import ALGORITHMS, LACKING
from neurotasks_baselines.experiments.robustness import only_at_our_settings
from neurotasks_baselines.files import check_fields, fits, json_text, read_json, read_regular
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training import hyperparameters
from neurotasks_baselines.training.agent_files import PACKAGES

LARGEST_FIGURE = 2**26  # bytes
RESULTS = (
    "Values are means over seeds, with 95 % intervals over seeds. A claim holds if its interval",
    "lies within the accepted range and none of its foils (agents, learning rules or observers",
    "that lack what the claim is about) falls within that range; if a foil does, the claim is not",
    "diagnostic. Where agents were trained with two algorithms, only the claims about the first",
    "one are counted. The [history of the claims](claims_history.md) records every range and when",
    "it changed. Agents (the pretrained ones, or with `--train` new ones) play 300 held-out",
    "episodes per seed with frozen weights, different ones for each seed. Where neurons are",
    "simulated and no agent is trained, each population counts as a seed.",
    "",
    "In the figures, unless a legend says otherwise, bars, thick lines and large markers are means",
    "over seeds, with 95 % intervals; dots and thin lines are single seeds; grey symbols and lines",
    "are agents that lack something, five seeds each; white symbols are observers and learning",
    "rules; red lines are published values.",
)
PART = {  # as JSON
    "name": str,
    "command": str,
    "seconds": float,
    "quick": bool,
    "claims": list[dict[str, Any]],
    "measures": dict[str, dict[str, dict[str, Any]]],
    "played": dict[str, list[int]],
    "references": dict[str, Any],
    "played_again": list[float | None],
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
        measures: Measures by learner and seed, with the ``seconds`` that its training took.
        played: Seeds whose agents played in the run, by learner; those of the others are shipped.
        references: Measures that no seed changes.
        played_again: Where all measures are shipped, what the seeds that played show of each claim
            in the few episodes of the run, None where it cannot be computed; empty otherwise.
    """

    name: str
    command: str
    seconds: float
    quick: bool
    claims: list[Claim]
    measures: dict[str, dict[int, Measures]]
    played: dict[str, list[int]]
    references: Measures = field(default_factory=dict)
    played_again: list[float | None] = field(default_factory=list)

    def write(self, out: Path) -> None:
        """Write the part into a directory."""
        write_whole(out / f"{self.name}.json", json_text(asdict(self)))


def read_parts(out: Path) -> list[Part]:
    """Return the parts that lie in a directory, in the order of the experiments.

    Raises:
        RunDirectoryError: If a part is damaged, or was written by another version.
    """
    parts = []
    for name, experiment in EXPERIMENTS.items():
        file = out / f"{name}.json"
        if not file.exists():
            continue
        part = read_part(name, file)
        for learner in algorithms_of(part):
            _check_figure(figure_file(out, experiment, learner))
        parts.append(part)
    return parts


def _check_figure(file: Path) -> None:
    """Refuse what cannot be a figure.

    Raises:
        RunDirectoryError: If it is no regular file, or too large.
    """
    try:
        read_regular(file, LARGEST_FIGURE)
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} must be a figure of a report; got what cannot be read ({error}). Choose "
            "another --out, or delete the file."
        ) from error


def figure_file(out: Path, experiment: Experiment, learner: str) -> Path:
    """Return the file of a figure of an experiment."""
    return out / f"{experiment.name}-{learner}.png"


def algorithms_of(part: Part) -> list[str]:
    """Return the algorithms whose agents a part is about, the one of the headline first."""
    return [learner for learner in part.measures if learner in ALGORITHMS]


def read_part(
    name: str, file: Path, remedy: str = "Choose another --out, or delete the file."
) -> Part:
    """Return the part of an experiment that lies in a file.

    Args:
        name: Name of the experiment.
        file: File.
        remedy: What to do if it cannot be read.

    Raises:
        RunDirectoryError: If it is damaged, or was written by another version.
    """
    try:
        return _part(name, read_json(file))
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} must be a part of a report of this version; got what cannot be read "
            f"({error}). {remedy}"
        ) from error


def _part(name: str, found: Any) -> Part:
    """Return the part that was written as JSON.

    Raises:
        ValueError: If it is none, or another experiment's.
    """
    if isinstance(found, dict):  # recorded before there were these two
        found = {"references": {}, "played_again": [], **found}
    check_fields(found, PART)
    for claim in found["claims"]:
        check_fields(claim, get_type_hints(Claim))
    learners = found["measures"]
    for of_seeds in learners.values():
        for measures in of_seeds.values():
            if not fits(measures.get("seconds"), float):
                raise ValueError("measures of each seed must have their seconds")
    if found["name"] != name or not learners or not all(learners.values()):
        raise ValueError(f"it must be measures of {name}; got those of {len(learners)} learners")
    claims = [Claim(**fields) for fields in found["claims"]]
    if len(found["played_again"]) not in (0, len(claims)):
        raise ValueError("what was played again must be a value of each claim, or none")
    measures = {
        learner: {int(seed): of_seed for seed, of_seed in of_seeds.items()}
        for learner, of_seeds in learners.items()
    }
    unknown = {*learners} - {*ALGORITHMS, *LACKING} | {c.learner for c in claims} - {*ALGORITHMS}
    if unknown or not {*learners} & {*ALGORITHMS}:
        raise ValueError(f"learners must be known; got {', '.join([*unknown, *learners])}")
    played = found["played"]
    if {*played} != {*learners} or any({*played[name]} - {*measures[name]} for name in learners):
        raise ValueError("seeds that played must be seeds with measures")
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
        {"number": number, "duration": duration, "foils": foils},
        sections=[section(part, out) for part in parts],
        runs=len({part.command for part in parts}),
        quick=any(part.quick for part in parts),
        again=any(part.played_again for part in parts) and AGAIN_EPISODES,
        episodes=EPISODES,
        headline=headline(claims),
        hyperparameters=(hyperparameters.__doc__ or "").replace("\n", " "),
        versions={name: version(name) for name in PACKAGES},
        machine=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )


def section(part: Part, out: Path) -> dict[str, Any]:
    """Return the section of the page that shows a part.

    Args:
        part: Part of the report.
        out: Directory of its figures.

    Returns:
        Variables of the template.
    """
    experiment = EXPERIMENTS[part.name]
    learners = {}
    for learner, of_seeds in part.measures.items():
        seconds = [measures["seconds"] for measures in of_seeds.values()]
        learners[ALGORITHMS.get(learner) or LACKING[learner]] = {
            "seeds": span([*of_seeds]),
            "played": span(part.played[learner]),
            "seconds": float(np.median(seconds)),
            "all_seconds": sum(seconds),
        }
    shown = algorithms_of(part)
    return {
        "part": part,
        "experiment": experiment,
        "tasks": list(dict.fromkeys(t.id for t in experiment.trainings.values())),
        "headline": headline(part.claims),
        "tables": tables(part.claims),
        "again": {
            (claim.learner, claim.claim): value
            for claim, value in zip(part.claims, part.played_again, strict=False)
        },
        "algorithms": [ALGORITHMS[learner] for learner in shown],
        "held": sum(claim.held for claim in part.claims if claim.counted),
        "counted": sum(claim.counted for claim in part.claims),
        "missed": [claim for claim in part.claims if claim.counted and not claim.held],
        "figures": [
            {
                "learner": ALGORITHMS[learner],
                "image": pages.embedded(figure_file(out, experiment, learner)),
                "caption": caption(part, learner),
                "files": [
                    file.name
                    for suffix in (".svg", ".csv")
                    if (file := figure_file(out, experiment, learner).with_suffix(suffix)).exists()
                ],
            }
            for learner in shown
        ],
        "panels": panels_shown(experiment, part.claims),
        "learners": learners,
    }


def panels_shown(experiment: Experiment, claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """Return the letter of each panel of an experiment's figures, and what it shows.

    Args:
        experiment: Experiment.
        claims: Its claims, some of which may be about recorded neurons.

    Returns:
        Letters, "" of a single panel, and sentences.
    """
    panels = [*experiment.panels]
    if any(claim.learner == "recorded" for claim in claims):
        panels += experiment.recorded_panels
    letters = ascii_lowercase if len(panels) > 1 else [""]
    return [*zip(letters, panels, strict=False)]


def caption(part: Part, learner: str) -> str:
    """Return the caption of the figure that shows the agents of an algorithm.

    Args:
        part: Part of the report.
        learner: Algorithm.
    """
    number = len(part.measures[learner])
    if learner == "simulation":
        who = f"n = {number} simulated population{'s' if number > 1 else ''}"
    else:
        who = f"{ALGORITHMS[learner]} agents, n = {number} seed{'s' if number > 1 else ''}"
    foils = {name: len(part.measures[name]) for name in part.measures if name in LACKING}
    text = f"{EXPERIMENTS[part.name].title}: {who} ({span([*part.measures[learner]])})"
    text += ", means with 95 % intervals over them" if number > 1 else ""
    if foils and learner != "simulation":
        foils_of = span(sorted({*foils.values()}))
        text += f"; in grey, agents that lack something, n = {foils_of} each"
    return f"{text}."


class Finding(NamedTuple):
    """A finding, and what the agents of each algorithm show.

    Attributes:
        claim: Claim of the headline's agents, or of whoever shows it.
        claims: Claims about it in the order of the algorithms, None of those that do not show it.
    """

    claim: Claim
    claims: list[Claim | None]


def headline(claims: Sequence[Claim]) -> str:
    """Return in a sentence how many claims hold."""
    counted = [claim for claim in claims if claim.counted]
    held, idle = sum(c.held for c in counted), sum(c.verdict == "not diagnostic" for c in counted)
    reported = sum(claim.kind == "reported" and claim.headline for claim in claims)
    text = f"{held} of {len(counted)} claims hold (interval within the range, foils fail)"
    text += f", {idle} {'is' if idle == 1 else 'are'} not diagnostic" if idle else ""
    undecided = sum(claim.verdict == "undecided" for claim in counted)
    text += f", {undecided} rest{'s' if undecided == 1 else ''} on one seed" if undecided else ""
    return f"{text}; {reported} {'measure is' if reported == 1 else 'measures are'} reported."


def tables(claims: Sequence[Claim]) -> list[tuple[str, list[Finding]]]:
    """Return the findings of an experiment by kind, under the title of each kind that there is."""
    learners = [*dict.fromkeys(c.learner for c in claims if c.learner != "recorded")]
    found: dict[str, list[Finding]] = {}
    for claim in claims:
        if not claim.headline:
            continue
        same = {c.learner: c for c in claims if c.claim == claim.claim and c.learner in learners}
        shown: list[Claim | None] = [*map(same.get, learners)] if same else [claim]
        found.setdefault(claim.kind, []).append(Finding(claim, shown))
    return [(title, found[kind]) for kind, title in KINDS.items() if kind in found]


def results_page(claims: Sequence[Claim]) -> str:
    """Return the claims as a page of the documentation.

    Args:
        claims: Claims of all experiments.

    Returns:
        Markdown: the headline, and for each experiment its figures, what their panels show, and a
        table of every kind of claims, under the command that makes the numbers.
    """
    lines = ["# Results", "", headline(claims), "", *RESULTS]
    for name in dict.fromkeys(claim.experiment for claim in claims):
        of_experiment = [claim for claim in claims if claim.experiment == name]
        lines += ["", f"## {name}", "", f"`neurotasks reproduce {name}`. {headline(of_experiment)}"]
        learners = [*dict.fromkeys(c.learner for c in of_experiment if c.learner != "recorded")]
        for learner in learners:
            title = f"{EXPERIMENTS[name].title}, {ALGORITHMS[learner]}"
            number = max(len(c.values) for c in of_experiment if c.learner == learner)
            who = "populations" if learner == "simulation" else "seeds"
            file = f"figures/{name}-{learner}"
            lines += ["", f"![{title}]({file}.png)", ""]
            lines += [
                f"*{title}, n = {number} {who}.* [SVG]({file}.svg), [data as CSV]({file}.csv)"
            ]
        panels = panels_shown(EXPERIMENTS[name], of_experiment)
        lines += ["", " ".join(f"**{x}**: {text}" if x else text for x, text in panels)]
        for title, findings in tables(of_experiment):
            lines += ["", f"### {title}", "", _claims_table(learners, findings)]
    return "\n".join(lines) + "\n"


def _claims_table(learners: Sequence[str], findings: Sequence[Finding]) -> str:
    """Return the table of findings of one kind."""
    kind = findings[0].claim.kind
    head = ["finding", "published"]
    head += ["accepted"] if kind != "reported" else []
    head += [ALGORITHMS[learner] for learner in learners]
    head += ["foils"] if kind in COUNTED else []
    body = []
    for c, shown in findings:
        row = [". ".join(filter(None, (c.claim, c.note))), f"{c.published} ({c.source})"]
        row += [c.accept] if kind != "reported" else []
        row += ["" if claim is None else measured(claim) for claim in shown]
        row += [""] * (len(learners) - len(shown))
        row += [foils(shown)] if kind in COUNTED else []
        body.append(tuple(row))
    return markdown_table(tuple(head), body)


def measured(claim: Claim) -> str:
    """Return what was measured of a claim, with interval, number of seeds and verdict."""
    text = number(claim.measured)
    if claim.ci_low is not None:
        text += f" [{number(claim.ci_low)}, {number(claim.ci_high)}]"
    seeds = len(claim.values)
    text += f", {seeds} seed{'s' if seeds > 1 else ''}"
    text += f": {in_bold(claim.verdict)}" if claim.verdict else ""
    return ". ".join(filter(None, (text, claim.why, only_at_our_settings(claim))))


def foils(claims: Sequence[Claim | None]) -> str:
    """Return who must fail claims about a finding, and their values; of later ones what differs.

    Agents that lack something but need not fail come last.
    """
    found: list[str] = []
    for claim in filter(None, claims):
        of_learner = f" (for {ALGORITHMS[claim.learner]})" if found else ""
        values = [f"{name}: {number(value)}" for name, value in claim.foils.items()]
        values += [f"no foil, {name}: {number(value)}" for name, value in claim.able.items()]
        found += [value + of_learner for value in values if value not in found]
    return "; ".join(found) or "none"


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
