"""Gymnasium's native vector environments as Stable-Baselines3 vector environments."""

from __future__ import annotations

import time
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks.core.vector_env import TaskVectorEnv
from neurotasks_baselines.errors import AutoresetError, SeedError


class GymnasiumVecEnv(VecEnv):
    """A ``gymnasium.vector.VectorEnv`` as a ``VecEnv`` of Stable-Baselines3.

    Both reset a sub-environment in the step that ends its episode; only the form differs. The last
    observation of an episode goes to ``infos[i]["terminal_observation"]`` and its last info to
    ``infos[i]``; sub-environments in mid-episode get an empty info. The infos of episodes that
    start are in `reset_infos`.

    Args:
        envs: Vector environment in SAME_STEP mode.

    Raises:
        AutoresetError: If the mode is another one, which would add a fake transition per episode.
    """

    def __init__(self, envs: VectorEnv) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise AutoresetError(
                f"The autoreset mode must be SAME_STEP for Stable-Baselines3; got {mode}. Pass "
                "autoreset_mode='SameStep' to gymnasium.make_vec (for a SyncVectorEnv: "
                "vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP})."
            )
        self.envs = envs
        self.spec = envs.spec
        self.metadata = envs.metadata
        self.render_mode = getattr(envs, "render_mode", None)
        self._actions: Any = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Any:
        """Reset all environments with the seeds and options set before; returns observations."""
        seeds: list[Any] = list(self._seeds)
        seed: Any = None
        if any(s is not None for s in seeds):
            # a native vector environment takes an int, and seeds the i-th with that int + i
            consecutive = all(s == seeds[0] + i for i, s in enumerate(seeds))
            seed = seeds[0] if consecutive else seeds
        options = self._options[0] or None
        if any((other or None) != options for other in self._options):
            raise ValueError(
                "Reset options must be the same for all sub-environments of a Gymnasium vector "
                f"environment; got {self._options}. Pass one dict to set_options()."
            )
        observations, infos = self.envs.reset(seed=seed, options=options)
        started = _given(infos)
        for i in range(self.num_envs):
            self.reset_infos[i] = _info_of_env(started, i)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Step all environments; returns observations, rewards, dones and a list of infos.

        Raises:
            AutoresetError: If the last observations of episodes that end are not there.
        """
        observations, rewards, terminations, truncations, infos = self.envs.step(self._actions)
        dones = terminations | truncations
        by_env: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if dones.any():
            if "final_obs" not in infos:
                raise AutoresetError(
                    "Where episodes end, infos must hold their last observations in 'final_obs', "
                    f"as in SAME_STEP mode; got {sorted(infos)}. Mend the environment."
                )
            final, started = _given(infos.get("final_info", {})), _given(infos)
            if "episode" in started:  # of a RecordEpisodeStatistics around all
                final["episode"] = started.pop("episode")
            for i in np.flatnonzero(dones).tolist():
                by_env[i] = _info_of_env(final, i)
                by_env[i]["terminal_observation"] = infos["final_obs"][i]
                by_env[i]["TimeLimit.truncated"] = bool(truncations[i] and not terminations[i])
                self.reset_infos[i] = _info_of_env(started, i)
        return observations, rewards.astype(np.float32), dones, by_env

    def get_state(self) -> np.ndarray:
        """Return a copy of the whole state; for neurotasks environments only."""
        return self.get_attr("get_state", 0)[0]()

    def set_state(self, state: np.ndarray) -> Any:
        """Restore the whole state, and forget seeds set for the next reset.

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
        """Return an image of every sub-environment, None where there is none."""
        frames: Any = self.envs.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the vector environment, once per index."""
        value = getattr(self.envs.unwrapped, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector environment; all sub-environments share it."""
        self._check_all(indices, f"set_attr({attr_name!r})")
        setattr(self.envs.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment once; returns its result in a list of one."""
        self._check_all(indices, f"env_method({method_name!r})")
        return [getattr(self.envs.unwrapped, method_name)(*method_args, **method_kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False: sub-environments have no wrappers of their own."""
        return [False for _ in self._get_indices(indices)]

    def _check_all(self, indices: Any, call: str) -> None:
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(
                f"{call} must be for all sub-environments, which are one object; got "
                f"indices={indices!r}. Leave it out."
            )


Given = dict[str, tuple[Any, Any]]


def _given(infos: dict[str, Any], of_all: Any = None) -> Given:
    """Return the values by name, and a mask of the sub-environments they are given for.

    Args:
        infos: Infos of a vector environment, in which dicts are infos, too.
        of_all: Mask of what has none of its own; by default, what has none is left out.
    """
    given: Given = {}
    for name, value in infos.items():
        if not name.startswith(("_", "final_")):
            mask = infos.get(f"_{name}", of_all)
            if mask is not None:
                given[name] = (_given(value, mask) if isinstance(value, dict) else value, mask)
    return given


def _info_of_env(given: Given, i: int) -> dict[str, Any]:
    return {
        name: _info_of_env(value, i) if isinstance(value, dict) else value[i]
        for name, (value, mask) in given.items()
        if mask[i]
    }


class Played(NamedTuple):
    """Steps that were played in compiled code.

    Attributes:
        observations: Observations before each step and after the last one, (steps + 1, num_envs,
            width).
        starts: Whether an episode starts with these, (steps + 1, num_envs).
        actions: Actions, (steps, num_envs).
        rewards: Rewards, float32 (steps, num_envs).
        episodes: Statistics of the episodes that ended, in order, as ``VecMonitor`` gives them.
    """

    observations: np.ndarray
    starts: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    episodes: list[dict[str, Any]]


class TaskVecEnv(VecMonitor):
    """A ``VecMonitor`` that also keeps its statistics where many steps are taken at once."""

    @property
    def can_play(self) -> bool:
        """Whether `play` can be called: around a task that does nothing else than its rules."""
        envs: Any = getattr(self.venv, "envs", None)
        native = isinstance(envs, TaskVectorEnv) and type(envs).step is TaskVectorEnv.step
        plain = type(self.venv) is GymnasiumVecEnv and not self.info_keywords
        return native and plain and not envs.reason_not_to_play

    def play(self, choose: Any, chooser: Any, obs: Any, starts: Any, steps: int) -> Played:
        """Take steps whose actions compiled code chooses; see ``TaskVectorEnv.play``.

        `GymnasiumVecEnv.reset_infos` of what has begun on the way are empty.
        """
        envs: Any = self.venv.envs  # type: ignore[attr-defined]
        seen, begun, actions, exact = envs.play(choose, chooser, obs, starts, steps)
        rewards, episodes, first = exact.astype(np.float32), [], 0
        for t in np.flatnonzero(begun[1:].any(axis=1)).tolist():
            self._count(rewards[first : t + 1])
            first, ended = t + 1, begun[t + 1].nonzero()[0]
            seconds = round(time.time() - self.t_start, 6)
            for i in ended.tolist():
                r, length = self.episode_returns[i], self.episode_lengths[i]
                episodes.append({"r": r, "l": length, "t": seconds})
                if self.results_writer:
                    self.results_writer.write_row(episodes[-1])
                self.venv.reset_infos[i] = {}
            self.episode_returns[ended], self.episode_lengths[ended] = 0, 0
        self._count(rewards[first:])
        self.episode_count += len(episodes)
        return Played(seen, begun, actions, rewards, episodes)

    def _count(self, rewards: np.ndarray) -> None:
        """Add some steps to the statistics of the episodes under way, in turn, as if each alone."""
        self.episode_returns = np.cumsum([self.episode_returns, *rewards], axis=0)[-1]
        self.episode_lengths += len(rewards)


def make_vec_env(
    id: str,
    num_envs: int = 64,
    seed: int | None = None,
    *,
    task_kwargs: dict[str, Any] | None = None,
    vectorization_mode: Literal["vector_entry_point", "sync", "async"] | None = None,
    max_episode_steps: int | None = None,
    monitor: Path | None = None,
) -> TaskVecEnv:
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

    Raises:
        SeedError: If the seed is no integer.
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
        if not isinstance(seed, Integral):
            raise SeedError(f"seed must be an integer; got {seed!r}.")
        env.seed(int(seed))
    return TaskVecEnv(env, str(monitor) if monitor else None)
