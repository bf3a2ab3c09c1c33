"""Golden traces: what every registered id computed when it was released.

`traces.json` holds, for each id and seed, fixed actions, and the digests of what came of them:
observations, rewards, ends, ``info``, and each column of the trial table, through ``make`` and
through ``make_vec``. The names are those of the day the file was written; `RENAMED` says what has
become of them. ``python tests/golden/test_golden_traces.py`` adds ids that are not in the file yet.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import neurotasks
from neurotasks.core.task import load

FILE = Path(__file__).with_name("traces.json")
SEEDS = (0, 1, 2)
STEPS = 400

# Old column or info key, of every task or of one -> how to make it from today's columns or infos.
RENAMED: dict[tuple[str, ...], Callable[[dict[str, np.ndarray]], np.ndarray]] = {
    ("columns", "lane"): operator.itemgetter("env")
}
for _task in ("Bandit", "RiskyChoice", "VariableReward", "VariableProbability", "SameMean"):
    RENAMED["columns", "outcome", _task] = operator.itemgetter("reward")
# Presets of those tasks that were written with today's names.
LATER = {"neurotasks/VariableRewardLatency-v0", "neurotasks/VariableProbabilityLatency-v0"}

CURE = (
    "The id no longer computes what it did when it was released. If that is wanted, register it as "
    "a new version (-v1); else revert the change."
)


def digest(values: Any) -> str:
    """Return a digest of numbers, single precision: the last bit of a logarithm is a machine's."""
    array = np.ascontiguousarray(np.asarray(values).astype(np.float32))
    return hashlib.sha256(array.tobytes() + str(array.shape).encode()).hexdigest()[:16]


def parts(observation: Any) -> list[Any]:
    return list(observation.values()) if isinstance(observation, dict) else [observation]


def digests(steps: list[tuple[Any, ...]], infos: list[dict[str, Any]], table: Any) -> Any:
    observations, rewards, ends = zip(*steps, strict=True)
    keys = [key for key in infos[0] if not key.startswith(("_", "final_"))]
    return {
        "observations": digest(np.concatenate([np.ravel(p) for o in observations for p in o])),
        "rewards": digest(rewards),
        "ends": digest(ends),
        "infos": {k: np.array([info[k] for info in infos]) for k in keys},
        "columns": {name: table[name].to_numpy() for name in table.columns},
    }


def play_single(id: str, seed: int, actions: list[int]) -> Any:
    env: Any = gym.make(id, trial_log=True)
    observation, info = env.reset(seed=seed)
    steps, infos = [(parts(observation), 0.0, False)], [info]
    for action in actions:
        observation, reward, over, _, info = env.step(action)
        if over:
            observation, info = env.reset()
        steps.append((parts(observation), reward, over))
        infos.append(info)
    return digests(steps, infos, env.unwrapped.trial_table())


def play_vector(id: str, seeds: tuple[int, ...], actions: np.ndarray) -> Any:
    envs: Any = gym.make_vec(id, num_envs=len(seeds), trial_log=True, autoreset_mode="SameStep")
    observation, info = envs.reset(seed=seeds[0])
    steps, infos = [(parts(observation), np.zeros(len(seeds)), np.zeros(len(seeds)))], [info]
    for step in actions.T:
        observation, reward, over, _, info = envs.step(step)
        steps.append((parts(observation), reward, over))
        infos.append(info)
    return digests(steps, infos, envs.unwrapped.trial_table())


def choose_actions(id: str, seed: int) -> str:
    """Return actions that go through the task: half of them random, half the best ones."""
    env: Any = gym.make(id)
    _, info = env.reset(seed=seed)
    rng, chosen = np.random.RandomState(seed), []
    for _ in range(STEPS):
        action = int(rng.randint(env.action_space.n))
        if rng.rand() < 0.75 and info.get("best_action", -1) >= 0:
            action = int(info["best_action"])
        chosen.append(action)
        *_, over, _, info = env.step(action)
        if over:
            _, info = env.reset()
    return "".join("0123456789ABCDEF"[action] for action in chosen)


def as_digests(trace: Any) -> Any:
    hashed = {kind: {k: digest(v) for k, v in trace[kind].items()} for kind in ("infos", "columns")}
    return trace | hashed


def check(kind: str, old: dict[str, str], today: dict[str, np.ndarray], id: str) -> None:
    for name, wanted in old.items():
        remake = RENAMED.get((kind, name, load(id).name)) if id not in LATER else None
        remake = remake or RENAMED.get((kind, name))
        remake = remake or operator.itemgetter(name)
        assert digest(remake(today)) == wanted, f"{id}: {kind} {name!r}. {CURE}"


TRACES: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_id_has_a_trace(id):
    assert id in TRACES, f"{id} has none: run python tests/golden/test_golden_traces.py"


@pytest.mark.parametrize("id", TRACES)
@pytest.mark.parametrize("how", [*map(str, SEEDS), "vector"])
def test_trace(id, how):
    golden = TRACES[id]
    actions = [[int(a, 16) for a in golden[str(seed)]["actions"]] for seed in SEEDS]
    if how == "vector":
        trace = play_vector(id, SEEDS, np.array(actions))
    else:
        trace = play_single(id, int(how), actions[int(how)])
    for name in ("observations", "rewards", "ends"):
        assert trace[name] == golden[how][name], f"{id}: {name}. {CURE}"
    for kind in ("infos", "columns"):
        check(kind, golden[how][kind], trace[kind], id)


def test_another_draw_is_seen():
    id = "neurotasks/TwoStep-v0"
    actions = [int(a) for a in TRACES[id]["0"]["actions"]]
    trace = play_single(id, 12345, actions)
    assert trace["observations"] != TRACES[id]["0"]["observations"]
    with pytest.raises(AssertionError, match="new version"):
        check("columns", TRACES[id]["0"]["columns"], trace["columns"], id)


if __name__ == "__main__":
    for id in set(neurotasks.TASKS) - set(TRACES):
        chosen = [choose_actions(id, seed) for seed in SEEDS]
        actions = [[int(a, 16) for a in of_seed] for of_seed in chosen]
        TRACES[id] = {
            str(seed): {"actions": text} | as_digests(play_single(id, seed, numbers))
            for seed, text, numbers in zip(SEEDS, chosen, actions, strict=True)
        }
        TRACES[id]["vector"] = as_digests(play_vector(id, SEEDS, np.array(actions)))
    FILE.write_text(json.dumps(dict(sorted(TRACES.items())), indent=1) + "\n")
