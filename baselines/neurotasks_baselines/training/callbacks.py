"""Callbacks of training: evaluations and checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch as th
from stable_baselines3.common.logger import Figure, HParam, TensorBoardOutputFormat

from neurotasks.episodes import Episodes, run_episodes
from neurotasks.errors import ParameterError, TaskDefinitionError
from neurotasks.observers import Observer, RandomAgent, reference_observer
from neurotasks.scores import TEST_SEED, normalized_score, reference_returns
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.rollouts import RolloutCallback
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.files import json_text
from neurotasks_baselines.training.agent_files import agent_file, read_description, save
from neurotasks_baselines.training.checkpoints import (
    save_checkpoint,
    set_training_state,
    training_state,
)
from neurotasks_baselines.training.evaluate import held_out_envs

FEW = 10  # episodes of random choices and the reference observer where there are images
ARRAYS = ("stdout", "log", "json", "csv")  # the log formats that take no arrays and figures


@dataclass(frozen=True)
class Metrics:
    """Evaluation metrics of a task, computed and plotted while an agent learns it.

    Attributes:
        compute: Function from episodes to named numbers, which become TensorBoard scalars
            ``task/...`` and the learning curve stored with the agent.
        plot: Function from episodes and the agent's activations to a matplotlib figure.
        num_episodes: Number of held-out episodes per evaluation, the same ones every time.
    """

    compute: Callable[[Episodes], dict[str, float]]
    plot: Callable[[Episodes, Activations], Any] | None = None
    num_episodes: int = 200


def reward_per_trial(episodes: Episodes) -> dict[str, float]:
    """Return what can be measured on any task: the mean reward per trial."""
    return {"reward_per_trial": float(episodes.trials["trial_reward"].mean())}


class Evaluation(RolloutCallback):
    """Plays held-out episodes with frozen weights, and logs the metrics of the task.

    Where the task has a score it is logged, too, and so are the score and the reward per trial of
    random choices and of the reference observer, for the same charts.

    Evaluations draw from random numbers of their own: how many there are changes no training.

    Args:
        metrics: Metrics to compute and plot.
        every: Number of environment steps between evaluations.
    """

    def __init__(self, metrics: Metrics, every: int) -> None:
        super().__init__()
        self.metrics, self.every = metrics, every
        self.history: list[dict[str, float | None]] = []  # None for NaN, as in a file

    def _on_training_start(self) -> None:
        description = self.model.description  # type: ignore[attr-defined]
        self.history = description.setdefault("history", [])
        self.envs = held_out_envs(
            description["id"], description["task_kwargs"], self.metrics.num_episodes
        )
        self.references = self._play_references()

    def _on_rollout_start(self) -> None:
        last: Any = self.history[-1]["steps"] if self.history else -self.every
        if self.num_timesteps >= last + self.every:
            self.evaluate()

    def _on_training_end(self) -> None:
        self.evaluate()

    def evaluate(self) -> None:
        """Play, compute the metrics, and log them."""
        with th.random.fork_rng():
            self._evaluate()

    def _evaluate(self) -> None:
        model: Any = self.model
        episodes = run_episodes(model, self.envs, seed=TEST_SEED)
        activations = compute_activations(model, episodes)
        measures = self.metrics.compute(episodes)
        if not self.history:  # else they stand in the log already
            self.logger.record("hparams", self._hyperparameters(measures), exclude=ARRAYS)
            self._add_charts()
        for name, value in {**measures, **self._scores(episodes)}.items():
            self.logger.record(f"task/{name}", value)
        self.logger.record("task/rpe", activations.rpe[episodes.alive], exclude=ARRAYS)
        if self.metrics.plot is not None:
            figure = self.metrics.plot(episodes, activations)
            _add_legends(figure)
            self.logger.record("task/figure", Figure(figure, close=True), exclude=ARRAYS)
        self.logger.dump(self.num_timesteps)
        self.history.append({"steps": self.num_timesteps, **json.loads(json_text(measures))})

    def _play_references(self) -> dict[str, float]:
        """Return the score and the reward per trial of those who are no agents, if there are."""
        envs: Any = self.envs
        if envs.unwrapped.task.image_shape is not None:  # which take long to draw
            description = self.model.description  # type: ignore[attr-defined]
            envs = held_out_envs(description["id"], description["task_kwargs"], FEW)
        try:
            players: dict[str, Observer] = {"random": RandomAgent(envs, 0)}
            players["reference"] = reference_observer(envs, 0)
        except (ParameterError, TaskDefinitionError):  # none can play it
            return {}
        played = {n: run_episodes(p, envs, seed=TEST_SEED) for n, p in players.items()}
        self.bounds = [float(episodes.returns.mean()) for episodes in played.values()]
        if self.bounds[0] >= self.bounds[1]:
            return {}
        rewards = {n: reward_per_trial(e)["reward_per_trial"] for n, e in played.items()}
        return {
            "score_random": 0.0,
            "score_reference": 1.0,
            **{f"reward_per_trial_{name}": reward for name, reward in rewards.items()},
        }

    def _scores(self, episodes: Episodes) -> dict[str, float]:
        """Return the score of the agent, and the values next to which it is shown."""
        if not self.references:
            return {}
        description = self.model.description  # type: ignore[attr-defined]
        id, mean, (low, high) = description["id"], episodes.returns.mean(), self.bounds
        if id in reference_returns() and not description["task_kwargs"]:
            score = float(normalized_score(id, mean))
        else:  # measured on these episodes, where no table has it
            score = float((mean - low) / (high - low))
        return {"score": score, **self.references}

    def _add_charts(self) -> None:
        """Tell TensorBoard which scalars to show in one chart."""
        charts = {
            chart: ["Multiline", [f"task/{name}{who}" for who in ("", "_random", "_reference")]]
            for name, chart in (("score", "score"), ("reward_per_trial", "reward per trial"))
        }
        for output in self.logger.output_formats:
            if isinstance(output, TensorBoardOutputFormat) and self.references:
                output.writer.add_custom_scalars({"task": charts})

    def _hyperparameters(self, measures: Iterable[str]) -> HParam:
        """Return the hyperparameters, and the names of what TensorBoard shows next to them."""
        description = self.model.description  # type: ignore[attr-defined]
        of_task = {f"task.{name}": str(value) for name, value in description["task_kwargs"].items()}
        given = {**description["hyperparameters"], **of_task, "seed": description["seed"]}
        given = {name: value for name, value in given.items() if value is not None}
        shown = ["rollout/ep_rew_mean", "train/value_loss", *(f"task/{name}" for name in measures)]
        return HParam(given, dict.fromkeys(shown, 0))


def _add_legends(figure: Any) -> None:
    """Give a legend to the axes that have labels and none."""
    for axes in figure.axes:
        if axes.get_legend() is None and axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=7)


class Checkpoint(RolloutCallback):
    """Saves the agent so that training can resume from there.

    Args:
        path: Path of the checkpoint, without suffix.
        every: Number of environment steps between checkpoints.
        on_progress: Function called with the number of steps done after every rollout.
        early: Number of steps after which the agent is also kept once, as ``early`` next to `path`.
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
        self.moment: tuple[int, dict[str, th.Tensor], dict[str, th.Tensor]] | None = None

    def _on_training_start(self) -> None:
        self.agent = cast(FusedRecurrentPPO, self.model)
        self.description: dict[str, Any] = self.agent.description
        self._check_early()
        self.before = self.description.get("seconds", 0.0)
        self.saved, self.started = self.num_timesteps, time.perf_counter()

    def _on_rollout_start(self) -> None:
        self._count_seconds()
        self._keep_early()
        if self.num_timesteps >= self.saved + self.every:
            save_checkpoint(self.agent, self.path)
            self.saved = self.num_timesteps
        weights = {k: v.clone() for k, v in self.agent.policy.state_dict().items()}
        self.moment = self.num_timesteps, weights, training_state(self.agent)
        if self.on_progress is not None:
            with th.random.fork_rng():
                self.on_progress(self.num_timesteps)

    def _on_training_end(self) -> None:
        self._count_seconds()
        self._keep_early()

    def save_last_moment(self) -> None:
        """Save the agent as it was before the last rollout, if there was one."""
        if self.moment is None:
            return
        steps, weights, state = self.moment
        self.agent.policy.load_state_dict(weights)
        set_training_state(self.agent, state)
        self.agent.num_timesteps = steps
        history = self.description["history"]
        history[:] = [row for row in history if row["steps"] <= steps]
        save_checkpoint(self.agent, self.path)

    def _count_seconds(self) -> None:
        self.description["seconds"] = round(self.before + time.perf_counter() - self.started, 1)

    def _check_early(self) -> None:
        """Refuse steps of the early agent at which a run that resumes did not keep one.

        Raises:
            RunDirectoryError: If it kept another one, or none.
        """
        if self.early is None:
            return
        rollout, file = self.agent.n_envs * self.agent.n_steps, agent_file(self.early_path)
        kept = file.exists()
        steps = read_description(file)["num_timesteps"] if kept else self.num_timesteps
        if steps >= self.early + rollout or (kept and steps < self.early):
            what = f"{file} holds that of step {steps:,}" if kept else f"step {steps:,} is done"
            raise RunDirectoryError(
                f"early must be what the run began with; got {self.early:,}, but {what}. Pass the "
                "same number again, or choose another directory."
            )

    def _keep_early(self) -> None:
        if self.early is not None and self.num_timesteps >= self.early:
            if not agent_file(self.early_path).exists():  # before an interruption
                save(self.agent, self.early_path)
            self.early = None
