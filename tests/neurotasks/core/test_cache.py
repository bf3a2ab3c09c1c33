"""Compiled code on disk: damaged, out of date, not writable, or written by two at once."""

import errno
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from neurotasks.core import cache
from neurotasks.core.cache import CompilationCacheWarning, cached
from neurotasks.core.fingerprints import fingerprint

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


def seven_times(x):
    return 7 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    cache._warn_once.cache_clear()
    return tmp_path / "neurotasks"


def hits():
    """Return whether a fresh copy of the function is read from disk; it must be right."""
    dispatcher = cached(seven_times)
    assert dispatcher(6) == 42
    return bool(sum(dispatcher.stats.cache_hits.values()))


DAMAGES = {
    "nothing left": lambda data: b"",
    "a byte left": lambda data: data[:1],
    "the digest left": lambda data: data[:32],
    "a byte more than the digest left": lambda data: data[:33],
    "half left": lambda data: data[: len(data) // 2],
    "a byte lost": lambda data: data[:-1],
    "a byte added": lambda data: data + b"\0",
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"garbage" * 1000,
    "one bit in the digest": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "one bit in the code": lambda data: data[:-500] + bytes([data[-500] ^ 1]) + data[-499:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_anew(folder, damage):
    assert (hits(), hits()) == (False, True)
    assert cached(seven_times).stats.cache_path == str(folder)
    (file,) = folder.iterdir()
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert (hits(), hits()) == (False, True)
    assert list(folder.iterdir()) == [file]


def test_the_code_of_another_function_is_compiled_anew(folder):
    """A file that is whole, under a name that is not its own."""
    hits()
    (file,) = folder.iterdir()
    other = cached(lambda x: 8 * x)
    assert other(6) == 48
    (of_other,) = set(folder.iterdir()) - {file}
    file.write_bytes(of_other.read_bytes())
    assert (hits(), hits()) == (False, True)


def test_a_folder_in_the_place_of_a_file(folder):
    hits()
    (file,) = folder.iterdir()
    file.unlink()
    file.mkdir()
    with pytest.warns(CompilationCacheWarning):
        assert not hits()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_an_unreadable_file_is_compiled_anew(folder):
    hits()
    (file,) = folder.iterdir()
    file.chmod(0)
    assert (hits(), hits()) == (False, True)


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (numba, "__version__", "0.1"),
        (np, "__version__", "0.1"),
        (sys, "version", "2.7"),
        (numba.config, "BOUNDSCHECK", 1),
        (numba.config, "OPT", 0),
    ],
)
def test_what_another_version_or_setting_compiled_is_not_read(
    folder, monkeypatch, owner, name, value
):
    hits()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, value)
        assert not hits()
    assert hits()


def test_what_was_compiled_for_another_processor_is_not_read(folder):
    hits()
    codegen = cached(seven_times).targetctx.codegen()
    triple, _, features = codegen.magic_tuple()
    names = {
        cache.CodeCache(cached(seven_times))._file_name(
            "(int64,)", SimpleNamespace(magic_tuple=lambda t=t: t)
        )
        for t in [codegen.magic_tuple(), (triple, "another", features), (triple, "another", "")]
    }
    assert len(names) == 3


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path, monkeypatch, recwarn):
    (tmp_path / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file"))
    cache._warn_once.cache_clear()
    assert not hits()
    assert not hits()
    assert cached(seven_times).stats.cache_path is None
    (said,) = recwarn
    assert said.category is CompilationCacheWarning
    assert "NUMBA_CACHE_DIR" in str(said.message)


def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    def write_bytes(path, data):
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.warns(CompilationCacheWarning, match="NUMBA_CACHE_DIR"):
        assert not hits()
    assert list(folder.iterdir()) == []


def test_without_a_home_no_folder_is_named_after_a_tilde(monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("HOME", "~")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/.cache")
    assert all(folder.is_absolute() for folder in cache.folders())


@pytest.mark.slow
def test_processes_that_compile_at_once(folder):
    program = """
import sys
from neurotasks.core.cache import CompilationCacheWarning, cached
sys.stdin.readline()
print([cached(eval(f"lambda x: {k} * x"))(6) for k in range(20)])
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            text=True,
            stdin=-1,
            stdout=-1,
            stderr=-1,
            env=os.environ | {"NUMBA_CACHE_DIR": str(folder.parent)},
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate() for process in processes]
    assert said == [(f"{[6 * k for k in range(20)]}\n", "")] * 3
    assert len(list(folder.iterdir())) == 20


# What compiled code depends on


def defined(source, **names):
    """Return the function that some lines define."""
    scope = {"np": np, "numba": numba, "math": math, **names}
    exec(source, scope)
    return scope["f"]


DIFFERENT = [
    ("def f(x): return x + 1", "def f(x): return x + 2"),
    ("def f(x): return x + 1", "def f(x): return x + 1.0"),
    ("def f(x): return x + 1", "def f(x): return x - 1"),
    ("def f(x): return np.exp(x)", "def f(x): return np.log(x)"),
    ("def f(x): return x.a", "def f(x): return x.b"),
    ("def f(x, y=1): return x", "def f(x, y=2): return x"),
    ("def f(x): return [i + 1 for i in x]", "def f(x): return [i + 2 for i in x]"),
    ("c = 1\ndef f(x): return x + c", "c = 2\ndef f(x): return x + c"),
    ("c = 0.0\ndef f(x): return x + c", "c = -0.0\ndef f(x): return x + c"),
    ("c = 1, 2\ndef f(x): return x + c[0]", "c = 2, 1\ndef f(x): return x + c[0]"),
    ("c = np.arange(9999)\ndef f(x): return c[x]",
     "c = np.arange(9999)\nc[5000] = 0\ndef f(x): return c[x]"),
    ("c = np.arange(4)\ndef f(x): return c[x]", "c = np.arange(4.0)\ndef f(x): return c[x]"),
    ("c = np.eye(2)\nc[0] = 2\ndef f(x): return c[x]",
     "c = np.eye(2)\nc[:, 0] = 2\ndef f(x): return c[x]"),
    ("def g(x): return x\ndef f(x): return g(x)", "def g(x): return -x\ndef f(x): return g(x)"),
    ("@numba.njit\ndef g(x): return x\ndef f(x): return g(x)",
     "@numba.njit\ndef g(x): return -x\ndef f(x): return g(x)"),
    ("@numba.njit\ndef g(x): return x\ndef f(x): return g(x)",
     "@numba.njit(fastmath=True)\ndef g(x): return x\ndef f(x): return g(x)"),
    ("c = 1\n@numba.njit\ndef h(x): return c\n@numba.njit\ndef g(x): return h(x)\n"
     "def f(x): return g(x)",
     "c = 2\n@numba.njit\ndef h(x): return c\n@numba.njit\ndef g(x): return h(x)\n"
     "def f(x): return g(x)"),
    ("def outer(c):\n def f(x): return x + c\n return f\nf = outer(1)",
     "def outer(c):\n def f(x): return x + c\n return f\nf = outer(2)"),
    ("import enum\nS = enum.Enum('S', {'a': 1})\ndef f(x): return x == S.a.value",
     "import enum\nS = enum.Enum('S', {'a': 2})\ndef f(x): return x == S.a.value"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_has_another_fingerprint(one, other):
    assert fingerprint(defined(one)) != fingerprint(defined(other))
    assert fingerprint(defined(one)) == fingerprint(defined(one))


def test_a_constant_of_another_module_counts(monkeypatch):
    f = defined("def f(x): return x * cache.SCALE", cache=cache)
    monkeypatch.setattr(cache, "SCALE", 1, raising=False)
    before = fingerprint(f)
    monkeypatch.setattr(cache, "SCALE", 2)
    assert fingerprint(f) != before


@pytest.mark.parametrize(
    "same",
    ["# a comment\n\ndef f(x):\n    # of mine\n    return x + 1", "y = 3\ndef f(x): return x + 1"],
)
def test_comments_places_and_other_names_do_not_count(same):
    assert fingerprint(defined("def f(x): return x + 1")) == fingerprint(defined(same))


def test_fingerprints_are_those_of_every_process():
    program = (
        "from neurotasks.core.fingerprints import fingerprint\n"
        "from neurotasks.tasks.variable_reward import TASK as t\n"
        "print(fingerprint([t.begin, t.new_trial, t.step, t.observe, {'a', 'b', 'c'}]))"
    )
    said = {
        subprocess.check_output(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}
        )
        for seed in "12"
    }
    assert len(said) == 1


def test_recursion_has_an_end():
    assert fingerprint(defined("def f(x): return 1 if x < 1 else x * f(x - 1)"))


@pytest.mark.parametrize("constant", [object(), np.array([None]), SimpleNamespace(a=1)])
def test_what_reads_unknown_constants_is_never_kept(folder, constant):
    function = defined("def f(x): return x if c is None else 2 * x", c=constant)
    with pytest.raises(NotImplementedError):
        fingerprint(function)
    assert cache.CodeCache(numba.njit(function))._file_name(None, None) == ""
