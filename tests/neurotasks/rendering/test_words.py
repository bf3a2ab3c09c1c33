"""The words of frames: goals, outcomes and hidden variables of every task."""

import gymnasium as gym
import numpy as np
import pytest

import neurotasks
from neurotasks.core.task import Field, load

IDS = list(neurotasks.TASKS)
GOALS = {
    "Bandit": "Each arm pays with a hidden probability of its own: find the best arm and stay with "
    "it.",
    "BanditInformative": "One arm pays most. The last arm pays little, but what it pays tells "
    "which one.",
    "Foraging": "The longer an arm has not been chosen, the likelier it pays: collect as much as "
    "you can.",
    "RiskyChoice": "One arm is safe and always pays 1, the other is risky and pays 4 or nothing: "
    "find out how often it pays, then choose.",
    "TwoStep2016": "Left leads to purple and right to green 75 % of the time. One of them pays "
    "more often: get there.",
    "TwoStepDaw": "Left leads to purple and right to green 70 % of the time. Each has two stimuli "
    "whose pay drifts: keep up with the best one.",
    "TwoStepMiranda": "Left leads to purple and right to green 70 % of the time. Each has two "
    "stimuli whose pay jumps: keep up with the best one.",
    "VariableReward": "Water comes in drops of 0.1 to 20 ul, announced by the reward odour or not. "
    "Lick within 0.5 s of it; each lick costs a little.",
    "VariableProbability": "After the odours water comes 10, 50, 90 % of the time. Lick within "
    "0.5 s of it; each lick costs a little.",
    "VariableRewardLatency": "Water comes in drops of 0.1 to 20 ul, announced by the reward odour "
    "or not. Lick within 0.5 s: a lick takes 0.3 s and costs a little.",
    "VariableProbabilityLatency": "After the odours water comes 10, 50, 90 % of the time. Lick "
    "within 0.5 s: a lick takes 0.3 s and costs a little.",
    "SameMean": "Fixed odours announce 4 ul of water, variable ones 2 or 6 ul. Lick within 0.5 s "
    "of it; each lick costs a little.",
}


def make(name, **keywords):
    env = gym.make(f"neurotasks/{name}-v0", show_truth=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


def told(name, actions, state=None, **options):
    """Return what each action brought in words, the state changed before the first."""
    env = make(name)
    env.reset(seed=0, options=options)
    changed = env.get_state()
    for field, value in (state or {}).items():
        changed[field] = value
    env.set_state(changed)
    texts = []
    for action in actions:
        env.step(action)
        texts.append(env.frame().told)
    return texts


@pytest.mark.parametrize("name", GOALS)
def test_goals(name):
    assert make(name).frame().goal == GOALS[name]


@pytest.mark.parametrize("id", IDS)
def test_goals_fit_and_are_sentences(id):
    """In two lines at the top of a frame, so that they are not written smaller."""
    goal = make(id.removeprefix("neurotasks/").removesuffix("-v0")).frame().goal
    assert goal.endswith(".")
    assert goal[0].isupper()
    assert len(goal) <= 135


def test_summary_is_the_goal_by_default():
    task = load("neurotasks/TwoStep-v0")
    assert task.summary.startswith("A two-stage choice task: only an agent that")
    assert "\n" not in task.summary


@pytest.mark.parametrize(
    ("name", "actions", "state", "options", "expected"),
    [
        ("Bandit", [0, 1], {"luck": 0.5}, {"p": [0.9, 0.0]}, ["the left arm paid 1", "the right"]),
        (
            "BanditInformative",
            [10, 3, 0],
            {},
            {"p": [0] * 3 + [1] + [0] * 7},
            ["arm 11 paid 0.4: best is arm 4", "arm 4 paid 5", "arm 1 paid 1"],
        ),
        (
            "RiskyChoice",
            [0, 2, 1, 2, 0],
            {"forced": False, "forced_side": -1, "forced_to_come": 0, "risky_pays": True},
            {"risky_side": 1},
            ["left was not on offer: -1", "", "the risky arm paid 4", "", "the safe arm paid 1"],
        ),
        ("Foraging", [2, 0, 1], {"luck": 1.0}, {}, ["", "the left arm paid nothing", "right was"]),
        ("Volatility", [1, 0], {"paying_arm": 1}, {}, ["the right arm paid 1", "the left arm"]),
        (
            "InferredValue",
            [2, 0, 0, 0],
            {"target": 0, "rewarded_target": True},
            {"rewarded_side": 0},
            ["", "the left target paid 1", "", ""],
        ),
        (
            "TwoStep",
            [2, 0, 1],
            {"transition_is_common": False, "pays": [[0, 1]]},
            {},
            ["", "left led to green", "the place paid 1"],
        ),
        (
            "TwoStepDaw",
            [0, 1],
            {"transition_is_common": True, "luck": 0.0},
            {},
            ["left led to purple", "the right one paid 1"],
        ),
        (
            "Harlow",
            [2, 2, 0, 0, 0, 0],
            {"rewarded_side": 1},
            {"gaze": 0},
            ["", "fixated: +0.2", "", "", "", "the wrong object: -1"],
        ),
    ],
)
def test_outcomes_are_told(name, actions, state, options, expected):
    found = told(name, actions, state, **options)
    pairs = list(zip(found, expected, strict=False))
    assert all(text.startswith(start) for text, start in pairs)
    assert [text == "" for text, _ in pairs] == [start == "" for _, start in pairs]


def test_water_is_told_until_the_trial_is_over():
    env = make("VariableReward", trials=2)
    env.reset(seed=0, options={"trial_type": 0, "magnitude_index": 4})
    texts = []
    while True:
        state = env.get_state()[0]
        if state["trial"] == 1:
            break
        env.step(int(state["best_action"]))
        texts.append(env.frame().told)
    assert set(texts) == {"", "water drop 5 ul"}
    assert texts.index("water drop 5 ul") == len(texts) - 10  # a second but the step of the lick
    assert told("VariableReward", [1], trial_type=1) == ["lick: -0.01"]


@pytest.mark.parametrize("id", IDS)
def test_hidden_variables_are_shown_in_words(id):
    """No code of a documented value, nor a name in code, in the side panel."""
    env = make(id.removeprefix("neurotasks/").removesuffix("-v0"))
    fields = {name: field for name, field in env.task.state.items() if field.info}
    state, coded = env.get_state()[0], 0
    truth = dict(env.frame().truth)
    assert list(truth) == [name.replace("_", " ") for name in fields]
    for name, field in fields.items():
        words = field.words(env.parameters)
        if np.ndim(state[name]) == 0 and state[name] in words and name != "best_action":
            assert truth[name.replace("_", " ")] == words[state[name]]
            coded += 1
    assert truth["best action"] in env.action_names
    assert coded or "Bandit" in id


def test_words_of_a_field():
    side = Field(np.int8, "side chosen: 0 left, 1 right, -1 none yet (in all)", low=-1, high=1)
    assert side.words(None) == {0: "left", 1: "right", -1: "none yet"}
    assert Field(np.int8, "number of the trial, from 0", low=0, high=1).words(None) == {}
    named = Field(np.int8, "which odour: 0 a", low=0, high=1, names=lambda p: ("rose", "mint"))
    assert named.words(None) == {0: "rose", 1: "mint"}


def test_small_fractions_are_no_codes():
    env = make("VariableProbability")
    state = env.get_state()
    state["magnitude"] = 0.5
    env.set_state(state)
    assert dict(env.frame().truth)["magnitude"] == "0.5 ul"
