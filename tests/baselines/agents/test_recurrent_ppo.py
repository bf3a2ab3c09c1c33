"""Training on whole columns beside numbers worked out step by step, and beside sb3-contrib."""

import itertools
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import TimeLimit
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env as sb3_make_vec_env
from stable_baselines3.common.envs import IdentityEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecMonitor

from neurotasks_baselines.agents import recurrent_ppo
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.engines import TORCH
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.vec_env import GymnasiumVecEnv

POLICY = RecurrentActorCriticPolicy  # whose methods step the LSTM in a loop
UNITS, LANES = 8, 4
whole_or_not = pytest.mark.parametrize("whole", [False, True], ids=["any", "whole"])
trunks = pytest.mark.parametrize("trunk", ["shared", "separate"])


class Walk(gym.Env):
    """Random observations and rewards; each step may be the last, the eighth is cut off."""

    observation_space = gym.spaces.Box(-9, 9, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, ends=0.12):
        self.ends = ends

    def _look(self):
        return self.np_random.normal(size=2).clip(-9, 9).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action):
        reward = float(action) + self.np_random.normal()
        return self._look(), reward, bool(self.np_random.random() < self.ends), False, {}


def walks(lanes=LANES, limit=8, ends=0.12):
    return Tape(DummyVecEnv([lambda: TimeLimit(Walk(ends), limit)] * lanes))


@dataclass
class Step:
    observations: np.ndarray
    starts: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    dones: np.ndarray
    cut_short: list
    last: np.ndarray
    following: np.ndarray


class Tape(VecEnvWrapper):
    """Keeps what went through it."""

    def __init__(self, venv):
        super().__init__(venv)
        self.steps, self.resets = [], 0

    def reset(self):
        self.resets += 1
        self.observations, self.starts = self.venv.reset(), np.ones(self.num_envs, bool)
        return self.observations.copy()

    def step_async(self, actions):
        self.actions = actions.copy()
        super().step_async(actions)

    def step_wait(self):
        following, rewards, dones, infos = self.venv.step_wait()
        last = following.copy()
        for i in np.flatnonzero(dones):
            last[i] = infos[i]["terminal_observation"]
        cut_short = [info.get("TimeLimit.truncated", False) for info in infos]
        self.steps.append(
            Step(
                *(self.observations, self.starts, self.actions, rewards.copy(), dones.copy()),
                *(cut_short, last, following.copy()),
            )
        )
        self.observations, self.starts = following.copy(), dones.copy()
        return following, rewards, dones, infos


OF_STEPS = "observations", "actions", "rewards", "dones", "cut_short"


class ByHand(BaseCallback):
    """Works out, step by step, what the buffer has to hold, and compares.

    Of each step it keeps a dict; in `by_hand` they lie as the steps do in the columns.
    """

    def __init__(self, compare):
        super().__init__()
        self.compare, self.kinds, self.rollouts, self.episodes = compare, set(), 0, 0

    def _on_training_start(self):
        shape = self.model.policy.lstm_actor.num_layers, self.model.n_envs, UNITS
        self.states = RNNStates(*(tuple(th.zeros(shape) for _ in range(2)) for _ in range(2)))
        self.begun = [[] for _ in range(self.model.n_envs)]

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        steps = self.training_env.steps[-self.model.n_steps :]
        values, log_probs, after, before = self.evaluate(steps)
        by_hand = [
            [
                {name: getattr(s, name)[i] for name in OF_STEPS}
                | {"values": values[t, i], "log_probs": log_probs[t, i], "after": after[t, i]}
                for i in range(self.model.n_envs)
            ]
            for t, s in enumerate(steps)
        ]
        if self.model.whole_episodes:
            by_hand = self.in_columns(by_hand)
        self.compare(self.model, steps, by_hand, before)
        self.kinds |= {"end" for s in steps if (s.dones & ~np.array(s.cut_short)).any()}
        self.kinds |= {"cut short" for s in steps if any(s.cut_short)}
        self.rollouts += 1

    def in_columns(self, by_hand):
        """Put the episodes that have ended, each once, where the buffer has their first step."""
        buffer, ended = self.model.rollout_buffer, []
        for row in by_hand:
            for begun, step in zip(self.begun, row, strict=True):
                begun.append(step)
                if step["dones"]:
                    ended.append(begun.copy())
                    begun.clear()
        columns = [[None] * buffer.n_envs for _ in range(buffer.buffer_size)]
        begins = list(zip(*np.nonzero(buffer.sequence_starts), strict=True))
        firsts = {buffer.observations[place].tobytes(): place for place in begins}
        assert len(firsts) == len(begins) == len(ended)
        for episode in ended:
            t, column = firsts[episode[0]["observations"].tobytes()]
            for step in episode:
                assert columns[t][column] is None
                columns[t][column] = step
                t += 1
        self.episodes += len(ended)
        return columns

    @th.no_grad()
    def evaluate(self, steps):
        """Return values, log-probabilities, values after each step and states before each."""
        policy, states = self.model.policy, self.states
        values, log_probs, after, before = [], [], [], []
        for s in steps:
            observations, starts = th.as_tensor(s.observations), th.as_tensor(s.starts).float()
            actions = th.as_tensor(s.actions)
            before.append(states)
            _, log_prob, _ = POLICY.evaluate_actions(policy, observations, actions, states, starts)
            _, value, _, states = POLICY.forward(policy, observations, states, starts, True)
            going_on = th.zeros(len(starts))
            last = POLICY.predict_values(policy, th.as_tensor(s.last), states.vf, going_on)
            values.append(value.flatten().numpy())
            log_probs.append(log_prob.numpy())
            after.append(last.flatten().numpy())
        self.states = states
        return np.stack(values), np.stack(log_probs), np.stack(after), before


def ppo(env, trunk="shared", **keywords):
    policy = {"trunk": trunk, "lstm_hidden_size": UNITS}
    keywords = {"n_steps": 12, "batch_size": 24, "n_epochs": 2, "learning_rate": 0.01} | keywords
    return FusedRecurrentPPO("FusedLstmPolicy", env, seed=1, policy_kwargs=policy, **keywords)


def of_steps(name, by_hand):
    """Return a number of each step, NaN where there is none, (steps, columns)."""
    return np.array([[np.nan if s is None else s[name] for s in row] for row in by_hand])


def learn_by_hand(model, compare, rollouts=4):
    by_hand = ByHand(compare)
    model.learn(rollouts * model.n_steps * model.n_envs, by_hand)
    assert by_hand.rollouts == rollouts
    return by_hand


def near(ours, theirs):
    where = ~np.isnan(theirs)
    np.testing.assert_allclose(ours[where], theirs[where], rtol=1e-5, atol=1e-6)


@whole_or_not
@trunks
@pytest.mark.parametrize("n_steps", [5, 12])
def test_values_and_log_probabilities(trunk, whole, n_steps):
    """What is stored is what the stock loop gives, over several rollouts with carried states."""

    def compare(model, steps, by_hand, before):
        buffer = model.rollout_buffer
        for name in ("values", "log_probs"):
            near(getattr(buffer, name), of_steps(name, by_hand))
        near(buffer.actions[..., 0], of_steps("actions", by_hand))
        for t, column in itertools.product(range(buffer.buffer_size), range(buffer.n_envs)):
            step = by_hand[t][column]
            assert buffer.mask[t, column] == (step is not None)
            if step is not None:
                near(buffer.observations[t, column], step["observations"])

    model = ppo(walks(), trunk, n_steps=n_steps, batch_size=2 * n_steps, whole_episodes=whole)
    by_hand = learn_by_hand(model, compare, rollouts=6)
    assert by_hand.kinds == {"end", "cut short"}
    if whole:  # each was learned from but the last of each environment
        dones = np.array([s.dones for s in model.env.steps])
        assert by_hand.episodes == dones.sum() > 4 * LANES


@whole_or_not
@trunks
@pytest.mark.parametrize(("gamma", "gae_lambda"), [(1.0, 1.0), (0.9, 1.0), (0.99, 0.0), (0.8, 0.7)])
@pytest.mark.parametrize("n_steps", [5, 12])
def test_advantages(trunk, whole, gamma, gae_lambda, n_steps):
    """GAE from its definition; an episode cut short goes on with the value after its last step."""

    def compare(model, steps, by_hand, before):
        values = of_steps("values", by_hand)
        advantages = 0 * values
        for first, column in zip(*np.nonzero(~np.isnan(values)), strict=True):
            weight = 1.0
            for t in range(first, len(by_hand)):
                s = by_hand[t][column]
                following = s["after"] * (s["cut_short"] or not s["dones"])
                if t + 1 < len(by_hand) and not s["dones"]:  # perhaps of the next rollout's weights
                    following = by_hand[t + 1][column]["values"]
                delta = s["rewards"] + gamma * following - s["values"]
                advantages[first, column] += weight * delta
                weight *= gamma * gae_lambda
                if s["dones"]:
                    break
        near(model.rollout_buffer.advantages, advantages)
        near(model.rollout_buffer.returns, advantages + values)

    hyperparameters = {"n_steps": n_steps, "batch_size": 2 * n_steps, "whole_episodes": whole}
    model = ppo(walks(), trunk, gamma=gamma, gae_lambda=gae_lambda, **hyperparameters)
    learn_by_hand(model, compare, rollouts=3)


@whole_or_not
def test_cut_short_is_not_the_end(whole):
    """A reward of 1 a step is worth 1 / (1 - gamma) for ever, also where a time limit cuts."""

    class Salary(Walk):
        def step(self, action):
            return self._look(), 1.0, False, False, {}

    class Prices(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            self.returns = self.model.rollout_buffer.returns[self.model.rollout_buffer.mask]

    model = ppo(DummyVecEnv([lambda: TimeLimit(Salary(), 5)]), gamma=0.9, whole_episodes=whole)
    model.policy.value_net.weight.data.zero_()
    model.policy.value_net.bias.data.fill_(1 / (1 - 0.9))
    prices = Prices()
    model.learn(4 * 12, prices)
    np.testing.assert_allclose(prices.returns, 10, rtol=1e-5)


def numbered_buffer(lanes=5, steps=4, starts=()):
    """Fill a buffer with numbers that say whose they are: 10 * lane + step."""
    box, shape = gym.spaces.Box(0, 99, (1,)), (steps, 1, lanes, UNITS)
    buffer = ColumnRolloutBuffer(*(steps, box, gym.spaces.Discrete(99), shape), n_envs=lanes)
    numbers = 10 * np.arange(lanes) + np.arange(steps)[:, None]
    for t, row in enumerate(numbers):
        start = np.array([t == 0 or (t, lane) in starts for lane in range(lanes)])
        buffer.add(row[:, None], row + 1, row + 2, start)
    assert buffer.full
    for i, name in enumerate(("values", "log_probs", "advantages", "returns"), 3):
        getattr(buffer, name)[:] = numbers + i
    buffer.targets = buffer.returns[..., None]
    first = [th.arange(lanes).float().view(1, lanes, 1).expand(-1, -1, UNITS) + i for i in range(4)]
    buffer.first_states = RNNStates(tuple(first[:2]), tuple(first[2:]))
    buffer.count_all_steps()
    return buffer


@pytest.mark.parametrize("columns", [1, 2, 5, 9, None])
def test_minibatches(columns):
    """Together they hold each step that counts once; a column is whole, its fields agree."""
    lanes, steps = 5, 4
    starts = {(2, 1), (3, 1), (1, 4)}
    buffer = numbered_buffer(lanes, steps, starts)
    orders = []
    for _ in range(2):
        met, sizes = [], []
        for batch in buffer.get(None if columns is None else columns * steps):
            numbers = batch.observations.view(steps, -1).T
            sizes.append(len(numbers))
            assert (numbers - numbers[:, :1] == th.arange(steps)).all()
            assert (numbers[:, 0] % 10 == 0).all()
            flat = batch.observations.flatten()
            assert th.equal(batch.actions.flatten(), flat + 1)
            fields = batch.old_values, batch.old_log_prob, batch.advantages, batch.returns[:, 0]
            for i, field in enumerate(fields, 3):
                assert th.equal(field, flat + i)
            for i, state in enumerate((*batch.lstm_states.pi, *batch.lstm_states.vf)):
                assert th.equal(state[0, :, 0], numbers[:, 0] / 10 + i)
            where = [(int(n) % 10, int(n) // 10) for n in flat]
            begins = [t == 0 or (t, lane) in starts for t, lane in where]
            assert batch.mask.all()
            assert batch.episode_starts.bool().tolist() == begins
            met += where
        assert sorted(met) == sorted(itertools.product(range(steps), range(lanes)))
        assert len(sizes) == {1: 5, 2: 2}.get(columns, 1)
        assert max(sizes) - min(sizes) <= 1
        orders.append([lane for step, lane in met if step == 0])
    for _ in range(9):
        orders.append([int(o) // 10 for b in buffer.get(steps) for o in b.observations[:1]])
    assert len({tuple(order) for order in orders}) > 1


class Spoil(BaseCallback):
    """Writes nonsense into the steps of the buffer that count, or do not."""

    def __init__(self, masked):
        super().__init__()
        self.masked, self.spoilt = masked, 0

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        where = buffer.mask != self.masked
        self.spoilt += where.sum()
        for name in ("observations", "advantages", "targets", "values", "log_probs"):
            getattr(buffer, name)[where] += 5
        buffer.actions[where] = 2


def test_masked_steps_are_not_learned_from(weights):
    models = []
    for spoil in (None, Spoil(True), Spoil(False)):
        model = ppo(walks(), whole_episodes=True)
        model.learn(3 * 12 * LANES, spoil)
        models.append(weights(model))
        assert spoil is None or spoil.spoilt > 5
    assert th.equal(models[0], models[1])
    assert not th.allclose(models[0], models[2], atol=1e-3)


@whole_or_not
@pytest.mark.parametrize("plain", [True, False], ids=["compiled", "torch"])
def test_an_update_equals_the_stock_one(monkeypatch, weights, whole, plain):
    """The same rollout, in one minibatch: the same weights, in two rollouts."""
    if not plain:
        monkeypatch.setattr(recurrent_ppo, "engine_of", lambda _: TORCH)
    # the stock buffer starts its minibatch at a random step and cuts a sequence there
    monkeypatch.setattr(np.random, "randint", lambda *_: 0)
    # an episode on each lane is as long as a rollout: nothing to mask
    env = walks(limit=12, ends=0.0) if whole else walks()
    hyperparameters = {"n_steps": 12, "batch_size": 12 * LANES, "n_epochs": 1, "ent_coef": 0.1}
    model = ppo(env, "separate", whole_episodes=whole, **hyperparameters)
    policy = {"lstm_hidden_size": UNITS, "net_arch": []}
    stock = RecurrentPPO(
        "MlpLstmPolicy", walks(), learning_rate=0.01, policy_kwargs=policy, **hyperparameters
    )
    stock.policy.load_state_dict(model.policy.state_dict())
    start = weights(model)

    def compare(model, steps, by_hand, before):
        assert model.rollout_buffer.mask.all()
        assert th.allclose(weights(model), weights(stock), rtol=0, atol=1e-6)
        buffer, theirs = model.rollout_buffer, stock.rollout_buffer
        theirs.reset()
        for t, s in enumerate(steps):
            values, log_probs = th.as_tensor(buffer.values[t]), th.as_tensor(buffer.log_probs[t])
            actions = s.actions[:, None], buffer.rewards[t], s.starts
            theirs.add(s.observations, *actions, values, log_probs, lstm_states=before[t])
        after = th.as_tensor(of_steps("after", by_hand)[-1], dtype=th.float32)
        theirs.compute_returns_and_advantage(after, steps[-1].dones)
        stock.set_logger(model.logger)
        with th.inference_mode(False):
            stock.train()

    learn_by_hand(model, compare, rollouts=3)
    assert th.allclose(weights(model), weights(stock), rtol=0, atol=1e-6)
    assert not th.allclose(weights(model), start, atol=0.01)


@whole_or_not
def test_same_seed_same_weights(weights, whole):
    def trained(seed):
        model = ppo(walks(), whole_episodes=whole)
        model.set_random_seed(seed)
        return weights(model.learn(3 * 12 * LANES))

    assert th.equal(trained(5), trained(5))
    assert not th.allclose(trained(5), trained(6), atol=1e-3)


class Echo(VectorEnv):
    """Pays 1 for naming the symbol shown `delay` steps ago, in episodes of 16 steps."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    symbols, length = 4, 16

    def __init__(self, delay, lanes=32):
        self.delay, self.num_envs = delay, lanes
        self.single_observation_space = gym.spaces.Box(0, 1, (self.symbols,), np.float32)
        self.single_action_space = gym.spaces.Discrete(self.symbols)
        self.observation_space = batch_space(self.single_observation_space, lanes)
        self.action_space = batch_space(self.single_action_space, lanes)

    def _begin(self):
        self.t = 0
        shape = self.length + 1, self.num_envs
        self.shown = self.np_random.integers(self.symbols, size=shape)

    def _look(self):
        return np.eye(self.symbols, dtype=np.float32)[self.shown[self.t]]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._begin()
        return self._look(), {}

    def step(self, actions):
        right = self.shown[self.t - self.delay] == actions
        rewards = (right & (self.t >= self.delay)).astype(float)
        self.t += 1
        over = np.full(self.num_envs, self.t == self.length)
        infos, observations = {}, self._look()
        if over[0]:
            infos = {"final_obs": observations, "final_info": {}}
            self._begin()
            observations = self._look()
        return observations, rewards, over, np.zeros_like(over), infos


def solve(delay, whole, steps, **keywords):
    """Return the fraction of right answers after training, with memory and without."""
    hyperparameters = {"learning_rate": 0.01, "n_epochs": 4, "gamma": 0.0, "whole_episodes": whole}
    hyperparameters |= {"n_steps": 16, "batch_size": 16 * 16} | keywords
    model = ppo(GymnasiumVecEnv(Echo(delay)), **hyperparameters).learn(steps)
    scores = []
    for forget in (False, True):
        env, memory, score = GymnasiumVecEnv(Echo(delay, lanes=200)), None, 0.0
        env.seed(77)
        observation, start = env.reset(), np.ones(200, bool)
        for _ in range(Echo.length):
            action, memory = model.predict(observation, memory, start)
            observation, reward, done, _ = env.step(action)
            score += reward.mean() / (Echo.length - delay)
            start = done | forget
        scores.append(score)
    return scores


@whole_or_not
def test_learns_what_is_seen(whole):
    assert solve(0, whole, 15_000)[0] >= 0.9


@pytest.mark.slow
@whole_or_not
def test_learns_what_must_be_remembered(whole):
    """The symbols are independent: without memory nothing above 1/4 is possible."""
    with_memory, without = solve(1, whole, 30_000)
    assert with_memory >= 0.9
    assert without <= 0.35


def test_learning_can_fail():
    assert max(solve(0, True, 1_000, learning_rate=0.0)) <= 0.35


@pytest.mark.parametrize(
    ("ent_coef", "expected"),
    [(LinearSchedule(0.2, 0.0, 1.0), [0.15, 0.1, 0.05, 0.0]), (0.3, [0.3] * 4)],
)
def test_entropy_schedule(ent_coef, expected, weights):
    class Read(BaseCallback):
        used: list = []

        def _on_step(self):
            return True

        def _on_rollout_start(self):
            self.used.append(self.logger.name_to_value.get("train/ent_coef"))

    Read.used = []
    model = ppo(walks(), ent_coef=ent_coef)
    model.learn(4 * 12 * LANES, Read())
    last = model.logger.name_to_value["train/ent_coef"]
    assert [*Read.used[1:], last] == pytest.approx(expected)


def test_entropy_pays(weights):
    """A weight far above the advantages' on the entropy makes the policy uniform."""
    entropies = {}
    for ent_coef in (0.0, 10.0):
        model = ppo(walks(), ent_coef=ent_coef, vf_coef=0.0, learning_rate=0.05)
        model.policy.action_net.bias.data = th.tensor([2.0, 0.0, 0.0])
        model.learn(20 * 12 * LANES)
        entropies[ent_coef] = -model.logger.name_to_value["train/entropy_loss"]
    assert entropies[10.0] > 0.95 * np.log(3) > 1.1 * entropies[0.0]


class SetEntropy(BaseCallback):
    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.model.ent_coef = 0.25


@pytest.mark.parametrize("ent_coef", [0.01, LinearSchedule(0.2, 0.0, 1.0)])
def test_the_weight_of_the_entropy_can_be_set_later(ent_coef, tmp_path):
    model = ppo(walks(), ent_coef=ent_coef)
    model.save(tmp_path / "model")
    model.learn(12 * LANES, SetEntropy())
    assert model.logger.name_to_value["train/ent_coef"] == 0.25
    loaded = FusedRecurrentPPO.load(tmp_path / "model", trusted=True, env=walks(), ent_coef=0.5)
    loaded.learn(12 * LANES)
    assert loaded.logger.name_to_value["train/ent_coef"] == 0.5


def test_threads_are_limited_while_learning_only():
    used, before = [], th.get_num_threads()
    other = before + 1

    class Read(BaseCallback):
        def _on_step(self):
            used.append(th.get_num_threads())
            return True

    th.set_num_threads(other)
    try:
        model = ppo(walks())
        assert th.get_num_threads() == other
        model.learn(12 * LANES, Read())
        assert set(used) == {1}
        assert th.get_num_threads() == other
    finally:
        th.set_num_threads(before)


@pytest.mark.parametrize("part", ["action_net", "value_net", "lstm_actor"])
def test_hooks_are_called_while_learning_and_playing(part, weights):
    """A hook sees every rollout step and every minibatch, and what it returns counts."""
    plain, lesioned = ppo(walks(), "shared"), ppo(walks(), "shared")
    calls = []

    def lesion(module, arguments, result):
        calls.append(module.training)
        return (0 * result[0], result[1]) if isinstance(result, tuple) else 0 * result

    getattr(lesioned.policy, part).register_forward_hook(lesion)
    lesioned.learn(12 * LANES)
    plain.learn(12 * LANES)
    assert set(calls) == {False, True}  # while a rollout is collected, and in minibatches
    assert not th.allclose(weights(lesioned), weights(plain), atol=1e-4)
    calls.clear()
    lesioned.predict(np.zeros((LANES, *lesioned.observation_space.shape), np.float32))
    assert bool(calls) == (part != "value_net")


def test_batch_size_of_parts_of_columns():
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of n_steps=12.*got 30"):
        ppo(walks(), batch_size=30)


def test_clip_range_vf_is_refused(tmp_path):
    ppo(walks()).save(tmp_path / "model")
    with pytest.raises(ValueError, match="clip_range_vf must be None"):
        FusedRecurrentPPO.load(tmp_path / "model", trusted=True, env=walks(), clip_range_vf=0.2)
    with pytest.raises(ValueError, match=r"clip_range_vf must be None.*lower vf_coef"):
        ppo(walks(), clip_range_vf=0.2)


@trunks
@pytest.mark.parametrize("plain", [True, False], ids=["compiled", "torch"])
@pytest.mark.parametrize(("target_kl", "updates", "epochs"), [(None, 4, 2), (1e-6, 1, 1)])
def test_target_kl(monkeypatch, trunk, plain, target_kl, updates, epochs):
    """The first minibatch of the first epoch is learned from, the next one has gone too far."""
    if not plain:
        monkeypatch.setattr(recurrent_ppo, "engine_of", lambda _: TORCH)
    model, steps = ppo(walks(), trunk, target_kl=target_kl, learning_rate=0.1), []
    model.policy.optimizer.register_step_post_hook(lambda *_: steps.append(model.num_timesteps))
    model.learn(12 * LANES)
    assert len(steps) == updates
    assert model._n_updates == epochs


def test_other_policies_are_refused():
    with pytest.raises(ValueError, match=r"policy must be a subclass .*RecurrentActorCriticPolicy"):
        FusedRecurrentPPO(RecurrentActorCriticPolicy, walks(), n_steps=12, batch_size=12)


def test_stock_callbacks(tmp_path):
    env = sb3_make_vec_env("CartPole-v1", 2)
    evaluate = EvalCallback(
        sb3_make_vec_env("CartPole-v1", 1), eval_freq=24, log_path=str(tmp_path), verbose=0
    )
    model = ppo(env, tensorboard_log=str(tmp_path / "logs"))
    model.learn(4 * 24, [evaluate, CheckpointCallback(24, str(tmp_path / "checkpoints"))])
    assert model.num_timesteps == 4 * 24
    assert np.load(tmp_path / "evaluations.npz")["timesteps"].tolist() == [48, 96]
    saved = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert saved == ["rl_model_48_steps.zip", "rl_model_96_steps.zip"]
    assert evaluate_policy(model, env, n_eval_episodes=3)[0] > 5
    assert list((tmp_path / "logs").rglob("events*"))


def test_zip(tmp_path, weights):
    """A model loaded from Stable-Baselines3's zip acts the same, and learns on."""
    model = ppo(walks(), "separate", ent_coef=LinearSchedule(0.2, 0.0, 1.0), whole_episodes=True)
    model.learn(2 * 12 * LANES)
    model.save(tmp_path / "model")
    loaded = FusedRecurrentPPO.load(tmp_path / "model", trusted=True, env=walks())
    assert th.equal(weights(loaded), weights(model))
    assert (loaded.whole_episodes, loaded.policy.trunk) == (True, "separate")
    observations = np.random.default_rng(0).normal(size=(20, LANES, 2)).astype(np.float32)
    memories = None, None
    for observation in observations:
        both = [
            m.predict(observation, memory, deterministic=True)
            for m, memory in zip((model, loaded), memories, strict=True)
        ]
        assert (both[0][0] == both[1][0]).all()
        memories = both[0][1], both[1][1]
    loaded.learn(2 * 12 * LANES, reset_num_timesteps=False)
    assert loaded.num_timesteps == 4 * 12 * LANES
    assert not th.allclose(weights(loaded), weights(model), atol=1e-3)
    assert loaded.logger.name_to_value["train/ent_coef"] == pytest.approx(0.0)


def test_learning_goes_on_where_it_stopped():
    """Learning twice carries on the episodes, the counter and the states, as learning once."""
    tapes = []
    for parts in ([4], [1, 2, 1]):
        model = ppo(walks(), learning_rate=0.0)
        for part in parts:
            model.learn(part * 12 * LANES, reset_num_timesteps=False)
        assert model.num_timesteps == 4 * 12 * LANES
        assert model.env.resets == 1
        tapes.append(np.stack([s.actions for s in model.env.steps]))
    assert (tapes[0] == tapes[1]).all()


def test_stopped_by_a_callback():
    """What is learned from next is what the environment showed next, nothing older."""

    class Stop(BaseCallback):
        def _on_step(self):
            return self.n_calls < 5

    model = ppo(walks())
    model.learn(100, Stop())
    tape = model.env
    assert len(tape.steps) == 5
    following = tape.observations.copy()
    model.learn(12 * LANES, reset_num_timesteps=False)
    assert (model.rollout_buffer.observations[0] == following).all()


def test_statistics():
    """Episode returns and successes reach the logger, as in the stock algorithm."""

    class Succeed(Walk):
        def step(self, action):
            *result, _ = super().step(action)
            return *result, {"is_success": bool(result[2])}

    model = ppo(VecMonitor(DummyVecEnv([lambda: TimeLimit(Succeed(), 8)] * LANES)))
    model.learn(12 * LANES)
    assert {"r", "l", "t"} <= set(model.ep_info_buffer[0])
    assert len(model.ep_success_buffer) == len(model.ep_info_buffer) > LANES


def test_continuous_actions_are_clipped_for_the_environment_only():
    model = ppo(Tape(DummyVecEnv([lambda: Monitor(gym.make("Pendulum-v1"))] * 2)))
    model.policy.log_std.data.fill_(1.5)
    model.learn(24)
    taken = np.stack([s.actions for s in model.env.steps])
    stored = model.rollout_buffer.actions
    assert (np.abs(stored) > 2).any()
    assert (taken == stored.clip(-2, 2)).all()


@whole_or_not
def test_discrete_observations(whole):
    envs = DummyVecEnv([lambda: IdentityEnv(3, ep_length=7)] * 2)
    model = ppo(envs, whole_episodes=whole)
    assert model.learn(3 * 24).num_timesteps == 3 * 24
