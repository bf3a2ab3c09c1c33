"""A recurrent actor-critic policy that runs whole sequences in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from neurotasks_baselines.agents.encoders import PictureEncoder
from neurotasks_baselines.agents.lstm import run_lstm
from neurotasks_baselines.agents.rnn import run_gru, run_rnn

Trunk = Literal["shared", "separate"]
CriticLoss = Literal["expectile", "quantile"]
Cell = Literal["lstm", "gru", "rnn"]

CELLS: dict[str, tuple[type[nn.RNNBase], Callable[..., Any]]] = {
    "lstm": (nn.LSTM, run_lstm),
    "gru": (nn.GRU, run_gru),
    "rnn": (nn.RNN, run_rnn),
}


class FusedLstmPolicy(RecurrentActorCriticPolicy):
    """sb3-contrib's LSTM policy with fused sequences, and a trunk that both heads can shape.

    ``RecurrentActorCriticPolicy`` steps its LSTM in a Python loop over time, and cuts the critic
    off from a shared LSTM; the network of Wang et al. 2018 learns from both heads (Methods).
    The LSTMs run in compiled code, see `neurotasks_baselines.agents.lstm`. Other cells take their
    place under the same names; their states keep a second half, which stays zero.
    Pictures of a Dict observation go through a `PictureEncoder`, one for actor and critic.

    Args:
        observation_space: of the task.
        *args: as for ``RecurrentActorCriticPolicy``.
        trunk: ``"shared"``: one LSTM, trained by policy and value alike, as in the paper;
            ``"separate"``: one for each.
        lstm_hidden_size: units of each LSTM (paper: 48; Harlow 256).
        net_arch: hidden layers between LSTM and heads; none in the paper.
        channels: of the critic, an odd number; channel i learns asymmetry (i + 1/2) / channels. The
            only one of a scalar critic has 1/2.
        critic_loss: whether the channels learn ``"expectile"`` or ``"quantile"`` statistics of the
            return. The value is the middle expectile, which is the mean, or the mean quantile.
        critic_shapes_trunk: whether the gradient of the critic reaches the LSTM.
        forget_bias: added to the bias of the forget gates at the start: an LSTM that remembers
            before it has learned to, learns to sooner (Jozefowicz et al. 2015). Others have none.
        cell: of the recurrent layers, ``"lstm"``, ``"gru"`` or ``"rnn"`` (vanilla, tanh).
        **kwargs: as for ``RecurrentActorCriticPolicy``.

    Raises:
        ValueError: if an argument is none of the above, or an LSTM's came with another cell.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *args: Any,
        trunk: Trunk = "shared",
        lstm_hidden_size: int = 48,
        net_arch: Any = (),
        channels: int = 1,
        critic_loss: CriticLoss = "expectile",
        critic_shapes_trunk: bool = True,
        forget_bias: float = 0.0,
        cell: Cell = "lstm",
        **kwargs: Any,
    ) -> None:
        if critic_loss not in ("expectile", "quantile"):
            raise ValueError(
                f"critic_loss={critic_loss!r} came, but it must be 'expectile' or 'quantile'."
            )
        if channels < 1 or channels % 2 == 0:
            raise ValueError(
                f"channels={channels} came, but an odd number is wanted: the middle channel is "
                "the mean."
            )
        if cell not in CELLS:
            raise ValueError(f"cell={cell!r} came, but it must be 'lstm', 'gru' or 'rnn'.")
        if forget_bias and cell != "lstm":
            raise ValueError(
                f"forget_bias={forget_bias} came with cell={cell!r}, but only an LSTM has forget "
                "gates. Leave it out, or use cell='lstm'."
            )
        self.channels, self.critic_loss = channels, critic_loss
        self.critic_shapes_trunk, self.forget_bias = critic_shapes_trunk, forget_bias
        if trunk not in ("shared", "separate"):
            raise ValueError(f"trunk={trunk!r} came, but it must be 'shared' or 'separate'.")
        self.trunk = trunk
        kwargs |= {"shared_lstm": trunk == "shared", "enable_critic_lstm": trunk == "separate"}
        kwargs |= {"lstm_hidden_size": lstm_hidden_size}
        if kwargs.get("optimizer_kwargs") is None and "optimizer_class" not in kwargs:
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, "fused": True}  # one pass over each weight
        kwargs |= {"net_arch": list(net_arch) if isinstance(net_arch, tuple) else net_arch}
        if isinstance(observation_space, spaces.Dict):
            kwargs.setdefault("features_extractor_class", PictureEncoder)
        super().__init__(observation_space, *args, **kwargs)
        self.cell = cell
        module, self.run_cell = CELLS[cell]
        if cell != "lstm":  # the only one the parent builds
            for name in ("lstm_actor", "lstm_critic"):
                if (lstm := getattr(self, name)) is not None:
                    sizes = lstm.input_size, lstm.hidden_size, lstm.num_layers
                    setattr(self, name, module(*sizes, **self.lstm_kwargs))
            keywords: Any = {"lr": self.optimizer.defaults["lr"], **self.optimizer_kwargs}
            self.optimizer = self.optimizer_class(self.parameters(), **keywords)
        for lstm in (self.lstm_actor, self.lstm_critic):
            for name, parameter in lstm.named_parameters() if lstm is not None else ():
                if name.startswith("bias_hh"):
                    n = len(parameter) // 4
                    parameter.data[n : 2 * n] += forget_bias

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        if self.channels > 1:
            self.value_net = nn.Linear(self.mlp_extractor.latent_dim_vf, self.channels)
            if self.ortho_init:
                self.init_weights(self.value_net, gain=1)
        self.taus = (th.arange(self.channels) + 0.5) / self.channels

    def _get_constructor_parameters(self) -> dict[str, Any]:
        # The parent forgets its LSTM arguments, so that what it saves cannot be loaded.
        data = super()._get_constructor_parameters()
        data |= {"trunk": self.trunk, "lstm_hidden_size": self.lstm_output_dim}
        data |= {"channels": self.channels, "critic_loss": self.critic_loss}
        data |= {"critic_shapes_trunk": self.critic_shapes_trunk}
        data |= {"forget_bias": self.forget_bias, "cell": self.cell}
        data |= {"n_lstm_layers": self.lstm_actor.num_layers, "lstm_kwargs": self.lstm_kwargs}
        return data

    @property
    def plain(self) -> bool:
        """Whether `CompiledActor` and `CompiledLearner` can run and train it.

        That is one layer of LSTM on the CPU without hidden layers behind it, vectors in, one of n
        out, nothing frozen, no hooks on gradients, no subclass.
        """
        space, layers = self.observation_space, self.mlp_extractor
        return (
            type(self) is FusedLstmPolicy
            and type(self.features_extractor) is FlattenExtractor
            and (self.cell, self.lstm_actor.num_layers) == ("lstm", 1)
            and self.lstm_actor.bias
            and isinstance(space, spaces.Box)
            and space.dtype == np.float32
            and len(space.shape) == 1
            and isinstance(self.action_space, spaces.Discrete)
            and not len(layers.policy_net) + len(layers.value_net)
            and self.device.type == "cpu"
            and all(p.requires_grad and not p._backward_hooks for p in self.parameters())
        )

    @property
    def tensor_space(self) -> spaces.Space[Any]:
        """The space of the observations `obs_to_tensor` returns: that of the task, or smaller."""
        if isinstance(self.features_extractor, PictureEncoder):
            return self.features_extractor.shrunk_space
        return self.observation_space

    def obs_to_tensor(self, observation: Any) -> tuple[Any, bool]:
        """Return observations as tensors with pictures shrunk, and whether there are lanes."""
        obs, vectorized = super().obs_to_tensor(observation)
        if isinstance(self.features_extractor, PictureEncoder):
            obs = self.features_extractor.shrink(obs)
        return obs, vectorized

    def act(
        self, obs: th.Tensor, states: RNNStates, starts: th.Tensor
    ) -> tuple[th.Tensor, tuple[th.Tensor, th.Tensor], RNNStates]:
        """Draw one action for every lane, and nothing else.

        Args:
            obs: (lanes, ...).
            states: of the LSTMs, before the step.
            starts: (lanes,), 1 where an episode begins.

        Returns:
            The actions, what the LSTMs put out for actor and critic, and their states after.
        """
        latents, states = self._run(obs, states, starts.view(1, -1))
        pi = self.mlp_extractor.forward_actor(latents[0])
        if isinstance(self.action_dist, CategoricalDistribution):
            # Exponential race: the draw of torch's Categorical in a third of the time.
            logits = self._logits(pi)
            raced = logits - th.empty_like(logits).exponential_().log_()
            actions = raced.max(dim=0).indices  # faster than argmax
        else:
            actions = self._get_action_dist_from_latent(pi).get_actions()
        return actions, latents, states

    def forward(
        self,
        obs: th.Tensor,
        lstm_states: RNNStates,
        episode_starts: th.Tensor,
        deterministic: bool = False,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, RNNStates]:
        """Take one step on every lane; see ``RecurrentActorCriticPolicy.forward``."""
        latents, states = self._run(obs, lstm_states, episode_starts.view(1, -1))
        values = self.value_of(self.predict_channels(latents[1]))
        distribution = self._get_action_dist_from_latent(
            self.mlp_extractor.forward_actor(latents[0])
        )
        actions = distribution.get_actions(deterministic=deterministic)
        log_prob = distribution.log_prob(actions)
        actions = actions.reshape((-1, *(self.action_space.shape or ())))
        return actions, values, log_prob, states

    def get_distribution(
        self, obs: th.Tensor, lstm_states: Any, episode_starts: th.Tensor
    ) -> tuple[Distribution, Any]:
        """Return the policy after one step; see ``RecurrentActorCriticPolicy``."""
        both = RNNStates(lstm_states, lstm_states)
        latents, states = self._run(obs, both, episode_starts.view(1, -1), critic=False)
        pi = self.mlp_extractor.forward_actor(latents[0])
        return self._get_action_dist_from_latent(pi), states.pi

    def predict_values(
        self, obs: th.Tensor, lstm_states: Any, episode_starts: th.Tensor
    ) -> th.Tensor:
        """Return the values after one step; see ``RecurrentActorCriticPolicy``."""
        both = RNNStates(lstm_states, lstm_states)
        latents, _ = self._run(obs, both, episode_starts.view(1, -1))
        return self.value_of(self.predict_channels(latents[1]))

    def predict_channels(self, latents: th.Tensor) -> th.Tensor:
        """Return the critic's channels, (samples, channels), from the LSTM's output for it."""
        if not self.critic_shapes_trunk:
            latents = latents.detach()
        return self.value_net(self.mlp_extractor.forward_critic(latents))

    def value_of(self, channels: th.Tensor) -> th.Tensor:
        """Return the expected return, (samples, 1), from the channels, (samples, channels)."""
        if self.critic_loss == "quantile":
            return channels.mean(dim=1, keepdim=True)
        return channels[:, self.channels // 2, None]

    def evaluate_actions(
        self, obs: th.Tensor, actions: th.Tensor, lstm_states: RNNStates, episode_starts: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """Evaluate sequences, as ``RecurrentActorCriticPolicy.evaluate_actions`` does.

        Args:
            obs: (steps * columns, ...), step after step.
            actions: (steps * columns, ...).
            lstm_states: the states before the first step of each column.
            episode_starts: (steps * columns,).

        Returns:
            Values, log-probabilities and entropies, (steps * columns,) each.
        """
        pi, vf = self.latents(obs, lstm_states, episode_starts)
        return self.value_of(self.predict_channels(vf)), *self.evaluate_choices(pi, actions)

    def evaluate_choices(
        self, latents: th.Tensor, actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """Return log-probabilities and entropies, (samples,) each.

        Args:
            latents: what the LSTM put out for the actor, (samples, units).
            actions: (samples, ...).
        """
        latent_pi = self.mlp_extractor.forward_actor(latents)
        if isinstance(self.action_dist, CategoricalDistribution):
            # As Categorical does, without its checks and copies.
            log_probs = self._logits(latent_pi).log_softmax(dim=0)
            log_prob = log_probs.gather(0, actions.long().view(1, -1))[0]
            return log_prob, -(log_probs.exp() * log_probs).sum(dim=0)
        distribution: Any = self._get_action_dist_from_latent(latent_pi)
        return distribution.log_prob(actions), distribution.entropy()

    def _logits(self, latent_pi: th.Tensor) -> th.Tensor:
        """Return the logits of discrete actions, (actions, samples).

        Along a short last axis a softmax would take ten times longer.
        """
        net: Any = self.action_net
        return th.addmm(net.bias[:, None], net.weight, latent_pi.t())

    def latents(
        self, obs: th.Tensor, lstm_states: RNNStates, episode_starts: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """Return what the LSTMs put out over whole columns, for the actor and for the critic.

        Args:
            obs: (steps * columns, ...), step after step.
            lstm_states: the states before the first step of each column.
            episode_starts: (steps * columns,).

        Returns:
            Two tensors (steps * columns, units).
        """
        columns = lstm_states.pi[0].shape[1]
        return self._run(obs, lstm_states, episode_starts.view(-1, columns))[0]

    def _run(
        self, obs: th.Tensor, states: RNNStates, starts: th.Tensor, critic: bool = True
    ) -> tuple[tuple[th.Tensor, th.Tensor], RNNStates]:
        """Run the LSTMs over columns of steps.

        Args:
            obs: (steps * columns, ...), step after step.
            states: before the first step of each column.
            starts: (steps, columns), 1 where an episode begins.
            critic: whether to run a separate critic's LSTM.

        Returns:
            Outputs for actor and critic, (steps * columns, units), and the states after.
        """
        features: Any = self.extract_features(obs)
        pi, vf = (features, features) if self.share_features_extractor else features
        steps, columns = starts.shape

        def run(
            features: th.Tensor, before: tuple[th.Tensor, ...], lstm: nn.RNNBase
        ) -> tuple[th.Tensor, tuple[th.Tensor, ...]]:
            outputs, after = self.run_cell(lstm, features.view(steps, columns, -1), before, starts)
            return outputs.flatten(0, 1), after

        latent_pi, after_pi = run(pi, states.pi, self.lstm_actor)
        if self.lstm_critic is None or not critic:
            return (latent_pi, latent_pi), RNNStates(after_pi, after_pi)
        latent_vf, after_vf = run(vf, states.vf, self.lstm_critic)
        return (latent_pi, latent_vf), RNNStates(after_pi, after_vf)


class RpeLstmPolicy(FusedLstmPolicy):
    """Two LSTMs, of which the actor's is told the RPE instead of the reward.

    Wang et al. 2018, simulation 6: what dopamine brings to the policy network can then be
    stimulated and blocked, see `neurotasks_baselines.agents.interventions`. The RPE of an
    observation is r + gamma V minus the V before, both from the critic's network; it is an input,
    no gradient goes through it. Observations end with the previous reward.

    Args:
        *args: as for `FusedLstmPolicy`.
        gamma: the discount of the RPE.
        **kwargs: as for `FusedLstmPolicy`, without `trunk`.
    """

    def __init__(self, *args: Any, gamma: float = 0.9, **kwargs: Any) -> None:
        self.gamma = gamma
        self.rpe_offset: th.Tensor | None = None  # (lanes,), added to the RPE of a step
        super().__init__(*args, **kwargs | {"trunk": "separate"})
        layers, _, units = self.lstm_hidden_state_shape
        self.lstm_hidden_state_shape = 2 * layers, 1, units  # `predict` remembers both networks

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"gamma": self.gamma}

    def get_distribution(
        self, obs: th.Tensor, lstm_states: Any, episode_starts: th.Tensor
    ) -> tuple[Distribution, Any]:
        """Return the policy after one step; the states are the actor's, then the critic's."""
        both = RNNStates(*zip(*(state.chunk(2) for state in lstm_states), strict=True))
        (latent_pi, _), after = self._run(obs, both, episode_starts.view(1, -1))
        states = tuple(th.cat(pair) for pair in zip(after.pi, after.vf, strict=True))
        pi = self.mlp_extractor.forward_actor(latent_pi)
        return self._get_action_dist_from_latent(pi), states

    def _run(
        self, obs: th.Tensor, states: RNNStates, starts: th.Tensor, critic: bool = True
    ) -> tuple[tuple[th.Tensor, th.Tensor], RNNStates]:
        features: Any = self.extract_features(obs)
        steps, columns = starts.shape
        features = features.view(steps, columns, -1)
        outputs, after_vf = self.run_cell(self.lstm_critic, features, states.vf, starts)
        latent_vf = outputs.flatten(0, 1)
        with th.no_grad():
            values = self.value_of(self.predict_channels(latent_vf)).view(steps, columns)
            first = self.value_of(self.predict_channels(states.vf[0][-1])).view(1, columns)
            before = th.cat([first, values[:-1]])
            rpe = (features[..., -1] + self.gamma * values - before) * (1 - starts)
            if self.rpe_offset is not None:
                rpe = rpe + self.rpe_offset
        inputs = th.cat([features[..., :-1], rpe.unsqueeze(-1)], dim=-1)
        outputs, after_pi = self.run_cell(self.lstm_actor, inputs, states.pi, starts)
        return (outputs.flatten(0, 1), latent_vf), RNNStates(after_pi, after_vf)
