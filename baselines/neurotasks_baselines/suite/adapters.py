"""Adapters that give agents of other libraries the ``predict`` of Stable-Baselines3.

Models of Stable-Baselines3 and sb3-contrib have it, and plain functions are taken by
`neurotasks_baselines.suite.agents.as_agent`. Each class here is what one library needs, and imports
no more of it than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CleanRLAgent:
    """Agent in the shape of CleanRL's ``ppo_atari_lstm.py``.

    Attributes:
        module: Module with ``lstm``, ``actor``, ``get_states(x, lstm_state, done)`` and
            ``get_action_and_value(x, lstm_state, done)``.
    """

    module: Any

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the actions for a batch of observations, and the LSTM's state after them."""
        import torch

        lstm, device = self.module.lstm, next(self.module.parameters()).device
        x = torch.as_tensor(observation, dtype=torch.float32, device=device)
        if state is None:
            zeros = torch.zeros(lstm.num_layers, len(x), lstm.hidden_size, device=device)
            state = zeros, zeros
        done = torch.zeros(len(x)) if episode_start is None else torch.as_tensor(episode_start)
        done = done.to(device, torch.float32)
        with torch.no_grad():
            if deterministic:
                hidden, state = self.module.get_states(x, state, done)
                action = self.module.actor(hidden).argmax(dim=-1)
            else:
                action, *_, state = self.module.get_action_and_value(x, state, done)
        return action.cpu().numpy(), state


@dataclass(frozen=True)
class TorchRLAgent:
    """Policy of TorchRL, a ``TensorDictModule`` with TorchRL's ``LSTMModule`` or ``GRUModule``.

    Attributes:
        policy: Module that reads ``observation`` and ``is_init`` and writes ``action``, one-hot or
            an index, and the recurrent state under ``next``.
        device: Device of its weights.
    """

    policy: Any
    device: str = "cpu"

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the actions for a batch of observations, and the recurrent state after them."""
        import torch
        from tensordict import TensorDict
        from torchrl.envs.utils import ExplorationType, set_exploration_type

        seen = torch.as_tensor(observation, dtype=torch.float32)
        start = torch.zeros(len(seen)) if episode_start is None else torch.as_tensor(episode_start)
        data = {} if state is None else dict(state.items())
        data |= {"observation": seen, "is_init": start.bool()[:, None]}
        step = TensorDict(data, [len(seen)]).to(self.device)
        mode = ExplorationType.DETERMINISTIC if deterministic else ExplorationType.RANDOM
        with torch.no_grad(), set_exploration_type(mode):
            step = self.policy(step)
        action = step["action"].cpu().numpy()
        if action.ndim > 1 and action.shape[-1] > 1:  # one-hot
            action = action.argmax(axis=-1)
        return np.asarray(action).reshape(len(seen)), step["next"]


@dataclass(frozen=True)
class RLlibAgent:
    """Module of RLlib with discrete actions, such as PPO's from ``RLModule.from_checkpoint(path)``.

    Attributes:
        module: ``RLModule`` of PyTorch whose output parametrises a distribution of actions, with or
            without a recurrent state.
    """

    module: Any

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the actions for a batch of observations, and the recurrent state after them."""
        import torch

        batch: dict[str, Any] = {"obs": torch.as_tensor(observation, dtype=torch.float32)}
        if self.module.is_stateful():
            first = {
                name: torch.as_tensor(v) for name, v in self.module.get_initial_state().items()
            }
            old = first if state is None else state
            start = torch.zeros(len(observation))
            start = start if episode_start is None else torch.as_tensor(episode_start)
            fresh = start.bool()[:, None, None]  # of states, (num_envs, layers, units)
            batch["state_in"] = {n: torch.where(fresh, first[n], old[n]) for n in first}
            batch["obs"] = batch["obs"][:, None]  # sequences of one step
        with torch.no_grad():
            out = self.module.forward_inference(batch)
        policy = self.module.get_inference_action_dist_cls().from_logits(out["action_dist_inputs"])
        action = (policy.to_deterministic() if deterministic else policy).sample()
        return action.reshape(len(observation)).numpy(), out.get("state_out")
