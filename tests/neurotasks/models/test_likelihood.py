from dataclasses import replace

import numpy as np
import pandas as pd
import plain_models
import pytest
from scipy.optimize import check_grad

from neurotasks.errors import ParameterError, TrialTableError, UnknownParameterError
from neurotasks.models import World, drawn_world, log_probabilities, simulate
from neurotasks.models.bandit import (
    ASYMMETRIC,
    CHOICE_KERNEL as ARM_KERNEL,
    FORGETTING_Q,
    Q_LEARNING,
    RESCORLA_WAGNER,
    RESCORLA_WAGNER_KERNEL,
)
from neurotasks.models.foraging import INCOME, LEAKY_INCOME, MATCHING
from neurotasks.models.likelihood import Likelihood, people
from neurotasks.models.two_step import (
    CHOICE_KERNEL,
    HYBRID,
    LATENT_STATE,
    MODEL_BASED,
    MODELS,
    REWARD_AS_CUE,
    SARSA,
)
from neurotasks.models.volatility import HAZARD_RATE, RESCORLA_WAGNER as BOTH_ARMS, VOLATILITY

PLAIN = {
    HYBRID: plain_models.hybrid,
    SARSA: plain_models.hybrid,
    MODEL_BASED: plain_models.hybrid,
    LATENT_STATE: plain_models.latent_state,
    REWARD_AS_CUE: plain_models.reward_as_cue,
    CHOICE_KERNEL: plain_models.choice_kernel,
    Q_LEARNING: plain_models.q_learning,
    RESCORLA_WAGNER: plain_models.q_learning,
    RESCORLA_WAGNER_KERNEL: plain_models.q_learning,
    FORGETTING_Q: plain_models.q_learning,
    ASYMMETRIC: plain_models.q_learning,
    ARM_KERNEL: plain_models.q_learning,
    HAZARD_RATE: plain_models.hazard_rate,
    VOLATILITY: plain_models.volatility,
    BOTH_ARMS: plain_models.rescorla_wagner_of_both_arms,
    INCOME: plain_models.income,
    LEAKY_INCOME: plain_models.income,
    MATCHING: plain_models.income,
}
IDS = [f"{plain.__name__}: {model.name}" for model, plain in PLAIN.items()]


def drawn_values(model, rng):
    """Return values all over the ranges, never in the middle, where values may tie."""
    numbers = rng.normal(0.2, 0.8, len(model.free))
    return dict(zip(model.names, model.scales.values(numbers)[0].tolist(), strict=True))


def two_episodes(model, values, rng, trials=80):
    """Return trials of one person in two episodes, a few of them missed."""
    shape = (2, model.second_options) if model.second_options else (1, model.options)
    worlds = [drawn_world(np.full((trials, *shape), 0.5), rng) for _ in range(2)]
    table = simulate(model, pd.DataFrame([values, values]), worlds, rng)
    table["episode"], table["env"] = table["env"], 0
    missed = rng.random(len(table)) < 0.05
    table.loc[missed, ["choice", "outcome"]] = -1
    return table


def as_tuples(table):
    columns = [
        table[name] if name in table else table["choice"] * 0
        for name in ("choice", "second_state", "second_choice", "reward")
    ]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [row if row[0] >= 0 else None for row in rows]


def everything(model, values):
    """Return the values of all parameters, fixed ones too."""
    fixed = dict(model.fixed)
    return values | {k: values.get(v, fixed.get(v, v)) for k, v in fixed.items()}


@pytest.mark.parametrize("model", PLAIN, ids=IDS)
def test_likelihood_is_that_of_plain_python(model):
    rng = np.random.default_rng(1)
    for _ in range(3):
        values = drawn_values(model, rng)
        table = two_episodes(model, values, rng)
        ours = log_probabilities(model, table, values).sum(axis=None)
        plain = sum(
            PLAIN[model](as_tuples(episode), everything(model, values))
            for _, episode in table.groupby("episode")
        )
        assert ours == pytest.approx(plain, abs=1e-8)


@pytest.mark.parametrize("model", PLAIN, ids=IDS)
def test_gradient_is_that_of_finite_differences(model):
    rng = np.random.default_rng(2)
    values = drawn_values(model, rng)
    ((_, trials),) = people(model, two_episodes(model, values, rng)).values()
    likelihood, at = Likelihood(model), model.vector(values)
    value, slopes = likelihood(trials, at)
    assert value == pytest.approx(likelihood.per_choice(trials, at).sum(), abs=1e-9)
    off = check_grad(
        lambda x: likelihood.per_choice(trials, x).sum(),
        lambda x: likelihood(trials, x)[1],
        at,
        epsilon=1e-7,
    )
    assert off < 1e-4 * max(1, np.abs(slopes).max())
    assert np.abs(slopes).min() > 1e-3  # every parameter matters


TIED = HYBRID.fixing("one learning rate", alpha2="alpha1")


@pytest.mark.parametrize("model", [*MODELS, TIED], ids=lambda model: model.name)
def test_parameters_of_one_stage_do_not_matter_at_the_other(model):
    rng = np.random.default_rng(5)
    values = drawn_values(model, rng)
    ((_, trials),) = people(model, two_episodes(model, values, rng)).values()
    at = model.vector(values)
    value, slopes = Likelihood(replace(model, first_only=(), second_only=()))(trials, at)
    assert Likelihood(model)(trials, at)[0] == value
    assert (Likelihood(model)(trials, at)[1] == slopes).all()
    assert not Likelihood(model)._dual.matters.all()
    # a parameter that matters at both stages must not be declared
    wrong = replace(model, first_only=model.first_only + model.second_only)
    assert (Likelihood(wrong)(trials, at)[1] != slopes).any()


def test_one_choice_leaves_the_second_stage_out():
    rng, model = np.random.default_rng(3), HYBRID.one_choice()
    values = drawn_values(model, rng)
    assert "beta2" not in values
    table = two_episodes(model, values, rng)
    assert "second_choice" not in table
    plain = sum(
        plain_models.hybrid(as_tuples(episode), everything(model, values), 1)
        for _, episode in table.groupby("episode")
    )
    assert log_probabilities(model, table, values).sum(axis=None) == pytest.approx(plain, abs=1e-8)


def test_many_arms():
    rng, model = np.random.default_rng(4), Q_LEARNING.with_options(4)
    values = drawn_values(model, rng)
    table = two_episodes(model, values, rng)
    assert set(table["choice"]) == {-1, 0, 1, 2, 3}
    plain = sum(
        plain_models.q_learning(as_tuples(episode), everything(model, values), 4)
        for _, episode in table.groupby("episode")
    )
    assert log_probabilities(model, table, values).sum(axis=None) == pytest.approx(plain, abs=1e-8)


def test_two_trials_by_hand():
    """Left, rare, rewarded: only a model-based learner leaves the rewarded side."""
    trials = pd.DataFrame(
        {
            "env": 0,
            "episode": 0,
            "trial": [0, 1],
            "choice": [0, 0],
            "second_state": [1, 0],
            "second_choice": [0, 0],
            "reward": [1.0, 0.0],
        }
    )
    values = {"alpha2": 0.5, "beta1": 2.0, "beta2": 4.0, "p": 0.1}
    found = log_probabilities(MODEL_BASED, trials, values)
    # values of the sides: 0.3 x 0.5 and 0.7 x 0.5; staying adds 0.1
    stay = 1 / (1 + np.exp(2 * (0.35 - 0.15 - 0.1)))
    assert found["first"].tolist() == pytest.approx([np.log(0.5), np.log(stay)], abs=1e-12)
    assert found["second"].tolist() == pytest.approx([np.log(0.5)] * 2, abs=1e-12)
    values |= {"alpha1": 0.4, "lambda_": 0.5}
    stay = 1 / (1 + np.exp(-2 * (0.4 * 0.5 * 1 + 0.1)))
    found = log_probabilities(SARSA, trials, values)
    assert found["first"][1] == pytest.approx(np.log(stay), abs=1e-12)


TABLE = pd.DataFrame(
    {"env": 0, "episode": 0, "trial": range(3), "choice": [0, 1, 1], "reward": [1.0, 0.0, 1.0]}
)
VALUES = {"alpha": 0.3, "beta": 3.0}


@pytest.mark.parametrize(
    ("first", "learned"),
    [({"outcome": 1, "reward": 1.0}, 1.0), ({"outcome": 0, "reward": 0.0}, 0.0)]
    + [({"outcome": -1, "reward": middle}, middle) for middle in (0.7, 0.1)]
    + [({"outcome": -1, "reward": none}, None) for none in (0.0, -1.0, np.nan)],
)
def test_a_middle_reward_is_learned_from_and_a_missed_trial_is_not(first, learned):
    table = TABLE.assign(outcome=TABLE["reward"].astype(int))
    table.loc[0, list(first)] = first.values()
    found = log_probabilities(RESCORLA_WAGNER, table, VALUES)["first"]
    lead = 0.0 if learned is None else VALUES["alpha"] * (learned - 0.5)
    assert found[1] == pytest.approx(-np.log1p(np.exp(VALUES["beta"] * lead)))
    assert found[0] == (0.0 if learned is None else pytest.approx(np.log(0.5)))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.assign(choice=[1, 2, 2]), "'choice'"),
        (TABLE.assign(choice=[0, 1, np.nan]), "-1"),
        (TABLE.assign(choice=-1), "none of env 0"),
        (TABLE.iloc[:0], "0 rows"),
        (TABLE.drop(columns="choice"), "without choice"),
        (TABLE.assign(trial=0), "twice"),
        (TABLE.assign(reward=["won", "lost", "won"]), "'reward'"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(table, words):
    with pytest.raises(TrialTableError, match=words):
        log_probabilities(RESCORLA_WAGNER, table, VALUES)


def test_a_two_step_model_needs_the_second_stage():
    with pytest.raises(TrialTableError, match=r"second_state.*one_choice"):
        people(HYBRID, TABLE)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (VALUES | {"alpah": 0.1}, UnknownParameterError),
        (VALUES | {"alpha": 1.2}, ParameterError),
        (VALUES | {"beta": -1.0}, ParameterError),
        (VALUES | {"beta": np.nan}, ParameterError),
        ({"alpha": 0.3}, ParameterError),
        (VALUES | {"lapse": 0.1}, ParameterError),
    ],
)
def test_wrong_values_are_refused(values, error):
    with pytest.raises(error):
        log_probabilities(RESCORLA_WAGNER, TABLE, values)


def test_wrong_models_are_refused():
    with pytest.raises(UnknownParameterError, match="alpha1"):
        HYBRID.fixing(alpha_1=0.5)
    with pytest.raises(ParameterError, match="must be"):
        HYBRID.fixing(w=1.5)
    with pytest.raises(ParameterError, match="fitted"):
        SARSA.fixing(lambda_="w")
    with pytest.raises(ParameterError, match="options"):
        HYBRID.with_options(3)
    with pytest.raises(ParameterError, match="must pay"):
        simulate(
            RESCORLA_WAGNER,
            pd.DataFrame([VALUES]),
            [World(np.ones(3, bool), np.ones((3, 2, 2)))],
            np.random.default_rng(),
        )


def test_an_equal_parameter_is_fitted_once():
    tied = HYBRID.fixing(alpha2="alpha1")
    rng = np.random.default_rng(5)
    values = drawn_values(tied, rng)
    table = two_episodes(tied, values, rng)
    both = values | {"alpha2": values["alpha1"]}
    assert log_probabilities(tied, table, values).equals(log_probabilities(HYBRID, table, both))
    ((_, trials),) = people(tied, table).values()
    _, slopes = Likelihood(tied)(trials, tied.vector(values))
    _, each = Likelihood(HYBRID)(trials, HYBRID.vector(both))
    assert slopes[1] == pytest.approx(each[1] + each[2])
