"""Shapes of any kind: what does not fit is refused in Python, with both shapes in the message."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper

from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.compiled_engine import Branch, CompiledActor
from neurotasks_baselines.agents.encoders import PictureEncoder
from neurotasks_baselines.agents.interventions import Intervened, Intervention
from neurotasks_baselines.agents.losses import expectile_loss, quantile_loss
from neurotasks_baselines.agents.lstm import run_lstm
from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy
from neurotasks_baselines.agents.recurrent import GRU, LSTM, RNN, FeedForward
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.torch_engine import TorchActor
from neurotasks_baselines.agents.vec_env import make_vec_env
from neurotasks_baselines.errors import ShapeError
from neurotasks_baselines.training.evaluate import held_out_envs

BANDIT, TRIALS = "neurotasks/Bandit-v0", {"trials": 10}
WIDTH, UNITS = 4, 6
POLICIES = {
    "lstm": (FusedLstmPolicy, {"trunk": "shared"}),
    "separate": (FusedLstmPolicy, {"trunk": "separate"}),
    "two layers": (FusedLstmPolicy, {"n_lstm_layers": 2}),
    "gru": (FusedLstmPolicy, {"cell": "gru"}),
    "rnn": (FusedLstmPolicy, {"cell": "rnn"}),
    "feedforward": (FusedLstmPolicy, {"cell": "feedforward"}),
    "rpe": (RpeLstmPolicy, {}),
    "rpe gru": (RpeLstmPolicy, {"cell": "gru"}),
}
every_policy = pytest.mark.parametrize("name", POLICIES)
SPACE = spaces.Box(-9, 9, (WIDTH,))


def policy_of(name, actions=None, space=SPACE):
    kind, of_policy = POLICIES[name]
    actions = actions or spaces.Discrete(3)
    return kind(space, actions, lambda _: 1e-3, lstm_hidden_size=UNITS, **of_policy)


def both_shapes(wanted, got):
    """Return what an error must say, wherever the two shapes stand in it."""
    wanted, got = (str(shape).replace("(", r"\(").replace(")", r"\)") for shape in (wanted, got))
    return rf"(?s)(?=.*{wanted})(?=.*{got})"


def seen(samples, width=WIDTH):
    return np.zeros((samples, width), np.float32)


# name: observations, columns of the states, starts, the shape wanted, the shape that came
WRONG_CALLS = {
    "one start for 4 (the documented loop has one environment)": (4, None, [True], (4,), (1,)),
    "a bool as start": (4, None, True, (4,), ()),
    "one start for 64": (64, None, [True], (64,), (1,)),
    "states of 2 for 4": (4, 2, [False] * 4, 4, 2),
    "states of 4 for 2": (2, 4, [False] * 2, 2, 4),
    "states of 1 for 4": (4, 1, [False] * 4, 4, 1),
    "8 starts for 4": (4, 4, [False] * 8, (4,), (8,)),
    "starts as a matrix of more": (4, 4, [[False] * 4] * 2, (4,), (2, 4)),
}


@every_policy
@pytest.mark.parametrize("call", WRONG_CALLS)
def test_predict_with_other_environments(name, call):
    """Trained in many environments, played in few: an error, no crash, no numbers."""
    observations, columns, starts, wanted, got = WRONG_CALLS[call]
    policy = policy_of(name)
    state, layers = None, policy.lstm_hidden_state_shape[0]
    if columns is not None:
        state = (np.full((layers, columns, UNITS), 0.1, np.float32),) * 2
    if isinstance(wanted, int):
        wanted, got = (layers, wanted, UNITS), (layers, got, UNITS)
    with pytest.raises(ShapeError, match=both_shapes(wanted, got)):
        policy.predict(seen(observations), state, np.asarray(starts))


@every_policy
def test_predict_with_states_of_other_sizes(name):
    policy = policy_of(name)
    layers = policy.lstm_hidden_state_shape[0]
    for shape in ((layers + 1, 4, UNITS), (layers, 4, UNITS + 1), (4, UNITS)):
        state = (np.zeros(shape, np.float32),) * 2
        with pytest.raises(ShapeError, match=both_shapes((layers, 4, UNITS), shape)):
            policy.predict(seen(4), state, np.zeros(4, bool))
    one_state = np.zeros((layers, 4, UNITS), np.float32), np.zeros((layers, 2, UNITS), np.float32)
    with pytest.raises(ShapeError, match=both_shapes((layers, 4, UNITS), (layers, 2, UNITS))):
        policy.predict(seen(4), one_state, np.zeros(4, bool))


@every_policy
@pytest.mark.parametrize("shape", [(4, WIDTH + 1), (4, WIDTH - 1), (2, 4, WIDTH), ()])
def test_predict_with_observations_of_another_width(name, shape):
    with pytest.raises(ShapeError, match=both_shapes((WIDTH,), shape)):
        policy_of(name).predict(np.zeros(shape, np.float32))


@every_policy
def test_predict_as_it_should_be(name):
    """One environment or many, starts as a bool, a list, an array or not at all."""
    policy = policy_of(name)
    for starts in (None, True, [True], np.ones(1, bool), [[1.0]]):
        action, state = policy.predict(np.zeros(WIDTH), None, starts)
        assert action.shape == ()
        assert state[0].shape == policy.lstm_hidden_state_shape
    for starts in (None, [True, False], np.zeros(2), np.zeros((2, 1), bool)):
        assert policy.predict(seen(2), None, starts)[0].shape == (2,)


def states_of(policy, columns, layers=None, units=UNITS, dtype=th.float32):
    layers = layers or policy.lstm_actor.num_layers
    return RNNStates(*[(th.zeros(layers, columns, units, dtype=dtype),) * 2] * 2)


def forward(policy, obs, states, starts):
    policy(obs, states, starts)


def predict_values(policy, obs, states, starts):
    policy.predict_values(obs, states.vf, starts)


def get_distribution(policy, obs, states, starts):
    both = states.pi
    if isinstance(policy, RpeLstmPolicy):
        both = tuple(th.cat(pair) for pair in zip(states.pi, states.vf, strict=True))
    policy.get_distribution(obs, both, starts)


def evaluate_actions(policy, obs, states, starts):
    policy.evaluate_actions(obs, th.zeros(len(obs)), states, starts)


CALLS = [forward, predict_values, get_distribution, evaluate_actions]
every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)


@every_call
@every_policy
def test_methods_of_the_policy(name, call):
    policy = policy_of(name)
    obs, starts, fits = th.zeros(4, WIDTH), th.zeros(4), states_of(policy, 4)
    call(policy, obs, fits, starts)
    call(policy, obs, fits, starts.bool())
    wrong = {
        "no observation": (obs[:0], fits, starts[:0]),
        "observations of fewer": (obs[:2], fits, starts),
        "observations of fewer, with their starts": (obs[:2], fits, starts[:2]),
        "width": (th.zeros(4, WIDTH + 1), fits, starts),
        "no axis of environments": (obs[0], fits, starts),
        "one start": (obs, fits, th.zeros(1)),
        "a start without axes": (obs, fits, th.zeros(())),
        "a list": (obs, fits, [0.0] * 4),
        "a bool": (obs, fits, False),
        "more starts": (obs, fits, th.zeros(8)),
        "layers": (obs, states_of(policy, 4, layers=3), starts),
        "units": (obs, states_of(policy, 4, units=UNITS - 1), starts),
        "dtype": (obs, states_of(policy, 4, dtype=th.float64), starts),
        "columns": (obs, states_of(policy, 3), starts),
    }
    if call is not evaluate_actions:  # to which two columns are two steps of two
        wrong["few columns"] = obs, states_of(policy, 2), starts
        wrong["one column"] = obs, states_of(policy, 1), starts
    for arguments in wrong.values():
        with pytest.raises(ShapeError):
            call(policy, *arguments)


ACTIONS = {
    "discrete": (spaces.Discrete(3), ()),
    "box": (spaces.Box(-1, 1, (2,)), (2,)),
    "matrix": (spaces.Box(-1, 1, (2, 2)), (2, 2)),
    "multi-discrete": (spaces.MultiDiscrete([2, 3]), (2,)),
    "multi-binary": (spaces.MultiBinary(2), (2,)),
}


@pytest.mark.parametrize("kind", ACTIONS)
def test_actions_that_are_evaluated(kind):
    space, shape = ACTIONS[kind]
    policy = policy_of("lstm", space)
    rest = states_of(policy, 4), th.zeros(4)
    actions = th.zeros(4, *shape)
    _, log_probs, _ = policy.evaluate_actions(th.zeros(4, WIDTH), actions, *rest)
    assert log_probs.shape == (4,)
    flat = policy.evaluate_actions(th.zeros(4, WIDTH), actions.reshape(4, -1), *rest)[1]
    assert th.equal(flat, log_probs)
    for wrong in (actions[:1], actions[:3], th.zeros(8, *shape), th.zeros(4, 3), [0.0] * 4):
        with pytest.raises(ShapeError, match=r"actions must have the shape \(4"):
            policy.evaluate_actions(th.zeros(4, WIDTH), wrong, *rest)


@pytest.mark.parametrize("module", [LSTM, GRU, RNN, FeedForward])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_recurrent_layers(module, dropout):
    layers = module(WIDTH, UNITS, num_layers=2, dropout=dropout)
    inputs, starts = th.zeros(3, 4, WIDTH), th.zeros(3, 4)
    state = (th.zeros(2, 4, UNITS),) * 2
    layers(inputs, state, starts)
    wrong = [
        (inputs[:, :2], state, starts),
        (inputs[..., :2], state, starts),
        (inputs[0], state, starts),
        (inputs, state, starts[:2]),
        (inputs, state, starts[:, :1]),
        (inputs, state, starts[0]),
        (inputs, state, starts[:0]),
        (inputs, state, True),
        (inputs, state, starts.bool()),
        (inputs.double(), state, starts),
        (inputs, (th.zeros(2, 1, UNITS),) * 2, starts),
        (inputs, (th.zeros(1, 4, UNITS),) * 2, starts),
        (inputs, (th.zeros(3, 4, UNITS),) * 2, starts),
        (inputs, (th.zeros(2, 4, 1),) * 2, starts),
        (inputs, state[:1], starts),
        (inputs, state[0], starts),
        (inputs, None, starts),
    ]
    for arguments in wrong:
        with pytest.raises(ShapeError):
            layers(*arguments)
    if module is LSTM:
        for arguments in wrong:
            with pytest.raises(ShapeError):
                run_lstm(layers, *arguments)


@pytest.mark.parametrize("argument", ["bidirectional", "batch_first", "proj_size"])
@pytest.mark.parametrize("module", [LSTM, GRU, RNN, FeedForward])
def test_layers_that_cannot_be_obeyed(module, argument):
    if argument == "proj_size" and module is not LSTM:
        pytest.skip("torch's own has none")
    layers = module(WIDTH, UNITS, **{argument: 3 if argument == "proj_size" else True})
    with pytest.raises(ValueError, match=f"{argument} must be"):
        layers(th.zeros(3, 4, WIDTH), (th.zeros(1, 4, UNITS),) * 2, th.zeros(3, 4))


@pytest.mark.parametrize("engine", [CompiledActor, TorchActor])
def test_engines(engine):
    policy = policy_of("separate")
    fits, starts = states_of(policy, 4), np.zeros(4, bool)
    assert engine(policy, fits, 1).step(seen(4), starts).shape == (4,)
    as_float64 = engine(policy, fits, 1).step(seen(4).astype(np.float64), starts)
    assert as_float64.shape == (4,)
    for obs, start in ((seen(2), starts), (seen(4, 3), starts), (seen(4), starts[:1])):
        with pytest.raises(ShapeError):
            engine(policy, fits, 1).step(obs, start)
    few = states_of(policy, 2)
    for states in (few, RNNStates(fits.pi, few.vf), RNNStates(few.pi, fits.vf)):
        with pytest.raises(ShapeError):
            engine(policy, states, 1).step(seen(4), starts)


def test_a_branch():
    policy = policy_of("lstm")
    branch = Branch(policy.lstm_actor, [policy.action_net], 3)
    state = np.zeros((4, UNITS), np.float32)
    inputs, starts = np.zeros((2, 4, WIDTH), np.float32), np.zeros((2, 4), np.float32)
    branch.begin()
    assert branch.forward(inputs, starts, state, state).shape == (3, 8)
    for wrong in (
        (inputs[:1], starts, state, state),
        (inputs, starts[:, :1], state, state),
        (inputs, starts, state[:1], state),
        (inputs, starts, state, state[:1]),
        (inputs, starts, state[:, :1], state),
        (inputs[..., :1], starts, state, state),
        (inputs.astype(np.float64), starts, state, state),
    ):
        with pytest.raises(ShapeError):
            branch.forward(*wrong)


@pytest.mark.parametrize("loss", [expectile_loss, quantile_loss])
def test_losses_of_the_critic(loss):
    fits = {"channels": (3, 5), "targets": (2, 5), "taus": (3,), "weights": (5,)}
    arrays = {name: np.ones(shape, np.float32) for name, shape in fits.items()}
    loss(**arrays)
    for name, shape in (
        ("channels", (3, 4)),
        ("channels", (2, 5)),
        ("targets", (2, 4)),
        ("targets", (5,)),
        ("taus", (4,)),
        ("weights", (4,)),
        ("weights", (5, 1)),
    ):
        with pytest.raises(ShapeError):
            loss(**arrays | {name: np.ones(shape, np.float32)})


def test_images():
    space = spaces.Dict(
        {"image": spaces.Box(0, 255, (3, 36, 36), np.uint8), "feedback": spaces.Box(0, 1, (2,))}
    )
    encoder = PictureEncoder(space)
    images = th.zeros(4, 3, 36, 36, dtype=th.uint8)
    assert encoder.shrink({"image": images})["image"].shape == (4, 3, 9, 9)
    for wrong in (images[..., :20], images[:, :1], images[0], images.float()):
        with pytest.raises(ShapeError):
            encoder.shrink({"image": wrong})
    policy = policy_of("lstm", space=space)
    fits = {"image": images, "feedback": th.zeros(4, 2)}
    rest = states_of(policy, 4), th.zeros(4)
    policy(fits, *rest)
    policy(encoder.shrink(fits), *rest)
    for wrong in ({"image": images[:2]}, {"feedback": th.zeros(2, 2)}, {"other": images}):
        with pytest.raises(ShapeError):
            policy(fits | wrong, *rest)
    with pytest.raises(ShapeError):
        policy({"image": images}, *rest)
    with pytest.raises(ShapeError, match=r"'image': \(4, 36, 36, 4\)"):
        policy.predict({"image": np.zeros((4, 36, 36, 4), np.uint8), "feedback": np.zeros((4, 2))})
    for wrong in (seen(4), {"image": np.zeros((4, 36, 36, 3), np.uint8)}, {}):
        with pytest.raises(ShapeError):
            policy.predict(wrong)


class Images(gym.Env):
    action_space = spaces.Discrete(3)
    observation_space = spaces.Dict(
        {"image": spaces.Box(0, 255, (36, 36, 3), np.uint8), "feedback": spaces.Box(0, 1, (2,))}
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 1.0, False, False, {}


SPOIL_IMAGES = {
    "no feedback": lambda o: {"image": o["image"]},
    "another part": lambda o: o | {"more": o["feedback"]},
    "images of fewer environments": lambda o: o | {"image": o["image"][:1]},
    "small images": lambda o: o | {"image": o["image"][:, :16]},
    "images of floats": lambda o: o | {"image": o["image"].astype(np.float32)},
}


@pytest.mark.parametrize("what", SPOIL_IMAGES)
def test_an_environment_that_breaks_its_images(what):
    def spoil(obs, rewards, dones, infos):
        return SPOIL_IMAGES[what](obs), rewards, dones, infos

    model = agent(Breaking(DummyVecEnv([Images] * 4), spoil))
    with pytest.raises(ShapeError):
        model.learn(200)


def bandit(num_envs=4, trials=10):
    return make_vec_env(BANDIT, num_envs, task_kwargs={"trials": trials})


def agent(env, **policy_kwargs):
    hyperparameters = {"n_steps": 20, "batch_size": 80, "seed": 0}
    policy_kwargs = {"lstm_hidden_size": UNITS} | policy_kwargs
    return FusedRecurrentPPO("FusedLstmPolicy", env, **hyperparameters, policy_kwargs=policy_kwargs)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_activations_of_another_task(cell):
    model = agent(bandit(), cell=cell)
    envs = held_out_envs("neurotasks/TwoStep-v0", TRIALS, 3)
    episodes = run_episodes(agent(make_vec_env("neurotasks/TwoStep-v0", 2)), envs, seed=0)
    with pytest.raises(ShapeError, match=both_shapes((4,), (90, 8))):
        compute_activations(model, episodes)


def test_when_an_intervention_acts():
    model = agent(bandit())
    for when in (lambda o: True, lambda o: np.ones(len(o), bool)):
        Intervened(model, [Intervention(when, 1.0)]).predict(seen(4))
    for when in (lambda o: np.ones(1, bool), lambda o: o > 0, lambda o: [True, False]):
        with pytest.raises(ShapeError, match=r"must have the shape \(4,\)"):
            Intervened(model, [Intervention(when, 1.0)]).predict(seen(4))
    policy = policy_of("rpe")
    policy.rpe_offset = th.zeros(1)
    with pytest.raises(ShapeError, match=both_shapes((4,), (1,))):
        policy.predict(seen(4))


class Breaking(VecEnvWrapper):
    """Breaks its own space in the middle of training."""

    def __init__(self, venv, spoil):
        super().__init__(venv)
        self.spoil, self.steps = spoil, 0

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        obs, rewards, dones, infos = self.venv.step_wait()
        self.steps += 1
        return self.spoil(obs, rewards, dones, infos) if self.steps == 30 else (
            obs, rewards, dones, infos
        )  # fmt: skip


SPOIL = {
    "observations of fewer environments": lambda o, r, d, i: (o[:2], r, d, i),
    "narrower observations": lambda o, r, d, i: (o[:, :2], r, d, i),
    "one observation": lambda o, r, d, i: (o[0], r, d, i),
    "one reward": lambda o, r, d, i: (o, r[:1], d, i),
    "a column of rewards": lambda o, r, d, i: (o, r[:, None], d, i),
    "ends of fewer environments": lambda o, r, d, i: (o, r, d[:1], i),
    "ends of more environments": lambda o, r, d, i: (o, r, np.ones(5, bool), i),
}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("what", SPOIL)
def test_an_environment_that_breaks_its_space(what, cell):
    model = agent(Breaking(bandit(), SPOIL[what]), cell=cell)
    with pytest.raises(ShapeError):
        model.learn(200)
    assert model.num_timesteps <= 124


@pytest.mark.parametrize("start", [5, -1, 0.5, np.nan])
def test_starts_are_0_or_1(start):
    policy = policy_of("lstm")
    starts = np.array([0, start, 0, 0])
    with pytest.raises(ShapeError, match="episode_starts must be 1 or True where an episode"):
        policy.predict(seen(4), episode_start=starts)


@pytest.mark.parametrize("state", [(), "one", "three", "a dict", "bare"])
def test_states_are_two(state):
    policy = policy_of("lstm")
    _, both = policy.predict(seen(4))
    wrong = {"one": both[:1], "three": (*both, both[0]), "a dict": dict(enumerate(both))}
    with pytest.raises(ShapeError, match="state must be two, as predict returns them; got"):
        policy.predict(seen(4), wrong.get(state, both[0] if state else ()))


NO_ACTIONS = {
    "above the last": (spaces.Discrete(3), [0, 1, 2, 3]),
    "negative": (spaces.Discrete(3), [0, 1, 2, -1]),
    "halves": (spaces.Discrete(3), [0, 1, 0.5, 1]),
    "NaN": (spaces.Discrete(3), [0, 1, np.nan, 1]),
    "of several": (spaces.MultiDiscrete([2, 3]), [[0, 2], [1, 2], [0, 0], [2, 0]]),
    "no bits": (spaces.MultiBinary(2), [[0, 1], [1, 1], [0, 2], [0, 0]]),
}


@pytest.mark.parametrize(("space", "actions"), NO_ACTIONS.values(), ids=NO_ACTIONS)
def test_actions_outside_their_space(space, actions):
    policy = policy_of("lstm", space)
    states = RNNStates(*2 * ((th.zeros(1, 4, UNITS), th.zeros(1, 4, UNITS)),))
    right = th.zeros(np.shape(actions))
    policy.evaluate_actions(th.zeros(4, WIDTH), right, states, th.zeros(4))
    with pytest.raises(ParameterError, match=r"actions must be of (Multi)?(Discrete|Binary)"):
        policy.evaluate_actions(th.zeros(4, WIDTH), th.tensor(actions), states, th.zeros(4))
    with pytest.raises(ShapeError, match="actions must be a tensor; got a ndarray"):
        policy.evaluate_actions(th.zeros(4, WIDTH), right.numpy(), states, th.zeros(4))


@pytest.mark.parametrize("cell", ["gru", "rnn", "feedforward"])
def test_states_of_an_lstm_are_none_of_another_cell(cell):
    agents = {name: agent(bandit(), cell=name) for name in ("lstm", cell)}
    obs = agents[cell].env.reset()
    states = {name: model.predict(obs)[1] for name, model in agents.items()}
    agents[cell].predict(obs, state=states[cell])
    with pytest.raises(ShapeError, match=f"(?i)of a {cell} must be 0"):
        agents[cell].predict(obs, state=states["lstm"])


def steps_of(name):
    """Return a policy, and observations, states and starts of one step of it."""
    policy = policy_of(name)
    zeros = tuple(th.zeros(policy.lstm_actor.num_layers, 4, UNITS) for _ in range(2))
    return policy, th.zeros(4, *SPACE.shape), RNNStates(zeros, zeros), th.zeros(1, 4)


def changed(states, part, change):
    """Return states, those of actor or critic changed by a function."""
    return states._replace(**{part: tuple(map(change, getattr(states, part)))})


@every_policy
@pytest.mark.parametrize("part", ["pi", "vf"])
def test_states_that_are_no_tensors_or_of_others(name, part):
    policy, obs, states, starts = steps_of(name)
    policy.run(obs, states, starts)
    with pytest.raises(ShapeError, match=rf"states\.{part} must be tensors; got a ndarray"):
        policy.run(obs, changed(states, part, th.Tensor.numpy), starts)
    with pytest.raises(ShapeError, match=rf"states\.{part} must be tensors; got a NoneType"):
        policy.run(obs, states._replace(**{part: None}), starts)
    layers = len(states.pi[0])
    with pytest.raises(ShapeError, match=both_shapes((layers, 4, UNITS), (layers, 7, UNITS))):
        policy.run(obs, changed(states, part, lambda s: th.zeros(layers, 7, UNITS)), starts)


@every_policy
def test_starts_that_are_no_tensors(name):
    policy, obs, states, starts = steps_of(name)
    with pytest.raises(ShapeError, match="starts must be tensors; got a ndarray"):
        policy.run(obs, states, starts.numpy())
    with pytest.raises(ShapeError, match=r"episode_starts must be a tensor .* got a ndarray"):
        policy.forward(obs, states, starts[0].numpy())


@every_policy
def test_no_observations(name):
    with pytest.raises(ShapeError, match="Observations must be of"):
        policy_of(name).predict(np.zeros((0, *SPACE.shape), np.float32))
