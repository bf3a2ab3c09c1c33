"""Looking inside an agent: values, RPEs, policy and hidden states of what it has played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO

MOST_NAMES = 3  # of components in the name of an event


@dataclass(frozen=True)
class Activations:
    """What went on in an agent while it played a recording; all arrays begin (steps, lanes).

    Attributes:
        values: the critic's prediction V(t) for each observation.
        rpe: reward prediction error of each step, r(t) + gamma V(t + 1) - V(t), with V = 0 after
            the end of the episode.
        hidden: output of the actor's LSTM, (steps, lanes, units).
        channels: the critic's channels for each observation, (steps, lanes, channels).
        channel_rpe: RPE of each channel, with its own prediction on both sides.
        taus: asymmetries of the channels, (channels,).
        gamma: the agent's discount a step.
        parameters: of the task; None for an agent without an environment.
        action_probabilities: the policy, (steps, lanes, actions); None where actions are not
            Discrete.
    """

    values: NDArray[np.float64]
    rpe: NDArray[np.float64]
    hidden: NDArray[np.float32]
    channels: NDArray[np.float64]
    channel_rpe: NDArray[np.float64]
    taus: NDArray[np.float64]
    gamma: float
    parameters: Any
    action_probabilities: NDArray[np.float64] | None = None


@th.no_grad()
def compute_activations(model: FusedRecurrentPPO, episodes: Episodes) -> Activations:
    """Run the recorded observations through an agent's network in one fused pass.

    Args:
        model: the agent that played, or another one.
        episodes: from `neurotasks.episodes.run_episodes`.

    Returns:
        Values, RPEs, policy and hidden states, NaN where a lane's episode was over.
    """
    policy = model.policy
    policy.set_training_mode(False)
    steps, lanes = episodes.alive.shape
    lstm = policy.lstm_actor
    zeros = th.zeros(lstm.num_layers, lanes, lstm.hidden_size, device=policy.device)
    seen = episodes.observations
    if isinstance(seen, dict):  # step by step: a copy of all pictures could take gigabytes
        of_steps = ({k: v[t] for k, v in seen.items()} for t in range(steps))
        tensors = [policy.obs_to_tensor(step)[0] for step in of_steps]
        observations: Any = {k: th.cat([step[k] for step in tensors]) for k in seen}
    else:
        observations, _ = policy.obs_to_tensor(seen.reshape(-1, *seen.shape[2:]))
    starts = th.zeros(steps, lanes, device=policy.device)
    starts[0] = 1
    states = RNNStates((zeros, zeros), (zeros, zeros))
    (latent_pi, latent_vf), _ = policy.run(observations, states, starts)
    alive = episodes.alive[..., None]

    def by_step(found: th.Tensor) -> NDArray[Any]:
        return np.where(alive, found.cpu().double().view(steps, lanes, -1).numpy(), np.nan)

    channels_t = policy.predict_channels(latent_vf)
    values, channels = by_step(policy.value_of(channels_t)), by_step(channels_t)
    probabilities = None
    if isinstance(policy.action_space, spaces.Discrete):
        pi = policy.mlp_extractor.forward_actor(latent_pi)
        chosen: Any = policy._get_action_dist_from_latent(pi).distribution
        probabilities = by_step(chosen.probs)

    def rpe(predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        following = np.zeros_like(predicted)
        following[:-1] = np.where(alive[1:], predicted[1:], 0.0)
        return episodes.rewards[..., None] + model.gamma * following - predicted

    env = model.get_env()
    return Activations(
        values=values[..., 0],
        rpe=rpe(values)[..., 0],
        hidden=by_step(latent_pi).astype(np.float32),
        channels=channels,
        channel_rpe=rpe(channels),
        taus=policy.taus.cpu().double().numpy(),
        gamma=model.gamma,
        parameters=None if env is None else env.get_attr("parameters")[0],
        action_probabilities=probabilities,
    )


def rpe_table(
    model: FusedRecurrentPPO, episodes: Episodes, activations: Activations
) -> pd.DataFrame:
    """Return the RPEs of an agent on any task as a tidy table.

    The event of a step is what the observation after it brings: the components of the stimulus
    that come on, by their names (more than three at once, as on Harlow's retina, are counted), and
    ``"new trial"`` where one begins; ``"end"`` of the episode; ``"none"``. The RPE of a cue is thus
    in the row of the cue's name. The RPE of an outcome is in the row with its reward.

    Args:
        model: the agent.
        episodes: what it played.
        activations: what went on in it, from `compute_activations`.

    Returns:
        A row a step and channel: ``lane``, ``episode`` and ``trial`` as in the trial table (episode
        -1 if no trial of it was finished), ``step`` of the episode, ``event``, ``reward`` of the
        step, ``channel``, its ``tau``, ``rpe`` (see `Activations.channel_rpe`).
    """
    lane, step = np.nonzero(episodes.alive.T)
    channels = activations.channel_rpe.shape[-1]
    num_episodes = episodes.trials.groupby("env")["episode"].first()
    steps = {
        "env": lane,
        "episode": num_episodes.reindex(lane, fill_value=-1).to_numpy(),
        "trial": episodes.truth["trial"][step, lane],
        "step": step,
        "event": _events(model, episodes)[step, lane],
        "reward": episodes.rewards[step, lane],
    }
    return pd.DataFrame(
        {name: np.repeat(values, channels) for name, values in steps.items()}
        | {
            "channel": np.tile(np.arange(channels), len(step)),
            "tau": np.tile(activations.taus.round(6), len(step)),
            "rpe": activations.channel_rpe[step, lane].ravel(),
        }
    )


def _events(model: FusedRecurrentPPO, episodes: Episodes) -> NDArray[np.object_]:
    """Return the name of what the observation after each step brings, (steps, lanes)."""
    env: Any = model.get_env()
    (layout, *_), (names, *_) = env.get_attr("layout"), env.get_attr("stimulus_names")
    seen = episodes.observations
    vector = seen["feedback"] if isinstance(seen, dict) else seen  # a picture has no names
    seen = vector[..., layout["stimulus"]] > 0
    goes_on = np.zeros_like(episodes.alive)
    goes_on[:-1] = episodes.alive[1:]
    comes = np.zeros((*goes_on.shape, 2 + len(names)), np.bool_)
    comes[..., 0] = ~goes_on
    comes[:-1, :, 1] = episodes.truth["new_trial"][1:]
    comes[:-1, :, 2:] = seen[1:] & ~seen[:-1]
    comes[..., 1:] &= goes_on[..., None]
    patterns, which = np.unique(comes.reshape(-1, comes.shape[-1]), axis=0, return_inverse=True)
    labels = np.array([_label(pattern, names) for pattern in patterns], np.object_)
    return labels[which].reshape(goes_on.shape)


def _label(comes: NDArray[np.bool_], names: tuple[str, ...]) -> str:
    components = [name for name, on in zip(names, comes[2:], strict=True) if on]
    if len(components) > MOST_NAMES:
        components = [f"{len(components)} components"]
    first = [name for name, on in zip(("end", "new trial"), comes, strict=False) if on]
    return " + ".join(first + components) or "none"
