"""The section of grids on the page of robustness, and its figures, from shipped tables."""

from __future__ import annotations

import io

from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.robustness import FEW, fractions, not_measured, shipped_grid
from neurotasks_baselines.plotting import style
from neurotasks_baselines.sweeps.robustness import SIMULATIONS, at_our_settings, draw
from neurotasks_baselines.tables import markdown_table


def grids_section() -> str:
    """Return figure and table of every simulation, or that its grid was not run."""
    parts, claims, robust = [], 0, 0
    for name in SIMULATIONS:
        experiment, table = EXPERIMENTS[name], shipped_grid(name)
        parts.append(f"## {experiment.title}")
        if table is None:
            parts.append("Not run.")
            continue
        found = fractions(experiment, table)
        claims, robust = claims + len(found), robust + (found["fraction"] >= FEW).sum()
        body = []
        for claim, row in found.iterrows():
            number = f"{row['in_range']:.0f} of {row['settings']:.0f}"
            of_learned = f"{row['in_range_learned']:.0f} of {row['learned']:.0f}"
            bold = claim if row["fraction"] >= FEW else f"**{claim}**"
            body.append((bold, f"{number} [{row['low']:.2f}, {row['high']:.2f}]", of_learned))
        failed = table["problem"].notna().sum()
        parts += [
            f"![{experiment.title}, at other settings]({figure_path(name)})",
            f"{len(table)} settings, {table['seconds'].sum() / 3600:.1f} core-hours"
            + (f"; in {failed} of them the training met NaN or infinity." if failed else "."),
            markdown_table(("claim", "in range", "in range, of those that learned"), body),
        ]
        if absent := not_measured(experiment, table):
            parts.append(
                "Not measured, since these agents were evaluated too rarely while they learned: "
                f"{'; '.join(absent)}."
            )
    summary = (
        f"{robust} of {claims} claims have their value in range at half of the settings or more."
    )
    return "\n\n".join([summary, *parts])


def robustness_figures() -> dict[str, bytes]:
    """Return the figure of every grid that was run, as a PNG, by its path on the site."""
    figures = {}
    for name in SIMULATIONS:
        table = shipped_grid(name)
        if table is not None:
            figure, file = (
                draw(EXPERIMENTS[name], table, at_our_settings(EXPERIMENTS[name])),
                io.BytesIO(),
            )
            with style():
                figure.savefig(file, format="png")
            figures[figure_path(name)] = file.getvalue()
    return figures


def figure_path(name: str) -> str:
    """Return where the figure of a simulation is on the site."""
    return f"figures/robustness-{name}.png"
