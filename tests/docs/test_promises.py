"""Every promise of docs/promises.md names a test that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = ["| promise | test |", "|---|---|"]


def promises():
    """Return the promises and the tests that they name."""
    lines = [
        line
        for line in (ROOT / "docs/promises.md").read_text().splitlines()
        if line.startswith("|") and line not in HEAD
    ]
    return [re.fullmatch(r"\| (.+) \| ([^`|]+?)(?: †)? \|", line).groups() for line in lines]


def names_a_test(test):
    """Tell whether ``tests/path.py::test_name``, or ``::TestClass::test_name``, exists."""
    path, *names = test.split("::")
    if not names or not (ROOT / path).is_file():
        return False
    body = ast.parse((ROOT / path).read_text()).body
    for name in names:
        found = [node for node in body if getattr(node, "name", None) == name]
        if not found:
            return False
        body = found[0].body
    return names[-1].startswith("test")


def test_every_promise_names_a_test_that_exists():
    found = promises()
    assert {promise: test for promise, test in found if not names_a_test(test)} == {}
    assert len(dict(found)) == len(found), "a promise stands twice"


def is_full(test):
    """Tell whether a test runs in ``.ci/full`` only, by its mark or that of its file."""
    path, name = test.split("::")
    body = ast.parse((ROOT / path).read_text()).body
    marks = [node.value for node in body if "pytestmark" in ast.unparse(node).split(" = ")[0]]
    marks += next(n for n in body if getattr(n, "name", None) == name).decorator_list
    return any(
        re.search(r"pytest\.mark\.full(?!\w)", ast.unparse(mark))
        for mark in marks
        if "parametrize" not in ast.unparse(mark)
    )


def test_daggers_mark_what_runs_in_full_only():
    text = (ROOT / "docs/promises.md").read_text()
    marked = {test for _, test in promises() if f"{test} †" in text}
    assert marked == {test for _, test in promises() if is_full(test)}
    assert marked


@pytest.mark.parametrize(
    "test",
    [
        "tests/docs/test_promises.py",
        "tests/docs/test_promises.py::test_missing",
        "tests/docs/test_promises.py::names_a_test",
        "tests/docs/missing.py::test_name",
    ],
)
def test_a_test_that_does_not_exist_is_seen(test):
    assert not names_a_test(test)
