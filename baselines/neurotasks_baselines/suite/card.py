"""The card of an agent for a model hub: what it is, how it plays, how it was trained."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scipy import stats

import neurotasks
from neurotasks.errors import ParameterError
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.suite.aggregates import CONFIDENCE
from neurotasks_baselines.suite.behaviour import published
from neurotasks_baselines.suite.results import Result
from neurotasks_baselines.suite.scores import why_no_memory_score
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training.hyperparameters import hyperparameters_for
from neurotasks_baselines.training.wang2018 import wang2018_for

NAMES = {"ppo": "FusedRecurrentPPO", "a2c": "FusedRecurrentA2C"}
SCORES = {
    "score": "score (0 random choices, 1 reference observer)",
    "memory_score": "memory score (0 best policy without memory)",
    "train_score": "score in episodes as in training",
}


def model_card(description: Mapping[str, Any], result: Result, licence: str = "mit") -> str:
    """Return the card of an agent: Markdown, with a head in YAML that model hubs read.

    Args:
        description: Description of the agent, see `neurotasks_baselines.training.agent_files`.
        result: Its scores, such as one of `neurotasks_baselines.suite.results.check_scores`.
        licence: Licence of the weights, as hubs call it.

    Raises:
        ParameterError: If the agent was trained on another task than it was scored on, or with
            other parameters than the task's own.
    """
    id, kwargs = description["id"], description["task_kwargs"]
    if id != result.id or kwargs:
        raise ParameterError(
            f"A card needs an agent of {result.id}, which its scores are of, with the task's own "
            f"parameters; got one of {id} with {kwargs or 'them'}."
        )
    name = f"{NAMES[description['hyperparameters']['algorithm']]} on {id}"
    rows = [
        [text, f"{value:.3f}", f"{low:.3f} to {high:.3f}"]
        for text, value, low, high in _intervals(result)
    ]
    known = published(id, {})
    behaviour = [
        [measure, "-" if value is None else f"{value:.3f}", known.get(measure, "")]
        for measure, value in result.behaviour.items()
    ]
    chosen = [[f"`{n}`", str(v)] for n, v in description["hyperparameters"].items()]
    versions = ", ".join(f"{n} {v}" for n, v in description["versions"].items())
    why = why_no_memory_score(id)
    parts = [
        _head(name, id, result, licence),
        f"# {name}",
        f"Agent with a recurrent network, trained on the task `{id}` of "
        "neurotasks for "
        f"{description['num_timesteps']:,} steps, {description['seconds']:,.0f} s.",
        "## Scores",
        markdown_table(["measure", "value", "95 % interval"], rows),
        f"{result.episodes:,} held-out episodes with frozen weights and the seeds from "
        f"{TEST_SEED:,} on, each paired with the others who play it. Intervals are over episodes: "
        "they say nothing about other training seeds."
        + (f" No memory score: {why}" if why else ""),
        "## Behaviour",
        markdown_table(["measure", "agent", "published"], behaviour),
        "## Training",
        f"Training seed {description['seed']}.",
        f"```sh\n{training_command(description)}\n```",
        markdown_table(["hyperparameter", "value"], chosen),
        f"Versions: {versions}.",
        "## Use",
        f"```python\n{USE.format(id=id)}\n```",
        f"Licence: {licence}. Loading runs no code of the file.",
    ]
    return "\n\n".join(parts) + "\n"


USE = """import gymnasium as gym

from neurotasks.episodes import run_episodes
from neurotasks_baselines import load

agent = load("agent.safetensors")
options = {{"autoreset_mode": "SameStep", "split": "test", "trial_log": True}}
episodes = run_episodes(agent, gym.make_vec("{id}", num_envs=100, **options), seed=0)
print(episodes.returns.mean())"""


def training_command(description: Mapping[str, Any]) -> str:
    """Return the command that trains an agent with this description anew.

    Args:
        description: Description of the agent.
    """
    id, given = description["id"], description["hyperparameters"]
    a2c = given["algorithm"] == "a2c"
    own = asdict(wang2018_for(id) if a2c else hyperparameters_for(id))
    words = ["neurotasks", "train", id, "--seed", str(description["seed"])]
    words += ["--agent", "a2c"] if a2c else []
    for name, value in given.items():
        if value != own[name]:
            words += ["--set", f"{name}={json.dumps(value)}"]
    return shlex.join(words)


def _intervals(result: Result) -> list[tuple[str, float, float, float]]:
    """Return name, value and ends of the interval of each score."""
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    found = []
    for name, text in SCORES.items():
        value, error = getattr(result, name), getattr(result, f"{name}_se")
        if value is not None:
            found.append((text, value, value - z * error, value + z * error))
    return found


def _head(name: str, id: str, result: Result, licence: str) -> str:
    """Return the head; its values are JSON, which YAML contains."""
    metrics = [
        {
            "type": text.partition(" (")[0],
            "name": text,
            "value": round(value, 4),
            "args": {"confidence_interval": [round(low, 4), round(high, 4)]},
        }
        for text, value, low, high in _intervals(result)
    ]
    task = {"type": "reinforcement-learning", "name": "reinforcement-learning"}
    results = [{"task": task, "dataset": {"type": id, "name": id}, "metrics": metrics}]
    head = {
        "library_name": "neurotasks",
        "license": licence,
        "pipeline_tag": "reinforcement-learning",
        "tags": [
            *("reinforcement-learning", "meta-learning", "neuroscience", "gymnasium"),
            *("stable-baselines3", id.rpartition("/")[2]),
        ],
        "neurotasks_version": neurotasks.__version__,
        "model-index": [{"name": name, "results": results}],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in head.items()]
    return "\n".join(["---", *lines, "---"])
