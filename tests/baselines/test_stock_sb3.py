"""The environments and observers in the hands of stock Stable-Baselines3."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from by_hand import within
from every_id import IDS, LANES, choose
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecVideoRecorder

from neurotasks.observers import BayesTwoStep, HarlowObserver, Oracle
from neurotasks.rendering.pixels import HEAD, HEIGHT, STRIP
from neurotasks_baselines.agents.vec_env import GymnasiumVecEnv, make_vec_env

TWO_STEP = "neurotasks/TwoStep-v0"
FRAME = HEAD + HEIGHT + STRIP  # pixels
HARLOW, PIXELS = "neurotasks/Harlow-v0", "neurotasks/HarlowPixels-v0"
every_id = pytest.mark.parametrize("id", IDS)

pytestmark = pytest.mark.filterwarnings("error")


@every_id
def test_sb3_checker(id):
    check_env(gym.make(id).unwrapped, warn=True)


@every_id
def test_monitor_gives_the_episode_return(id):
    env = Monitor(gym.make(id))
    env.reset(seed=0)
    rng, rewards, over = np.random.default_rng(0), [], False
    while not over:
        _, reward, over, _, info = env.step(choose(env, rng, 0.9))
        rewards.append(reward)
    assert info["episode"]["r"] == pytest.approx(sum(rewards), abs=1e-6)
    assert info["episode"]["l"] == len(rewards)


def test_evaluate_policy_of_sb3():
    """Each episode is worth what an observer without memory of the one before can earn."""
    venv = make_vec_env(HARLOW, num_envs=16, seed=0, task_kwargs={"split": "test"})
    agent = HarlowObserver(venv.unwrapped.envs, seed=0)
    returns, lengths = evaluate_policy(
        agent, venv, n_eval_episodes=800, return_episode_rewards=True
    )
    lucky = np.isclose(returns, 6 * 0.2 + 6)
    assert (lucky | np.isclose(returns, 6 * 0.2 + 4)).all()
    assert within(lucky.sum(), len(returns), 0.5)
    assert max(lengths) <= 60


@pytest.mark.parametrize(("id", "observer"), [(TWO_STEP, BayesTwoStep), (TWO_STEP, Oracle)])
def test_evaluate_policy_of_sb3_on_the_two_step_task(id, observer):
    venv = make_vec_env(id, num_envs=50, seed=0)
    returns, lengths = evaluate_policy(
        observer(venv.unwrapped.envs, seed=0),
        venv,
        n_eval_episodes=400,
        return_episode_rewards=True,
    )
    assert lengths == [300] * 400
    expected = 0.705 if observer is BayesTwoStep else 0.74
    assert np.mean(returns) / 100 == pytest.approx(expected, abs=0.02)


def test_stable_baselines_video(tmp_path, capsys):
    envs = GymnasiumVecEnv(
        gym.make_vec(TWO_STEP, num_envs=4, autoreset_mode="SameStep", render_mode="rgb_array")
    )
    dummy = DummyVecEnv([lambda: gym.make(TWO_STEP, render_mode="rgb_array")])
    for env, height in ((envs, 2 * FRAME), (dummy, FRAME)):
        env.reset()
        assert len(env.get_images()) == env.num_envs
        assert env.render().shape[0] == height
    recorder = VecVideoRecorder(envs, str(tmp_path), lambda step: step == 0, video_length=3)
    recorder.reset()
    for _ in range(4):
        recorder.step(np.full(4, 2))
    recorder.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


def test_adapter_equals_single_environments():
    """Dict observations and the last ones of episodes reach Stable-Baselines3 unchanged."""
    keywords = {"max_frames": 40}
    ours = GymnasiumVecEnv(
        gym.make_vec(PIXELS, num_envs=LANES, autoreset_mode="SameStep", **keywords)
    )
    theirs = DummyVecEnv([lambda: gym.make(PIXELS, **keywords)] * LANES)
    for env in (ours, theirs):
        env.seed(7)
    np.testing.assert_equal(ours.reset(), dict(theirs.reset()))
    rng, ended = np.random.default_rng(0), 0
    for _ in range(40):
        actions = rng.integers(3, size=LANES)
        observations, rewards, dones, infos = ours.step(actions)
        expected = theirs.step(actions)
        np.testing.assert_equal(observations, dict(expected[0]))
        np.testing.assert_equal((rewards, dones), expected[1:3])
        for lane in np.flatnonzero(dones):
            last = infos[lane]["terminal_observation"]
            np.testing.assert_equal(last, expected[3][lane]["terminal_observation"])
            assert not last["image"].any()
            ended += 1
    assert ended == 4 * LANES


VEC_ENVS = {
    "native": lambda **keywords: make_vec_env(PIXELS, 2, seed=0, task_kwargs=keywords),
    "dummy": lambda **keywords: DummyVecEnv([lambda: gym.make(PIXELS, **keywords)] * 2),
}


@pytest.fixture
def one_thread():
    """Two threads of PyTorch on a busy machine take many times longer."""
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("kind", "policy", "feedback"),
    [
        ("native", "MultiInputLstmPolicy", "both"),
        ("dummy", "MultiInputLstmPolicy", "both"),
        ("native", "CnnLstmPolicy", "none"),
    ],
)
def test_stock_recurrent_ppo_trains(kind, policy, feedback):
    env = VEC_ENVS[kind](max_frames=20, feedback=feedback)
    small = {"lstm_hidden_size": 8}
    model = RecurrentPPO(policy, env, n_steps=8, batch_size=16, n_epochs=1, policy_kwargs=small)
    before = [weights.clone() for weights in model.policy.parameters()]
    model.learn(16)
    changed = [
        not old.equal(new) for old, new in zip(before, model.policy.parameters(), strict=True)
    ]
    assert any(changed)
    assert model.num_timesteps == 16
