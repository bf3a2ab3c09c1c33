"""The agent whose policy is told the RPE, and what interventions do to it."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.utils import set_random_seed

from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks_baselines import Hyperparameters, build, load, save
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.interventions import Clamp, Intervened, Intervention
from neurotasks_baselines.agents.policies import RpeLstmPolicy
from neurotasks_baselines.training.evaluate import held_out_envs as held_out

ID, UNITS, STEPS, COLUMNS, GAMMA = "neurotasks/RiskyChoice-v0", 6, 9, 4, 0.8
SETTINGS = Hyperparameters(
    total_steps=480, num_envs=8, n_steps=60, columns=4, units=UNITS, trunk="rpe", gamma=GAMMA
)


@pytest.fixture(autouse=True)
def _seed():
    set_random_seed(0)


@pytest.fixture(scope="module")
def model():
    return build(ID, hyperparameters=SETTINGS, seed=0).learn(480)


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
    (latent_pi, latent_vf), _ = made.run(observations.flatten(0, 1), zeros(), starts)
    values = made.value_of(made.predict_channels(latent_vf)).view(STEPS, COLUMNS)
    before = made.value_of(made.predict_channels(th.zeros(COLUMNS, UNITS)))[:, 0]
    for t in range(STEPS):
        rpe = observations[t, :, -1] + GAMMA * values[t] - before
        told.append(th.where(starts[t] > 0, 0, rpe))
        before = values[t]
    inputs = th.cat([observations[..., :-1], th.stack(told)[..., None]], dim=-1)
    hidden = cell = th.zeros(1, COLUMNS, UNITS)
    for t in range(STEPS):
        out, (hidden, cell) = made.lstm_actor(inputs[t : t + 1], (hidden, cell), starts[t : t + 1])
        assert th.allclose(out[0], latent_pi.view(STEPS, COLUMNS, -1)[t], atol=1e-6)


@th.no_grad()
def test_step_by_step_is_as_in_one_go():
    made = policy()
    observations, starts = th.randn(STEPS, COLUMNS, 3), (th.rand(STEPS, COLUMNS) < 0.2).float()
    (latent_pi, _), _ = made.run(observations.flatten(0, 1), zeros(), starts)
    states, memory = zeros(), None
    for t in range(STEPS):
        (pi, _), states = made.run(observations[t], states, starts[t].view(1, -1))
        assert th.allclose(pi, latent_pi.view(STEPS, COLUMNS, -1)[t], atol=1e-6)
        _, memory = made.predict(observations[t].numpy(), memory, starts[t].numpy())
        assert memory[0].shape == (2, COLUMNS, UNITS)
        assert np.allclose(memory[0][0], pi, atol=1e-6)
        assert np.allclose(memory[0][1], states.vf[0][0], atol=1e-6)


def test_no_gradient_goes_through_the_rpe():
    made = policy()
    observations, starts = th.randn(STEPS * COLUMNS, 3), th.zeros(STEPS, COLUMNS)
    (latent_pi, _), _ = made.run(observations, zeros(), starts)
    made.evaluate_latents(latent_pi, th.zeros(STEPS * COLUMNS))[0].sum().backward()
    assert all(p.grad is None for p in made.lstm_critic.parameters())
    assert all(p.grad.abs().sum() > 0 for p in made.lstm_actor.parameters())


def play(agent, envs):
    set_random_seed(3)
    return run_episodes(agent, envs, seed=5)


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
    episodes = play(model, envs)
    before = compute_activations(model, episodes)
    model.policy.rpe_offset = th.full((20,), 7.0)
    during = compute_activations(model, episodes)
    model.policy.rpe_offset = None
    np.testing.assert_array_equal(before.values, during.values)
    assert np.nanmax(np.abs(before.hidden - during.hidden)) > 1e-3


def test_an_agent_that_is_told_the_reward(envs):
    """There the offset is added to the reward it sees."""
    model = build(ID, hyperparameters=Hyperparameters(total_steps=480, units=UNITS), seed=0)
    control = play(model, envs)
    assert same(control, play(Intervened(model, always(0.0)), envs))
    changed = Intervened(model, always(2.0))
    seen = control.observations[0]
    plain, _ = model.predict(
        seen + np.eye(seen.shape[1], dtype=np.float32)[-1] * 2, deterministic=True
    )
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
    assert RpeLstmPolicy.load(tmp_path / "policy", trusted=True).gamma == GAMMA


# Inputs held at a value.


class Echo:
    """An agent one can see through: the action of the largest input, and all it was told."""

    def __init__(self):
        self.told = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.told.append(observation)
        return np.argmax(observation, axis=-1) % 3, state


@pytest.mark.parametrize(
    ("component", "places"),
    [
        (0, [0]),
        (7, [7]),
        ("state 1", [3]),
        ("action right", [5]),
        ("stimulus", [0, 1, 2, 3]),
        ("action", [4, 5, 6]),
        ("reward", [7]),
    ],
)
@pytest.mark.parametrize("lanes", [None, 2])
def test_clamped_components(component, places, lanes):
    """Four of the stimulus, three of the last action, the reward: those named, no other."""
    envs = held_out("neurotasks/TwoStep-v0", {}, 2)
    echo = Echo()
    agent = Intervened(echo, [Clamp(component, 0.5)], envs)
    seen = np.arange(8, dtype=np.float32) if lanes is None else np.ones((lanes, 8), np.float32)
    before = seen.copy()
    agent.predict(seen)
    (told,) = echo.told
    expected = seen.copy()
    expected[..., places] = 0.5
    np.testing.assert_array_equal(told, expected)
    np.testing.assert_array_equal(seen, before)  # what was given stays as it was


def test_clamps_while_playing():
    """An agent that repeats its action as long as it sees it, told always that it went right."""
    envs = held_out("neurotasks/Bandit-v0", {"trials": 5}, 3)
    shown = slice(1, 3)  # of the trial number, left, right, the reward

    class Repeats:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return np.argmax(observation[:, shown], axis=1), state

    assert (run_episodes(Repeats(), envs, seed=0).actions == 0).all()
    held = Intervened(Repeats(), [Clamp("action left", 0.0), Clamp("action right", 1.0)], envs)
    episodes = run_episodes(held, envs, seed=0)
    assert (episodes.actions == 1).all()
    assert not episodes.observations[0, :, shown].any()  # the recording shows what was there
    seen = held.seen(episodes).observations
    assert (seen[..., shown] == (0, 1)).all()
    np.testing.assert_array_equal(seen[..., 0], episodes.observations[..., 0])


def test_the_last_clamp_of_a_component_counts_and_offsets_do_not():
    envs = held_out("neurotasks/Bandit-v0", {}, 2)
    echo = Echo()
    clamps = [Clamp("reward", 3.0), Clamp(3, 4.0)]
    Intervened(echo, [*clamps, *always(9.0)], envs).predict(np.zeros((2, 4), np.float32))
    assert (echo.told[0][:, 3] == 4.0).all()
    Intervened(echo, always(9.0), envs).predict(np.zeros((2, 4), np.float32))
    assert (echo.told[1][:, 3] == 9.0).all()


def test_interventions_see_what_is_there():
    """A clamp changes what the agent is told, not when an intervention acts."""
    envs, met = held_out("neurotasks/Bandit-v0", {}, 2), []
    intervention = Intervention(lambda seen: met.append(seen.copy()) or seen[:, -1] > 0, 1.0)
    seen = np.array([[0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    Intervened(Echo(), [Clamp("reward", 0.0), intervention], envs).predict(seen)
    np.testing.assert_array_equal(met[0], seen)


def test_our_agents_know_their_task(model, envs):
    """With the reward held at 0 both networks are told 0; nothing of the world is needed."""
    held = Intervened(model, [Clamp("reward", 0.0)])
    episodes = play(held, envs)
    assert episodes.observations[..., -1].any()
    assert not held.seen(episodes).observations[..., -1].any()
    zero = np.zeros((1, episodes.observations.shape[-1]), np.float32)
    paid = zero + np.eye(zero.shape[1], dtype=np.float32)[-1] * 4
    for seen in (zero, paid):
        set_random_seed(0)
        action, memory = held.predict(seen)
        set_random_seed(0)
        plain, plain_memory = model.predict(zero)
        assert action == plain
        np.testing.assert_array_equal(memory[0], plain_memory[0])


@pytest.mark.parametrize("feedback", ["both", "reward", "none"])
def test_images(feedback):
    envs = held_out("neurotasks/HarlowPixels-v0", {"feedback": feedback}, 2)
    seen, _ = envs.reset(seed=0)
    shown = Intervened(Echo(), [Clamp("image", 7)], envs).clamped(seen)
    image = shown if feedback == "none" else shown["image"]
    assert image.dtype == np.uint8
    assert (image == 7).all()
    if feedback == "none":
        with pytest.raises(ParameterError, match="'reward'"):
            Intervened(Echo(), [Clamp("reward", 7)], envs)
        return
    np.testing.assert_array_equal(shown["feedback"], seen["feedback"])
    shown = Intervened(Echo(), [Clamp("reward", 7)], envs).clamped(seen)
    assert (shown["feedback"][:, -1] == 7).all()
    np.testing.assert_array_equal(shown["image"], seen["image"])


@pytest.mark.parametrize(
    ("component", "task_kwargs", "message"),
    [
        ("rewardd", {}, "'rewardd'.*Did you mean 'reward'"),
        ("reward", {"feedback": "action"}, "component must be .*; got 'reward'"),
        ("action left", {"feedback": "reward"}, "component must be .*; got 'action left'"),
        ("image", {}, "component must be .*; got 'image'"),
        (4, {}, "component must be .*; got 4"),
        (-1, {}, "component must be .*; got -1"),
    ],
)
def test_components_that_are_not_there(component, task_kwargs, message):
    envs = held_out("neurotasks/Bandit-v0", task_kwargs, 2)
    with pytest.raises(ParameterError, match=message):
        Intervened(Echo(), [Clamp(component, 0.0)], envs)


def test_a_clamp_needs_the_task():
    with pytest.raises(ParameterError, match="Pass envs="):
        Intervened(Echo(), [Clamp("reward", 0.0)])
