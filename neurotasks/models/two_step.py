"""Models of the two-step task, with a choice at the second stage (Daw 2011) or without.

At the second stage all of them but `CHOICE_KERNEL` choose alike, by values that a delta rule
learns: what tells them apart is the first stage.
"""

from __future__ import annotations

from typing import Any

from neurotasks.core.rules import rule
from neurotasks.models.model import Model, positive, rate, real
from neurotasks.models.rules import larger, ratio, softmax

NO_CUE = 4  # index of the cue before the first trial
Q2: dict[str, tuple[int | str, ...]] = {"q2": (2, "second_options"), "last": ()}

P_COMMON = rate("p_common", "probability of a common transition, as the model takes it")
STAY = real("p", "perseveration: value of repeating the last first-stage choice")
BETA_1 = positive("beta1", "inverse temperature at the first stage")
BETA_2 = positive("beta2", "inverse temperature at the second stage")
ALPHA_1 = rate("alpha1", "learning rate at the first stage")
ALPHA_2 = rate("alpha2", "learning rate at the second stage")


@rule
def begin_second(state: Any) -> None:
    """Begin with values of 0, and no last choice."""
    state.q2[:] = 0
    state.last = -1


@rule
def choose_second(state: Any, p: Any, trial: Any, out: Any) -> None:
    """Choose by the values of the options of the second-stage state."""
    for option in range(len(out)):
        out[option] = p.beta2 * state.q2[trial.second_state, option]
    softmax(out)


@rule
def learn_second(state: Any, p: Any, trial: Any) -> None:
    """Move the value of the second-stage option towards the reward, and note the choice."""
    place, option = trial.second_state, trial.second_choice
    state.q2[place, option] += p.alpha2 * (trial.reward - state.q2[place, option])
    state.last = trial.choice


@rule
def choose_first(state: Any, p: Any, out: Any) -> None:
    """Turn the values of the first-stage options into probabilities, with perseveration."""
    for side in range(2):
        out[side] = p.beta1 * (out[side] + (p.p if state.last.real == side else 0 * p.p))
    softmax(out)


@rule
def best(values: Any) -> Any:
    """Return the largest of some values."""
    found = values[0]
    for i in range(1, len(values)):
        found = larger(values[i], found)
    return found


@rule
def begin_hybrid(state: Any, p: Any) -> None:
    """All values are 0."""
    begin_second(state)
    state.q1[:] = 0


@rule
def choose_hybrid(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Weigh the values of both systems."""
    if stage == 1:
        choose_second(state, p, trial, out)
        return
    best_0, best_1 = best(state.q2[0]), best(state.q2[1])
    for side in range(2):
        likely, unlikely = (best_1, best_0) if side == 1 else (best_0, best_1)
        planned = p.p_common * likely + (1 - p.p_common) * unlikely
        out[side] = p.w * planned + (1 - p.w) * state.q1[side]
    choose_first(state, p, out)


@rule
def learn_hybrid(state: Any, p: Any, trial: Any) -> None:
    """Learn by SARSA(lambda)."""
    reached = state.q2[trial.second_state, trial.second_choice]
    arrival, outcome = reached - state.q1[trial.choice], trial.reward - reached
    state.q1[trial.choice] += p.alpha1 * (arrival + p.lambda_ * outcome)
    learn_second(state, p, trial)


HYBRID = Model(
    name="hybrid",
    parameters=(
        rate("w", "weight of the model-based values; the model-free ones have 1 - w"),
        ALPHA_1,
        ALPHA_2,
        rate("lambda_", "how much of the outcome's RPE reaches the first stage directly"),
        BETA_1,
        BETA_2,
        STAY,
        P_COMMON,
    ),
    state={"q1": (2,), **Q2},
    begin=begin_hybrid,
    probabilities=choose_hybrid,
    learn=learn_hybrid,
    second_options=2,
    first_only=("w", "alpha1", "lambda_", "beta1", "p", "p_common"),
    second_only=("beta2",),
    fixed={"p_common": 0.7},
)
"""Model-based and model-free values, weighed (Daw et al. 2011, Neuron 69:1204)."""

SARSA = HYBRID.fixing("SARSA(lambda)", w=0.0)
"""The model-free part of the hybrid."""

MODEL_BASED = HYBRID.fixing("model-based", w=1.0, alpha1=0.0, lambda_=0.0)
"""The model-based part of the hybrid."""


@rule
def begin_latent(state: Any, p: Any) -> None:
    """Either state may be the better one."""
    begin_second(state)
    state.belief = 0.5


@rule
def choose_latent(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose by the reward expected under the belief, or lapse."""
    if stage == 1:
        choose_second(state, p, trial, out)
        return
    lead = (2 * p.p_common - 1) * (2 * p.p_reward - 1) * (state.belief - 0.5)
    out[0], out[1] = -lead, lead
    choose_first(state, p, out)
    for side in range(2):
        out[side] = p.lapse / 2 + (1 - p.lapse) * out[side]


@rule
def learn_latent(state: Any, p: Any, trial: Any) -> None:
    """Apply Bayes' rule to the outcome, then allow for a reversal."""
    speaks_for_1 = (trial.reward > 0) == (trial.second_state == 1)
    like_1 = p.p_reward if speaks_for_1 else 1 - p.p_reward
    joint_1, joint_0 = state.belief * like_1, (1 - state.belief) * (1 - like_1)
    posterior = ratio(joint_1, joint_1 + joint_0)
    state.belief = posterior + p.p_reversal * (1 - 2 * posterior)
    learn_second(state, p, trial)


LATENT_STATE = Model(
    name="latent-state",
    parameters=(
        rate("p_reward", "reward probability of the better state", 0.5, 0.999),
        rate("p_reversal", "probability that the better state changes after a trial", 0.0, 0.5),
        rate("lapse", "probability of a first-stage choice at random"),
        ALPHA_2,
        BETA_1,
        BETA_2,
        STAY,
        P_COMMON,
    ),
    state={"belief": (), **Q2},
    begin=begin_latent,
    probabilities=choose_latent,
    learn=learn_latent,
    second_options=2,
    first_only=("p_reward", "p_reversal", "lapse", "beta1", "p", "p_common"),
    second_only=("alpha2", "beta2"),
    fixed={"p_common": 0.7},
)
"""Infers which second-stage state is the better one (Akam et al. 2015, PLoS Comput. Biol.
11:e1004648); the softmax, lapse and perseveration are ours."""


@rule
def begin_cue(state: Any, p: Any) -> None:
    """All values are 0, and there has been no outcome."""
    begin_second(state)
    state.q1[:] = 0
    state.cue = NO_CUE


@rule
def choose_cue(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose by the values that follow on the last trial's state and outcome."""
    if stage == 1:
        choose_second(state, p, trial, out)
        return
    for side in range(2):
        out[side] = state.q1[int(state.cue.real), side]
    choose_first(state, p, out)


@rule
def learn_cue(state: Any, p: Any, trial: Any) -> None:
    """Move the value of the choice, given the cue, towards the reward; then note the new cue."""
    cue = int(state.cue.real)
    state.q1[cue, trial.choice] += p.alpha1 * (trial.reward - state.q1[cue, trial.choice])
    state.cue = 2 * trial.second_state + (1 if trial.reward > 0 else 0)
    learn_second(state, p, trial)


REWARD_AS_CUE = Model(
    name="reward-as-cue",
    parameters=(ALPHA_1, ALPHA_2, BETA_1, BETA_2, STAY),
    state={"q1": (NO_CUE + 1, 2), "cue": (), **Q2},
    begin=begin_cue,
    probabilities=choose_cue,
    learn=learn_cue,
    second_options=2,
    first_only=("alpha1", "beta1", "p"),
    second_only=("alpha2", "beta2"),
)
"""Learns model-free what to choose after each state and outcome of the trial before (Akam et al.
2015); the perseveration is ours."""


@rule
def begin_kernel(state: Any, p: Any) -> None:
    """Nothing has been chosen."""
    state.k1[:] = 0
    state.k2[:] = 0


@rule
def choose_kernel(state: Any, p: Any, trial: Any, stage: int, out: Any) -> None:
    """Choose what was chosen of late."""
    for option in range(len(out)):
        if stage == 0:
            out[option] = p.beta1 * state.k1[option]
        else:
            out[option] = p.beta2 * state.k2[trial.second_state, option]
    softmax(out)


@rule
def learn_kernel(state: Any, p: Any, trial: Any) -> None:
    """Move the kernels towards the choices."""
    for side in range(2):
        state.k1[side] += p.alpha1 * ((1 if side == trial.choice else 0) - state.k1[side])
    kernel = state.k2[trial.second_state]
    for option in range(len(kernel)):
        kernel[option] += p.alpha2 * ((1 if option == trial.second_choice else 0) - kernel[option])


CHOICE_KERNEL = Model(
    name="choice kernel",
    parameters=(
        ALPHA_1._replace(doc="rate at which the first-stage kernel moves"),
        ALPHA_2._replace(doc="rate at which the second-stage kernels move"),
        BETA_1,
        BETA_2,
    ),
    state={"k1": (2,), "k2": (2, "second_options")},
    begin=begin_kernel,
    probabilities=choose_kernel,
    learn=learn_kernel,
    second_options=2,
    first_only=("alpha1", "beta1"),
    second_only=("alpha2", "beta2"),
)
"""Repeats choices, whatever they brought (Wilson & Collins 2019, eLife 8:e49547)."""

MODELS = (HYBRID, SARSA, MODEL_BASED, LATENT_STATE, REWARD_AS_CUE, CHOICE_KERNEL)
"""The models that are compared on a two-step task."""
