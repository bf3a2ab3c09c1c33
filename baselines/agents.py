"""Looking inside an agent: values, RPEs and hidden states of what it has played."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch as th
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from baselines.recurrent_ppo import FusedRecurrentPPO
from neurotasks.recording import Recording


@dataclass(frozen=True)
class Inside:
    """What went on in an agent while it played a recording; all arrays begin (steps, lanes).

    Attributes:
        values: the critic's prediction V(t) for each observation.
        rpe: reward prediction error of each step, r(t) + gamma V(t + 1) - V(t), with V = 0 after
            the end of the episode.
        hidden: output of the actor's LSTM, (steps, lanes, units).
        channels: the critic's channels for each observation, (steps, lanes, channels).
        channel_rpe: RPE of each channel, with its own prediction on both sides.
    """

    values: NDArray[np.float64]
    rpe: NDArray[np.float64]
    hidden: NDArray[np.float32]
    channels: NDArray[np.float64]
    channel_rpe: NDArray[np.float64]


@th.no_grad()
def look_inside(model: FusedRecurrentPPO, recording: Recording) -> Inside:
    """Run the recorded observations through an agent's network in one fused pass.

    Args:
        model: the agent that played, or another one.
        recording: from `neurotasks.recording.record`.

    Returns:
        Values, RPEs and hidden states, NaN where a lane's episode was over.
    """
    policy = model.policy
    policy.set_training_mode(False)
    steps, lanes = recording.actions.shape
    lstm = policy.lstm_actor
    zeros = th.zeros(lstm.num_layers, lanes, lstm.hidden_size)
    observations = th.as_tensor(recording.observations).flatten(0, 1)
    latent_pi, latent_vf = policy.latents(
        observations, RNNStates((zeros, zeros), (zeros, zeros)), th.zeros(steps * lanes)
    )
    channels_t = policy.predict_channels(latent_vf)
    values = policy.value_of(channels_t).view(steps, lanes, 1).double().numpy()
    channels = channels_t.view(steps, lanes, -1).double().numpy()
    hidden = latent_pi.view(steps, lanes, -1).numpy()

    alive = recording.alive[..., None]
    values, channels, hidden = (np.where(alive, x, np.nan) for x in (values, channels, hidden))

    def rpe(predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        following = np.zeros_like(predicted)
        following[:-1] = np.where(alive[1:], predicted[1:], 0.0)
        return recording.rewards[..., None] + model.gamma * following - predicted

    return Inside(values[..., 0], rpe(values)[..., 0], hidden, channels, rpe(channels))
