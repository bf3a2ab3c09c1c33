"""Activity of neurons or units around an event of each trial, in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from neurotasks_baselines.errors import NoSpikesError, RecordingShapeError, RecordingUnitsError

Floats = NDArray[np.float64]

WINDOW = (-500.0, 1000.0)
"""Milliseconds around an event (ours)."""

BIN = 50.0
"""Width of a bin, milliseconds (ours)."""

SHORTEST_TRIAL = 50.0
"""Milliseconds between the events of two trials that no animal is faster than."""


@dataclass(frozen=True)
class Recording:
    """Neurons that were recorded together, or the units of a network, around an event.

    Attributes:
        counts: Spikes in each bin, or activations of units at each step, float32
            (neurons, trials, bins).
        times: Middle of each bin, milliseconds from the event, or steps for units, (bins,), rising.
        trials: Trial table, one row per trial in the order in which they were made; a column
            ``episode``, if there is one, tells stretches apart that do not follow on each other.
        area: Area of the brain, or kind of network.
        session: Session, which all neurons of a recording share.
        neurons: Names of the neurons, (neurons,).
    """

    counts: NDArray[np.float32]
    times: Floats
    trials: pd.DataFrame
    area: str = ""
    session: str = ""
    neurons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other."""
        counts = np.asarray(self.counts, np.float32)
        times = np.asarray(self.times, np.float64)
        names = tuple(self.neurons) or tuple(map(str, range(len(counts) if counts.ndim else 0)))
        expected = (len(names), len(self.trials), times.size)
        if counts.shape != expected or times.ndim != 1 or min(expected) == 0:
            raise RecordingShapeError(
                f"counts must have the shape (neurons, trials, bins), {expected} for the neurons, "
                f"trials and times given; got {counts.shape}. Give a row of the trial table for "
                "every trial, and a time for every bin."
            )
        if not np.isfinite(counts).all() or not (np.diff(times) > 0).all():
            raise RecordingShapeError(
                "counts must be finite numbers and times rise; got "
                f"{int((~np.isfinite(counts)).sum())} counts that are not finite, and times "
                f"{times[0]:g} to {times[-1]:g}. Leave out trials that were not recorded whole."
            )
        trials = self.trials.reset_index(drop=True)
        for name, value in (("counts", counts), ("times", times), ("trials", trials)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "neurons", names)

    def select(self, keep: ArrayLike) -> Recording:
        """Return the recording with some of its trials.

        Args:
            keep: Whether to keep each trial, bool, (trials,).
        """
        kept = np.asarray(keep, np.bool_)
        return replace(self, counts=self.counts[:, kept], trials=self.trials[kept])

    def windows(self, width: int, step: int = 1) -> Recording:
        """Return mean activity in sliding windows.

        Args:
            width: Number of bins in a window.
            step: Number of bins from one window to the next.

        Returns:
            The recording, each window as a bin; its time is the middle of the window.

        Raises:
            RecordingShapeError: If a window is wider than the recording, or no bin wide.
        """
        if not 1 <= width <= len(self.times) or step < 1:
            raise RecordingShapeError(
                f"A window must have 1 to {len(self.times)} bins and move by 1 or more; got "
                f"{width} and {step}. Choose a narrower one, or record longer."
            )
        mean, middle = (
            sliding_window_view(a, width, axis=-1).mean(axis=-1)[..., ::step]
            for a in (self.counts, self.times)
        )
        return replace(self, counts=mean, times=middle)


def from_spikes(
    spikes: Sequence[ArrayLike],
    events: ArrayLike,
    trials: pd.DataFrame,
    *,
    window: tuple[float, float] = WINDOW,
    bin: float = BIN,
    area: str = "",
    session: str = "",
    neurons: Sequence[str] = (),
) -> Recording:
    """Count spikes around the event of each trial.

    Args:
        spikes: Times of the spikes of each neuron, milliseconds.
        events: Time of the event in each trial, milliseconds of the same clock, rising, (trials,).
            Trials in which it is NaN, as the event did not happen, are left out.
        trials: Trial table, one row per trial.
        window: First and last moment, milliseconds from the event.
        bin: Width of a bin, milliseconds.
        area: Area of the brain.
        session: Session.
        neurons: Names of the neurons.

    Returns:
        The recording.

    Raises:
        RecordingShapeError: If there is not one event per trial, events or spikes do not rise, or
            the window is shorter than a bin.
        RecordingUnitsError: If events or spikes seem to be in seconds.
        NoSpikesError: If a neuron has no spike between the first and the last event.
    """
    at = np.asarray(events, np.float64)
    names = tuple(neurons) or tuple(map(str, range(len(spikes))))
    happened = np.isfinite(at)
    bins = int((window[1] - window[0]) / bin + 1e-9)
    if at.shape != (len(trials),) or not happened.any() or (np.diff(at[happened]) <= 0).any():
        raise RecordingShapeError(
            f"events must rise, one per row of the trial table, {len(trials)}; got shape "
            f"{at.shape}, {int(happened.sum())} of them known. Sort trials and events, and put NaN "
            "where a trial lacks the event."
        )
    if bins < 1:
        raise RecordingShapeError(
            f"The window must be as long as a bin, {bin:g} ms, or longer; got {window}. Give the "
            "first and the last moment in milliseconds."
        )
    at = at[happened]
    _check_events(at)
    edges = at[:, None] + window[0] + bin * np.arange(bins + 1)
    counts = np.empty((len(spikes), len(at), bins), np.float32)
    for i, (name, one) in enumerate(zip(names, spikes, strict=True)):
        times = np.asarray(one, np.float64)
        check_spikes(times, at, f"neuron {name} of session {session}")
        counts[i] = np.diff(np.searchsorted(times, edges), axis=1)
    middles = np.asarray(window[0] + bin * (np.arange(bins) + 0.5), np.float64)
    return Recording(counts, middles, trials[happened], area, session, names)


def _check_events(events: Floats) -> None:
    between = float(np.median(np.diff(events))) if len(events) > 1 else np.inf
    if between < SHORTEST_TRIAL:
        raise RecordingUnitsError(
            f"events must be in milliseconds; got trials that follow each other after {between:g}. "
            "Seconds, it seems: multiply events and spikes by 1000."
        )


def check_spikes(spikes: Floats, events: Floats, whose: str) -> None:
    """Refuse spikes that are not on the clock of the events.

    Args:
        spikes: Times of the spikes of a neuron, milliseconds.
        events: Times of the events, milliseconds, rising.
        whose: Name of the neuron, for the message.

    Raises:
        RecordingShapeError: If the spikes are no rising vector.
        RecordingUnitsError: If they seem to be in seconds.
        NoSpikesError: If there is none between the first and the last event.
    """
    first, last = events[0], events[-1]
    if spikes.ndim != 1 or not np.isfinite(spikes).all() or (np.diff(spikes) < 0).any():
        raise RecordingShapeError(
            f"The spikes of {whose} must be a vector of rising times; got shape {spikes.shape}. "
            "Sort them, and give each neuron a vector of its own."
        )
    scaled = 1000 * spikes
    early = len(spikes) > 0 and spikes[-1] < last / 100
    if early and ((scaled >= first) & (scaled <= last)).mean() > 0.5:
        raise RecordingUnitsError(
            f"The spikes of {whose} must be in milliseconds, as the events from {first:.0f} to "
            f"{last:.0f}; got {spikes[0]:g} to {spikes[-1]:g}. Seconds, it seems: multiply the "
            "spikes by 1000."
        )
    if ((spikes >= first) & (spikes <= last)).any():
        return
    raise NoSpikesError(
        f"The spikes of {whose} must overlap the events, {first:.0f} to {last:.0f} ms; got "
        f"{len(spikes)} spikes{f' from {spikes[0]:.0f} to {spikes[-1]:.0f}' if len(spikes) else ''}"
        ". Give both on one clock, or leave the neuron out."
    )
