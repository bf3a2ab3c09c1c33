"""Logs of a run that resumes: every step and every episode stands in them once."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from pathlib import Path

from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env import VecMonitor
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

MONITOR = "monitor.csv"
HEADER = 2  # lines of a monitor file before its rows
FRAME = 16  # bytes around each record of an event file: its length and two checksums


class LostEpisodesWarning(UserWarning):
    """A run that resumes with fewer rows in ``monitor.csv`` than it has had episodes.

    Cure: Copy the file back, if somebody moved or cut it, or delete the directory to train anew.
    """


def drop_events(folder: Path, after: int) -> None:
    """Drop from TensorBoard's files the events of later steps, and a last one cut short.

    Args:
        folder: Folder of the event files.
        after: Number of steps whose events are the last ones to keep; -1 for none.
    """
    kept = 0
    for file in sorted(folder.glob("events.out.tfevents.*")):
        size, summaries = 0, 0
        for record in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(record)
            if event.step > after:
                break
            size += FRAME + len(record)
            summaries += event.HasField("summary")
        if summaries and after >= 0:
            os.truncate(file, size)
            # TensorBoard reads files by name, which begin with the time; clocks are set back
            file.replace(folder / f"events.out.tfevents.{kept:010}")
            kept += 1
        else:
            file.unlink()


def resume_monitor(env: VecMonitor, file: Path) -> None:
    """Have episodes added to a file that holds those which the monitor has counted so far.

    Later rows are dropped, and a last one cut short.

    Args:
        env: Environment whose monitor has no file.
        file: File of the episodes.
    """
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    lines = [line for line in lines[: HEADER + env.episode_count] if line.endswith(b"\n")]
    header = {"t_start": env.t_start, "env_id": env.get_attr("spec")[0].id}
    if len(lines) >= HEADER:
        os.truncate(file, sum(map(len, lines)))
        with contextlib.suppress(ValueError, KeyError, TypeError):  # else times begin anew
            env.t_start = float(json.loads(lines[0].lstrip(b"#"))["t_start"])
    rows = max(len(lines) - HEADER, 0)
    if rows < env.episode_count:
        warnings.warn(
            f"{file} must hold the {env.episode_count} episodes of this run so far; got {rows}. "
            "Training continues without the others: delete the directory to train anew.",
            LostEpisodesWarning,
            stacklevel=2,
        )
    env.results_writer = ResultsWriter(str(file), header, override_existing=len(lines) < HEADER)
