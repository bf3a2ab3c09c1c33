"""What an experiment consists of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from baselines.claims import Claim
from baselines.recurrent_ppo import FusedRecurrentPPO
from baselines.training import Watch

Measures = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One published simulation.

    Attributes:
        name: on the command line.
        title: of its part of the report.
        question: what it asks, in a sentence.
        id: the task.
        seeds: the reported seeds.
        watch: what is measured and drawn during training.
        measure: from a trained agent and a number of episodes, JSON-able measures.
        claims: from the measures of all seeds, the claims.
        figure: from the measures of all seeds, a matplotlib figure.
    """

    name: str
    title: str
    question: str
    id: str
    seeds: Sequence[int]
    watch: Watch
    measure: Callable[[FusedRecurrentPPO, int], Measures]
    claims: Callable[[list[Measures]], list[Claim]]
    figure: Callable[[list[Measures]], Any]
