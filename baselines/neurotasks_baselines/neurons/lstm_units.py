"""LSTM units of agents that play the two-step task, as recordings."""

from __future__ import annotations

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

STAGES = (0, 1, 2, 0, 1)
"""Stages of the steps of a trial and of the two after it: the outcome is seen at the next
fixation."""
TIMES = np.arange(-1.0, 4.0)
"""Steps from the first stage: fixation, first stage (the choice is made), second-stage state, next
fixation (the reward is seen), next first stage."""
EPISODES = 6  # of 100 trials: about as many trials as a monkey made in a session

TRAINED, UNTRAINED = "LSTM units", "untrained LSTM units"


def unit_recording(
    episodes: Episodes, hidden: NDArray[np.floating], area: str = TRAINED, session: str = ""
) -> Recording:
    """Return the units of an agent in the valid trials of the two-step task.

    Args:
        episodes: Episodes of `neurotasks/TwoStep-v0`.
        hidden: Output of the LSTM in them, (steps, num_envs, units).
        area: Kind of network.
        session: Name of the agent.

    Returns:
        The units at the steps `TIMES`. In the trial table ``env`` is 0 and ``episode`` the
        sub-environment. Trials that no answered fixation follows, such as the last one of an
        episode, are left out.

    Raises:
        RecordingShapeError: If the episodes are of another task, or no trial was valid.
    """
    stage = episodes.truth.get("stage", np.zeros((1, 1)))
    steps = np.where(episodes.alive, stage, -1) if stage.shape == episodes.alive.shape else stage
    if len(steps) < len(STAGES):
        raise RecordingShapeError(
            "episodes must be of the two-step task with fixation, neurotasks/TwoStep-v0; got some "
            f"without its stages, in {len(steps)} steps. Play that task."
        )
    regular = (sliding_window_view(steps, len(STAGES), axis=0) == STAGES).all(axis=-1)
    env, start = np.nonzero(regular.T)
    key = pd.MultiIndex.from_arrays([env, episodes.truth["trial"][start, env]])
    table = episodes.trials.set_index(["env", "trial"], drop=False)
    row = table.index.get_indexer(key)
    valid = (row >= 0) & (table["outcome"].to_numpy()[row] >= 0)
    at = start[valid, None] + np.arange(len(STAGES))
    counts = hidden[at, env[valid, None]].transpose(2, 0, 1)
    trials = table.iloc[row[valid]].reset_index(drop=True)
    reward = trials["outcome"].astype(np.float64)
    trials = trials.assign(episode=trials["env"], env=0, reward=reward)
    return Recording(counts, TIMES, trials, area, session)


def agent_recordings(
    model: FusedRecurrentPPO, name: str, *, num_episodes: int = EPISODES, seed: int = 0
) -> tuple[Recording, Recording]:
    """Let an agent play, and return its units, and those of its untrained network.

    The untrained network is shown the same episodes: whatever follows its input codes something.

    Args:
        model: Agent of `neurotasks/TwoStep-v0`.
        name: Its name.
        num_episodes: Number of episodes.
        seed: Seed of the first episode.

    Returns:
        Both recordings, with the signals of the hybrid model fitted to the agent's choices.
    """
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    with limited_threads(1):
        before = compute_activations(untrained(model), episodes)
    trained = unit_recording(episodes, activations.hidden, TRAINED, name)
    p_common = float(activations.parameters.p_common)
    trials = with_signals(trained.trials, HYBRID.one_choice().fixing(p_common=p_common))
    trained = Recording(trained.counts, TIMES, trials, TRAINED, name)
    other = unit_recording(episodes, before.hidden, UNTRAINED, name)
    return trained, Recording(other.counts, TIMES, trials, UNTRAINED, name)
