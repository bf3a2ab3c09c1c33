"""Fixed and variable rewards: decoders on states made by hand, claims that can be missed."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.observers import expectile_predictions
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.dopamine_variance import (
    DRAWN,
    ID,
    SHORT,
    accuracy,
    before_outcome,
    channels_of,
    decode,
    metrics,
    plane,
    plot,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate

EXPERIMENT = EXPERIMENTS["dopamine-variance"]
TAUS = (np.arange(5) + 0.5) / 5
TRACE = 2


def states(centres, trials=40, noise=0.01):
    """Return a state at each odour's centre in every trial, with a little noise."""
    rng = np.random.default_rng(0)
    centres = np.asarray(centres, float)
    return [c + noise * rng.normal(size=(trials, centres.shape[1])) for c in centres]


# Decoding: nothing A and B, fixed A and B, variable A and B.


def test_a_code_of_the_kind_generalises():
    """One axis is the variance, the other, shorter one the letter."""
    found = decode(states([[0, 0], [0, 0], [0, 0], [0, 0.3], [1, 0], [1, 0.3]]))
    assert found == {"within": 1, "ccgp": 1}


def test_equal_kinds_at_opposite_corners():
    """No line separates them; what holds for one pair is wrong of the other."""
    assert decode(states([[0, 0]] * 2 + [[0, 0], [1, 1], [0, 1], [1, 0]]))["ccgp"] == 0


def test_memory_of_the_odour_is_enough_within():
    """One unit for each odour: any two pairs are separable, and nothing generalises."""
    found = decode(states(10 * np.eye(6), noise=0.0))
    assert found == {"within": 1, "ccgp": 0.5}


def test_kinds_that_look_alike():
    found = decode(states(np.zeros((6, 3)), trials=1000, noise=1.0))
    assert found == pytest.approx({"within": 0.5, "ccgp": 0.5}, abs=0.05)


def test_pairs_are_averaged_over():
    """On a line fixed 0 and 4, variable 1 and 3; the boundary is halfway between two of them.

    Trained on 0 and 1, the decoder takes 3 and 4 for variable, as 0 and 1 when trained on 3 and 4;
    trained on 0 and 3 it takes 1 for fixed and 4 for variable, on 4 and 1 the same the other way.
    """
    line = states([[0], [0], [0], [4], [1], [3]])
    fixed, variable = line[2:4], line[4:6]
    assert accuracy([fixed[0], variable[0]], [fixed[1], variable[1]]) == 0.5
    assert accuracy([fixed[0], variable[1]], [fixed[1], variable[0]]) == 0
    assert decode(line)["ccgp"] == (0.5 + 0 + 0 + 0.5) / 4


def test_accuracy_counts_both_classes_alike():
    """All of many in one class right, one of two in the other."""
    train = [np.full((50, 1), -1.0), np.full((50, 1), 1.0)]
    test = [np.full((98, 1), -1.0), np.array([[1.0], [-1.0]])]
    assert accuracy(train, test) == 0.75
    assert np.isnan(accuracy(train, [test[0], np.zeros((0, 1))]))


def test_plane():
    """Two principal components keep all distances of points that lie in a plane."""
    corners = [[0, 0], [2, 0], [0, 1], [2, 1], [1, 0], [1, 3]]
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0][:2]
    found = plane([x @ turned for x in states(corners, trials=30, noise=0.0)])
    assert [len(points) for points in found] == [20] * 6
    points = np.array(found)[:, 0]
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    exact = np.linalg.norm(np.array(corners)[:, None] - corners, axis=-1)
    assert distances == pytest.approx(exact, abs=1e-3)


# What is read, and when.


@pytest.fixture(scope="module")
def played(tiny):
    model = build(ID, hyperparameters=replace(tiny, channels=5), seed=0, task_kwargs=SHORT)
    return evaluate(model, num_episodes=60)


def test_read_in_the_last_step_of_the_trace(played):
    episodes, activations = played
    stage, odour = episodes.truth["stage"], episodes.truth["odour"]
    found = before_outcome(episodes, activations, np.stack([stage, odour], axis=-1))
    following = before_outcome(episodes, activations, np.roll(stage, -1, axis=0))
    assert sum(len(x) for x in found) == 60
    for i, (now, then) in enumerate(zip(found, following, strict=True)):
        assert (now == [TRACE, i]).all()
        assert (then == TRACE + 1).all()


def test_channels_beside_expectiles(played):
    """Of an agent that predicts the exact expectiles, or twice their distance from the mean."""
    episodes, activations = played
    taus, variable = TAUS, episodes.truth["kind"] == 2
    exact = expectile_predictions(activations.parameters, "variable odour A", taus)
    values = np.where(variable[..., None], exact, 4.0 * (episodes.truth["kind"] > 0)[..., None])
    found = channels_of(episodes, replace(activations, channels=activations.gamma * values))
    assert found["taus"] == pytest.approx(taus)
    for name, one in (("nothing", 0), ("fixed", 4)):
        assert found[name]["channels"] == pytest.approx([one] * 5)
        assert found[name]["exact"] == pytest.approx([one] * 5)
        assert found[name]["spread"] == pytest.approx(0)
    assert found["variable"]["channels"] == pytest.approx(2 + 4 * taus)
    assert found["variable"]["exact"] == pytest.approx(2 + 4 * taus)
    assert found["variable"]["spread"] == pytest.approx(1)
    wider = replace(activations, channels=activations.gamma * (2 * values - 4))
    assert channels_of(episodes, wider)["variable"]["spread"] == pytest.approx(2)


def test_watch(played):
    episodes, _ = played
    trials = episodes.trials
    found = metrics(episodes)
    assert found["reward_per_trial"] == trials["trial_reward"].mean()
    for kind, name in enumerate(("nothing", "fixed", "variable")):
        of_kind = trials[trials["kind"] == kind]
        assert found[f"licks_{name}"] == of_kind["anticipatory_licks"].mean()
    assert metrics_for(ID).compute is metrics


@pytest.mark.parametrize(
    "task_kwargs", [{"spread": 0.0}, {"odour_duration": 0.0}, {"trials": 2, "pavlovian": True}]
)
@pytest.mark.parametrize("count", [1, 5])
def test_sketch_with_any_parameters(count, task_kwargs, tiny, tmp_path):
    model = build(
        ID, hyperparameters=replace(tiny, channels=count), seed=0, task_kwargs=SHORT | task_kwargs
    )
    assert_drawn(plot(*evaluate(model, num_episodes=3)), tmp_path / "plot.png")


# Claims.


def good():
    exact = (2 + 4 * TAUS).tolist()
    flat = {"channels": [4.0] * 5, "exact": [4.0] * 5, "spread": 0.02}
    steep = {"channels": exact, "exact": exact, "spread": 0.98}
    channels = {"taus": TAUS.tolist(), "nothing": flat, "fixed": flat, "variable": steep}
    agent = {"reward_per_trial": 2.6, "channels": channels, "within": 1.0, "ccgp": 1.0}
    agent["plane"] = [[[float(i), 0.0]] * 2 for i in range(6)]
    one = {"channels": [4.0], "exact": [4.0], "spread": np.nan}
    scalar = {"taus": [0.5], "nothing": one, "fixed": one, "variable": one}
    ours = {"distributional": agent, "scalar": agent | {"channels": scalar, "ccgp": 0.5}}
    ours["foils"] = {
        "scalar critic": {"distributional": {"within": 0.7, "ccgp": 0.5}},
        "distributional critic": {"scalar": {"ccgp": 1.0}},
        "fixed odours": {"distributional": {"channels": {"variable": flat}}},
    }
    return ours


WITHIN = "distributional critic: fixed or variable, decoded for the same four odours"
OTHERS = "distributional critic: fixed or variable, decoded for odours not trained with (CCGP)"
SCALAR = "scalar critic: fixed or variable, decoded for odours not trained with (CCGP)"


@pytest.mark.parametrize(
    ("agent", "key", "value", "expected"),
    [
        ("distributional", "within", 0.9, set()),
        ("distributional", "within", 0.89, {WITHIN}),
        ("distributional", "within", np.nan, {WITHIN}),
        ("distributional", "ccgp", 0.5, {OTHERS}),
        ("scalar", "within", 0.5, set()),
        ("scalar", "ccgp", 0.65, set()),
        ("scalar", "ccgp", 0.66, {SCALAR}),
        ("scalar", "ccgp", np.nan, {SCALAR}),
    ],
)
def test_claims_can_be_missed(agent, key, value, expected):
    measures = copy.deepcopy(good())
    measures[agent][key] = value
    claims = evaluate_claims(EXPERIMENT, [measures] * 5)
    assert {c.claim for c in claims if c.verdict == "missed"} == expected
    assert all(c.held for c in claims if c.counted and c.claim not in expected)


@pytest.mark.parametrize(
    ("foil", "agent", "claim"),
    [
        ("scalar critic", {"within": 1.0, "ccgp": 0.5}, WITHIN),
        ("scalar critic", {"within": 0.7, "ccgp": 1.0}, OTHERS),
        ("distributional critic", {"ccgp": 0.5}, SCALAR),
    ],
)
def test_a_foil_like_the_agent_tells_nothing(foil, agent, claim):
    measures = good()
    ((name, _),) = measures["foils"][foil].items()
    measures["foils"][foil][name] = agent
    claims = evaluate_claims(EXPERIMENT, [measures] * 5)
    assert [c.claim for c in claims if c.verdict == "not diagnostic"] == [claim]


def test_what_is_claimed():
    claims = evaluate_claims(EXPERIMENT, [good()] * 5)
    assert [c.accept for c in claims] == [">= 0.9", ">= 0.9", "<= 0.65", "reported", "0.9 to 1.1"]
    assert [c.measured for c in claims] == pytest.approx([1.0, 1.0, 0.5, 1.0, 0.98])
    assert all("not published" in c.source for c in claims[:3])


@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn(seeds, tmp_path):
    nothing = copy.deepcopy(good())
    for name in ("distributional", "scalar"):
        agent = nothing[name]
        agent |= {"within": np.nan, "ccgp": np.nan, "plane": [[]] * 6}
    for measures in (good(), nothing):
        assert_drawn(EXPERIMENT.figure([measures] * seeds, {}), tmp_path / "figure.png")


def test_measure(tiny, tmp_path):
    """Untrained agents: everything is there, and the channels of the critic have no spread."""
    agents = {
        name: build(ID, hyperparameters=replace(tiny, channels=n), seed=7, task_kwargs=SHORT)
        for name, n in (("distributional", 5), ("scalar", 1))
    }
    measures = json_ready(EXPERIMENT.measure(agents, 60, 0))
    assert measures.keys() == good().keys()
    for name in agents:
        agent = measures[name]
        assert agent.keys() >= good()[name].keys()
        assert 0 <= agent["ccgp"] <= 1
        assert [len(points) <= DRAWN for points in agent["plane"]] == [True] * 6
    assert measures["distributional"]["channels"]["variable"]["spread"] < 0.5
    claims = evaluate_claims(EXPERIMENT, [measures] * 2)
    assert [c.claim for c in claims] == [c.claim for c in evaluate_claims(EXPERIMENT, [good()])]
    assert_drawn(EXPERIMENT.figure([measures] * 2, {}), tmp_path / "figure.png")


def test_trainings_differ_in_the_critic_only():
    """One trunk: the recurrent state that is decoded is the critic's."""
    ours, scalar = (t.hyperparameters for t in EXPERIMENT.trainings.values())
    assert list(EXPERIMENT.trainings) == ["distributional", "scalar"]
    assert (ours.channels, ours.critic_target, ours.trunk) == (33, "monte-carlo", "shared")
    assert scalar == replace(ours, channels=1)
