"""Networks, people and monkeys on one plane: two effects on staying in two-step tasks.

The networks are those of the experiment ``two-step``; values of people and monkeys were computed
from public data, which are not in this package. `neurotasks compare two-step FILE` computes them
from tables of one's own or a download.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from matplotlib.patches import Rectangle

from neurotasks.analysis.two_step import stay_effects, stay_probabilities
from neurotasks.episodes import run_episodes
from neurotasks.observers import FilteringTwoStepDaw
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import two_step, two_step_measures
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures
from neurotasks_baselines.experiments.claims import REPORTED, Accepted, Row, learned
from neurotasks_baselines.experiments.drawing import mean_and_interval, titled
from neurotasks_baselines.experiments.two_step import HALF_WAY, NOT_LEARNED
from neurotasks_baselines.experiments.two_step_measures import MODEL_FREE
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style
from neurotasks_baselines.training.evaluate import held_out_envs, play

OBSERVER_EPISODES = 500
COMPUTED = "computed from the authors' public data"
ORANGE = "#d08c2e"


class Effects(NamedTuple):
    """Effects on staying of one group of people, or of one monkey.

    Attributes:
        name: Who it is.
        source: How the values came about.
        interaction: Interaction of reward and transition.
        reward: Main effect of reward.
        intervals: 95 % intervals of both, over people, or over the sessions of a monkey, around the
            mean over these; none where the data were not at hand.
    """

    name: str
    source: str
    interaction: float
    reward: float
    intervals: tuple[tuple[float, float], tuple[float, float]] | None = None


MONKEYS = (
    Effects(
        "Miranda 2025, monkey C",
        f"{COMPUTED}: 30 sessions pooled, best reward against none",
        0.443,
        0.009,
        ((0.404, 0.471), (-0.008, 0.035)),
    ),
    Effects(
        "Miranda 2025, monkey J",
        f"{COMPUTED}: 27 sessions pooled, best reward against none",
        0.630,
        -0.006,
        ((0.592, 0.669), (-0.034, 0.010)),
    ),
)
PEOPLE = (
    Effects(
        "Gillan 2016, study 1, 649 people",
        f"{COMPUTED}: mean over people",
        0.050,
        0.120,
        ((0.042, 0.058), (0.109, 0.132)),
    ),
    Effects("Gillan 2016, study 2, 1,705 people", f"{COMPUTED}: mean over people", 0.047, 0.113),
    Effects("Shahar 2019, 554 people", f"{COMPUTED}: mean over people", 0.053, 0.071),
    Effects(
        "Kool 2016, 197 people",
        "the authors' own stay probabilities",
        0.051,
        0.067,
        ((0.032, 0.070), (0.050, 0.084)),
    ),
)
"""The intervals are those of `neurotasks compare two-step`."""

TASKS = {
    "monkeys": ("the monkeys' task", "neurotasks/TwoStepMiranda-v0", MONKEYS),
    "people": ("people's task", "neurotasks/TwoStepDaw-v0", PEOPLE),
}
COLOURS = {"monkeys": PUBLISHED, "people": ORANGE}
EFFECTS = {
    "interaction": "reward x transition interaction of staying",
    "reward": "main effect of reward on staying",
}
SOURCE = "Miranda 2025 and Gillan 2016, Shahar 2019, Kool 2016 (computed from their public data)"
NOTE = (
    "The tasks differ: common transitions have probability 0.8 here and 0.7 there, "
    "rewards take two values here and three for monkeys, and people and monkeys chose "
    "at the second stage, too. The agents' effects were known, from two-step, when "
    "the range was set."
)


def span(effect: str, group: tuple[Effects, ...]) -> tuple[float, float]:
    """Return the smallest and the largest value of an effect in a group."""
    values = [getattr(each, effect) for each in group]
    return min(values), max(values)


def nearer_to_monkeys(effect: str) -> Accepted:
    """Return the monkeys' range, wider on either side by half the distance to people's."""
    (low, high), people = span(effect, MONKEYS), span(effect, PEOPLE)
    half = max(low - people[1], people[0] - high) / 2
    return Accepted(round(low - half, 4), round(high + half, 4))


def published(effect: str) -> str:
    """Return an effect of monkeys and people in words."""
    ranges = {name: span(effect, group) for name, (_, _, group) in TASKS.items()}
    return "; ".join(f"{low:.3f} to {high:.3f} ({name})" for name, (low, high) in ranges.items())


def rows_on_staying(foil: str, notes: Sequence[str], why: Sequence[Mapping[str, str]]) -> list[Row]:
    """Return the rows on staying: each effect must be nearer to the monkeys' than to people's.

    Args:
        foil: Name of the foil.
        notes: Note on each of `EFFECTS`.
        why: Why each is missed, by algorithm.
    """
    unlearned = "An agent that learns nothing from reward may pass; the interaction detects it."
    return [
        Row(
            f"{words} is nearer to the monkeys' than to people's",
            f"{effect}_effect",
            published(effect),
            SOURCE,
            nearer_to_monkeys(effect),
            kind="number",
            foil=foil,
            lacking=effect == "interaction",
            note=note if effect == "interaction" else f"{note} {unlearned}",
            why=missed,
        )
        for (effect, words), note, missed in zip(EFFECTS.items(), notes, why, strict=True)
    ]


CLAIMS = (
    *rows_on_staying(
        MODEL_FREE,
        (
            f"{NOTE} On the people's side, the range ends half way between the nearest people and "
            "the nearest monkey; on the other, it ends as far beyond the other monkey.",
            NOTE,
        ),
        (NOT_LEARNED, {}),
    ),
    *(
        Row(
            f"{words}, of the reference observer of {task} ({id.partition('/')[2]})",
            f"references.observers.{who}.{effect}_effect",
            published(effect),
            SOURCE,
            REPORTED,
            kind="reported",
            note=(
                "It plans with the true transitions, and so shows what planning looks "
                "like in that task."
            ),
        )
        for who, (task, id, _) in TASKS.items()
        for effect, words in EFFECTS.items()
    ),
    learned(f"reward per trial at least {HALF_WAY:.2f}; chance has 0.5, the ideal observer 0.705"),
)


def effects(trials: Any) -> Measures:
    """Return both effects on staying, and the reward per trial."""
    found = stay_effects(stay_probabilities(trials))
    return {
        **{f"{name}_effect": value for name, value in found.items()},
        "reward_per_trial": float(trials["trial_reward"].mean()),
    }


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play and return its effects."""
    return effects(play(agents["agent"], num_episodes=num_episodes, seed=seed).trials)


def derive(m: Measures) -> Measures:
    """Return whether the agent learned its task."""
    return {"learned": m["reward_per_trial"] >= HALF_WAY}


@cache
def references() -> Measures:
    """Return the effects of observers that plan, in the other two tasks, and of the foils."""
    observers = {}
    for who, (_, id, _) in TASKS.items():
        envs = held_out_envs(id, {}, OBSERVER_EPISODES)
        trials = run_episodes(FilteringTwoStepDaw(envs, seed=0), seed=TEST_SEED).trials
        observers[who] = effects(trials)
    return {"observers": observers, "foils": two_step_measures.foils()}


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw everybody by both effects; the frame holds what is nearer to the monkeys'."""
    found = references()
    with style():
        fig, (axis,) = new_figure(1, width=5.6, height=3.4)
        draw_frame(axis)
        draw_points(axis, "networks", [point(m) for m in measures], "o", OURS, intervals=True)
        for name, marker in zip(lacking, "vPX^", strict=False):
            draw_points(axis, name, [point(m) for m in lacking[name]], marker, IDEAL)
        for name, marker in zip(found["foils"], "sD*", strict=True):
            draw_points(axis, name, [point(found["foils"][name])], marker, "black", mfc="white")
        for who, (task, _, _) in TASKS.items():
            draw_group(axis, who)
            planner = point(found["observers"][who])
            look = {"ms": 9, "mfc": "none", "color": COLOURS[who]}
            axis.plot(*planner, "*", label=f"observer, {task}", **look)
        axis.set_title(titled("Networks, monkeys, people", measures))
        axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7)
    return fig


def draw_frame(axis: Any) -> None:
    """Draw the axes of the plane, and the frame of what is nearer to the monkeys' values."""
    x, y = (nearer_to_monkeys(effect) for effect in EFFECTS)
    axis.add_patch(
        Rectangle((x.low, y.low), x.high - x.low, y.high - y.low, fc="#f4f4f4", ec=IDEAL, ls=":")
    )
    axis.axhline(0, lw=0.5, color=IDEAL)
    axis.axvline(0, lw=0.5, color=IDEAL)
    axis.set(xlabel="reward x transition interaction of staying", ylabel="effect of reward")


def draw_group(axis: Any, who: str) -> None:
    """Draw the published values of monkeys or people, with intervals where there are any."""
    for number, each in enumerate(TASKS[who][2]):
        where = (each.interaction, each.reward)
        if each.intervals is not None:
            (left, right), (low, high) = each.intervals
            axis.hlines(where[1], left, right, color=COLOURS[who], lw=1)
            axis.vlines(where[0], low, high, color=COLOURS[who], lw=1)
        own = {"label": who} if number == 0 else {}
        axis.plot(*where, "o", ms=4, color=COLOURS[who], **own)


def point(m: Measures) -> tuple[float, float]:
    """Return the place of somebody on the plane."""
    return m["interaction_effect"], m["reward_effect"]


def draw_points(
    axis: Any,
    name: str,
    points: list[tuple[float, float]],
    marker: str,
    colour: str,
    *,
    intervals: bool = False,
    **look: Any,
) -> None:
    """Draw the mean over seeds, and with its intervals the seeds as dots."""
    mean, low, high = mean_and_interval(points)
    if intervals:
        axis.plot(*zip(*points, strict=True), ".", ms=3, alpha=0.4, color=colour)
        axis.hlines(mean[1], low[0], high[0], color=colour, lw=1)
        axis.vlines(mean[0], low[1], high[1], color=colour, lw=1)
    axis.plot(*mean, marker, color=colour, label=name, **{"ms": 5, **look})


EXPERIMENT = Experiment(
    name="two-step-species",
    title="Two-step task: networks next to people and monkeys",
    question=(
        "Whose signature of staying do networks show that learned a two-step task, people's or "
        "monkeys'?"
    ),
    trainings=two_step.EXPERIMENT.trainings,
    agents_of=two_step.EXPERIMENT.name,
    seeds=two_step.EXPERIMENT.seeds,
    algorithms=two_step.EXPERIMENT.algorithms,
    lacking=True,
    able=two_step.EXPERIMENT.able,
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "How much staying depends on the interaction of reward and transition, and on reward "
        "alone. In the frame both values are nearer to those of the monkeys than to those of "
        "people. Bars are 95 % intervals, small dots single networks, large stars the "
        "reference observers of the monkeys' and people's tasks.",
    ),
    derive=derive,
    references=references,
)
