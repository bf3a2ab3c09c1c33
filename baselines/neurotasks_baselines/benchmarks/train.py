"""Training steps per second, compared with stock sb3-contrib and a pure-JAX PPO.

``python -m neurotasks_baselines.benchmarks.train JSON`` is one of our programs in a process of its
own, see `neurotasks_baselines.benchmarks.worker.Worker`; the JSON holds the fields of a `Setup`.
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
from neurotasks_baselines.benchmarks.harness import Candidate, Speed, compare, repeated
from neurotasks_baselines.benchmarks.output import bars, write
from neurotasks_baselines.benchmarks.programs import (
    BANDIT,
    DUMMY,
    FUSED,
    GYMNAX_BANDIT,
    JAX,
    LIMIT,
    PAIR,
    STOCK,
    TWO_STEP,
)
from neurotasks_baselines.benchmarks.worker import Worker, in_parallel, peer_script, serve
from neurotasks_baselines.processes import available_cores

UNITS, EPOCHS, MINIBATCHES = 48, 4, 4
SECONDS = 1.0  # shortest time of a run
SIDE = 2048  # of the square matrices whose product is the arithmetic limit
COMMAND = [sys.executable, "-m", "neurotasks_baselines.benchmarks.train"]

# Of each peer: program, task and number of sub-environments.
PEERS = {"gymnax": [(JAX, GYMNAX_BANDIT, n) for n in (64, 128)]}


@dataclass(frozen=True)
class Setup:
    """Setup of a training: one LSTM for actor and critic, linear heads, 4 epochs, 4 minibatches.

    Attributes:
        program: Name of the program, `FUSED`, `STOCK` or `DUMMY`.
        task: Id of the task.
        num_envs: Number of sub-environments.
        units: Number of LSTM units.
        n_steps: Number of steps of a rollout in each sub-environment.
        trials: Number of trials of an episode, None for the task's own.
        channels: Number of channels of the critic; of ours only.
        seed: Random seed.
    """

    program: str = FUSED
    task: str = BANDIT
    num_envs: int = 64
    units: int = UNITS
    n_steps: int = 200
    trials: int | None = None
    channels: int = 1
    seed: int = 0

    def build(self) -> RecurrentPPO:
        """Return the agent, untrained."""
        kwargs: dict[str, Any] = {} if self.trials is None else {"trials": self.trials}
        shape: Any = {"n_steps": self.n_steps, "n_epochs": EPOCHS, "seed": self.seed}
        shape["batch_size"] = max(self.num_envs // MINIBATCHES, 1) * self.n_steps
        policy: dict[str, Any] = {"lstm_hidden_size": self.units}
        if self.program == FUSED:
            policy["channels"] = self.channels
            env = make_vec_env(self.task, num_envs=self.num_envs, task_kwargs=kwargs)
            return FusedRecurrentPPO("FusedLstmPolicy", env, policy_kwargs=policy, **shape)
        policy |= {"shared_lstm": True, "enable_critic_lstm": False, "net_arch": []}
        stepped: VecEnv = (
            DummyVecEnv([lambda: gym.make(self.task, **kwargs)] * self.num_envs)
            if self.program == DUMMY
            else make_vec_env(self.task, num_envs=self.num_envs, task_kwargs=kwargs)
        )
        return RecurrentPPO("MlpLstmPolicy", stepped, policy_kwargs=policy, **shape)

    def learner(self, folder: str) -> Callable[[], int]:
        """Return a function that trains for two rollouts, as users do, and returns their steps.

        Args:
            folder: Directory for checkpoints and TensorBoard, both of which are on.
        """
        model = self.build()
        model.set_logger(configure(folder, ["tensorboard"]))
        callback = CheckpointCallback(1_000_000, folder)
        steps = 2 * self.num_envs * self.n_steps

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

    Ours with 64 and 128 sub-environments, and two seeds in parallel on two cores; sb3-contrib's
    ``RecurrentPPO`` on the same environment, and on ``DummyVecEnv`` as most users run it. The
    arithmetic limit is the speed of a large matrix product, see `limit`.

    Args:
        out: Directory for ``train.json`` and ``train.png``.
        rounds: Number of rounds; a run takes a second.
        peers: Python interpreters by peer, of environments made as the peers' scripts say.

    Returns:
        The speeds.

    Raises:
        PeerError: If a peer is unknown or does not run.
    """
    with ExitStack() as stack:

        def candidate(setup: Setup) -> Candidate:
            worker = stack.enter_context(setup.worker())
            return Candidate(setup.program, setup.task, setup.num_envs, worker, setup.units)

        candidates = []
        for task in (BANDIT, TWO_STEP):
            candidates.append(limit(task, UNITS))
            for program, n in ((FUSED, 64), (FUSED, 128), (STOCK, 64), (DUMMY, 64)):
                candidates.append(candidate(Setup(program, task, n)))
        if available_cores() > 1:
            setups = [Setup(num_envs=128, seed=seed) for seed in (1, 2)]
            workers = [stack.enter_context(setup.worker()) for setup in setups]
            pair = in_parallel(workers)
            candidates.append(Candidate(PAIR, BANDIT, 128, pair, UNITS, threads=2))
        for peer, python in (peers or {}).items():
            script = peer_script(peer, "train")
            for program, task, n in PEERS[peer]:
                configuration = {
                    "num_envs": n,
                    "n_steps": 200,
                    "units": UNITS,
                    "epochs": EPOCHS,
                    "minibatches": MINIBATCHES,
                }
                worker = stack.enter_context(Worker([python, str(script)], configuration))
                candidates.append(Candidate(program, task, n, worker, UNITS))
        rows = compare(candidates, rounds)
    write("train", rows, bars(rows, (FUSED, PAIR)), out)
    return rows


def limit(task: str, units: int) -> Candidate:
    """Return the program that does a training's arithmetic as large matrix products, on one core.

    Its environment steps are those whose arithmetic it has done.

    Args:
        task: Id of the task.
        units: Number of LSTM units.
    """
    matrix = th.rand(SIDE, SIDE)
    product = th.empty_like(matrix)
    steps_per_product = 2 * SIDE**3 / flop_per_step(task, units)

    def multiply() -> int:
        th.set_num_threads(1)
        th.mm(matrix, matrix, out=product)
        return round(steps_per_product)

    return Candidate(LIMIT, task, 0, repeated(multiply), units)


def flop_per_step(task: str, units: int) -> int:
    """Return the floating-point operations of the matrix products that an environment step costs.

    One pass forward when it is played, and in each epoch one forward and two, one for the
    weights and one for the inputs, backward.

    Args:
        task: Id of the task, for the width of its observations and its number of actions.
        units: Number of LSTM units.
    """
    env: Any = gym.make(task)
    width, actions = env.observation_space.shape[0], int(env.action_space.n)
    forward = 2 * (4 * units * (width + units) + units * (actions + 1))
    return forward * (1 + 3 * EPOCHS)


def main(configuration: str) -> None:
    """Entry point of a worker process."""
    th.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        learn = Setup(**json.loads(configuration)).learner(folder)
        serve(repeated(learn, SECONDS))


if __name__ == "__main__":
    main(sys.argv[1])
