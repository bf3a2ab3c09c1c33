"""The comparison on bandits of two arms, and of more where nothing but models can be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurotasks.analysis.bandit import lagged_weights_by, stay_probabilities_by
from neurotasks.columns import TRIAL
from neurotasks.models import Model
from neurotasks.models.bandit import MODELS
from neurotasks.observers import GittinsBandit, ThompsonBandit, UcbBandit
from neurotasks_baselines.behaviour.groups import FEED_FORWARD, Comparison, Networks
from neurotasks_baselines.behaviour.two_step import observer
from neurotasks_baselines.experiments.bandits import GITTINS_FOIL, THOMPSON_FOIL
from neurotasks_baselines.experiments.bandits_observers import ID
from neurotasks_baselines.experiments.learners import FROZEN
from neurotasks_baselines.experiments.two_step_measures import LAGS, RIDGE

LIMITS = (
    "The problems differ. An agent meets two arms whose probabilities do not change within 100 "
    "trials and are uniform over problems. In Dezfouli et al. 2019 the better key pays with 0.25, "
    "0.125 or 0.08, the other with 0.05, and keys are pressed at any pace: rewards are so rare "
    "that staying after none is most of the data.",
    "Staying is repetition as much as learning: a choice kernel tells them apart, a stay "
    "probability does not.",
    "A model that fits best of these may still be wrong: compare its held-out likelihood with "
    "chance. Dezfouli et al. 2019 found oscillating choices that none of these models produces.",
    "An agent that is led along a foreign table is far from what it was trained on; see the "
    "likelihood of the agent as it is.",
)


def effects(trials: pd.DataFrame) -> pd.DataFrame:
    """Return P(stay) after no reward, and by how much a reward raises it, one row per ``env``."""
    stays = stay_probabilities_by(trials)
    effect = stays["rewarded"] - stays["unrewarded"]
    return pd.DataFrame({"reward_effect": effect, "stay_unrewarded": stays["unrewarded"]})


def history(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the sums over lags of both kinds of weights, NaN with more than two arms."""
    weights = lagged_weights_by(trials, LAGS, RIDGE)
    found = pd.DataFrame({name: weights[name].sum(axis=1) for name in ("rewarded", "unrewarded")})
    return found if trials["choice"].max() < 2 else found * np.nan


def models(trials: pd.DataFrame) -> list[Model]:
    """Return the models, for as many arms as were pulled."""
    arms = max(2, int(trials["choice"].max()) + 1)
    return [model.with_options(arms) for model in MODELS]


BANDIT = Comparison(
    name="bandit",
    id=ID,
    task="Bandit",
    columns=(*TRIAL, "choice", "outcome"),
    title="Bandits: agents and people",
    experiment="bandits",
    networks=(
        Networks("PPO agents", "ppo", "independent"),
        Networks("PPO agents, trained on correlated arms", "ppo", "correlated"),
        Networks("A2C agents", "a2c", "independent"),
        Networks(f"{FEED_FORWARD}s", "feed-forward", "independent", "foil"),
        Networks(FROZEN.replace("agent", "agents"), "ppo", "independent", "foil", frozen=True),
    ),
    observers={
        GITTINS_FOIL: ("reference", observer(GittinsBandit)),
        THOMPSON_FOIL: ("reference", observer(ThompsonBandit)),
        "UCB": ("reference", observer(UcbBandit)),
    },
    measures={
        "reward_effect": "effect of reward\non staying",
        "stay_unrewarded": "P(stay) after\nno reward",
    },
    measure=effects,
    history={"rewarded": "rewarded choices", "unrewarded": "unrewarded choices"},
    weigh=history,
    models=models,
    shipped={"dezfouli2019": "diagnosis"},
    limits=LIMITS,
)
