"""The memory of a process that trains for long; NEUROTASKS_ROLLOUTS=10000 is the promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROLLOUTS = int(os.environ.get("NEUROTASKS_ROLLOUTS", "1000"))
STATM = Path("/proc/self/statm")
TRAIN = """
import gc, sys
from pathlib import Path
from stable_baselines3.common.callbacks import BaseCallback
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.vec_env import make_vec_env

class Measure(BaseCallback):
    done = 0
    def _on_step(self):
        return True
    def _on_rollout_start(self):
        if self.done in (WARM_UP, ROLLOUTS):
            gc.collect()
            print(Path("/proc/self/statm").read_text().split()[1])
        self.done += 1

WARM_UP, ROLLOUTS, cell = 100, int(sys.argv[1]), sys.argv[2]
model = FusedRecurrentPPO(
    "FusedLstmPolicy", make_vec_env("neurotasks/Bandit-v0", 4, task_kwargs={"trials": 3}),
    n_steps=8, batch_size=16, n_epochs=1, policy_kwargs={"lstm_hidden_size": 8, "cell": cell},
)
model.learn((ROLLOUTS + 1) * 32, Measure(), log_interval=10)
"""


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from Linux's /proc")
@pytest.mark.parametrize(
    "cell",
    [pytest.param("lstm", id="compiled"), pytest.param("gru", id="torch", marks=pytest.mark.full)],
)
def test_memory_does_not_grow(cell):
    """After many rollouts it is within 2 % of that after a hundred."""
    command = [sys.executable, "-c", TRAIN, str(ROLLOUTS), cell]
    pages = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    warm, last = map(int, pages)
    assert last < 1.02 * warm
