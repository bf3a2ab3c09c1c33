"""Each argument of sb3-contrib's RecurrentPPO and its policies is obeyed, or refused by name."""

import inspect
import math

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.engines import COMPILED, engine_of
from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO

NUM_ENVS, STEPS, UNITS = 2, 8, 4
ROLLOUT = STEPS * NUM_ENVS
BOX = spaces.Box(-1, 1, (3,))
DEFAULTS = {"n_steps": STEPS, "batch_size": ROLLOUT, "n_epochs": 1, "seed": 0, "device": "cpu"}


class Fair(gym.Env):
    """Takes only actions of its space; the reward is how many steps of the episode are over."""

    def __init__(self, action_space=None, observation_space=BOX):
        self.action_space = action_space or spaces.Discrete(3)
        self.observation_space, self.t = observation_space, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(0)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        kind = self.action_space
        as_array = isinstance(kind, spaces.MultiBinary | spaces.Box)
        assert kind.contains(np.asarray(action, kind.dtype) if as_array else action), action
        self.t += 1
        return self.observation_space.sample(), float(self.t), self.t == 5, False, {}


def envs(*spaces_of_env, num_envs=NUM_ENVS):
    return DummyVecEnv([lambda: Fair(*spaces_of_env)] * num_envs)


def agent(env=None, policy="FusedLstmPolicy", policy_kwargs=None, **given):
    given = DEFAULTS | given
    of_policy = {"lstm_hidden_size": UNITS} | (policy_kwargs or {})
    return FusedRecurrentPPO(policy, env or envs(), policy_kwargs=of_policy, **given)


def stock(policy_kwargs=None, **given):
    given = DEFAULTS | given
    of_policy = {"lstm_hidden_size": UNITS, "net_arch": []} | (policy_kwargs or {})
    return RecurrentPPO("MlpLstmPolicy", envs(), policy_kwargs=of_policy, **given)


def logged(name):
    return lambda model: model.logger.name_to_value[f"train/{name}"]


def weights(model):
    return th.cat([p.detach().flatten() for p in model.policy.parameters()])


def steps_of_optimizer(model):
    return next(iter(model.policy.optimizer.state.values()))["step"].item()


def length_of_statistics(model):
    return model.ep_info_buffer.maxlen


def attribute(*names):
    def read(model):
        for name in names:
            model = getattr(model, name)
        return model

    return read


OBEYED = {  # argument of RecurrentPPO: value, what shows after learning that it is obeyed, and how
    "learning_rate": (0.25, logged("learning_rate"), 0.25),
    "n_steps": (4, lambda m: m.rollout_buffer.observations.shape[0], 4),
    "batch_size": (STEPS, steps_of_optimizer, 2),
    "n_epochs": (3, steps_of_optimizer, 3),
    "gamma": (0.5, attribute("rollout_buffer", "gamma"), 0.5),
    "gae_lambda": (0.25, attribute("rollout_buffer", "gae_lambda"), 0.25),
    "clip_range": (0.125, logged("clip_range"), 0.125),
    "normalize_advantage": (False, attribute("normalize_advantage"), False),
    "ent_coef": (0.5, logged("ent_coef"), 0.5),
    "vf_coef": (0.0, attribute("vf_coef"), 0.0),
    "max_grad_norm": (1e-9, attribute("max_grad_norm"), 1e-9),
    "target_kl": (1e-12, attribute("target_kl"), 1e-12),
    "stats_window_size": (7, length_of_statistics, 7),
    "verbose": (0, attribute("verbose"), 0),
    "seed": (5, attribute("seed"), 5),
    "device": ("cpu", lambda m: m.device.type, "cpu"),
}
ELSEWHERE = {"policy", "env", "tensorboard_log", "policy_kwargs", "_init_setup_model"}
REFUSED = {"clip_range_vf": 0.2, "use_sde": True, "sde_sample_freq": 4}
NO_NUMBERS = {  # neither in training nor before it
    "n_steps": (0, -3, 2.5, "8"),
    "n_epochs": (0, 1.5),
    "gamma": (1.5, -0.1, math.nan, lambda left: 0.9),
    "gae_lambda": (1.5, math.nan, math.inf),
    "learning_rate": (-1.0, math.inf, math.nan, "fast"),
    "clip_range": (-0.1, math.nan),
    "max_grad_norm": (-1.0, math.nan, None),
    "target_kl": (-1.0, math.nan),
    "ent_coef": ("auto", None),
    "vf_coef": (None, lambda left: 1.0),
    "seed": (-1, 2**32, 1.5),
    "whole_episodes": ("no",),
    "normalize_advantage": (None, "yes"),
    "batch_size": (0, -8, 12, 8.0, "8"),
    "threads": (0, -1, 1e6, 10**6, 2.5),
    "critic_target": ("td", None),
}


@pytest.mark.parametrize("steps", [math.nan, -1, "100", None])
def test_what_is_no_number_of_steps(steps):
    with pytest.raises(ParameterError, match="total_timesteps must be a number in 0 to inf; got"):
        agent().learn(steps)


def test_every_argument_has_a_row():
    names = set(inspect.signature(RecurrentPPO).parameters)
    assert names == set(OBEYED) | ELSEWHERE | set(REFUSED)


@pytest.mark.parametrize("name", OBEYED)
def test_an_argument_is_obeyed(name):
    value, read, expected = OBEYED[name]
    given = {name: value} | ({"batch_size": 8} if name == "n_steps" else {})
    model = agent(**given)
    model.learn(ROLLOUT)
    assert read(model) == expected


SETTABLE = [name for name in OBEYED if name not in ("seed", "device", "verbose")]


@pytest.mark.parametrize("name", SETTABLE)
def test_an_argument_of_load_is_obeyed(name, tmp_path):
    value, read, expected = OBEYED[name]
    agent().save(tmp_path / "agent")
    given = {name: value} | ({"batch_size": 8} if name == "n_steps" else {})
    model = FusedRecurrentPPO.load(tmp_path / "agent", env=envs(), trusted=True, **given)
    model.learn(ROLLOUT)
    assert read(model) == expected


@pytest.mark.parametrize("moment", ["before learning", "by a callback", "after a rollout"])
@pytest.mark.parametrize("name", [n for n in SETTABLE if n not in ("n_steps", "stats_window_size")])
def test_an_argument_set_later_is_obeyed(name, moment):
    value, read, expected = OBEYED[name]
    model = agent()
    if moment == "before learning":
        setattr(model, name, value)
        model.learn(ROLLOUT)
    else:
        model.learn(2 * ROLLOUT, Set(name, value, moment == "after a rollout"))
    if read is steps_of_optimizer and moment != "before learning":
        expected = expected if moment == "by a callback" else 2 * expected
        expected += moment == "by a callback"  # the first rollout, as the agent was made
    assert read(model) == expected


class Set(BaseCallback):
    """Sets an argument after the first rollout, before it is learned from or after."""

    def __init__(self, name, value, early):
        super().__init__()
        self.name, self.value, self.early, self.rollouts = name, value, early, 0

    def _on_step(self):
        return True

    def _on_rollout_start(self):
        if self.rollouts == 1 and not self.early:
            setattr(self.model, self.name, self.value)
        self.rollouts += 1

    def _on_rollout_end(self):
        if self.early:
            setattr(self.model, self.name, self.value)


def test_n_steps_set_later_is_refused():
    model = agent()
    model.n_steps = 4
    with pytest.raises(ParameterError, match=r"n_steps must stay 8.*got 4"):
        model.learn(ROLLOUT)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in NO_NUMBERS.items() for v in vs])
def test_numbers_that_are_none(name, value, tmp_path):
    with pytest.raises(ParameterError, match=f"{name} must be"):
        agent(**{name: value})
    model = agent()
    before = weights(model)
    setattr(model, name, value)
    with pytest.raises(ParameterError, match=f"{name} must be"):
        model.learn(ROLLOUT)
    assert th.equal(weights(model), before)
    agent().save(tmp_path / "agent")
    with pytest.raises(ParameterError, match=f"{name} must be"):
        FusedRecurrentPPO.load(tmp_path / "agent", env=envs(), trusted=True, **{name: value})


@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_is_refused(name, tmp_path):
    with pytest.raises(ParameterError, match=f"{name} must be"):
        agent(**{name: REFUSED[name]})
    model = agent()
    model.save(tmp_path / "agent")
    with pytest.raises(ParameterError, match=f"{name} must be"):
        FusedRecurrentPPO.load(
            tmp_path / "agent", env=envs(), trusted=True, **{name: REFUSED[name]}
        )
    setattr(model, name, REFUSED[name])
    with pytest.raises(ParameterError, match=f"{name} must be"):
        model.learn(ROLLOUT)


def test_the_rest_of_the_arguments(tmp_path):
    """A batch size of None is the whole rollout; logs go where they are told; nothing is set up."""
    model = agent(batch_size=None, tensorboard_log=str(tmp_path))
    model.learn(ROLLOUT)
    assert steps_of_optimizer(model) == 1
    assert list(tmp_path.rglob("events*"))
    assert not hasattr(agent(_init_setup_model=False), "policy")
    with pytest.raises(ValueError, match="MlpLstmPolicy"):
        agent(policy="MlpLstmPolicy")


@pytest.mark.parametrize("name", ["n_step", "shared_lstm", "policy", "_init_setup_model", "foo"])
def test_words_that_load_does_not_know(name, tmp_path):
    agent().save(tmp_path / "agent")
    with pytest.raises(ParameterError, match=f"keyword of load must be one of .*got '{name}'"):
        FusedRecurrentPPO.load(tmp_path / "agent", env=envs(), trusted=True, **{name: 3})


def test_load_with_our_own_arguments(tmp_path):
    agent().save(tmp_path / "agent")
    given = {"whole_episodes": True, "critic_target": "monte-carlo", "threads": 2}
    model = FusedRecurrentPPO.load(tmp_path / "agent", env=envs(num_envs=3), trusted=True, **given)
    model.learn(STEPS * 3)
    assert (model.rollout_buffer.critic_target, model.threads) == ("monte-carlo", 2)
    assert model.whole_episodes
    assert model.rollout_buffer.critic_target == "monte-carlo"
    assert not model.rollout_buffer.mask.all()
    assert model.num_timesteps == STEPS * 3
    with pytest.raises(ValueError, match="policy kwargs"):
        FusedRecurrentPPO.load(tmp_path / "agent", trusted=True, policy_kwargs={"cell": "gru"})
    with pytest.raises(ParameterError, match=r"sr-lambda.*quantile"):
        FusedRecurrentPPO.load(tmp_path / "agent", trusted=True, critic_target="sr-lambda")


@pytest.mark.parametrize("name", ["learning_rate", "clip_range"])
def test_a_schedule_below_zero(name):
    model = agent(**{name: lambda left: left - 0.75})
    before = weights(model)
    with pytest.raises(ParameterError, match=rf"{name} must be a number in 0 to .*got -0\.25"):
        model.learn(2 * ROLLOUT)
    assert th.equal(weights(model), before)


@pytest.mark.parametrize("name", ["learning_rate", "clip_range", "ent_coef"])
@pytest.mark.parametrize("returned", [None, "a", [1, 2]])
def test_a_schedule_that_returns_no_number(name, returned):
    with pytest.raises(ParameterError, match=rf"^{name} must be a number, or a function"):
        agent(**{name: lambda left: returned}).learn(ROLLOUT)


def test_learning_without_an_environment(tmp_path):
    agent().save(tmp_path / "agent")
    model = FusedRecurrentPPO.load(tmp_path / "agent", trusted=True)
    with pytest.raises(ParameterError, match=r"got none. Call set_env"):
        model.learn(ROLLOUT)
    model.set_env(envs())
    model.learn(ROLLOUT)


@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_a_window_of_no_size(size, tmp_path):
    with pytest.raises(ParameterError, match="stats_window_size must be"):
        agent(stats_window_size=size)
    agent().save(tmp_path / "agent")
    with pytest.raises(ParameterError, match="stats_window_size must be"):
        FusedRecurrentPPO.load(tmp_path / "agent", trusted=True, stats_window_size=size)


def test_a_schedule_put_in_place_of_the_stock_one():
    """``lr_schedule`` is what Stable-Baselines3's users set: it stays."""
    model = agent()
    model.lr_schedule = LinearSchedule(0.5, 0.5, 1.0)
    model.learn(ROLLOUT)
    assert logged("learning_rate")(model) == 0.5


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", ["normalize_advantage", "vf_coef", "max_grad_norm", "ent_coef"])
def test_what_has_no_trace_changes_the_weights(name, compiled):
    """As in the stock algorithm, from the same weights and the same rollout."""
    results = {}
    for value in (None, OBEYED[name][0]):
        given = {} if value is None else {name: value}
        model = agent(policy_kwargs={} if compiled else {"cell": "gru"}, **given)
        assert (engine_of(model.policy) is COMPILED) == compiled
        model.learn(ROLLOUT)
        results[value] = weights(model)
    assert not th.equal(*results.values())


class Encoder(FlattenExtractor):
    def __init__(self, observation_space, factor=1.0):
        super().__init__(observation_space)
        self.factor = factor

    def forward(self, observations):
        return self.factor * super().forward(observations)


POLICY = {  # argument of the policy: value, what shows that it is obeyed, and how
    "net_arch": ([5], lambda p: p.mlp_extractor.latent_dim_pi, 5),
    "activation_fn": (th.nn.ReLU, attribute("activation_fn"), th.nn.ReLU),
    "ortho_init": (False, attribute("ortho_init"), False),
    "features_extractor_class": (Encoder, lambda p: type(p.features_extractor), Encoder),
    "normalize_images": (False, attribute("normalize_images"), False),
    "optimizer_class": (th.optim.SGD, lambda p: type(p.optimizer), th.optim.SGD),
    "optimizer_kwargs": ({"eps": 0.5}, lambda p: p.optimizer.defaults["eps"], 0.5),
    "lstm_hidden_size": (6, lambda p: p.lstm_actor.hidden_size, 6),
    "n_lstm_layers": (2, lambda p: p.lstm_actor.num_layers, 2),
}
POLICY_TOGETHER = {
    "features_extractor_kwargs": (
        {"features_extractor_class": Encoder, "features_extractor_kwargs": {"factor": 2.0}},
        lambda p: p.features_extractor.factor,
        2.0,
    ),
    "share_features_extractor": (
        {"trunk": "separate", "share_features_extractor": False},
        lambda p: p.pi_features_extractor is not p.vf_features_extractor,
        True,
    ),
    "lstm_kwargs": (
        {"n_lstm_layers": 2, "lstm_kwargs": {"dropout": 0.5, "bias": False}},
        lambda p: (p.lstm_actor.dropout, p.lstm_actor.bias),
        (0.5, False),
    ),
}
POLICY_REFUSED = {
    "use_expln": {"use_expln": True},
    "full_std": {"full_std": False},
    "squash_output": {"squash_output": True},
    "log_std_init": {"log_std_init": -1.0},  # of discrete actions
    "shared_lstm": {"shared_lstm": True},
    "enable_critic_lstm": {"enable_critic_lstm": False, "shared_lstm": False},
    "share_features_extractor": {"share_features_extractor": False},  # with a shared trunk
    "bidirectional": {"lstm_kwargs": {"bidirectional": True}},
    "proj_size": {"lstm_kwargs": {"proj_size": 2}},
    "batch_first": {"lstm_kwargs": {"batch_first": True}},
    "device": {"lstm_kwargs": {"device": "cpu"}},
    "dtype": {"lstm_kwargs": {"dtype": th.float64}},
    "num_layers": {"lstm_kwargs": {"num_layers": 2}},
    "nonlinearity": {"lstm_kwargs": {"nonlinearity": "relu"}},  # of no LSTM
    "trunk": {"trunk": "both"},
    "cell": {"cell": "mgu"},
    "critic_loss": {"critic_loss": "huber"},
    "channels": {"channels": 4},
    "forget_bias": {"forget_bias": math.nan},
    "lstm_hidden_size": {"lstm_hidden_size": 2.5},
    "n_lstm_layers": {"n_lstm_layers": 0},
    "critic_shapes_trunk": {"critic_shapes_trunk": "no"},
}


def test_every_argument_of_the_policy_has_a_row():
    names = set(inspect.signature(RecurrentActorCriticPolicy).parameters)
    names -= {"observation_space", "action_space", "lr_schedule", "use_sde"}
    assert names == {n for n in {**POLICY, **POLICY_TOGETHER, **POLICY_REFUSED} if n in names}


@pytest.mark.parametrize("name", [*POLICY, *POLICY_TOGETHER])
def test_an_argument_of_the_policy_is_obeyed(name):
    """It is there, and the agent learns and plays with it."""
    if name in POLICY:
        value, read, expected = POLICY[name]
        given = {name: value}
    else:
        given, read, expected = POLICY_TOGETHER[name]
    model = agent(policy_kwargs=given)
    before = weights(model)
    model.learn(ROLLOUT)
    assert read(model.policy) == expected
    assert not th.equal(weights(model), before)
    model.predict(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "feedforward"])
def test_dropout_between_layers(cell):
    given = {"cell": cell, "n_lstm_layers": 2, "lstm_kwargs": {"dropout": 0.9}}
    policy = agent(policy_kwargs=given).policy
    zero = th.zeros(2, 4, UNITS)
    states = RNNStates((zero, zero), (zero, zero))
    seen, starts = th.rand(80, 3), th.zeros(20, 4)

    def outputs(training):
        policy.set_training_mode(training)
        return policy.run(seen, states, starts)[0][0]

    assert not th.equal(outputs(True), outputs(True))
    assert th.equal(outputs(False), outputs(False))


@pytest.mark.parametrize("name", POLICY_REFUSED)
def test_an_argument_of_the_policy_is_refused(name):
    with pytest.raises(ParameterError, match=name):
        agent(policy_kwargs=POLICY_REFUSED[name])
    with pytest.raises(ParameterError, match=name):
        FusedLstmPolicy(BOX, spaces.Discrete(3), lambda _: 1e-3, **POLICY_REFUSED[name])


@pytest.mark.parametrize(
    ("name", "value"), [("trunk", "shared"), ("share_features_extractor", False), ("gamma", 1.5)]
)
def test_an_argument_of_the_rpe_policy_is_refused(name, value):
    with pytest.raises(ParameterError, match=f"{name} must be"):
        RpeLstmPolicy(BOX, spaces.Discrete(3), lambda _: 1e-3, **{name: value})


def test_state_dependent_exploration_of_a_policy_is_refused():
    with pytest.raises(ParameterError, match="use_sde must be False"):
        FusedLstmPolicy(BOX, spaces.Box(-1, 1, (2,)), lambda _: 1e-3, use_sde=True)


def test_the_rpe_policy_with_layers():
    model = agent(policy="RpeLstmPolicy", policy_kwargs={"n_lstm_layers": 2})
    model.learn(ROLLOUT)
    _, state = model.predict(np.zeros((2, 3), np.float32))
    assert state[0].shape == (4, 2, UNITS)
    assert model.predict(np.zeros((2, 3), np.float32), state)[0].shape == (2,)


ACTIONS = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-1, 1, (2,)),
    "matrix": spaces.Box(-1, 1, (2, 2)),
    "scalar": spaces.Box(-1, 1, ()),
    "float64": spaces.Box(-1, 1, (2,), np.float64),
    "uneven": spaces.Box(np.array([-1, 0], np.float32), np.array([0, 5], np.float32)),
    "multi-discrete": spaces.MultiDiscrete([2, 3]),
    "multi-binary": spaces.MultiBinary(3),
}
NO_ACTIONS = {
    "numbered from 0": [
        spaces.Discrete(3, start=1),
        spaces.Discrete(3, start=-1),
        spaces.MultiDiscrete([2, 3], start=[1, 0]),
    ],
    "of one axis": [spaces.MultiDiscrete([[2, 3], [2, 2]]), spaces.MultiBinary((2, 2))],
    "of floating-point numbers": [spaces.Box(0, 5, (2,), kind) for kind in (np.int64, np.uint8)],
    "finite": [spaces.Box(-np.inf, np.inf, (2,)), spaces.Box(0, np.inf, (2,))],
    "only supports": [spaces.Tuple([spaces.Discrete(3)]), spaces.Dict({"a": spaces.Discrete(3)})],
}
OBSERVATIONS = {
    "matrix": spaces.Box(-1, 1, (2, 3)),
    "float64": spaces.Box(-1, 1, (3,), np.float64),
    "float16": spaces.Box(-1, 1, (3,), np.float16),
    "int64": spaces.Box(0, 9, (3,), np.int64),
    "uint8": spaces.Box(0, 255, (3,), np.uint8),
    "image": spaces.Box(0, 255, (36, 36, 3), np.uint8),
    "discrete": spaces.Discrete(4),
    "multi-binary": spaces.MultiBinary(3),
    "dict": spaces.Dict({"a": BOX, "b": spaces.Discrete(3), "c": spaces.Box(0, 9, (2, 2))}),
}
NO_OBSERVATIONS = {
    "numbered from 0": [
        spaces.Discrete(3, start=1),
        spaces.Dict({"a": BOX, "b": spaces.Discrete(3, start=-1)}),
    ],
    "of at least one axis": [spaces.Box(-1, 1, ())],
    "must be Box": [
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiDiscrete([[2, 3], [2, 2]]),
        spaces.Tuple([BOX, spaces.Discrete(2)]),
    ],
    "Nested": [spaces.Dict({"a": spaces.Dict({"b": BOX})})],
}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("kind", ACTIONS)
def test_actions(kind, cell):
    """They reach the environment in the shape of its space, while learning and playing."""
    model = agent(envs(ACTIONS[kind]), policy_kwargs={"cell": cell})
    before = weights(model)
    model.learn(2 * ROLLOUT)
    assert not th.equal(weights(model), before)
    assert weights(model).isfinite().all()
    shape = ACTIONS[kind].shape
    for deterministic in (False, True):
        seen = np.zeros((2, 3), np.float32)
        action, _ = model.predict(seen, deterministic=deterministic)
        assert action.shape == (2, *shape)
        again, _ = model.predict(seen, deterministic=deterministic)
        assert not deterministic or (again == action).all()
        one, _ = model.predict(seen[0], deterministic=deterministic)
        assert one.shape == shape


def unfit(spaces_by_reason):
    return [
        pytest.param(reason, space, id=f"{reason}, {i}")
        for reason, of_reason in spaces_by_reason.items()
        for i, space in enumerate(of_reason)
    ]


@pytest.mark.filterwarnings("ignore:.*MultiDiscrete")
@pytest.mark.parametrize(("reason", "space"), unfit(NO_ACTIONS))
def test_actions_that_are_refused(reason, space):
    with pytest.raises(ParameterError, match=reason):
        agent(Fair(space))


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_observations(kind):
    model = agent(envs(None, OBSERVATIONS[kind]))
    before = weights(model)
    model.learn(2 * ROLLOUT)
    assert not th.equal(weights(model), before)
    state = None
    for _ in range(3):
        action, state = model.predict(OBSERVATIONS[kind].sample(), state, deterministic=True)
        assert model.action_space.contains(action)


@pytest.mark.parametrize(("reason", "space"), unfit(NO_OBSERVATIONS))
def test_observations_that_are_refused(reason, space):
    with pytest.raises(ParameterError, match=reason):
        agent(Fair(None, space))


def test_other_environments():
    """As many sub-environments as before, of the same spaces; else an error."""
    model = agent()
    model.set_env(envs())
    with pytest.raises(ParameterError, match=r"3 != 2"):
        model.set_env(envs(num_envs=3))
    with pytest.raises(ValueError, match="Observation spaces do not match"):
        model.set_env(envs(None, spaces.Box(-1, 1, (4,))))
    model.learn(ROLLOUT)


def test_parameters_are_taken_and_given():
    one, other = agent(), agent(seed=1)
    one.learn(ROLLOUT)
    parameters = one.get_parameters()
    other.set_parameters(parameters)
    assert th.equal(weights(one), weights(other))
    with pytest.raises(ValueError, match="Names of parameters"):
        other.set_parameters({"policy": parameters["policy"]})
    parameters["policy"].pop("value_net.weight")
    with pytest.raises(RuntimeError, match="value_net"):
        other.set_parameters(parameters)
    wider = agent(policy_kwargs={"lstm_hidden_size": 6})
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.set_parameters(wider.get_parameters())


def test_stock_with_the_same_arguments():
    """What the rows call obeyed is what the stock algorithm takes."""
    for name, (value, _, _) in OBEYED.items():
        stock(**{name: value})


WRONG = {
    "n_epochs": (10_001, 10**30, True),
    "n_steps": (True, 10**30),
    "batch_size": (True, 10**30),
    "threads": (True,),
    "gamma": (True,),
    "stats_window_size": (10**30,),
    "verbose": ("a", None, 3),
    "tensorboard_log": (0, True),
    "policy_kwargs": (3, "trunk", [1]),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_arguments_that_are_absurd_or_of_another_kind(name, value):
    with pytest.raises(ParameterError, match=f"^{name} must be"):
        FusedRecurrentPPO("FusedLstmPolicy", envs(), **{name: value})


def test_policies_that_are_none_of_ours():
    with pytest.raises(ParameterError, match=r"^policy must be one of.*got 'MlpLstmPolicy'"):
        FusedRecurrentPPO("MlpLstmPolicy", envs())
    for policy in (3, None, th.nn.Module):
        with pytest.raises(ParameterError, match=r"^policy must be a subclass of"):
            FusedRecurrentPPO(policy, envs())
    with pytest.raises(ParameterError, match=r"^use_sde must not be in policy_kwargs"):
        agent(policy_kwargs={"use_sde": True})
    with pytest.raises(ParameterError, match=r"^dropout must be a number in 0 to 1"):
        agent(policy_kwargs={"lstm_kwargs": {"dropout": 1.5}})
