"""The settings of Wang et al. 2018, as published and as used here with `FusedRecurrentA2C`.

Published. The paper states, "unless otherwise noted": an advantage actor-critic; shared RMSProp; a
learning rate of 7e-4; a discount of 0.9; coefficients of 0.05 for value and entropy; 48 LSTM units
(256 in simulation 5); one LSTM for policy and value (two in simulation 6); a learned initial state
(zero in simulation 5); a single thread (32 in simulation 5); updates after 100 to 300 steps. What
is noted otherwise was not available. Discounts, learning rates and lengths of single simulations
are those of reproductions, which may be mistaken: MRVNY/IAR-Meta-RL (simulations 1, 2, 3 and 6),
mtrazzi/two-step-task (4), BKHMSI/Meta-RL-Harlow (5). For the bandits they are those of Wang et al.
2016 (arXiv 1611.05763), where learning rate and discount were searched, and the entropy coefficient
is recalled. RMSProp's epsilon of 0.1 is that of Mnih et al. 2016, where it is added under the root,
of the mean square of gradients that are sums over the steps of an update.

Used. One run each with seed 1001 and the settings below; two-step also with 1002. Mean reward per
trial of 200 held-out episodes at the end, and what else was tried, on the same seed:

Two-step: 0.701, and 0.711 with seed 1002; learned between 1.8 and 2.4 million steps in both.

Bandit: regret 2.1; with the published settings (1 sub-environment, a learning rate of 7e-4, 2
million steps) 3.5; 4 sub-environments with 1e-3 and 12 million steps, 3.7.

Foraging: 0.432; 4 sub-environments with 1e-3, entropy coefficients falling to 0 and gradients
clipped at 0.05, 2 million steps, 0.428, and with a discount of 0.9, 0.416.

Volatility: 0.704; 1 sub-environment with 7e-4, 0.697; 4 sub-environments with 1e-3, a discount of
0.5, entropy coefficients from 0.05 to 0, 2.5 million steps, 0.697. The published learning rate was
not tried.

Bandit with correlated arms: regret 1.6 with the published settings.

Inferred value: 0.49, which is all that can be had, and can be had without memory. With the
published settings the RPE at the second target is 0 after 2 million steps (within 0.01; an observer
has 0.45 and -0.45), as the critic has not learned which target pays; nor has it with 4
sub-environments and rollouts of 100 steps and value coefficients of 0.025 and 0.25 (within 0.05),
nor with 16 of them, 0.5 and a learning rate of 3e-3 in 5 million steps. With 4 of them, 0.5 and
3e-3 falling to 3e-4 it has: 0.46 and -0.44 at both kinds of targets.

Risky choice: 1.232; entropy coefficients falling to 0 in 1 million steps, 1.115.

Harlow: not learned. Accuracies of 0.46 to 0.57 in trials 1 to 6 after 1 million steps with 256
units; of 0.49 to 0.54 after 8 million with the settings below; no better after 6 million with 32
sub-environments, or after 25 million with 16 of them, rollouts of 100 steps, a constant learning
rate of 1e-3, a discount of 0.91 and entropy coefficients of 0.003. Nor is a smaller entropy
coefficient the remedy: with 0.001, and with 0.001 and a value coefficient of 0.05, fixating was
learned and choosing stayed at chance for 2.3 and 4 million steps. Of the 20 reported seeds (8
million steps) three learned it: 111, 112 and 117, with accuracies of 0.92, 0.94 and 0.85 in trials
2 to 6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for

NO_CLIPPING = 1e9


class Simulation(NamedTuple):
    """A simulation of the paper.

    Attributes:
        published: Published hyperparameters, as far as they are known.
        used: Those that its task is learned with here.
        reason: Why they differ.
    """

    published: Hyperparameters
    used: Hyperparameters
    reason: str


_TWO_STEP = Hyperparameters(
    total_steps=3_000_000,  # 10,000 episodes
    algorithm="a2c",
    num_envs=1,
    columns=1,
    n_epochs=1,
    learning_rate=7e-4,
    gamma=0.9,
    gae_lambda=1.0,
    ent_coef=0.05,
    vf_coef=0.025,  # of a squared error: the gradient of the value is weighted with 0.05
    max_grad_norm=NO_CLIPPING,
    rms_prop_eps=0.1,
    learned_start=True,
)

_BANDIT = replace(_TWO_STEP, total_steps=2_000_000, ent_coef=1.0, ent_coef_end=0.0)
_FORAGING = replace(_TWO_STEP, total_steps=2_250_000, gamma=0.75)
_VOLATILITY = replace(_BANDIT, total_steps=8_000_000, learning_rate=1e-5, gamma=0.1)
_INFERRED = replace(_TWO_STEP, total_steps=2_000_000)
_HARLOW = replace(
    _TWO_STEP,
    total_steps=320_000_000,  # 3.2 million episodes of about one update
    num_envs=32,
    columns=32,
    n_steps=100,
    whole_episodes=False,
    learning_rate=7.5e-4,
    gamma=0.91,
    ent_coef=0.001,
    vf_coef=0.2,
    units=256,
    learned_start=False,
)
_RISKY = replace(_TWO_STEP, total_steps=4_000_000, learning_rate=1e-3, gamma=0.75, trunk="rpe")

_MEANS = "Losses are means over steps here, so that RMSProp needs a smaller epsilon."
_EPSILON = 1e-12

_BANDITS = Simulation(
    _BANDIT,
    replace(
        _BANDIT,
        total_steps=6_000_000,
        num_envs=16,
        columns=16,
        learning_rate=3e-3,
        learning_rate_end=1e-4,
        ent_coef=0.3,
        rms_prop_eps=_EPSILON,
    ),
    f"{_MEANS} 16 sub-environments take half as long, and a falling learning rate ends with less "
    "regret.",
)

WANG2018 = {
    "neurotasks/Bandit-v0": _BANDITS,
    "neurotasks/BanditUniform-v0": _BANDITS,
    "neurotasks/Foraging-v0": Simulation(
        _FORAGING,
        replace(_FORAGING, total_steps=3_000_000, rms_prop_eps=_EPSILON),
        f"{_MEANS} Reward still rises after the episodes that a reproduction trained for.",
    ),
    "neurotasks/Volatility-v0": Simulation(
        _VOLATILITY,
        replace(
            _VOLATILITY,
            total_steps=4_000_000,
            num_envs=4,
            columns=4,
            learning_rate=1e-3,
            rms_prop_eps=_EPSILON,
        ),
        f"{_MEANS} With a larger learning rate half of the episodes are enough; 4 sub-environments "
        "are faster.",
    ),
    "neurotasks/InferredValue-v0": Simulation(
        _INFERRED,
        replace(
            _INFERRED,
            total_steps=5_000_000,
            num_envs=4,
            columns=4,
            n_steps=100,
            whole_episodes=False,
            learning_rate=3e-3,
            learning_rate_end=3e-4,
            gae_lambda=0.95,
            ent_coef=0.02,
            ent_coef_end=0.0,
            vf_coef=0.5,
            max_grad_norm=0.5,
            rms_prop_eps=_EPSILON,
            learned_start=False,
        ),
        f"{_MEANS} With the published settings responses are learned, but not which target pays.",
    ),
    "neurotasks/TwoStep-v0": Simulation(
        _TWO_STEP,
        replace(_TWO_STEP, total_steps=3_600_000, rms_prop_eps=_EPSILON),
        f"{_MEANS} Reward still rises a little after 10,000 episodes.",
    ),
    "neurotasks/Harlow-v0": Simulation(
        _HARLOW,
        replace(
            _HARLOW,
            total_steps=8_000_000,
            num_envs=4,
            columns=4,
            n_steps=256,
            learning_rate=3e-3,
            learning_rate_end=0.0,
            gamma=0.95,
            gae_lambda=0.95,
            ent_coef=0.01,
            vf_coef=0.5,
            max_grad_norm=0.5,
            rms_prop_eps=_EPSILON,
            units=64,
        ),
        f"{_MEANS} The task here is symbolic, and a network of the published size takes hours. "
        "Three of 20 seeds learned it.",
    ),
    "neurotasks/RiskyChoice-v0": Simulation(
        _RISKY,
        replace(_RISKY, total_steps=3_000_000, num_envs=16, rms_prop_eps=_EPSILON),
        f"{_MEANS} This network runs in torch, where 16 sub-environments are faster.",
    ),
}
_USED = {id: simulation.used for id, simulation in WANG2018.items()}


def wang2018_for(id: str) -> Hyperparameters:
    """Return hyperparameters of A2C for a task.

    Args:
        id: Id of a registered task.

    Returns:
        Those used for its simulation in `WANG2018`; of any other task, those of two-step.

    Raises:
        gymnasium.error.UnregisteredEnv: If nothing is registered under this id.
        UnknownTaskError: If the environment is none of neurotasks' tasks.
    """
    return hyperparameters_for(id, _USED, _USED["neurotasks/TwoStep-v0"])
