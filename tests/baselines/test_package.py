"""The names of the package, which are imported when they are asked for."""

import subprocess
import sys

import pytest

import neurotasks_baselines


def test_every_name_is_listed_and_there():
    assert dir(neurotasks_baselines) == sorted(neurotasks_baselines.__all__)
    assert len(dir(neurotasks_baselines)) >= 14
    for name in dir(neurotasks_baselines):
        assert getattr(neurotasks_baselines, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        neurotasks_baselines.nonesuch  # noqa: B018


def test_the_package_starts_without_torch():
    code = "import sys, neurotasks_baselines as b; dir(b); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
