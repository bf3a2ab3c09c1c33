"""Training runs: a directory that can be killed at any moment and started again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Figure, HParam, configure

from neurotasks.episodes import Episodes, run_episodes
from neurotasks.errors import ParameterError
from neurotasks.scores import TEST_SEED as TEST_SEED
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.training.agent_files import (
    build,
    check_device,
    check_seed,
    described,
    json_text,
    load,
    read_description,
    save,
    write_whole,
)
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for

ARRAYS = ("stdout", "log", "json", "csv")  # the log formats that take no arrays and figures


@dataclass(frozen=True)
class Metrics:
    """Evaluation metrics of a task, computed and plotted while an agent learns it.

    Attributes:
        compute: maps episodes to named numbers, which become TensorBoard scalars ``task/...`` and
            the learning curve stored with the agent.
        plot: maps episodes and the agent's activations to a matplotlib figure.
        num_episodes: number of held-out episodes per evaluation, the same ones every time.
    """

    compute: Callable[[Episodes], dict[str, float]]
    plot: Callable[[Episodes, Activations], Any] | None = None
    num_episodes: int = 200


def reward_per_trial(episodes: Episodes) -> dict[str, float]:
    """Return what can be measured on any task: the mean reward of a trial."""
    return {"reward_per_trial": float(episodes.trials["trial_reward"].mean())}


def test_envs(id: str, task_kwargs: dict[str, Any], num_episodes: int) -> Any:
    """Make lanes that play held-out episodes, one each, for `neurotasks.episodes.run_episodes`.

    Raises:
        ParameterError: if a keyword is no parameter of the task, or one that is set here.
    """
    options = {"autoreset_mode": "SameStep", "split": "test", "trial_log": True}
    for name in {*options, "num_envs", "render_mode", "show_truth"} & set(task_kwargs):
        raise ParameterError(
            f"{name}={task_kwargs[name]!r} came as a parameter of the task, but what trains and "
            "tests an agent sets it. Leave it out."
        )
    return gym.make_vec(id, num_envs=num_episodes, **options, **task_kwargs)


class Evaluation(BaseCallback):
    """Plays held-out episodes with frozen weights, and logs what they show.

    Args:
        metrics: what to measure and draw.
        every: environment steps between evaluations.
    """

    def __init__(self, metrics: Metrics, every: int) -> None:
        super().__init__()
        self.metrics, self.every = metrics, every
        self.history: list[dict[str, float | None]] = []  # None for NaN, as in a file

    def _on_training_start(self) -> None:
        description = self.model.description  # type: ignore[attr-defined]
        self.history = description.setdefault("history", [])
        self.envs = test_envs(description["id"], description["keywords"], self.metrics.num_episodes)
        hyperparameters = {k: v for k, v in description["hyperparameters"].items() if v is not None}
        metrics: dict[str, float | int] = {"rollout/ep_rew_mean": 0, "train/value_loss": 0}
        self.logger.record("hparams", HParam(hyperparameters, metrics), exclude=ARRAYS)

    def _on_rollout_start(self) -> None:
        last: Any = self.history[-1]["steps"] if self.history else -self.every
        if self.num_timesteps >= last + self.every:
            self.evaluate()

    def _on_training_end(self) -> None:
        self.evaluate()

    def _on_step(self) -> bool:
        return True

    def evaluate(self) -> None:
        """Play, measure, log."""
        model: Any = self.model
        episodes = run_episodes(model, self.envs, seed=TEST_SEED)
        activations = compute_activations(model, episodes)
        measures = self.metrics.compute(episodes)
        for name, value in measures.items():
            self.logger.record(f"task/{name}", value)
        self.logger.record("task/rpe", activations.rpe[episodes.alive], exclude=ARRAYS)
        if self.metrics.plot is not None:
            figure = self.metrics.plot(episodes, activations)
            self.logger.record("task/figure", Figure(figure, close=True), exclude=ARRAYS)
        self.logger.dump(self.num_timesteps)
        self.history.append({"steps": self.num_timesteps, **json.loads(json_text(measures))})


class Checkpoint(BaseCallback):
    """Saves the agent so that training can go on from there.

    Args:
        path: where, without suffix.
        every: environment steps between checkpoints.
        on_progress: called with the steps done after every rollout.
        early: steps after which the agent is also kept once, as ``early`` beside `path`.
    """

    def __init__(
        self,
        path: Path,
        every: int,
        on_progress: Callable[[int], None] | None = None,
        early: int | None = None,
    ) -> None:
        super().__init__()
        self.path, self.every, self.on_progress = path, every, on_progress
        self.early, self.early_path = early, path.with_name("early")

    def _on_training_start(self) -> None:
        self.description: dict[str, Any] = self.model.description  # type: ignore[attr-defined]
        self.before = self.description.get("seconds", 0.0)
        self.saved, self.started = self.num_timesteps, time.perf_counter()

    def _on_rollout_start(self) -> None:
        self.description["seconds"] = round(self.before + time.perf_counter() - self.started, 1)
        self._keep_early()
        if self.num_timesteps >= self.saved + self.every:
            save(self.model, self.path, resumable=True)
            self.saved = self.num_timesteps
        if self.on_progress is not None:
            self.on_progress(self.num_timesteps)

    def _on_training_end(self) -> None:
        self._keep_early()

    def _keep_early(self) -> None:
        if self.early is not None and self.num_timesteps >= self.early:
            if not self.early_path.with_suffix(".json").exists():  # before an interruption
                save(self.model, self.early_path)
            self.early = None

    def _on_step(self) -> bool:
        return True


def train(
    id: str,
    out: str | Path,
    *,
    hyperparameters: Hyperparameters | None = None,
    seed: int = 0,
    task_kwargs: dict[str, Any] | None = None,
    metrics: Metrics | None = None,
    evaluations: int = 21,
    checkpoints: int = 20,
    early: int | None = None,
    progress_bar: bool = False,
    on_progress: Callable[[int], None] | None = None,
    device: str = "cpu",
) -> FusedRecurrentPPO:
    """Train an agent in a run directory, or go on where an interrupted run stopped.

    The directory gets ``run.json`` (what it is), ``checkpoint`` and at the end ``agent`` (see
    `neurotasks_baselines.save`), ``tensorboard/``, and ``STEPS.monitor.csv`` with a row an episode
    in Stable-Baselines3's format, a new file after each interruption.

    Args:
        id: the task's id.
        out: the run directory.
        hyperparameters: Hyperparameters of the agent; those of the task by default.
        seed: Seed of the network, of its actions and of the environment.
        task_kwargs: parameters of the task.
        metrics: what to measure and draw meanwhile; the reward per trial by default.
        evaluations: how many evaluations in a training, the first before it.
        checkpoints: how many checkpoints.
        early: steps after which the agent is also kept as ``early``; never by default.
        progress_bar: whether to show one.
        on_progress: called with the steps done after every rollout.
        device: of the network, see `neurotasks_baselines.build`; an interrupted run may resume on
            another one.

    Returns:
        The trained agent; if the run was finished before, it is loaded.

    Raises:
        SeedError: if the seed is not in 0 to 1,999,999.
        DeviceError: if there is no such device.
        ParameterError: if the task refuses a keyword.
        RunDirectoryError: if the directory holds another run.
        AgentFileError: if its checkpoint is damaged.
    """
    out, hyperparameters = Path(out), hyperparameters or hyperparameters_for(id)
    check_seed(seed)
    check_device(device)
    test_envs(id, task_kwargs or {}, 1).close()  # the task's own errors, before anything is written
    claim_directory(out, id, seed, hyperparameters, task_kwargs or {})
    if (out / "agent.json").exists():
        return load(out / "agent", device=device)
    if (out / "checkpoint.json").exists():
        done = read_description(out / "checkpoint")["num_timesteps"]
        model = load(out / "checkpoint", monitor=out / f"{done}.monitor.csv", device=device)
    else:
        monitor = out / "0.monitor.csv"
        model = build(
            id,
            hyperparameters=hyperparameters,
            seed=seed,
            task_kwargs=task_kwargs,
            monitor=monitor,
            device=device,
        )
    model.set_logger(configure(str(out / "tensorboard"), ["tensorboard"]))
    total = hyperparameters.total_steps
    callbacks: list[BaseCallback] = [
        Evaluation(metrics or Metrics(reward_per_trial), total // max(evaluations - 1, 1)),
        Checkpoint(out / "checkpoint", total // checkpoints, on_progress, early),
    ]
    try:
        model.learn(
            total - model.num_timesteps,
            callbacks,
            reset_num_timesteps=False,
            progress_bar=progress_bar,
        )
    finally:
        model.get_env().close()  # type: ignore[union-attr]
        model.logger.close()
    save(model, out / "agent")
    for file in out.glob("checkpoint.*"):
        file.unlink()
    return model


def claim_directory(
    out: Path, id: str, seed: int, hyperparameters: Hyperparameters, task_kwargs: dict[str, Any]
) -> None:
    """Write into a directory which run it holds, or check that it holds this one.

    Raises:
        RunDirectoryError: if it holds another run.
    """
    wanted = json.loads(
        json.dumps(
            {
                "id": id,
                "seed": seed,
                "keywords": task_kwargs,
                "hyperparameters": hyperparameters.to_json(),
            }
        )
    )
    file = out / "run.json"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(file, json_text(wanted))
        return
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} is not whole ({error}). Choose another --out, or delete the directory."
        ) from error
    if found != wanted:
        differing = [k for k in wanted if found.get(k) != wanted[k]]
        raise RunDirectoryError(
            f"{out} holds the run {json.dumps({k: found.get(k) for k in differing})}, but "
            f"{json.dumps({k: wanted[k] for k in differing})} was asked for. Choose another "
            "--out, or delete the directory."
        )


def evaluate(
    model: FusedRecurrentPPO, *, num_episodes: int = 300, seed: int = TEST_SEED
) -> tuple[Episodes, Activations]:
    """Play held-out episodes with frozen weights.

    Args:
        model: the agent.
        num_episodes: how many.
        seed: of the first episode; the others follow.

    Returns:
        What was played, and what went on inside the agent.
    """
    description = described(model)
    envs = test_envs(description["id"], description["keywords"], num_episodes)
    episodes = run_episodes(model, envs, seed=seed)
    return episodes, compute_activations(model, episodes)
