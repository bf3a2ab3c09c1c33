"""How risky choices depend on the size of the offset on the RPE, and what the critic notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch as th
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from stable_baselines3.common.utils import set_random_seed

from neurotasks.analysis.risky_choice import risk_preference
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import RescorlaWagnerRiskyChoice
from neurotasks.observers.risky_choice import MANIPULATIONS
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.interventions import Intervened, Intervention
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.training.evaluate import held_out_envs

ID = "neurotasks/RiskyChoice-v0"
PROBABILITIES = (0.125, 0.5)
SIZES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of an offset, in those of the condition
LEARNER_EPISODES = 1000
Change = Callable[[Intervention], Intervention]


def rates(trials: Any) -> list[float]:
    """Return the rate of risky choices in free trials at the two probabilities."""
    found = risk_preference(trials)["risky"]
    return [float(found.get(p, np.nan)) for p in PROBABILITIES]


def dose_curves(
    model: FusedRecurrentPPO,
    interventions: Mapping[str, Intervention],
    num_episodes: int,
    seed: int,
    change: Change = lambda intervention: intervention,
) -> dict[str, list[list[float]]]:
    """Return the rates of risky choices under each intervention with offsets of every size.

    All sizes are played at once, each in the same episodes.

    Args:
        model: Agent.
        interventions: Interventions by their names, with the offsets of size 1.
        num_episodes: Number of episodes of each size.
        seed: Seed of the first episode.
        change: What to do to the interventions, such as to let them act at other moments.

    Returns:
        For each intervention the rates at each of `SIZES`, see `rates`.
    """
    doses = [(name, size) for name in interventions for size in SIZES]
    changes = []
    for group, (name, size) in enumerate(doses):
        own = interventions[name]
        resized = change(replace(own, offset=size * own.offset))
        changes.append(within(resized, slice(group * num_episodes, (group + 1) * num_episodes)))
    envs = held_out_envs(ID, model.description["task_kwargs"], len(doses) * num_episodes)
    set_random_seed(0)  # the agent's draws
    seeds = [*range(seed, seed + num_episodes)] * len(doses)
    trials = run_episodes(Intervened(model, changes), envs, seed=seeds).trials
    found: dict[str, list[list[float]]] = {name: [] for name in interventions}
    for group, (name, _) in enumerate(doses):
        found[name].append(rates(trials[trials["env"] // num_episodes == group]))
    return found


def within(change: Intervention, where: slice) -> Intervention:
    """Return an intervention that acts in some of the environments only."""

    def when(seen: NDArray[np.float32]) -> NDArray[np.bool_]:
        acts = np.zeros(len(seen), np.bool_)
        acts[where] = change.when(seen[where])
        return acts

    return replace(change, when=when)


def dose_order(curve: ArrayLike) -> float:
    """Return the rank correlation of risky choices with the size of the offset.

    Args:
        curve: Rates at each of `SIZES`, see `rates`.

    Returns:
        Spearman's correlation with the mean of both probabilities; 0 where nothing changes.
    """
    mean = np.asarray(curve, np.float64).mean(axis=1)
    if np.ptp(mean) == 0:
        return 0.0
    return float(stats.spearmanr(SIZES, mean).statistic)


@cache
def learner_curves() -> dict[str, list[list[float]]]:
    """Return the same of the Rescorla-Wagner learner, whose RPEs are shifted as the agent's."""
    envs = held_out_envs(ID, {}, LEARNER_EPISODES)
    found = {}
    for name, offsets in MANIPULATIONS.items():
        for parameter, offset in offsets.items():
            learners = [
                RescorlaWagnerRiskyChoice(envs, 0, **{parameter: size * offset}) for size in SIZES
            ]
            found[name] = [
                rates(run_episodes(learner, envs, seed=TEST_SEED).trials) for learner in learners
            ]
    return found


class _Watched(Intervened):
    """An agent under interventions whose critic's predictions are kept while it plays."""

    def __init__(self, model: FusedRecurrentPPO, interventions: Sequence[Intervention]) -> None:
        super().__init__(model, interventions)
        self.values: list[NDArray[np.float32]] = []

    @th.no_grad()
    def predict(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Choose actions, and keep the values of the observations."""
        action, state = super().predict(*args, **kwargs)
        policy: Any = self.model.policy  # type: ignore[attr-defined]
        hidden = th.as_tensor(state[0][-1], device=policy.device)  # the critic's comes last
        self.values.append(policy.value_of(policy.predict_channels(hidden)).cpu().numpy())
        return action, state


def value_shifts(
    model: FusedRecurrentPPO, interventions: Sequence[Intervention], num_episodes: int, seed: int
) -> tuple[float, float]:
    """Return how much interventions change the critic's values on the same history.

    Args:
        model: Agent with an actor that gets the RPE.
        interventions: Interventions, all of which act.
        num_episodes: Number of episodes.
        seed: Seed of the first episode.

    Returns:
        The largest difference, in any step, from the values of the critic that is shown the same
        actions and rewards without an intervention: of the values while the agent plays, and of
        those of the critic whose reward input is shifted by the same offsets.
    """
    envs = held_out_envs(ID, model.description["task_kwargs"], num_episodes)
    watched = _Watched(model, interventions)
    set_random_seed(0)
    episodes = run_episodes(watched, envs, seed=seed)
    plain = compute_activations(model, episodes).values
    played = np.stack(watched.values).reshape(plain.shape)
    shifted = compute_activations(model, with_shifted_rewards(episodes, interventions)).values
    return tuple(float(np.nanmax(np.abs(values - plain))) for values in (played, shifted))  # type: ignore[return-value]


def with_shifted_rewards(episodes: Episodes, interventions: Sequence[Intervention]) -> Episodes:
    """Return episodes in whose observations the offsets are added to the previous reward."""
    observations: Any = episodes.observations.copy()
    seen = observations.reshape(-1, observations.shape[-1])
    acting = [(change.when(seen), change.offset) for change in interventions]
    for acts, offset in acting:
        seen[acts, -1] += offset
    return replace(episodes, observations=seen.reshape(observations.shape))
