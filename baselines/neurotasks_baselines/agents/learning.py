"""Losses of a minibatch, and the gradients they leave in a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from torch import nn

from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.losses import (
    attached,
    clipped_surrogate,
    expectile_loss,
    log_softmax,
    normalized,
    quantile_loss,
    softmax_gradient,
)
from neurotasks_baselines.agents.lstm import (
    Array,
    Pass,
    array,
    backward_lstm,
    forward_lstm,
    pack,
    weights_of,
)
from neurotasks_baselines.agents.policies import FusedLstmPolicy

CRITIC_LOSSES = {"expectile": expectile_loss, "quantile": quantile_loss}
COLUMNS = 16
"""Run at once, so that what the way back needs is still in the cache."""

TERMS = "policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "clip_fraction"

Terms = dict[str, float]


@dataclass(frozen=True)
class Coefficients:
    """Of the loss of PPO.

    Attributes:
        clip: range of the ratio of probabilities.
        value: weight of the critic's loss.
        entropy: weight of the policy's entropy.
        normalize: whether advantages are brought to mean 0 and standard deviation 1.
    """

    clip: float
    value: float
    entropy: float
    normalize: bool

    def sum(self, terms: Terms) -> Terms:
        """Return the terms with the weighted sum of the losses, ``"loss"``."""
        critic, entropy = self.value * terms["value_loss"], self.entropy * terms["entropy_loss"]
        return terms | {"loss": terms["policy_gradient_loss"] + critic + entropy}

    def prepare(self, mask: Array, advantages: Array) -> tuple[Array, Array]:
        """Return weights, which sum to 1, and advantages of all samples of a minibatch."""
        weights = mask.astype(np.float32) / np.float32(np.count_nonzero(mask))
        return weights, normalized(advantages, weights) if self.normalize else advantages


class Learner:
    """Sets the gradients of a policy by torch's automatic differentiation.

    Args:
        policy: any `FusedLstmPolicy`.
        buffer: with a rollout.
        coefficients: of the loss.
    """

    def __init__(
        self, policy: FusedLstmPolicy, buffer: ColumnRolloutBuffer, coefficients: Coefficients
    ) -> None:
        self.policy, self.buffer, self.coefficients = policy, buffer, coefficients

    def learn(self, columns: th.Tensor) -> Terms:
        """Set the gradients of the loss on some columns of the rollout; returns its terms."""
        policy, coefficients = self.policy, self.coefficients
        batch = self.buffer.samples(columns)
        pi, vf = policy.latents(batch.observations, batch.lstm_states, batch.episode_starts)
        log_probs, entropies = policy.evaluate_choices(pi, batch.actions)
        if entropies is None:  # of a distribution without a formula for them
            entropies = -log_probs
        channels = policy.predict_channels(vf)
        weights, advantages = coefficients.prepare(array(batch.mask), array(batch.advantages))
        surrogate = clipped_surrogate(
            *(array(log_probs), array(batch.old_log_prob), advantages, weights, coefficients.clip)
        )
        value_loss, d_channels = CRITIC_LOSSES[policy.critic_loss](
            *(array(channels.t()), array(batch.returns.t()), array(policy.taus), weights)
        )
        entropy_loss = -th.dot(entropies, th.from_numpy(weights).to(entropies.device))
        loss = attached(log_probs, surrogate.loss, surrogate.gradient)
        loss = loss + coefficients.value * attached(channels, value_loss, d_channels.T)
        loss = loss + coefficients.entropy * entropy_loss
        policy.optimizer.zero_grad()
        loss.backward()
        shares = surrogate.loss, value_loss, entropy_loss.item(), *surrogate[2:]
        return coefficients.sum(dict(zip(TERMS, shares, strict=True)))

    def clip(self, max_norm: float) -> None:
        """Shrink the gradients so that their norm is at most `max_norm`."""
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), max_norm)


class Branch:
    """An LSTM of one layer and the heads on it, with their gradients.

    Args:
        lstm: the layer.
        heads: that read what it puts out; `forward` returns theirs one below the other.
        shaping: how many of the first of these rows send their gradient into the LSTM.
    """

    def __init__(self, lstm: nn.LSTM, heads: list[nn.Linear], shaping: int) -> None:
        self.lstm, self.heads, self.shaping = lstm, heads, shaping
        self._passes: dict[tuple[int, ...], Pass] = {}  # written into again and again

    def begin(self) -> None:
        """Read the weights, and forget all gradients."""
        w_inputs, self._w_hidden, bias = map(array, weights_of(self.lstm, 0))
        self._packed = pack(self._w_hidden, w_inputs, bias)
        self._w_heads = np.concatenate([array(head.weight) for head in self.heads])
        self._b_heads = np.concatenate([array(head.bias) for head in self.heads])
        self._d_packed, self._d_w_heads, self._d_b_heads = map(
            np.zeros_like, (self._packed, self._w_heads, self._b_heads)
        )

    def forward(self, inputs: Array, starts: Array, hidden: Array, cell: Array) -> Array:
        """Run the LSTM over columns of steps.

        Args:
            inputs: (steps, columns, features).
            starts: (steps, columns), 1 where the state is zero before a step, else 0.
            hidden: before the first step, (columns, units).
            cell: likewise.

        Returns:
            What the heads put out, (rows, steps * columns).
        """
        done = self._passes.get(starts.shape)
        if done is None:
            done = Pass.empty(starts.shape, len(self._packed), hidden.shape[1])
            self._passes[starts.shape] = done
        forward_lstm(inputs, starts, self._packed, (hidden, cell), *done.arrays)
        self._done, self._starts, self._cell = done, starts, cell
        self._outputs = done.outputs.reshape(-1, hidden.shape[1])
        result: Array = self._w_heads @ self._outputs.T + self._b_heads[:, None]
        return result

    def backward(self, d_heads: Array) -> None:
        """Add the gradients of the columns run last, given those of what the heads put out.

        Possible once: the gates make room for their gradients.
        """
        self._d_w_heads += d_heads @ self._outputs
        self._d_b_heads += d_heads.sum(axis=1)
        if self.shaping:
            done = self._done
            d_out = d_heads[: self.shaping].T @ self._w_heads[: self.shaping]
            backward_lstm(
                *(done.gates, self._starts, self._w_hidden, self._cell, done.cells),
                d_out.reshape(done.outputs.shape),
            )
            joined, d_gates = (th.from_numpy(a).flatten(0, 1) for a in (done.joined, done.gates))
            th.from_numpy(self._d_packed).addmm_(joined.t(), d_gates)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those that get gradients."""
        lstm = self.lstm.parameters() if self.shaping else ()
        return [*lstm, *(parameter for head in self.heads for parameter in head.parameters())]

    def end(self) -> None:
        """Write the gradients into those of the parameters."""
        sizes = [len(head.bias) for head in self.heads]
        for of_heads, name in ((self._d_w_heads, "weight"), (self._d_b_heads, "bias")):
            for head, part in zip(self.heads, th.from_numpy(of_heads).split(sizes), strict=True):
                getattr(head, name).grad.copy_(part)
        if self.shaping:
            lstm: Any = self.lstm
            widths = [lstm.hidden_size, lstm.input_size, 1]
            d_hidden, d_inputs, d_bias = th.from_numpy(self._d_packed).t().split(widths, dim=1)
            lstm.weight_hh_l0.grad.copy_(d_hidden)
            lstm.weight_ih_l0.grad.copy_(d_inputs)
            lstm.bias_ih_l0.grad.copy_(d_bias[:, 0])
            lstm.bias_hh_l0.grad.copy_(d_bias[:, 0])


class CompiledLearner:
    """A `Learner` without torch's graph, around the compiled LSTM.

    Args:
        policy: a plain one.
        buffer: with a rollout.
        coefficients: of the loss.
    """

    def __init__(
        self, policy: FusedLstmPolicy, buffer: ColumnRolloutBuffer, coefficients: Coefficients
    ) -> None:
        self.coefficients = coefficients
        self._critic_loss = CRITIC_LOSSES[policy.critic_loss]
        pi: Any = policy.action_net
        vf = policy.value_net
        shaping = policy.channels * policy.critic_shapes_trunk
        self._actions, self._taus = len(pi.bias), array(policy.taus)
        if policy.lstm_critic is None:
            self._branches = [Branch(policy.lstm_actor, [pi, vf], self._actions + shaping)]
        else:
            actor = Branch(policy.lstm_actor, [pi], self._actions)
            self._branches = [actor, Branch(policy.lstm_critic, [vf], shaping)]
        policy.optimizer.zero_grad()  # of parameters that get none
        self._gradient = _one_gradient([p for branch in self._branches for p in branch.parameters])
        self._of_minibatch = buffer.mask, buffer.advantages
        by_step: list[Any] = [buffer.observations, buffer.sequence_starts]
        by_step += [buffer.actions.astype(np.intp), buffer.log_probs]
        self._by_step = [th.from_numpy(part) for part in by_step]
        self._targets = th.from_numpy(np.moveaxis(buffer.targets, 2, 0).copy())
        first: Any = buffer.first_states
        self._states = [first.pi, first.vf][: len(self._branches)]

    def learn(self, columns: th.Tensor) -> Terms:
        """Set the gradients of the loss on some columns of the rollout; returns its terms."""
        weights, advantages = self.coefficients.prepare(
            *(a.take(columns.numpy(), axis=1) for a in self._of_minibatch)
        )
        for branch in self._branches:
            branch.begin()
        totals, parts = np.zeros(len(TERMS)), -(-len(columns) // COLUMNS)
        for few, *of_samples in zip(
            columns.tensor_split(parts),
            np.array_split(weights, parts, axis=1),
            np.array_split(advantages, parts, axis=1),
            strict=True,
        ):
            totals += self._add(few, *(part.ravel() for part in of_samples))
        for branch in self._branches:
            branch.end()
        return self.coefficients.sum(dict(zip(TERMS, totals.tolist(), strict=True)))

    def clip(self, max_norm: float) -> None:
        """Shrink the gradients as `th.nn.utils.clip_grad_norm_` does."""
        scale = max_norm / (float(np.linalg.norm(self._gradient)) + 1e-6)
        if not scale >= 1:  # NaN neither
            self._gradient *= np.float32(scale)

    def _add(self, columns: th.Tensor, weights: Array, advantages: Array) -> tuple[float, ...]:
        """Add the gradients of a few columns; returns their share of the `TERMS`."""
        observations, starts, actions, old_log_probs = (
            a.index_select(1, columns).numpy() for a in self._by_step
        )
        targets = self._targets.index_select(2, columns).flatten(1).numpy()
        outputs = [
            branch.forward(
                observations, starts, *(s[0].index_select(0, columns).numpy() for s in state)
            )
            for branch, state in zip(self._branches, self._states, strict=True)
        ]
        log_probs, channels = log_softmax(outputs[0][: self._actions]), outputs[-1]
        taken, sample = actions.ravel(), np.arange(actions.size)
        surrogate = clipped_surrogate(
            *(log_probs[taken, sample], old_log_probs.ravel(), advantages, weights),
            self.coefficients.clip,
        )
        entropies, d_logits = softmax_gradient(
            log_probs, taken, surrogate.gradient, -self.coefficients.entropy * weights
        )
        value_loss, d_channels = self._critic_loss(
            channels[-len(self._taus) :], targets, self._taus, weights
        )
        gradients = [d_logits, self.coefficients.value * d_channels]
        if len(self._branches) == 1:
            gradients = [np.concatenate(gradients)]
        for branch, gradient in zip(self._branches, gradients, strict=True):
            branch.backward(gradient)
        entropy_loss = -float(np.dot(entropies, weights))
        return surrogate.loss, value_loss, entropy_loss, *surrogate[2:]


def _one_gradient(parameters: list[nn.Parameter]) -> Array:
    """Give parameters the parts of one array as gradients; returns it."""
    whole = np.zeros(sum(parameter.numel() for parameter in parameters), np.float32)
    parts = th.from_numpy(whole).split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return whole
