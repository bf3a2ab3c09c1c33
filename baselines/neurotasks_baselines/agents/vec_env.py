"""Gymnasium's native vector environments as Stable-Baselines3 vector environments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks_baselines.errors import AutoresetError


class GymnasiumVecEnv(VecEnv):
    """Drives a ``gymnasium.vector.VectorEnv`` with Stable-Baselines3.

    Both reset a lane in the step that ends its episode; what differs is the form. The last
    observation of an episode goes to ``infos[i]["terminal_observation"]``, its last info to
    ``infos[i]``; lanes in mid-episode get an empty info. The infos of the episodes that begin are
    in `reset_infos`.

    Args:
        envs: a vector environment in SAME_STEP mode.

    Raises:
        AutoresetError: if it is in another mode; one fake transition an episode would follow.
    """

    def __init__(self, envs: VectorEnv) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise AutoresetError(
                f"An environment with autoreset mode {mode} came, but Stable-Baselines3 needs "
                "SAME_STEP. Pass autoreset_mode='SameStep' to gymnasium.make_vec (for a "
                "SyncVectorEnv: vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP})."
            )
        self.envs = envs
        self.spec = envs.spec
        self.metadata = envs.metadata
        self.render_mode = getattr(envs, "render_mode", None)
        self._actions: Any = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Any:
        """Reset all lanes with the seeds and options set before; returns the observations."""
        seeds: list[Any] = list(self._seeds)
        seed: Any = None
        if any(s is not None for s in seeds):
            # a native vector environment takes an int, and gives lane i that int + i
            consecutive = all(s == seeds[0] + i for i, s in enumerate(seeds))
            seed = seeds[0] if consecutive else seeds
        options = self._options[0] or None
        if any((other or None) != options for other in self._options):
            raise ValueError(
                "Different reset options came for different lanes, but a Gymnasium vector "
                "environment takes one dict for all. Pass one dict to set_options()."
            )
        observations, infos = self.envs.reset(seed=seed, options=options)
        begun = _given(infos)
        for i in range(self.num_envs):
            self.reset_infos[i] = _info_of_lane(begun, i)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Step all lanes; returns observations, rewards, dones and a list of infos."""
        observations, rewards, terminations, truncations, infos = self.envs.step(self._actions)
        dones = terminations | truncations
        lanes: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if dones.any():
            final, begun = _given(infos["final_info"]), _given(infos)
            for i in np.flatnonzero(dones).tolist():
                lanes[i] = _info_of_lane(final, i)
                lanes[i]["terminal_observation"] = infos["final_obs"][i]
                lanes[i]["TimeLimit.truncated"] = bool(truncations[i] and not terminations[i])
                self.reset_infos[i] = _info_of_lane(begun, i)
        return observations, rewards.astype(np.float32), dones, lanes

    def get_state(self) -> np.ndarray:
        """Return a copy of the state of all lanes; for a neurotasks environment only."""
        return self.get_attr("get_state", 0)[0]()

    def set_state(self, state: np.ndarray) -> Any:
        """Restore the state of all lanes, and forget seeds that wait for the next reset.

        Returns:
            The observations of the restored moment.
        """
        observations, _ = self.env_method("set_state", state)[0]
        self._reset_seeds()
        return observations

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return a picture of every lane, None where there is none."""
        frames = self.envs.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the vector environment, once for each lane asked for."""
        value = getattr(self.envs.unwrapped, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector environment; it is one for all lanes."""
        self._all_lanes(indices, f"set_attr({attr_name!r})")
        setattr(self.envs.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment once; returns its result in a list of one."""
        self._all_lanes(indices, f"env_method({method_name!r})")
        return [getattr(self.envs.unwrapped, method_name)(*method_args, **method_kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False: lanes have no wrappers of their own."""
        return [False for _ in self._get_indices(indices)]

    def _all_lanes(self, indices: Any, call: str) -> None:
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(
                f"{call} came for some lanes only, but a vector environment is one object. Leave "
                "`indices` out."
            )


def _given(infos: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the values and the lanes they are given for, by name."""
    return {
        name: (value, infos[f"_{name}"])
        for name, value in infos.items()
        if not name.startswith(("_", "final_")) and f"_{name}" in infos
    }


def _info_of_lane(given: dict[str, tuple[Any, Any]], i: int) -> dict[str, Any]:
    return {name: value[i] for name, (value, lanes) in given.items() if lanes[i]}


def make_vec_env(
    id: str,
    num_envs: int = 64,
    seed: int | None = None,
    *,
    task_kwargs: dict[str, Any] | None = None,
    vectorization_mode: Literal["vector_entry_point", "sync", "async"] | None = None,
    max_episode_steps: int | None = None,
    monitor: Path | None = None,
) -> VecMonitor:
    """Make a task ready for Stable-Baselines3: vector environment, adapter, episode statistics.

    Args:
        id: Id of a registered environment, such as ``"neurotasks/TwoStep-v0"``.
        num_envs: Number of sub-environments.
        seed: Seed of sub-environment 0; sub-environment i starts as the single environment seeded
            ``seed + i``. Unseeded by default.
        task_kwargs: Parameters of the task, and further keywords of ``gymnasium.make_vec``.
        vectorization_mode: How sub-environments are vectorized; natively by default where the
            environment can do so.
        max_episode_steps: Number of steps after which an episode is truncated; the environment's
            own by default.
        monitor: File for one row of statistics per episode, in Stable-Baselines3's format.

    Returns:
        A ``VecEnv`` that records episode returns and lengths.
    """
    options = {"vectorization_mode": vectorization_mode, "max_episode_steps": max_episode_steps}
    make_kwargs: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
    make_kwargs |= task_kwargs or {}
    if gym.spec(id).vector_entry_point is None:
        make_kwargs.setdefault("vectorization_mode", "sync")
    if make_kwargs.get("vectorization_mode", "vector_entry_point") == "vector_entry_point":
        make_kwargs.setdefault("autoreset_mode", "SameStep")
    else:
        same_step = {"autoreset_mode": AutoresetMode.SAME_STEP}
        make_kwargs["vector_kwargs"] = same_step | make_kwargs.get("vector_kwargs", {})
    env = GymnasiumVecEnv(gym.make_vec(id, num_envs=num_envs, **make_kwargs))
    if seed is not None:
        env.seed(seed)
    return VecMonitor(env, str(monitor) if monitor else None)
