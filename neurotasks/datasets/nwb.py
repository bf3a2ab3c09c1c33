"""Trials and units of an NWB file (Neurodata Without Borders), through pynwb."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurotasks.errors import ForeignTableError, require

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NwbTables:
    """The tables of an NWB file, in memory.

    Attributes:
        trials: One row per trial, in the columns of the file, among them ``start_time`` and
            ``stop_time`` in s.
        units: One row per unit, in the columns of the file, among them ``spike_times``: an array
            (spikes,) in s, rising. Without rows if the file has no units.
    """

    trials: pd.DataFrame
    units: pd.DataFrame


def read_nwb(path: Path | str) -> NwbTables:
    """Read the trials and the units of an NWB file.

    Args:
        path: Path of the file.

    Returns:
        Both tables, with all columns.

    Raises:
        ForeignTableError: If it is no NWB file, has no trials, or a unit's spike times are not in
            order.
        DependencyNotInstalled: If pynwb is not installed.
        OSError: If there is no such file.
    """
    pd, pynwb = require("pandas", "analysis"), require("pynwb", "nwb")
    with Path(path).open("rb"):
        pass  # what has no such file, or no right to read it, says so
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of namespaces that are newer in the file
            with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as io:
                file = io.read()
                trials = None if file.trials is None else file.trials.to_dataframe()
                units = pd.DataFrame() if file.units is None else file.units.to_dataframe()
    except Exception as error:  # hdmf and h5py raise kinds of their own
        raise ForeignTableError(
            f"{path} must be an NWB file; got {str(error).strip().partition(chr(10))[0]}. Validate "
            "it with python -m pynwb.validate."
        ) from error
    if trials is None or not len(trials):
        raise ForeignTableError(
            f"{path} must have a table of trials; got none. Read its other tables with pynwb, and "
            "pass a DataFrame."
        )
    for unit, times in units.get("spike_times", pd.Series(dtype=object)).items():
        if np.any(np.diff(np.asarray(times, np.float64)) < 0):
            raise ForeignTableError(
                f"The spike times of a unit must rise; got others in unit {unit} of {path}. Sort "
                "them, if they are those of one unit."
            )
    return NwbTables(trials.reset_index(drop=True), units)
