"""NaN and infinity stop training before anything is learned from them, and are named."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecNormalize

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import NotFiniteError

NUM_ENVS, STEPS = 3, 10
POLICIES = {  # each engine, each way of drawing actions
    "compiled": ("FusedLstmPolicy", {"trunk": "separate"}, spaces.Discrete(3)),
    "shared": ("FusedLstmPolicy", {"trunk": "shared", "channels": 3}, spaces.Discrete(3)),
    "torch": ("FusedLstmPolicy", {"cell": "gru"}, spaces.Discrete(3)),
    "rpe": ("RpeLstmPolicy", {}, spaces.Discrete(3)),
    "continuous": ("FusedLstmPolicy", {}, spaces.Box(-1, 1, (2,))),
}
every_policy = pytest.mark.parametrize("name", POLICIES)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


class Noise(gym.Env):
    """Random observations and rewards; the observation ends with the last reward."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,))

    def __init__(self, action_space):
        self.action_space, self.t = action_space, 0

    def _seen(self, reward):
        return np.append(self.np_random.normal(size=2), reward).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(0.0), {}

    def step(self, action):
        self.t += 1
        reward = self.np_random.normal()
        return self._seen(reward), reward, self.t % 7 == 0, False, {}


class Spoiling(VecEnvWrapper):
    """Changes some steps, counted from 1, of the environments in it."""

    def __init__(self, venv, at=(), spoil=None):
        super().__init__(venv)
        self.at, self.spoil, self.steps = at, spoil, 0

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        obs, rewards, dones, infos = self.venv.step_wait()
        self.steps += 1
        if self.steps in self.at:
            self.spoil(obs, rewards, dones, infos)
        return obs, rewards, dones, infos


def noise(name, *at, spoil=None):
    space = POLICIES[name][2]
    return Spoiling(DummyVecEnv([lambda: TimeLimit(Noise(space), 5)] * NUM_ENVS), at, spoil)


def agent(name, env=None, policy_kwargs=None, **hyperparameters):
    policy, of_policy, _ = POLICIES[name]
    of_policy = {"lstm_hidden_size": 6, **of_policy, **(policy_kwargs or {})}
    hyperparameters = {"n_steps": STEPS, "batch_size": STEPS, "n_epochs": 2} | hyperparameters
    env = env or noise(name)
    return FusedRecurrentPPO(policy, env, seed=0, policy_kwargs=of_policy, **hyperparameters)


def state_of(model):
    """Return copies of the weights and of all that the optimizer remembers."""
    moments = model.policy.optimizer.state_dict()["state"]
    tensors = [*model.policy.state_dict().values()]
    tensors += [value for i in sorted(moments) for value in moments[i].values()]
    return [tensor.clone() for tensor in tensors]


class Watch(BaseCallback):
    """Keeps the state before the last rollout, and does something after the rollout `at`."""

    def __init__(self, at=None, do=None):
        super().__init__()
        self.at, self.do, self.rollouts = at, do, 0

    def _on_rollout_start(self):
        self.before, self.steps = state_of(self.model), self.num_timesteps

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.rollouts += 1
        if self.rollouts == self.at:
            self.do(self.model)


def stops(model, message, watch=None, update=3):
    """Check that learning stops at an update, all as it was before, and can go on."""
    watch = watch or Watch()
    with pytest.raises(NotFiniteError, match=message) as caught:
        model.learn(10 * STEPS * NUM_ENVS, watch)
    assert re_update(update) in str(caught.value)
    after = state_of(model)
    assert len(after) == len(watch.before)
    assert all(map(th.equal, watch.before, after))
    assert all(tensor.isfinite().all() for tensor in after)
    assert model.num_timesteps == watch.steps == (update - 1) * STEPS * NUM_ENVS


def re_update(number):
    return f"update {number} (step {number * STEPS * NUM_ENVS})"


def learns_on(model):
    model.set_env(noise_like(model))
    before = state_of(model)
    model.learn(2 * STEPS * NUM_ENVS, reset_num_timesteps=False)
    assert not all(map(th.equal, before, state_of(model)))
    assert all(tensor.isfinite().all() for tensor in state_of(model))


def noise_like(model):
    space = model.action_space
    return DummyVecEnv([lambda: TimeLimit(Noise(space), 5)] * NUM_ENVS)


numbers = pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf], ids=str)


@numbers
@every_policy
@pytest.mark.parametrize("whole", [False, True], ids=["any", "whole"])
def test_rewards(name, number, whole):
    def spoil(obs, rewards, dones, infos):
        rewards[1] = number
        obs[1, 2] = number  # a task's observation holds the last reward: the reward is the source

    model = agent(name, noise(name, 2 * STEPS + 4, spoil=spoil), whole_episodes=whole)
    stops(model, f"reward of sub-environment 1 in step 3 of the rollout, {number}")
    learns_on(model)


@numbers
@every_policy
@pytest.mark.parametrize("last", [False, True])
def test_observations(name, number, last):
    """Also the one after the last step of a rollout, whose value the last step gets."""

    def spoil(obs, rewards, dones, infos):
        obs[2, 0] = number

    at, step = (STEPS, STEPS) if last else (4, 4)
    model = agent(name, noise(name, 2 * STEPS + at, spoil=spoil))
    stops(model, f"observation of sub-environment 2 in step {step} of the rollout, {number}")
    learns_on(model)


@numbers
@pytest.mark.parametrize("name", ["compiled", "torch"])
def test_the_last_observation_of_a_truncated_episode(name, number):
    def spoil(obs, rewards, dones, infos):
        infos[0]["terminal_observation"][1] = number
        assert infos[0]["TimeLimit.truncated"]

    model = agent(name, noise(name, 26, spoil=spoil))
    stops(model, "last observation of a truncated episode of sub-environment 0")


@pytest.mark.parametrize(("size", "source"), [(3e38, "advantages"), (1e20, "gradient")])
@every_policy
def test_rewards_that_overflow(name, size, source):
    """Finite, but their returns are not; or the squares of those; or the gradient's norm."""

    def spoil(obs, rewards, dones, infos):
        rewards[:] = size

    model = agent(name, noise(name, 24, 25, spoil=spoil), gamma=1.0, gae_lambda=1.0)
    stops(model, f"{source}.*likely source: .*rewards up to {size:.3g}".replace("+", r"\+"))


class Shift:
    """Set something of the model to a number."""

    def __init__(self, name, number):
        self.name, self.number = name, number

    def __call__(self, model):
        setattr(model, self.name, self.number)


@numbers
@pytest.mark.parametrize("what", ["ent_coef", "vf_coef"])
@pytest.mark.parametrize("name", ["compiled", "torch"])
def test_coefficients(name, what, number):
    watch = Watch(3, Shift(what, number))
    stops(agent(name), f"got {what}={number}", watch)


@numbers
@pytest.mark.parametrize("what", ["ent_coef", "vf_coef"])
def test_coefficients_from_the_start(what, number):
    stops(agent("compiled", **{what: number}), f"got {what}={number}", update=1)


@numbers
@pytest.mark.parametrize("what", ["ent_coef", "learning_rate", "clip_range"])
@pytest.mark.parametrize("name", ["compiled", "torch"])
def test_schedules(name, what, number):
    model = agent(name, **{what: lambda left: 0.01 if left > 0.75 else number})
    stops(model, f"got {what}={number}")


@pytest.mark.parametrize("critic_loss", ["expectile", "quantile"])
@pytest.mark.parametrize("critic_target", ["lambda", "monte-carlo", "sr-lambda"])
@pytest.mark.parametrize("name", ["compiled", "torch"])
@pytest.mark.parametrize("what", ["advantages", "targets", "values", "log_probs"])
def test_what_is_learned_from(name, critic_loss, critic_target, what):
    def spoil(model):
        getattr(model.rollout_buffer, what)[4, 1] = math.nan

    if critic_target == "sr-lambda" and critic_loss == "expectile":
        pytest.skip("sr-lambda needs quantiles")
    of_policy = {"channels": 3, "critic_loss": critic_loss}
    model = agent(name, policy_kwargs=of_policy, critic_target=critic_target)
    stops(model, what.replace("_", "-"), Watch(3, spoil))


@every_policy
def test_weights_before_the_update(name):
    """Spoilt by a callback: the update is not made, and the weights are named."""
    model = agent(name)

    def spoil(model):
        model.policy.value_net.weight.data[0, 1] = math.nan

    with pytest.raises(NotFiniteError, match=r"update 4 .*|update 3 .*") as caught:
        model.learn(10 * STEPS * NUM_ENVS, Watch(3, spoil))
    assert "value_net.weight" in str(caught.value) or "gradient" in str(caught.value)


@pytest.mark.parametrize("size", [1e30, 3e38])
@every_policy
def test_steps_that_are_too_long(name, size):
    """The weights overflow in the update, or what follows from them; all of it is undone."""
    model = agent(name, learning_rate=lambda left: 0.01 if left > 0.75 else size)
    watch = Watch()
    with pytest.raises(NotFiniteError, match=r"update \d+ .*weight"):
        model.learn(10 * STEPS * NUM_ENVS, watch)
    assert all(map(th.equal, watch.before, state_of(model)))


@pytest.mark.parametrize("name", ["compiled", "torch"])
def test_a_gradient(name):
    """A hook that makes one of them NaN in the second minibatch: the first is undone, too."""
    model, calls = agent(name), []

    def spoil(gradient):
        calls.append(1)
        return gradient * math.nan if len(calls) == 14 else gradient

    model.policy.value_net.weight.register_hook(spoil)  # such a policy runs in torch
    stops(model, "gradient of norm nan")
    assert len(calls) == 14


def test_statistics_that_a_wrapper_keeps():
    """A reward that VecNormalize has turned into NaN is the environment's."""

    def spoil(obs, rewards, dones, infos):
        rewards[1] = math.inf

    model = agent("compiled", VecNormalize(noise("compiled", 25, spoil=spoil)))
    stops(model, "reward of sub-environment")


def test_a_first_update():
    """The optimizer remembers nothing yet, and does not after it either."""

    def spoil(obs, rewards, dones, infos):
        rewards[1] = math.nan

    model = agent("compiled", noise("compiled", 5, spoil=spoil))
    stops(model, "reward of sub-environment 1 in step 4", update=1)
    assert not model.policy.optimizer.state


def test_an_agent_trains_as_before_if_nothing_is_wrong():
    """Undoing costs no random numbers and changes no weights."""
    model = agent("compiled")
    before = state_of(model)
    model.learn(3 * STEPS * NUM_ENVS)
    assert not all(map(th.equal, before, state_of(model)))
