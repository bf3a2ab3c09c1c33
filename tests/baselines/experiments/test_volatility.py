"""Simulation 2: measures by hand and on observers, claims that can be missed, the figure."""

import json

import numpy as np
import pytest
from figures import assert_drawn
from judged import judge, with_frozen
from scipy.stats import binom, norm

from neurotasks.episodes import run_episodes
from neurotasks.observers import (
    BayesVolatility,
    ConstantHazardVolatility,
    RandomAgent,
    RescorlaWagnerVolatility,
)
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import (
    EXPERIMENTS,
    volatility,
    volatility_figure,
    volatility_measures,
)
from neurotasks_baselines.experiments.claims import FOILS, look_up
from neurotasks_baselines.experiments.volatility import (
    BELIEF,
    CONSTANT_HAZARD,
    LEAKY_REWARD,
    WITHOUT_MEMORY,
)
from neurotasks_baselines.experiments.volatility_measures import (
    BIN,
    FIXED_RATES,
    UNTRAINED,
    behaviour,
    beliefs,
    by_trial,
    decode,
    fixed_rates,
    hazard_rate,
    leaky_averages,
    observe,
    unit_coding,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import held_out_envs

EXPERIMENT = EXPERIMENTS["volatility"]
RATIO = "fitted learning rate, volatile / stable block"
HAZARD = "fitted hazard rate, volatile / stable block"
CORRECT = {name: f"choices of the better arm, {name} block" for name in ("stable", "volatile")}
SETTLED = "choices of the better arm, volatile block, last 10 of the 25 trials between reversals"
DECODING = "fraction of trials whose block is decoded from the recurrent state"
UNITS = next(row.name for row in EXPERIMENT.claims if row.key == "units.fraction")
COUNTED = {RATIO, HAZARD, *CORRECT.values(), SETTLED, DECODING, UNITS}


def units(fraction):
    return {"fraction": fraction, "shuffled": 0.01, "size": [1.5, 0.5]}


def measures(stable=0.9, volatile=0.75, without_memory=(0.74, 0.6, 0.79), fixed=0.6, **changes):
    curve = {name: [0.5] * 40 for name in ("stable", "volatile")}
    foils = {name: {"decoding": fixed, "p_volatile": curve} for name in (FIXED_RATES, LEAKY_REWARD)}
    foils |= {name: {"decoding": 0.55} for name in (BELIEF, UNTRAINED)}
    foils[UNTRAINED]["units"] = units(0.2)
    *correct, settled = without_memory
    correct = dict(zip(("stable", "volatile"), correct, strict=True))
    foils[WITHOUT_MEMORY] = {"correct": correct, "settled": settled}
    found = {"alpha": {"stable": 0.1, "volatile": 0.15}, "ratio": 1.5}
    found |= {"hazard": {"stable": 0.01, "volatile": 0.015}, "hazard_ratio": 1.5}
    found |= {"correct": {"stable": stable, "volatile": volatile}, "correct_by_trial": curve}
    found |= {"settled": 0.9, "decoding": 0.7, "p_volatile": curve, FOILS: foils}
    history = [{"steps": i * 1e6, "reward_per_trial": 0.3 * i} for i in range(3)]
    found |= {"units": units(0.7)}
    return found | {"history": history, "seconds": 5.0} | changes


def stand_in(fixed=1.0, constant=(1.0, 1.0)):
    """Return observers without playing them."""
    ratio, hazard_ratio = constant
    return {
        "bayes": measures(),
        "constant": measures(ratio=ratio, hazard_ratio=hazard_ratio),
        "fixed": measures(ratio=fixed),
    }


@pytest.fixture
def observers(monkeypatch):
    for module in (volatility, volatility_figure):
        monkeypatch.setattr(module, "observe", stand_in)


def verdicts(*found):
    """Return the verdicts on seeds, by default twice the same."""
    found = found if len(found) > 1 else found * 2
    claims = judge(EXPERIMENT, list(found))
    return {claim.claim: claim.verdict for claim in claims if claim.counted}


def missed(*found):
    return {name for name, verdict in verdicts(*found).items() if verdict == "missed"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"ratio": 1.19}, {RATIO}),
        ({"ratio": np.nan}, {RATIO}),
        ({"hazard_ratio": 1.09}, {HAZARD}),
        ({"stable": 0.84}, {CORRECT["stable"]}),
        ({"volatile": 0.67}, {CORRECT["volatile"]}),
        ({"volatile": np.nan}, {CORRECT["volatile"]}),
        ({"settled": 0.84}, {SETTLED}),
        ({"decoding": 0.68}, {DECODING}),
        ({"decoding": np.nan}, {DECODING}),
        ({"units": units(0.63)}, {UNITS}),
        ({"units": units(np.nan)}, {UNITS}),
    ],
)
def test_claims_can_be_missed(changes, expected, observers):
    found = verdicts(measures(**changes))
    assert found == {name: "missed" if name in expected else "held" for name in COUNTED}


def test_it_is_the_interval_over_seeds_that_counts(observers):
    assert missed(measures(ratio=1.1), measures(), measures()) == {RATIO}


@pytest.mark.parametrize(
    ("foils", "expected"),
    [
        ({"without_memory": (0.9, 0.6, 0.79)}, CORRECT["stable"]),
        ({"without_memory": (0.74, 0.75, 0.79)}, CORRECT["volatile"]),
        ({"without_memory": (0.74, 0.6, 0.9)}, SETTLED),
        ({"fixed": 0.7}, DECODING),
    ],
)
def test_a_claim_whose_foil_passes_is_not_diagnostic(foils, expected, observers):
    """Each foil in turn is made equal to the agent."""
    found = verdicts(measures(**foils))
    assert {name for name, verdict in found.items() if verdict == "not diagnostic"} == {expected}


def test_units_of_an_untrained_network_are_a_foil(observers):
    planted = measures()
    planted[FOILS][UNTRAINED] = {**planted[FOILS][UNTRAINED], "units": units(0.7)}
    found = verdicts(planted)
    assert {name for name, verdict in found.items() if verdict == "not diagnostic"} == {UNITS}


def test_a_frozen_agent_is_a_foil_of_every_claim(observers):
    """One as good as the agent would show that none of them needs memory."""
    assert any(claim.held for claim in judge(EXPERIMENT, [measures()] * 2))
    claims = judge(EXPERIMENT, [with_frozen(measures())] * 2)
    assert {c.verdict for c in claims if c.counted} == {"not diagnostic"}


@pytest.mark.parametrize(("constant", "expected"), [((1.5, 1.0), RATIO), ((1.0, 1.5), HAZARD)])
def test_the_foil_of_fitted_rates_is_an_observer(constant, expected, monkeypatch):
    monkeypatch.setattr(volatility, "observe", lambda: stand_in(constant=constant))
    found = verdicts(measures())
    assert {name for name, verdict in found.items() if verdict == "not diagnostic"} == {expected}


def test_the_fit_is_checked_by_the_fixed_learner(observers):
    check, *_ = (c for c in judge(EXPERIMENT, [measures()] * 2) if c.kind == "check")
    assert (check.measured, check.verdict) == (1.0, "")


def played(observer, num_envs=200, **task_kwargs):
    envs = held_out_envs(volatility_measures.ID, {}, num_envs)
    return run_episodes(observer(envs, seed=1, **task_kwargs), envs, seed=TEST_SEED)


@pytest.mark.slow
def test_claims_tell_learners_apart(observers):
    rates = {RATIO, HAZARD}
    assert missed(measures() | behaviour(played(BayesVolatility))) == set()
    assert missed(measures() | behaviour(played(ConstantHazardVolatility))) == {HAZARD}
    found = missed(measures() | behaviour(played(RescorlaWagnerVolatility)))
    assert found == {*rates, CORRECT["stable"], SETTLED}
    found = missed(measures() | behaviour(played(RandomAgent)))
    assert {*CORRECT.values(), SETTLED} <= found


def test_behaviour():
    episodes = played(BayesVolatility)
    found = behaviour(episodes)
    assert found["ratio"] == found["alpha"]["volatile"] / found["alpha"]["stable"] > 1.2
    assert found["hazard_ratio"] == found["hazard"]["volatile"] / found["hazard"]["stable"] > 1.2
    trials = episodes.trials
    for block, name in enumerate(("stable", "volatile")):
        assert found["correct"][name] == trials["correct"][trials["block"] == block].mean()
        first = trials.groupby("env")["block"].transform("first") == block
        curve = trials[first].groupby(trials["trial"] // BIN)["correct"].mean()
        assert found["correct_by_trial"][name] == pytest.approx(curve.tolist())
    late = trials["trial"].isin([15 + i + 25 * j for i in range(10) for j in range(8)])
    assert found["settled"] == trials["correct"][late & (trials["block"] == 1)].mean()


@pytest.mark.parametrize("hazard", [0.01, 0.05])
def test_hazard_rate_is_recovered_in_either_block(hazard):
    episodes = played(ConstantHazardVolatility, hazard=hazard)
    for block in (0, 1):
        assert hazard_rate(episodes, block) == pytest.approx(hazard, rel=0.15)


def test_beliefs_are_those_of_the_observer():
    envs = held_out_envs(volatility_measures.ID, {}, 5)
    observer = ConstantHazardVolatility(envs, seed=0, hazard=0.05)
    episodes = run_episodes(observer, envs, seed=0)
    levels, lead = beliefs(episodes, 0.05)
    memory, start = None, np.ones(5, bool)
    for t, observation in enumerate(episodes.observations):
        _, memory = observer.predict(observation, memory, start)
        start = np.zeros(5, bool)
        belief = memory["state"]["belief"]
        assert levels[t] == pytest.approx(belief.sum(axis=2))
        better = 0.5 + (np.arange(10) + 0.5) / 20
        pays = belief[..., 1] * better + belief[..., 0] * (1 - better)  # the right arm
        assert lead[t] == pytest.approx(2 * pays.sum(axis=1) - 1)


def test_leaky_averages():
    """They hold what was known before each trial."""
    found = leaky_averages(np.array([[1.0], [0.0], [5.0]]))
    assert found[:, 0, 0].tolist() == [0.0, 0.5, 0.25]
    assert found[2, 0, 1] == 0.25 * 0.75


def test_by_trial():
    values = np.arange(10.0)[:, None] + [0.0, 10.0, 100.0]
    blocks = np.repeat([[0, 1, 0], [1, 0, 1]], 5, axis=0)
    assert by_trial(values, blocks) == {"stable": [52.0, 57.0], "volatile": [12.0, 17.0]}
    assert np.isnan(by_trial(values[:, :1], blocks[:, :1])["volatile"]).all()


# Decoding.


def hidden_and_blocks(signal, num_episodes=60, seed=0):
    """Return a state of noise, with a component that codes the block, if signal is not 0."""
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=num_episodes)
    blocks = np.repeat([first, 1 - first], 50, axis=0)
    hidden = rng.normal(size=(100, num_episodes, 8))
    hidden[..., 3] += signal * blocks
    return hidden, blocks


def test_decoding():
    """A difference of 2 standard deviations is decoded in 84 % of the trials."""
    hidden, blocks = hidden_and_blocks(2.0)
    found = decode(hidden, blocks)
    assert found["decoding"] == pytest.approx(0.841, abs=0.02)
    decoded = found["p_volatile"]
    assert np.mean(decoded["volatile"][:10]) > 0.7 > 0.3 > np.mean(decoded["volatile"][10:])
    assert np.mean(decoded["stable"][:10]) < 0.3 < 0.7 < np.mean(decoded["stable"][10:])


def test_noise_is_not_decoded():
    found = [decode(*hidden_and_blocks(0.0, seed=seed)) for seed in range(8)]
    assert np.mean([f["decoding"] for f in found]) == pytest.approx(0.5, abs=0.01)


def test_what_tells_episodes_apart_is_no_signal():
    """A state that is the same throughout an episode could tell blocks of known episodes only."""
    hidden, blocks = hidden_and_blocks(0.0)
    hidden[:] = np.random.default_rng(1).normal(size=(1, *hidden.shape[1:]))
    assert decode(hidden, blocks)["decoding"] == pytest.approx(0.5, abs=0.05)


def test_time_is_no_signal():
    """The orders of the blocks are balanced, so that the trial's number codes nothing."""
    hidden, blocks = hidden_and_blocks(0.0)
    hidden[..., 0] = np.linspace(-1, 1, 100)[:, None]
    assert decode(hidden, blocks)["decoding"] == pytest.approx(0.5, abs=0.05)


def test_units_that_code_the_block():
    """The one that is more active in volatile blocks, and of the others as many as by chance."""
    hidden, blocks = hidden_and_blocks(1.0)
    hidden[..., 0] = 0.0  # a dead unit
    hidden[..., 1] = np.linspace(-1, 1, 100)[:, None]  # the time in the episode
    hidden[..., 2] = np.arange(60)  # the episode
    found = unit_coding(hidden, blocks)
    assert found["size"][3] == pytest.approx(np.sqrt(60) / norm.ppf(0.995), rel=0.1)
    assert found["size"][0] == 0
    assert found["fraction"] == 1 / 8
    assert found["shuffled"] < 0.03
    rates = [unit_coding(*hidden_and_blocks(0.0, seed=seed))["fraction"] for seed in range(20)]
    assert np.mean(rates) <= binom.ppf(0.999, 160, 0.015) / 160  # bounds of 1000 shuffles err


@pytest.mark.slow
def test_learners_that_never_adapt_tell_the_block():
    """As well as the agents, so that decoding shows no inference of volatility."""
    episodes = played(ConstantHazardVolatility, 300)
    blocks = episodes.truth["block"]
    rewards = leaky_averages(episodes.rewards - 0.5)
    assert decode(rewards, blocks)["decoding"] < 0.65 < 0.7
    assert decode(fixed_rates(episodes), blocks)["decoding"] > 0.7


# The whole.


@pytest.fixture(scope="module")
def measured(tiny):
    """Return the measures of an agent that has learned nothing."""
    model = build(volatility_measures.ID, hyperparameters=tiny, seed=0)
    model.description |= {"history": [{"steps": 0, "reward_per_trial": 0.5}], "seconds": 0.0}
    return json_ready(EXPERIMENT.measure({"agent": model}, 20, TEST_SEED))


def test_measure(measured, observers):
    assert len(json.dumps(measured)) < 20_000
    foils = measured[FOILS]
    assert foils.keys() == {WITHOUT_MEMORY, FIXED_RATES, LEAKY_REWARD, BELIEF, UNTRAINED}
    assert measured["decoding"] == foils[UNTRAINED]["decoding"]  # it was not trained
    assert {*CORRECT.values(), SETTLED} <= missed(measured)


@pytest.mark.slow
def test_observers():
    """Only hazard rates tell the Bayesian observers apart; the belief codes the block."""
    found = observe()
    assert found["constant"]["ratio"] > 1.2
    assert found["constant"]["hazard_ratio"] == pytest.approx(1, abs=0.05)
    assert found["fixed"]["ratio"] == pytest.approx(1, abs=0.05)
    assert volatility.references()[FOILS][CONSTANT_HAZARD] == found["constant"]
    assert 0.6 < found["bayes"]["decoding"] < 0.8
    published = {row.key: row.published for row in EXPERIMENT.claims}
    for key in (
        "ratio",
        "hazard_ratio",
        "correct.stable",
        "correct.volatile",
        "settled",
        "decoding",
    ):
        assert f"{look_up([found['bayes']], key).item():.2f} Bayesian observer" in published[key]
    # computed: P(volatile) is 0.57 and 0.28
    decoded = found["bayes"]["p_volatile"]
    in_volatile = np.mean([decoded["volatile"][:20], decoded["stable"][20:]])
    in_stable = np.mean([decoded["volatile"][20:], decoded["stable"][:20]])
    assert in_volatile - in_stable > 0.15


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(measured, seeds, tmp_path, observers):
    curve = {name: [np.nan] * 40 for name in ("stable", "volatile")}
    alpha = dict.fromkeys(("stable", "volatile"), np.nan)
    nothing = measures(alpha=alpha, ratio=np.nan, correct_by_trial=curve, p_volatile=curve)
    nothing |= {"hazard": alpha, "hazard_ratio": np.nan}
    for found in (measured, measures(), nothing):
        assert_drawn(EXPERIMENT.figure([found] * seeds, {}), tmp_path / "figure.png")


def test_sketch(tmp_path):
    metrics = EXPERIMENT.trainings["agent"].metrics
    episodes = played(RandomAgent, 20)
    assert set(metrics.compute(episodes)) == {
        *("reward_per_trial", "correct_stable", "correct_volatile")
    }
    assert_drawn(metrics.plot(episodes, None), tmp_path / "figure.png")
