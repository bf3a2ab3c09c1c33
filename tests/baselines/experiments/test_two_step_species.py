"""Networks, people and monkeys on one plane: the ranges, whose agents they are, and the figure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotasks_baselines.behaviour.two_step import PUBLISHED
from neurotasks_baselines.experiments import EXPERIMENTS, two_step_species as species
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.experiments.learners import LACKING
from neurotasks_baselines.experiments.runner import MEASURES, recorded
from neurotasks_baselines.experiments.two_step_measures import CUE, LATENT, MODEL_FREE

EXPERIMENT = EXPERIMENTS["two-step-species"]


def at(interaction, reward, per_trial=0.7):
    return {
        "interaction_effect": interaction,
        "reward_effect": reward,
        "reward_per_trial": per_trial,
    }


FOILS = {MODEL_FREE: at(0.08, 0.19), CUE: at(1.0, 0.0), LATENT: at(0.33, 0.0)}
OBSERVERS = {"monkeys": at(0.7, -0.1), "people": at(0.2, 0.0)}


@pytest.fixture
def references(monkeypatch):
    """Spare the tests the players."""

    def made():
        return {"observers": OBSERVERS, "foils": FOILS}

    monkeypatch.setattr(species, "references", made)
    return made


def judged(interaction, reward, references):
    """Return the verdicts on both effects of ten agents."""
    experiment = replace(EXPERIMENT, references=references, algorithms=("ppo",))
    rng = np.random.default_rng(0)
    seeds = {seed: at(*rng.normal((interaction, reward), 0.002)) for seed in EXPERIMENT.seeds[:10]}
    nothing = dict.fromkeys(EXPERIMENT.seeds[:2], at(0.0, 0.0, 0.5))
    claims = evaluate_claims(experiment, {"ppo": seeds, **dict.fromkeys(LACKING, nothing)})
    return [claim.verdict for claim in claims if claim.kind == "number"]


def test_ranges_follow_from_the_published_values():
    """Half way between the nearest monkey and the nearest people, and as far beyond the others."""
    interaction, reward = map(species.nearer_to_monkeys, species.EFFECTS)
    assert (interaction.low, interaction.high) == pytest.approx((0.248, 0.825))
    assert (reward.low, reward.high) == pytest.approx((-0.035, 0.038))
    for who, inside in ((species.MONKEYS, True), (species.PEOPLE, False)):
        for each in who:
            assert (each.interaction in interaction) is inside
            assert (each.reward in reward) is inside
            for value, ends in zip(
                (each.interaction, each.reward), each.intervals or (), strict=False
            ):
                assert ends[0] <= value <= ends[1]


@pytest.mark.parametrize(
    ("interaction", "reward", "verdicts"),
    [
        (0.33, 0.0, ["held", "held"]),
        (0.63, -0.006, ["held", "held"]),
        (0.05, 0.12, ["missed", "missed"]),
        (0.0, 0.0, ["missed", "held"]),  # who learns nothing: the interaction detects it
        (1.0, 0.0, ["missed", "held"]),  # who takes the last trial for a cue
        (0.33, 0.1, ["held", "missed"]),
        (0.33, -0.12, ["held", "missed"]),
    ],
)
def test_who_is_nearer_to_the_monkeys(interaction, reward, verdicts, references):
    assert judged(interaction, reward, references) == verdicts


def test_a_foil_among_the_monkeys_shows(references, monkeypatch):
    monkeypatch.setitem(FOILS, MODEL_FREE, at(0.5, 0.0))
    assert judged(0.5, 0.0, references) == ["not diagnostic"] * 2


def test_effects_by_hand():
    """Stays after reward and common or neither, shifts after one of both: all interaction."""
    trials = pd.DataFrame(
        {
            "env": 0,
            "episode": 0,
            "trial": range(5),
            "choice": [0, 0, 1, 0, 0],
            "outcome": [1, 1, 0, 0, 1],
            "common": [True, False, True, False, True],
            "trial_reward": [1.0, 1.0, 0.0, 0.0, 1.0],
        }
    )
    found = species.effects(trials)
    assert found == {"reward_effect": 0.0, "interaction_effect": 1.0, "reward_per_trial": 0.6}


def test_the_agents_are_those_of_two_step():
    assert shipped("two-step-species", "ppo", 100, "agent") == shipped(
        "two-step", "ppo", 100, "agent"
    )
    ours, theirs = recorded("two-step-species").measures, recorded("two-step").measures
    assert MEASURES.joinpath("two-step-species.json").is_file()
    for learner, of_seeds in theirs.items():
        for seed, measures in of_seeds.items():
            for effect in ("interaction_effect", "reward_effect", "reward_per_trial"):
                assert ours[learner][seed][effect] == pytest.approx(measures[effect], abs=1e-9)


def test_published_values_are_those_of_the_comparison():
    values = {row.name: row.values for row in PUBLISHED}
    for each in (*species.MONKEYS, *species.PEOPLE):
        found = values[each.name]
        assert (found["interaction"], found["reward"]) == (each.interaction, each.reward)
        names = ("interaction", "reward") if each.intervals else ()
        ends = tuple((found[f"{name}_low"], found[f"{name}_high"]) for name in names)
        assert ends == (each.intervals or ())


def test_figure(references):
    lacking = {name: [at(0.0, 0.01), at(0.02, 0.0)] for name in LACKING.values()}
    measures = [at(0.3, 0.0), at(0.34, 0.01), at(0.33, -0.01)]
    (axis,) = species.figure(measures, lacking).axes
    _, labels = axis.get_legend_handles_labels()
    assert labels == [
        "networks",
        *lacking,
        *FOILS,
        "monkeys",
        "observer, the monkeys' task",
        "people",
        "observer, people's task",
    ]
    points = {tuple(np.ravel(line.get_data())) for line in axis.get_lines()}
    for each in (*species.MONKEYS, *species.PEOPLE):
        assert (each.interaction, each.reward) in points
