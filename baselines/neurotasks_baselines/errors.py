"""Errors of the baselines. Each says what was expected, what was got and what to do."""

from __future__ import annotations


class AutoresetError(ValueError):
    """A vector environment that does not reset in the same step, as Stable-Baselines3 wants it.

    Cure: Make the vector environment with ``autoreset_mode="SameStep"``.
    """


class AgentFileError(ValueError):
    """A saved agent that is missing, truncated, or does not fit its description.

    Cure: Pass the path that `save` was given, or copy the file anew from where it came; if it is
    lost, train again with the seed and hyperparameters of its description.
    """


class UntrustedFileError(ValueError):
    """A file that may run code when it is loaded, and that the caller has not called trusted.

    Cure: Pass ``trusted=True`` if you know who wrote the file. Files of `neurotasks_baselines.save`
    run nothing and need no trust.
    """


class HyperparameterError(ValueError):
    """Hyperparameters that are out of range, or do not fit each other or the task.

    Cure: Change one of the hyperparameters that the message names; the page "Agents" has those
    of every task.
    """


class RunDirectoryError(ValueError):
    """A run directory that holds another run than the one asked for.

    Cure: Name a new directory, or repeat the command that began the run in this one.
    """


class RunLockedError(RunDirectoryError):
    """A run directory that another process is writing to.

    Cure: Wait until the process that the message names has ended, or name another directory. If it
    ran on another host and has ended there, delete the ``running.json`` that it left behind.
    """


class EngineError(ValueError):
    """An engine of jobs, Ray or Slurm, that cannot be reached, or options that it cannot take.

    Cure: Correct the option that the message names, or start the engine; without ``--ray`` and
    ``--slurm`` jobs run in processes of this machine.
    """


class JobLostError(RuntimeError):
    """A job that its engine could not run to its end, such as one whose workers were all killed.

    Cure: Look at the logs of the engine, ask for more memory or time, and run the same command
    again: it resumes.
    """


class OtherCodeError(RuntimeError):
    """A worker whose code or libraries are others than those of the process that sent the job.

    Cure: Install the same versions on all nodes, best from one file system that they share.
    """


class SeedError(ValueError):
    """A seed, or a number of seeds, outside its range.

    Cure: Give a seed, or a number of seeds, in the range that the message names.
    """


class DeviceError(ValueError):
    """A device that does not exist, or that PyTorch cannot use here.

    Cure: Name a device that PyTorch finds here, such as ``cpu``.
    """


class ShapeError(ValueError):
    """An array or tensor whose shape or dtype is not that of what it is used with.

    Cure: Pass observations, states and episode starts of the same sub-environments; where their
    number changes, begin with ``state=None`` and ``episode_start`` all True.
    """


class NotFiniteError(ValueError):
    """A number in training that is NaN or infinite; nothing has been learned from it.

    Cure: Look at the source that the message names. Of an observation or a reward, mend the
    environment; of a gradient or a weight, lower the learning rate, or scale the rewards down.
    """


class UnknownExperimentError(ValueError):
    """An experiment that does not exist.

    Cure: Choose a name from `neurotasks reproduce --help`.
    """


class UnknownTaskError(ValueError):
    """An environment that is none of neurotasks' tasks.

    Cure: Pass the id of one of neurotasks' tasks; a custom task has to be registered with
    `neurotasks.register` first.
    """


class PeerError(ValueError):
    """A program of a comparison that is unknown, or that did not run.

    Cure: Install the program for the interpreter given to ``--peer`` as its script in
    `benchmarks/peers` describes, and run that script by itself to see what fails.
    """


class SweepError(ValueError):
    """A sweep whose description cannot be read, or contradicts itself.

    Cure: Correct what the message names in the file; the page on sweeps describes it.
    """


class ImportFileError(ValueError):
    """A Python file of custom tasks or of an agent that does not exist, or cannot be imported.

    Cure: Run the file with Python by itself, mend what fails, and give its path.
    """


class CandidateError(ValueError):
    """An agent to be scored that does not do what an agent must do.

    Cure: Compare the function and what it returns with the page "Evaluate your own agent".
    """


class ScoresFileError(ValueError):
    """A file of scores that no evaluation writes, or that lacks a part of its track.

    Cure: Write it anew with ``neurotasks score``: results that are there are not computed again.
    """


class RecordingError(ValueError):
    """A recording that cannot be used.

    Cure: Compare the recording with the format that the module `dopamine.recordings` describes.
    """


class UnreadableRecordingError(RecordingError):
    """A file that is not a MATLAB file of a readable version, or a folder without such files.

    Cure: Pass a folder of ``.mat`` files, saved by MATLAB with ``save(..., '-v7')``.
    """


class MissingVariableError(RecordingError):
    """A recording that lacks a required variable.

    Cure: Save the variable that the message names with the others, or rename it as described.
    """


class RecordingShapeError(RecordingError):
    """Variables of a recording whose shapes do not match, or which hold invalid times.

    Cure: Bring the variables to the shapes and units that the message names: one entry per
    trial, times in milliseconds.
    """


class NoSpikesError(RecordingError):
    """A recording without spikes, or without spikes during the trials.

    Cure: Check that spike and event times are in the same unit and on the same clock, or leave
    the neuron out.
    """


class UnknownTrialTypeError(RecordingError):
    """A trial type that is missing from the table of trial types.

    Cure: Give a table of trial types that has every number of the recording.
    """


class RecordingUnitsError(RecordingError):
    """Times of a recording that are not in milliseconds, or not on one clock.

    Cure: Multiply times in seconds by 1000; give spikes and events in milliseconds of one clock.
    """


class SessionMismatchError(RecordingError):
    """A neuron whose trials are not those of the session that it is said to belong to.

    Cure: Look up which session the neuron was recorded in; trials, reaction times and rewards of
    both must be the same.
    """


class DesignError(ValueError):
    """Regressors that cannot be told apart, do not vary, or outnumber the trials.

    Cure: Leave out the regressor that the message names, or one of those it follows from.
    """
