"""Interventions on an agent while it plays: dopamine stimulated or blocked, inputs held at a value.

Weights stay frozen. What an agent then does is played with `neurotasks.episodes.run_episodes`::

    record(Intervened(model, [Clamp("reward", 0.0)]), envs, seed=TEST_SEED)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray

from neurotasks.episodes import Agent, Episodes
from neurotasks.errors import ParameterError, nearest
from neurotasks_baselines.agents.policies import RpeLstmPolicy


@dataclass(frozen=True)
class Intervention:
    """A shift of the RPE an agent is told, at certain moments.

    Attributes:
        when: from the observations of a step, (lanes, width), on which lanes it acts, (lanes,). An
            observation holds the last action and reward, so ``lambda o: o[:, -1] == 4`` acts when
            a reward of 4 has come. Of a task with images it is given the feedback.
        offset: added to the RPE; below 0 it blocks, above it stimulates.
    """

    when: Callable[[NDArray[np.float32]], NDArray[np.bool_]]
    offset: float


@dataclass(frozen=True)
class Clamp:
    """A part of the observation held at a value in every step; at 0 it is ablated.

    Attributes:
        component: what is held, one of: an index in the observation; a name from
            ``env.unwrapped.stimulus_names``; ``"action NAME"``, the input that says the last action
            was NAME; ``"stimulus"``, ``"action"`` or ``"reward"``, a whole part of the observation
            (``env.unwrapped.layout``); ``"image"``.
        value: what the agent sees there instead, in the units of the observation.
    """

    component: int | str
    value: float


class Intervened:
    """An agent under interventions.

    The offset of an `Intervention` is added to the RPE that goes into the actor's network of an
    `RpeLstmPolicy`, and into nothing else. An agent that is told the reward has no such input:
    there it is added to the reward. A `Clamp` holds whatever else is done, and for all networks.

    Args:
        model: the agent: one of ours, one of Stable-Baselines3, or an observer.
        interventions: what is done to it; where several act, their offsets add up.
        envs: the environment it plays, to find components by their names; by default the one the
            agent comes with.

    Raises:
        ParameterError: if the observation has no such component.
    """

    def __init__(
        self, model: Agent, interventions: Sequence[Intervention | Clamp], envs: Any = None
    ) -> None:
        self.model = model
        self.interventions = [i for i in interventions if isinstance(i, Intervention)]
        clamps = [clamp for clamp in interventions if isinstance(clamp, Clamp)]
        if clamps and envs is None:
            own = getattr(model, "get_env", lambda: None)()
            if own is None:
                raise ParameterError("A Clamp came for an agent without environment. Pass envs=.")
            envs = own.get_attr("unwrapped", 0)[0]
        self.clamps = [(place_of(clamp.component, envs), clamp.value) for clamp in clamps]

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose actions, as ``model.predict`` does."""
        policy = getattr(self.model, "policy", None)
        seen = observation["feedback"] if isinstance(observation, dict) else observation
        seen = np.atleast_2d(seen)
        offset = np.zeros(len(seen), np.float32)
        for intervention in self.interventions:
            offset += np.where(intervention.when(seen), np.float32(intervention.offset), 0)
        told = observation
        if self.interventions and not isinstance(policy, RpeLstmPolicy):
            told = _copied(observation)
            vector = told["feedback"] if isinstance(told, dict) else told
            vector[..., -1] += offset if vector.ndim > 1 else offset[0]
        told = self.clamped(told)
        if not isinstance(policy, RpeLstmPolicy):
            return self.model.predict(told, state, episode_start, deterministic)
        policy.rpe_offset = th.as_tensor(offset, device=policy.device)
        try:
            return self.model.predict(told, state, episode_start, deterministic)
        finally:
            policy.rpe_offset = None

    def clamped(self, observation: Any) -> Any:
        """Return observations with the clamps on.

        Args:
            observation: as a task gives them, with any axes before those of one observation.

        Returns:
            A copy; the observation itself if there is no clamp.
        """
        if not self.clamps:
            return observation
        changed = _copied(observation)
        for (part, place), value in self.clamps:
            (changed if part is None else changed[part])[place] = value
        return changed

    def seen(self, episodes: Episodes) -> Episodes:
        """Return the episodes with the observations as the clamped agent saw them.

        What `compute_activations` needs; the offsets of an `Intervention` are not in it.
        """
        return replace(episodes, observations=self.clamped(episodes.observations))


def place_of(component: int | str, envs: Any) -> tuple[str | None, Any]:
    """Return where a component of the observation is.

    Args:
        component: its index or name, see `Clamp`.
        envs: an environment of the task, single or vector.

    Returns:
        The key where the observation is a dict, else None; and what to index the array with.

    Raises:
        ParameterError: if there is none.
    """
    task = envs.unwrapped
    space = getattr(task, "single_observation_space", task.observation_space)
    parts: Any = space.spaces if isinstance(space, spaces.Dict) else {None: space}
    places: dict[int | str, tuple[str | None, Any]] = {}
    for part, box in parts.items():
        if len(box.shape) > 1:
            places["image"] = part, ...
            continue
        filled = {name: s for name, s in task.layout.items() if s.start < s.stop}
        places |= {name: (part, (..., where)) for name, where in filled.items()}
        names = [*task.stimulus_names]
        if "action" in filled:
            names += [f"action {name}" for name in task.action_names]
        places |= {name: (part, (..., i)) for i, name in enumerate(names)}
        places |= {i: (part, (..., i)) for i in range(box.shape[0])}
    if component not in places:
        raise ParameterError(
            f"The component {component!r} came, but the observation has none of that index or "
            f"name. {nearest(str(component), map(str, places))}"
        )
    return places[component]


def _copied(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {name: array.copy() for name, array in observation.items()}
    return observation.copy()
