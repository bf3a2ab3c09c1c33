"""The best policies without memory: what an agent reaches that sees only the present observation.

An observation holds the last action and the last reward, so that such a policy may do more than
act at random: it stays after a win and shifts after a loss. ``memoryless.json`` holds the best one
of each task, and `find_memoryless` finds them again:

    python -m neurotasks_baselines.suite.memoryless FILE

A policy is a table from what is seen to the probability of each action. What is seen is the
observation without the number of the trial, which bandits show. Where an invalid response costs
something, the reference observer's answer to what it always answers alike is taken as given (to the
fixation cue, to a forced choice); every table of the rest is played on the same episodes. Where a
choice follows a fixation cue the last action and reward are those of the cue: nothing is known of
the trial before, every choice is open to a coin only, and the result is exact.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from neurotasks import TASKS
from neurotasks.files import write_whole
from neurotasks.observers import RandomAgent, reference_observer
from neurotasks.scores import episode_returns, paired_score
from neurotasks_baselines.files import json_text
from neurotasks_baselines.training.progress import track

EPISODES = 400  # of each table in the search
MEASURED = 1000  # held-out episodes of the best one
VISITS = 400  # episodes in which it is seen what there is to be seen
SEARCH: dict[str, Any] = {"split": "train"}  # the episodes that scores are measured on are others
HARLOW = "neurotasks/Harlow-v0"

Seen = tuple[float, ...]
Table = dict[Seen, list[float]]


class MemorylessAgent:
    """Agent that draws its actions from probabilities that depend on the observation only.

    Args:
        envs: Vector environment it will play.
        probabilities: Function of the observations, (num_envs, width), that returns the
            probabilities of the actions, (num_envs, actions).
        seed: Seed of its own random numbers.
    """

    def __init__(
        self, envs: Any, probabilities: Callable[[Any], NDArray[np.float64]], seed: int = 0
    ) -> None:
        self.probabilities, self.rng = probabilities, np.random.default_rng(seed)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.int64], None]:
        """Draw an action for each observation."""
        sums = self.probabilities(observation).cumsum(axis=1)
        draws = self.rng.random((len(sums), 1))
        actions: NDArray[np.int64] = (draws >= sums[:, :-1]).sum(axis=1)
        return actions, None


def seen(observations: Any, clock: bool) -> NDArray[np.float32]:
    """Return observations without the number of the trial.

    Args:
        observations: Observations, (num_envs, width).
        clock: Whether their first component is that number.
    """
    found: NDArray[np.float32] = np.array(observations, np.float32)
    if clock:
        found[:, 0] = 1.0
    return found


def shows_clock(id: str) -> bool:
    """Return whether the first component of a task's observation is the number of the trial."""
    env: Any = gym.make(id).unwrapped
    return bool(getattr(env.parameters, "trial_number", False))


def look_up(observations: Any, table: Table, clock: bool, actions: int) -> NDArray[np.float64]:
    """Return the probabilities that a table gives, equal ones where it has no entry."""
    rows = seen(observations, clock)
    found = np.full((len(rows), actions), 1 / actions)
    for row, probabilities in table.items():
        found[(rows == np.array(row, np.float32)).all(axis=1)] = probabilities
    return found


def harlow_probabilities(observations: Any) -> NDArray[np.float64]:
    """Return the policy of the Harlow task that looks at the cross, then at the right object.

    The choice begins with the gaze at the centre after a step without movement, whatever happened
    before, and which object is rewarded does not show: every choice earns 0 on average, fixation
    0.2, and no policy without memory more.
    """
    pixels = np.asarray(observations)[:, :75]
    cross = (pixels > 0).sum(axis=1) == 1
    gaze = 12 - pixels.argmax(axis=1) // 3
    action = np.where(cross & (gaze == 0), 2, np.where(cross & (gaze > 0), 0, 1))
    return np.eye(3)[action]


@cache
def shipped_policies() -> dict[str, dict[str, Any]]:
    """Return the shipped results of `find_memoryless` by id."""
    text = files("neurotasks_baselines.suite").joinpath("memoryless.json").read_text()
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def memoryless_player(id: str) -> Callable[[Any], Any] | None:
    """Return the function of a vector environment that makes the best player without memory.

    Args:
        id: Id of the task.

    Returns:
        The function; the reference observer's where that needs no memory; None where no best
        policy is known.
    """
    entry = shipped_policies().get(id)
    return None if entry is None else _player_from(id, entry)


def _player_from(id: str, entry: dict[str, Any]) -> Callable[[Any], Any] | None:
    if entry["kind"] == "unknown":
        return None
    if entry["kind"] == "reference":
        return partial(reference_observer, seed=0)
    if id == HARLOW:
        return partial(MemorylessAgent, probabilities=harlow_probabilities)
    table = {tuple(observation): row for observation, row in entry["policy"]}
    return partial(player_of, id=id, table=table)


def player_of(envs: Any, id: str, table: Table) -> MemorylessAgent:
    """Return the player of a table."""
    actions = int(envs.single_action_space.n)
    return MemorylessAgent(
        envs, partial(look_up, table=table, clock=shows_clock(id), actions=actions)
    )


def answers(id: str, player: Callable[..., Any]) -> dict[Seen, set[int]]:
    """Return what a player sees in its episodes, and the actions it takes then."""
    envs: Any = gym.make_vec(id, num_envs=VISITS, autoreset_mode="SameStep", **SEARCH)
    agent, clock = player(envs, seed=0), shows_clock(id)
    observation, _ = envs.reset(seed=0)
    starts, memory = np.ones(VISITS, bool), None
    alive = starts.copy()
    found: dict[Seen, set[int]] = {}
    while alive.any():
        action, memory = agent.predict(observation, memory, starts)
        pairs = np.column_stack([seen(observation, clock), action])[alive]
        for *row, taken in np.unique(pairs, axis=0).tolist():
            found.setdefault(tuple(row), set()).add(int(taken))
        observation, _, starts, _, _ = envs.step(action)
        alive = alive & ~starts
    return found


def find_memoryless(id: str) -> dict[str, Any]:
    """Find the best policy without memory.

    Args:
        id: Id of the task.

    Returns:
        ``"kind"``: ``"reference"`` where the reference observer needs no memory, ``"exact"`` where
        no policy without memory earns more, ``"enumerated"`` where it is the best of all
        deterministic tables, ``"unknown"``; ``"how"`` in words; ``"tables"``, how many were played;
        and the ``"policy"``, a list of observations with the probabilities of the actions.
    """
    env: Any = gym.make(id).unwrapped
    if env.task.image_shape is not None:
        how = "Not available: what images hold of the past is not known."
        return {"kind": "unknown", "how": how, "tables": 0, "policy": []}
    if getattr(env.parameters, "latency", 0.0) > 0:
        how = (
            "Not available: what is best without memory of licks on their way has not been "
            "computed."
        )
        return {"kind": "unknown", "how": how, "tables": 0, "policy": []}
    if id == HARLOW:
        how = (
            "The choice begins alike whatever happened before, so that each choice earns 0 on "
            "average: the policy fixates, then looks to the right."
        )
        return {"kind": "exact", "how": how, "tables": 0, "policy": []}
    known = answers(id, reference_observer)
    if all(len(actions) == 1 for actions in known.values()):
        how = "The reference observer itself needs no memory: what it sees decides what it does."
        return {"kind": "reference", "how": how, "tables": 0, "policy": []}
    if env.task.reward_bounds(env.parameters)[0] < 0:
        kind = "exact"
        how = "At the choice nothing is seen of earlier trials: always the same choice, or a coin."
        tables = _with_given_answers(known, int(env.action_space.n))
    else:
        kind = "enumerated"
        how = (
            "The best of all tables from what is seen, the last action and the last reward to an "
            "action, the same in every trial."
        )
        rows = answers(id, RandomAgent)
        every = itertools.product(np.eye(env.action_space.n).tolist(), repeat=len(rows))
        tables = [dict(zip(rows, picked, strict=True)) for picked in every]
    best = max(tables, key=partial(_mean_return, id))
    policy = [[list(row), probabilities] for row, probabilities in best.items()]
    return {"kind": kind, "how": how, "tables": len(tables), "policy": policy}


def _with_given_answers(known: dict[Seen, set[int]], number: int) -> list[Table]:
    """Return tables that answer as the reference observer, by one action or a coin if it varies."""
    free = {row: sorted(actions) for row, actions in known.items() if len(actions) > 1}
    one = np.eye(number)
    given = {row: one[min(a)].tolist() for row, a in known.items() if row not in free}
    options = [[one[a] for a in actions] + [one[actions].mean(axis=0)] for actions in free.values()]
    return [
        given | {row: list(map(float, p)) for row, p in zip(free, picked, strict=True)}
        for picked in itertools.product(*options)
    ]


def _mean_return(id: str, table: Table) -> float:
    player = partial(player_of, id=id, table=table)
    return float(episode_returns(player, id, EPISODES, **SEARCH).mean())


def measured(id: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a result of `find_memoryless` with its ``"score"`` and ``"score_se"``.

    Args:
        id: Id of the task.
        entry: The result; the score of one of unknown kind is None, and of a reference observer 1.
    """
    player = _player_from(id, entry)
    if player is None or entry["kind"] == "reference":
        return entry | {"score": None if player is None else 1.0, "score_se": 0.0}
    players = (player, partial(RandomAgent, seed=0), partial(reference_observer, seed=0))
    score = paired_score(*(episode_returns(each, id, MEASURED) for each in players))
    return entry | {"score": score.value, "score_se": score.standard_error}


def main(words: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m neurotasks_baselines.suite.memoryless",
        description=(
            "Finds the best policy without memory of every task: a table from what is seen to the "
            f"probability of each action. Plays every table of a task in {EPISODES} training "
            f"episodes, and the best one in {MEASURED} held-out episodes for its score."
        ),
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="where to write the policies, as JSON; what ships is memoryless.json next to this "
        "module, from which memory scores are measured",
    )
    options = parser.parse_args(words)
    ids = track(list(TASKS), "policies without memory")
    table = {id: measured(id, find_memoryless(id)) for id in ids}
    write_whole(options.file, json_text(table))


if __name__ == "__main__":
    main()
