"""How well an agent plays, next to random choices, the reference observer and the paper."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from neurotasks.errors import ParameterError
from neurotasks.scores import measure_returns, normalized_score, reference_returns
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.claims import look_up
from neurotasks_baselines.suite.behaviour import measure_behaviour, published

if TYPE_CHECKING:
    from neurotasks.episodes import Episodes
    from neurotasks_baselines.agents.activations import Activations


def print_summary(
    id: str, task_kwargs: dict[str, Any], episodes: Episodes, activations: Activations
) -> None:
    """Print the score, and the metrics of the task next to what the paper says of them.

    Args:
        id: Id of the task.
        task_kwargs: Parameters of the task.
        episodes: Held-out episodes of the agent.
        activations: Its activations in them.
    """
    try:
        kwargs = {k: tuple(v) if isinstance(v, list) else v for k, v in task_kwargs.items()}
        row, reached = returns_of(id, kwargs), float(episodes.returns.mean())
        score = float(normalized_score(id, reached, **kwargs))
        print(f"{id:28} {'agent':>9} {'random':>9} {'reference':>9}")
        print(f"{'score':28} {score:9.3f} {0:9.3f} {1:9.3f}  ({row['observer']})")
        random, ideal = row["random"], row["ideal"]
        print(f"{'return of an episode':28} {reached:9.3f} {random:9.3f} {ideal:9.3f}")
    except ParameterError as error:
        print(f"No score: {error}")
    known = published(id, task_kwargs)
    print(f"\n{'':28} {'agent':>9}  {'published or computed' if known else ''}".rstrip())
    for name, value in measure_behaviour(id, episodes).items():
        print(f"{name:28} {value:9.3f}  {known.get(name, '')}".rstrip())
    for title, value, text in own_measures(id, task_kwargs, episodes, activations):
        print(f"{title}: {value:.3f}; published {text}")


def returns_of(id: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the returns of random choices and of the reference observer.

    Args:
        id: Id of the task.
        kwargs: Parameters of the task, tuples instead of lists.

    Raises:
        ParameterError: If they would have to be measured on images, which takes minutes.
    """
    if not kwargs and id in reference_returns():
        return reference_returns()[id]
    env: Any = gym.make(id).unwrapped
    if env.task.image_shape is not None:
        raise ParameterError(
            "those of random choices and of the reference observer are known of the registered "
            "tasks with images only, and without other parameters."
        )
    return measure_returns(id, **kwargs)


def own_measures(
    id: str, task_kwargs: dict[str, Any], episodes: Episodes, activations: Activations
) -> list[tuple[str, float, str]]:
    """Return what claims about a task say of the agent: name, value, published value with source.

    They are those of the registered task, and of the parameters that the experiment trains with.
    """
    for experiment in EXPERIMENTS.values():
        for training in experiment.trainings.values():
            known = task_kwargs in ({}, dict(training.task_kwargs))
            if training.id != id or training.summary is None or not known:
                continue
            measures = training.summary(episodes, activations)
            found = []
            for claim in experiment.claims:
                with suppress(KeyError, IndexError):
                    value = float(look_up([measures], claim.key).mean())
                    found.append((claim.name, value, f"{claim.published}  ({claim.source})"))
            return found
    return []
