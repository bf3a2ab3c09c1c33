"""Other libraries make the environments by themselves; `.ci/full libraries` installs them."""

import gymnasium as gym
import pytest

ID = "neurotasks/TwoStep-v0"
STEPS = 15  # of five trials


def test_torchrl_makes_an_id():
    pytest.importorskip("torchrl")
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

    assert ID in GymEnv.available_envs
    env = GymEnv(ID, trials=5)
    check_env_specs(env)
    assert env.rollout(5)["observation"].shape == (5, 8)


def test_torchrl_wraps_a_native_vector_environment():
    pytest.importorskip("torchrl")
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

    env = GymWrapper(gym.make_vec(ID, num_envs=4, autoreset_mode="SameStep", trials=2))
    check_env_specs(env)
    steps = env.rollout(20, break_when_any_done=False)
    assert steps["observation"].shape == (4, 20, 8)
    assert steps["next", "done"].any(dim=1).all()


def test_environments_as_cleanrls_scripts_make_them():
    def make():
        return gym.wrappers.RecordEpisodeStatistics(gym.make(ID, trials=3))

    envs = gym.vector.SyncVectorEnv([make, make])
    envs.reset(seed=1)
    envs.action_space.seed(1)
    for _ in range(100):
        _, _, terminated, _, infos = envs.step(envs.action_space.sample())
        if terminated.any():
            break
    assert (infos["episode"]["l"][terminated] >= 3).all()


@pytest.mark.filterwarnings("ignore")  # of what it imports
@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_rllib_makes_an_id(mode):
    pytest.importorskip("ray.rllib")
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

    config = PPOConfig().environment(f"neurotasks:{ID}", env_config={"trials": 5})
    config.env_runners(num_envs_per_env_runner=3, gym_env_vectorize_mode=mode)
    episodes = SingleAgentEnvRunner(config=config).sample(num_episodes=6, random_actions=True)
    assert len(episodes) >= 6
    assert all(episode.is_terminated for episode in episodes)
    assert {episode.get_observations().shape for episode in episodes} == {(STEPS + 1, 8)}


@pytest.mark.filterwarnings("ignore")  # of what it imports
def test_tianshou_collects_episodes():
    pytest.importorskip("tianshou")
    from tianshou.algorithm.random import MARLRandomDiscreteMaskedOffPolicyAlgorithm
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv

    envs = DummyVectorEnv([lambda: gym.make(f"neurotasks:{ID}", trials=5)] * 3)
    player = MARLRandomDiscreteMaskedOffPolicyAlgorithm(action_space=envs.action_space[0])
    collector = Collector(player.policy, envs, VectorReplayBuffer(1000, 3))
    found = collector.collect(n_episode=6, reset_before_collect=True, random=True)
    assert found.n_collected_episodes == 6
    assert (found.lens == STEPS).all()
    assert collector.buffer.obs.shape[1:] == (8,)
