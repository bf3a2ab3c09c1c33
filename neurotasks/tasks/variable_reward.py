"""The variable-magnitude task of mice (Dabney et al. 2020; data of Eshel et al. 2015, 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.core import Field, Item, Lane, Task, choice, numbers, probability, rule, uniform
from neurotasks.core.parameters import parameter_record
from neurotasks.errors import ParameterError
from neurotasks.tasks import _mouse
from neurotasks.tasks._mouse import NONE, MouseParameters, actions, observe, start, step

UNCUED, CUED, NOTHING = 0, 1, 2
RAW, HILL, EMPIRICAL = 0, 1, 2
MAGNITUDES = (0.1, 0.3, 1.2, 2.5, 5.0, 10.0, 20.0)
ODOURS = ("reward odour", "nothing odour")
EMPIRICAL_UTILITIES = np.array([-3.5768, -3.2884, -2.7648, -1.7588, 0.2421, 4.4284, 8.3242])
"""Mean response of the 40 recorded neurons to each of the seven magnitudes, Hz (counted)."""

DOC = """Lick for water rewards of seven sizes, cued by an odour or uncued.

## Description
A trial begins with an interval of random length. In a cued trial the reward odour follows, and a
reward comes 0.5 s after its end; in an uncued trial the reward comes unannounced; after the nothing
odour nothing comes. The magnitude of the reward, 0.1 to 20 microlitres, is drawn anew in every
trial, whether or not it was cued. The subject hears the delivery, and consumes the reward with its
first lick within 0.5 s; if it does not lick in time, the reward is lost. Each lick costs a little.
With `pavlovian=True` rewards are consumed at delivery, and licks cost nothing and do nothing.

The interval is 2.3 s plus an exponentially distributed time, truncated at 20 s in total (mean 6.6
s) and rounded to whole steps, at least one. It is counted from the last outcome, so in later trials
of an episode it includes the 1 s after the outcome.

In `VariableRewardLatency-v0` a lick reaches the spout 0.3 s after the decision, so that a subject
that waits for the delivery drinks 0.3 s later than one that is already licking. The outcome after
an odour comes up to 0.5 s earlier or later than on average, so that a single well-timed lick is not
enough. And licks cost more, most of all soon after others. For a reward of m microlitres that comes
with probability p, being ready is worth p m (1 - gamma^3) at a discount of gamma per step; without
a latency it is worth nothing. At gamma = 0.9, the best plan has seven licks after the reward odour
and none after the nothing odour, and stops when a delivery is heard. Without discounting, no early
lick pays.

## Action Space
`Discrete(2)`: 0 no lick, 1 lick.

## Observation Space
A float32 vector: the houselight (always 1), 1 in the step in which a reward is delivered, the
magnitude consumed in the last step divided by the largest, the odours (one-hot), the one-hot
previous action, the previous reward. There is no clock.

## Rewards
The utility of what is consumed, minus `lick_cost` for a lick, to which `lick_effort` is added for
each recent lick, weighted with exp(-time since then / `recovery_time`). A lick is paid for when it
is decided on. The utility is the magnitude in microlitres, a saturating function of it (`"hill"`),
or the mean response of the recorded neurons to it in Hz (`"empirical"`), which is negative for the
four smallest magnitudes.

## Starting State
Trial type and magnitude are drawn in each trial. Options fix those of the first trial, which by
default is the only one. `split` changes nothing.

## Episode End
Terminates after `trials` trials; a trial ends 1 s after its outcome.

## References
- Dabney et al. 2020, Nature 577:671, Figs. 2, 4 and 5.
- Eshel et al. 2015, Nature 525:243; Eshel et al. 2016, Nature Neuroscience 19:479.

## Version History
- v0: first release.
"""

FINDING = (
    "Dopamine neurons differ in the reward at which their response changes sign, and in how "
    "steeply they respond to better and to worse rewards; the two are correlated, and the "
    "distribution of rewards can be decoded from them (Dabney et al. 2020, Figs. 2, 4 and 5)."
)


@dataclass(frozen=True)
class VariableRewardParameters(MouseParameters):
    """Parameters of the variable-magnitude task."""

    p_cued: float = probability(
        0.408,
        "probability that a trial is cued by the reward odour",
        "counted in the recordings of [KIM]",
    )
    p_uncued: float = probability(
        0.390,
        "probability of an uncued reward; the rest are trials with the nothing odour (20.2 %)",
        "counted in the recordings of [KIM]",
    )
    magnitudes: tuple[float, ...] = numbers(
        MAGNITUDES, "rewards in microlitres", "[HRH]", low=0.001, high=1000.0
    )
    probabilities: tuple[float, ...] = numbers(
        (0.06612594, 0.09090909, 0.14847358, 0.15489467, 0.31159175, 0.1509519, 0.07705306),
        "probability of each magnitude in a rewarded trial",
        "[HRH], and counted in the recordings of [KIM], cued and uncued trials together",
        low=0.0,
        high=1.0,
    )
    utility: str = choice(
        "raw",
        ("raw", "hill", "empirical"),
        "utility of a magnitude: microlitres, a saturating function, or the neurons' mean response",
        "the authors' simulations: hill for Fig. 2, raw for Fig. 5, empirical for Fig. 4",
    )

    def __post_init__(self) -> None:
        """Check that probabilities and magnitudes fit together."""
        super().__post_init__()
        if self.p_cued + self.p_uncued > 1 + 1e-9:
            raise ParameterError(
                f"The sum of p_cued and p_uncued must be at most 1; got {self.p_cued} and "
                f"{self.p_uncued}. The rest are trials with the nothing odour."
            )
        number = len(self.magnitudes), len(self.probabilities)
        if number[0] != number[1] or abs(sum(self.probabilities) - 1) > 1e-6:
            raise ParameterError(
                "probabilities must have one entry for each magnitude, with the sum 1; got "
                f"{number[1]} with the sum {sum(self.probabilities):g} for {number[0]} magnitudes."
            )
        if self.utility == "empirical" and self.magnitudes != MAGNITUDES:
            raise ParameterError(
                f"magnitudes must be {MAGNITUDES} with utility='empirical', which was measured for "
                f"these only; got {self.magnitudes}. Choose 'raw' or 'hill'."
            )

    @property
    def largest(self) -> float:
        """Largest reward in microlitres."""
        return max(self.magnitudes)

    @property
    def utility_range(self) -> tuple[float, float]:
        """Smallest and largest utility of a magnitude."""
        worth = utilities(self).tolist()
        return min(worth), max(worth)

    @property
    def last_odour(self) -> int:
        """Index of the last odour."""
        return len(ODOURS) - 1


STATE = _mouse.STATE | {
    "trial_type": Field(
        np.int8,
        "0 uncued, 1 cued by the reward odour, 2 nothing odour",
        info=True,
        column=True,
        low=0,
        high=2,
        option=True,
    ),
    "magnitude_index": Field(
        np.int8,
        "index of the magnitude drawn, from 0; meaningless after the nothing odour",
        info=True,
        low=0,
        high=lambda p: len(p.magnitudes) - 1,
        option=True,
        names=lambda p: [f"{magnitude:g} ul" for magnitude in p.magnitudes],
    ),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw a trial's type and magnitude; those of the first trial are options."""
    luck = uniform(lane)
    if luck < p.p_cued:
        lane.trial_type = CUED
    else:
        lane.trial_type = UNCUED if luck < p.p_cued + p.p_uncued else NOTHING
    luck = uniform(lane)
    index = 0
    while index < len(p.magnitudes) - 1 and luck >= p.probabilities[index]:
        luck -= p.probabilities[index]
        index += 1
    lane.magnitude_index = index


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Draw what comes after the first trial, and put odour and reward in store."""
    if lane.trial > 0:
        begin(lane, p)
    largest = 0.0
    expected = 0.0
    for i in range(len(p.magnitudes)):
        largest = max(largest, p.magnitudes[i])
        expected += p.probabilities[i] * utility(p, i)
    rewarded = lane.trial_type != NOTHING
    lane.smelt = NONE if lane.trial_type == UNCUED else lane.trial_type - CUED
    lane.magnitude = p.magnitudes[lane.magnitude_index] if rewarded else 0.0
    lane.utility = utility(p, lane.magnitude_index)
    lane.taste = lane.magnitude / largest
    lane.worth_licking = not p.pavlovian and expected > p.lick_cost
    start(lane, p)


def hill_utility(magnitudes: ArrayLike, fmax: float = 10.0, sigma: float = 200.0) -> Any:
    """Return the saturating utility of rewards, as in two public notebooks with Dabney's Fig. 2a.

    Args:
        magnitudes: Rewards in microlitres, any shape.
        fmax: Utility of an infinite reward.
        sigma: Reward with half of that utility, in microlitres.

    Returns:
        fmax sqrt(r) / (sqrt(r) + sqrt(sigma)), odd in r, in the shape of `magnitudes`.
    """
    root = np.sqrt(np.abs(magnitudes))
    return np.sign(magnitudes) * fmax * root / (root + np.sqrt(sigma))


hill = rule(hill_utility)


@rule
def utility(p: Any, index: int) -> float:
    """Return what the magnitude of this index is worth."""
    if p.utility == EMPIRICAL:
        return EMPIRICAL_UTILITIES[index]  # type: ignore[no-any-return]
    amount: float = p.magnitudes[index]
    if p.utility == RAW:
        return amount
    return hill(amount)  # type: ignore[no-any-return]


def utilities(p: VariableRewardParameters) -> NDArray[np.float64]:
    """Return what each magnitude is worth, (magnitudes,)."""
    record = parameter_record(p).view(np.recarray)[0]
    one = getattr(utility, "py_func", utility)
    return np.array([one(record, i) for i in range(len(p.magnitudes))])


def stimulus(p: VariableRewardParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return *_mouse.COMMON, *ODOURS


def reward_range(p: VariableRewardParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return _mouse.reward_range(p, utilities(p).tolist())


def picture(lane: Lane, p: VariableRewardParameters) -> list[Item]:
    """Draw what the subject meets."""
    return _mouse.picture(lane, p, ODOURS)


def goal(p: VariableRewardParameters) -> str:
    """Say what to do."""
    least, most = min(p.magnitudes), max(p.magnitudes)
    comes = (
        f"Water comes in drops of {least:g} to {most:g} ul, announced by the reward odour or not"
    )
    return _mouse.goal(p, comes)


TASK = Task(
    name="VariableReward",
    doc=DOC,
    parameters=VariableRewardParameters,
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
    **_mouse.SHOWN,
    invariants=_mouse.INVARIANTS,
    observer="neurotasks.observers.mouse:MouseObserver",
    behaviour="neurotasks.analysis.mouse:VARIABLE_REWARD",
    finding=FINDING,
    diagram_column="trial_type",
    diagram_parameters=_mouse.SHORT_TRIALS,
)
