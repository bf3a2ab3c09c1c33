"""No import points back: each room imports only from rooms before it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "neurotasks": (
        *("errors", "files", "rendering", "core", "tasks", "columns", "trials", "episodes"),
        *("datasets", "models", "observers", "analysis", "scores"),
        *("__init__", "__main__"),
    ),
    "baselines/neurotasks_baselines": (
        *("errors", "files", "imports", "locks", "processes", "plotting", "tables", "pages"),
        "quiet",
        *("agents", "training", "dopamine", "neurons", "experiments", "behaviour", "suite"),
        "sweeps",
        *("benchmarks", "cli"),
        *("__init__", "__main__"),
    ),
}


def backward_imports(folder, rooms):
    """Return the imports of a package, wherever in a file, that point to a later room."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        within = path.relative_to(folder)
        here = within.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                # `from package import room` and `from package.room import name`
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for package, room in (name.split(".")[:2] for name in names if "." in name):
                later = room in rooms and rooms.index(room) > rooms.index(here)
                if package == folder.name and later:
                    found.append(f"{within}:{node.lineno} imports {room}")
    return found


@pytest.mark.parametrize("place", ROOMS)
def test_no_import_points_back(place):
    assert backward_imports(ROOT / place, ROOMS[place]) == []


def test_the_environments_import_nothing_of_the_agents():
    outside = {"neurotasks_baselines", "torch", "stable_baselines3", "sb3_contrib"}
    for path in (ROOT / "neurotasks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names]
                modules = [getattr(node, "module", None) or "", *names]
                assert not outside & {module.split(".")[0] for module in modules}, path


@pytest.mark.parametrize("line", ["import rooms.above", "from rooms.above import x"])
def test_an_import_that_points_back_is_found(tmp_path, line):
    rooms = tmp_path / "rooms"
    for name, text in (("below", f"def f():\n    {line}\n"), ("above", "from rooms import below")):
        (rooms / name).mkdir(parents=True)
        (rooms / name / "__init__.py").write_text(text)
    found = backward_imports(rooms, ("below", "above"))
    assert found == ["below/__init__.py:2 imports above"]
