"""Who learns: agents of two algorithms, those that lack something, and frozen ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch as th
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.policies import RpeLstmPolicy
from neurotasks_baselines.agents.recurrent import LSTM, FeedForward
from neurotasks_baselines.experiments import EXPERIMENTS, learners
from neurotasks_baselines.experiments.base import Training, nothing
from neurotasks_baselines.experiments.claims import (
    COUNTED,
    Row,
    at_least,
    between,
    evaluate_claims,
    lacking as who_lacks,
)
from neurotasks_baselines.experiments.learners import (
    ALGORITHMS,
    FOIL_SEEDS,
    FROZEN,
    LACKING,
    changed,
    freeze,
    learners_of,
    seeds_of,
    trainings_of,
)
from neurotasks_baselines.training.agent_files import load, save
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.callbacks import Metrics, reward_per_trial
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for
from neurotasks_baselines.training.wang2018 import wang2018_for

SHARED, RPE = "neurotasks/TwoStep-v0", "neurotasks/RiskyChoice-v0"
FEED_FORWARD, NO_REWARD, NO_ACTION = LACKING

# Trainings of each learner.


@pytest.fixture(params=[SHARED, RPE])
def training(request):
    hyperparameters = replace(hyperparameters_for(request.param), forget_bias=1.0, gamma=0.6)
    metrics = Metrics(reward_per_trial)
    return Training(request.param, {"trials": 7}, hyperparameters, metrics, 11, early=0.5)


def test_ppo_is_trained_as_the_experiment_says(training):
    assert changed(training, "ppo") is training


def test_a2c_is_trained_as_in_the_paper(training):
    """All else is the same, a copy of an early moment too."""
    assert changed(training, "a2c") == replace(training, hyperparameters=wang2018_for(training.id))
    assert changed(training, "a2c").hyperparameters.algorithm == "a2c"


def test_a_feed_forward_agent_differs_by_its_cell(training):
    """And is not told of the RPE, which remembers the value of the step before."""
    found = changed(training, FEED_FORWARD)
    assert (found.hyperparameters.cell, found.hyperparameters.forget_bias) == ("feedforward", 0.0)
    assert found.early is None
    trunk = training.hyperparameters.trunk
    assert (found.hyperparameters.trunk == trunk) == (training.id != RPE)
    assert found.hyperparameters.trunk != "rpe"
    again = replace(found.hyperparameters, cell="lstm", forget_bias=1.0, trunk=trunk)
    assert found.evaluations == 2
    assert replace(found, hyperparameters=again, early=0.5, evaluations=11) == training


@pytest.mark.parametrize(("learner", "seen"), [(NO_REWARD, "action"), (NO_ACTION, "reward")])
def test_an_agent_without_an_input_differs_by_its_observations(learner, seen, training):
    """Without reward there is no RPE either."""
    found = changed(training, learner)
    assert found.task_kwargs == {"trials": 7, "feedback": seen}
    assert training.task_kwargs == {"trials": 7}
    assert found.early is None
    trunk = training.hyperparameters.trunk
    assert (trunk == "rpe") == (training.id == RPE)
    if (trunk, seen) == ("rpe", "action"):
        trunk = "separate"
    assert found.hyperparameters == replace(training.hyperparameters, trunk=trunk)
    assert (
        replace(
            found,
            task_kwargs=training.task_kwargs,
            hyperparameters=training.hyperparameters,
            early=training.early,
            evaluations=training.evaluations,
        )
        == training
    )


@pytest.mark.parametrize("learner", ["a2c", "ppo", *LACKING])
def test_every_learner_can_be_trained_and_kept(learner, training, tmp_path):
    """And lacks what its name says."""
    found = changed(training, learner)
    small = replace(found.hyperparameters, num_envs=4, columns=4, units=8)
    model = build(found.id, hyperparameters=small, seed=0, task_kwargs=dict(found.task_kwargs))
    model.learn(model.n_steps * model.n_envs)
    save(model, tmp_path / "agent")
    loaded = load(tmp_path / "agent", num_envs=2)
    assert Hyperparameters(**loaded.description["hyperparameters"]) == small
    (layout, *_) = loaded.get_env().get_attr("layout")
    sizes = {name: where.stop - where.start for name, where in layout.items()}
    assert (sizes["reward"] > 0) == (learner != NO_REWARD)
    assert (sizes["action"] > 0) == (learner != NO_ACTION)
    cell = FeedForward if learner == FEED_FORWARD else LSTM
    for layer in (loaded.policy.lstm_actor, loaded.policy.lstm_critic):
        assert layer is None or type(layer) is cell
    assert (loaded.policy.lstm_critic is None) == (small.trunk == "shared")
    has_rpe = isinstance(loaded.policy, RpeLstmPolicy)
    assert has_rpe == (training.id == RPE and learner not in (NO_REWARD, FEED_FORWARD))


def test_who_learns_in_an_experiment():
    one = replace(EXPERIMENTS["two-step"], algorithms=("ppo", "a2c"), lacking=True)
    assert learners_of(one) == ["ppo", "a2c", FEED_FORWARD, NO_REWARD, NO_ACTION]
    assert learners_of(replace(one, lacking=False)) == ["ppo", "a2c"]
    of_two = trainings_of(EXPERIMENTS["bandits"], NO_ACTION)
    assert list(of_two) == ["independent", "correlated"]
    assert {t.task_kwargs["feedback"] for t in of_two.values()} == {"reward"}


def test_seeds_of_a_learner():
    """Agents that lack something have the first ones; few seeds are all of them."""
    one = replace(EXPERIMENTS["two-step"], seeds=range(100, 120))
    for learner in ALGORITHMS:
        assert seeds_of(one, learner) == list(range(100, 120))
    for learner in LACKING:
        assert seeds_of(one, learner) == list(range(100, 100 + FOIL_SEEDS))
        assert seeds_of(replace(one, seeds=range(1)), learner) == [0]


# Frozen agents.

POLICIES = {
    "shared": {"trunk": "shared"},
    "shared, learned start": {"trunk": "shared", "learned_start": True},
    "separate": {"trunk": "separate"},
    "separate, learned start": {"trunk": "separate", "learned_start": True},
    "RPE": {"trunk": "rpe"},
    "RPE, learned start": {"trunk": "rpe", "learned_start": True},
}


@pytest.fixture(params=POLICIES.values(), ids=POLICIES)
def model(request, tiny):
    """An agent that has learned something, in whose answers one sees what came before."""
    hyperparameters = replace(tiny, **request.param)
    model = build(SHARED, hyperparameters=hyperparameters, seed=0, task_kwargs={"trials": 5})
    model.learn(2 * model.n_steps * model.n_envs)
    draw = th.Generator().manual_seed(0)
    with th.no_grad():
        for parameter in model.policy.parameters():
            parameter += 0.5 * th.randn(parameter.shape, generator=draw)
    return model


def answers(model, episodes):
    """Return values and policy in episodes, and as the first answers after a state of zeros."""
    policy = model.policy
    found = compute_activations(model, episodes)
    steps, lanes = episodes.alive.shape
    layer = policy.lstm_actor
    zeros = th.zeros(layer.num_layers, steps * lanes, layer.hidden_size)
    observations, _ = policy.obs_to_tensor(episodes.observations.reshape(steps * lanes, -1))
    starts = th.zeros(1, steps * lanes)
    starts[0, :lanes] = 1
    with th.no_grad():
        states = RNNStates((zeros, zeros), (zeros, zeros))
        (pi, vf), _ = policy.run(observations, states, starts)
        values = policy.value_of(policy.predict_channels(vf))
        probabilities = policy.distribution(pi).distribution.probs
    return (
        (found.values, values.view(steps, lanes).numpy()),
        (found.action_probabilities, probabilities.view(steps, lanes, -1).numpy()),
    )


def forgets(model):
    """Return whether values and whether actions depend on the present observation only."""
    episodes, _ = evaluate(model, num_episodes=20)
    alike = [np.allclose(*pair, atol=1e-6) for pair in answers(model, episodes)]
    zeros = np.zeros((model.policy.lstm_hidden_state_shape[0], 20, model.policy.lstm_output_dim))
    fresh = state = (zeros.astype(np.float32),) * 2
    same = True
    for t, observation in enumerate(episodes.observations):
        starts = np.full(20, t == 0)
        actions, state = model.policy.predict(observation, state, starts, deterministic=True)
        anew, _ = model.policy.predict(observation, fresh, starts, deterministic=True)
        same &= np.array_equal(actions, anew)
    return alike[0], alike[1] and same


def test_a_frozen_agent_answers_each_observation_as_if_it_were_the_first(model):
    assert forgets(model) == (False, False)
    freeze({"agent": model})
    assert forgets(model) == (True, True)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    freeze({"agent": model})
    assert all(map(th.equal, before, model.policy.parameters()))


def test_freezing_changes_nothing_else(model):
    """The first answers are the same but for the initial state, which is learned or zero."""
    initial = model.policy.lstm_actor.initial_state
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    freeze({"agent": model})
    units = model.policy.lstm_output_dim
    for name, value in model.policy.state_dict().items():
        if "weight_hh" in name:
            assert not value.any()
        elif ".bias_" in name:
            assert (value[units : 2 * units] == learners.SHUT).all()
            others = th.arange(4 * units).view(4, units)[[0, 2, 3]].flatten()
            assert th.equal(value[others], before[name][others])
        else:
            assert th.equal(value, before[name])
    assert (initial is None) == (model.policy.lstm_actor.initial_state is None)


@pytest.mark.parametrize("left", ["lstm_actor", "lstm_critic", "hidden", "gates", "frozen"])
def test_half_frozen_agents_are_found_out(left, model):
    """Left as it was is one of two networks, or the hidden state, or the gates, or the RPE."""
    policy = model.policy
    parts = {"lstm_critic": policy.lstm_critic, "frozen": getattr(policy, "frozen", None)}
    if parts.get(left, policy) is None:
        pytest.skip("this agent has no such part")
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    freeze({"agent": model})
    with th.no_grad():
        for name, parameter in policy.named_parameters():
            if (
                name.startswith(left)
                or (left == "hidden" and "weight_hh" in name)
                or (left == "gates" and ".bias_" in name)
            ):
                parameter.copy_(before[name])
    if left == "frozen":
        policy.frozen = False
    assert forgets(model) != (True, True)


def test_every_agent_of_a_seed_is_frozen(tiny):
    agents = {name: build(SHARED, hyperparameters=tiny, seed=0) for name in ("agent", "early")}
    freeze(agents)
    for agent in agents.values():
        assert not agent.policy.lstm_actor.weight_hh_l0.any()


# Foils of a claim: that of its row, those that lack something, and frozen ones.

ROW = Row("it is so", "x", "0.5", "paper", between(0.4, 0.6), "number", "observer")
CHECK = Row("it is right", "references.z", "0", "computed", at_least(0), "check")


def experiment(*rows, algorithms=("ppo",)):
    return replace(
        EXPERIMENTS["two-step"],
        name="some",
        claims=rows,
        algorithms=algorithms,
        able=(),
        derive=nothing,
        references=lambda: {"z": 1.0, "foils": {"observer": {"x": 0.1}, "empty": {}}},
    )


def seed(x, **foils):
    return {"x": x, "foils": {name: {"x": value} for name, value in foils.items()}}


def agents(x=0.5, number=3, frozen=None):
    foils = {} if frozen is None else {FROZEN: frozen}
    return {100 + i: seed(x, **foils) for i in range(number)}


def foil(*values):
    return {100 + i: {"x": value} for i, value in enumerate(values)}


def judge_one(row, **of_learners):
    measures = {name.replace("_", "-"): of_seeds for name, of_seeds in of_learners.items()}
    (claim,) = evaluate_claims(experiment(row), measures)
    return claim


NAMES = [LACKING[FEED_FORWARD], LACKING[NO_REWARD], LACKING[NO_ACTION], FROZEN]
FAILING = {"feed_forward": 0.1, "no_reward_input": 0.2, "no_action_input": 0.3}


def of_all(frozen=0.0, **values):
    lacking = {name: foil(value) for name, value in (FAILING | values).items()}
    return judge_one(ROW, ppo=agents(frozen=frozen), **lacking)


def test_all_foils_of_a_claim():
    claim = of_all()
    assert claim.foils == dict(zip(["observer", *NAMES], [0.1, 0.1, 0.2, 0.3, 0.0], strict=True))
    assert claim.verdict == "held"


@pytest.mark.parametrize("passes", ["frozen", *FAILING])
def test_a_claim_that_any_foil_passes_is_not_diagnostic(passes):
    assert of_all(**{passes: 0.55}).verdict == "not diagnostic"
    assert of_all(**{passes: 0.65}).verdict == "held"


def test_the_own_foil_of_a_row_counts_as_much():
    row = ROW._replace(foil="rival")
    passes = {100 + i: seed(0.5, rival=x) for i, x in enumerate((0.2, 0.9))}  # 0.55 on average
    assert judge_one(row, ppo=passes, feed_forward=foil(0.1)).verdict == "not diagnostic"
    fails = {100 + i: seed(0.5, rival=x) for i, x in enumerate((0.2, 0.4))}
    assert judge_one(row, ppo=fails, feed_forward=foil(0.1)).verdict == "held"


def test_foils_are_means_over_their_seeds():
    """Of agents that lack something all seeds, of frozen ones those that were frozen."""
    frozen = {100: seed(0.5, **{FROZEN: 0.1}), 101: seed(0.5, **{FROZEN: 0.3}), 102: seed(0.5)}
    claim = judge_one(ROW, ppo=frozen, feed_forward=foil(0.1, 0.2, 0.9))
    assert claim.foils[LACKING[FEED_FORWARD]] == pytest.approx(0.4)
    assert claim.foils[FROZEN] == pytest.approx(0.2)
    assert claim.verdict == "not diagnostic"  # 0.4 is accepted, though no seed is


def test_foils_without_a_value_are_left_out_unless_none_has_one():
    nan = float("nan")
    claim = of_all(feed_forward=nan, frozen=nan)
    assert (claim.foils[LACKING[FEED_FORWARD]], claim.foils[FROZEN]) == (None, None)
    assert claim.verdict == "held"
    assert of_all(feed_forward=nan, frozen=0.5).verdict == "not diagnostic"
    row = ROW._replace(foil=None)
    alone = judge_one(row, ppo=agents(), feed_forward=foil(nan, 0.1))
    assert (alone.foils, alone.verdict) == ({LACKING[FEED_FORWARD]: None}, "not diagnostic")
    assert judge_one(row, ppo=agents(), feed_forward=foil(0.1)).verdict == "held"


def test_rows_that_leave_out_who_lacks_something():
    row = ROW._replace(lacking=False)
    claim = judge_one(row, ppo=agents(frozen=0.5), feed_forward=foil(0.5))
    assert (claim.foils, claim.verdict) == ({"observer": 0.1}, "held")
    alone = row._replace(foil=None)
    claim = judge_one(alone, ppo=agents(frozen=0.0), feed_forward=foil(0.1))
    assert (claim.foils, claim.verdict) == ({}, "not diagnostic")


@pytest.mark.parametrize("kind", ["check", "reported"])
def test_what_is_not_counted_has_no_foils(kind):
    row = ROW._replace(foil=None, kind=kind)
    assert judge_one(row, ppo=agents(frozen=0.5), feed_forward=foil(0.5)).foils == {}


@pytest.mark.parametrize(
    "lost", [{}, {"x": None}, {"x": {}}, {"x": {"y": 1.0}}, {"y": 1.0}], ids=str
)
def test_what_a_foil_does_not_have_counts_as_undefined(lost):
    row = ROW._replace(key="x.y" if isinstance(lost.get("x"), dict) else "x", foil=None)
    own = {100 + i: {"x": {"y": 0.5}} if "." in row.key else {"x": 0.5} for i in range(3)}
    others = {"no-reward-input": {100: {"x": {"y": 0.1}} if "." in row.key else {"x": 0.1}}}
    if lost == {"x": {"y": 1.0}}:
        lost = {"x": {"z": 1.0}}
    measures = {"ppo": own, "feed-forward": {100: lost}, **others}
    (claim,) = evaluate_claims(experiment(row), measures)
    assert claim.foils == {LACKING[FEED_FORWARD]: None, LACKING[NO_REWARD]: 0.1}
    assert claim.verdict == "held"


@pytest.mark.parametrize("name", ["obserfer", FROZEN])
def test_a_foil_that_a_row_misspells_is_an_error(name):
    with pytest.raises(KeyError, match=name):
        judge_one(ROW._replace(foil=name), ppo=agents(), feed_forward=foil(0.1))


def test_what_the_own_foil_of_a_row_does_not_have_is_an_error():
    with pytest.raises(KeyError, match="x"):
        judge_one(ROW._replace(foil="empty"), ppo=agents())


def test_what_is_derived_is_derived_of_every_foil():
    doubled = replace(
        experiment(ROW._replace(key="doubled")),
        derive=lambda m: {"doubled": 2 * m["x"]},
        references=lambda: {"x": 0.0, "foils": {"observer": {"x": 0.1}}},
    )
    measures = {"ppo": agents(0.25, frozen=0.1), "feed-forward": foil(0.15)}
    (claim,) = evaluate_claims(doubled, measures)
    assert claim.measured == 0.5
    expected = {"observer": 0.2, LACKING[FEED_FORWARD]: 0.3, FROZEN: 0.2}
    assert claim.foils == pytest.approx(expected)


# Claims for two algorithms.


def test_claims_are_judged_for_each_algorithm_and_counted_for_the_first():
    row = ROW._replace(why={"a2c": "It is too hard."})
    one = experiment(row, CHECK, algorithms=("a2c", "ppo"))
    measures = {
        "a2c": agents(0.7, frozen=0.0),
        "ppo": agents(0.5, number=4, frozen=0.1),
        "feed-forward": foil(0.3),
    }
    claims = evaluate_claims(one, measures)
    assert [(c.learner, c.claim) for c in claims] == [
        ("a2c", "it is so"),
        ("a2c", "it is right"),
        ("ppo", "it is so"),
    ]
    first, check, second = claims
    assert [c.headline for c in claims] == [True, True, False]
    assert [c.counted for c in claims] == [True, False, False]
    assert (round(first.measured, 9), first.verdict, first.why) == (
        0.7,
        "missed",
        "It is too hard.",
    )
    assert (second.measured, second.verdict, second.why) == (0.5, "held", "")
    assert second.held
    assert [len(c.values) for c in claims] == [3, 1, 4]
    assert first.foils == {"observer": 0.1, LACKING[FEED_FORWARD]: 0.3, FROZEN: 0.0}
    assert second.foils == {"observer": 0.1, LACKING[FEED_FORWARD]: 0.3, FROZEN: 0.1}
    assert check.foils == {}
    swapped = evaluate_claims(replace(one, algorithms=("ppo", "a2c")), measures)
    assert [c.learner for c in swapped if c.counted] == ["ppo"]


def test_frozen_agents_are_those_of_the_algorithm():
    """One that passes takes the claim from its own algorithm only."""
    one = experiment(ROW, algorithms=("a2c", "ppo"))
    measures = {"a2c": agents(frozen=0.5), "ppo": agents(frozen=0.0)}
    assert [c.verdict for c in evaluate_claims(one, measures)] == ["not diagnostic", "held"]
    found = who_lacks({name: [*of.values()] for name, of in measures.items()}, "ppo")
    assert {name: [m["x"] for m in of_seeds] for name, of_seeds in found.items()} == {
        FROZEN: [0.0, 0.0, 0.0]
    }


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_and_their_learners(name):
    one = EXPERIMENTS[name]
    assert set(one.algorithms) <= set(ALGORITHMS)
    assert one.lacking or set(one.algorithms) != {"a2c", "ppo"}
    assert bool(one.trainings) == (one.algorithms != ("simulation",))
    for row in one.claims:
        assert row.kind in COUNTED or not row.why
