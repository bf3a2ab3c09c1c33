"""``neurotasks doctor``: what is installed here, and whether it works.

Every look is guarded: whatever is broken, the others are still reported.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotasks_baselines.cli.arguments import add_command
from neurotasks_baselines.processes import available_cores, processor
from neurotasks_baselines.quiet import quiet

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands

# Distribution and module of what the base install and each extra bring.
PACKAGES = {
    "base": {"gymnasium": "gymnasium", "numpy": "numpy", "numba": "numba"},
    "analysis": {
        "pandas": "pandas",
        "scikit-learn": "sklearn.linear_model",
        "scipy": "scipy.stats",
        "statsmodels": "statsmodels.api",
    },
    "baselines": {
        "torch": "torch",
        "stable-baselines3": "stable_baselines3",
        "sb3-contrib": "sb3_contrib",
        "tensorboard": "tensorboard",
        "safetensors": "safetensors.torch",
        "filelock": "filelock",
        "threadpoolctl": "threadpoolctl",
        "matplotlib": "matplotlib.figure",
        "jinja2": "jinja2",
        "rich": "rich",
    },
    "render": {"pillow": "PIL.Image", "pygame-ce": "pygame", "moviepy": "moviepy"},
}
VARIABLES = ("OMP_", "MKL_", "OPENBLAS_", "GOTO_", "NUMBA_", "TORCH_", "PYTORCH_", "CUDA_")
FORCED = {
    "OPENBLAS_CORETYPE": "OpenBLAS computes with the kernel named there, which rounds otherwise "
    "than the processor's own: the same seed gives other weights",
    "NUMBA_DISABLE_JIT": "nothing is compiled: environments are about a hundred times slower",
    "NUMBA_CPU_NAME": "numba compiles for the processor named there",
}
TASK = "neurotasks/TwoStep-v0"
KNOWN_REWARDS = "000111110010111101000000110111"  # per trial of TASK, seed 0, always to the left
LITTLE_SPACE = 1.0  # GB


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "doctor",
        "test this installation",
        """
        Prints versions, threads, where compiled code is kept, and what is missing, then makes every
        environment, steps one, and trains, saves and loads a small agent. This takes seconds, and
        about a minute the first time, when everything is compiled. Exit status 1 if a check fails.
        Bug reports should contain what --json prints.

        Example: neurotasks doctor
                 neurotasks doctor --json
        """,
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(options: argparse.Namespace) -> int:
    """Examine, and print what was found."""
    said = io.StringIO() if quiet.get() else sys.stderr  # by modules when they are imported
    with contextlib.redirect_stdout(said):
        found = examine()
    print(json.dumps(found, indent=1) if options.json else text(found))
    return int(any(check["result"] == "FAIL" for check in found["checks"]))


def examine() -> dict[str, Any]:
    """Return all that is found: system, packages, threads, storage, warnings and checks."""
    packages = {
        extra: {name: _state(name, module) for name, module in modules.items()}
        for extra, modules in PACKAGES.items()
    }
    checks = [
        _check("packages can be imported", lambda: _import(packages)),
        _check("every task can be made", _make),
        _check("compiled steps give the expected rewards", _step),
        _check("an agent can be trained, saved and loaded", lambda: _train(packages)),
    ]
    sections = {title: {name: _look(f) for name, f in of.items()} for title, of in LOOKS.items()}
    return {
        **sections,
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(VARIABLES)},
        "packages": packages,
        "warnings": _warnings(sections["storage"]),
        "checks": checks,
    }


def text(found: dict[str, Any]) -> str:
    """Return what was found as lines for a terminal."""
    lines = []
    for title in (*LOOKS, "variables"):
        lines += [f"{name:20} {value}" for name, value in found[title].items()]
    for extra, packages in found["packages"].items():
        states = ", ".join(f"{name} {state}" for name, state in packages.items())
        lines.append(f"{'packages, ' + extra:20} {states}")
    lines += ["", *(f"WARN  {warning}" for warning in found["warnings"])]
    for check in found["checks"]:
        detail = f": {check['detail']}" if check["detail"] else ""
        lines.append(f"{check['result']}  {check['name']} ({check['seconds']} s){detail}")
    return "\n".join(lines)


def _look(look: Callable[[], str]) -> str:
    """Return what a look finds, or why it cannot be said."""
    try:
        return look()
    except Exception as error:  # whatever is broken is what is looked for
        return f"unknown ({_in_words(error)})"


def _check(name: str, check: Callable[[], str]) -> dict[str, Any]:
    """Return whether a check passes, which says in words if there is nothing to check."""
    started = time.perf_counter()
    try:
        detail = check()
        result = "SKIP" if detail else "PASS"
    except Exception as error:
        result, detail = "FAIL", _in_words(error)
    seconds = round(time.perf_counter() - started, 1)
    return {"name": name, "result": result, "detail": detail, "seconds": seconds}


def _in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _state(distribution: str, module: str) -> str:
    """Return the version of a package, that it is missing, or why it cannot be imported."""
    try:
        found = version(distribution)
    except PackageNotFoundError:
        found = "missing"
    try:
        importlib.import_module(module)
    except Exception as error:
        return found if found == "missing" else f"{found} BROKEN ({_in_words(error)})"
    return found


def _neurotasks() -> str:
    import neurotasks

    return f"{neurotasks.__version__} in {Path(neurotasks.__file__).parent}"


def _torch() -> str:
    import torch

    gpu = "a GPU" if torch.cuda.is_available() else "no GPU"
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"threads: {torch.get_num_threads()}, {kernels} kernels, {gpu}"


def _blas() -> str:
    from threadpoolctl import threadpool_info

    return "; ".join(
        f"{pool['internal_api']}{' ' + pool['version'] if pool['version'] else ''}, "
        f"threads: {pool['num_threads']}"
        + (f", {pool['architecture']} kernels" if "architecture" in pool else "")
        for pool in threadpool_info()
    )


def _compiled_for() -> str:
    from llvmlite.binding import get_host_cpu_name

    return str(get_host_cpu_name())


def _cache() -> str:
    from neurotasks import TASKS
    from neurotasks.core.loops import compile_loops
    from neurotasks.core.task import load

    loop: Any = compile_loops(load(TASKS[TASK]["task"])).step_lane
    if not hasattr(loop, "stats"):  # with NUMBA_DISABLE_JIT
        return "no place: nothing is compiled"
    folder = loop.stats.cache_path
    if folder is None:
        return "no place: none can be written"
    with tempfile.TemporaryFile(dir=folder):
        return f"{folder} (writable)"


def _space(folder: str) -> str:
    return f"{folder} ({shutil.disk_usage(folder).free / 1e9:.1f} GB free)"


LOOKS: dict[str, dict[str, Callable[[], str]]] = {
    "system": {
        "neurotasks": _neurotasks,
        "python": lambda: f"{platform.python_version()} in {sys.prefix}",
        "platform": platform.platform,
        "processor": lambda: f"{processor()}, {available_cores()} cores",
    },
    "threads": {"torch": _torch, "thread pools": _blas},
    "storage": {
        "working directory": lambda: _space(os.getcwd()),
        "temporary files": lambda: _space(tempfile.gettempdir()),
        "compiled for": _compiled_for,
        "compiled code in": _cache,
    },
}


def _warnings(storage: dict[str, str]) -> list[str]:
    found = [f"{name} is set: {why}" for name, why in FORCED.items() if os.environ.get(name)]
    if re.match("no place: none|unknown (?!.Module)", storage["compiled code in"]):
        found.append(
            "compiled code cannot be kept: every process compiles anew what is not there yet. Set "
            "NUMBA_CACHE_DIR to a directory where you may write."
        )
    return found


def _import(packages: dict[str, dict[str, str]]) -> str:
    states = {name: state for of in packages.values() for name, state in of.items()}
    broken = [f"{name} {state}" for name, state in states.items() if "BROKEN" in state]
    missing = [name for name in PACKAGES["base"] if states[name] == "missing"]
    if broken or missing:
        raise ImportError("; ".join([*broken, *(f"{name} is missing" for name in missing)]))
    return ""


def _make() -> str:
    import gymnasium as gym

    from neurotasks import TASKS

    for id in TASKS:
        gym.make(id).close()
    return ""


def _step() -> str:
    import gymnasium as gym

    import neurotasks  # noqa: F401 - registers the ids

    env = gym.make(TASK)
    env.reset(seed=0)
    rewards = [env.step(action)[1] for _ in KNOWN_REWARDS for action in (2, 0, 1)]
    found = "".join(f"{reward:.0f}" for reward in rewards[2::3])
    if found != KNOWN_REWARDS:
        raise ValueError(f"rewards of {TASK} must be {KNOWN_REWARDS}; got {found}.")
    return ""


def _train(packages: dict[str, dict[str, str]]) -> str:
    missing = [name for name, state in packages["baselines"].items() if state == "missing"]
    if missing:
        return f"without {', '.join(missing)}; run `pip install 'neurotasks[baselines]'`"
    import torch

    from neurotasks_baselines import Hyperparameters, build, load, save

    tiny = Hyperparameters(total_steps=36, num_envs=2, columns=1, n_epochs=1, units=8)
    model = build(TASK, hyperparameters=tiny, task_kwargs={"trials": 3})
    model.learn(tiny.total_steps)
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "agent")
        loaded = load(Path(folder) / "agent").policy.state_dict()
    for name, weights in model.policy.state_dict().items():
        if not (torch.isfinite(weights).all() and torch.equal(weights, loaded[name])):
            raise ValueError(f"{name} must be finite and as it was saved; got another.")
    return ""
