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
    """

    values: NDArray[np.float64]
    rpe: NDArray[np.float64]
    hidden: NDArray[np.float32]


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
    layers, _, units = policy.lstm_hidden_state_shape
    zeros = th.zeros(layers, lanes, units)
    observations = th.as_tensor(recording.observations).flatten(0, 1)
    latent_pi, latent_vf = policy.latents(
        observations, RNNStates((zeros, zeros), (zeros, zeros)), th.zeros(steps * lanes)
    )
    values_t = policy.value_net(policy.mlp_extractor.forward_critic(latent_vf))
    values = values_t.view(steps, lanes).double().numpy()
    hidden = latent_pi.view(steps, lanes, -1).numpy()

    alive = recording.alive
    values = np.where(alive, values, np.nan)
    following = np.zeros_like(values)
    following[:-1] = np.where(alive[1:], values[1:], 0.0)
    rpe = recording.rewards + model.gamma * following - values
    return Inside(values, np.where(alive, rpe, np.nan), np.where(alive[..., None], hidden, np.nan))
