"""The agent whose policy is told the RPE, and what interventions do to it."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.utils import set_random_seed

from baselines import Hyperparameters, build, load, save
from baselines.agents import look_inside
from baselines.interventions import Intervened, Intervention
from baselines.policies import RpeLstmPolicy
from baselines.training import test_envs as held_out
from neurotasks.recording import record

ID, UNITS, STEPS, COLUMNS, GAMMA = "neurotasks/RiskyChoice-v0", 6, 9, 4, 0.8
SETTINGS = Hyperparameters(
    total_steps=480, num_envs=8, n_steps=60, columns=4, units=UNITS, trunk="rpe", gamma=GAMMA
)


@pytest.fixture(autouse=True)
def _seed():
    set_random_seed(0)


@pytest.fixture(scope="module")
def model():
    return build(ID, SETTINGS, seed=0).learn(480)


@pytest.fixture
def envs():
    return held_out(ID, {}, 20)


def policy():
    made = RpeLstmPolicy(
        *(spaces.Box(-9, 9, (3,)), spaces.Discrete(3), lambda _: 1e-3),
        lstm_hidden_size=UNITS,
        gamma=GAMMA,
    )
    made.value_net.weight.data.mul_(5)
    return made


def zeros(columns=COLUMNS):
    return RNNStates(*(tuple(th.zeros(1, columns, UNITS) for _ in range(2)) for _ in range(2)))


@th.no_grad()
def test_the_actor_is_told_the_rpe():
    """Step by step: r + gamma V - V before, 0 where an episode starts."""
    made, told = policy(), []
    made.lstm_actor.register_forward_pre_hook(lambda *_: None)
    observations, starts = th.randn(STEPS, COLUMNS, 3), (th.rand(STEPS, COLUMNS) < 0.2).float()
    (latent_pi, latent_vf), _ = made._run(observations.flatten(0, 1), zeros(), starts)
    values = made.value_of(made.predict_channels(latent_vf)).view(STEPS, COLUMNS)
    before = made.value_of(made.predict_channels(th.zeros(COLUMNS, UNITS)))[:, 0]
    for t in range(STEPS):
        rpe = observations[t, :, -1] + GAMMA * values[t] - before
        told.append(th.where(starts[t] > 0, 0, rpe))
        before = values[t]
    inputs = th.cat([observations[..., :-1], th.stack(told)[..., None]], dim=-1)
    hidden = cell = th.zeros(1, COLUMNS, UNITS)
    for t in range(STEPS):
        keep = 1 - starts[t].view(1, -1, 1)
        out, (hidden, cell) = made.lstm_actor(inputs[t : t + 1], (hidden * keep, cell * keep))
        assert th.allclose(out[0], latent_pi.view(STEPS, COLUMNS, -1)[t], atol=1e-6)


@th.no_grad()
def test_step_by_step_is_as_in_one_go():
    made = policy()
    observations, starts = th.randn(STEPS, COLUMNS, 3), (th.rand(STEPS, COLUMNS) < 0.2).float()
    (latent_pi, _), _ = made._run(observations.flatten(0, 1), zeros(), starts)
    states, memory = zeros(), None
    for t in range(STEPS):
        _, (pi, _), states = made.act(observations[t], states, starts[t])
        assert th.allclose(pi, latent_pi.view(STEPS, COLUMNS, -1)[t], atol=1e-6)
        _, memory = made.predict(observations[t].numpy(), memory, starts[t].numpy())
        assert memory[0].shape == (2, COLUMNS, UNITS)
        assert np.allclose(memory[0][0], pi, atol=1e-6)
        assert np.allclose(memory[0][1], states.vf[0][0], atol=1e-6)


def test_no_gradient_goes_through_the_rpe():
    made = policy()
    observations, starts = th.randn(STEPS * COLUMNS, 3), th.zeros(STEPS, COLUMNS)
    (latent_pi, _), _ = made._run(observations, zeros(), starts)
    made.evaluate_choices(latent_pi, th.zeros(STEPS * COLUMNS))[0].sum().backward()
    assert all(p.grad is None for p in made.lstm_critic.parameters())
    assert all(p.grad.abs().sum() > 0 for p in made.lstm_actor.parameters())


def play(agent, envs):
    set_random_seed(3)
    return record(agent, envs, seed=5)


def same(one, other):
    return one.actions.shape == other.actions.shape and (one.actions == other.actions).all()


def always(offset):
    return [Intervention(lambda seen: np.ones(len(seen), bool), offset)]


def test_an_offset_of_zero_changes_nothing(model, envs):
    control = play(model, envs)
    assert same(control, play(Intervened(model, []), envs))
    assert same(control, play(Intervened(model, always(0.0)), envs))
    assert not same(control, play(Intervened(model, always(20.0)), envs))
    assert model.policy.rpe_offset is None


def test_offsets_add_up(model, envs):
    both = Intervened(model, always(3.0) + always(-5.0))
    assert same(play(both, envs), play(Intervened(model, always(-2.0)), envs))


def test_only_when(model, envs):
    never = [Intervention(lambda seen: np.zeros(len(seen), bool), 50.0)]
    assert same(play(model, envs), play(Intervened(model, never), envs))
    met = []

    def paid(seen):
        met.extend(seen[:, -1].tolist())
        return seen[:, -1] == 4

    play(Intervened(model, [Intervention(paid, -4.0)]), envs)
    assert {-1.0, 0.0, 1.0, 4.0} == set(met)


def test_the_critic_is_told_nothing(model, envs):
    """Given the same actions and outcomes the values are the same, whatever the offset."""
    recording = play(model, envs)
    before = look_inside(model, recording)
    model.policy.rpe_offset = th.full((20,), 7.0)
    during = look_inside(model, recording)
    model.policy.rpe_offset = None
    np.testing.assert_array_equal(before.values, during.values)
    assert np.nanmax(np.abs(before.hidden - during.hidden)) > 1e-3


def test_an_agent_that_is_told_the_reward(envs):
    """There the offset is added to the reward it sees."""
    model = build(ID, Hyperparameters(total_steps=480, units=UNITS), seed=0)
    control = play(model, envs)
    assert same(control, play(Intervened(model, always(0.0)), envs))
    changed = Intervened(model, always(2.0))
    seen = control.observations[0]
    plain, _ = model.predict(seen + np.eye(seen.shape[1], dtype=np.float32)[-1] * 2,
                             deterministic=True)  # fmt: skip
    assert (changed.predict(seen, deterministic=True)[0] == plain).all()
    assert changed.predict(seen[0], deterministic=True)[0] == plain[0]


def test_saved_and_loaded(model, envs, tmp_path):
    save(model, tmp_path / "agent")
    loaded = load(tmp_path / "agent", num_envs=1)
    assert isinstance(loaded.policy, RpeLstmPolicy)
    assert loaded.policy.gamma == GAMMA
    assert same(play(model, envs), play(loaded, envs))


def test_policy_saved_and_loaded(tmp_path):
    made = policy()
    made.save(tmp_path / "policy")
    assert RpeLstmPolicy.load(tmp_path / "policy").gamma == GAMMA
