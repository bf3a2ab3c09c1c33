"""What `check-memory` finds: agents written by hand, each with one fault, and one trained."""

import json
from dataclasses import replace
from functools import partial

import memory_by_hand as by_hand
import numpy as np
import pytest

from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import CandidateError
from neurotasks_baselines.suite.agents import as_agent
from neurotasks_baselines.suite.memory_check import Answers, Measures, ask, check_memory
from neurotasks_baselines.suite.memory_findings import findings
from neurotasks_baselines.suite.memory_probes import ROUNDING, Probes, probe
from neurotasks_baselines.suite.memory_rollouts import forgetting
from neurotasks_baselines.suite.memory_tasks import NEEDS, Log

RESET, CUE = "reset at the start of an episode", "a cue some steps ago"
APART, ROLLOUTS = "environments kept apart", "memory across rollouts"
BY_HAND = {  # player -> findings that must be "broken", and words of one of them
    "best": (set(), ""),
    "no_memory": ({"last reward", "last action", RESET, CUE, ROLLOUTS}, "has no memory"),
    "never_reset": ({RESET}, "is not reset at the start of an episode"),
    "reset_late": ({RESET}, "one step late"),
    "mixed_up": ({APART}, "mixed up"),
    "reset_by_others": ({APART}, "changes"),
    "reward_late": ({"last reward"}, "one step late"),
}


@pytest.fixture(scope="module")
def best():
    return check_memory(partial(by_hand.make_agent, player=by_hand.best))


def broken(measures):
    return {f.name: f.text for f in findings(measures) if f.verdict == "broken"}


@pytest.mark.parametrize("player", BY_HAND)
def test_agents_written_by_hand(player):
    names, words = BY_HAND[player]
    make_agent = partial(by_hand.make_agent, player=getattr(by_hand, player))
    found = broken(check_memory(make_agent))
    assert names <= set(found) or (player == "no_memory" and names - {RESET} <= set(found))
    assert bool(found) == bool(names)
    assert any(words in text for text in found.values()) or not names


def test_a_reset_at_every_rollout_is_found_in_the_log_of_the_training():
    found = broken(check_memory(partial(by_hand.make_agent, reset_rollouts=True)))
    assert set(found) == {ROLLOUTS}
    assert f"every {by_hand.NUM_STEPS} steps" in found[ROLLOUTS]


@pytest.mark.parametrize(
    ("player", "need", "found"),
    [
        ("best", "cue", set()),
        ("best", "start", set()),
        ("never_reset", "start", {"reset"}),
        ("reset_late", "start", {"reset"}),
        ("mixed_up", "cue", {"permuted", "alone"}),
        ("reset_by_others", "start", {"neighbours", "alone"}),
    ],
)
def test_probes_find_faults_without_training(player, need, found):
    probes = probe(as_agent(partial(getattr(by_hand, player), need)), width=3)
    wrong = {
        name
        for name in ("repeated", "permuted", "alone", "reset", "neighbours")
        if getattr(probes, name) > ROUNDING
    }
    assert found <= wrong
    assert (not wrong) == (player == "best")
    assert (probes.late <= ROUNDING) == (player == "reset_late")


def test_who_chooses_at_random_cannot_be_probed():
    probes = probe(as_agent(partial(by_hand.random, "cue")), width=3)
    assert probes.repeated == 0.0  # the same seed each time
    generator = np.random.default_rng(0)
    noisy = probe(as_agent(lambda seen, *_: (generator.integers(0, 2, len(seen)), None)), width=3)
    assert noisy.repeated > 0.3


@pytest.mark.parametrize(
    ("drawn", "stateless", "words"),
    [
        ((), (), None),
        (("cue",), (), None),
        ((), NEEDS, "depend on no state"),
        (NEEDS, (), "most probable action"),
        (("cue", "hold"), set(NEEDS) - {"cue", "hold"}, "most probable action"),
    ],
)
def test_who_draws_actions_is_not_said_to_have_no_state(drawn, stateless, words, best):
    change = {need: {"history": 0.0} for need in stateless}
    change |= {need: {"repeated": 1.0} for need in drawn}
    probes = {need: replace(p, **change.get(need, {})) for need, p in best.probes.items()}
    (found,) = (f for f in findings(replace(best, probes=probes)) if f.name == APART)
    assert found.verdict == ("right" if words is None else "unknown")
    assert words is None or words in found.text


def test_an_action_that_was_seldom_drawn_breaks_nothing(best):
    """An agent that is nearly certain of its actions takes some others in any batch."""
    seldom = {"repeated": ROUNDING / 2, "alone": 2 * ROUNDING}
    probes = {need: replace(p, **seldom) for need, p in best.probes.items()}
    assert broken(best) == broken(replace(best, probes=probes)) == {}


def log_of(period, steps=600, num_envs=16, length=40):
    """Return a log of episodes, out of step with each other, of an agent that forgets."""
    index = np.arange(steps)[:, None]
    ago = (index + np.arange(num_envs) * 3) % length
    since = index % period if period else index
    rng = np.random.default_rng(0)
    forgotten = ago > since  # the cue was before the last rollout began
    right = np.where(forgotten, rng.random(ago.shape) < 0.5, rng.random(ago.shape) < 0.95)
    return Log(right, ago > 0, ago, np.zeros_like(ago))


@pytest.mark.parametrize("period", [16, 50])
@pytest.mark.parametrize("tried", [0, 3])
def test_the_period_of_forgetting_is_found(period, tried):
    """Also where the environment was tried out before the training, whose rollouts are whole."""
    log = log_of(period)
    before = (
        np.concatenate([part[:tried], part[: 600 // period * period]])
        for part in vars(log).values()
    )
    found = forgetting([Log(*before)])
    assert found.period == period
    assert found.lost > 0.25  # half of what is forgotten is guessed


def test_nothing_is_forgotten_where_only_answers_are_noisy():
    """The largest of 70 periods, each a mean of 40 crossings or more with an sd of about 0.15."""
    assert forgetting([log_of(0)]).lost < 0.12


def test_too_short_a_log_says_nothing():
    assert forgetting([]) is None
    assert forgetting([log_of(0, steps=20)]) is None


GOOD = Probes(0.0, 0.3, 0.0, 0.0, 0.0, 0.1, 0.3, 0.0)


def measured(first, second, start):
    """Return the measures of an agent that is right but for the state in training."""
    answers = {need: Answers(1.0, dict.fromkeys((1, 2, 12), 1.0), {0: 1, 1: 1}) for need in NEEDS}
    answers["start"] = Answers(start)
    answers["cue"] = Answers((first + second) / 2, {}, {0: first, 1: second})
    return Measures(answers, dict.fromkeys(NEEDS, GOOD), forgetting([log_of(0)]))


@pytest.mark.parametrize(
    ("first", "second", "start", "name", "words"),
    [
        (1.0, 1.0, 0.5, RESET, "in training the state is not reset"),
        (0.5, 1.0, 0.5, RESET, "in training the state is reset one step late"),
        (0.5, 0.5, 1.0, CUE, "get its own state back"),
        (0.5, 0.5, 0.5, CUE, "off in training"),
    ],
)
def test_what_was_learned_tells_what_was_wrong_in_training(first, second, start, name, words):
    assert words in broken(measured(first, second, start))[name]
    assert broken(measured(1.0, 1.0, 1.0)) == {}


@pytest.mark.parametrize("actions", [np.zeros(3, int), np.zeros(64), np.zeros((64, 2), int)])
def test_actions_must_be_one_integer_per_environment(actions):
    with pytest.raises(CandidateError, match="one action for each of 64 environments"):
        ask(as_agent(lambda *_: (actions, None)), "cue")


def test_the_command(tmp_path, capsys):
    file, out = by_hand.__file__, tmp_path / "check.json"
    assert main(["check-memory", f"{file}:make_agent", "--quiet", "--out", str(out)]) == 0
    assert "BROKEN" not in capsys.readouterr().out
    assert main(["check-memory", f"{file}:make_forgetful", "--quiet"]) == 1
    assert "the agent has no memory" in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert {finding["verdict"] for finding in found["findings"]} == {"right"}
    assert found["measures"]["answers"]["cue"]["right"] == 1.0
