"""Who learns in an experiment: agents of two algorithms, and agents that lack something.

The claims are about the agents of `ALGORITHMS`. Those of `LACKING` are trained in the same way
without something that the claims are about, and a frozen agent has lost its memory after training:
all of them are foils, who must fail the claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch as th

from neurotasks_baselines.agents.policies import RpeLstmPolicy
from neurotasks_baselines.agents.recurrent import LSTM
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.training.wang2018 import wang2018_for

if TYPE_CHECKING:
    from neurotasks_baselines.experiments.base import Experiment, Training

ALGORITHMS = {
    "a2c": "A2C",
    "ppo": "PPO",
    "simulation": "simulation",  # nobody learns
    "recorded": "recorded neurons",
}
LACKING = {
    "feed-forward": "feed-forward agent",
    "no-reward-input": "agent without reward input",
    "no-action-input": "agent without action input",
}
NO_ACTION_INPUT = LACKING["no-action-input"]
FROZEN = "agent with frozen recurrent state"
FOIL_SEEDS = 5
FOIL_SEEDS_AGAIN = 2  # that play where recorded measures are shown
ENDS: dict[str, Any] = {"early": None, "evaluations": 2}  # nobody looks at how a foil learned
SHUT = -80.0  # of a gate's two biases each: the sigmoid is 0 in float32


def learners_of(experiment: Experiment) -> list[str]:
    """Return the algorithms of an experiment, the one of the headline first, then `LACKING`."""
    return [*experiment.algorithms, *(LACKING if experiment.lacking else ())]


def seeds_of(experiment: Experiment, learner: str) -> list[int]:
    """Return the seeds of a learner: all of an experiment, the first ones of agents that lack."""
    return list(experiment.seeds)[: FOIL_SEEDS if learner in LACKING else None]


def trainings_of(experiment: Experiment, learner: str) -> dict[str, Training]:
    """Return the trainings of a learner by the names of its agents."""
    return {name: changed(training, learner) for name, training in experiment.trainings.items()}


def changed(training: Training, learner: str) -> Training:
    """Return the training of a learner, given the one of PPO.

    Args:
        training: Training of PPO.
        learner: Key of `ALGORITHMS` or `LACKING`.
    """
    hyperparameters = training.hyperparameters
    if learner == "a2c":
        return replace(training, hyperparameters=wang2018_for(training.id))
    if learner == "feed-forward":
        plain = replace(hyperparameters, cell="feedforward", forget_bias=0.0)
        if plain.trunk == "rpe":  # which would tell it of the value one step ago
            plain = replace(plain, trunk="separate")
        return replace(training, hyperparameters=plain, **ENDS)
    if learner in LACKING:
        seen = "action" if learner == "no-reward-input" else "reward"
        if hyperparameters.trunk == "rpe" and seen == "action":  # there is no RPE without reward
            hyperparameters = replace(hyperparameters, trunk="separate")
        return replace(
            training,
            task_kwargs={**training.task_kwargs, "feedback": seen},
            hyperparameters=hyperparameters,
            **ENDS,
        )
    return training


@th.no_grad()
def freeze(agents: Mapping[str, FusedRecurrentPPO]) -> None:
    """Take the memory of trained agents, in place.

    Nothing of the hidden state reaches the next step, and the forget gates let nothing through: the
    recurrent state never leaves what the present observation makes of zeros. An RPE that is an
    input is that from the value of a state of zeros, as the value before is memory, too.
    """
    for agent in agents.values():
        if isinstance(agent.policy, RpeLstmPolicy):
            agent.policy.frozen = True
        for layer in (agent.policy.lstm_actor, agent.policy.lstm_critic):
            if not isinstance(layer, LSTM):
                continue
            units = layer.hidden_size
            for name, parameter in layer.named_parameters():
                if name.startswith("weight_hh"):
                    parameter.zero_()
                elif name.startswith("bias"):
                    parameter[units : 2 * units] = SHUT
