"""Models of bandits of any number of arms."""

from __future__ import annotations

from typing import Any

from neurotasks.core.rules import rule
from neurotasks.models.model import Model, positive, rate, real
from neurotasks.models.rules import softmax


@rule
def begin_values(state: Any, p: Any) -> None:
    """All arms are worth the same, and none has been pulled."""
    state.q[:] = p.q0
    state.kernel[:] = 0


@rule
def choose_arm(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose by the values and the choice kernel, or lapse."""
    for arm in range(len(out)):
        out[arm] = p.beta * state.q[arm] + p.beta_k * state.kernel[arm]
    softmax(out)
    for arm in range(len(out)):
        out[arm] = p.lapse / len(out) + (1 - p.lapse) * out[arm]


@rule
def learn_values(state: Any, p: Any, trial: Any) -> None:
    """Move the value pulled towards the reward, let the others fade, and move the kernel."""
    for arm in range(len(state.q)):
        pulled = arm == trial.choice
        if pulled:
            rpe = trial.reward - state.q[arm]
            state.q[arm] += (p.alpha if rpe.real > 0 else p.alpha_minus) * rpe
        else:
            state.q[arm] += p.forget * (p.q0 - state.q[arm])
        state.kernel[arm] += p.alpha_k * ((1 if pulled else 0) - state.kernel[arm])


Q_LEARNING = Model(
    name="Q-learning",
    parameters=(
        rate("alpha", "learning rate for positive RPEs"),
        rate("alpha_minus", "learning rate for negative RPEs"),
        rate("forget", "rate at which the values of the other arms return to q0"),
        positive("beta", "inverse temperature"),
        rate("alpha_k", "rate at which the choice kernel moves"),
        real("beta_k", "weight of the choice kernel; below 0 choices alternate", 30.0),
        real("q0", "value of every arm at the start of an episode"),
        rate("lapse", "probability of a pull at random"),
    ),
    state={"q": ("options",), "kernel": ("options",)},
    begin=begin_values,
    probabilities=choose_arm,
    learn=learn_values,
    fixed={"q0": 0.5, "lapse": 0.0},
)
"""All that the models below have, at once."""

RESCORLA_WAGNER = Q_LEARNING.fixing(
    "Rescorla-Wagner", alpha_minus="alpha", forget=0.0, alpha_k=0.0, beta_k=0.0
)
"""One learning rate (Rescorla & Wagner 1972; Sutton & Barto 2018, section 2.5)."""

RESCORLA_WAGNER_KERNEL = Q_LEARNING.fixing(
    "Rescorla-Wagner with choice kernel", alpha_minus="alpha", forget=0.0
)
"""Values and repetition (Wilson & Collins 2019, eLife 8:e49547, model 5)."""

FORGETTING_Q = Q_LEARNING.fixing("forgetting Q", alpha_minus="alpha", alpha_k=0.0, beta_k=0.0)
"""The values of arms that are not pulled fade (Ito & Doya 2009, J. Neurosci. 29:9861)."""

ASYMMETRIC = Q_LEARNING.fixing("asymmetric rates", forget=0.0, alpha_k=0.0, beta_k=0.0)
"""Positive and negative RPEs have rates of their own (Niv et al. 2012, J. Neurosci. 32:551)."""

CHOICE_KERNEL = Q_LEARNING.fixing("choice kernel", alpha=0.0, alpha_minus=0.0, forget=0.0, beta=0.0)
"""Repeats choices, whatever they brought (Wilson & Collins 2019, model 4)."""

MODELS = (RESCORLA_WAGNER, RESCORLA_WAGNER_KERNEL, FORGETTING_Q, ASYMMETRIC, CHOICE_KERNEL)
"""The models that are compared on a bandit."""
