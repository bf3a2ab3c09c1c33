"""How long a training takes to reach a criterion, from a fresh process, on one core.

``python -m neurotasks_baselines.benchmarks.criterion NAME SEED`` is one such process; it writes
what it reached as a line of JSON.

The tasks' own hyperparameters are those of long trainings. Those that reach a criterion early were
searched on seeds 1000 to 1002, one changed at a time, with these numbers of steps (evaluated every
25,000 to 200,000; a dash is not within the steps tried):

* Two-step, 404,000 and 634,000 with its own: rollouts of 100 steps 205,000 twice, and with a
  learning rate of 8e-3 128,000 to 230,000; of 60 steps 188,000 to 269,000; of 150 317,000 and
  370,000; 64 sub-environments and 100 steps 256,000 and 358,000. Not better, or on one seed only:
  16 sub-environments; 4 columns; 2 and 6 epochs; learning rates of 3e-3 and 1e-2; discounts of
  0.7, 0.8 and 0.95; entropy coefficients of 0.02 and 0.1; lambdas of 0.8 and 1.
* Harlow, 1,050,000 and 1,180,000 with its own: a learning rate of 5e-3 721,000 and 983,000; rates
  that fall to 0 in 1.5 million steps 918,000 and 983,000; both 721,000 to 983,000; both with 6
  epochs 590,000 to 918,000, which take longer. Not better: rollouts of 100 and 128 steps (-), 32
  sub-environments (-), an entropy coefficient of 0.02 (-), a discount of 0.9.
* Bandits, - (2.8 million) with its own: schedules that end at 2 instead of 6 million steps
  1,430,000 to 1,640,000, and with rollouts of 50 steps 1,430,000 to 1,840,000. Less so: rollouts of
  50 steps alone 2,460,000 twice, 64 sub-environments (-). Of the reported seeds 0 to 4 one does not
  reach the criterion within these 2 million steps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from neurotasks.analysis.bandit import THOMPSON_REGRET, mean_regret
from neurotasks.analysis.harlow import accuracy_by_trial
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.benchmarks.harness import Summary
from neurotasks_baselines.benchmarks.output import write
from neurotasks_baselines.benchmarks.programs import BANDIT, FUSED, TWO_STEP
from neurotasks_baselines.errors import PeerError
from neurotasks_baselines.plotting import OURS, new_figure, style
from neurotasks_baselines.processes import limited_to_cores
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import held_out_envs
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for

CONFIRM_SEED = TEST_SEED + 100_000  # of the episodes played with the clock stopped
CONFIRM_EPISODES = 5000


@dataclass(frozen=True)
class Criterion:
    """Criterion for having learned a task.

    Attributes:
        id: Id of the task.
        text: Criterion in words.
        measure: Function from held-out episodes to the number that counts.
        low: Smallest number that meets the criterion.
        high: Largest number that meets the criterion.
        every: Number of environment steps between evaluations.
        num_episodes: Number of episodes of an evaluation.
        hyperparameters: Hyperparameters of the training, the task's own by default.
    """

    id: str
    text: str
    measure: Callable[[Episodes], float]
    low: float = -np.inf
    high: float = np.inf
    every: int = 100_000
    num_episodes: int = 300
    hyperparameters: Hyperparameters = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Look up the hyperparameters of the task where none are given."""
        if self.hyperparameters is None:
            object.__setattr__(self, "hyperparameters", hyperparameters_for(self.id))

    def met(self, value: float) -> bool:
        """Return whether a value meets the criterion."""
        return self.low <= value <= self.high


def worst_after_first(episodes: Episodes) -> float:
    """Return the smallest of Harlow's accuracies at trials 2 to 6."""
    return float(np.min(accuracy_by_trial(episodes.trials)[1:]))  # NaN if one was never reached


CRITERIA = {
    "two-step": Criterion(
        TWO_STEP,
        "reward per trial at least 0.67",
        lambda episodes: float(episodes.trials["trial_reward"].mean()),
        low=0.67,
        hyperparameters=replace(
            hyperparameters_for(TWO_STEP), n_steps=100, whole_episodes=False, learning_rate=8e-3
        ),
    ),
    "harlow": Criterion(
        "neurotasks/Harlow-v0",
        "correct at each of trials 2 to 6 at least 0.95, test objects",
        worst_after_first,
        low=0.95,
        hyperparameters=replace(
            hyperparameters_for("neurotasks/Harlow-v0"), learning_rate=5e-3, total_steps=1_500_000
        ),
    ),
    "bandits": Criterion(
        BANDIT,
        f"regret after 100 trials below Thompson's {THOMPSON_REGRET}, independent arms",
        lambda episodes: float(mean_regret(episodes.trials).iloc[-1]),
        high=float(np.nextafter(THOMPSON_REGRET, 0)),
        every=400_000,
        num_episodes=5000,  # the regret of 1000 is known to 0.13 only
        hyperparameters=replace(hyperparameters_for(BANDIT), total_steps=2_000_000),
    ),
}


@dataclass(frozen=True)
class Reached:
    """Outcome of the training of one seed.

    Attributes:
        seed: Seed of the training.
        met: Whether the criterion was met at an evaluation; otherwise all steps were done.
        seconds: Time from the start of the process: imports, compilation, training, evaluations.
        evaluation_seconds: Part of it that the evaluations took.
        steps: Number of environment steps.
        value: Value at the last evaluation.
        confirmed: Value of other held-out episodes, played with the clock stopped, because the
            first value to meet a criterion may be a lucky one.
    """

    seed: int
    met: bool
    seconds: float
    evaluation_seconds: float
    steps: int
    value: float
    confirmed: float


@dataclass(frozen=True)
class TimeToCriterion:
    """The time to a criterion over seeds.

    Attributes:
        program: Name of the program.
        task: Id of the task.
        criterion: Criterion in words.
        num_envs: Number of sub-environments.
        units: Number of LSTM units.
        threads: Number of cores used.
        seconds: Median, min and max of the time over seeds; None for a criterion never met.
        steps: Median, min and max of the number of environment steps, likewise.
        rounds: Number of seeds.
        seeds: Outcomes of the seeds.
    """

    program: str
    task: str
    criterion: str
    num_envs: int
    units: int
    threads: int
    seconds: dict[str, float | None]
    steps: dict[str, float | None]
    rounds: int
    seeds: list[Reached]


def benchmark_criterion(
    out: str | Path, rounds: int = 5, names: tuple[str, ...] = tuple(CRITERIA)
) -> list[TimeToCriterion]:
    """Time trainings from a fresh process until they meet a criterion.

    Args:
        out: Directory for ``criterion.json`` and ``criterion.png``.
        rounds: Number of seeds, 0, 1, 2 ..., of each task.
        names: Keys of `CRITERIA`.

    Returns:
        A row for each task.

    Raises:
        PeerError: If a process fails.
    """
    found: dict[str, list[Reached]] = {name: [] for name in names}
    for seed in range(rounds):
        for name in names:
            found[name].append(in_fresh_process(name, seed))
    rows = [over_seeds(CRITERIA[name], seeds) for name, seeds in found.items()]
    write("criterion", rows, figure(rows), out)
    return rows


def in_fresh_process(name: str, seed: int) -> Reached:
    """Train one seed in a process of its own, on one core, and time it from its start.

    Raises:
        PeerError: If it fails.
    """
    command = [sys.executable, "-m", "neurotasks_baselines.benchmarks.criterion", name, str(seed)]
    with limited_to_cores(1):
        started = time.time()  # the one clock that processes share
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which ends the other
        ) as process:
            try:
                written = process.stdout.read()  # type: ignore[union-attr]
            except BaseException:
                process.kill()
                raise
    if process.returncode:
        raise PeerError(
            f"{' '.join(command)} ended with code {process.returncode}; what it wrote is above."
        )
    fields = json.loads(written.splitlines()[-1])
    return Reached(seconds=fields.pop("stopped") - started, **fields)


def over_seeds(criterion: Criterion, seeds: list[Reached]) -> TimeToCriterion:
    """Return the row of a task; the time to a criterion that was not met is infinite."""

    def summary(values: list[float]) -> dict[str, float | None]:
        ends = zip(values, seeds, strict=True)
        found = asdict(Summary.of(value if seed.met else np.inf for value, seed in ends))
        return {name: value if np.isfinite(value) else None for name, value in found.items()}

    hyperparameters = criterion.hyperparameters
    return TimeToCriterion(
        program=FUSED,
        task=criterion.id,
        criterion=criterion.text,
        num_envs=hyperparameters.num_envs,
        units=hyperparameters.units,
        threads=1,
        seconds=summary([s.seconds for s in seeds]),
        steps=summary([s.steps for s in seeds]),
        rounds=len(seeds),
        seeds=seeds,
    )


class StopWhenMet(BaseCallback):
    """Plays held-out episodes now and then; ends the training when they meet a criterion."""

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion
        self.met, self.value, self.seconds, self.last = False, float("nan"), 0.0, 0

    def _on_training_start(self) -> None:
        self.envs = held_out_envs(self.criterion.id, {}, self.criterion.num_episodes)

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self.last + self.criterion.every:
            self.evaluate()

    def _on_training_end(self) -> None:
        if not self.met:
            self.evaluate()

    def evaluate(self) -> None:
        """Play and measure."""
        started = time.perf_counter()
        model: Any = self.model
        self.last = self.num_timesteps
        self.value = self.criterion.measure(run_episodes(model, self.envs, seed=TEST_SEED))
        self.met = self.criterion.met(self.value)
        self.seconds += time.perf_counter() - started

    def _on_step(self) -> bool:
        return not self.met


def run(criterion: Criterion, seed: int) -> dict[str, Any]:
    """Train until the criterion is met.

    Args:
        criterion: Criterion to reach.
        seed: Seed of the training.

    Returns:
        The fields of a `Reached`; instead of its ``seconds``, ``stopped``, the time of the clock.
    """
    hyperparameters = criterion.hyperparameters
    model = build(criterion.id, hyperparameters=hyperparameters, seed=seed)
    stop = StopWhenMet(criterion)
    model.learn(hyperparameters.total_steps, stop)
    stopped = time.time()
    envs = held_out_envs(criterion.id, {}, CONFIRM_EPISODES)
    return {
        "seed": seed,
        "met": stop.met,
        "stopped": stopped,
        "evaluation_seconds": round(stop.seconds, 3),
        "steps": stop.last,
        "value": stop.value,
        "confirmed": criterion.measure(run_episodes(model, envs, seed=CONFIRM_SEED)),
    }


def figure(rows: list[TimeToCriterion]) -> Any:
    """Draw the seconds of every seed; open circles did not meet the criterion."""
    with style():
        fig, axes = new_figure(1, width=6, height=0.8 + 0.5 * len(rows))
        for place, row in enumerate(rows):
            for seed in row.seeds:
                filled = OURS if seed.met else "none"
                axes[0].plot(seed.seconds, place, "o", mec=OURS, mfc=filled)
        axes[0].set_yticks(range(len(rows)), [row.task.partition("/")[2] for row in rows])
        axes[0].set(xlabel="seconds from a fresh process to the criterion", xlim=(0, None))
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
    return fig


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def main(name: str, seed: str) -> None:
    """Entry point of the process of one seed, which ends with the one that started it."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    sys.stdout.write(json.dumps(run(CRITERIA[name], int(seed))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
