"""The training settings of every task, in one table.

They were chosen by hand on seeds from 1001 up, one to four for each setting, never on the seeds
0, 1, 2 ... that are reported. Two-step: shared and separate trunk, 8 and 16 columns, learning rates
2e-3, 3e-3 and 5e-3, constant or falling to a tenth. Harlow: learning rate 7e-4 constant and 1.5e-3
falling to 0; the trunk (separate of 128 units, shared of 64 and of 128) was chosen on one run each
with the lanes seeded 1 to 64, which reported seed 0 has too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from stable_baselines3.common.utils import LinearSchedule

from baselines.errors import UnknownExperimentError
from baselines.policies import Trunk


@dataclass(frozen=True)
class Hyperparameters:
    """How an agent is built and trained.

    Attributes:
        total_steps: environment steps of a training, over all lanes.
        num_envs: lanes.
        n_steps: steps of a rollout on each lane.
        columns: columns (lanes) in a minibatch.
        n_epochs: passes over each rollout.
        whole_episodes: whether a rollout is one episode on each lane.
        learning_rate: Adam's step size at the start.
        learning_rate_end: and at the end, falling linearly; the same by default.
        gamma: discount a step.
        gae_lambda: of the advantages and of the critic's target.
        ent_coef: weight of the entropy at the start.
        ent_coef_end: and at the end, falling linearly; the same by default.
        vf_coef: weight of the value loss.
        units: LSTM units.
        trunk: whether actor and critic share the LSTM.
    """

    total_steps: int
    num_envs: int = 64
    n_steps: int = 200
    columns: int = 16
    n_epochs: int = 4
    whole_episodes: bool = True
    learning_rate: float = 2e-3
    learning_rate_end: float | None = None
    gamma: float = 0.9
    gae_lambda: float = 0.95
    ent_coef: float = 0.05
    ent_coef_end: float | None = None
    vf_coef: float = 0.5
    units: int = 48
    trunk: Trunk = "shared"

    def keywords(self) -> dict[str, Any]:
        """Return the keywords of `FusedRecurrentPPO`."""
        return {
            "n_steps": self.n_steps,
            "batch_size": self.n_steps * self.columns,
            "n_epochs": self.n_epochs,
            "whole_episodes": self.whole_episodes,
            "learning_rate": _linear(self.learning_rate, self.learning_rate_end),
            "gamma": self.gamma,
            "gae_lambda": self.gae_lambda,
            "ent_coef": _linear(self.ent_coef, self.ent_coef_end),
            "vf_coef": self.vf_coef,
            "policy_kwargs": {"trunk": self.trunk, "lstm_hidden_size": self.units},
        }

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a plain dict."""
        return asdict(self)


def _linear(start: float, end: float | None) -> float | LinearSchedule:
    return start if end is None else LinearSchedule(start, end, 1.0)


_TWO_STEP = Hyperparameters(
    total_steps=3_000_000,
    n_steps=300,
    columns=8,
    learning_rate=5e-3,
    learning_rate_end=5e-4,
    ent_coef=0.05,
    ent_coef_end=0.0,
)

TABLE = {
    "neurotasks/TwoStep-v0": _TWO_STEP,
    "neurotasks/TwoStep2016-v0": replace(_TWO_STEP, n_steps=200),
    "neurotasks/Harlow-v0": Hyperparameters(
        total_steps=3_500_000,
        n_steps=256,
        columns=8,
        whole_episodes=False,
        learning_rate=1.5e-3,
        learning_rate_end=0.0,
        gamma=0.95,
        ent_coef=0.01,
        units=64,
    ),
}


def settings_for(id: str) -> Hyperparameters:
    """Return the settings of a task.

    Args:
        id: the task's id.

    Returns:
        Its entry in `TABLE`.

    Raises:
        UnknownExperimentError: if the table has none.
    """
    if id not in TABLE:
        raise UnknownExperimentError(
            f"There are no hyperparameters for {id!r}, only for {', '.join(TABLE)}. Pass a "
            "Hyperparameters of your own."
        )
    return TABLE[id]
