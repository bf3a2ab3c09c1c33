"""Training steps per second, beside stock sb3-contrib and a pure-JAX PPO.

``python -m neurotasks_baselines.benchmarks.train JSON`` is one of our programs in a process of its
own, see `neurotasks_baselines.benchmarks.harness.Worker`; the JSON holds the fields of a `Setup`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.vec_env import make_vec_env
from neurotasks_baselines.benchmarks.harness import (
    Entry,
    Speed,
    Worker,
    available_cores,
    bars,
    for_a_while,
    peer_script,
    race,
    serve,
    side_by_side,
    write,
)

BANDIT, TWO_STEP = "neurotasks/Bandit-v0", "neurotasks/TwoStep-v0"
OURS, STOCK, DUMMY = "FusedRecurrentPPO", "RecurrentPPO", "RecurrentPPO, DummyVecEnv"
LIMIT, PAIR = "arithmetic limit", "FusedRecurrentPPO, two seeds side by side"
UNITS, EPOCHS, MINIBATCHES = 48, 4, 4
TURN_SECONDS = 1.0
SIDE = 2048  # of the square matrices whose product is the arithmetic limit
COMMAND = [sys.executable, "-m", "neurotasks_baselines.benchmarks.train"]

# Of each peer: program, task and lanes.
PEERS = {"gymnax": [("pure-JAX PPO, gymnax", "BernoulliBandit-misc", n) for n in (64, 128)]}


@dataclass(frozen=True)
class Setup:
    """What a training runs: one LSTM for actor and critic, linear heads, 4 epochs, 4 minibatches.

    Attributes:
        program: `OURS`, `STOCK` or `DUMMY`.
        task: its id.
        lanes: side by side.
        hidden: LSTM units.
        steps: of a rollout.
        trials: of an episode; None for the task's own.
        seed: of everything.
    """

    program: str = OURS
    task: str = BANDIT
    lanes: int = 64
    hidden: int = UNITS
    steps: int = 200
    trials: int | None = None
    seed: int = 0

    def build(self) -> RecurrentPPO:
        """Return the agent, untrained."""
        kwargs: dict[str, Any] = {} if self.trials is None else {"trials": self.trials}
        shape: Any = {"n_steps": self.steps, "n_epochs": EPOCHS, "seed": self.seed}
        shape["batch_size"] = max(self.lanes // MINIBATCHES, 1) * self.steps
        policy: dict[str, Any] = {"lstm_hidden_size": self.hidden}
        if self.program == OURS:
            env = make_vec_env(self.task, self.lanes, task_kwargs=kwargs)
            return FusedRecurrentPPO("FusedLstmPolicy", env, policy_kwargs=policy, **shape)
        policy |= {"shared_lstm": True, "enable_critic_lstm": False, "net_arch": []}
        stepped: VecEnv = (
            DummyVecEnv([lambda: gym.make(self.task, **kwargs)] * self.lanes)
            if self.program == DUMMY
            else make_vec_env(self.task, self.lanes, task_kwargs=kwargs)
        )
        return RecurrentPPO("MlpLstmPolicy", stepped, policy_kwargs=policy, **shape)

    def learner(self, folder: str) -> Callable[[], int]:
        """Return a function that trains for two rollouts, as users do, and says the steps.

        Args:
            folder: for checkpoints and TensorBoard, both of which are on.
        """
        model = self.build()
        model.set_logger(configure(folder, ["tensorboard"]))
        callback = CheckpointCallback(1_000_000, folder)
        steps = 2 * self.lanes * self.steps

        def learn() -> int:
            model.learn(steps, callback, reset_num_timesteps=False)
            return steps

        return learn

    def worker(self) -> Worker:
        """Return the training as a process of its own."""
        return Worker(COMMAND, asdict(self))


def benchmark_train(
    out: str | Path, rounds: int = 5, peers: Mapping[str, str] | None = None
) -> list[Speed]:
    """Time trainings through the public classes, with callbacks and TensorBoard.

    Ours at 64 and 128 lanes, and two seeds side by side on two cores; sb3-contrib's
    ``RecurrentPPO`` on the same environment, and on ``DummyVecEnv`` as most users run it. The
    arithmetic limit is the speed of a large matrix product, see `limit`.

    Args:
        out: directory for ``train.json`` and ``train.png``.
        rounds: turns of each program, a second each.
        peers: Python interpreters by peer, of environments made as the peers' scripts say.

    Returns:
        The speeds.

    Raises:
        PeerError: if a peer is unknown or does not run.
    """
    with ExitStack() as stack:
        entries: list[Entry] = []

        def add(setup: Setup) -> None:
            worker = stack.enter_context(setup.worker())
            entries.append(Entry(setup.program, setup.task, setup.lanes, worker, setup.hidden))

        for task in (BANDIT, TWO_STEP):
            entries.append(limit(task, UNITS))
            for program, lanes in ((OURS, 64), (OURS, 128), (STOCK, 64), (DUMMY, 64)):
                add(Setup(program, task, lanes))
        if available_cores() > 1:
            setups = [Setup(lanes=128, seed=seed) for seed in (1, 2)]
            workers = [stack.enter_context(setup.worker()) for setup in setups]
            pair = side_by_side(workers)
            entries.append(Entry(PAIR, BANDIT, 128, pair, UNITS, threads=2))
        for peer, python in (peers or {}).items():
            script = peer_script(peer, "train")
            for program, task, lanes in PEERS[peer]:
                told = {"lanes": lanes, "steps": 200, "hidden": UNITS}
                told |= {"epochs": EPOCHS, "minibatches": MINIBATCHES}
                worker = stack.enter_context(Worker([python, str(script)], told))
                entries.append(Entry(program, task, lanes, worker, UNITS))
        rows = race(entries, rounds)
    write("train", rows, bars(rows, (OURS, PAIR)), out)
    return rows


def limit(task: str, hidden: int) -> Entry:
    """Return the program that does a training's arithmetic as large matrix products, on one core.

    Its environment steps are those whose arithmetic it has done.
    """
    matrix = th.rand(SIDE, SIDE)
    result = th.empty_like(matrix)
    steps_a_product = 2 * SIDE**3 / flop_per_step(task, hidden)

    def multiply() -> int:
        th.set_num_threads(1)
        th.mm(matrix, matrix, out=result)
        return round(steps_a_product)

    return Entry(LIMIT, task, 0, for_a_while(multiply), hidden)


def flop_per_step(task: str, hidden: int) -> int:
    """Return the floating-point operations of the matrix products that an environment step costs.

    One pass forward when it is played, and in each epoch one forward and two, one for the
    weights and one for the inputs, backward.

    Args:
        task: its id; width of observations and number of actions count.
        hidden: LSTM units.
    """
    env: Any = gym.make(task)
    width, actions = env.observation_space.shape[0], int(env.action_space.n)
    forward = 2 * (4 * hidden * (width + hidden) + hidden * (actions + 1))
    return forward * (1 + 3 * EPOCHS)


def main(configuration: str) -> None:
    """Be a worker."""
    th.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        learn = Setup(**json.loads(configuration)).learner(folder)
        serve(for_a_while(learn, TURN_SECONDS))


if __name__ == "__main__":
    main(sys.argv[1])
