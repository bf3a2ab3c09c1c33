"""The comparison on two-step tasks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from neurotasks.analysis.two_step import (
    CONDITIONS,
    STAYS,
    lagged_weights_by,
    stay_effects,
    stay_probabilities_by,
)
from neurotasks.models import Model
from neurotasks.models.two_step import MODELS
from neurotasks.observers import BayesTwoStep, ModelFreeTwoStep
from neurotasks_baselines.behaviour.groups import FEED_FORWARD, Comparison, Networks, Published
from neurotasks_baselines.experiments.learners import FROZEN
from neurotasks_baselines.experiments.two_step import PAPER
from neurotasks_baselines.experiments.two_step_measures import (
    CUE,
    ID,
    INDICES,
    LAGS,
    MODEL_FREE,
    Q1,
    RIDGE,
    RewardAsCue,
)
from neurotasks_baselines.experiments.two_step_species import MONKEYS, PEOPLE, Effects, draw_frame

LAPSE = 0.01


def place(each: Effects) -> dict[str, float]:
    """Return both effects, and their intervals where there are any."""
    found = {"interaction": each.interaction, "reward": each.reward}
    for name, ends in zip(("interaction", "reward"), each.intervals or (), strict=False):
        found |= dict(zip((f"{name}_low", f"{name}_high"), ends, strict=True))
    return found


PUBLISHED = (
    Published("Wang 2018, 8 networks", PAPER, {"interaction": 0.363, "reward": 0.009}),
    *(Published(each.name, each.source, place(each)) for each in (*MONKEYS, *PEOPLE)),
)
LIMITS = (
    "The tasks differ. The agents' task has common transitions with probability 0.8 and a better "
    "state that pays with 0.9, the other with 0.1, and reverses. People had 0.7, two options in "
    "each state, and reward probabilities that drift between 0.25 and 0.75: whoever plans as well "
    "there stays and shifts less, as the better state is less certain and hardly better. A smaller "
    "interaction is thus no evidence of less planning by itself. Agents of the monkeys' task "
    "had the monkeys' transitions and reward levels.",
    "The agents were trained for 1.5 (PPO) or 3.6 (A2C) million steps on their task alone; the "
    "monkeys for months, on a task with three reward levels; people were told the rules and had "
    "some practice.",
    "Models are fitted to first-stage choices only. An interaction, and a model-based model that "
    "fits best, are shown by whoever infers the better state and has learned what leads there, "
    "without planning. A model that fits best of these may still be wrong: compare its held-out "
    "likelihood with chance.",
    "An agent that is led along a foreign table is far from what it was trained on: it takes each "
    "outcome for one of its own task. Its likelihood as it is says how far; with an inverse "
    "temperature, the one number that is fitted to each subject, it says how much of the choices "
    "its rule explains.",
)


def effects(trials: pd.DataFrame) -> pd.DataFrame:
    """Return interaction and reward effect of staying, one row per ``env``."""
    stays = stay_probabilities_by(trials)
    return pd.DataFrame([stay_effects(row) for _, row in stays.iterrows()], stays.index)


def history(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the model-based and the model-free index of Miller et al. 2017, one row per ``env``.

    They are sums over lags, as in the experiment ``two-step``.
    """
    weights = lagged_weights_by(trials, LAGS, RIDGE)
    kinds = {name: weights[name].sum(axis=1) for name in CONDITIONS}
    return pd.DataFrame(
        {
            name: sum(sign * kinds[kind] for sign, kind in zip(signs, CONDITIONS, strict=True))
            for name, signs in INDICES.items()
        }
    )


def models(trials: pd.DataFrame) -> list[Model]:
    """Return the models of first-stage choices; they take the table's share of common trials."""
    p_common = float(trials["common"][trials["second_state"] >= 0].mean())
    found = []
    for model in MODELS:
        has_it = "p_common" in model.fixed
        found.append((model.fixing(p_common=p_common) if has_it else model).one_choice())
    return found


def observer(make: Any, **options: Any) -> Any:
    """Return a function that makes a player of environments."""
    return lambda envs: make(envs, seed=0, **options)


TWO_STEP = Comparison(
    name="two-step",
    id=ID,
    task="TwoStep",
    columns=(*STAYS, "second_state"),
    title="Two-step tasks: agents, people and animals",
    experiment="two-step",
    networks=(
        Networks("PPO agents", "ppo", "agent"),
        Networks("A2C agents", "a2c", "agent"),
        Networks("PPO agents, monkeys' task", "ppo", "agent", experiment="two-step-monkeys"),
        Networks(f"{FEED_FORWARD}s", "feed-forward", "agent", "foil"),
        Networks(FROZEN.replace("agent", "agents"), "ppo", "agent", "foil", frozen=True),
    ),
    observers={
        "Bayesian observer, 1 % lapse": ("reference", observer(BayesTwoStep, lapse=LAPSE)),
        MODEL_FREE: ("foil", observer(ModelFreeTwoStep, **Q1)),
        CUE: ("foil", observer(RewardAsCue)),
    },
    measures={
        "interaction": "reward x transition\ninteraction of staying",
        "reward": "effect of reward\non staying",
    },
    measure=effects,
    history={"model-based": "model-based index", "model-free": "model-free index"},
    weigh=history,
    models=models,
    published=PUBLISHED,
    limits=LIMITS,
    plane=draw_frame,
)
