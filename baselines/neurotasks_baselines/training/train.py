"""Training runs: directories in which training resumes after any interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from neurotasks.files import write_whole
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.files import json_text
from neurotasks_baselines.training.agent_files import agent_file, load, read_description, save
from neurotasks_baselines.training.build import build, check_device, check_seed, check_task_kwargs
from neurotasks_baselines.training.callbacks import (
    Checkpoint,
    Evaluation,
    Metrics,
    reward_per_trial,
)
from neurotasks_baselines.training.checkpoints import load_checkpoint
from neurotasks_baselines.training.evaluate import held_out_envs
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for


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
    """Train an agent in a run directory, or resume an interrupted run where it stopped.

    The directory gets ``run.json`` (which run it holds), ``checkpoint.safetensors`` and at the end
    ``agent.safetensors`` (see `neurotasks_baselines.save`), ``tensorboard/``, and
    ``STEPS.monitor.csv`` with one row per episode in Stable-Baselines3's format, a new file after
    each interruption.

    Args:
        id: Id of the task.
        out: Run directory.
        hyperparameters: Hyperparameters of the agent; those of the task by default.
        seed: Seed of the network, of its actions and of the environment.
        task_kwargs: Parameters of the task.
        metrics: Metrics to compute and plot during training; the reward per trial by default.
        evaluations: Number of evaluations in a training, the first before it.
        checkpoints: Number of checkpoints.
        early: Number of steps after which the agent is also kept as ``early.safetensors``; never by
            default.
        progress_bar: Whether to show a progress bar.
        on_progress: Function called with the number of steps done after every rollout.
        device: Device of the network, see `neurotasks_baselines.build`; an interrupted run may
            resume on another one.

    Returns:
        The trained agent; if the run was finished before, it is loaded.

    Raises:
        SeedError: If the seed is not in 0 to 1,999,999.
        DeviceError: If there is no such device.
        ParameterError: If the task refuses a parameter.
        HyperparameterError: If the hyperparameters do not fit the task.
        RunDirectoryError: If the directory holds another run.
        AgentFileError: If its checkpoint is damaged.
    """
    out, task_kwargs = Path(out), task_kwargs or {}
    hyperparameters = hyperparameters or hyperparameters_for(id)
    # All that can be refused is refused before anything is written.
    check_seed(seed)
    check_device(device)
    check_task_kwargs(task_kwargs)
    envs = held_out_envs(id, task_kwargs, 1)
    hyperparameters.rollout_steps(envs.unwrapped.parameters)
    envs.close()
    claim_directory(out, id, seed, hyperparameters, task_kwargs)
    if agent_file(out / "agent").exists():
        return load(out / "agent", device=device)
    if agent_file(out / "checkpoint").exists():
        done = read_description(out / "checkpoint")["num_timesteps"]
        model = load_checkpoint(
            out / "checkpoint", monitor=out / f"{done}.monitor.csv", device=device
        )
    else:
        model = build(
            id,
            hyperparameters=hyperparameters,
            seed=seed,
            task_kwargs=task_kwargs,
            monitor=out / "0.monitor.csv",
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
    for file in out.glob("checkpoint.*"):  # also one that was never finished
        file.unlink()
    return model


def claim_directory(
    out: Path, id: str, seed: int, hyperparameters: Hyperparameters, task_kwargs: dict[str, Any]
) -> None:
    """Write into a directory which run it holds, or check that it holds this one.

    Raises:
        RunDirectoryError: If it holds another run.
    """
    wanted = json.loads(
        json.dumps(
            {
                "id": id,
                "seed": seed,
                "task_kwargs": task_kwargs,
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
            f"{out} holds the run {json.dumps({k: found.get(k) for k in differing})}; got "
            f"{json.dumps({k: wanted[k] for k in differing})}. Choose another "
            "--out, or delete the directory."
        )
