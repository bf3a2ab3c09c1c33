"""The bandits (Wang et al. 2016, and 2018, Fig. 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import (
    Field,
    Item,
    Lane,
    Parameters,
    Task,
    chance,
    choice,
    parameter,
    probability,
    rule,
    uniform,
)
from neurotasks.errors import ParameterError
from neurotasks.rendering.frame import arm_items, paid, prompt

PROBLEMS = ("independent", "uniform", "easy", "medium", "hard", "informative", "restless")
INDEPENDENT, UNIFORM, EASY, MEDIUM, HARD, INFORMATIVE, RESTLESS = range(7)
NONE = -1

DOC = """Find the best of several arms in an episode, with one pull per trial.

## Description
Each trial is one pull of an arm. An arm pays 1 with a probability that is hidden from the subject.
`problem` says how the probabilities of an episode are drawn:

- `"independent"`: each arm's from the uniform distribution, any number of arms;
- `"uniform"`, `"easy"`, `"medium"`, `"hard"`: two correlated arms, p2 = 1 - p1, with p1 from the
  uniform distribution, or one of 0.1 and 0.9, 0.25 and 0.75, 0.4 and 0.6;
- `"informative"`: one arm, the target, pays 5 at every pull, the others 1. The last arm, which is
  never the target, pays least but reveals the target's number, counted from 1: it pays 0.1 times
  that number;
- `"restless"`: two correlated arms whose p1 takes a Gaussian step before each trial after the
  first, reflected at 0 and 1; small steps in some episodes, large ones in the others.

## Action Space
`Discrete(arms)`: the arm to pull. With two arms, 0 is left and 1 right.

## Observation Space
A float32 vector: the number of the trial, from 1, divided by the number of trials (or a constant go
cue), the one-hot previous action, the previous reward. With `reward_one_hot`, the number of the
trial is followed by a one-hot code of the last outcome (zero in the first trial): the last arm
named target 1, 2, ..., another arm paid `other_reward`, or an arm paid `target_reward`. It shows
the reward whatever `feedback` is, so turn it off to withhold the reward.

## Rewards
1 or 0; in the informative bandit 5, 1, or what the last arm pays.

## Starting State
The reward probabilities are drawn anew in each episode, and in the restless bandit the size of the
steps. Probabilities set by an option are used as given, correlated or not. `split` changes
nothing: the papers trained and tested on the same distributions.

## Episode End
Terminates after `trials` trials.

## References
- Wang et al. 2016, arXiv 1611.05763, sections 3.1.1 to 3.1.4.
- Wang et al. 2018, Nature Neuroscience 21:860, Fig. 1.

## Version History
- v0: first release.
"""

FINDING = (
    "A network trained on many bandit problems explores and exploits in a new one with frozen "
    "weights, almost as well as algorithms designed for the task; trained on correlated arms it "
    "exploits the correlation (Wang et al. 2016, section 3.1; 2018, Fig. 1)."
)


@dataclass(frozen=True)
class BanditParameters(Parameters):
    """Parameters of the bandits."""

    arms: int = parameter(2, "number of arms", "stated in the papers", low=2, high=1000)
    problem: str = choice(
        "independent", PROBLEMS, "how the reward probabilities are drawn", "stated in the papers"
    )
    trial_number: bool = parameter(
        True,
        "whether the number of the trial is seen",
        "stated in Wang 2016; the agents of 2018 did not see it",
    )
    target_reward: float = parameter(
        5.0, "what the target pays, informative bandit", "stated in Wang 2016"
    )
    other_reward: float = parameter(
        1.0, "what the other arms pay, informative bandit", "stated in Wang 2016"
    )
    index_reward: float = parameter(
        0.1,
        "what the last arm pays for each step of the target's number, informative bandit",
        "stated in Wang 2016",
        low=0.001,
    )
    reward_one_hot: bool = parameter(
        False,
        "whether the last reward is seen as a one-hot vector, informative bandit",
        "stated in Wang 2016 for the informative bandit, whose preset turns it on; its coding ours",
    )
    p_volatile: float = probability(
        0.5, "probability of an episode with large steps, restless bandit", "ours"
    )
    step_stable: float = parameter(
        0.025,
        "standard deviation of the small steps of p1, restless bandit",
        "ours, the papers' is not known; that of the walks of Daw 2011",
        low=0.0,
        high=1.0,
    )
    step_volatile: float = parameter(
        0.2,
        "standard deviation of the large steps of p1, restless bandit",
        "ours, the papers' is not known; with both, 0.5 is about the best fixed Rescorla-Wagner "
        "learning rate, as in Wang 2016",
        low=0.0,
        high=1.0,
    )

    def __post_init__(self) -> None:
        """Refuse numbers of arms and codings that the problem does not have."""
        super().__post_init__()
        if self.problem == "informative":
            if self.arms < 3:
                raise ParameterError(
                    f"arms must be at least 3 with problem='informative'; got {self.arms}. There "
                    "are a target, another arm, and the last one that names the target (paper: 11)."
                )
        elif self.problem != "independent" and self.arms != 2:
            raise ParameterError(
                f"arms must be 2 with problem={self.problem!r}: p2 = 1 - p1; got {self.arms}. "
                "Leave arms out, or choose problem='independent'."
            )
        if self.reward_one_hot and self.problem != "informative":
            raise ParameterError(
                f"reward_one_hot must be False with problem={self.problem!r}; got True. Leave it "
                "out, or choose problem='informative'."
            )

    @property
    def longest_episode(self) -> int:
        """Number of steps of every episode: one per trial."""
        return self.trials


STATE = {
    "p": Field(
        (np.float64, ("arms",)),
        "reward probability of each arm; in the informative bandit 1 for the target, else 0",
        info=True,
        column=True,
        low=0.0,
        high=1.0,
        option=True,
    ),
    "volatile": Field(
        np.bool_,
        "the steps of p are large in this episode (restless bandit)",
        info=True,
        column=True,
        option=True,
    ),
    "best_action": Field(
        np.int32,
        "arm with the highest expected reward, the first of several",
        info=True,
        low=0,
        high=lambda p: p.arms - 1,
    ),
    "choice": Field(
        np.int32, "arm pulled, -1 none", column=True, low=NONE, high=lambda p: p.arms - 1
    ),
    "regret": Field(
        np.float64,
        "expected reward of the best arm minus that of the arm pulled",
        column=True,
        low=0.0,
        high=lambda p: reward_range(p)[1] - reward_range(p)[0],
    ),
    # What a trial holds in store, drawn when it begins: the same whatever is chosen.
    "luck": Field(
        np.float64,
        "number from [0, 1): an arm pays in this trial if its p is larger",
        low=0.0,
        high=1.0,
    ),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the reward probabilities, and how large their steps are."""
    lane.volatile = False
    if p.problem == INDEPENDENT:
        for arm in range(p.arms):
            lane.p[arm] = uniform(lane)
        return
    if p.problem == INFORMATIVE:
        target = int(uniform(lane) * (p.arms - 1))
        for arm in range(p.arms):
            lane.p[arm] = arm == target
        return
    if p.problem == UNIFORM:
        first = uniform(lane)
    elif p.problem == RESTLESS:
        lane.volatile = chance(lane, p.p_volatile)
        first = uniform(lane)
    else:
        worse = 0.1 if p.problem == EASY else 0.25 if p.problem == MEDIUM else 0.4
        first = worse if chance(lane, 0.5) else 1.0 - worse
    lane.p[0] = first
    lane.p[1] = 1.0 - first


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Move the probabilities of the restless bandit, and draw which arms pay."""
    if p.problem == RESTLESS and lane.trial > 0:
        size = p.step_volatile if lane.volatile else p.step_stable
        lane.p[0] = reflected(lane.p[0] + size * gaussian(lane))
        lane.p[1] = 1.0 - lane.p[0]
    if p.problem == RESTLESS or lane.trial == 0:
        lane.best_action = 0
        for arm in range(1, p.arms):
            if value(lane, p, arm) > value(lane, p, lane.best_action):
                lane.best_action = arm
    lane.luck = uniform(lane)
    lane.choice = NONE
    lane.regret = 0.0


@rule
def gaussian(lane: Lane) -> float:
    """Draw from the standard normal distribution (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(lane)))
    return radius * math.cos(2.0 * math.pi * uniform(lane))


@rule
def reflected(x: float) -> float:
    """Return where a walker to x is who is reflected at 0 and 1."""
    while x < 0.0 or x > 1.0:
        x = -x if x < 0.0 else 2.0 - x
    return x


@rule
def target_number(lane: Lane, p: Any) -> int:
    """Return the number of the target of the informative bandit, from 1."""
    target = 0
    for arm in range(1, p.arms - 1):
        if lane.p[arm] > lane.p[target]:
            target = arm
    return target + 1


@rule
def value(lane: Lane, p: Any, arm: int) -> float:
    """Return the expected reward of an arm."""
    if p.problem == INFORMATIVE:
        if arm == p.arms - 1:
            return p.index_reward * target_number(lane, p)  # type: ignore[no-any-return]
        return p.other_reward + lane.p[arm] * (p.target_reward - p.other_reward)  # type: ignore[no-any-return]
    return lane.p[arm]  # type: ignore[no-any-return]


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Pull an arm."""
    pays = lane.luck < lane.p[action]
    if p.problem != INFORMATIVE:
        reward = 1.0 if pays else 0.0
    elif action == p.arms - 1:
        reward = value(lane, p, action)
    else:
        reward = p.target_reward if pays else p.other_reward
    lane.choice = action
    lane.outcome = reward > 0.0
    lane.reward = reward
    lane.regret = value(lane, p, lane.best_action) - value(lane, p, action)
    return reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the number of the trial or a go cue, and what the last pull brought."""
    stimulus[0] = (lane.trial + 1) / lane.trials if p.trial_number else 1.0
    if p.reward_one_hot and lane.last_action >= 0:
        if lane.last_action == p.arms - 1:
            brought = target_number(lane, p)
        else:
            brought = p.arms + 1 if lane.last_reward == p.target_reward else p.arms
        stimulus[brought] = 1.0


def picture(lane: Lane, p: BanditParameters) -> list[Item]:
    """Draw the arms, and what the last pull paid."""
    names = [name.removeprefix("arm ") for name in actions(p)]
    return [prompt("pull an arm"), *arm_items(names, lane.last_action, lane.last_reward)]


GOALS = {
    "independent": "Each arm pays with a hidden probability of its own: find the best arm and stay "
    "with it.",
    "uniform": "If one arm is good, the other is bad: find the better one and stay with it.",
    "easy": "One arm pays 90 % of the time, the other 10 %: find the better one and stay with it.",
    "medium": "One arm pays 75 % of the time, the other 25 %: find the better one, stay with it.",
    "hard": "One arm pays 60 % of the time, the other 40 %: find the better one and stay with it.",
    "informative": "One arm pays most. The last arm pays little, but what it pays tells which one.",
    "restless": "How often the two arms pay drifts all the time: keep up with the better one.",
}


def goal(p: BanditParameters) -> str:
    """Say what to do."""
    return GOALS[p.problem]


def told(lane: Lane, p: BanditParameters) -> str:
    """Say what the last pull paid, and what the last arm of the informative bandit names."""
    name = actions(p)[lane.last_action]
    text = paid(name if p.arms > 2 else f"the {name} arm", lane.last_reward)
    if p.problem != "informative" or lane.last_action < p.arms - 1:
        return text
    number = getattr(target_number, "py_func", target_number)(lane, p)
    return f"{text}: best is arm {number}"


def actions(p: BanditParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right") if p.arms == 2 else tuple(f"arm {i + 1}" for i in range(p.arms))


def stimulus(p: BanditParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    seen: tuple[str, ...] = ("trial number" if p.trial_number else "go cue",)
    if p.reward_one_hot:
        seen += tuple(f"named target {i + 1}" for i in range(p.arms - 1))
        seen += ("paid other_reward", "paid target_reward")
    return seen


def reward_range(p: BanditParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    if p.problem != "informative":
        return 0.0, 1.0
    rewards = p.target_reward, p.other_reward, p.index_reward, p.index_reward * (p.arms - 1)
    return min(rewards), max(rewards)


TASK = Task(
    name="Bandit",
    doc=DOC,
    parameters=BanditParameters,
    state=STATE,
    actions=actions,
    stimulus=stimulus,
    reward_range=reward_range,
    begin=begin,
    new_trial=new_trial,
    step=step,
    observe=observe,
    picture=picture,
    goal=goal,
    told=told,
    observer="neurotasks.observers.bandit:reference_bandit",
    behaviour="neurotasks.analysis.bandit:BEHAVIOUR",
    finding=FINDING,
)
