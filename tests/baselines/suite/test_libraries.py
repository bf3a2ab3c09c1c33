"""Other libraries find the ids by themselves; `.ci/full libraries` installs each of them."""

import gymnasium as gym
import numpy as np
import pytest

ID = "neurotasks/TwoStep-v0"


def test_torchrl_makes_an_id():
    pytest.importorskip("torchrl")
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

    assert ID in GymEnv.available_envs
    env = GymEnv(ID, trials=5)
    check_env_specs(env)
    assert env.rollout(5)["observation"].shape == (5, 8)


def test_torchrl_wraps_vector_environments():
    pytest.importorskip("torchrl")
    from torchrl.envs import GymWrapper

    env = GymWrapper(gym.make_vec(ID, num_envs=4, trials=5, autoreset_mode="SameStep"))
    played = env.rollout(40, break_when_any_done=False)
    assert played["observation"].shape == (4, 40, 8)
    assert played["next", "done"].any()


def test_tianshou_collects():
    pytest.importorskip("tianshou")
    from tianshou.env import DummyVectorEnv

    envs = DummyVectorEnv([lambda: gym.make(ID, trials=5) for _ in range(3)])
    observations, _ = envs.reset(seed=0)
    assert np.shape(observations) == (3, 8)
    observations, *_ = envs.step(np.zeros(3, int))
    assert np.shape(observations) == (3, 8)


def test_rllib_makes_an_id():
    pytest.importorskip("ray.rllib")
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

    config = PPOConfig().environment(ID, env_config={"trials": 5})
    runner = SingleAgentEnvRunner(config=config)
    (episode,) = runner.sample(num_episodes=1, random_actions=True)
    assert len(episode) == 15
