"""Advantage actor-critic: numbers worked by hand, what it learns, saves and refuses."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.vec_env import DummyVecEnv

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.recurrent_a2c import FusedRecurrentA2C
from neurotasks_baselines.agents.vec_env import make_vec_env

RATE = 0.01
REWARDS = 1.0, 0.0, 4.0  # of the three steps of an episode


class Given(gym.Env):
    """Observations of zero, two actions, and episodes of three steps with given rewards."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        ended = self.t == len(REWARDS)
        return np.zeros(1, np.float32), REWARDS[self.t - 1], ended, False, {}


def agent(**kwargs):
    """Return an agent of one environment whose LSTM and heads are zero, but for two biases.

    The policy is (1/4, 3/4) and the value 2 at every step.
    """
    of_policy = {"lstm_hidden_size": 2} | kwargs.pop("policy_kwargs", {})
    given = {"learning_rate": RATE, "ent_coef": 0.0, "policy_kwargs": of_policy, "seed": 0} | kwargs
    model = FusedRecurrentA2C("FusedLstmPolicy", DummyVecEnv([Given]), n_steps=3, **given)
    for parameter in model.policy.parameters():
        parameter.data.zero_()
    model.policy.action_net.bias.data[1] = math.log(3)
    model.policy.value_net.bias.data[:] = 2.0
    return model


def gradients_of(model):
    """Return the gradients of the biases of policy and value after a rollout, and the actions."""
    model.learn(3)
    heads = model.policy.action_net, model.policy.value_net
    actions = model.rollout_buffer.actions.ravel()
    return *(head.bias.grad.numpy() for head in heads), actions


def by_hand(returns, actions):
    """Return the gradients of ``mean(-A log pi + 0.025 (R - V)^2)``."""
    chosen = np.eye(2)[actions.astype(int)]
    advantages = np.subtract(returns, 2.0)
    policy = -(advantages[:, None] * (chosen - [0.25, 0.75])).mean(axis=0)
    return policy, [(-2 * 0.025 * advantages).mean()]


@pytest.mark.parametrize("hooked", [False, True], ids=["compiled", "torch"])
@pytest.mark.parametrize("whole_episodes", [False, True])
def test_gradients(hooked, whole_episodes):
    """Returns at a discount of 1/2: 1 + 0 + 4/4 = 2, 4/2 = 2 and 4; advantages 0, 0 and 2."""
    model = agent(gamma=0.5, whole_episodes=whole_episodes)
    if hooked:
        model.policy.register_forward_hook(lambda *_: None)
    policy, value, actions = gradients_of(model)
    expected = by_hand([2.0, 2.0, 4.0], actions)
    np.testing.assert_allclose(policy, expected[0], atol=1e-6)
    np.testing.assert_allclose(value, expected[1], atol=1e-6)
    assert abs(policy).max() > 0.1


def test_the_return_goes_on_with_the_value_where_a_rollout_ends():
    """Of two steps: 1 + 0/2 + 2/4 = 1.5 and 0 + 2/2 = 1; with the value 2."""
    model = agent(gamma=0.5)
    model = FusedRecurrentA2C(
        "FusedLstmPolicy", model.get_env(), n_steps=2, gamma=0.5, ent_coef=0.0
    )
    for parameter in model.policy.parameters():
        parameter.data.zero_()
    model.policy.action_net.bias.data[1] = math.log(3)
    model.policy.value_net.bias.data[:] = 2.0
    model.learn(2)
    actions = model.rollout_buffer.actions.ravel()
    policy, value = by_hand([1.5, 1.0], actions)
    np.testing.assert_allclose(model.policy.action_net.bias.grad, policy, atol=1e-6)
    np.testing.assert_allclose(model.policy.value_net.bias.grad, value, atol=1e-6)


def test_the_gradient_of_the_entropy():
    """Of the probabilities (1/4, 3/4): -p (log p + H), times -0.3."""
    with_it, _, _ = gradients_of(agent(gamma=0.5, ent_coef=0.3))
    without, _, _ = gradients_of(agent(gamma=0.5))  # has drawn the same actions
    p = np.array([0.25, 0.75])
    slope = -p * (np.log(p) - (p * np.log(p)).sum())
    np.testing.assert_allclose(with_it - without, -0.3 * slope, atol=1e-6)


@pytest.mark.parametrize("eps", [1e-12, 0.5])
def test_the_first_update(eps):
    """The mean square is g^2 / 100, and epsilon is added to its root: lr g / (|g| / 10 + eps)."""
    model = agent(gamma=0.5, rms_prop_eps=eps)
    _, gradient, _ = gradients_of(model)
    step = RATE * gradient / (abs(gradient) / 10 + eps)
    np.testing.assert_allclose(model.policy.value_net.bias.detach(), 2 - step, rtol=1e-6)


def test_published_defaults():
    model = agent(learning_rate=7e-4)
    optimizer = model.policy.optimizer
    assert type(optimizer) is th.optim.RMSprop
    group = optimizer.param_groups[0]
    assert (group["alpha"], group["eps"], group["centered"]) == (0.99, 1e-12, False)
    assert (model.gamma, model.gae_lambda, model.vf_coef) == (0.9, 1.0, 0.025)
    assert not model.normalize_advantage


def test_another_optimizer():
    model = agent(policy_kwargs={"optimizer_class": th.optim.Adam})
    assert type(model.policy.optimizer) is th.optim.Adam


def test_one_update_per_rollout_is_logged_without_what_only_ppo_has():
    model = agent()
    model.learn(3)
    assert model._n_updates == 1
    names = {name for name in model.logger.name_to_value if name.startswith("train/")}
    assert not names & {"train/clip_fraction", "train/clip_range"}
    assert names >= {"train/policy_gradient_loss", "train/value_loss", "train/entropy_loss"}
    assert model.logger.name_to_value["train/approx_kl"] == 0  # it is the policy that acted


OF_PPO = {"n_epochs": 4, "batch_size": 3, "clip_range": 0.2, "target_kl": 0.1}


@pytest.mark.parametrize("name", OF_PPO)
def test_arguments_of_ppo_are_refused(name, tmp_path):
    with pytest.raises(ParameterError, match=f"{name} is not an argument of A2C, since .*; got "):
        agent(**{name: OF_PPO[name]})
    model = agent()
    model.save(tmp_path / "agent")
    with pytest.raises(ParameterError, match="A keyword of load must be one of"):
        FusedRecurrentA2C.load(tmp_path / "agent", trusted=True, **{name: OF_PPO[name]})
    if name != "clip_range":  # which nothing reads
        setattr(model, name, OF_PPO[name])
        with pytest.raises(
            ParameterError, match=f"{name} must be .*, since A2C takes one gradient"
        ):
            model.learn(3)


@pytest.mark.parametrize("eps", [0.0, -1.0, math.nan, "small", 2.0])
def test_epsilons_that_are_none(eps):
    with pytest.raises(ParameterError, match="rms_prop_eps must be a number in 1e-30 to 1; got"):
        agent(rms_prop_eps=eps)


@pytest.mark.parametrize("trunk", ["shared", "separate", "rpe"])
def test_saves_and_loads_with_its_learned_start(trunk, tmp_path):
    """Stable-Baselines3's zip; the start is learned, and what `predict` starts from."""
    envs = make_vec_env("neurotasks/TwoStep-v0", 4, task_kwargs={"trials": 3})
    name = "RpeLstmPolicy" if trunk == "rpe" else "FusedLstmPolicy"
    of_trunk = {} if trunk == "rpe" else {"trunk": trunk}
    of_policy = {"lstm_hidden_size": 6, "learned_start": True} | of_trunk
    model = FusedRecurrentA2C(name, envs, n_steps=9, policy_kwargs=of_policy, seed=0)
    model.learn(4 * 36)
    starts = {n: p for n, p in model.policy.named_parameters() if n.endswith("initial_state")}
    assert len(starts) == (1 if trunk == "shared" else 2)
    assert all(part.all() for part in starts.values())
    model.save(tmp_path / "agent")
    loaded = FusedRecurrentA2C.load(tmp_path / "agent", trusted=True, env=envs)
    obs = np.ones((4, *envs.observation_space.shape), np.float32)
    started, zero = np.ones(4, np.bool_), np.zeros(4, np.bool_)

    def hidden(agent, seen, start=None):
        return agent.predict(seen, episode_start=start, deterministic=True)[1][0]

    expected = hidden(model, obs, started)
    np.testing.assert_array_equal(hidden(loaded, obs, started), expected)
    np.testing.assert_array_equal(hidden(model, obs), expected)
    # processors add up one row and several in other orders
    np.testing.assert_allclose(hidden(model, obs[0]), expected[:, :1], rtol=1e-5, atol=1e-7)
    assert not np.allclose(hidden(model, obs, zero), expected)
    loaded.learn(36)


def test_only_lstms_learn_their_start():
    with pytest.raises(ParameterError, match="learned_start must be False with cell='gru'"):
        agent(policy_kwargs={"learned_start": True, "cell": "gru"})
    with pytest.raises(ParameterError, match="learned_start must be one of True, False; got 'yes'"):
        agent(policy_kwargs={"learned_start": "yes"})
