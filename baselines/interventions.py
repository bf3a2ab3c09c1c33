"""Interventions on an agent while it plays: dopamine stimulated, blocked, rewards misread.

Weights stay frozen. An intervention tells from what the agent has just seen whether to act.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray

from baselines.policies import RpeLstmPolicy
from baselines.recurrent_ppo import FusedRecurrentPPO


@dataclass(frozen=True)
class Intervention:
    """A shift of the RPE an agent is told, at certain moments.

    Attributes:
        when: from the observations of a step, (lanes, width), on which lanes it acts, (lanes,). An
            observation holds the last action and reward, so ``lambda o: o[:, -1] == 4`` acts when
            a reward of 4 has come.
        offset: added to the RPE; below 0 it blocks, above it stimulates.
    """

    when: Callable[[NDArray[np.float32]], NDArray[np.bool_]]
    offset: float


class Intervened:
    """An agent under interventions, to be played with `neurotasks.recording.record`.

    The offset is added to the RPE that goes into the actor's network of an `RpeLstmPolicy`, and
    into nothing else. An agent that is told the reward has no such input: there it is added to the
    reward.

    Args:
        model: the agent.
        interventions: what is done to it; where several act, their offsets add up.
    """

    def __init__(self, model: FusedRecurrentPPO, interventions: Sequence[Intervention]) -> None:
        self.model, self.interventions = model, tuple(interventions)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose actions, as ``model.predict`` does."""
        policy, seen = self.model.policy, np.atleast_2d(observation)
        offset = np.zeros(len(seen), np.float32)
        for intervention in self.interventions:
            offset += np.where(intervention.when(seen), np.float32(intervention.offset), 0)
        if not isinstance(policy, RpeLstmPolicy):
            changed = observation.copy()
            changed[..., -1] += offset if changed.ndim > 1 else offset[0]
            return self.model.predict(changed, state, episode_start, deterministic)
        policy.rpe_offset = th.as_tensor(offset)
        try:
            return self.model.predict(observation, state, episode_start, deterministic)
        finally:
            policy.rpe_offset = None
