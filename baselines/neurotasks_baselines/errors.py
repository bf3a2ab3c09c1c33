"""Errors of the baselines. Each says what was expected, what was got and what to do."""

from __future__ import annotations


class AutoresetError(ValueError):
    """A vector environment that does not reset in the same step, as Stable-Baselines3 wants it."""


class AgentFileError(ValueError):
    """A saved agent that is missing, truncated, or does not fit its description."""


class UntrustedFileError(ValueError):
    """A file that may run code when it is loaded, and that the caller has not called trusted.

    Cure: Pass ``trusted=True`` if you know who wrote the file. Files of `neurotasks_baselines.save`
    run nothing and need no trust.
    """


class HyperparameterError(ValueError):
    """Hyperparameters that do not fit each other or the task."""


class RunDirectoryError(ValueError):
    """A run directory that holds another run than the one asked for."""


class SeedError(ValueError):
    """A seed, or a number of seeds, outside its range."""


class DeviceError(ValueError):
    """A device that does not exist, or that PyTorch cannot use here."""


class UnknownExperimentError(ValueError):
    """An experiment that does not exist."""


class UnknownTaskError(ValueError):
    """An environment that is none of neurotasks' tasks."""


class PeerError(ValueError):
    """A program of a comparison that is unknown, or that did not run."""


class ImportFileError(ValueError):
    """A file given to ``--import`` that does not exist, or cannot be imported."""
