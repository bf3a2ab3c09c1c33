"""Another library finds the ids by itself; `.ci/full libraries` installs it."""

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
