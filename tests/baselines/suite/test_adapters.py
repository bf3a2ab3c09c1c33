"""Adapters of agents of other libraries, each with the real library where it is installed.

`.ci/full libraries` runs this file in an environment of each library.
"""

import importlib

import memory_of_cleanrl
import numpy as np
import pytest
import torch

from neurotasks_baselines.suite.adapters import CleanRLAgent, RLlibAgent, TorchRLAgent
from neurotasks_baselines.suite.agents import as_agent
from neurotasks_baselines.suite.memory_check import measure
from neurotasks_baselines.suite.memory_probes import ROUNDING, SENSITIVE, probe

WIDTH, ACTIONS, UNITS = 6, 3, 16


def check(agent):
    """Check that the state is used, and is reset and kept apart as it should be."""
    probes = probe(as_agent(agent), WIDTH)
    assert min(probes.history, probes.forgotten) > SENSITIVE
    names = ("repeated", "permuted", "alone", "reset", "neighbours")
    assert max(getattr(probes, name) for name in names) <= ROUNDING


def louder(module):
    """Make weights larger, so that the state of an untrained network decides its actions."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=1.0)


def test_cleanrl():
    torch.manual_seed(0)
    module = memory_of_cleanrl.Agent(WIDTH, ACTIONS, "none")
    louder(module)
    check(CleanRLAgent(module))
    seen = np.ones((500, WIDTH), np.float32)
    actions, _ = CleanRLAgent(module).predict(seen)
    logits = module.actor(module.get_states(*_first(module, seen))[0])[0]
    shares = np.bincount(actions, minlength=ACTIONS) / len(actions)
    assert np.abs(shares - logits.softmax(-1).detach().numpy()).max() < 0.1  # 4 sd of 500


def _first(module, seen):
    zeros = torch.zeros(1, len(seen), memory_of_cleanrl.UNITS)
    return torch.as_tensor(seen), (zeros, zeros), torch.ones(len(seen))


def test_sb3_needs_none():
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.env_util import make_vec_env

    envs = make_vec_env("neurotasks/Bandit-v0", 2)  # six components: two arms, both feedbacks
    model = RecurrentPPO("MlpLstmPolicy", envs, seed=0, policy_kwargs={"lstm_hidden_size": UNITS})
    louder(model.policy)
    width = envs.observation_space.shape[0]
    probes = probe(as_agent(model), width)
    assert probes.history > SENSITIVE
    assert max(probes.permuted, probes.alone, probes.reset, probes.neighbours) <= ROUNDING


def test_torchrl():
    pytest.importorskip("torchrl")
    from tensordict.nn import TensorDictModule, TensorDictSequential
    from torchrl.modules import LSTMModule, ProbabilisticActor

    torch.manual_seed(0)
    lstm = LSTMModule(input_size=WIDTH, hidden_size=UNITS, in_key="observation", out_key="embed")
    head = TensorDictModule(torch.nn.Linear(UNITS, ACTIONS), ["embed"], ["logits"])
    policy = ProbabilisticActor(
        TensorDictSequential(lstm, head),
        in_keys=["logits"],
        distribution_class=torch.distributions.Categorical,
    )
    louder(policy)
    check(TorchRLAgent(policy))


@pytest.mark.filterwarnings("ignore")  # of what it imports
@pytest.mark.parametrize("lstm", [True, False])
def test_rllib(lstm, tmp_path):
    """A module from a checkpoint; one without a state acts on the present observation alone."""
    pytest.importorskip("ray.rllib")
    from gymnasium.spaces import Box, Discrete
    from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
    from ray.rllib.core.rl_module import RLModule
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    torch.manual_seed(0)
    module = DefaultPPOTorchRLModule(
        observation_space=Box(-1, 1, (WIDTH,), np.float32),
        action_space=Discrete(ACTIONS),
        model_config=DefaultModelConfig(use_lstm=lstm, lstm_cell_size=UNITS),
    )
    louder(module)
    module.save_to_path(tmp_path / "module")
    module = RLModule.from_checkpoint(tmp_path / "module")
    agent = RLlibAgent(module)
    if lstm:
        check(agent)
    else:
        assert probe(as_agent(agent), WIDTH).history == 0
    seen = np.ones((500, WIDTH), np.float32)
    actions, _ = agent.predict(seen, None, np.ones(500, bool))
    batch = {"obs": torch.as_tensor(seen)}
    if lstm:
        zeros = {name: torch.zeros(500, *v.shape) for name, v in module.get_initial_state().items()}
        batch = {"obs": batch["obs"][:, None], "state_in": zeros}
    logits = module.forward_inference(batch)["action_dist_inputs"].reshape(500, ACTIONS)[0]
    shares = np.bincount(actions, minlength=ACTIONS) / len(actions)
    assert np.abs(shares - logits.softmax(-1).detach().numpy()).max() < 0.1  # 4 sd of 500


@pytest.mark.slow
@pytest.mark.parametrize("library", ["cleanrl", "torchrl"])
def test_an_agent_learns_to_remember_and_not_without_recurrence(library):
    """About three seconds each, seven with TorchRL; chance is 0.5."""
    if library == "torchrl":
        pytest.importorskip("torchrl")
    agents = importlib.import_module(f"memory_of_{library}")
    right = measure(agents.make_agent("none"), "cue").answers["cue"].right
    off = measure(agents.make_agent("off in training"), "cue").answers["cue"].right
    assert right > 0.95
    assert off < 0.75
