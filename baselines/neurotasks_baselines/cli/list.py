"""``neurotasks list``: name the tasks and the experiments."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gymnasium.error import DependencyNotInstalled

from neurotasks import TASKS
from neurotasks_baselines.cli.arguments import add_command
from neurotasks_baselines.tables import wrapped_table

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands
    from neurotasks_baselines.experiments.base import Experiment

SCALE = """
random, reference: mean return of an episode of random choices and of the
reference observer, which are 0 and 1 on the scale of scores;
agents: number of pretrained agents, by algorithm"""
WEIGHTS = Path(__file__).parents[1] / "experiments/weights"


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "list",
        "list the tasks and the experiments",
        """
        Prints a table of the tasks, which `train` and `play` take, and one of the experiments,
        which `reproduce` takes. Scores are 0 at the mean return of random choices in an episode,
        and 1 at that of the task's reference observer; agents are the pretrained ones of this
        installation, by algorithm.

        Example: neurotasks list
                 neurotasks list --json
        """,
    )
    parser.add_argument("--json", action="store_true", help="print both tables as JSON")


def run(options: argparse.Namespace) -> None:
    """Print the tables."""
    found = {"tasks": tasks(), "experiments": experiments()}
    if options.json:
        print(json.dumps(found, indent=1))
        return
    head: tuple[str, ...] = ("task", "random", "reference", "agents", "what it is")
    body: list[tuple[str, ...]] = [
        (
            row["id"],
            f"{row['random']:.2f}",
            f"{row['reference']:.2f}",
            in_words(row["agents"]),
            row["summary"],
        )
        for row in found["tasks"]
    ]
    print(wrapped_table([head, *body], "<>><"))
    if not found["experiments"]:
        print(SCALE)
        print("\nFor the experiments, and their agents: pip install 'neurotasks[baselines]'")
        return
    head = ("experiment", "group", "agents", "what it is")
    body = [
        (row["name"], row["group"], in_words(row["agents"]), row["title"])
        for row in found["experiments"]
    ]
    print(f"\n{wrapped_table([head, *body], '<<<')}")
    print(SCALE)


def tasks() -> list[dict[str, Any]]:
    """Return a row per task."""
    from neurotasks.core.task import load
    from neurotasks.scores import reference_returns

    of_experiments, rows = experiments(), []
    for id, keywords in TASKS.items():
        summary = " ".join(load(keywords["task"]).doc.split("\n##")[0].split()).rstrip(".")
        preset = ", ".join(f"{k}={v}" for k, v in keywords.items() if k != "task")
        returns = reference_returns()[id]
        rows.append(
            {
                "id": id,
                "summary": f"{summary} ({preset})" if preset else summary,
                "random": returns["random"],
                "reference": returns["ideal"],
                "observer": returns["observer"],
                "agents": next((row["agents"] for row in of_experiments if id in row["tasks"]), {}),
            }
        )
    return rows


def experiments() -> list[dict[str, Any]]:
    """Return a row per experiment."""
    try:
        from neurotasks_baselines.experiments import EXPERIMENTS, GROUPS
    except (
        ImportError,
        DependencyNotInstalled,
    ):  # the extra is not installed: tasks can be listed all the same
        return []
    return [
        {
            "name": name,
            "group": group,
            "title": EXPERIMENTS[name].title,
            "tasks": tasks_of(EXPERIMENTS[name]),
            "agents": {learner: seeds_of(name, learner) for learner in ("ppo", "a2c")},
        }
        for group, names in GROUPS.items()
        for name in names
    ]


def tasks_of(experiment: Experiment) -> list[str]:
    """Return the ids of the tasks of an experiment, each once."""
    ids = [training.id for training in experiment.trainings.values()]
    return [*dict.fromkeys(id for id in ids if id in TASKS)]


def seeds_of(experiment: str, learner: str) -> int:
    """Return how many seeds of the agents of an experiment are here."""
    from neurotasks_baselines.experiments import EXPERIMENTS

    owner = EXPERIMENTS[experiment].agents_of or experiment
    files = (WEIGHTS / owner / learner).glob("*.safetensors")
    return len({file.stem.rpartition("-")[2] for file in files})


def in_words(agents: dict[str, int]) -> str:
    """Return the numbers of agents that there are."""
    return ", ".join(f"{count} {name}" for name, count in agents.items() if count) or "-"
