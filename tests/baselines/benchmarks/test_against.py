"""Two checkouts compared in paired rounds."""

import subprocess
import sys

import pytest

from neurotasks_baselines.benchmarks import against
from neurotasks_baselines.benchmarks.worker import PEERS, Worker

pytestmark = pytest.mark.slow

FAKE = """
import json, sys
for number, line in enumerate(sys.stdin):
    warm_up = number < {setups}
    print(json.dumps({{"steps": 10**6 if warm_up else {steps}, "seconds": 0.5}}))
    sys.stdout.flush()
"""


def test_ratios_are_those_of_the_new_checkout_to_the_old(monkeypatch, tmp_path):
    def worker(checkout, seconds, setups):
        script = FAKE.format(setups=len(against.TRAIN), steps=int(checkout.name))
        return Worker([sys.executable, "-c", script], {})

    monkeypatch.setattr(against, "worker", worker)
    found = list(against.paired_ratios(tmp_path / "40", tmp_path / "50", rounds=2, repeats=3))
    assert found == [[1.25] * len(against.TRAIN)] * 2


def test_interval_of_the_median():
    low, high = against.interval([0.9, 1.0, 1.0, 1.1, 1.2])
    assert 0.9 <= low < 1.0 < high <= 1.2


def test_a_checkout_is_trained_from_its_own_files(tmp_path):
    """A package installed elsewhere must not stand in for it."""
    (tmp_path / "baselines" / "neurotasks_baselines").mkdir(parents=True)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.append({str(PEERS)!r}); import checkout; "
            f"checkout.modules({str(tmp_path)!r}, 'neurotasks')",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"must come from {tmp_path}" in done.stderr


def test_this_checkout_trains():
    setups = [{"run": "train", "task": "neurotasks/TwoStep-v0", "num_envs": n} for n in (4, 8)]
    with against.worker(against.THIS, 0.01, setups) as worker:
        assert [worker().steps % (400 * n) for n in (4, 8, 4)] == [0, 0, 0]


def test_environments_of_this_checkout_are_stepped():
    setups = [{"run": "envs", "task": "neurotasks/TwoStep-v0", "num_envs": n} for n in (1, 8)]
    with against.worker(against.THIS, 0.01, setups) as worker:
        assert [worker().steps % (200 * n) for n in (1, 8, 1)] == [0, 0, 0]
