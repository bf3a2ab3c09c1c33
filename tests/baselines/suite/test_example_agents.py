"""Agents of examples/ that are scored next to ours: the transformer, and stock ones."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecFrameStack

from neurotasks_baselines import make_vec_env
from neurotasks_baselines.imports import import_file
from neurotasks_baselines.suite.memory_check import STEPS, check_memory, measure
from neurotasks_baselines.suite.memory_findings import findings
from neurotasks_baselines.suite.memory_tasks import IDS

EXAMPLES = Path(__file__).parents[3] / "examples"
BANDIT = "neurotasks/BanditUniform-v0"


@pytest.fixture(scope="module")
def transformer():
    return import_file(EXAMPLES / "transformer_ppo.py")


@pytest.fixture(scope="module")
def stock():
    return import_file(EXAMPLES / "stock_agents.py")


def loud(transformer, width=4):
    """Return a network whose memory matters although it is untrained."""
    torch.manual_seed(0)
    network = transformer.Network(width, 2).to(transformer.DEVICE)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize("id", [BANDIT, IDS["hold"], IDS["cue"]])
def test_the_transformer_learns_from_the_choices_that_it_made(transformer, id):
    """Probabilities with the cache are those of whole sequences; rollouts cut episodes."""
    envs = gym.make_vec(id, num_envs=transformer.NUM_ENVS, autoreset_mode="SameStep")
    network = loud(transformer, envs.single_observation_space.shape[0])
    starts = np.ones(transformer.NUM_ENVS, bool)
    now = [transformer.on_device(part) for part in (envs.reset(seed=0)[0], starts)]
    before, contexts = [part[:, None][:, :0] for part in now], set()
    for _ in range(4):
        contexts.add(before[1].shape[1])
        now, played, targets = transformer.collect(envs, network, now, before, steps=40)
        whole = [torch.cat(pair, 1) for pair in zip(before, played, strict=True)]
        logits = network(*whole)[0][:, -40:]
        found = torch.distributions.Categorical(logits=logits).log_prob(targets[0])
        assert torch.allclose(found, targets[1], atol=1e-5)
        before = transformer.unfinished(whole, now[1])
    assert contexts == {"Bandit": {0, 40, 80, 20}}.get(id[11:17], contexts)
    assert len(contexts) > 1


def test_the_advantages_of_the_transformer_are_those_by_hand(transformer):
    """Discount 0.9, lambda 0.95; an episode that starts at the second step ends the first one."""
    number = transformer.NUM_ENVS
    rewards = [np.ones(number, np.float32)] * 2
    values = [torch.full((number,), value) for value in (0.5, 0.25, 0.8)]
    starts = torch.zeros(3, number, dtype=torch.bool)
    starts[1, 0] = True
    found = transformer.advantages_of(rewards, values, [*starts])
    last = 1 + 0.9 * 0.8 - 0.25
    assert found[0].tolist() == pytest.approx([1 - 0.5, last])
    assert found[1].tolist() == pytest.approx([1 + 0.9 * 0.25 - 0.5 + 0.9 * 0.95 * last, last])


def test_the_transformer_step_by_step_is_the_transformer_on_all_steps(transformer):
    """With starts in the middle; batch after batch, alone and in any order."""
    network = loud(transformer)
    seen = transformer.on_device(torch.randn(3, 20, 4))
    starts = transformer.on_device(torch.rand(3, 20) < 0.2)
    starts[:, 0] = True
    with torch.no_grad():
        wanted, _ = network(seen, starts)
        order = [2, 0, 1]
        assert torch.allclose(network(seen[order], starts[order])[0], wanted[order], atol=1e-5)
        for chosen in ([0, 1, 2], [1]):
            memory = transformer.Memory(len(chosen), 20)
            for step in range(20):
                policy, _ = network.step(seen[chosen, step], starts[chosen, step], memory)
                probabilities = wanted[chosen, step].softmax(dim=-1)
                assert torch.allclose(policy.probs, probabilities, atol=1e-5)


def test_the_transformer_sees_its_whole_episode_and_nothing_before(transformer):
    network = loud(transformer)
    seen = transformer.on_device(torch.randn(1, 12, 4))
    starts = transformer.on_device(torch.arange(12)[None] % 6 == 0)
    for changed in range(12):
        other = seen.clone()
        other[0, changed] += 1.0
        with torch.no_grad():
            differ = (network(other, starts)[0] - network(seen, starts)[0]).abs().amax(dim=-1)[0]
        same_episode = torch.arange(12) // 6 == changed // 6
        later = torch.arange(12) >= changed
        assert ((differ > 1e-4).cpu() == (same_episode & later)).all()


def test_a_full_cache_keeps_the_latest_steps(transformer, monkeypatch):
    monkeypatch.setattr(transformer, "LAYERS", 1)  # of two, the second sees what the first saw
    monkeypatch.setattr(transformer, "CONTEXT", 8)
    network, state = loud(transformer), None
    seen = torch.randn(30, 2, 4)
    starts = np.zeros((30, 2), bool)
    starts[0] = starts[27, 0] = True
    with torch.no_grad():
        for number, (observation, start) in enumerate(zip(seen.numpy(), starts, strict=True)):
            actions, state = network.predict(observation, state, start, deterministic=True)
            kept = slice(number + 1 - state.filled, number + 1)
            assert 4 < state.filled <= 8 or number < 4
            told = torch.as_tensor(starts[kept]).T
            logits, _ = network(seen[kept].transpose(0, 1), told)
            assert actions.tolist() == logits[:, -1].argmax(dim=-1).tolist()


@pytest.mark.slow
def test_the_transformer_learns_to_remember(transformer):
    """About five seconds; chance is 0.5."""
    assert measure(transformer.make_agent, "cue").answers["cue"].right > 0.95


@pytest.mark.full
def test_the_transformer_passes_check_memory(transformer):
    """About a minute."""
    found = findings(check_memory(transformer.make_agent))
    assert {finding.name: finding.text for finding in found if finding.verdict != "right"} == {}


@pytest.mark.full
def test_what_check_memory_says_of_the_gru():
    """As the page says. About a minute."""
    gru = import_file(EXAMPLES / "gru_a2c.py")
    found = findings(check_memory(gru.make_agent, factor=2.5e5 / sum(STEPS.values())))
    wrong = {finding.name: finding.verdict for finding in found if finding.verdict != "right"}
    assert wrong == {"environments kept apart": "unknown", "bootstrap at truncation": "broken"}


def test_frames_are_stacked_as_in_training(stock):
    """The model is shown what `VecFrameStack` shows, in episodes of different lengths too."""
    id, shown = "neurotasks/Foraging-v0", []

    class Model:
        def predict(self, observation, deterministic):
            shown.append(observation)
            return np.zeros(len(observation), int), None

    plain, stacked = make_vec_env(id, 3, seed=1), make_vec_env(id, 3, seed=1)
    stacked, agent = VecFrameStack(stacked, stock.FRAMES), stock.Stacked(Model())
    observation, expected = plain.reset(), stacked.reset()
    starts, state, rng, ended = np.ones(3, bool), None, np.random.default_rng(0), 0
    for _ in range(700):
        _, state = agent.predict(observation, state, starts)
        assert np.array_equal(shown[-1], expected)
        actions = rng.integers(0, plain.action_space.n, 3)
        observation, _, starts, _ = plain.step(actions)
        expected = stacked.step(actions)[0]
        ended += starts.sum()
    assert ended > 0


@pytest.mark.parametrize("id", [BANDIT, "neurotasks/Harlow-v0"])
def test_whole_sequences_train_as_sb3_contrib_does(stock, id):
    """Two rollouts, of whole episodes and of parts of them: all weights, and that they changed."""
    steps = {"total_steps": 2 * 64 * (100 if id == BANDIT else 256), "seed": 0}
    ours = stock.recurrent(id, **steps).policy.state_dict()
    theirs = stock.recurrent(id, policy_class="MlpLstmPolicy", **steps).policy.state_dict()
    untrained = stock.recurrent(id, total_steps=0, seed=0).policy.state_dict()
    for name, weights in theirs.items():
        assert torch.allclose(ours[name], weights, rtol=0, atol=1e-4), name
    assert max((weights - untrained[name]).abs().max() for name, weights in theirs.items()) > 0.01


def test_ours_with_another_cell(stock):
    model = stock.gru(BANDIT, total_steps=6400, seed=0)
    assert model.policy.cell == "gru"
    assert (model.num_timesteps, stock.rnn.keywords) == (6400, {"cell": "rnn"})


def test_the_preset_of_a2c(stock):
    model = stock.a2c(BANDIT, total_steps=1600, seed=0)
    assert (type(model).__name__, model.n_envs) == ("FusedRecurrentA2C", 16)
