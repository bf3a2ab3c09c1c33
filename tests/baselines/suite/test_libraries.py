"""Other libraries make the environments by themselves; `.ci/full libraries` installs them."""

import gymnasium as gym
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
