"""Running and training any `FusedLstmPolicy` with torch's automatic differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks_baselines.agents import losses
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.losses import Coefficients
from neurotasks_baselines.agents.lstm import array
from neurotasks_baselines.agents.policies import FusedLstmPolicy


class TorchActor:
    """Draws the actions of a policy step by step and keeps the outputs of its LSTMs.

    Args:
        policy: Policy that acts.
        states: States of the LSTMs before the first step.
        steps: Number of steps of the rollout.

    Attributes:
        states: States of the LSTMs after the last step.
    """

    def __init__(self, policy: FusedLstmPolicy, states: RNNStates, steps: int) -> None:
        self.policy, self.states = policy, states
        self._latents: list[tuple[th.Tensor, th.Tensor]] = []

    @th.inference_mode()
    def step(self, obs: Any, starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Draw an action in every environment, (num_envs, ...).

        Args:
            obs: Observations, (num_envs, ...), or a dict of tensors.
            starts: Whether an episode starts, (num_envs,).

        Raises:
            ShapeError: If there are not as many of both as states.
        """
        device = self.policy.device
        seen: Any = obs if isinstance(obs, dict) else th.as_tensor(obs, device=device)
        started = th.as_tensor(starts, dtype=th.float32, device=device).view(1, -1)
        latents, self.states = self.policy.run(seen, self.states, started)
        self._latents.append(latents)
        if isinstance(self.policy.action_space, spaces.Discrete):  # by Gumbel-max sampling
            logits = self.policy.logits(latents[0])
            actions = (logits - th.empty_like(logits).exponential_().log_()).max(dim=0).indices
        else:
            actions = self.policy.distribution(latents[0]).get_actions()
        return actions.view(-1, *(self.policy.action_space.shape or ())).cpu().numpy()

    def outputs(self) -> tuple[th.Tensor, th.Tensor]:
        """Return the LSTMs' outputs so far for actor and critic, each (steps * num_envs, units)."""
        pi, vf = (th.stack(outputs).flatten(0, 1) for outputs in zip(*self._latents, strict=True))
        return pi, vf


class TorchLearner:
    """Sets the gradients of a policy by automatic differentiation.

    Args:
        policy: Policy that learns.
        buffer: Buffer that holds a rollout.
        coefficients: Coefficients of the loss.
    """

    def __init__(
        self, policy: FusedLstmPolicy, buffer: ColumnRolloutBuffer, coefficients: Coefficients
    ) -> None:
        self.policy, self.buffer, self.coefficients = policy, buffer, coefficients

    def learn(self, columns: th.Tensor) -> losses.Terms:
        """Set the gradients of the loss on some columns of the rollout; returns its terms."""
        policy, coefficients = self.policy, self.coefficients
        batch = self.buffer.samples(columns)
        starts = batch.episode_starts.view(-1, len(columns))
        (pi, vf), _ = policy.run(batch.observations, batch.lstm_states, starts)
        log_probs, entropies = policy.evaluate_latents(pi, batch.actions)
        if entropies is None:  # of a distribution without a formula for them
            entropies = -log_probs
        channels = policy.predict_channels(vf)
        weights, advantages = coefficients.prepare(array(batch.mask), array(batch.advantages))
        old_log_probs, taus = array(batch.old_log_prob), array(policy.taus)
        surrogate = coefficients.surrogate(array(log_probs), old_log_probs, advantages, weights)
        critic_loss, targets = losses.CRITIC_LOSSES[policy.critic_loss], array(batch.returns.t())
        value_loss, d_channels = critic_loss(array(channels.t()), targets, taus, weights)
        entropy_loss = -th.dot(entropies, th.from_numpy(weights).to(entropies.device))
        loss = losses.attached(log_probs, surrogate.loss, surrogate.gradient)
        loss = loss + coefficients.value * losses.attached(channels, value_loss, d_channels.T)
        loss = loss + coefficients.entropy * entropy_loss
        policy.optimizer.zero_grad()
        loss.backward()
        return coefficients.terms((surrogate.loss, value_loss, entropy_loss.item(), *surrogate[2:]))

    def clip(self, max_norm: float) -> float:
        """Scale the gradients down so that their norm is at most `max_norm`; returns it before."""
        norm = th.nn.utils.clip_grad_norm_(self.policy.parameters(), max_norm)
        return norm.item()
