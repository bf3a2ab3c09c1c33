"""The judgement of `neurotasks check-memory`: from what was measured to what is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neurotasks_baselines.suite.memory_check import Measures
from neurotasks_baselines.suite.memory_probes import ROUNDING, SENSITIVE, Probes

LEARNED = 0.85
"""Share of right answers from which something counts as learned: chance is 0.5, the best is 1."""
LOST = 0.2
"""Loss of right answers at the start of rollouts that counts as forgetting."""
ACTED = 0.7
"""Share of right answers at the end of a training below which what was learned was not acted on."""
LONG = 12  # steps for which a cue is to be held

Verdict = Literal["right", "broken", "unknown"]


@dataclass(frozen=True)
class Finding:
    """Verdict on one thing.

    Attributes:
        name: What was checked.
        verdict: ``"right"``, ``"broken"`` or ``"unknown"``.
        text: What was found, and if it is broken, what to look at.
    """

    name: str
    verdict: Verdict
    text: str


def findings(measures: Measures) -> list[Finding]:
    """Judge what was measured of an agent.

    Args:
        measures: What `neurotasks_baselines.suite.memory_check.check_memory` returns.

    Returns:
        One finding for everything that was checked. The agent passes if all verdicts are right.
    """
    return [
        _learning(measures),
        _feedback(measures, "reward"),
        _feedback(measures, "action"),
        _probed_starts(measures),
        _trained_memory(measures),
        _rollouts(measures),
        _environments(measures),
        _truncation(measures),
    ]


def _learning(measures: Measures) -> Finding:
    name = "learning without memory"
    right = measures.answers["stimulus"].right
    if right >= LEARNED:
        return Finding(name, "right", f"{right:.0%} right")
    return Finding(
        name,
        "broken",
        f"{right:.0%} right: it does not even learn to follow a cue that is on the screen, so that "
        "other verdicts mean little. Train for longer (--steps), with shorter rollouts or a larger "
        "learning rate, or look at the order of observations, actions and rewards.",
    )


def _feedback(measures: Measures, kind: str) -> Finding:
    """Judge the last reward or action: asked for at the step after it, and at the one after that.

    An agent that gets it a step late is wrong at the first and right at the second.
    """
    name = f"last {kind}"
    soon, later = (_at(measures.answers[kind].by_steps_ago, steps) for steps in (1, 2))
    text = f"{soon:.0%} right"
    if soon >= LEARNED:
        return Finding(name, "right", text)
    if later >= LEARNED:
        text += f", and {later:.0%} one step later: the last {kind} reaches the agent one step late"
    else:
        text += f": the last {kind}, which is in the observation, is not used"
    return Finding(name, "broken", f"{text}.")


def _probed_starts(measures: Measures) -> Finding:
    """Judge what the start of an episode does to the state: by probes, then by what was learned."""
    name = "reset at the start of an episode"
    start, cue = measures.answers["start"], measures.answers["cue"]
    told = [p for p in measures.probes.values() if p.forgotten >= SENSITIVE and _steady(p)]
    wrong = [p for p in told if p.reset > ROUNDING]
    if wrong and all(p.late <= ROUNDING for p in wrong):
        text = "a start resets the state one step late: the first step still sees the old state."
        return Finding(name, "broken", text)
    if wrong:
        worst = max(p.reset for p in wrong)
        return Finding(
            name,
            "broken",
            "the state is not reset at the start of an episode: after a start in the middle "
            f"{worst:.0%} of the actions differ from those of a fresh state.",
        )
    if start.right >= LEARNED:
        how = "starts in the middle act as a fresh state" if told else "no probe could tell more"
        return Finding(name, "right", f"{start.right:.0%} right; {how}")
    first, second = (_at(cue.by_onset, onset) for onset in (0, 1))
    if measures.trained:  # what is lost in training only is there again in evaluation
        first, second = (_at(measures.trained, onset) for onset in (0, 1))
    if max(first, second) < LEARNED:
        return Finding(name, "unknown", "no cue is remembered, so that this cannot be told.")
    if second - first > LOST:
        return Finding(
            name,
            "broken",
            f"in training the state is reset one step late: cues of an episode's first step are "
            f"forgotten ({first:.0%} right), those of the second are not ({second:.0%}).",
        )
    return Finding(
        name,
        "broken",
        f"in training the state is not reset at the start of an episode: cues are remembered, but "
        f"first steps are not recognised ({start.right:.0%} right).",
    )


def _trained_memory(measures: Measures) -> Finding:
    name = "a cue some steps ago"
    start, cue = measures.answers["start"], measures.answers["cue"]
    first, second = (_at(cue.by_onset, onset) for onset in (0, 1))
    text = f"{cue.right:.0%} right"
    if min(first, second) >= LEARNED:
        trained = max(measures.trained.values(), default=1.0)
        if trained >= ACTED:
            return Finding(name, "right", text)
        return Finding(
            name,
            "broken",
            f"{text}, but {trained:.0%} at the end of training: while it collects steps it does "
            "not get its own state back. Each environment must, in the order of the observations.",
        )
    if max(first, second) >= LEARNED:
        text += f", {first:.0%} for cues of the first step, {second:.0%} for cues of the second: "
        text += "one step of each episode is lost to memory."
    elif all(p.history < SENSITIVE for p in measures.probes.values()):
        text += ": the agent has no memory, its actions do not depend on what it saw before."
    elif start.right >= LEARNED:
        text += (
            ": the state is carried on, but is not that of what was seen. Each environment must "
            "get its own state back, in the order of the observations."
        )
    else:
        text += (
            ": the agent has a memory and does not learn to use it. Is the recurrence off in "
            "training: states detached or zeroed at every step, or steps shuffled?"
        )
    return Finding(name, "broken", text)


def _rollouts(measures: Measures) -> Finding:
    name = "memory across rollouts"
    forgetting, hold = measures.forgetting, measures.answers["hold"]
    if forgetting is not None and forgetting.lost > LOST:
        return Finding(
            name,
            "broken",
            f"in training the state is lost every {forgetting.period} steps, in the middle of "
            f"episodes ({forgetting.lost:.0%} fewer right answers): it must be carried on from "
            "rollout to rollout.",
        )
    long = [right for steps, right in hold.by_steps_ago.items() if steps == LONG]
    if not long or long[0] < LEARNED:
        held = [steps for steps, right in hold.by_steps_ago.items() if right < LEARNED]
        return Finding(
            name,
            "broken",
            f"a cue is not held: {hold.right:.0%} right, and below {LEARNED:.0%} from "
            f"{min(held, default=0)} steps on.",
        )
    if forgetting is None:
        return Finding(
            name,
            "unknown",
            "the training logged too few steps. make_agent() must pass its task_kwargs on to "
            "gymnasium.make or make_vec, and use all total_steps.",
        )
    return Finding(name, "right", f"{hold.right:.0%} right; nothing is lost between rollouts")


def _environments(measures: Measures) -> Finding:
    name = "environments kept apart"
    probes = [p for p in measures.probes.values() if _steady(p)]
    for text, share in (
        ("another order of the environments changes {:.0%} of the actions", "permuted"),
        ("the start of an episode changes {:.0%} of the actions in others", "neighbours"),
        ("an environment alone gets other actions than in a batch ({:.0%})", "alone"),
    ):
        worst: float = max((getattr(p, share) for p in probes), default=0.0)
        if worst > ROUNDING:
            text = text.format(worst) + ": the states of environments are mixed up."
            return Finding(name, "broken", text)
    if any(p.history >= SENSITIVE for p in probes):
        text = "alone, in any order and next to starts of others it acts alike"
        return Finding(name, "right", text)
    if len(probes) == len(measures.probes):
        return Finding(name, "unknown", "its actions depend on no state, so none can be mixed up.")
    return Finding(
        name,
        "unknown",
        "the same observations lead to other actions each time, so that this cannot be told. For "
        "the check it must take its most probable action: return an object with predict(), and "
        "obey deterministic=True.",
    )


def _truncation(measures: Measures) -> Finding:
    name = "bootstrap at truncation"
    waits = _at(measures.answers["truncation"].by_onset, 1)
    text = f"waits for a reward beyond a truncation in {waits:.0%} of the episodes"
    if waits >= LEARNED:
        return Finding(name, "right", text)
    return Finding(
        name,
        "broken",
        f"{text}: a truncated episode seems to be worth nothing more. Add the value of the last "
        "observation where `truncated` is true. (The registered tasks never truncate.)",
    )


def _at(shares: dict[int, float], key: int) -> float:
    return shares.get(key, 0.0)


def _steady(probes: Probes) -> bool:
    """Return whether the agent takes the same actions each time, so that others mean something.

    The same batch has the same rounding: even one action that differs has been drawn.
    """
    return probes.repeated == 0
