"""A recurrent actor-critic policy that runs whole sequences in one LSTM call."""

from __future__ import annotations

from typing import Any, Literal

import torch as th
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import CategoricalDistribution
from torch import nn

Trunk = Literal["shared", "separate"]
PIECES, STEPS = 8, 16  # what the shape of a batch of pieces is rounded up to
States = tuple[th.Tensor, ...]


def run_sequences(inputs: th.Tensor, states: States, starts: th.Tensor, lstm: nn.LSTM) -> th.Tensor:
    """Run an LSTM over columns of steps in which episodes may begin anywhere.

    Columns are cut where an episode begins, the pieces laid side by side and run in one call. A
    column without a cut, the rule where all lanes play episodes of one length, stays whole.

    Args:
        inputs: (steps, columns, features).
        states: hidden and cell state before the first step, each (layers, columns, units).
        starts: (steps, columns), 1 where an episode begins: the state is zero before that step.
        lstm: the LSTM.

    Returns:
        The outputs, (steps, columns, units).
    """
    keep = (1.0 - starts[0]).view(1, -1, 1)
    states = (states[0] * keep, states[1] * keep)
    steps, columns, _ = inputs.shape
    cuts = starts[1:].T.nonzero()
    if len(cuts) == 0:
        return lstm(inputs, states)[0]

    # A piece is a column, a first step and a length; sorted by column, then by step.
    column = th.cat([th.arange(columns, device=cuts.device), cuts[:, 0]])
    first = th.cat([column.new_zeros(columns), cuts[:, 1] + 1])
    order = (column * steps + first).argsort()
    column, first = column[order], first[order]
    end = th.where(column == column.roll(-1), first.roll(-1), steps)
    end[-1] = steps
    length = end - first

    # oneDNN keeps a kernel for each shape it has met, half a megabyte a piece: let it meet few.
    spare = -len(column) % PIECES
    column, first, length = (th.cat([t, t.new_zeros(spare)]) for t in (column, first, length))
    longest = int(length.max())
    offset = th.arange(longest + -longest % STEPS, device=column.device)[:, None]
    inside = offset < length
    step = (first + offset).clamp(max=steps - 1)  # past the end of a piece any step will do
    carried = (first == 0).to(inputs.dtype).view(1, -1, 1)
    begin = (states[0][:, column] * carried, states[1][:, column] * carried)
    outputs, _ = lstm(inputs[step, column], begin)
    place = (step * columns + column)[inside]
    flat = outputs.new_zeros(steps * columns, outputs.shape[2])
    return flat.index_copy(0, place, outputs[inside]).view(steps, columns, -1)


def step_lstm(features: th.Tensor, states: States, keep: th.Tensor, lstm: nn.LSTM) -> States:
    """Run an LSTM for one step.

    Args:
        features: (lanes, features).
        states: hidden and cell state, each (layers, lanes, units).
        keep: (1, lanes, 1), 0 where the state is to be zero before the step.
        lstm: the LSTM.

    Returns:
        The states after the step; the output is the last layer's hidden state.
    """
    hidden, cell = states[0] * keep, states[1] * keep
    if lstm.num_layers > 1 or lstm.proj_size > 0:
        return lstm(features.unsqueeze(0), (hidden, cell))[1]
    weights = (lstm.weight_ih_l0, lstm.weight_hh_l0)
    biases = (lstm.bias_ih_l0, lstm.bias_hh_l0) if lstm.bias else ()
    # Half the time of nn.LSTM for a single step.
    hidden, cell = th.lstm_cell(features, (hidden[0], cell[0]), *weights, *biases)
    return hidden.unsqueeze(0), cell.unsqueeze(0)


class FusedLstmPolicy(RecurrentActorCriticPolicy):
    """sb3-contrib's LSTM policy with fused sequences, and a trunk that both heads can shape.

    ``RecurrentActorCriticPolicy`` steps its LSTM in a Python loop over time, and cuts the critic
    off from a shared LSTM; the network of Wang et al. 2018 learns from both heads (Methods).

    Args:
        *args: as for ``RecurrentActorCriticPolicy``.
        trunk: ``"shared"``: one LSTM, trained by policy and value alike, as in the paper;
            ``"separate"``: one for each.
        lstm_hidden_size: units of each LSTM (paper: 48; Harlow 256).
        net_arch: hidden layers between LSTM and heads; none in the paper.
        **kwargs: as for ``RecurrentActorCriticPolicy``.
    """

    def __init__(
        self,
        *args: Any,
        trunk: Trunk = "shared",
        lstm_hidden_size: int = 48,
        net_arch: Any = (),
        **kwargs: Any,
    ) -> None:
        if trunk not in ("shared", "separate"):
            raise ValueError(f"trunk={trunk!r} came, but it must be 'shared' or 'separate'.")
        self.trunk = trunk
        kwargs |= {"shared_lstm": trunk == "shared", "enable_critic_lstm": trunk == "separate"}
        kwargs |= {"lstm_hidden_size": lstm_hidden_size}
        kwargs |= {"net_arch": list(net_arch) if isinstance(net_arch, tuple) else net_arch}
        super().__init__(*args, **kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        # The parent forgets its LSTM arguments, so that what it saves cannot be loaded.
        data = super()._get_constructor_parameters()
        data |= {"trunk": self.trunk, "lstm_hidden_size": self.lstm_output_dim}
        data |= {"n_lstm_layers": self.lstm_actor.num_layers, "lstm_kwargs": self.lstm_kwargs}
        return data

    def act(
        self, obs: th.Tensor, states: RNNStates, starts: th.Tensor, *, critic: bool
    ) -> tuple[th.Tensor, RNNStates]:
        """Draw one action for every lane, and nothing else.

        Args:
            obs: (lanes, ...).
            states: of the LSTMs, before the step.
            starts: (lanes,), 1 where an episode begins.
            critic: whether to step a separate critic's LSTM too.

        Returns:
            The actions, and the states after the step.
        """
        pi_features, vf_features = self._features(obs)
        keep = (1.0 - starts).view(1, -1, 1)
        states_pi = step_lstm(pi_features, states.pi, keep, self.lstm_actor)
        states_vf = states.vf
        if self.lstm_critic is None:
            states_vf = states_pi
        elif critic:
            states_vf = step_lstm(vf_features, states.vf, keep, self.lstm_critic)
        latent = self.mlp_extractor.forward_actor(states_pi[0][-1])
        if isinstance(self.action_dist, CategoricalDistribution):
            # Exponential race: the draw of torch's Categorical in a third of the time.
            logits = self.action_net(latent)
            actions = (logits - th.empty_like(logits).exponential_().log()).argmax(dim=1)
        else:
            actions = self._get_action_dist_from_latent(latent).get_actions()
        return actions, RNNStates(states_pi, states_vf)

    def forward(
        self,
        obs: th.Tensor,
        lstm_states: RNNStates,
        episode_starts: th.Tensor,
        deterministic: bool = False,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, RNNStates]:
        """Take one step on every lane; see ``RecurrentActorCriticPolicy.forward``."""
        pi_features, vf_features = self._features(obs)
        keep = (1.0 - episode_starts).view(1, -1, 1)
        states_pi = states_vf = step_lstm(pi_features, lstm_states.pi, keep, self.lstm_actor)
        if self.lstm_critic is not None:
            states_vf = step_lstm(vf_features, lstm_states.vf, keep, self.lstm_critic)
        latent_pi = self.mlp_extractor.forward_actor(states_pi[0][-1])
        values = self.value_net(self.mlp_extractor.forward_critic(states_vf[0][-1]))
        distribution = self._get_action_dist_from_latent(latent_pi)
        actions = distribution.get_actions(deterministic=deterministic)
        log_prob = distribution.log_prob(actions)
        actions = actions.reshape((-1, *(self.action_space.shape or ())))
        return actions, values, log_prob, RNNStates(states_pi, states_vf)

    def evaluate_actions(
        self,
        obs: th.Tensor,
        actions: th.Tensor,
        lstm_states: RNNStates,
        episode_starts: th.Tensor,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """Evaluate whole columns; see ``RecurrentActorCriticPolicy.evaluate_actions``."""
        latent_pi, latent_vf = self.latents(obs, lstm_states, episode_starts)
        values = self.value_net(self.mlp_extractor.forward_critic(latent_vf))
        latent_pi = self.mlp_extractor.forward_actor(latent_pi)
        if isinstance(self.action_dist, CategoricalDistribution):
            # As Categorical does, without its checks and copies.
            log_probs = self.action_net(latent_pi).log_softmax(dim=1)
            log_prob = log_probs.gather(1, actions.long().view(-1, 1))[:, 0]
            return values, log_prob, -(log_probs.exp() * log_probs).sum(dim=1)
        distribution: Any = self._get_action_dist_from_latent(latent_pi)
        return values, distribution.log_prob(actions), distribution.entropy()

    def latents(
        self, obs: th.Tensor, lstm_states: RNNStates, episode_starts: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """Return what the LSTMs put out over whole columns, for the actor and for the critic.

        Args:
            obs: (columns * steps, ...), column after column.
            lstm_states: the states before the first step of each column.
            episode_starts: (columns * steps,).

        Returns:
            Two tensors (columns * steps, units).
        """
        columns = lstm_states.pi[0].shape[1]
        pi_features, vf_features = self._features(obs)
        starts = episode_starts.view(columns, -1).T

        def run(features: th.Tensor, states: States, lstm: nn.LSTM) -> th.Tensor:
            inputs = features.view(columns, -1, features.shape[1]).transpose(0, 1)
            return run_sequences(inputs, states, starts, lstm).transpose(0, 1).flatten(0, 1)

        latent_pi = run(pi_features, lstm_states.pi, self.lstm_actor)
        if self.lstm_critic is None:
            return latent_pi, latent_pi
        return latent_pi, run(vf_features, lstm_states.vf, self.lstm_critic)

    def _features(self, obs: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        features: Any = self.extract_features(obs)
        return (features, features) if self.share_features_extractor else features
