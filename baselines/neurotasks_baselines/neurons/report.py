"""The monkeys' neurons next to the units of agents, measured, drawn and written to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurotasks.files import check_writable, write_whole
from neurotasks.models.two_step import HYBRID
from neurotasks_baselines.files import json_text
from neurotasks_baselines.neurons.analysis import (
    QUESTIONS,
    answer,
    coding_rows,
    optimism_rows,
    population_rows,
)
from neurotasks_baselines.neurons.encoding import DRAWS
from neurotasks_baselines.neurons.figures import draw
from neurotasks_baselines.neurons.lstm_units import TIMES, agent_recordings
from neurotasks_baselines.neurons.monkeys import load_monkeys, read_behaviour
from neurotasks_baselines.neurons.optimism import Optimism, optimism
from neurotasks_baselines.neurons.recording import Recording
from neurotasks_baselines.neurons.regressors import with_signals
from neurotasks_baselines.plotting import save_figure
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.progress import track

WIDTH = 4  # bins of 50 ms in a sliding window
AFTER = (200.0, 700.0)
"""Milliseconds after an event over which activity is averaged for decoding and optimism (ours)."""

LEVELS = (0.0, 0.5, 1.0)  # of the monkeys' reward, as the recipe codes them
NULL_OF_UNITS = ("shuffled trials", "circular shifts")
"""Too few agents for the null of other sessions."""

KEYS = ("value", "shuffled", "p")


def analyse_units(
    folder: str | Path,
    out: str | Path,
    agents: Mapping[str, str | Path],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, list[dict[str, Any]]]:
    """Ask the monkeys' neurons and the units of agents the same questions.

    Writes ``units.json`` (all rows) and ``units.png``, with the figure as SVG and its data as CSV.

    Args:
        folder: Folder of the monkeys' files, see `monkeys`.
        out: Directory to write to.
        agents: Files of agents of ``neurotasks/TwoStep-v0`` or ``neurotasks/TwoStepMiranda-v0``, by
            name; there may be none.
        draws: Largest number of draws from each null.
        seed: Random seed.

    Returns:
        Rows ``"coding"``, ``"population"`` and ``"optimism"`` of the functions in `analysis`, and
        ``"split_half"``, the correlation of the neurons' optimism in halves of their trials.

    Raises:
        RecordingError: If neurons cannot be read, or are not of the session that they should be of.
        ForeignTableError: If the behaviour is not coded as the recipe says.
        OSError: If a file is missing, or nothing can be written.
    """
    out = Path(out)
    played = read_behaviour(folder)
    check_writable(out / "units.json")
    # generators of their own: what is asked of neurons does not depend on the networks
    coding_rng, units_rng, decoding_rng, optimism_rng = np.random.default_rng(seed).spawn(4)
    behaviour = with_signals(played, HYBRID)
    events = tuple(dict.fromkeys(question.event for question in QUESTIONS))
    binned = load_monkeys(folder, behaviour, events)
    recordings = {name: [one.windows(WIDTH) for one in each] for name, each in binned.items()}
    sessions = dict(list(behaviour.groupby("name")))
    neurons = [
        one
        for question in QUESTIONS
        for one in answer(question, recordings[question.event], sessions, coding_rng, draws=draws)
    ]
    trained, untrained = units_of(agents)
    units = [
        one
        for question in QUESTIONS
        if agents
        for one in answer(
            question, [*trained, *untrained], {}, units_rng, nulls=NULL_OF_UNITS, draws=draws
        )
    ]
    population = []
    labels = {"first_on": "choice", "transition": "common", "reward_cue": "rewarded"}
    for event, label in labels.items():
        population += population_rows(
            binned[event], {label: window(binned[event][0])}, decoding_rng
        )
    at = {"choice": step(1), "common": step(1), "rewarded": step(2)}
    for kind in (trained, untrained) if agents else ():
        population += population_rows(kind, at, units_rng)
    rewards = binned["reward_cue"]
    found = optimism(rewards, LEVELS, window(rewards[0]), optimism_rng)
    content = {
        "coding": coding_rows([*neurons, *units]),
        "population": population,
        "optimism": optimism_rows(found),
        "split_half": split_half_rows(found),
    }
    save_figure(draw(neurons, units), out / "units.png")
    write_whole(out / "units.json", json_text(content))
    return content


def units_of(agents: Mapping[str, str | Path]) -> tuple[list[Recording], list[Recording]]:
    """Return the units of agents, and those of their untrained networks.

    Args:
        agents: Files of agents, by name.
    """
    pairs = [
        agent_recordings(load(file, num_envs=1), name)
        for name, file in track(agents.items(), "agents", len(agents))
    ]
    return [first for first, _ in pairs], [second for _, second in pairs]


def window(one: Recording) -> slice:
    """Return the bins of a recording within `AFTER`."""
    low, high = np.searchsorted(one.times, AFTER)
    return slice(int(low), int(high))


def step(time: float) -> slice:
    """Return the bin of units at a step of the trial."""
    at = int(np.searchsorted(TIMES, time))
    return slice(at, at + 1)


def split_half_rows(found: Optimism) -> list[dict[str, Any]]:
    """Return the correlation of the optimism in halves, next to neurons that agree, as a row."""
    null = found.agreeing.r
    reached = int(np.sum(null >= found.split_half.mean_r))
    return [
        {
            "neurons": int(found.table["selective"].sum()),
            "r": found.split_half.mean_r,
            "agreeing": float(null.mean()),
            "p": (1 + reached) / (1 + len(null)),
        }
    ]


def text_tables(content: Mapping[str, list[dict[str, Any]]]) -> str:
    """Return the rows as Markdown tables.

    Args:
        content: Rows of `analyse_units`.
    """
    areas = list(dict.fromkeys(row["area"] for row in content["coding"]))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in content["coding"]:
        shown = f"{row['fraction']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        cells.setdefault((row["regressor"], row["null"]), {})[row["area"]] = shown
    coding = [
        (regressor, null, *(by_area.get(area, "-") for area in areas))
        for (regressor, null), by_area in cells.items()
    ]
    numbers = {row["area"]: row["neurons"] for row in content["coding"]}
    head = [f"{area} (n = {numbers[area]})" for area in areas]
    population = [
        (r["area"], str(r["neurons"]), r["measure"], *(_short(r[k]) for k in KEYS))
        for r in content["population"]
    ]
    optimists = [tuple(map(str, row.values())) for row in content["optimism"]]
    halves = [
        (str(r["neurons"]), *(_short(r[k]) for k in ("r", "agreeing", "p")))
        for r in content["split_half"]
    ]
    tables = [
        markdown_table(("codes", "null", *head), coding, aligned=True),
        markdown_table(("area", "neurons", "measure", *KEYS), population, aligned=True),
        markdown_table(tuple(content["optimism"][0]), optimists, aligned=True),
        markdown_table(("neurons", "r of halves", "agreeing", "p"), halves, aligned=True),
    ]
    return "\n\n".join(tables)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
