"""Native vector environments for Stable-Baselines3, beside its own ``DummyVecEnv``."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics, TransformObservation
from gymnasium.wrappers.vector import RecordEpisodeStatistics as VectorStatistics
from stable_baselines3.common.monitor import Monitor, load_results
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.vec_env import GymnasiumVecEnv, make_vec_env
from neurotasks_baselines.errors import AutoresetError

TASK, CARTPOLE = "neurotasks/TwoStep-v0", "CartPole-v1"
LANES, SEED = 3, 7
SYNC = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
PAIRS = {
    "two-step": (TASK, {"trials": 3}, {"autoreset_mode": "SameStep"}),
    "cart-pole": (CARTPOLE, {"max_episode_steps": 14}, SYNC),
}


def native(lanes=LANES, **task_kwargs):
    task_kwargs = {"autoreset_mode": "SameStep", "trials": 3} | task_kwargs
    return GymnasiumVecEnv(gym.make_vec(TASK, num_envs=lanes, **task_kwargs))


def play(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        yield env.step(rng.integers(env.action_space.n, size=env.num_envs))


@pytest.mark.parametrize(("id", "task_kwargs", "vector"), PAIRS.values(), ids=PAIRS)
def test_equals_single_environments(id, task_kwargs, vector):
    """The same observations, rewards, ends and infos, whichever way an episode ends."""
    ours = GymnasiumVecEnv(gym.make_vec(id, num_envs=LANES, **task_kwargs, **vector))
    theirs = DummyVecEnv([lambda: gym.make(id, **task_kwargs)] * LANES)
    for env in (ours, theirs):
        env.seed(SEED)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    np.testing.assert_equal(ours.reset_infos, theirs.reset_infos)
    cut_short, lengths = [], set()
    for step in zip(play(ours, 60), play(theirs, 60), strict=True):
        (observations, rewards, dones, infos), (*expected, expected_infos) = step
        for a, b in zip((observations, rewards, dones), expected, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        for i in range(LANES):
            if dones[i]:
                np.testing.assert_equal(infos[i], expected_infos[i])
                cut_short.append(infos[i]["TimeLimit.truncated"])
                lengths.add((observations[i] == infos[i]["terminal_observation"]).all())
            else:
                assert infos[i] == {}
        np.testing.assert_equal(ours.reset_infos, theirs.reset_infos)
    assert len(cut_short) >= 6
    assert set(cut_short) == ({True, False} if id == CARTPOLE else {False})
    assert False in lengths  # the last observation is not the first of the next episode


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_other_autoreset_modes_are_refused(mode):
    with pytest.raises(AutoresetError, match=r"SAME_STEP.*Pass autoreset_mode='SameStep'"):
        native(autoreset_mode=mode)


def test_gymnasium_default_is_refused():
    with pytest.raises(AutoresetError, match="NEXT_STEP"):
        GymnasiumVecEnv(gym.make_vec(CARTPOLE, num_envs=2, vectorization_mode="sync"))


def test_lane_i_is_the_single_environment_seeded_i_further():
    env = make_vec_env(TASK, LANES, SEED, task_kwargs={"trials": 3})
    first = env.reset()
    for i in range(LANES):
        np.testing.assert_array_equal(first[i], gym.make(TASK, trials=3).reset(seed=SEED + i)[0])
        single = gym.make(TASK, trials=3).unwrapped
        single.reset(seed=SEED + i)
        assert env.get_state()[i] == single.get_state()[0]
    goes_on = env.reset()
    assert (env.get_state()["episode"] == 1).all()
    assert goes_on.shape == first.shape


def test_episode_statistics(tmp_path):
    env = make_vec_env(
        TASK, LANES, SEED, task_kwargs={"trials": 3}, monitor=tmp_path / "it.monitor.csv"
    )
    assert isinstance(env, VecMonitor)
    env.reset()
    returns, lengths, expected, reported = np.zeros(LANES), np.zeros(LANES, int), [], []
    for _, rewards, dones, infos in play(env, 50):
        returns, lengths = returns + rewards, lengths + 1
        for i in np.flatnonzero(dones):
            expected.append((returns[i], lengths[i]))
            reported.append((infos[i]["episode"]["r"], infos[i]["episode"]["l"]))
        returns[dones], lengths[dones] = 0, 0
    env.close()
    assert len(expected) > 2 * LANES
    assert len(set(expected)) > 3
    assert reported == expected
    table = load_results(str(tmp_path))
    assert list(zip(table["r"], table["l"], strict=True)) == expected


STATISTICS = {
    "around all": lambda: VectorStatistics(
        gym.make_vec(TASK, num_envs=LANES, trials=3, autoreset_mode="SameStep")
    ),
    "around each": lambda: gym.make_vec(
        TASK, num_envs=LANES, trials=3, wrappers=[RecordEpisodeStatistics], **SYNC
    ),
}


@pytest.mark.parametrize("where", STATISTICS)
def test_statistics_of_gymnasium(where):
    """Returns and lengths that a wrapper keeps are where Stable-Baselines3 looks for them."""
    env = GymnasiumVecEnv(STATISTICS[where]())
    env.seed(SEED)
    env.reset()
    returns, lengths, ended = np.zeros(LANES), np.zeros(LANES, int), 0
    for _, rewards, dones, infos in play(env, 60):
        returns, lengths = returns + rewards, lengths + 1
        assert [info == {} for info in infos] == (~dones).tolist()
        for i in np.flatnonzero(dones):
            assert set(infos[i]["episode"]) == {"r", "l", "t"}
            assert (infos[i]["episode"]["r"], infos[i]["episode"]["l"]) == (returns[i], lengths[i])
            assert "episode" not in env.reset_infos[i]
            ended += 1
        returns[dones], lengths[dones] = 0, 0
    assert ended > LANES


class Forgetful(gym.vector.VectorWrapper):
    """Leaves some infos out."""

    def __init__(self, envs, *names):
        super().__init__(envs)
        self.names = names

    def step(self, actions):
        *result, infos = super().step(actions)
        return *result, {k: v for k, v in infos.items() if k.strip("_") not in self.names}


def test_infos_that_are_not_there():
    """Without those of the last step there are none; without its observation there is an error."""
    envs = gym.make_vec(TASK, num_envs=LANES, trials=3, autoreset_mode="SameStep")
    env = GymnasiumVecEnv(Forgetful(envs, "final_info"))
    env.reset()
    lasts = [infos[i] for *_, dones, infos in play(env, 60) for i in np.flatnonzero(dones)]
    assert len(lasts) > LANES
    assert all(set(last) == {"terminal_observation", "TimeLimit.truncated"} for last in lasts)
    env = GymnasiumVecEnv(Forgetful(envs, "final_obs"))
    env.reset()
    with pytest.raises(AutoresetError, match=r"must hold.*'final_obs'"):
        list(play(env, 60))


def wider(env):
    space = env.observation_space
    twice = gym.spaces.Box(np.tile(space.low, 2), np.tile(space.high, 2))
    return TransformObservation(env, lambda observation: np.tile(observation, 2), twice)


def test_a_wrapper_that_changes_shapes():
    """The spaces, observations and last observations are those of the wrapper."""
    env = GymnasiumVecEnv(gym.make_vec(TASK, num_envs=LANES, trials=3, wrappers=[wider], **SYNC))
    shape = (LANES, *env.observation_space.shape)
    assert shape == (LANES, 16) == env.reset().shape
    for observations, _, dones, infos in play(env, 30):
        assert observations.shape == shape
        assert all(infos[i]["terminal_observation"].shape == (16,) for i in np.flatnonzero(dones))


def test_state():
    """What follows a restored state follows it again."""
    env = native()
    env.seed(SEED)
    env.reset()
    list(play(env, 4))
    state = env.get_state()
    first = list(play(env, 20, seed=1))
    assert (env.get_state() != state).all()
    env.set_state(state)
    assert (env.get_state() == state).all()
    for a, b in zip(first, play(env, 20, seed=1), strict=True):
        np.testing.assert_equal(a, b)


def test_a_restored_state_forgets_waiting_seeds():
    env = native()
    env.seed(SEED)
    env.reset()
    state = env.get_state()

    def after_reset(seed, restore):
        env.set_state(state)
        if seed is not None:
            env.seed(seed)
        if restore:
            env.set_state(state)
        env.reset()
        return env.get_state()

    goes_on = after_reset(None, restore=False)
    assert (after_reset(1, restore=True) == goes_on).all()
    assert (after_reset(1, restore=False) != goes_on).all()


@pytest.mark.parametrize(
    ("better", "expected"), [(1, [1] * 6), (0, [0] * 6), (np.array([0, 1] * 3), [0, 1] * 3)]
)
def test_options(better, expected):
    """They hold for one reset; one value is for all lanes, an array has one for each."""
    env = native(lanes=6, p_reversal=0.0)
    env.set_options({"better_state": better})
    env.reset()
    assert env.get_state()["better_state"].tolist() == expected
    drawn = []
    for _ in range(5):
        env.reset()
        drawn.append(env.get_state()["better_state"].tolist())
    assert any(d != expected for d in drawn)


def test_options_that_differ_between_lanes_are_refused():
    env = native()
    env.set_options([{"better_state": 0}, {"better_state": 1}, {}])
    with pytest.raises(ValueError, match=r"Reset options must be the same.*Pass one dict"):
        env.reset()


def test_methods_and_attributes():
    env = native()
    env.reset()
    assert len(env.env_method("get_state")[0]) == LANES
    assert env.get_attr("parameters")[0].trials == 3
    assert len(env.get_attr("parameters")) == LANES
    assert len(env.get_attr("parameters", [0, 2])) == 2
    env.set_attr("note", 5)
    assert env.envs.unwrapped.note == 5
    assert env.env_is_wrapped(Monitor) == [False] * LANES
    with pytest.raises(AttributeError):
        env.get_attr("nonesuch")


@pytest.mark.parametrize("lanes", [0, [0, 2]])
def test_a_part_of_the_lanes_is_refused(lanes):
    env = native()
    env.reset()
    before = env.get_state()
    with pytest.raises(ValueError, match=r"env_method\('reset'\) must be for all"):
        env.env_method("reset", indices=lanes)
    with pytest.raises(ValueError, match=r"set_attr\('note'\) must be for all"):
        env.set_attr("note", 5, indices=lanes)
    assert (env.get_state() == before).all()
    assert not hasattr(env.envs.unwrapped, "note")


def test_closes():
    envs = gym.make_vec(CARTPOLE, num_envs=2, **SYNC)
    GymnasiumVecEnv(envs).close()
    assert envs.closed


@pytest.mark.parametrize("given", ["as a keyword", "in task_kwargs"])
@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_vectorization_modes(mode, given):
    """Whichever way sub-environments are vectorized, they are the same."""
    if given == "as a keyword":
        env = make_vec_env(TASK, LANES, SEED, vectorization_mode=mode)
    else:
        env = make_vec_env(TASK, LANES, SEED, task_kwargs={"vectorization_mode": mode})
    assert isinstance(env.unwrapped.envs.unwrapped, SyncVectorEnv) == (mode == "sync")
    expected = make_vec_env(TASK, LANES, SEED)
    np.testing.assert_array_equal(env.reset(), expected.reset())
    for ours, theirs in zip(play(env, 400), play(expected, 400), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[2], theirs[2])


@pytest.mark.parametrize("mode", [None, "sync"])
def test_an_episode_can_be_truncated(mode):
    env = make_vec_env(TASK, 2, SEED, vectorization_mode=mode, max_episode_steps=7)
    env.reset()
    *_, (_, _, dones, infos) = play(env, 7)
    assert dones.all()
    assert all(info["TimeLimit.truncated"] for info in infos)


@pytest.mark.parametrize("word", ["trialz", "autoreset_mod", "num_envs"])
@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_an_unknown_keyword_is_named(word, mode):
    with pytest.raises((ParameterError, TypeError), match=word):
        make_vec_env(TASK, 2, task_kwargs={word: 3}, vectorization_mode=mode)
