"""Activations of an agent: values, RPEs, policy and LSTM outputs in the episodes it played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks.analysis.rpe import td_errors
from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO

MOST_NAMES = 3  # in the name of an event


@dataclass(frozen=True)
class Activations:
    """An agent's values, RPEs, units and policy in episodes; arrays begin (steps, num_envs).

    Attributes:
        values: Prediction V(t) of the critic for each observation.
        rpe: Reward prediction error of each step, r(t) + gamma V(t + 1) - V(t), with V = 0 after
            the end of the episode.
        hidden: Output of the actor's LSTM, (steps, num_envs, units).
        channels: Channels of the critic for each observation, (steps, num_envs, channels).
        channel_rpe: RPE of each channel, with its own prediction on both sides.
        taus: Asymmetries of the channels, (channels,).
        gamma: Discount per step.
        parameters: Parameters of the task; None for an agent without an environment.
        action_probabilities: Policy, (steps, num_envs, actions); None where actions are not
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
    """Run the observations of episodes through an agent's network in one fused pass.

    Args:
        model: Agent that played, or another one.
        episodes: Episodes from `neurotasks.episodes.run_episodes`.

    Returns:
        Values, RPEs, policy and LSTM outputs, NaN where an environment's episode was over.

    Raises:
        ShapeError: If the observations of the episodes are not of the agent's task.
    """
    policy = model.policy
    policy.set_training_mode(False)
    steps, num_envs = episodes.alive.shape
    lstm = policy.lstm_actor
    zeros = th.zeros(lstm.num_layers, num_envs, lstm.hidden_size, device=policy.device)
    seen = episodes.observations
    if isinstance(seen, dict):  # step by step: a copy of all images could take gigabytes
        of_steps = ({k: v[t] for k, v in seen.items()} for t in range(steps))
        tensors = [policy.obs_to_tensor(step)[0] for step in of_steps]
        observations: Any = {k: th.cat([step[k] for step in tensors]) for k in seen}
    else:
        observations, _ = policy.obs_to_tensor(seen.reshape(-1, *seen.shape[2:]))
    starts = th.zeros(steps, num_envs, device=policy.device)
    starts[0] = 1
    states = RNNStates((zeros, zeros), (zeros, zeros))
    (latent_pi, latent_vf), _ = policy.run(observations, states, starts)
    alive = episodes.alive[..., None]

    def by_step(found: th.Tensor, dtype: Any = np.float64) -> NDArray[Any]:
        of_steps = found.cpu().view(steps, num_envs, -1).numpy()
        return np.where(alive, of_steps.astype(dtype, copy=False), dtype(np.nan))

    channels_t = policy.predict_channels(latent_vf)
    values, channels = by_step(policy.value_of(channels_t))[..., 0], by_step(channels_t)
    probabilities = None
    if isinstance(policy.action_space, spaces.Discrete):
        chosen: Any = policy.distribution(latent_pi).distribution
        probabilities = by_step(chosen.probs)

    env = model.get_env()
    return Activations(
        values=values,
        rpe=td_errors(episodes, values, model.gamma),
        hidden=by_step(latent_pi, np.float32),
        channels=channels,
        channel_rpe=td_errors(episodes, channels, model.gamma),
        taus=policy.taus.cpu().double().numpy(),
        gamma=model.gamma,
        parameters=None if env is None else env.get_attr("parameters")[0],
        action_probabilities=probabilities,
    )


def rpe_table(
    model: FusedRecurrentPPO, episodes: Episodes, activations: Activations
) -> pd.DataFrame:
    """Return the RPEs of an agent on any task as a tidy table.

    The event of a step is the change in the observation after it: the names of the stimulus
    components that come on (more than three at once, as on Harlow's retina, are counted), and
    ``"new trial"`` where one starts; ``"end"`` of the episode; ``"none"``. The RPE of a cue is thus
    in the row of the cue's name, and the RPE of an outcome in the row with its reward.

    Args:
        model: Agent that played.
        episodes: Episodes it played.
        activations: Its activations in them, from `compute_activations`.

    Returns:
        One row per step and channel: ``env``, ``episode`` and ``trial`` as in the trial table
        (episode -1 if none of its trials was finished), ``step`` of the episode, ``event``,
        ``reward`` of the step, ``channel``, its ``tau``, ``rpe`` (see `Activations.channel_rpe`).
    """
    env, step = np.nonzero(episodes.alive.T)
    channels = activations.channel_rpe.shape[-1]
    first = episodes.trials.groupby("env")["episode"].first()
    steps = {
        "env": env,
        "episode": first.reindex(env, fill_value=-1).to_numpy(),
        "trial": episodes.truth["trial"][step, env],
        "step": step,
        "event": _events(model, episodes)[step, env],
        "reward": episodes.rewards[step, env],
    }
    return pd.DataFrame(
        {name: np.repeat(values, channels) for name, values in steps.items()}
        | {
            "channel": np.tile(np.arange(channels), len(step)),
            "tau": np.tile(activations.taus.round(6), len(step)),
            "rpe": activations.channel_rpe[step, env].ravel(),
        }
    )


def _events(model: FusedRecurrentPPO, episodes: Episodes) -> NDArray[np.object_]:
    """Return the name of each step's event, (steps, num_envs)."""
    env: Any = model.get_env()
    (layout, *_), (names, *_) = env.get_attr("layout"), env.get_attr("stimulus_names")
    seen = episodes.observations
    vector = seen["feedback"] if isinstance(seen, dict) else seen  # an image has no names
    seen = vector[..., layout["stimulus"]] > 0
    continues = np.zeros_like(episodes.alive)
    continues[:-1] = episodes.alive[1:]
    comes = np.zeros((*continues.shape, 2 + len(names)), np.bool_)
    comes[..., 0] = ~continues
    comes[:-1, :, 1] = episodes.truth["new_trial"][1:]
    comes[:-1, :, 2:] = seen[1:] & ~seen[:-1]
    comes[..., 1:] &= continues[..., None]
    patterns, which = np.unique(comes.reshape(-1, comes.shape[-1]), axis=0, return_inverse=True)
    labels = np.array([_label(pattern, names) for pattern in patterns], np.object_)
    return labels[which].reshape(continues.shape)


def _label(comes: NDArray[np.bool_], names: tuple[str, ...]) -> str:
    components = [name for name, on in zip(names, comes[2:], strict=True) if on]
    if len(components) > MOST_NAMES:
        components = [f"{len(components)} components"]
    first = [name for name, on in zip(("end", "new trial"), comes, strict=False) if on]
    return " + ".join(first + components) or "none"
