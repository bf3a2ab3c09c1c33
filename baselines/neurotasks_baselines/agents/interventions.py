"""Interventions on an agent while it plays: dopamine stimulated or blocked, inputs clamped.

Weights stay frozen. The agent is played with `neurotasks.episodes.run_episodes`::

    run_episodes(Intervened(model, [Clamp("reward", 0.0)]), envs, seed=TEST_SEED)
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
from neurotasks_baselines.agents.checks import check_array
from neurotasks_baselines.agents.policies import RpeLstmPolicy


@dataclass(frozen=True)
class Intervention:
    """A shift of the RPE signal at certain moments.

    Attributes:
        when: Function of the observations of a step, (num_envs, width), that tells in which
            environments it acts, (num_envs,). An observation holds the last action and reward, so
            ``lambda o: o[:, -1] == 4`` acts after a reward of 4. For a task with images it gets the
            feedback part.
        offset: Number added to the RPE; below 0 it blocks dopamine, above 0 it stimulates.
    """

    when: Callable[[NDArray[np.float32]], NDArray[np.bool_]]
    offset: float


@dataclass(frozen=True)
class Clamp:
    """A part of the observation held at a value in every step; at 0 it is ablated.

    Attributes:
        component: Index in the observation; name from ``env.stimulus_names``; ``"action NAME"``,
            the input for the last action NAME; ``"stimulus"``, ``"action"`` or ``"reward"``, a
            whole part of the observation (``env.layout``); or ``"image"``.
        value: Value the agent sees there instead, in the units of the observation.
    """

    component: int | str
    value: float


class Intervened:
    """An agent under interventions.

    The offset of an `Intervention` is added to the RPE that goes into the actor's network of an
    `RpeLstmPolicy`, and to nothing else. Other agents have the reward as input instead, to which it
    is added. A `Clamp` holds whatever else is done, and for all networks.

    Args:
        model: Agent of this package or of Stable-Baselines3, or an observer.
        interventions: Interventions; where several act, their offsets add up.
        envs: Environment it plays, to find components by name; by default the agent's own.

    Raises:
        ParameterError: If the observation has no such component, or a number is not finite.
    """

    def __init__(
        self, model: Agent, interventions: Sequence[Intervention | Clamp], envs: Any = None
    ) -> None:
        self.model = model
        for change in interventions:
            number = change.offset if isinstance(change, Intervention) else change.value
            if not np.isfinite(number):
                raise ParameterError(
                    f"The number of an intervention must be finite; got {change}. Use one that the "
                    "observation or the RPE can have."
                )
        self.interventions = [i for i in interventions if isinstance(i, Intervention)]
        clamps = [clamp for clamp in interventions if isinstance(clamp, Clamp)]
        if clamps and envs is None:
            own = getattr(model, "get_env", lambda: None)()
            if own is None:
                raise ParameterError(
                    "A Clamp needs an environment, which this agent lacks. Pass envs=."
                )
            envs = own.get_attr("unwrapped", 0)[0]
        self.clamps = [(place_of(clamp.component, envs), clamp.value) for clamp in clamps]

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose actions, as ``model.predict`` does.

        Raises:
            ShapeError: If `Intervention.when` does not tell it of each environment.
        """
        policy = getattr(self.model, "policy", None)
        seen = observation["feedback"] if isinstance(observation, dict) else observation
        seen = np.atleast_2d(seen)
        offset = np.zeros(len(seen), np.float32)
        for intervention in self.interventions:
            when = np.asarray(intervention.when(seen))
            if when.ndim:  # else it acts in all environments, or in none
                check_array("What Intervention.when returns", when, (len(seen),), float32=False)
            offset += np.where(when, np.float32(intervention.offset), 0)
        shown = observation
        if self.interventions and not isinstance(policy, RpeLstmPolicy):
            shown = _copied(observation)
            vector = shown["feedback"] if isinstance(shown, dict) else shown
            vector[..., -1] += offset if vector.ndim > 1 else offset[0]
        shown = self.clamped(shown)
        if not isinstance(policy, RpeLstmPolicy):
            return self.model.predict(shown, state, episode_start, deterministic)
        policy.rpe_offset = th.as_tensor(offset, device=policy.device)
        try:
            return self.model.predict(shown, state, episode_start, deterministic)
        finally:
            policy.rpe_offset = None

    def clamped(self, observation: Any) -> Any:
        """Return observations with the clamps on.

        Args:
            observation: Observations as a task gives them, with any leading axes.

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


class WithoutMemory:
    """A recurrent agent whose state is reset at every step: it sees the last observation only.

    Args:
        model: Agent of this package or of Stable-Baselines3.
    """

    def __init__(self, model: Agent) -> None:
        self.model = model

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose actions, as ``model.predict`` does at the start of an episode."""
        vector = observation["feedback"] if isinstance(observation, dict) else observation
        starts = np.ones(len(vector), np.bool_)
        return self.model.predict(observation, state, starts, deterministic)


def place_of(component: int | str, envs: Any) -> tuple[str | None, Any]:
    """Return where a component of the observation is.

    Args:
        component: Index or name, see `Clamp`.
        envs: Environment of the task, single or vector.

    Returns:
        The key where the observation is a dict, else None; and what to index the array with.

    Raises:
        ParameterError: If there is none.
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
            f"component must be an index or name of the observation; got {component!r}. "
            f"{nearest(str(component), map(str, places))}"
        )
    return places[component]


def _copied(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {name: array.copy() for name, array in observation.items()}
    return observation.copy()
