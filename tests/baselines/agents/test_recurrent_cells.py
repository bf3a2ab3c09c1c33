"""The policy with each cell: it learns, plays, is saved and loaded."""

import numpy as np
import pytest
import torch as th
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy
from neurotasks_baselines.agents.recurrent import FeedForward
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.vec_env import make_vec_env

LANES, UNITS, STEPS = 4, 6, 12
MODULES = {"lstm": th.nn.LSTM, "gru": th.nn.GRU, "rnn": th.nn.RNN, "feedforward": FeedForward}
POLICIES = {
    "shared": ("FusedLstmPolicy", {"trunk": "shared"}),
    "separate": ("FusedLstmPolicy", {"trunk": "separate", "n_lstm_layers": 2}),
    "rpe": ("RpeLstmPolicy", {}),
}
cells = pytest.mark.parametrize("cell", MODULES)
policies = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


def agent(policy, **task_kwargs):
    """Return an untrained agent; episodes of nine steps begin inside its rollouts of twelve."""
    name, of_policy = policy
    return FusedRecurrentPPO(
        *(name, make_vec_env("neurotasks/TwoStep-v0", LANES, task_kwargs={"trials": 3})),
        **{"n_steps": STEPS, "batch_size": 2 * STEPS, "n_epochs": 2, "seed": 0},
        policy_kwargs=of_policy | {"lstm_hidden_size": UNITS} | task_kwargs,
    )


def weights(model):
    return {k: v.clone() for k, v in model.policy.state_dict().items()}


def unused(model):
    """Return the names of the weights without effect: those of the state in layers without one."""
    if model.policy.cell != "feedforward":
        return set()
    return {name for name in model.policy.state_dict() if "weight_hh" in name}


def play(policy, steps=5):
    """Return actions and states of some steps, the last of which begins an episode."""
    rng, state, played = np.random.default_rng(0), None, []
    for t in range(steps):
        observation = rng.normal(size=(LANES, *policy.observation_space.shape)).astype(np.float32)
        start = np.full(LANES, t in (0, steps - 1))
        actions, state = policy.predict(observation, state, start, deterministic=True)
        played.append((actions, *state))
    return [np.stack(of_steps) for of_steps in zip(*played, strict=True)]


@cells
@policies
def test_learns_saves_and_loads(policy, cell, tmp_path):
    model = agent(policy, cell=cell)
    before = weights(model)
    model.learn(2 * LANES * STEPS)
    after = weights(model)
    assert all(w.isfinite().all() for w in after.values())
    same = {name for name in before if th.equal(after[name], before[name])}
    assert same == unused(model)

    model.save(tmp_path / "agent")
    loaded = FusedRecurrentPPO.load(tmp_path / "agent", trusted=True, env=model.get_env())
    assert isinstance(loaded.policy.lstm_actor, MODULES[cell])
    assert all(th.equal(w, after[name]) for name, w in weights(loaded).items())
    assert all(map(np.array_equal, play(loaded.policy), play(model.policy)))

    ours, theirs = (m.policy.optimizer.state_dict()["state"] for m in (model, loaded))
    assert len(ours) == len(list(model.policy.parameters()))
    assert ours.keys() == theirs.keys()
    assert all(th.equal(m, theirs[i][k]) for i, of in ours.items() for k, m in of.items())
    loaded.learn(LANES * STEPS, reset_num_timesteps=False)
    assert loaded.num_timesteps == 3 * LANES * STEPS
    same = {name for name, w in weights(loaded).items() if th.equal(w, after[name])}
    assert same == unused(model)


@cells
@policies
def test_policy_saves_and_loads(policy, cell, tmp_path):
    saved = agent(policy, cell=cell, lstm_kwargs={"bias": False}).policy
    saved.save(tmp_path / "policy")
    loaded = type(saved).load(tmp_path / "policy", trusted=True)
    assert loaded.cell == cell
    assert all(map(np.array_equal, play(loaded), play(saved)))


@cells
def test_plays_as_torch_does(cell):
    """What `predict` remembers is what torch's module computes."""
    policy = agent(POLICIES["shared"], cell=cell).policy
    _, hidden, second = play(policy)
    rng = np.random.default_rng(0)
    shape = 5, LANES, *policy.observation_space.shape
    observations = th.as_tensor(rng.normal(size=shape).astype(np.float32))
    lengths = [1] * 5 if cell == "feedforward" else [4, 1]  # of what is remembered
    with th.no_grad():
        parts = [policy.lstm_actor(part)[0] for part in observations.split(lengths)]
    expected = th.cat(parts).numpy()
    np.testing.assert_allclose(hidden[:, 0], expected, atol=1e-6)
    assert second.any() == (cell == "lstm")


@cells
def test_evaluates_what_it_played(cell):
    """Whole columns, with an episode beginning inside, give the values of single steps."""
    policy = agent(POLICIES["separate"], cell=cell).policy
    observations = th.randn(STEPS, LANES, *policy.observation_space.shape)
    actions = th.zeros(STEPS, LANES)
    starts = th.zeros(STEPS, LANES)
    starts[4, 1] = 1
    zeros = th.zeros(2, LANES, UNITS), th.zeros(2, LANES, UNITS)
    first = states = RNNStates(zeros, zeros)
    stepped = []
    with th.no_grad():
        for observation, start in zip(observations, starts, strict=True):
            _, values, _, states = policy(observation, states, start)
            stepped.append(values)
        flat = (x.flatten(0, 1) for x in (observations, actions))
        whole, *_ = policy.evaluate_actions(*flat, first, starts.flatten())
    np.testing.assert_allclose(whole, th.cat(stepped), atol=1e-6)


def test_lstm_is_the_default():
    """Also to the bit: agents trained before are trained again."""
    named, default = (weights(agent(POLICIES["separate"], **k)) for k in ({"cell": "lstm"}, {}))
    assert named.keys() == default.keys()
    assert all(th.equal(w, default[name]) for name, w in named.items())


@policies
def test_keywords_of_the_optimizer_are_kept(policy):
    task_kwargs = {"optimizer_class": th.optim.SGD, "optimizer_kwargs": {"momentum": 0.5}}
    model = agent(policy, cell="gru", **task_kwargs)
    (group,) = model.policy.optimizer.param_groups
    assert isinstance(model.policy.optimizer, th.optim.SGD)
    assert group["momentum"] == 0.5
    assert group["lr"] == model.learning_rate
    assert set(group["params"]) == set(model.policy.parameters())


@pytest.mark.parametrize("cls", [FusedLstmPolicy, RpeLstmPolicy])
@pytest.mark.parametrize(
    ("task_kwargs", "message"),
    [
        ({"cell": "mgu"}, r"cell must be one of lstm, gru, rnn, feedforward; got 'mgu'"),
        ({"cell": "gru", "forget_bias": 1.0}, r"forget_bias must be 0 with cell='gru'.*got 1.0"),
        ({"lstm_kwargs": {"bidirectional": True}}, "lstm_kwargs must be one of.*'bidirectional'"),
        ({"lstm_kwargs": {"proj_size": 8}}, "lstm_kwargs must be one of bias.*'proj_size'"),
        ({"shared_lstm": False}, "shared_lstm is not an argument.*trunk='shared'"),
        ({"enable_critic_lstm": True}, "enable_critic_lstm is not an argument"),
        ({"cell": "rnn", "forget_bias": 1.0}, r"forget_bias must be 0 with cell='rnn'.*got 1.0"),
    ],
)
def test_wrong_arguments(cls, task_kwargs, message):
    with pytest.raises(ValueError, match=message):
        agent((cls, {}), **task_kwargs)
