"""A recurrent actor-critic policy that runs whole sequences in one call."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from neurotasks_baselines.agents.arguments import check_policy_arguments, check_rpe_arguments
from neurotasks_baselines.agents.buffers import parts_of
from neurotasks_baselines.agents.checks import (
    check_actions,
    check_array,
    check_observations,
    check_remembered,
    check_starts,
    check_states,
    check_tensors,
    check_whole_steps,
    mistakes_named,
    one_step,
)
from neurotasks_baselines.agents.encoders import PictureEncoder
from neurotasks_baselines.agents.recurrent import GRU, LSTM, RNN, FeedForward
from neurotasks_baselines.errors import ShapeError
from neurotasks_baselines.files import check_trusted

Trunk = Literal["shared", "separate"]
CriticLoss = Literal["expectile", "quantile"]
Cell = Literal["lstm", "gru", "rnn", "feedforward"]

CELLS: dict[str, type[LSTM | GRU | RNN | FeedForward]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "feedforward": FeedForward,
}


class FusedLstmPolicy(RecurrentActorCriticPolicy):
    """sb3-contrib's LSTM policy with fused sequences and a trunk that both heads can shape.

    ``RecurrentActorCriticPolicy`` steps its LSTM in a Python loop over time and cuts the critic
    off from a shared LSTM; the network of Wang et al. 2018 learns from both heads (Methods).
    Images of a Dict observation go through a `PictureEncoder` that actor and critic share.

    Args:
        observation_space: Observation space of the task.
        action_space: Action space of the task.
        *args: As for ``RecurrentActorCriticPolicy``.
        trunk: ``"shared"``: one LSTM trained by policy and value alike, as in the paper;
            ``"separate"``: one for each.
        lstm_hidden_size: Hidden size of each LSTM (48 in the paper; 256 for Harlow).
        net_arch: Hidden layers between LSTM and heads; none in the paper.
        channels: Odd number of channels of the critic; channel i learns the asymmetry
            (i + 1/2) / channels, the only one of a scalar critic 1/2.
        critic_loss: What the channels learn, ``"expectile"`` or ``"quantile"`` statistics of the
            return. The value is the middle expectile, which is the mean, or the mean quantile.
        critic_shapes_trunk: Whether the gradient of the critic reaches the LSTM.
        forget_bias: Number added to the initial bias of the forget gates; a positive one makes an
            LSTM remember before it has learned to (Jozefowicz et al. 2015).
        learned_start: Whether the state of each LSTM where an episode starts is learned, as in
            the paper's simulations 1 to 4 and 6; otherwise it is zero.
        cell: Type of the recurrent layers, ``"lstm"``, ``"gru"`` or ``"rnn"`` (vanilla), or
            ``"feedforward"``, layers without memory for comparison. Other layers than LSTMs leave
            the second half of their states at zero.
        lstm_kwargs: Further arguments of the recurrent layers: ``bias``, ``dropout`` between
            layers, and ``nonlinearity`` of a vanilla RNN or feed-forward layers.
        **kwargs: As for ``RecurrentActorCriticPolicy``, without ``shared_lstm`` and
            ``enable_critic_lstm``, for which there is `trunk`.

    Raises:
        ParameterError: If an argument is none of the above.
    """

    lstm_actor: Any  # one of CELLS
    lstm_critic: Any  # the same, or None

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *args: Any,
        trunk: Trunk = "shared",
        lstm_hidden_size: int = 48,
        net_arch: Any = (),
        channels: int = 1,
        critic_loss: CriticLoss = "expectile",
        critic_shapes_trunk: bool = True,
        forget_bias: float = 0.0,
        learned_start: bool = False,
        cell: Cell = "lstm",
        lstm_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        check_policy_arguments(observation_space, action_space, locals() | kwargs)
        self.trunk, self.cell, self.forget_bias, self.channels = trunk, cell, forget_bias, channels
        self.critic_loss, self.critic_shapes_trunk = critic_loss, critic_shapes_trunk
        self.learned_start = learned_start
        kwargs |= {"shared_lstm": trunk == "shared", "enable_critic_lstm": trunk == "separate"}
        if kwargs.get("optimizer_kwargs") is None and "optimizer_class" not in kwargs:
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, "fused": True}  # one pass over each weight
        if isinstance(observation_space, spaces.Dict):
            kwargs.setdefault("features_extractor_class", PictureEncoder)
        kwargs["net_arch"] = list(net_arch) if isinstance(net_arch, tuple) else net_arch
        # of a vanilla RNN's arguments the parent's LSTM knows no nonlinearity
        known = {k: v for k, v in (lstm_kwargs or {}).items() if k != "nonlinearity"}
        kwargs |= {"lstm_hidden_size": lstm_hidden_size, "lstm_kwargs": known}
        super().__init__(observation_space, action_space, *args, **kwargs)
        self.lstm_kwargs = lstm_kwargs or {}
        for name in ("lstm_actor", "lstm_critic"):
            if (layer := getattr(self, name)) is not None:
                setattr(self, name, self._layer(layer))
        optimizer, lr = self.optimizer_class, self.optimizer.defaults["lr"]
        self.optimizer = optimizer(self.parameters(), lr=lr, **self.optimizer_kwargs)  # type: ignore[call-arg]

    def _layer(self, stock: nn.LSTM) -> LSTM | GRU | RNN | FeedForward:
        """Return the recurrent layers that take the place of the parent's."""
        sizes = stock.input_size, stock.hidden_size, stock.num_layers
        if self.cell != "lstm":
            return CELLS[self.cell](*sizes, **self.lstm_kwargs)
        layer = LSTM(*sizes, **self.lstm_kwargs, device="meta")  # draws no random numbers
        layer.load_state_dict(stock.state_dict(), assign=True)
        n = layer.hidden_size
        for name, parameter in layer.named_parameters():
            if name.startswith("bias_hh"):
                parameter.data[n : 2 * n] += self.forget_bias
        if self.learned_start:
            layer.learn_start()
        return layer

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        if self.channels > 1:
            self.value_net = nn.Linear(self.mlp_extractor.latent_dim_vf, self.channels)
            if self.ortho_init:
                self.init_weights(self.value_net, gain=1)
        self.taus = (th.arange(self.channels) + 0.5) / self.channels

    def _get_constructor_parameters(self) -> dict[str, Any]:
        # The parent forgets its LSTM arguments, so that what it saves cannot be loaded.
        names = "trunk", "channels", "critic_loss", "critic_shapes_trunk", "forget_bias", "cell"
        return {
            **super()._get_constructor_parameters(),
            **{name: getattr(self, name) for name in (*names, "learned_start")},
            "lstm_hidden_size": self.lstm_output_dim,
            "n_lstm_layers": self.lstm_actor.num_layers,
            "lstm_kwargs": self.lstm_kwargs,
        }

    @classmethod
    def load(cls, path: Any, *args: Any, trusted: bool = False, **kwargs: Any) -> Self:
        """Load a policy from the file of ``save``, as ``RecurrentActorCriticPolicy.load`` does.

        Args:
            path: Path of the file.
            *args: As there.
            trusted: Whether you trust the file: it is a pickle, and can run any code.
            **kwargs: As there.

        Raises:
            UntrustedFileError: If the file is not trusted; nothing of it has been read.
        """
        check_trusted(path, trusted)
        return super().load(path, *args, **kwargs)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> Any:
        """Return actions and states, see ``RecurrentActorCriticPolicy.predict``."""
        if state is not None:
            check_remembered(state)
        elif episode_start is None and self.learned_start:  # who remembers nothing starts
            parts = parts_of(self.obs_to_tensor(observation)[0])
            episode_start = np.ones(len(next(iter(parts.values()))), np.bool_)
        return super().predict(observation, state, episode_start, deterministic)

    def set_training_mode(self, mode: bool) -> None:
        """Set all modules to training or evaluation, unless they are; `predict` asks each time."""
        if mode != self.training:
            super().set_training_mode(mode)

    @property
    def tensor_space(self) -> spaces.Space[Any]:
        """The space of the observations `obs_to_tensor` returns: that of the task, or smaller."""
        if isinstance(self.features_extractor, PictureEncoder):
            return self.features_extractor.shrunk_space
        return self.observation_space

    def obs_to_tensor(self, observation: Any) -> tuple[Any, bool]:
        """Return observations as tensors with images shrunk, and whether they are a batch.

        Raises:
            ShapeError: If they are not of the observation space.
        """
        obs: Any
        with mistakes_named(self.observation_space, observation):
            obs, vectorized = super().obs_to_tensor(observation)
            if not all(map(len, parts_of(obs).values())):
                raise ValueError("none")
            if isinstance(self.features_extractor, PictureEncoder):
                obs = self.features_extractor.shrink(obs)
        return obs, vectorized

    def _features(self, obs: Any, states: RNNStates, starts: th.Tensor) -> Any:
        """Return the features of observations; of two encoders, those for actor and critic."""
        check_tensors(**{"starts": starts, "states.pi": states.pi, "states.vf": states.vf})
        steps, columns = check_starts(starts)
        if self.lstm_critic is None:  # the actor's states are taken, and those of no other agent
            layers, _, units = self.lstm_hidden_state_shape
            check_states(states.vf, (layers, columns, units))
        try:
            check_observations(self.tensor_space, obs, steps * columns)
        except ShapeError:  # images that are not shrunk may be given, too
            check_observations(self.observation_space, obs, steps * columns)
        return self.extract_features(obs)

    def distribution(self, latents: th.Tensor) -> Distribution:
        """Return the policy, given the LSTM's output for the actor, (samples, units)."""
        return self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(latents))

    def predict_channels(self, latents: th.Tensor) -> th.Tensor:
        """Return the critic's channels, (samples, channels), given the LSTM's output for it."""
        if not self.critic_shapes_trunk:
            latents = latents.detach()
        return self.value_net(self.mlp_extractor.forward_critic(latents))

    def value_of(self, channels: th.Tensor) -> th.Tensor:
        """Return the expected return, (samples, 1), given the channels, (samples, channels)."""
        if self.critic_loss == "quantile":
            return channels.mean(dim=1, keepdim=True)
        return channels[:, self.channels // 2, None]

    def forward(
        self,
        obs: th.Tensor,
        lstm_states: RNNStates,
        episode_starts: th.Tensor,
        deterministic: bool = False,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, RNNStates]:
        """Take one step in every environment; see ``RecurrentActorCriticPolicy.forward``."""
        (pi, vf), states = self.run(obs, lstm_states, one_step(obs, episode_starts))
        distribution = self.distribution(pi)
        actions = distribution.get_actions(deterministic=deterministic)
        log_prob = distribution.log_prob(actions)
        actions = actions.reshape((-1, *(self.action_space.shape or ())))
        return actions, self.value_of(self.predict_channels(vf)), log_prob, states

    def get_distribution(
        self, obs: th.Tensor, lstm_states: Any, episode_starts: th.Tensor
    ) -> tuple[Distribution, Any]:
        """Return the policy after one step; see ``RecurrentActorCriticPolicy``."""
        both = RNNStates(lstm_states, lstm_states)
        (pi, _), states = self.run(obs, both, one_step(obs, episode_starts), critic=False)
        return self.distribution(pi), states.pi

    def predict_values(
        self, obs: th.Tensor, lstm_states: Any, episode_starts: th.Tensor
    ) -> th.Tensor:
        """Return the values after one step; see ``RecurrentActorCriticPolicy``."""
        states = RNNStates(lstm_states, lstm_states)
        (_, vf), _ = self.run(obs, states, one_step(obs, episode_starts))
        return self.value_of(self.predict_channels(vf))

    def evaluate_actions(
        self, obs: th.Tensor, actions: th.Tensor, lstm_states: RNNStates, episode_starts: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        """Evaluate whole columns; see ``RecurrentActorCriticPolicy``.

        All arguments hold step after step, (steps * columns, ...); the states are those before the
        first step of each column. Entropies without a formula are None.

        Raises:
            ShapeError: If observations, actions, states and starts are not of the same steps.
        """
        starts = one_step(obs, episode_starts)
        check_actions(self.action_space, actions, starts.numel())
        columns = check_whole_steps(starts.numel(), lstm_states.pi)
        (pi, vf), _ = self.run(obs, lstm_states, starts.view(-1, columns))
        return self.value_of(self.predict_channels(vf)), *self.evaluate_latents(pi, actions)

    def evaluate_latents(
        self, latents: th.Tensor, actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor | None]:
        """Return log-probabilities and entropies, given the LSTM's output for the actor."""
        if not isinstance(self.action_space, spaces.Discrete):
            chosen = self.distribution(latents)
            return chosen.log_prob(actions.reshape(len(actions), -1).float()), chosen.entropy()
        log_probs = self.logits(latents).log_softmax(dim=0)
        log_prob = log_probs.gather(0, actions.long().view(1, -1))[0]
        return log_prob, -(log_probs.exp() * log_probs).sum(dim=0)

    def logits(self, latents: th.Tensor) -> th.Tensor:
        """Return logits, (actions, samples): a softmax along a short last axis would be slow."""
        return self.action_net(self.mlp_extractor.forward_actor(latents)).t().contiguous()

    def run(
        self, obs: th.Tensor, states: RNNStates, starts: th.Tensor, critic: bool = True
    ) -> tuple[tuple[th.Tensor, th.Tensor], RNNStates]:
        """Return the LSTMs' outputs, each (steps * columns, units), and the states after them.

        Args:
            obs: Observations, step after step, (steps * columns, ...).
            states: States before the first step of each column.
            starts: 1 where an episode starts, else 0, (steps, columns).
            critic: Whether to run the LSTM of a separate critic.

        Raises:
            ShapeError: If the shape of anything does not fit.
        """
        features = self._features(obs, states, starts)
        pi, vf = (features, features) if self.share_features_extractor else features
        latent_pi, after_pi = self.lstm_actor(pi.view(*starts.shape, -1), states.pi, starts)
        latent_pi = latent_pi.flatten(0, 1)
        if self.lstm_critic is None or not critic:
            return (latent_pi, latent_pi), RNNStates(after_pi, after_pi)
        latent_vf, after_vf = self.lstm_critic(vf.view(*starts.shape, -1), states.vf, starts)
        return (latent_pi, latent_vf.flatten(0, 1)), RNNStates(after_pi, after_vf)


class RpeLstmPolicy(FusedLstmPolicy):
    """Two LSTMs; the actor's gets the RPE as input instead of the reward.

    Wang et al. 2018, simulation 6: the signal that dopamine carries to the policy network can then
    be stimulated and blocked, see `neurotasks_baselines.agents.interventions`. The RPE of an
    observation is r + gamma V minus the previous V, both from the critic's network; it is an
    input, no gradient goes through it. Observations end with the previous reward.

    Args:
        *args: As for `FusedLstmPolicy`.
        gamma: Discount of the RPE.
        **kwargs: As for `FusedLstmPolicy`, without `trunk`.
    """

    def __init__(self, *args: Any, gamma: float = 0.9, **kwargs: Any) -> None:
        check_rpe_arguments(gamma, kwargs)
        self.gamma = gamma
        self.rpe_offset: th.Tensor | None = None  # (num_envs,), added to the RPE of a step
        self.frozen = False  # the RPE is then that from the value of a state of zeros
        super().__init__(*args, **kwargs | {"trunk": "separate"})
        layers, _, units = self.lstm_hidden_state_shape
        self.lstm_hidden_state_shape = 2 * layers, 1, units  # `predict` remembers both networks

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"gamma": self.gamma}

    def get_distribution(
        self, obs: th.Tensor, lstm_states: Any, episode_starts: th.Tensor
    ) -> tuple[Distribution, Any]:
        """Return the policy after one step; the states are the actor's, then the critic's."""
        starts, (layers, _, units) = one_step(obs, episode_starts), self.lstm_hidden_state_shape
        check_states(lstm_states, (layers, starts.numel(), units))
        both = RNNStates(*zip(*(state.chunk(2) for state in lstm_states), strict=True))
        (pi, _), after = self.run(obs, both, starts)
        states = tuple(th.cat(pair) for pair in zip(after.pi, after.vf, strict=True))
        return self.distribution(pi), states

    def run(
        self, obs: th.Tensor, states: RNNStates, starts: th.Tensor, critic: bool = True
    ) -> tuple[tuple[th.Tensor, th.Tensor], RNNStates]:
        """Run the critic's LSTM, then the actor's; see `FusedLstmPolicy.run`."""
        features = self._features(obs, states, starts).view(*starts.shape, -1)
        if self.rpe_offset is not None:
            check_array("rpe_offset", self.rpe_offset, (starts.shape[1],))
        outputs, after_vf = self.lstm_critic(features, states.vf, starts)
        latent_vf = outputs.flatten(0, 1)
        with th.no_grad():
            values = self.value_of(self.predict_channels(latent_vf)).view(starts.shape)
            first = self.value_of(self.predict_channels(states.vf[0][-1])).view(1, -1)
            before = th.cat([first, values[:-1]])
            if self.frozen:
                zeros = th.zeros_like(latent_vf)
                before = self.value_of(self.predict_channels(zeros)).view(starts.shape)
            rpe = (features[..., -1] + self.gamma * values - before) * (1 - starts)
            if self.rpe_offset is not None:
                rpe = rpe + self.rpe_offset
        inputs = th.cat([features[..., :-1], rpe.unsqueeze(-1)], dim=-1)
        outputs, after_pi = self.lstm_actor(inputs, states.pi, starts)
        return (outputs.flatten(0, 1), latent_vf), RNNStates(after_pi, after_vf)
