"""Episodes as an agent would have seen them, had it made somebody else's choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotasks.episodes import Episodes
from neurotasks.errors import ParameterError
from neurotasks.models.bandit import RESCORLA_WAGNER
from neurotasks.models.likelihood import people
from neurotasks.models.model import Model
from neurotasks.models.two_step import HYBRID
from neurotasks.tasks.two_step import CENTRE
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.training.agent_files import described
from neurotasks_baselines.training.evaluate import held_out_envs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Replay:
    """Somebody's choices as episodes of an agent's task.

    Attributes:
        episodes: The episodes, one per column, for `compute_activations`; their `truth` is empty.
        rows: Position in the table of each trial with a choice, (trials,).
        choices: The choices, (trials,).
        steps: Step at which each choice was made, (trials,).
        columns: Column of `episodes` that each is in, (trials,).
        options: Number of options of a choice.
    """

    episodes: Episodes
    rows: NDArray[np.int64]
    choices: NDArray[np.int64]
    steps: NDArray[np.int64]
    columns: NDArray[np.int64]
    options: int


class Shown(NamedTuple):
    """What is shown in each trial, and how it is answered.

    Attributes:
        stimuli: Stimulus at each step of each trial, (trials, steps, components).
        actions: Actions, (trials, steps).
        choice: Step of a trial at which the choice is made.
    """

    stimuli: NDArray[np.float32]
    actions: NDArray[np.int64]
    choice: int


def replay(model: FusedRecurrentPPO, trials: pd.DataFrame) -> Replay:
    """Lead an agent along a trial table.

    In each trial the agent sees what its own task would have shown had it chosen as the table says:
    fixation is answered, and in its first-stage choice, transition and reward it meets those of the
    table. Trials without a choice, which the agent's task has not, are left out. A reward beyond
    those that the task pays is the nearest that it pays (a loss of 1 in a bandit is none). The
    number of the trial, where the agent sees one, is a fraction of the trials of the episode. The
    response at the second stage of `TwoStep`, where either brings the reward, is ``second_choice``
    if the table has it, else left; agents of `TwoStepDaw` need that column.

    Args:
        model: Agent of a two-step task or of a bandit, made by `build`, `train` or `load`.
        trials: Trial table, see `neurotasks.models.likelihood.people`; foreign tables come from
            `neurotasks.datasets.read_choices`.

    Returns:
        The episodes, in the order of env and episode.

    Raises:
        ParameterError: If the agent's task is another one.
        TrialTableError: If the table lacks a column, or holds something else than it may, such as
            choices that the agent's task does not offer.
    """
    about = described(model)
    env = held_out_envs(about["id"], about["task_kwargs"], 1).unwrapped
    p = env.parameters
    options = len(env.action_names) - bool(getattr(p, "fixation", False))
    if env.task.name not in _SHOWN or getattr(p, "reward_one_hot", False):
        raise ParameterError(
            f"An agent that is led along a table must play {' or '.join(_SHOWN)}, without "
            f"reward_one_hot; got one of {about['id']}. Load another agent."
        )
    shape, show = _SHOWN[env.task.name]
    found = people(shape(options), trials).values()
    rows, records = (np.concatenate(part) for part in zip(*found, strict=True))
    episode = np.cumsum(records["begins"])
    chosen = records["choice"] >= 0
    rows, records = rows[chosen], records[chosen]
    _, first, columns, lengths = np.unique(
        episode[chosen], return_index=True, return_inverse=True, return_counts=True
    )
    place = np.arange(len(rows)) - first[columns]
    if "second_choice" in trials:
        records["second_choice"] = np.clip(trials["second_choice"].to_numpy()[rows], 0, 1)
    shown = show(records, (place + 1) / lengths[columns], p)
    of_trial = shown.actions.shape[1]
    steps = place[:, None] * of_trial + np.arange(of_trial)
    size = int(lengths.max()) * of_trial, len(lengths)
    low, high = env.task.reward_range(p)
    actions, rewards, alive = np.zeros(size, np.int64), np.zeros(size), np.zeros(size, np.bool_)
    seen = np.zeros((*size, env.single_observation_space.shape[0]), np.float32)
    at = steps, columns[:, None]
    actions[at], alive[at] = shown.actions, True
    rewards[at[0][:, -1], columns] = np.clip(records["reward"], low, high)
    seen[..., env.layout["stimulus"]][at] = shown.stimuli
    if (taken := env.layout["action"]).stop > taken.start:
        seen[1:, :, taken] = np.eye(len(env.action_names), dtype=np.float32)[actions[:-1]]
    if env.layout["reward"].stop <= seen.shape[-1]:
        seen[1:, :, env.layout["reward"]] = rewards[:-1, :, None]
    seen *= alive[..., None]
    episodes = Episodes(
        seen, actions, np.where(alive, rewards, np.nan), alive, {}, trials.iloc[rows]
    )
    chosen_at = steps[:, shown.choice]
    return Replay(episodes, rows, records["choice"], chosen_at, columns, options)


def _two_step(records: NDArray[np.void], fraction: NDArray[np.float64], p: Any) -> Shown:
    first = int(getattr(p, "fixation", False))
    trials = np.arange(len(records))
    stimuli = np.zeros((len(records), first + 2, first + 3), np.float32)
    stimuli[:, : first + 1, : first + 1] = np.eye(first + 1)
    stimuli[trials, first + 1, first + 1 + records["second_state"]] = 1
    answers = [np.full(len(records), CENTRE)] * first
    actions = np.stack([*answers, records["choice"], records["second_choice"]], axis=1)
    return Shown(stimuli, actions, first)


def _bandit(records: NDArray[np.void], fraction: NDArray[np.float64], p: Any) -> Shown:
    cue = fraction if p.trial_number else np.ones(len(records))
    return Shown(cue[:, None, None].astype(np.float32), records["choice"][:, None], 0)


_SHOWN: dict[
    str,
    tuple[Callable[[int], Model], Callable[[NDArray[np.void], NDArray[np.float64], Any], Shown]],
] = {
    "TwoStep": (lambda options: HYBRID.one_choice(), _two_step),
    "TwoStepDaw": (lambda options: HYBRID, _two_step),
    "Bandit": (RESCORLA_WAGNER.with_options, _bandit),
}
"""Task -> a model that reads its table, and what is shown in its trials."""
