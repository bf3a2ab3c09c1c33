"""What a model does in an environment is what its likelihood says."""

import gymnasium as gym
import numpy as np
import pytest

import neurotasks
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.models import log_probabilities
from neurotasks.models.bandit import Q_LEARNING, RESCORLA_WAGNER
from neurotasks.models.foraging import LEAKY_INCOME
from neurotasks.models.two_step import HYBRID, LATENT_STATE
from neurotasks.models.volatility import HAZARD_RATE, RESCORLA_WAGNER as BOTH_ARMS
from neurotasks.observers import (
    BayesTwoStep,
    ConstantHazardVolatility,
    LeakyIncomeForaging,
    ModelFreeTwoStep,
    ModelPlayer,
    RescorlaWagnerBandit,
    RescorlaWagnerVolatility,
)

assert neurotasks
PLAYERS = {
    "TwoStep": (HYBRID.one_choice(), {"w": 0.4, "alpha1": 0.5, "alpha2": 0.6, "lambda_": 0.7}),
    "Foraging": (LEAKY_INCOME, {"tau": 5.0}),
    "Volatility": (HAZARD_RATE, {"hazard": 0.1, "beta": 4.0}),
    "Bandit": (Q_LEARNING, {"alpha": 0.5, "alpha_minus": 0.2, "forget": 0.1, "beta": 3.0}),
}
PLAYERS["TwoStep"][1].update(beta1=4.0, p=0.2)
PLAYERS["TwoStepDaw"] = HYBRID, {**PLAYERS["TwoStep"][1], "beta2": 2.0}
PLAYERS["Bandit"][1].update(alpha_k=0.3, beta_k=-1.0)
NUM = 100


def played(task, model, values, seed=0, **kwargs):
    envs = gym.make_vec(
        f"neurotasks/{task}-v0", num_envs=NUM, autoreset_mode="SameStep", trial_log=True, **kwargs
    )
    return run_episodes(ModelPlayer(envs, model, values, seed), seed=seed).trials


def off_by(model, table, values):
    """Return how far choices of option 1 are from their expected number, in deviations.

    Of those that are held less likely than not, and of the others.
    """
    each = np.exp(log_probabilities(model, table, values)["first"].to_numpy())
    one = table["choice"].to_numpy() == 1
    p = np.where(one, each, 1 - each)
    groups = [g for g in (p < 0.5, p >= 0.5) if g.any()]
    return max(abs((one[g] - p[g]).sum()) / np.sqrt((p[g] * (1 - p[g])).sum()) for g in groups)


@pytest.mark.parametrize("task", PLAYERS)
def test_choices_are_as_frequent_as_their_probabilities(task):
    model, values = PLAYERS[task]
    table = played(task, model, values)
    assert len(table) >= NUM * 50
    assert (table["choice"] >= 0).all()
    assert off_by(model, table, values) < 4
    # and the probabilities of another model are not those of the choices
    name = max(values, key=lambda n: n in ("alpha1", "tau", "hazard", "alpha"))
    wrong = values | {name: {"tau": 50.0, "hazard": 0.4}.get(name, 0.05)}
    assert off_by(model, table, wrong) > 5


def test_option_1_is_taken_where_the_random_number_is_below_its_probability():
    """As other observers draw, so that what a seed brings does not depend on who draws."""
    envs = gym.make_vec("neurotasks/Volatility-v0", num_envs=1000, autoreset_mode="SameStep")
    player, rng = RescorlaWagnerVolatility(envs, seed=5, alpha=0.5), np.random.default_rng(5)
    first, memory = player.predict(envs.reset(seed=0)[0])
    assert np.array_equal(first, rng.random(1000) < 0.5)
    observation, reward, *_ = envs.step(first)
    right = np.where((first == 1) == (reward > 0), 0.75, 0.25)
    second, _ = player.predict(observation, memory, np.zeros(1000, bool))
    assert np.array_equal(second, rng.random(1000) < sigmoid(8 * (2 * right - 1)))
    assert 0 < second.sum() < 1000


def test_two_step_without_fixation():
    model, values = PLAYERS["TwoStep"]
    assert off_by(model, played("TwoStep", model, values, fixation=False), values) < 4


def test_second_choices_are_as_frequent_as_their_probabilities():
    model, values = PLAYERS["TwoStepDaw"]
    table = played("TwoStepDaw", model, values)
    for beta2, low, high in ((2.0, 0, 4), (0.5, 5, 1e9)):
        found = log_probabilities(model, table, values | {"beta2": beta2})["second"]
        each = np.exp(found.to_numpy())
        likelier = each[each != 0.5] > 0.5
        p = np.where(likelier, each[each != 0.5], 1 - each[each != 0.5])
        off = abs((likelier - p).sum()) / np.sqrt((p * (1 - p)).sum())
        assert low <= off < high


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("TwoStep", HYBRID),
        ("TwoStepDaw", HYBRID.one_choice()),
        ("TwoStepDaw", RESCORLA_WAGNER),
        ("Bandit", HYBRID.one_choice()),
        ("Bandit", LEAKY_INCOME.with_options(3)),
        ("Harlow", RESCORLA_WAGNER),
    ],
)
def test_a_task_that_the_model_cannot_play_is_refused(task, model):
    env = gym.make(f"neurotasks/{task}-v0")
    values = {p.name: p.middle for p in model.free}
    with pytest.raises(ParameterError, match="stages and options"):
        ModelPlayer(env, model, values)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def p_right_of_belief(memory):
    lead = 0.6 * 0.8 * (memory["belief"] - 0.5)  # p_common 0.8, p_reward 0.9
    return 0.1 + 0.8 * sigmoid(3 * 2 * lead)


LATENT = LATENT_STATE.fixing(p_common=0.8, p_reward=0.9, p_reversal=0.025, lapse=0.2, p=0.0)
LEARNERS = {
    "Rescorla-Wagner": (
        *("Bandit", RescorlaWagnerBandit, {"alpha": 0.4}, slice(None)),
        lambda m: sigmoid(3 * (m["q"][..., 1] - m["q"][..., 0])),
        *(RESCORLA_WAGNER, {"alpha": 0.4, "beta": 3.0}),
    ),
    "hazard rate": (
        *("Volatility", ConstantHazardVolatility, {"hazard": 0.05}, slice(None)),
        lambda m: sigmoid(
            3 * (np.diff(m["state"]["belief"])[..., 0] @ ((np.arange(10) + 0.5) / 10))
        ),
        *(HAZARD_RATE, {"hazard": 0.05, "beta": 3.0}),
    ),
    "leaky income": (
        *("Foraging", LeakyIncomeForaging, {"tau": 5.0}, slice(1, None, 2)),
        lambda m: m["state"]["income"][..., 1] / m["state"]["income"].sum(axis=-1),
        *(LEAKY_INCOME, {"tau": 5.0}),
    ),
    "both arms": (
        *("Volatility", RescorlaWagnerVolatility, {"alpha": 0.4}, slice(None)),
        lambda m: sigmoid(3 * (2 * m["state"]["p_right"] - 1)),
        *(BOTH_ARMS, {"alpha": 0.4, "beta": 3.0}),
    ),
    "model-free": (
        *("TwoStep", ModelFreeTwoStep, {"alpha": 0.4}, slice(1, None, 3)),
        lambda m: sigmoid(3 * (m["state"]["q"][..., 1] - m["state"]["q"][..., 0])),
        *(RESCORLA_WAGNER, {"alpha": 0.4, "beta": 3.0}),
    ),
    "latent state": (
        *("TwoStep", BayesTwoStep, {"lapse": 0.3}, slice(1, None, 3)),
        p_right_of_belief,
        *(LATENT.one_choice(), {"beta1": 3.0}),
    ),
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_observers_learn_what_models_learn_along_the_table(learner):
    task, observer, kwargs, choosing, p_right, model, values = LEARNERS[learner]
    envs = gym.make_vec(
        f"neurotasks/{task}-v0", num_envs=3, autoreset_mode="SameStep", trial_log=True
    )
    player, found = observer(envs, seed=1, **kwargs), []
    predict = player.predict

    def noted(*arguments):
        actions, memory = predict(*arguments)
        found.append(memory)
        return actions, memory

    player.predict = noted
    table = run_episodes(player, seed=1).trials
    theirs = p_right(np.stack(found)[choosing])  # (trials, num_envs)
    for env, trials in table.groupby("env"):
        each = np.exp(log_probabilities(model, trials, values)["first"].to_numpy())
        ours = np.where(trials["choice"] == 1, each, 1 - each)
        np.testing.assert_allclose(ours, theirs[: len(ours), env], atol=1e-9)
