"""LSTM units of agents that play a two-step task, as recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from neurotasks.episodes import Episodes
from neurotasks.models.two_step import HYBRID
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import RecordingShapeError
from neurotasks_baselines.neurons.recording import Recording
from neurotasks_baselines.neurons.regressors import with_signals
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.training.evaluate import evaluate, untrained

STAGES = {"TwoStep": (0, 1, 2, 0, 1), "TwoStepDaw": (1, 0, 1, 0, 1)}
"""Stages by task, at the steps `TIMES`."""
TIMES = np.arange(-1.0, 4.0)
"""Steps from the first stage: the one before, first stage (the choice is made), second-stage state,
the step after (the reward is seen), and the one after that. Before and after is the fixation, or,
in a task without, the second stage of the last trial and the first stage of the next one."""
EPISODES = 6  # of 100 trials: about as many trials as a monkey made in a session

KINDS = {"TwoStep": "LSTM units", "TwoStepDaw": "LSTM units, monkeys' task"}
"""Kinds of network by their task."""
UNTRAINED = "untrained "


def unit_recording(
    episodes: Episodes, hidden: NDArray[np.floating], before: str = "", session: str = ""
) -> Recording:
    """Return the units of an agent in the valid trials of a two-step task.

    Args:
        episodes: Episodes of `neurotasks/TwoStep-v0` or `neurotasks/TwoStepMiranda-v0`.
        hidden: Output of the LSTM in them, (steps, num_envs, units).
        before: What goes before the kind of network, such as `UNTRAINED`.
        session: Name of the agent.

    Returns:
        The units at the steps `TIMES`, their area a kind of network. In the trial table ``env`` is
        0 and ``episode`` the sub-environment. Trials are left out that no answered fixation
        follows, such as the last one of an episode, or, in the task without fixation, no trial; and
        there the first one.

    Raises:
        RecordingShapeError: If the episodes are of another task, or no trial was valid.
    """
    task = "TwoStepDaw" if "second_choice" in episodes.trials else "TwoStep"
    stage = episodes.truth.get("stage", np.zeros((1, 1)))
    steps = np.where(episodes.alive, stage, -1) if stage.shape == episodes.alive.shape else stage
    if len(steps) < len(TIMES):
        raise RecordingShapeError(
            "episodes must be of a two-step task, neurotasks/TwoStep-v0 or "
            f"neurotasks/TwoStepMiranda-v0; got some without its stages, in {len(steps)} steps. "
            "Play one of these."
        )
    regular = (sliding_window_view(steps, len(TIMES), axis=0) == STAGES[task]).all(axis=-1)
    env, start = np.nonzero(regular.T)
    key = pd.MultiIndex.from_arrays([env, episodes.truth["trial"][start + 1, env]])
    table = episodes.trials.set_index(["env", "trial"], drop=False)
    row = table.index.get_indexer(key)
    ended = (table["outcome"] >= 0) | (task == "TwoStepDaw")  # where a half has the outcome -1
    valid = (row >= 0) & ended.to_numpy()[row]
    at = start[valid, None] + np.arange(len(TIMES))
    counts = hidden[at, env[valid, None]].transpose(2, 0, 1)
    trials = table.iloc[row[valid]].reset_index(drop=True)
    trials = trials.assign(episode=trials["env"], env=0)
    return Recording(counts, TIMES, trials, before + KINDS[task], session)


def agent_recordings(
    model: FusedRecurrentPPO, name: str, *, num_episodes: int = EPISODES, seed: int = 0
) -> tuple[Recording, Recording]:
    """Let an agent play, and return its units, and those of its untrained network.

    The untrained network is shown the same episodes: whatever follows its input codes something.

    Args:
        model: Agent of `neurotasks/TwoStep-v0` or `neurotasks/TwoStepMiranda-v0`.
        name: Its name.
        num_episodes: Number of episodes.
        seed: Seed of the first episode.

    Returns:
        Both recordings, with the signals of the hybrid model fitted to the agent's choices.

    Raises:
        RecordingShapeError: As for `unit_recording`.
    """
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    with limited_threads(1):
        before = compute_activations(untrained(model), episodes)
    trained = unit_recording(episodes, activations.hidden, session=name)
    hybrid = HYBRID if "second_choice" in trained.trials else HYBRID.one_choice()
    p_common = float(activations.parameters.p_common)
    trials = with_signals(trained.trials, hybrid.fixing(p_common=p_common))
    other = unit_recording(episodes, before.hidden, UNTRAINED, name)
    return replace(trained, trials=trials), replace(other, trials=trials)
