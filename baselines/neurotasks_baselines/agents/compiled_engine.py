"""Running and training a plain `FusedLstmPolicy` in compiled code, without torch's graph.

What the two classes here do equals what `TorchActor` and `TorchLearner` do, for the policies that
`neurotasks_baselines.agents.engines` lets through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from torch import nn

from neurotasks_baselines.agents import losses, lstm_kernels
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.checks import check_array, check_states
from neurotasks_baselines.agents.losses import Coefficients
from neurotasks_baselines.agents.lstm import (
    array,
    array_or_none,
    check_columns,
    initial_of,
    packed_weights,
)
from neurotasks_baselines.agents.lstm_kernels import Array, Memory, Pass, compiled, inlined, pack
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.agents.vec_env import Played, TaskVecEnv

COLUMNS = 32
"""Columns run at once: more take more memory and are not faster."""

HEAD = "weight", "bias"
"""Parameters of a head."""


@inlined
def draw(hidden: Any, weights: Any, bias: Any, noise: Any, actions: Any) -> None:
    """Draw from softmax policies by Gumbel-max sampling, given the noise."""
    for b in range(len(actions)):
        best, actions[b] = -np.inf, 0  # of a network of NaN too
        for a in range(len(bias)):
            score = bias[a] - noise[b, a]
            for j in range(hidden.shape[1]):
                score += weights[a, j] * hidden[b, j]
            if score > best:
                best, actions[b] = score, a


@compiled
def choose(chooser: Any, t: Any, obs: Any, starts: Any, actions: Any) -> None:
    """Take step t of a `CompiledActor`, and draw the actions.

    Args:
        chooser: What `CompiledActor` keeps.
        t: Number of the step.
        obs: Observations, (num_envs, features).
        starts: Whether an episode starts, (num_envs,).
        actions: To be written, (num_envs,).
    """
    lstms, weights, bias, noise, started = chooser
    started[:] = starts
    for k in range(len(lstms)):
        packed, initial, first, cells, joined, gates, outputs = lstms[k]
        hidden = outputs[t - 1] if t > 0 else first
        before = packed, initial, hidden, cells[t % 2]
        lstm_kernels.step(obs, started, *before, joined, gates, cells[1 - t % 2], outputs[t])
    draw(lstms[0][6][t], weights, bias, noise[t], actions)


def stepped(layer: nn.LSTM, state: tuple[th.Tensor, ...], steps: int) -> tuple[Any, ...]:
    """Return the arrays in which `choose` runs an LSTM of one layer, step by step.

    Args:
        layer: Recurrent layer.
        state: State before the first step, each part (1, num_envs, units).
        steps: Number of steps.

    Returns:
        Packed weights, initial state or None, hidden state before the first step; cell states,
        after even and odd numbers of steps: in place no loop could run on vectors; two arrays for a
        step; and the outputs, (steps, num_envs, units).
    """
    hidden, cell = (array(part[0]) for part in state)
    packed = packed_weights(layer)
    num_envs, units = hidden.shape
    widths = len(packed), 4 * units
    joined, gates, outputs = Memory().arrays(
        *((num_envs, width) for width in widths), (steps, num_envs, units)
    )
    initial = array_or_none(initial_of(layer))
    return packed, initial, hidden.copy(), np.stack([cell, cell]), joined, gates, outputs


class CompiledActor:
    """A `TorchActor` in compiled code; arguments as there.

    Raises:
        ShapeError: If the states are not those of the policy, all of the same sub-environments.
    """

    def __init__(self, policy: FusedLstmPolicy, states: RNNStates, steps: int) -> None:
        layers: Any = [(policy.lstm_actor, states.pi), (policy.lstm_critic, states.vf)]
        layers = [(layer, s) for layer, s in layers if layer is not None]
        num_envs, units = len(states.pi[0][0]), policy.lstm_actor.hidden_size
        for layer, state in layers:
            check_states(state, (1, num_envs, layer.hidden_size))
        lstms = tuple(stepped(layer, state, steps) for layer, state in layers)
        head: Any = policy.action_net
        check_array("The weight of action_net", head.weight, (len(head.bias), units))
        noise = th.empty(steps, num_envs, len(head.bias)).exponential_().log_().numpy()
        started = np.empty(num_envs, np.float32)
        self._chooser = lstms, array(head.weight), array(head.bias), noise, started
        self._shape = num_envs, policy.lstm_actor.input_size
        self._t = 0

    def step(self, obs: Any, starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Draw an action in every environment, (num_envs,); see `TorchActor.step`."""
        if getattr(obs, "shape", None) != self._shape or starts.shape != self._shape[:1]:
            check_array("Observations", obs, self._shape, float32=False)
            check_array("Episode starts", starts, self._shape[:1], float32=False)
        actions = np.empty(len(starts), np.int64)
        seen = np.ascontiguousarray(obs, np.float32)
        choose(self._chooser, self._t, seen, np.ascontiguousarray(starts, np.bool_), actions)
        self._t += 1
        return actions

    def play(self, env: TaskVecEnv, obs: Any, starts: NDArray[np.bool_]) -> Played:
        """Take all steps in an environment, without Python in between.

        Args:
            env: Environment that can.
            obs: Observations now, (num_envs, features).
            starts: Whether an episode starts now, (num_envs,).
        """
        self._t = len(self._chooser[3])
        return env.play(choose, self._chooser, obs, starts, self._t)

    @property
    def states(self) -> RNNStates:
        """States of the LSTMs after the last step."""
        found = []
        for _, _, first, cells, _, _, outputs in self._chooser[0]:
            hidden = outputs[self._t - 1] if self._t else first
            parts = hidden, cells[self._t % 2]
            found.append(tuple(th.from_numpy(part[None].copy()) for part in parts))
        return RNNStates(found[0], found[-1])

    def outputs(self) -> tuple[th.Tensor, th.Tensor]:
        """Return the outputs of the LSTMs, see `TorchActor.outputs`."""
        lstms = self._chooser[0]
        outputs = [th.from_numpy(lstm[-1][: self._t]).flatten(0, 1) for lstm in lstms]
        return outputs[0], outputs[-1]


class Branch:
    """An LSTM of one layer and the heads on it, with their gradients.

    Args:
        layer: Recurrent layer.
        heads: Heads that read its outputs; `forward` returns theirs one below the other.
        shaping: Number of rows, the first of these, whose gradient reaches the LSTM.
        memory: Memory of what `forward` computes, until `backward` has been called.
    """

    def __init__(
        self, layer: nn.LSTM, heads: list[nn.Linear], shaping: int, memory: Memory | None = None
    ) -> None:
        self.layer, self.heads, self.shaping = layer, heads, shaping
        self._memory = memory or Memory()
        own, bounds = layer.all_weights[0], np.cumsum([0, *(len(head.bias) for head in heads)])
        self._rows = [*map(slice, bounds[:-1], bounds[1:])]
        self._weights = [weight.detach().numpy() for weight in own]
        self._of_heads = [[getattr(h, n).detach().numpy() for h in heads] for n in HEAD]

    def begin(self) -> None:
        """Read the weights, and set all gradients to zero."""
        inputs, hidden, *biases = self._weights
        self._packed = pack(hidden, inputs, np.add(*biases))
        self._w_hidden = np.ascontiguousarray(hidden)
        self._w_heads, self._b_heads = map(np.concatenate, self._of_heads)
        weights = self._packed, self._w_heads, self._b_heads
        self._d_packed, self._d_w_heads, self._d_b_heads = map(np.zeros_like, weights)
        self._initial = array_or_none(initial_of(self.layer))
        self._d_initial = None if self._initial is None else np.zeros_like(self._initial)

    def forward(self, inputs: Array, starts: Array, hidden: Array, cell: Array) -> Array:
        """Run the LSTM over columns of steps; returns the heads' outputs, (rows, steps * columns).

        Args:
            inputs: Features, (steps, columns, features).
            starts: 1 where an episode starts, else 0, (steps, columns).
            hidden: Hidden state before the first step, (columns, units).
            cell: Cell state before the first step, (columns, units).

        Raises:
            ShapeError: If the shape or dtype of anything does not fit.
        """
        check_columns(self.layer, inputs, (hidden[None], cell[None]), starts)
        self._done = Pass.empty(starts.shape, len(self._packed), hidden.shape[1], self._memory)
        self._starts, self._cell = starts, cell
        states = self._initial, (hidden, cell)
        read = self._packed, tuple(self._done), self._w_heads, self._b_heads
        return lstm_kernels.run_forward(inputs, starts, *states, *read)

    def backward(self, d_heads: Array) -> None:
        """Add the gradients of the columns run last, given those of the heads' outputs.

        Possible once: the gates make room for their gradients.
        """
        read = self._starts, self._initial, self._cell, tuple(self._done), self._w_hidden
        written = self._d_w_heads, self._d_b_heads, self._d_initial
        lstm_kernels.run_backward(*read, self._w_heads, d_heads, *written, self.shaping)
        if self.shaping:
            joined, d_gates = (th.from_numpy(a).flatten(0, 1) for a in self._done[:2])
            th.from_numpy(self._d_packed).addmm_(joined.t(), d_gates)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Parameters that get gradients."""
        own = self.layer.parameters() if self.shaping else ()
        return [*own, *(parameter for head in self.heads for parameter in head.parameters())]

    @property
    def gradients(self) -> list[Array]:
        """Gradients of the `parameters`."""
        n, own = self.layer.hidden_size, self._d_packed.T
        of_layer = [own[:, n:-1], own[:, :n], own[:, -1], own[:, -1]] if self.shaping else []
        if self.shaping and self._d_initial is not None:
            of_layer.append(self._d_initial)
        of_heads = ((self._d_w_heads[rows], self._d_b_heads[rows]) for rows in self._rows)
        return of_layer + [part for pair in of_heads for part in pair]


class CompiledLearner:
    """A `TorchLearner` in compiled code; arguments as there.

    Raises:
        ShapeError: If the arrays of the rollout are not of the same steps and columns.
    """

    def __init__(
        self, policy: FusedLstmPolicy, buffer: ColumnRolloutBuffer, coefficients: Coefficients
    ) -> None:
        self.coefficients = coefficients
        self._critic_loss = losses.CRITIC_LOSSES[policy.critic_loss]
        pi: Any = policy.action_net
        vf: Any = policy.value_net
        actor, critic = policy.lstm_actor, policy.lstm_critic
        shaping = policy.channels * policy.critic_shapes_trunk
        self._actions, self._taus = len(pi.bias), array(policy.taus)
        layers = [(actor, [pi, vf], self._actions + shaping)]
        if critic is not None:
            layers = [(actor, [pi], self._actions), (critic, [vf], shaping)]
        self._branches = [Branch(*layer, buffer.memory) for layer in layers]
        policy.optimizer.zero_grad()  # of parameters that get none
        self._gradient = _one_gradient([p for branch in self._branches for p in branch.parameters])
        self._of_minibatch: Any = buffer.mask, buffer.advantages
        actions = buffer.actions.astype(np.int32)
        self._by_step = buffer.observations, buffer.sequence_starts, actions, buffer.log_probs
        for part in (*self._of_minibatch, *self._by_step):
            shape = *buffer.sequence_starts.shape, *part.shape[2:]
            check_array("Each array of a rollout", part, shape, float32=False)
        self._targets = np.moveaxis(buffer.targets, 2, 0).copy()
        first: Any = buffer.first_states
        self._states = [[array(part[0]) for part in states] for states in (first.pi, first.vf)][
            : len(self._branches)
        ]

    def learn(self, columns: th.Tensor) -> losses.Terms:
        """Set the gradients of the loss on some columns of the rollout; returns its terms."""
        chosen = columns.numpy()
        mask, advantages = (a.take(chosen, axis=1) for a in self._of_minibatch)
        weights, advantages = self.coefficients.prepare(mask, advantages)
        for branch in self._branches:
            branch.begin()
        shares, size = [], -(-len(chosen) // -(-len(chosen) // COLUMNS))
        for first in range(0, len(chosen), size):
            few = slice(first, first + size)
            of_samples = weights[:, few].ravel(), advantages[:, few].ravel()
            shares.append(self._add(chosen[few], *of_samples))
        gradients = (part.ravel() for branch in self._branches for part in branch.gradients)
        np.concatenate([*gradients], out=self._gradient)
        return self.coefficients.terms(map(sum, zip(*shares, strict=True)))

    def clip(self, max_norm: float) -> float:
        """Scale the gradients down as `th.nn.utils.clip_grad_norm_` does; returns their norm."""
        with np.errstate(over="ignore"):  # the norm is then infinite, and refused
            norm = float(np.linalg.norm(self._gradient))
        scale = max_norm / (norm + 1e-6)
        if not scale >= 1:  # NaN neither
            self._gradient *= np.float32(scale)
        return norm

    def _add(self, columns: Any, weights: Array, advantages: Array) -> tuple[float, ...]:
        """Add the gradients of a few columns; returns their share of the `TERMS`."""
        seen, starts, actions, old = (a.take(columns, axis=1) for a in self._by_step)
        firsts = [[part.take(columns, axis=0) for part in state] for state in self._states]
        policy, critic = self._branches[0], self._branches[-1]
        outputs = policy.forward(seen, starts, *firsts[0])
        gradient = np.empty_like(outputs)
        clip = self.coefficients.clip
        policy_loss, entropy_loss, *others = losses.softmax_surrogate(
            outputs[: self._actions],
            actions.ravel(),
            old.ravel(),
            advantages,
            weights,
            None if clip is None else np.float32(clip),
            np.float32(self.coefficients.entropy),
            gradient,
        )
        if critic is not policy:  # one after the other, while all is in the cache
            policy.backward(gradient)
            outputs = critic.forward(seen, starts, *firsts[1])
            gradient = np.empty_like(outputs)
        channels = slice(-len(self._taus), None)
        targets = self._targets.take(columns, axis=2).reshape(-1, weights.size)
        value_loss, d_channels = self._critic_loss(outputs[channels], targets, self._taus, weights)
        np.multiply(d_channels, self.coefficients.value, out=gradient[channels])
        critic.backward(gradient)
        return policy_loss, value_loss, entropy_loss, *others


def _one_gradient(parameters: list[nn.Parameter]) -> Array:
    """Give parameters the parts of one array as gradients; returns it."""
    whole = np.zeros(sum(parameter.numel() for parameter in parameters), np.float32)
    parts = th.from_numpy(whole).split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return whole
