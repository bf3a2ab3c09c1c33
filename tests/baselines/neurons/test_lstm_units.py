"""Units of an agent, trial by trial, and what they code where the code is planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotasks.episodes import run_episodes
from neurotasks_baselines.errors import RecordingShapeError
from neurotasks_baselines.neurons import analysis
from neurotasks_baselines.neurons.analysis import QUESTIONS, answer, coding_rows, population_rows
from neurotasks_baselines.neurons.encoding import encode
from neurotasks_baselines.neurons.figures import draw
from neurotasks_baselines.neurons.lstm_units import TIMES, agent_recordings, unit_recording
from neurotasks_baselines.neurons.nulls import CircularShifts, ShuffledTrials
from neurotasks_baselines.neurons.recording import Recording, from_spikes
from neurotasks_baselines.neurons.report import step, window
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import held_out_envs


@pytest.fixture(scope="module")
def episodes():
    """Return episodes of an agent before training, many of whose responses are invalid."""
    model = build("neurotasks/TwoStep-v0", seed=1, num_envs=1)
    return run_episodes(model, held_out_envs("neurotasks/TwoStep-v0", {}, 4), seed=0)


def test_steps_of_units_are_those_of_their_trials(episodes):
    # The units are the clock, the stage and the reward that was seen last.
    steps, envs = episodes.alive.shape
    clock = np.broadcast_to(np.arange(steps)[:, None], (steps, envs))
    before = np.concatenate([np.zeros((1, envs)), episodes.rewards[:-1]])
    hidden = np.stack([clock, episodes.truth["stage"], before], axis=-1)
    found = unit_recording(episodes, hidden)
    assert found.counts.shape == (3, len(found.trials), 5)
    assert (np.diff(found.counts[0], axis=1) == 1).all()
    assert (found.counts[1] == [0, 1, 2, 0, 1]).all()
    np.testing.assert_array_equal(found.counts[2, :, 3], found.trials["outcome"])
    assert not found.counts[2, :, 1:3].any()
    assert len(found.trials) > 20
    row = found.trials.iloc[7]
    same = (episodes.trials["env"] == row["episode"]) & (episodes.trials["trial"] == row["trial"])
    assert episodes.trials[same]["choice"].item() == row["choice"]


def test_units_in_the_monkeys_task_are_read_at_the_same_moments():
    id = "neurotasks/TwoStepMiranda-v0"
    model = build(id, seed=1, num_envs=1)
    played = run_episodes(model, held_out_envs(id, {"trials": 12}, 3), seed=0)
    steps, envs = played.alive.shape
    clock = np.broadcast_to(np.arange(steps)[:, None], (steps, envs))
    last = np.concatenate([np.zeros((1, envs)), played.rewards[:-1]])
    state = played.truth["second_state"] * played.truth["stage"]
    found = unit_recording(played, np.stack([clock, state, last, played.actions], axis=-1))
    assert len(found.trials) == 3 * 10  # not the first and the last one
    assert found.area == "LSTM units, monkeys' task"
    first = 2 * found.trials["trial"]
    np.testing.assert_array_equal(found.counts[0, :, 1], first)
    np.testing.assert_array_equal(found.counts[1, :, 2], found.trials["second_state"])
    np.testing.assert_array_equal(found.counts[2, :, 3], found.trials["reward"])
    np.testing.assert_array_equal(found.counts[3, :, 1], found.trials["choice"])
    assert set(found.trials["reward"]) == {0, 0.5, 1}


@pytest.mark.parametrize(
    ("id", "kind"),
    [
        ("neurotasks/TwoStep-v0", "LSTM units"),
        ("neurotasks/TwoStepMiranda-v0", "LSTM units, monkeys' task"),
    ],
)
def test_agents_of_either_task_have_the_signals_of_a_model_of_their_choices(id, kind):
    model = build(id, seed=1, num_envs=1)
    trained, untrained = agent_recordings(model, "one", num_episodes=3)
    assert (trained.area, untrained.area) == (kind, f"untrained {kind}")
    # The agent has not been trained: its units are those of the untrained one.
    np.testing.assert_allclose(trained.counts, untrained.counts, atol=1e-6)
    assert np.isfinite(trained.trials[["value", "rpe_state", "rpe_outcome"]]).all(axis=None)


def test_episodes_of_another_task_are_refused():
    envs = held_out_envs("neurotasks/Bandit-v0", {}, 2)
    model = build("neurotasks/Bandit-v0", seed=1, num_envs=1)
    played = run_episodes(model, envs, seed=0)
    with pytest.raises(RecordingShapeError, match="must be of a two-step task"):
        unit_recording(played, np.zeros((*played.alive.shape, 3)))


def planted(area, rng, sessions=3, trials=240):
    """Return recordings whose first neuron codes the reward, and whose second codes nothing."""
    found = []
    for session in range(sessions):
        table = pd.DataFrame(
            {
                "choice": rng.integers(2, size=trials),
                "common": rng.random(trials) < 0.7,
                "reward": rng.choice([0, 0.5, 1], trials),
                "value": rng.standard_normal(trials),
                "rpe_state": rng.standard_normal(trials),
                "rpe_outcome": rng.standard_normal(trials),
            }
        )
        counts = rng.standard_normal((2, trials, 5))
        counts[0, :, 2:] += 2 * table["reward"].to_numpy()[:, None]
        found.append(Recording(counts, np.arange(5.0), table, area, f"{area} {session}"))
    return found


def test_the_same_questions_are_asked_of_neurons_and_units():
    rng = np.random.default_rng(0)
    neurons, units = planted("ACC", rng), planted("LSTM units", rng)
    sessions = {one.session: one.trials for one in neurons}
    (reward,) = (one for one in QUESTIONS if one.regressor == "reward")
    (found,) = answer(reward, neurons, sessions, rng, draws=99)
    assert found.significant[::2, 2:].all()
    assert found.significant[1::2].mean() < 0.3
    assert found.cpd[::2, 3].min() > 0.2
    assert abs(found.cpd[1::2].mean()) < 0.01
    rows = coding_rows([found])
    assert [row["null"] for row in rows] == ["shuffled trials", "circular shifts", "other sessions"]
    assert all(row["coding"] >= 3 and row["neurons"] == 6 for row in rows)
    answers = [
        one
        for question in QUESTIONS
        for each in (neurons, units)
        for one in answer(question, each, {}, rng, nulls=["circular shifts"], draws=19)
    ]
    figure = draw(
        [a for a in answers if a.area == "ACC"], [a for a in answers if a.area == "LSTM units"]
    )
    assert len(figure.axes) == 18
    rows = population_rows(neurons, {"rewarded": slice(2, 4)}, rng, 2, shuffles=4)
    measured = {row["measure"]: row for row in rows}
    decoded = measured["decoding of rewarded"]
    assert decoded["value"] > 0.9
    assert decoded["neurons"] == 6
    assert decoded["p"] == pytest.approx(0.2)
    assert 0.3 < decoded["shuffled"] < 0.7
    assert measured["dimensions of eight conditions"]["value"] == pytest.approx(1, abs=0.6)


def test_what_is_decoded_is_a_mean_over_populations(monkeypatch):
    values = iter([0.9, 0.7, 0.8, 0.5, 0.85])  # three populations, then two shuffled ones
    monkeypatch.setattr(analysis, "decode", lambda *_: next(values))
    rng = np.random.default_rng(0)
    rows = population_rows(planted("ACC", rng), {"choice": slice(2, 4)}, rng, 3, 2)
    (found,) = (row for row in rows if row["measure"] == "decoding of choice")
    assert found["value"] == pytest.approx(0.8)
    assert found["shuffled"] == pytest.approx(0.675)
    assert found["p"] == pytest.approx(2 / 3)  # one of two reaches it


def test_time_courses_are_those_of_the_last_null():
    (one,) = planted("ACC", np.random.default_rng(2), sessions=1)
    (reward,) = (each for each in QUESTIONS if each.regressor == "reward")
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    nulls = "shuffled trials", "circular shifts"
    (found,) = answer(reward, [one], {}, rng, nulls=nulls, draws=99)
    _, last = (
        encode(one, reward.regressors(one.trials), null, again, test=["reward"], draws=99)
        for null in (ShuffledTrials(), CircularShifts())
    )
    np.testing.assert_array_equal(found.cpd, (last.cpd - last.cpd_null)[0])
    np.testing.assert_array_equal(found.significant, last.p_cluster[0] <= 0.05)


def test_the_middle_reward_is_left_out_of_decoding():
    rng = np.random.default_rng(3)
    neurons = [
        replace(one, counts=rng.standard_normal((2, 240, 5)) + middle[:, None])
        for one in planted("ACC", rng)
        for middle in [5 * (one.trials["reward"].to_numpy() == 0.5)]
    ]
    rows = population_rows(neurons, {"rewarded": slice(2, 4)}, rng, 3, shuffles=0)
    (decoded,) = (row["value"] for row in rows if row["measure"] == "decoding of rewarded")
    assert 0.3 < decoded < 0.65  # 0.75 if none and middle were one class


def test_what_is_decoded_from_is_200_to_700_ms_after_the_event():
    trials = pd.DataFrame(index=range(2))
    one = from_spikes([[900, 2_000]], [1_000, 2_000], trials)
    assert one.times[window(one)][[0, -1]].tolist() == [225, 675]
    assert [TIMES[step(time)].tolist() for time in (1, 2)] == [[1], [2]]


def test_what_is_expected_before_a_transition_does_not_count_as_coding_it():
    # When the animal is sure, as it mostly is, common transitions are rewarded, else rare ones.
    rng = np.random.default_rng(1)
    (one,) = planted("ACC", rng, sessions=1, trials=400)
    sure = (rng.random(400) < 0.8).astype(int)
    trials = one.trials.assign(reward=(sure == one.trials["common"]).astype(float))
    counts = rng.standard_normal((40, 400, 2)) + 2 * sure[:, None]
    neurons = [Recording(counts, np.arange(2.0), trials, "ACC", "s")]
    (asked,) = (one for one in QUESTIONS if one.regressor == "transition")
    wrong = asked._replace(given=("reward",))
    found = {
        question: answer(question, neurons, {}, rng, nulls=["circular shifts"], draws=99)[0]
        for question in (asked, wrong)
    }
    assert found[asked].coding["circular shifts"] <= 6
    assert found[wrong].coding["circular shifts"] >= 20
