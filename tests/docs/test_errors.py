"""The page of errors has every error, and every error has a cure and a use."""

import ast
import builtins
import re

import gymnasium as gym
import pytest
from writers import errors

import neurotasks.errors
import neurotasks_baselines.errors

OTHERS = {"ArgumentError", "ArgumentTypeError"}  # argparse's own, which it catches


def raised_names():
    """Return the names of what ``raise`` statements of both packages raise."""
    found = set()
    for folder in errors.PACKAGES.values():
        for name in errors.PACKAGES:
            for path in (folder / name).rglob("*.py"):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                        found.add(ast.unparse(node.exc.func).rpartition(".")[2])
    return found


RAISED = raised_names()
OURS = errors.our_errors()


def test_the_classes_of_both_modules_are_found():
    for module in (neurotasks.errors, neurotasks_baselines.errors):
        defined = {
            c for c in vars(module).values() if getattr(c, "__module__", "") == module.__name__
        }
        assert {c for c in defined if isinstance(c, type)} <= set(OURS)


@pytest.mark.parametrize("error", OURS)
def test_every_error_has_a_cure_and_is_raised(error):
    assert re.fullmatch(r"[A-Z`].+\.", errors.cure(error)), "no paragraph that begins 'Cure: '"
    assert RAISED & {c.__name__ for c in OURS if issubclass(c, error)}, "raised nowhere"
    named = {base.__name__ for base in error.__mro__ if base in OURS}
    assert named & set(errors.raised_by()), "no public docstring says that it is raised"


def test_every_named_error_that_is_raised_is_on_the_page():
    page = errors.errors_page()
    titles = re.findall(r"^### `(\w+)`$", page, re.M)
    assert len(titles) == len(set(titles))
    named = {name for name in RAISED if name[0].isupper() and not hasattr(builtins, name)}
    assert named - OTHERS <= set(titles)
    assert set(titles) == {error.__name__ for error in OURS} | set(errors.CURES_OF_GYMNASIUM)
    assert page.count("**Cure:** ") == len(titles)


def test_a_cure_is_the_paragraph_after_its_word():
    class Whole(gym.error.Error):
        """First line.

        Cure: Do this
        and that.

        More.
        """

    class Without(gym.error.Error):
        """First line. Cure: none."""

    assert errors.cure(Whole) == "Do this and that."
    assert errors.cure(Without) == ""
    assert errors.entry(Whole, "x", []).splitlines()[2] == "First line."
