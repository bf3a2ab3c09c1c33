"""Stock RecurrentPPO as it is, and with one fault planted in it; `make_agent(FAULT)` makes it."""

from functools import partial

import numpy as np
import torch as th
from gymnasium import ObservationWrapper
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.env_util import make_vec_env

NUM_ENVS, NUM_STEPS = 64, 16


class NeverReset(RecurrentActorCriticPolicy):
    """Goes into the next episode with the state of the last."""

    def _process_sequence(self, features, states, starts, lstm):
        return super()._process_sequence(features, states, th.zeros_like(starts), lstm)


class OffInTraining(RecurrentActorCriticPolicy):
    """Learns as if every step were the first, and acts with its state."""

    def evaluate_actions(self, obs, actions, states, starts):
        return super().evaluate_actions(obs, actions, states, th.ones_like(starts))


class MixedUp(RecurrentActorCriticPolicy):
    """Each environment gets the state of the one before it."""

    def forward(self, obs, states, starts, deterministic=False):
        rolled = type(states)(*(tuple(part.roll(1, 1) for part in pair) for pair in states))
        return super().forward(obs, rolled, starts, deterministic)

    def _predict(self, obs, lstm_states, episode_starts, deterministic=False):
        rolled = tuple(part.roll(1, 1) for part in lstm_states)
        return super()._predict(obs, rolled, episode_starts, deterministic)


class MixedUpInTraining(MixedUp):
    """The same, but right where it is evaluated."""

    _predict = RecurrentActorCriticPolicy._predict


class ResetEveryRollout(RecurrentPPO):
    """Forgets at the start of each rollout."""

    def collect_rollouts(self, env, *args, **kwargs):
        self._last_lstm_states = type(self._last_lstm_states)(
            *(tuple(th.zeros_like(part) for part in pair) for pair in self._last_lstm_states)
        )
        return super().collect_rollouts(env, *args, **kwargs)


class LateInTraining(RecurrentPPO):
    """Is told of the start of an episode one step after it, in training."""

    def _setup_model(self):
        super()._setup_model()
        add, late = self.rollout_buffer.add, np.zeros(self.n_envs, bool)
        forward, self._late = self.policy.forward, late

        def delayed(obs, states, starts, deterministic=False):
            told = th.as_tensor(self._late, dtype=th.float32)
            self._told, self._late = self._late, starts.numpy() > 0
            return forward(obs, states, told, deterministic)

        def add_delayed(obs, actions, rewards, starts, *args, **kwargs):
            add(obs, actions, rewards, self._told, *args, **kwargs)

        self.policy.forward, self.rollout_buffer.add = delayed, add_delayed


class Late(LateInTraining):
    """The same, and where it is evaluated."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        states, told = (None, np.zeros(len(observation), bool)) if state is None else state
        actions, states = super().predict(observation, states, told, deterministic)
        return actions, (states, episode_start)


class LateReward(ObservationWrapper):
    """Shows the reward of the step before the last."""

    def __init__(self, env):
        super().__init__(env)
        self.place, self.last = env.unwrapped.layout["reward"], 0.0

    def observation(self, observation):
        observation = observation.copy()
        now = observation[self.place].copy()
        observation[self.place], self.last = self.last, now
        return observation


class WithLateReward(RecurrentPPO):
    """Sees the reward late where it is evaluated, too; it is the last component."""

    place = slice(-1, None)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        states, last = (None, 0.0) if state is None else state
        now, observation = observation[:, self.place].copy(), observation.copy()
        observation[:, self.place] = last
        actions, states = super().predict(observation, states, episode_start, deterministic)
        return actions, (states, now)


FAULTS = {
    "none": {},
    "never reset": {"policy": NeverReset},
    "reset every rollout": {"algorithm": ResetEveryRollout},
    "reset one step late": {"algorithm": Late},
    "reset one step late, in training only": {"algorithm": LateInTraining},
    "states mixed up": {"policy": MixedUp},
    "states mixed up, in training only": {"policy": MixedUpInTraining},
    "last reward late": {"reward": True},
    "off in training": {"policy": OffInTraining},
}


def make_agent(fault):
    """Return the function that makes the agent with a fault."""
    return partial(_make, **FAULTS[fault])


def _make(
    id,
    *,
    total_steps,
    seed,
    policy=RecurrentActorCriticPolicy,
    algorithm=RecurrentPPO,
    reward=False,
    **task_kwargs,
):
    reward = reward and "reward" in id.lower()
    envs = make_vec_env(
        id,
        NUM_ENVS,
        seed=seed,
        env_kwargs=task_kwargs,
        wrapper_class=LateReward if reward else None,
    )
    model = (WithLateReward if reward else algorithm)(
        policy,
        envs,
        seed=seed,
        n_steps=NUM_STEPS,
        batch_size=256,
        n_epochs=4,
        learning_rate=5e-3,
        gamma=0.9,
        ent_coef=0.01,
        policy_kwargs={
            "lstm_hidden_size": 32,
            "net_arch": [],
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
        device="cpu",
    )
    th.set_num_threads(1)
    return model.learn(total_steps)
