"""The user's neurons: made up here, with known tuning, and analysed as a user would."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from judged import judge
from scipy.io import savemat

from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.dopamine.analysis import analyse_neurons, known_or_none, text_table
from neurotasks_baselines.dopamine.estimators import trial_sums
from neurotasks_baselines.dopamine.measures import (
    MAY_LACK,
    METHODS,
    ROWS,
    by_animal,
    decoded,
    measure,
    measure_recorded,
)
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, distributional
from neurotasks_baselines.dopamine.statistics import split_half
from neurotasks_baselines.dopamine.trials import (
    recorded_trials,
    shuffled_over_neurons,
    simulated_trials,
)
from neurotasks_baselines.errors import RecordingError, UnreadableRecordingError
from neurotasks_baselines.experiments import EXPERIMENTS, dopamine_agents, runner as reproduction
from neurotasks_baselines.experiments.jobs import run
from neurotasks_baselines.experiments.recorded_neurons import (
    FOIL,
    effect_sizes,
    read_neurons,
    recorded_claims,
)

EXPERIMENT = EXPERIMENTS["dopamine-neurons"]
CUED, UNCUED = 5, 3  # trials of each magnitude
BASELINE = 40.0  # Hz, so that a few trials are enough
QUICK = {"populations": 1, "repeats": 1, "splits": 10}


def save_neuron(path, reversal_point, tau, rng, without=None):
    """Save a neuron whose rate changes sign at a utility, with slopes tau and 1 - tau."""
    kinds = [8 + k for k in range(7)] * CUED + [1 + k for k in range(7)] * UNCUED + [15] * 2
    kinds = rng.permutation([kind for kind in kinds if (kind - 1) % 7 != without or kind == 15])
    onsets = 5000.0 + 8000.0 * np.arange(len(kinds))
    end = onsets[-1] + 8000.0
    spikes = np.arange(0, end, 1000 / BASELINE)
    spikes += rng.uniform(-10, 10, len(spikes))  # less noise than a Poisson process has
    for onset, kind in zip(onsets, kinds, strict=True):
        if kind == 15:
            continue
        error = EMPIRICAL_UTILITIES[(kind - 1) % 7] - reversal_point
        rate = BASELINE + 5 * error * (tau if error > 0 else 1 - tau)
        window = onset + (1500 if kind >= 8 else 0) + np.array([150, 650])
        spikes = spikes[(spikes < window[0]) | (spikes > window[1])]
        number = int(max(rate, 0) * 0.5 + rng.random())
        spikes = np.append(spikes, np.linspace(*window, number, endpoint=False) + 5 * rng.random())
    savemat(
        path, {"events": {"odorOn": onsets, "trialType": kinds}, "responses": {"spike": spikes}}
    )


@pytest.fixture(scope="module")
def tuning():
    """Return reversal points and asymmetries of ten neurons of a distributional code."""
    taus = np.linspace(0.1, 0.9, 10)
    return np.interp(taus, [0.05, 0.5, 0.95], [-2.6, 0.17, 4.9]), taus


@pytest.fixture(scope="module")
def folder(tuning, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for i, (point, tau) in enumerate(zip(*tuning, strict=True)):
        save_neuron(folder / f"neuron{i}.mat", point, tau, rng)
    return folder


@pytest.fixture(scope="module")
def trials(folder):
    return recorded_trials(folder)[1]


@pytest.fixture(scope="module")
def analysed(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "of" / "it"
    return out, analyse_neurons(folder, out, **QUICK)


def test_trials_are_those_of_the_files(folder, trials):
    assert recorded_trials(folder)[0] == [f"neuron{i}" for i in range(10)]
    np.testing.assert_array_equal(trials.magnitudes, MAGNITUDES)
    assert (trial_sums(trials.pooled).trials == CUED + UNCUED).all()
    assert (trial_sums(trials.cued).trials == CUED).all()
    np.testing.assert_allclose(trials.probabilities, 1 / 7)
    np.testing.assert_allclose(trials.utilities, np.nanmean(trials.pooled, axis=(0, 2)))
    np.testing.assert_allclose(trials.microlitres(trials.utilities), MAGNITUDES)


@pytest.mark.slow
def test_tuning_is_found_again(analysed, tuning):
    out, _ = analysed
    neurons = json.loads((out / "neurons.json").read_text())["neurons"]
    assert [c["neuron"] for c in neurons] == [f"neuron{i}" for i in range(10)]
    assert {c["trials"] for c in neurons} == {7 * (CUED + UNCUED)}
    for key, true in zip(("reversal_point", "tau"), tuning, strict=True):
        assert np.corrcoef([c[key] for c in neurons], true)[0, 1] > 0.85
    points = [c["reversal_point_ul"] for c in neurons]
    assert min(points) >= 0.1
    assert max(points) <= 20


@pytest.mark.slow
def test_measures_stand_in_all_places(analysed):
    out, rows = analysed
    content = json.loads((out / "neurons.json").read_text())
    assert set(content["measures"]) == {"recorded", "distributional", "classical"}
    assert [row["measure"] for row in rows] == [words for _, words, _ in ROWS]
    page, table = (out / "index.html").read_text(), text_table(rows)
    assert (out / "neurons.png").read_bytes().startswith(b"\x89PNG")
    outside = re.findall(r"(?:src|href)=\"(?!data:)([^\"]+)", page)
    assert outside == ["neurons.svg", "neurons.csv"]
    assert all((out / name).is_file() for name in outside)
    for (key, words, published), row, line in zip(ROWS, rows, table.splitlines()[2:], strict=True):
        assert row["published"] == published
        assert line.startswith(f"| {words}")
        for name, column in content["measures"].items():
            assert known_or_none(row[name]) == column[key]
            if column[key] is not None:
                assert f"{column[key]:.3g}" in line
                assert f">{column[key]:.3g}</td>" in page
    assert len({len(line) for line in table.splitlines()}) == 1


def test_recorded_code_is_found(analysed):
    measured = {row["measure"]: row for row in analysed[1]}
    for method in METHODS:
        r = measured[f"asymmetry and reversal point of two halves, mean R ({method})"]
        assert r["recorded"] > 0.5
        loss, shuffled = (
            measured[f"decoding{words}, {letter} ({method})"]["recorded"]
            for words, letter in (("", "loss L"), (" with tau shuffled over neurons", "L"))
        )
        assert loss < shuffled / 2


def test_measures_by_hand(trials):
    """Each against the few lines that define it."""
    rng = np.random.default_rng(0)
    found = measure(trials, rng, 1, 20)
    assert set(found) == {key for key, _, _ in ROWS}
    neurons = [[row[~np.isnan(row)] for row in neuron] for neuron in trials.pooled]
    nearest = 4  # the mean of equally frequent magnitudes is 5.6 ul
    t = [np.mean(c[nearest]) / (np.std(c[nearest], ddof=1) / np.sqrt(8)) for c in neurons]
    assert found["above"] == np.mean(np.array(t) > 2.365)  # 5 %, 7 degrees of freedom
    assert found["below"] == np.mean(np.array(t) < -2.365)
    within = np.mean([np.sqrt(np.mean([np.var(row) for row in c])) for c in neurons])
    span = np.mean([c[6].mean() - c[0].mean() for c in neurons])
    assert found["noise"] == pytest.approx(within / span)
    halves = split_half(trials.cued, trials.utilities, np.random.default_rng(1), 200)
    assert found["reversal_r_interpolation"] == pytest.approx(halves.reversal.mean_r, abs=0.1)


def test_simulated_neurons_have_the_same_trials(trials):
    rng = np.random.default_rng(0)
    rewards = trials.utilities, trials.probabilities
    neurons = distributional(rng, (10,), *rewards, trials=2000)
    simulated = simulated_trials(rng, neurons, trials)
    for ours, theirs in ((simulated.pooled, trials.pooled), (simulated.cued, trials.cued)):
        np.testing.assert_array_equal(trial_sums(ours).trials, trial_sums(theirs).trials)
    samples = decoded(simulated, rng).samples
    assert 0 <= samples.min() < samples.max() <= 20


def test_utilities_of_neurons_that_do_not_ascend_are_the_published_ones(tmp_path):
    rng = np.random.default_rng(0)
    events = {"odorOn": 5000.0 + 8000.0 * np.arange(14), "trialType": [*range(1, 8)] * 2}
    spikes = rng.uniform(0, 120_000, 3000)  # no tuning at all
    for i in range(3):
        savemat(tmp_path / f"{i}.mat", {"events": events, "responses": {"spike": spikes}})
    names, trials = recorded_trials(tmp_path)
    assert names == ["0", "1", "2"]
    np.testing.assert_allclose(trials.utilities, EMPIRICAL_UTILITIES)
    np.testing.assert_array_equal(trials.cued, trials.pooled)  # there are un-cued ones only


def test_folders_that_will_not_do(tmp_path):
    with pytest.raises(UnreadableRecordingError, match=r"files \*.mat; got none"):
        recorded_trials(tmp_path / "nowhere")
    rng = np.random.default_rng(0)
    for i in range(2):
        save_neuron(tmp_path / f"neuron{i}.mat", 0.0, 0.5, rng)
    with pytest.raises(RecordingError, match=r"must be at least 3, .* got 2 in"):
        recorded_trials(tmp_path)
    save_neuron(tmp_path / "odd.mat", 0.0, 0.5, rng, without=2)
    with pytest.raises(RecordingError, match=r"odd: .* got no trial of 1.2 ul"):
        recorded_trials(tmp_path)


@pytest.mark.parametrize("point", [-9.0, 9.0])
def test_neurons_on_one_side_of_baseline_have_no_code(point, tmp_path):
    """No neuron responds below baseline, or none above: no asymmetry, and nothing to decode."""
    rng = np.random.default_rng(0)
    for i in range(4):
        save_neuron(tmp_path / f"neuron{i}.mat", point, 0.5, rng)
    names, trials = recorded_trials(tmp_path)
    with pytest.raises(RecordingError, match=r"below baseline to small .* got 0 of 4, not neuron0"):
        measure_recorded(names, trials, rng, 1, 5)
    with pytest.raises(RecordingError, match="got 0 of 4"):
        analyse_neurons(tmp_path, tmp_path / "out", **QUICK)
    assert not list((tmp_path / "out").iterdir())


def test_one_magnitude_is_too_little(tmp_path):
    kinds = np.full(20, 3)
    events = {"odorOn": 5000.0 + 8000.0 * np.arange(20), "trialType": kinds}
    for i in range(3):
        spikes = np.sort(np.random.default_rng(i).uniform(0, 170_000, 800))
        savemat(tmp_path / f"{i}.mat", {"events": events, "responses": {"spike": spikes}})
    with pytest.raises(RecordingError, match=r"at least 2 magnitudes.* got 1\.2 ul"):
        recorded_trials(tmp_path)


def test_measures_that_are_not_defined_are_refused(folder, trials):
    """With one trial of each magnitude there are no halves."""
    names = recorded_trials(folder)[0]
    one = replace(trials, cued=trials.cued[..., :1])
    with pytest.raises(RecordingError, match="got no value of: reversal points of two halves"):
        measure_recorded(names, one, np.random.default_rng(0), 1, 5)


@pytest.mark.slow
def test_command(folder, tmp_path, capsys, monkeypatch):
    module = __import__("neurotasks_baselines.dopamine.analysis", fromlist=["analyse_neurons"])
    quick = lambda folder, out: analyse_neurons(folder, out, **QUICK)  # noqa: E731
    monkeypatch.setattr(module, "analyse_neurons", quick)
    out = tmp_path / "out"
    assert main(["analyse-neurons", str(folder), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "decoding, loss L (count)" in text
    assert text.endswith(f"see {out}/index.html\n")
    (tmp_path / "broken.mat").write_bytes(b"nothing")
    assert main(["analyse-neurons", str(tmp_path), "--out", str(out)]) == 1
    assert "neurotasks analyse-neurons: broken.mat must be a readable" in capsys.readouterr().err


@pytest.mark.slow
def test_reproduction_with_neurons(folder, tmp_path, monkeypatch):
    """The recorded neurons are reported next to the claims, which stay as they are, and drawn."""
    measures = EXPERIMENT.measure({}, 1, 0) | {"seconds": 0.0}

    def side_by_side(_, function, jobs):
        return [measures if function is run else function(job) for job in jobs]

    monkeypatch.setattr(reproduction, "_side_by_side", side_by_side)
    words = ["reproduce", "dopamine-neurons", "--neurons", str(folder), "--out", str(tmp_path)]
    assert main(words) == 0
    claims = json.loads((tmp_path / "claims.json").read_text())
    recorded = {c["claim"]: c for c in claims if c["claim"].startswith("10 recorded neurons: ")}
    ours = [c["claim"] for c in claims if c["claim"] not in recorded]
    assert ours == [c.claim for c in judge(EXPERIMENT, [measures])]
    neurons = read_neurons(folder)
    found = neurons.measures
    known = [row for row in ROWS if np.isfinite(found[row[0]])]
    assert {row[0] for row in ROWS} - {row[0] for row in known} <= {*MAY_LACK}
    assert len(recorded) == len(known)
    for key, text, published in known:
        claim = recorded[f"10 recorded neurons: {text}"]
        assert claim["published"] == (published or "-")
        assert ("n = 40" in published) == (published != "")
        if key in ("reversal_r_count", "asymmetry_r_count"):
            part = key.removesuffix("_r_count")
            assert claim["kind"] == "number"
            assert claim["measured"] == pytest.approx(neurons.halves[part].mean())
            assert claim["foils"] == {FOIL: neurons.shuffled[part]}
            assert abs(neurons.shuffled[part]) < 0.3
        else:
            assert claim["kind"] == "reported"
            assert claim["measured"] == found[key]
    page = (tmp_path / "index.html").read_text()
    assert f"--neurons {folder}" in page
    assert all(text in page for text in (*EXPERIMENT.panels, *EXPERIMENT.recorded_panels))


@pytest.mark.slow
def test_figures_with_neurons(folder):
    neurons = read_neurons(folder)
    measures = EXPERIMENT.measure({}, 1, 0)
    shown = EXPERIMENT.with_neurons(folder)
    figures = [experiment.figure([measures], {}) for experiment in (shown, EXPERIMENT)]
    both, plain = (
        [axis.get_title(loc="left") for axis in f.axes if axis.get_title(loc="left")]
        for f in figures
    )
    assert both[: len(plain)] == plain
    assert both[len(plain)] == "10 recorded neurons"
    assert len(plain) == len(EXPERIMENT.panels)
    assert len(both) == len(plain) + len(EXPERIMENT.recorded_panels)
    with_neurons = dopamine_agents.with_neurons(folder)
    assert with_neurons.trainings is dopamine_agents.EXPERIMENT.trainings
    (shown,) = recorded_claims("x", neurons, ["reversal_r_count"])
    assert shown.claim == "10 recorded neurons: reversal points of two halves, mean R (count)"
    assert shown.kind == "reported"


def test_effect_sizes_against_shuffled_trials(folder):
    """Held within the published interval, missed outside; a foil like the neurons tells nothing."""
    neurons = read_neurons(folder)
    like_the_mice = {key: np.full(5, 0.6) + 0.01 * np.arange(5) for key in neurons.halves}
    zero = dict.fromkeys(neurons.halves, 0.0)
    for halves, shuffled, verdict in (
        (like_the_mice, zero, "held"),
        ({key: r - 0.5 for key, r in like_the_mice.items()}, zero, "missed"),
        (like_the_mice, dict.fromkeys(neurons.halves, 0.6), "not diagnostic"),
    ):
        changed = replace(neurons, halves=halves, shuffled=shuffled)
        assert [c.verdict for c in effect_sizes("x", changed)] == [verdict] * 2


def test_rows_of_animals(trials):
    """Animals are told by the first part of the name; those with few neurons are left out."""
    names = [f"{animal}_{i}" for animal, n in (("A", 5), ("B", 3), ("C", 2)) for i in range(n)]
    rows = by_animal(names, trials, np.random.default_rng(0), 5)
    assert [(r["animal"], r["neurons"]) for r in rows] == [("A", 5), ("B", 3), ("all but A", 5)]
    assert all(-1 <= r[key] <= 1 for r in rows for key in ("reversal_r", "asymmetry_r"))
    assert by_animal(["A_1"] * 10, trials, np.random.default_rng(0), 5) == []


def test_shuffled_trials_keep_their_magnitudes(trials):
    found = shuffled_over_neurons(trials, np.random.default_rng(0))
    for ours, theirs in ((found.pooled, trials.pooled), (found.cued, trials.cued)):
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        assert (ours != theirs)[~np.isnan(theirs)].mean() > 0.5
        for k in range(7):
            np.testing.assert_array_equal(
                np.sort(ours[:, k], axis=None), np.sort(theirs[:, k], axis=None)
            )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["dopamine-neurons"], "must hold files *.mat; got none"),
        (["harlow", "two-step"], "got harlow, two-step. Leave --neurons out"),
    ],
)
def test_neurons_that_cannot_be_shown(names, message, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["reproduce", *names, "--neurons", str(tmp_path / "nowhere"), "--out", str(out)]
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()
