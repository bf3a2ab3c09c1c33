"""Networks that learned the monkeys' task: what the ranges rest on, and who passes them."""

import pytest

from neurotasks_baselines.experiments import two_step_monkeys as monkeys
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.two_step_species import MONKEYS, PEOPLE


def test_numbers_that_are_computed_are_those_of_the_players():
    found = monkeys.observe()
    rewards = {name: one["reward_per_trial"] for name, one in found.items()}
    # 50,000 trials: a standard error below 0.003
    assert rewards[monkeys.OBSERVER] == pytest.approx(monkeys.REFERENCE_REWARD, abs=0.01)
    assert rewards[monkeys.MODEL_FREE] == pytest.approx(monkeys.MODEL_FREE_REWARD, abs=0.01)
    assert found[monkeys.OBSERVER]["interaction_effect"] == pytest.approx(0.72, abs=0.01)
    assert found[monkeys.LAST_OUTCOME]["interaction_effect"] == pytest.approx(0.59, abs=0.01)


def verdicts(interaction, reward, earned):
    """Return the verdicts of five seeds that are alike."""
    one = {"interaction_effect": interaction, "reward_effect": reward, "reward_per_trial": earned}
    lacking = {"interaction_effect": 0.0, "reward_effect": 0.0, "reward_per_trial": 0.5}
    by_learner = {
        learner: {seed: dict(one if learner == "ppo" else lacking) for seed in range(100, 105)}
        for learner in ("ppo", "feed-forward", "no-reward-input", "no-action-input")
    }
    found = evaluate_claims(monkeys.EXPERIMENT, by_learner, monkeys.references())
    return [claim.verdict for claim in found if claim.verdict]


@pytest.mark.parametrize("monkey", MONKEYS, ids=lambda each: each.name)
def test_who_is_like_a_monkey_passes(monkey):
    assert verdicts(monkey.interaction, monkey.reward, 0.67) == ["held"] * 3


@pytest.mark.parametrize("people", PEOPLE, ids=lambda each: each.name)
def test_who_is_like_people_does_not(people):
    assert verdicts(people.interaction, people.reward, 0.67)[:2] == ["missed"] * 2


def test_a_model_free_learner_passes_nothing():
    one = monkeys.observe()[monkeys.MODEL_FREE]
    values = one["interaction_effect"], one["reward_effect"], one["reward_per_trial"]
    assert verdicts(*values) == ["missed"] * 3
