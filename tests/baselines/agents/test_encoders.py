"""Agents that see pictures: the encoder, the rollout, learning, and the rendered Harlow task."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import torch as th
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import CombinedExtractor
from stable_baselines3.common.vec_env import DummyVecEnv

from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.encoders import PictureEncoder, average_blocks, distinct_rows
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.checkpoints import load_checkpoint, save_checkpoint
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.hyperparameters import Hyperparameters
from neurotasks_baselines.training.train import train

ID = "neurotasks/HarlowPixels-v0"
SHORT = {"max_frames": 40}  # at most ten steps an episode
SIZE, UNITS, LANES, STEPS = 36, 8, 4, 16
BOTH = spaces.Dict(
    {
        "feedback": spaces.Box(-1, 1, (2,), np.float32),
        "image": spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8),
    }
)
CHANNELS_FIRST = spaces.Dict(
    {"feedback": BOTH["feedback"], "image": spaces.Box(0, 255, (3, SIZE, SIZE), np.uint8)}
)


class Signs(gym.Env):
    """Pays 1 for naming the half of the picture that is bright; a blank one tells nothing."""

    observation_space, action_space = BOTH, spaces.Discrete(2)

    def __init__(self, blank=False, length=8):
        self.blank, self.length = blank, length

    def _look(self):
        self.side = int(self.np_random.integers(2))
        image = self.np_random.integers(60, size=(SIZE, SIZE, 3), dtype=np.uint8)
        if not self.blank:
            image[:, self.side * SIZE // 2 :][:, : SIZE // 2] += 150
        feedback = self.np_random.uniform(-1, 1, size=2).astype(np.float32)
        return {"feedback": feedback, "image": image}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.length
        return self._look(), {}

    def step(self, action):
        reward = float(action == self.side)
        self.left -= 1
        return self._look(), reward, self.left == 0, False, {}


def signs(blank=False, length=8, limit=99, lanes=LANES):
    return DummyVecEnv([lambda: TimeLimit(Signs(blank, length), limit)] * lanes)


def ppo(env, policy_kwargs=None, **task_kwargs):
    policy = {"trunk": "separate", "lstm_hidden_size": UNITS} | (policy_kwargs or {})
    task_kwargs = {"n_steps": STEPS, "batch_size": 2 * STEPS, "learning_rate": 0.003} | task_kwargs
    return FusedRecurrentPPO("FusedLstmPolicy", env, seed=1, policy_kwargs=policy, **task_kwargs)


def some_observations(n, seed=0):
    BOTH.seed(seed)
    samples = [BOTH.sample() for _ in range(n)]
    return {name: np.stack([sample[name] for sample in samples]) for name in BOTH}


# Averaging.


def test_blocks_by_hand():
    """One channel counts up, the other is constant; the fifth row and column fill no block."""
    picture = np.zeros((1, 5, 5, 2), np.uint8)
    picture[0, ..., 0] = np.arange(25).reshape(5, 5)
    picture[0, ..., 1] = 255
    out = np.empty((1, 2, 2, 2), np.float32)
    average_blocks(picture, 2, out)
    assert out[0, 0].tolist() == [[3.0, 5.0], [13.0, 15.0]]
    assert (out[0, 1] == 255).all()


@pytest.mark.parametrize("block", [1, 3, 4])
def test_blocks_equal_torchs(block):
    pictures = np.random.default_rng(0).integers(256, size=(3, 13, 9, 3), dtype=np.uint8)
    out = np.empty((3, 3, 13 // block, 9 // block), np.float32)
    average_blocks(pictures, block, out)
    channels_first = th.as_tensor(pictures).movedim(-1, 1).float()
    expected = th.nn.functional.avg_pool2d(channels_first, block)
    np.testing.assert_allclose(out, expected.numpy(), rtol=1e-6)


# The encoder in a policy.


@pytest.fixture
def policy():
    th.manual_seed(0)
    return FusedLstmPolicy(CHANNELS_FIRST, spaces.Discrete(2), lambda _: 1e-3, trunk="separate")


def test_shrunk_pictures(policy):
    """Of lanes or one, channels last or first, the picture shrinks and the vector stays."""
    observations = some_observations(5)
    tensors, lanes = policy.obs_to_tensor(observations)
    assert lanes
    assert tensors["image"].shape == (5, 3, SIZE // 4, SIZE // 4)
    blocks = observations["image"].reshape(5, SIZE // 4, 4, SIZE // 4, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(tensors["image"], np.moveaxis(blocks, -1, 1), rtol=1e-6)
    assert np.array_equal(tensors["feedback"], observations["feedback"])
    assert all(policy.tensor_space[k].contains(v[0].numpy()) for k, v in tensors.items())

    first = observations | {
        "image": np.ascontiguousarray(np.moveaxis(observations["image"], -1, 1))
    }
    assert th.equal(policy.obs_to_tensor(first)[0]["image"], tensors["image"])
    single, lanes = policy.obs_to_tensor({k: v[2] for k, v in observations.items()})
    assert not lanes
    assert th.equal(single["image"], tensors["image"][2:3])


def test_features(policy):
    """The same of a picture that was shrunk before and of one that was not; vectors come last."""
    observations = some_observations(5)
    raw = {k: th.as_tensor(v) for k, v in observations.items()}
    raw["image"] = raw["image"].movedim(-1, 1)
    shrunk, _ = policy.obs_to_tensor(observations)
    features, again = policy.extract_features(raw), policy.extract_features(shrunk)
    assert features.shape == (5, policy.features_dim) == (5, 64 + 2)
    assert th.allclose(features, again, atol=1e-5)
    assert th.equal(features[:, 64:], raw["feedback"])
    assert (features[:, :64] > 0).any()
    assert not th.allclose(features[0, :64], features[1, :64], atol=1e-3)


def test_actor_and_critic_share_the_encoder(policy):
    assert policy.pi_features_extractor is policy.vf_features_extractor
    tensors, _ = policy.obs_to_tensor(some_observations(3))
    zeros = tuple(th.zeros(1, 3, policy.lstm_output_dim) for _ in range(2))
    for head in (0, 1):
        policy.zero_grad()
        policy.run(tensors, RNNStates(zeros, zeros), th.ones(1, 3))[0][head].sum().backward()
        assert all(p.grad.abs().sum() > 0 for p in policy.features_extractor.parameters())


def test_policy_without_pictures_in_its_dict():
    """Vectors alone are put one behind the other."""
    vectors = spaces.Dict(
        {name: spaces.Box(-1, 1, (n,), np.float32) for name, n in (("a", 1), ("b", 2))}
    )
    encoder = PictureEncoder(vectors)
    parts = {"a": th.tensor([[1.0]]), "b": th.tensor([[2.0, 3.0]])}
    assert encoder(parts).tolist() == [[1.0, 2.0, 3.0]]
    assert encoder.features_dim == 3


def test_picture_too_small():
    small = spaces.Dict({"dot": spaces.Box(0, 255, (1, 16, 15), np.uint8)})
    with pytest.raises(
        ValueError, match=r"'dot' must have at least 16 x 16 pixels with block=4; got 16 x 15"
    ):
        PictureEncoder(small)
    assert PictureEncoder(small, block=3).features_dim == 64


def test_many_pictures_at_once(policy, monkeypatch):
    tensors, _ = policy.obs_to_tensor(some_observations(5))
    whole = policy.extract_features(tensors)
    monkeypatch.setattr("neurotasks_baselines.agents.encoders.AT_ONCE", 2)
    assert th.allclose(policy.extract_features(tensors), whole, atol=1e-6)


# Images that are the same.


def check_distinct(rows, number):
    firsts, which = distinct_rows(rows)
    assert len(firsts) == number
    assert np.array_equal(rows[firsts][which], rows)
    assert all(which[first] == i for i, first in enumerate(firsts))
    assert (np.diff(firsts) > 0).all()


@pytest.mark.parametrize(("rows", "different"), [(1, 1), (2, 1), (50, 7), (3000, 900)])
def test_distinct_rows(rows, different):
    rng = np.random.default_rng(0)
    pool = rng.integers(-(2**31), 2**31, size=(different, 5), dtype=np.int32)
    check_distinct(
        pool[np.r_[:different, rng.integers(different, size=rows - different)]], different
    )


def test_distinct_rows_of_one_hash():
    """The numbers of a row are multiplied by 1, 3, 7 and added up."""
    rows = np.array([[3, 0, 0], [0, 1, 0], [0, 1, 0], [-4, 0, 1], [3, 0, 0]], np.int32)
    check_distinct(rows, 3)
    check_distinct(rows[:0], 0)


def encode(policy, observations, shared):
    """Return the features, and the gradients of a weighted sum of them."""
    net, images = policy.features_extractor.nets["image"], observations["image"] / 255
    weights = th.as_tensor(np.random.default_rng(1).normal(size=(len(images), 64))).float()
    features = policy.extract_features(observations)[:, :64] if shared else net(images)
    policy.zero_grad()
    (weights * features).sum().backward()
    return features, [parameter.grad for parameter in net.parameters()]


def test_same_images_are_encoded_once(policy, monkeypatch):
    tensors, _ = policy.obs_to_tensor(some_observations(5))
    which = th.as_tensor([0, 1, 0, 2, 2, 2, 3, 4, 0])
    repeated = {name: part[which] for name, part in tensors.items()}
    sizes = []
    net = policy.features_extractor.nets["image"]
    with monkeypatch.context() as patch:
        forward = net.forward
        patch.setattr(net, "forward", lambda images: sizes.append(len(images)) or forward(images))
        features, gradients = encode(policy, repeated, shared=True)
    assert sizes == [5]
    expected, expected_gradients = encode(policy, repeated, shared=False)
    assert th.allclose(features, expected, rtol=1e-6, atol=1e-6)
    for gradient, of_all in zip(gradients, expected_gradients, strict=True):
        assert th.allclose(gradient, of_all, atol=1e-6 * of_all.abs().max().item())


def test_gradients_of_images_are_their_own(policy):
    """They are given to each of several images that are the same."""
    tensors, _ = policy.obs_to_tensor(some_observations(1))
    images = tensors["image"].repeat(2, 1, 1, 1).requires_grad_()
    feedback = tensors["feedback"].repeat(2, 1)
    features = policy.extract_features({"image": images, "feedback": feedback})
    (features * th.tensor([[1.0], [2.0]])).sum().backward()
    assert images.grad[0].abs().sum() > 0
    assert th.allclose(2 * images.grad[0], images.grad[1])


# Rollouts.


class Compare(BaseCallback):
    """Compares a rollout with the stock policy's loop over the pictures as they were shown."""

    stock = RecurrentActorCriticPolicy

    def __init__(self):
        super().__init__()
        self.shown = []

    def _on_step(self):
        self.shown.append({k: v.copy() for k, v in self.locals["obs"].items()})
        return True

    @th.no_grad()
    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        obs = {k: by_column(np.stack([o[k] for o in self.shown])) for k in BOTH}
        zeros = tuple(th.zeros(1, LANES, UNITS) for _ in range(2))
        starts = by_column(buffer.episode_starts)
        values, log_prob, _ = self.stock.evaluate_actions(
            *(self.model.policy, obs, by_column(buffer.actions)[:, 0]),
            RNNStates(zeros, zeros),
            starts,
        )
        assert obs["image"].shape == (STEPS * LANES, 3, SIZE, SIZE)
        assert starts.sum() == LANES * STEPS / 8
        np.testing.assert_allclose(by_column(buffer.values), values[:, 0], atol=1e-5)
        np.testing.assert_allclose(by_column(buffer.log_probs), log_prob, atol=1e-5)


def by_column(steps):
    return th.as_tensor(steps).transpose(0, 1).flatten(0, 1)


def test_rollout_equals_the_stock_loop():
    compare = Compare()
    ppo(signs()).learn(STEPS * LANES, compare)
    assert len(compare.shown) == STEPS


class Bootstrap(BaseCallback):
    """Works out what the value after an episode that was cut short adds to its last reward."""

    def _on_training_start(self):
        self.added = []

    @th.no_grad()
    def _on_step(self):
        infos, states = self.locals["infos"], self.locals["actor"].states.vf
        for lane, info in enumerate(infos):
            added = 0.0
            if info.get("TimeLimit.truncated"):
                last = {k: th.as_tensor(v[None]) for k, v in info["terminal_observation"].items()}
                of_lane = tuple(state[:, [lane]] for state in states)
                value = self.model.policy.predict_values(last, of_lane, th.zeros(1))
                added = self.model.gamma * value.item()
            self.added.append(self.locals["rewards"][lane] + added)
        return True

    def _on_rollout_end(self):
        rewards = self.model.rollout_buffer.rewards.flatten()
        np.testing.assert_allclose(rewards, self.added, atol=1e-5)
        assert (rewards % 1 != 0).sum() == LANES * (STEPS // 5)


def test_value_after_an_episode_cut_short():
    ppo(signs(limit=5)).learn(STEPS * LANES, Bootstrap())


class Batches(BaseCallback):
    """Keeps what the buffer holds and hands out."""

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.buffer = self.model.rollout_buffer
        self.batches = list(self.buffer.get(2 * STEPS))


@pytest.mark.parametrize(
    ("extractor", "size", "dtype"),
    [(PictureEncoder, SIZE // 4, np.float32), (CombinedExtractor, SIZE, np.uint8)],
)
def test_minibatches(extractor, size, dtype):
    """Whole columns of both parts; other extractors get the bytes as they are."""
    batches = Batches()
    model = ppo(signs(), {"features_extractor_class": extractor}, n_epochs=1)
    model.learn(STEPS * LANES, batches)
    whole = batches.buffer.observations
    assert whole["image"].dtype == dtype
    assert whole["image"].shape == (STEPS, LANES, 3, size, size)
    lanes = []
    for batch in batches.batches:
        for i in range(2):
            feedback = batch.observations["feedback"].view(STEPS, 2, 2)[:, i].numpy()
            image = batch.observations["image"].view(STEPS, 2, 3, size, size)[:, i].numpy()
            (lane,) = np.flatnonzero((whole["feedback"] == feedback[:, None]).all(axis=(0, 2)))
            assert np.array_equal(image, whole["image"][:, lane])
            lanes.append(lane)
    assert sorted(lanes) == list(range(LANES))


# Learning.


def solve(blank, policy_kwargs=None):
    """Return the fraction of right answers after training."""
    model = ppo(signs(blank, lanes=8), policy_kwargs, gamma=0.0, learning_rate=0.01, n_epochs=4)
    model.learn(25 * 8 * STEPS)
    env, score = signs(blank, lanes=50), []
    env.seed(77)
    observation, memory, start = env.reset(), None, np.ones(50, bool)
    for _ in range(8):
        action, memory = model.predict(observation, memory, start)
        observation, reward, start, _ = env.step(action)
        score.append(reward)
    return np.mean(score)


@pytest.mark.slow
def test_learns_what_a_picture_tells():
    assert solve(blank=False) >= 0.9


@pytest.mark.slow
def test_learns_nothing_from_a_blank_picture():
    """Chance over 400 answers; 0.6 is four standard deviations above it."""
    assert solve(blank=True) <= 0.6


# The rendered Harlow task.


@pytest.fixture(scope="module")
def hyperparameters():
    """A training of four rollouts."""
    return Hyperparameters(
        total_steps=4 * LANES * STEPS,
        num_envs=LANES,
        n_steps=STEPS,
        columns=2,
        n_epochs=1,
        whole_episodes=False,
        units=UNITS,
        trunk="separate",
    )


@pytest.fixture(scope="module")
def finished(hyperparameters, tmp_path_factory):
    """A finished training run."""
    out = tmp_path_factory.mktemp("run")
    train(
        ID,
        out,
        seed=3,
        hyperparameters=hyperparameters,
        task_kwargs=SHORT,
        metrics=metrics_for(ID),
        evaluations=2,
    )
    return out


@pytest.mark.parametrize("trunk", ["shared", "separate", "rpe"])
def test_what_goes_on_inside(hyperparameters, trunk):
    """In one pass what goes on step by step."""
    model = build(
        ID, hyperparameters=replace(hyperparameters, trunk=trunk), seed=3, task_kwargs=SHORT
    )
    episodes, activations = evaluate(model, num_episodes=3)
    zeros = tuple(th.zeros(1, 3, UNITS) for _ in range(2))
    states, met = RNNStates(zeros, zeros), 0
    for t, alive in enumerate(episodes.alive):
        now, _ = model.policy.obs_to_tensor({k: v[t] for k, v in episodes.observations.items()})
        with th.no_grad():
            start = th.full((3,), float(t == 0))
            _, values, _, states = model.policy(now, states, start, True)
        np.testing.assert_allclose(
            activations.values[t][alive], values.numpy()[alive, 0], atol=1e-5
        )
        np.testing.assert_allclose(activations.hidden[t][alive], states.pi[0][0, alive], atol=1e-5)
        met += alive.sum()
    assert met == episodes.alive.sum() >= 3 * 9
    assert np.ptp(activations.values[episodes.alive]) > 1e-3


def same(one, other):
    pairs = zip(one.policy.parameters(), other.policy.parameters(), strict=True)
    return all(th.equal(a, b) for a, b in pairs)


def test_save_load_and_go_on(hyperparameters, tmp_path):
    model = build(ID, hyperparameters=hyperparameters, seed=3, task_kwargs=SHORT)
    model.learn(2 * LANES * STEPS)
    save_checkpoint(model, tmp_path / "agent")
    loaded = load_checkpoint(tmp_path / "agent")
    assert same(model, loaded)
    assert np.array_equal(loaded.get_env().get_state(), model.get_env().get_state())
    episodes, activations = evaluate(model, num_episodes=2)
    np.testing.assert_equal(compute_activations(loaded, episodes).values, activations.values)
    loaded.learn(LANES * STEPS, reset_num_timesteps=False)
    assert loaded.num_timesteps == 3 * LANES * STEPS
    assert not same(model, loaded)


def test_zip(hyperparameters, tmp_path):
    """Stable-Baselines3's own."""
    model = build(ID, hyperparameters=hyperparameters, seed=3, task_kwargs=SHORT)
    model.save(tmp_path / "model")
    assert same(model, FusedRecurrentPPO.load(tmp_path / "model", trusted=True))


def test_harlows_measures_are_watched(finished):
    ours, harlows = metrics_for(ID), EXPERIMENTS["harlow"].trainings["agent"].metrics
    assert (ours.compute, ours.plot) == (harlows.compute, harlows.plot)
    assert ours.num_episodes < harlows.num_episodes  # of pictures
    history = load(finished / "agent").description["history"]
    assert len(history) == 2
    assert all(
        {"accuracy_1", "accuracy_6", "trials_1", "reward_per_trial"} <= set(h) for h in history
    )


@pytest.mark.slow
def test_command_line(finished, tmp_path, capsys):
    """Held-out episodes, as a table."""
    assert (
        main(["evaluate", str(finished), "--episodes", "4", "--out", str(tmp_path / "t.csv")]) == 0
    )
    assert "accuracy_1" in capsys.readouterr().out
    trials = pd.read_csv(tmp_path / "t.csv")
    assert {"trial", "correct", "choice"} <= set(trials)
    assert (trials["objects_0"] >= 1000).all()  # the objects of the test
