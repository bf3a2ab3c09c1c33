"""Training runs: directories in which training resumes after any interruption."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from math import inf
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any

from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from neurotasks.files import write_whole
from neurotasks_baselines.agents.arguments import check_range
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import NotFiniteError, RunDirectoryError, RunLockedError
from neurotasks_baselines.files import json_text, read_json
from neurotasks_baselines.locks import locked
from neurotasks_baselines.training.agent_files import OF_TRAINING, agent_file, load, save
from neurotasks_baselines.training.build import build, check_device, check_seed, check_task_kwargs
from neurotasks_baselines.training.callbacks import (
    Checkpoint,
    Evaluation,
    Metrics,
    reward_per_trial,
)
from neurotasks_baselines.training.checkpoints import load_checkpoint, monitor_of
from neurotasks_baselines.training.evaluate import held_out_envs
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for
from neurotasks_baselines.training.logs import MONITOR, drop_events, resume_monitor
from neurotasks_baselines.training.progress import shown_training

IN_PROCESS = Lock()
RUN = ("id", "seed", "task_kwargs", "hyperparameters")  # what tells runs apart


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
    ``agent.safetensors`` (see `neurotasks_baselines.save`), ``tensorboard/``, and ``monitor.csv``
    with one row per episode in Stable-Baselines3's format. A run that was interrupted or killed at
    any moment, and resumes, ends with the files of one that was not.

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
        ParameterError: If the task refuses a parameter, or a number of evaluations, checkpoints or
            early steps is none that a training can have.
        HyperparameterError: If the hyperparameters do not fit the task.
        RunDirectoryError: If the directory holds another run, or one with another `early`, or none
            is named.
        RunLockedError: If another process trains in the directory, or this one trains already.
        AgentFileError: If its checkpoint is damaged.
        NotFiniteError: If NaN or infinity turns up in training; the agent before it is saved.
        OSError: If a file cannot be written; the last checkpoint is whole.
    """
    if not str(out):
        raise RunDirectoryError("out must name a directory; got ''. Name one, '.' for this one.")
    out, task_kwargs = Path(out), task_kwargs or {}
    hyperparameters = hyperparameters or hyperparameters_for(id)
    # All that can be refused is refused before anything is written.
    check_seed(seed)
    check_device(device)
    check_task_kwargs(task_kwargs)
    check_range("evaluations", evaluations, Integral, 1, inf)
    check_range("checkpoints", checkpoints, Integral, 1, inf)
    if early is not None:
        check_range("early", early, Integral, 0, hyperparameters.total_steps)
    envs = held_out_envs(id, task_kwargs, 1)
    hyperparameters.rollout_steps(envs.unwrapped.parameters)
    envs.close()
    wanted = (id, seed, hyperparameters, task_kwargs)
    if _is_finished(out):  # it may be read-only
        return load_finished(out, claim_directory(out, *wanted), device=device)
    with locked(out), _alone():
        run = claim_directory(out, *wanted)
        if not agent_file(out / "agent").exists():
            model = _start_or_resume(out, run, hyperparameters, device)
            total = hyperparameters.total_steps
            every = total // max(evaluations - 1, 1)
            evaluation = Evaluation(metrics or Metrics(reward_per_trial), every)
            checkpoint = Checkpoint(out / "checkpoint", total // checkpoints, early=early)
            with shown_training(total, model.num_timesteps, on_progress, progress_bar) as show:
                checkpoint.on_progress = show
                _learn(model, evaluation, checkpoint)
            save(model, out / "agent")
        else:
            model = load_finished(out, run, device=device)
        for file in _left_behind(out):
            file.unlink()
    return model


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold this process's only training; two would draw from the same random numbers.

    Raises:
        RunLockedError: If another one is under way, in another thread or around this one.
    """
    if not IN_PROCESS.acquire(blocking=False):
        raise RunLockedError(
            "One training at a time must run in a process, since all draw from PyTorch's random "
            "numbers; got a second one. Wait until the first ends, or start another process."
        )
    try:
        yield
    finally:
        IN_PROCESS.release()


def _is_finished(out: Path) -> bool:
    """Return whether a directory holds a trained agent, and nothing of its training."""
    return agent_file(out / "agent").exists() and not _left_behind(out)


def _left_behind(out: Path) -> list[Path]:
    """Return the files that a finished run does not need, some of them of killed processes."""
    unneeded = re.compile(r"checkpoint\.safetensors|\.[0-9a-f]{32}\..*")
    return [file for file in out.glob("*") if unneeded.fullmatch(file.name)]


def _start_or_resume(
    out: Path, run: dict[str, Any], hyperparameters: Hyperparameters, device: str
) -> FusedRecurrentPPO:
    """Return the agent of a run directory, with logs that hold what it has done."""
    if agent_file(out / "checkpoint").exists():
        model = load_checkpoint(out / "checkpoint", device=device)
        check_run(model, agent_file(out / "checkpoint"), run)
        drop_events(out / "tensorboard", model.num_timesteps)
    else:
        model = build(**run | {"hyperparameters": hyperparameters}, device=device)
        model.set_logger(Logger(None, []))
        drop_events(out / "tensorboard", -1)
    model.logger.output_formats.append(TensorBoardOutputFormat(str(out / "tensorboard")))
    resume_monitor(monitor_of(model), out / MONITOR)
    return model


def _learn(model: FusedRecurrentPPO, evaluation: Evaluation, checkpoint: Checkpoint) -> None:
    """Do the steps that are left; where that ends early, save the last moment to resume from.

    Raises:
        NotFiniteError: If NaN or infinity turns up; the message says where the agent is saved.
    """
    total = model.description["hyperparameters"]["total_steps"]
    left = max(total - model.num_timesteps, 0)  # the last rollout may go beyond
    logger = model.logger  # the last moment comes with another one
    try:
        model.learn(left, [evaluation, checkpoint], reset_num_timesteps=False)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the last checkpoint is whole
            checkpoint.save_last_moment()
        if isinstance(error, NotFiniteError):
            raise NotFiniteError(
                f"{error} {agent_file(checkpoint.path)} holds the agent before that rollout."
            ) from error
        raise
    finally:
        model.get_env().close()  # type: ignore[union-attr]
        logger.close()


def load_finished(
    out: Path, run: dict[str, Any], *, load: Callable[..., FusedRecurrentPPO] = load, **kwargs: Any
) -> FusedRecurrentPPO:
    """Load the agent of a finished run.

    Args:
        out: Run directory.
        run: What `claim_directory` returned of it.
        load: Function that loads the agent.
        **kwargs: Further arguments of that.

    Raises:
        RunDirectoryError: If the agent in the directory is another one.
        AgentFileError: If its file is damaged.
    """
    model = load(out / "agent", **kwargs)
    check_run(model, agent_file(out / "agent"), run, finished=True)
    return model


def check_run(
    model: FusedRecurrentPPO, file: Path, run: Mapping[str, Any], *, finished: bool = False
) -> None:
    """Refuse the agent of another run, such as one that was copied into a directory.

    Args:
        model: Agent.
        file: File that it is from.
        run: Arguments of the run, as `claim_directory` returns them.
        finished: Whether the agent must have what a training adds to its description.

    Raises:
        RunDirectoryError: If it is of another run.
    """
    found = model.description
    differing = [k for k in RUN if found[k] != run[k]]
    differing += [k for k in OF_TRAINING if finished and k not in found]
    if differing:
        raise RunDirectoryError(
            f"{file} must hold the agent of the run in {file.parent}; got one of another "
            f"{', '.join(differing)}. Delete the file to train anew, or choose another --out."
        )


def claim_directory(
    out: Path, id: str, seed: int, hyperparameters: Hyperparameters, task_kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Write into a directory which run it holds, or check that it holds this one.

    Returns:
        The run: its arguments as JSON has them.

    Raises:
        RunDirectoryError: If it holds another run.
    """
    arguments = (id, seed, task_kwargs, hyperparameters.to_json())
    wanted = json.loads(json_text(dict(zip(RUN, arguments, strict=True))))
    file = out / "run.json"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(file, json_text(wanted))
        return wanted
    try:
        found = read_json(file)
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} is not whole ({error}). Choose another --out, or delete the directory."
        ) from error
    if found != wanted:
        holds, got = (json.dumps(part) for part in _differences(found, wanted))
        raise RunDirectoryError(
            f"{out} holds the run {holds}; got {got}. Choose another --out, or delete the "
            "directory."
        )
    return wanted


def _differences(found: Any, wanted: Any) -> tuple[Any, Any]:
    """Return what differs in two values, of dicts the entries that do."""
    if not isinstance(found, dict) or not isinstance(wanted, dict):
        return found, wanted
    names = [n for n in {**wanted, **found} if found.get(n) != wanted.get(n)]
    pairs = {n: _differences(found.get(n), wanted.get(n)) for n in names}
    return {n: pair[0] for n, pair in pairs.items()}, {n: pair[1] for n, pair in pairs.items()}
