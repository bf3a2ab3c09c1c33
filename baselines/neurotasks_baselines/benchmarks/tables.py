"""The results of the benchmarks as Markdown, for the terminal and for docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from neurotasks_baselines.benchmarks.programs import (
    BANDIT,
    CART_POLE,
    FUSED,
    GYMNAX_BANDIT,
    JAX,
    LIMIT,
    LOOP,
    MAKE,
    MAKE_VEC,
    PAIR,
    STOCK,
    TWO_STEP,
)
from neurotasks_baselines.tables import markdown_table

Row = dict[str, Any]

# What is compared: title, ours and theirs (program, task, num_envs), and the smallest ratio wanted.
Key = tuple[str, str, int]
ENVS_RATIOS: list[tuple[str, Key, Key, float]] = [
    *(
        (
            f"compiled loop, {n:,} environments, {program}",
            (LOOP, BANDIT, n),
            (f"gymnax, {program}", GYMNAX_BANDIT, n),
            2.0,
        )
        for program in ("scan", "scan, all steps kept")
        for n in (64, 1024, 16384)
    ),
    (
        "stepped from Python, 64 environments",
        ("gymnasium.make_vec", BANDIT, 64),
        ("gymnax, step from Python", GYMNAX_BANDIT, 64),
        15.0,
    ),
    (
        "single environment",
        ("gymnasium.make", BANDIT, 1),
        ("neurogym, gymnasium.make", "Bandit-v0", 1),
        1.0,
    ),
]
TRAIN_RATIOS: list[tuple[str, Key, Key, float]] = [
    *(
        (
            f"compared with pure JAX, {n} environments",
            (FUSED, BANDIT, n),
            (JAX, GYMNAX_BANDIT, n),
            least,
        )
        for n, least in ((64, 1.9), (128, 1.7))
    ),
    *(
        (
            f"{n} environments compared with stock's 64, {task.partition('/')[2]}",
            (FUSED, task, n),
            (STOCK, task, 64),
            14.0,
        )
        for task in (BANDIT, TWO_STEP)
        for n in (64, 128)
    ),
    ("two seeds in parallel compared with one", (PAIR, BANDIT, 128), (FUSED, BANDIT, 128), 1.9),
]
OVER_CART_POLE = {MAKE: 3.7, **dict.fromkeys(MAKE_VEC.values(), 5.8)}  # the ratios wanted


def speeds(rows: Sequence[Row]) -> str:
    """Return the speeds of a comparison: medians with their range.

    Args:
        rows: Objects of ``envs.json``, ``train.json`` or ``scaling.json``.
    """
    limits = {(r["task"], r["units"]): r for r in rows if r["program"] == LIMIT}
    columns: dict[str, Callable[[Row], str]] = {
        "program": lambda r: r["program"],
        "task": lambda r: r["task"].removeprefix("neurotasks/"),
        "environments": lambda r: f"{r['num_envs']:,}" if r["num_envs"] else "",
        "units": lambda r: str(r["units"] or ""),
        "episode": lambda r: str(r["episode_length"] or ""),
        "channels": lambda r: str(r.get("channels") or ""),
        "cores": lambda r: str(r["threads"]),
        "steps/s": lambda r: rounded(r["steps_per_second"]["median"]),
        "range": lambda r: " to ".join(rounded(r["steps_per_second"][k]) for k in ("min", "max")),
        "of the limit": lambda r: fraction_of(limits.get((same_network(r), r["units"])), r),
        "start (s)": lambda r: (
            "" if r["startup_seconds"] is None else f"{r['startup_seconds']:.1f}"
        ),
        "memory (MB)": lambda r: f"{r['peak_bytes'] / 1e6:,.0f}" if r["peak_bytes"] else "",
    }
    cells = [[column(r) for r in rows] for column in columns.values()]
    kept = [(name, c) for name, c in zip(columns, cells, strict=True) if any(c)]
    return markdown_table(
        [name for name, _ in kept], zip(*(c for _, c in kept), strict=True), aligned=True
    )


def same_network(row: Row) -> str:
    """Return the task of ours whose network is as large: gymnax's bandit looks like ours."""
    return BANDIT if row["task"] == GYMNAX_BANDIT else row["task"]


def fraction_of(limit: Row | None, row: Row) -> str:
    """Return a speed as a percentage of the arithmetic limit of its network, on one core."""
    if limit is None or row is limit or row["threads"] > 1:
        return ""
    share = row["steps_per_second"]["median"] / limit["steps_per_second"]["median"]
    return f"{share:.0%}"


def ratios(rows: Sequence[Row], wanted: Sequence[tuple[str, Key, Key, float]]) -> str:
    """Return the ratios within a run; those whose programs did not both run are left out.

    Args:
        rows: Objects of ``envs.json`` or ``train.json``.
        wanted: Comparisons, `ENVS_RATIOS` or `TRAIN_RATIOS`.
    """
    by_key: dict[Key, float] = {}
    for r in rows:
        key = r["program"], r["task"], r["num_envs"]
        by_key.setdefault(key, r["steps_per_second"]["median"])  # that on one core comes first
    body = []
    for title, ours, theirs, least in wanted:
        if ours in by_key and theirs in by_key:
            ratio = by_key[ours] / by_key[theirs]
            verdict = "held" if ratio >= least else "**missed**"
            cells = (rounded(by_key[ours]), rounded(by_key[theirs]), rounded(ratio))
            body.append((title, *cells, f"≥ {least:g}", verdict))
    if not body:
        return "No two programs of a comparison have run."
    return markdown_table(
        ("comparison", "ours", "theirs", "ratio", "wanted", ""), body, aligned=True
    )


def over_cart_pole(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the ratio to CartPole by id and program.

    Args:
        rows: Objects of ``cart-pole.json``.
    """
    medians = {(r["program"], r["task"]): r["steps_per_second"]["median"] for r in rows}
    base = {program: medians.get((program, CART_POLE)) for program in OVER_CART_POLE}
    found: dict[str, dict[str, float]] = {}
    for (program, task), median in medians.items():
        if task != CART_POLE:
            # its vector knows the mode of the next step only
            theirs = base[program] or base[MAKE_VEC["NextStep"]]
            found.setdefault(task, {})[program] = median / theirs
    return found


def ratios_to_cart_pole(rows: Sequence[Row]) -> str:
    """Return the ratios to CartPole, those below what is wanted in bold.

    Args:
        rows: Objects of ``cart-pole.json``.
    """
    head = ("id", *(f"{program} (≥ {least:g})" for program, least in OVER_CART_POLE.items()))
    body = []
    for task, found in over_cart_pole(rows).items():
        cells = [(f"{found[p]:.2f}", found[p] >= least) for p, least in OVER_CART_POLE.items()]
        body.append(
            (task.partition("/")[2], *(text if held else f"**{text}**" for text, held in cells))
        )
    return markdown_table(head, body, aligned=True)


def times(rows: Sequence[Row]) -> str:
    """Return the times to a criterion.

    Args:
        rows: Objects of ``criterion.json``.
    """
    body = []
    for r in rows:
        range_ = (seconds(r["seconds"][k]) for k in ("median", "min", "max"))
        steps = r["steps"]["median"]
        confirmed = ", ".join(f"{seed['confirmed']:.3g}" for seed in r["seeds"])
        reached = f"{sum(seed['met'] for seed in r['seeds'])} of {r['rounds']}"
        body.append(
            (
                r["task"].removeprefix("neurotasks/"),
                r["criterion"],
                reached,
                *range_,
                "never" if steps is None else rounded(steps),
                confirmed,
            )
        )
    head = ("task", "criterion", "seeds that met it", "seconds, median", "min", "max", "steps")
    return markdown_table((*head, "measured again"), body, aligned=True)


def seconds(value: float | None) -> str:
    """Return seconds as a cell; None is a criterion that was not met."""
    return "never" if value is None else f"{value:.0f}"


def memory(rows: Sequence[Row]) -> str:
    """Return the peak memory over a long training.

    Args:
        rows: Objects of ``memory.json``.
    """
    body = [(f"{r['steps']:,}", f"{(r['peak_bytes'] or 0) / 1e6:,.0f}") for r in rows]
    return markdown_table(("steps", "peak memory (MB)"), body, aligned=True)


def rounded(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value / 1e6:.3g} M" if value >= 999_500 else f"{float(f'{value:.3g}'):,g}"


def machine(folder: Path, name: str) -> str:
    """Return the machine and the package versions of a benchmark."""
    found = json.loads((folder / "machine.json").read_text())[name]
    rows = json.loads((folder / f"{name}.json").read_text())
    versions = dict(found["versions"])
    for row in rows:
        versions |= {k: v for k, v in row.get("versions", {}).items() if k not in versions}
    listed = ", ".join(f"{package} {number}" for package, number in versions.items())
    rounds = f" Rounds: {rows[0]['rounds']}." if "rounds" in rows[0] else ""
    return f"{found['processor']}, {found['cores']} cores, {found['system']}; {listed}.{rounds}"


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "envs": speeds,
    "envs ratios": lambda rows: ratios(rows, ENVS_RATIOS),
    "cart-pole": ratios_to_cart_pole,
    "train": speeds,
    "train ratios": lambda rows: ratios(rows, TRAIN_RATIOS),
    "scaling": speeds,
    "memory": memory,
    "criterion": times,
}


FIGURES = {
    "envs": "Speed of the environments",
    "cart-pole": "Speed of every id compared with CartPole's",
    "train": "Speed of training",
    "scaling": "Speed and memory against environments, units and episode length",
    "memory": "Memory over a long training",
    "criterion": "Seconds to the criterion",
}


def results(name: str, folder: Path) -> str:
    """Return all tables of a benchmark.

    Args:
        name: Name of the benchmark.
        folder: Directory with its JSON files.
    """
    rows = json.loads((folder / f"{name}.json").read_text())
    made = [make(rows) for title, make in TABLES.items() if title.split()[0] == name]
    return "\n\n".join([machine(folder, name), *made])


def page_parts(folder: Path) -> dict[str, Callable[[], str]]:
    """Return functions that write tables and figures for a page, by name.

    Args:
        folder: Directory with what the benchmarks wrote, next to the page.

    Returns:
        ``"envs"`` is a table of `TABLES`, ``"envs figure"`` a figure of `FIGURES`, and
        ``"envs machine"`` the machine it ran on.
    """

    def table(name: str) -> str:
        return TABLES[name](json.loads((folder / f"{name.partition(' ')[0]}.json").read_text()))

    def figure(name: str) -> str:
        return f"![{FIGURES[name]}]({folder.name}/{name}.png)"

    parts: dict[str, Callable[[], str]] = {name: partial(table, name) for name in TABLES}
    parts |= {f"{name} figure": partial(figure, name) for name in FIGURES}
    return parts | {f"{name} machine": partial(machine, folder, name) for name in FIGURES}
