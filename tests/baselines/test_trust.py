"""Files that run code when they are loaded: only where the caller says that they are trusted."""

import base64
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch as th

from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import UntrustedFileError

REFUSED = r"^trusted must be True to load .*got (False|1|yes)\. Pass trusted=True if you know"


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "executed"


@pytest.fixture
def doctored(agent, target, tmp_path):
    """The zip of an agent in which one attribute more is pickled."""
    agent.save(tmp_path / "agent")
    with zipfile.ZipFile(tmp_path / "agent.zip") as file:
        members = {name: file.read(name) for name in file.namelist()}
    data = json.loads(members["data"])
    bomb = base64.b64encode(pickle.dumps(Bomb(target))).decode()
    data["extra"] = {":type:": "Bomb", ":serialized:": bomb}
    with zipfile.ZipFile(tmp_path / "agent.zip", "w") as file:
        for name, content in (members | {"data": json.dumps(data)}).items():
            file.writestr(name, content)
    return tmp_path / "agent.zip"


@pytest.mark.parametrize("trust", [{}, {"trusted": False}, {"trusted": 1}, {"trusted": "yes"}])
def test_zips_are_refused_before_they_are_unpickled(doctored, trust, target, agent):
    with pytest.raises(UntrustedFileError, match=REFUSED):
        FusedRecurrentPPO.load(doctored, **trust)
    with doctored.open("rb") as file, pytest.raises(UntrustedFileError, match=REFUSED):
        FusedRecurrentPPO.load(file, agent.env, "cpu", custom_objects={"extra": None}, **trust)
    assert not target.exists()


def test_trusted_zips_are_loaded_as_stable_baselines3_does(doctored, target, agent, weights):
    custom = {"extra": 5, "verbose": 0}
    loaded = FusedRecurrentPPO.load(doctored, agent.env, "cpu", custom, trusted=True, seed=7)
    assert th.equal(weights(loaded), weights(agent))
    assert (loaded.extra, loaded.seed) == (5, 7)  # in place of what would have been unpickled
    assert not hasattr(loaded, "trusted")
    assert not target.exists()
    FusedRecurrentPPO.load(doctored, trusted=True)
    assert target.exists()  # it does go off


def test_weights_alone_need_no_trust(doctored, target, agent, weights):
    """Stable-Baselines3 reads them without unpickling the rest."""
    expected = weights(agent)
    agent.learn(36, reset_num_timesteps=False)
    assert not th.equal(weights(agent), expected)
    agent.set_parameters(doctored)
    assert th.equal(weights(agent), expected)
    with zipfile.ZipFile(doctored, "w") as file, file.open("policy.pth", "w") as member:
        th.save(Bomb(target), member)
    with pytest.raises(pickle.UnpicklingError):
        agent.set_parameters(doctored)
    assert not target.exists()


@pytest.mark.parametrize("policy", [FusedLstmPolicy, RpeLstmPolicy])
def test_policies_are_refused_before_they_are_unpickled(policy, target, tmp_path):
    th.save(Bomb(target), tmp_path / "policy")
    for trust in ({}, {"trusted": False}):
        with pytest.raises(UntrustedFileError, match=REFUSED):
            policy.load(tmp_path / "policy", "cpu", **trust)
    assert not target.exists()
    with pytest.raises(TypeError):
        policy.load(tmp_path / "policy", trusted=True)
    assert target.exists()
