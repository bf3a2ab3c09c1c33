"""The hyperparameters of PPO for every task, in one table.

They were chosen by hand on seeds from 1001 up, with one to four seeds per choice. The seeds 0, 1, 2
... were reported at that time; where they had been seen before a choice was made, it is said. The
seeds that are reported now, from 100 up, were trained when all of this was fixed.

With a shared trunk the gradient of the value at first swamps that of the policy: with separate
trunks bandits, foraging, volatility and two-step are learned in a third of the steps. Harlow and
inferred value were not learned with separate trunks, in 2 and 0.8 million steps: there the agent
must remember what pays before it can act upon it, and the value teaches the shared memory that.

Bandits: 32, 64, 128 and 256 sub-environments; learning rates of 3e-3, 4e-3 and 5e-3 falling to 3e-4
or 1e-4; discounts of 0.9, 0.95, 0.97 and 0.98; entropy coefficients of 0.02, 0.05 and 0.1 falling
to 0. With 0.05 the regret stays near 2.9 from 0.6 million steps on; with 0.1 it falls further, to
2.4 in 6 million (seeds 1001 and 1002; after seeds 0 to 4 had been seen with 0.05).

Mouse tasks, when a rollout was one episode in each sub-environment: discounts of 0.95, 0.97 and 1
(without discounting, the odour is not remembered through the trace); shared and separate trunks;
gradients clipped at 0.5 or not (clipping biased the critic by a tenth); 64 and 128 sub-environments
(with 128 there were too few updates, and values at odour onset were 9 % low; chosen after seeds 0
to 4 had been seen with 128). Since several episodes share a column, on seeds 1001 to 1003: rollouts
of 58 and 85 steps in 64 sub-environments and of 85 in 32; minibatches of 930 to 2,700 steps; 4 and
6 epochs; 1.8, 2, 2.4 and 2.8 million steps; learning rates of 4e-3 and 6e-3, falling to 6e-5 or
3e-4; biases of the forget gates of 1, 2 and 3. Fewer episodes taught less on seeds 0 to 4, which
were seen with three of these settings; learning rate, bias and number of episodes are those of
before.

Two-step: shared and separate trunks; value coefficients of 0.5, 0.05 and 0.02; 32 and 64
sub-environments; 8 and 16 columns; learning rates of 2e-3, 3e-3 and 5e-3, constant or falling to a
tenth.

TwoStepMiranda: those of the two-step task, with the first number of steps tried (seed 1001).
TwoStepDaw was not learned with them (seed 1001, 2 million steps).

Volatility: 32 and 64 sub-environments.

Harlow: learning rates of 7e-4, constant, and of 1.5e-3 and 3e-3 falling to 0 (the last ends the
plateau soonest); value coefficients of 0.1, 0.5 and 2; discounts of 0.8 and 0.95; biases of the
forget gates of 0 and 1. The trunk (separate with 128 units, shared with 64 and with 128) was chosen
on one run each, with sub-environments seeded 1 to 64.

Harlow in pictures: those of Harlow, and a length chosen after seeds 0 to 2, of which one had not
learned in 2 million steps.

SameMean: those of the mouse tasks. Its experiment has a shared trunk, so that the recurrent state
is the critic's, and the first number of steps tried.

Mouse tasks in which a lick takes time: those of the mouse tasks, with the discount at which
`neurotasks.observers.MouseObserver` plans its licks. One seed of each was tried (1001), with a
scalar critic and 1.5 million steps; 33 channels were not.

The others are the first ones tried.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, Literal, get_type_hints

import gymnasium as gym
import numpy as np
from stable_baselines3.common.utils import LinearSchedule

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks.core.env import TaskEnv
from neurotasks.core.parameters import NO_CAP, Parameters
from neurotasks_baselines.agents.buffers import CriticTarget
from neurotasks_baselines.agents.policies import Cell, CriticLoss
from neurotasks_baselines.agents.recurrent_a2c import SMALLEST_EPSILON, FusedRecurrentA2C
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import HyperparameterError, UnknownTaskError
from neurotasks_baselines.files import fits, in_words, read_table

LARGEST_ROLLOUT = 2**24  # steps over all sub-environments
RANGES: dict[str, tuple[float, float]] = {  # wide: they keep out what cannot be meant
    "total_steps": (1, 10**15),
    **dict.fromkeys(("num_envs", "columns"), (1, 2**16)),
    "n_steps": (1, LARGEST_ROLLOUT),
    "n_epochs": (1, 10**4),
    **dict.fromkeys(("learning_rate", "learning_rate_end"), (0, 10)),
    **dict.fromkeys(("gamma", "gae_lambda"), (0, 1)),
    **dict.fromkeys(("ent_coef", "ent_coef_end"), (-(10**6), 10**6)),
    "vf_coef": (0, 10**6),
    "max_grad_norm": (0, 10**9),
    "rms_prop_eps": (SMALLEST_EPSILON, 1),
    "units": (1, 2048),
    "forget_bias": (-1000, 1000),
    "channels": (1, 2047),
}


@dataclass(frozen=True)
class Hyperparameters:
    """How an agent is built and trained.

    Attributes:
        total_steps: Number of environment steps of a training, over all sub-environments.
        algorithm: ``"ppo"``, `FusedRecurrentPPO` with Adam, or ``"a2c"``, `FusedRecurrentA2C` with
            RMSProp.
        num_envs: Number of sub-environments.
        n_steps: Number of steps of a rollout in each sub-environment; by default those of the
            longest episode that the task can have with its parameters.
        columns: Number of columns of `n_steps` steps in a minibatch; with `whole_episodes`, where
            columns have other lengths, as many as hold about that many steps. A2C learns from all
            columns at once.
        n_epochs: Number of passes over each rollout; 1 with A2C.
        whole_episodes: Whether each episode is learned from as a whole, after the rollout in which
            it ends; otherwise the end of a rollout cuts it in two.
        learning_rate: Step size of the optimizer at the start.
        learning_rate_end: Step size at the end, reached linearly; as at the start by default.
        gamma: Discount per step.
        gae_lambda: Lambda of the advantages and of the critic's target.
        ent_coef: Entropy coefficient at the start.
        ent_coef_end: Entropy coefficient at the end, reached linearly; as at the start by
            default.
        vf_coef: Coefficient of the value loss, which is a squared error for a scalar critic.
        max_grad_norm: Norm at which gradients are clipped. Clipping biases what a critic learns of
            rare large rewards towards the frequent ones.
        rms_prop_eps: Epsilon of RMSProp, added to the root of the mean square, see
            `FusedRecurrentA2C`; Adam's is 1e-5.
        units: Number of recurrent units.
        trunk: ``"shared"``, one LSTM for actor and critic; ``"separate"``, one for each; or
            ``"rpe"``, where the actor's receives the RPE instead of the reward, see
            `RpeLstmPolicy`.
        cell: Type of the recurrent layers: ``"lstm"``, ``"gru"``, ``"rnn"``, or
            ``"feedforward"``, which remember nothing.
        forget_bias: Number added to the bias of the forget gates at the start; with a larger one
            the network remembers for longer.
        learned_start: Whether the state of the LSTMs at the start of an episode is learned;
            otherwise it is zero.
        channels: Number of channels of the critic; with one it is a scalar critic.
        critic_loss: Statistics that the channels learn: ``"expectile"`` or ``"quantile"``.
        critic_target: Target that they learn them from, see `ColumnRolloutBuffer.set_targets`.

    Raises:
        HyperparameterError: If a value has the wrong type or lies outside its range in `RANGES`.
    """

    total_steps: int
    num_envs: int = 64
    n_steps: int | None = None
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
    max_grad_norm: float = 0.5
    units: int = 48
    trunk: Literal["shared", "separate", "rpe"] = "shared"
    cell: Cell = "lstm"
    forget_bias: float = 0.0
    channels: int = 1
    critic_loss: CriticLoss = "expectile"
    critic_target: CriticTarget = "lambda"
    algorithm: Literal["ppo", "a2c"] = "ppo"
    rms_prop_eps: float = 1e-12
    learned_start: bool = False

    def __post_init__(self) -> None:
        """Check every field, and that they go together."""
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value := value.item())
            low, high = RANGES.get(name, (-inf, inf))
            numeric = isinstance(value, (int, float))
            if not fits(value, kind) or (numeric and not low <= value <= high):
                what = in_words(kind) + (f" in {low:,} to {high:,}" if name in RANGES else "")
                raise HyperparameterError(f"{name} must be {what}; got {reprlib.repr(value)}.")
        if self.algorithm == "a2c" and self.n_epochs != 1:
            raise HyperparameterError(
                "n_epochs must be 1 with algorithm='a2c', whose gradient is that of the policy "
                f"that acted; got {self.n_epochs}. Set it to 1, or choose 'ppo'."
            )
        if self.learned_start and self.cell != "lstm":
            raise HyperparameterError(
                f"learned_start must be False with cell={self.cell!r}, which starts at zero; got "
                "True. Leave it out, or choose 'lstm'."
            )

    def rollout_steps(self, parameters: Parameters) -> int:
        """Return the number of steps of a rollout in each sub-environment.

        Args:
            parameters: Parameters of the task.

        Raises:
            HyperparameterError: If `n_steps` is None and the task has no longest episode, or if
                rollouts have more than 16,777,216 steps.
        """
        longest = parameters.longest_episode
        n_steps = longest if self.n_steps is None else self.n_steps
        if n_steps == NO_CAP:
            raise HyperparameterError(
                "n_steps must be given for a task without a longest episode; got None. Define "
                f"longest_episode in {type(parameters).__name__}, or pass an n_steps."
            )
        if n_steps * self.num_envs > LARGEST_ROLLOUT:
            raise HyperparameterError(
                f"n_steps * num_envs must be at most {LARGEST_ROLLOUT:,}; got {n_steps:,} * "
                f"{self.num_envs:,}. Use fewer."
            )
        return n_steps

    @property
    def agent_class(self) -> type[FusedRecurrentPPO]:
        """The class of the agent."""
        return FusedRecurrentA2C if self.algorithm == "a2c" else FusedRecurrentPPO

    def agent_kwargs(self, parameters: Parameters) -> dict[str, Any]:
        """Return the keywords of the `agent_class` for a task with these parameters."""
        n_steps = self.rollout_steps(parameters)
        of_ppo = {"batch_size": n_steps * self.columns, "n_epochs": self.n_epochs}
        of_a2c = {"rms_prop_eps": self.rms_prop_eps}
        of_trunk = {"gamma": self.gamma} if self.trunk == "rpe" else {"trunk": self.trunk}
        return {
            "policy": "RpeLstmPolicy" if self.trunk == "rpe" else "FusedLstmPolicy",
            "n_steps": n_steps,
            **(of_a2c if self.algorithm == "a2c" else of_ppo),
            "whole_episodes": self.whole_episodes,
            "learning_rate": _linear(self.learning_rate, self.learning_rate_end),
            "gamma": self.gamma,
            "gae_lambda": self.gae_lambda,
            "ent_coef": _linear(self.ent_coef, self.ent_coef_end),
            "vf_coef": self.vf_coef,
            "max_grad_norm": self.max_grad_norm,
            "critic_target": self.critic_target,
            "policy_kwargs": {
                **of_trunk,
                "lstm_hidden_size": self.units,
                "cell": self.cell,
                "forget_bias": self.forget_bias,
                "learned_start": self.learned_start,
                "channels": self.channels,
                "critic_loss": self.critic_loss,
            },
        }

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a plain dict."""
        return asdict(self)


def _linear(start: float, end: float | None) -> float | LinearSchedule:
    return start if end is None else LinearSchedule(start, end, 1.0)


_BANDIT = Hyperparameters(
    total_steps=2_000_000,
    columns=8,
    learning_rate=5e-3,
    learning_rate_end=1e-4,
    gamma=0.9,
    ent_coef=0.05,
    ent_coef_end=0.0,
    trunk="separate",
)

_TWO_STEP = replace(_BANDIT, total_steps=1_500_000, num_envs=32, learning_rate_end=5e-4)

_FORAGING = replace(_BANDIT, total_steps=3_000_000, learning_rate=3e-3, learning_rate_end=3e-4)

_HARLOW = Hyperparameters(
    total_steps=2_500_000,
    n_steps=256,
    columns=8,
    whole_episodes=False,
    learning_rate=3e-3,
    learning_rate_end=0.0,
    gamma=0.95,
    ent_coef=0.01,
    units=64,
)

_MOUSE = Hyperparameters(
    total_steps=2_800_000,
    num_envs=64,
    n_steps=60,
    columns=32,
    n_epochs=6,
    learning_rate=4e-3,
    learning_rate_end=6e-5,
    gamma=0.97,
    ent_coef=0.02,
    ent_coef_end=0.0,
    vf_coef=1.0,
    max_grad_norm=100.0,
    trunk="separate",
    forget_bias=1.0,
    channels=33,
    critic_target="monte-carlo",
)

_LATENCY = replace(_MOUSE, gamma=0.9)

_GENERAL = Hyperparameters(  # first ones tried
    total_steps=2_000_000,
    learning_rate=3e-3,
    learning_rate_end=3e-4,
    ent_coef_end=0.0,
    trunk="separate",
)

TABLE = {
    "neurotasks/Bandit-v0": replace(
        _BANDIT,
        total_steps=6_000_000,
        num_envs=128,
        columns=16,
        learning_rate=4e-3,
        gamma=0.95,
        ent_coef=0.1,
    ),
    "neurotasks/BanditUniform-v0": replace(_BANDIT, total_steps=1_000_000),
    "neurotasks/Foraging-v0": _FORAGING,
    "neurotasks/Volatility-v0": replace(_FORAGING, total_steps=1_500_000, num_envs=32, gamma=0.5),
    "neurotasks/InferredValue-v0": Hyperparameters(
        total_steps=1_500_000,
        num_envs=32,
        n_steps=100,
        columns=8,
        n_epochs=8,
        whole_episodes=False,
        learning_rate=3e-3,
        learning_rate_end=3e-4,
        gamma=0.9,
        ent_coef=0.02,
        ent_coef_end=0.0,
    ),
    "neurotasks/RiskyChoice-v0": Hyperparameters(
        total_steps=2_000_000,
        num_envs=128,
        columns=32,
        learning_rate=2e-3,
        learning_rate_end=2e-4,
        gamma=0.75,
        ent_coef=0.03,
        ent_coef_end=0.0,
        vf_coef=0.1,
        trunk="rpe",
    ),
    "neurotasks/VariableReward-v0": _MOUSE,
    "neurotasks/VariableProbability-v0": _MOUSE,
    "neurotasks/VariableRewardLatency-v0": _LATENCY,
    "neurotasks/VariableProbabilityLatency-v0": _LATENCY,
    "neurotasks/SameMean-v0": _MOUSE,
    "neurotasks/TwoStep-v0": _TWO_STEP,
    "neurotasks/TwoStep2016-v0": _TWO_STEP,
    "neurotasks/TwoStepMiranda-v0": replace(_TWO_STEP, total_steps=2_000_000),
    "neurotasks/Harlow-v0": _HARLOW,
    "neurotasks/HarlowPixels-v0": replace(
        _HARLOW, total_steps=3_000_000, n_steps=128, columns=16, n_epochs=3, learning_rate=1.5e-3
    ),
}


LONGEST_DEFAULT = 1000  # steps; rollouts of longer episodes by default are parts of them


def hyperparameters_for(
    id: str, table: Mapping[str, Hyperparameters] = TABLE, general: Hyperparameters = _GENERAL
) -> Hyperparameters:
    """Return the default hyperparameters of a task.

    Args:
        id: Id of a registered task.
        table: Hyperparameters by id.
        general: Hyperparameters of any other task.

    Returns:
        The task's entry in the table; of another variant of a task in the table, that task's; of
        any other task, general ones.

    Raises:
        gymnasium.error.UnregisteredEnv: If nothing is registered under this id.
        UnknownTaskError: If the environment is none of neurotasks' tasks.
    """
    gym.spec(id)  # suggests the nearest id to a misspelt one
    if id in table:
        return table[id]
    env: Any = gym.make(id).unwrapped
    if not isinstance(env, TaskEnv):
        raise UnknownTaskError(
            f"id must be that of a task of neurotasks; got {id!r}, a {type(env).__name__}. Train "
            "other environments with FusedRecurrentPPO."
        )
    family = f"neurotasks/{env.task.name}-v0"
    if family in table and gym.make(family).unwrapped.task is env.task:  # type: ignore[attr-defined]
        return table[family]
    if env.parameters.longest_episode <= LONGEST_DEFAULT:
        return general
    return replace(general, n_steps=200, whole_episodes=False)


def changed(hyperparameters: Hyperparameters, values: Mapping[str, Any]) -> Hyperparameters:
    """Return hyperparameters with other values.

    Raises:
        HyperparameterError: If one does not exist, or a value lies outside its range.
    """
    unknown = values.keys() - hyperparameters.to_json().keys()
    if unknown:
        raise HyperparameterError(
            f"There is no hyperparameter {', '.join(map(repr, sorted(unknown)))}. The fields of "
            f"Hyperparameters are {', '.join(hyperparameters.to_json())}."
        )
    return replace(hyperparameters, **values)


def read_hyperparameters(file: Path) -> dict[str, Any]:
    """Read hyperparameters by name.

    Args:
        file: File in TOML or JSON, such as the ``best.json`` of a sweep.

    Raises:
        HyperparameterError: If it cannot be read.
    """
    try:
        return read_table(file)
    except OSError as error:
        raise HyperparameterError(
            f"{file} cannot be read ({error.strerror}). Check the path."
        ) from error
    except ValueError as error:
        raise HyperparameterError(
            f"{file} must hold hyperparameters by name, in TOML or JSON; got {error}."
        ) from error
