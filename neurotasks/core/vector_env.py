"""The native vector environment of every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from neurotasks.core.checks import (
    MOST_ENVS,
    MOST_THREADS,
    as_array,
    as_options,
    check_count,
    check_memory,
    checked_mask,
    checked_options,
    checked_seeds,
)
from neurotasks.core.frames import check_render_mode, render
from neurotasks.core.lanes import Lanes, lane_of
from neurotasks.core.loops import (
    AUTORESET,
    DISABLED,
    EPISODE_ENDED,
    SAME_STEP,
    TERMINATED,
    TRIAL_ENDED,
    TRUNCATED,
)
from neurotasks.core.parameters import NO_CAP
from neurotasks.core.task import Task
from neurotasks.errors import ParameterError, shown
from neurotasks.rendering.window import RENDER_FPS

if TYPE_CHECKING:
    import pandas as pd

INT64 = np.dtype(np.int64)


class TaskVectorEnv(VectorEnv[Any, NDArray[np.int64], NDArray[Any]]):
    """Many copies of a task, stepped together in compiled code; the base of its class.

    ``gymnasium.make_vec`` makes those; without an id, ``TASK.vector_env_class(num_envs=...)`` does.

    Sub-environment i of one seeded s is, bit for bit, the single environment seeded s + i.

    Args:
        num_envs: Number of sub-environments.
        autoreset_mode: What happens when an episode ends, as a
            ``gymnasium.vector.AutoresetMode`` or its value (``"NextStep"``, ``"SameStep"``,
            ``"Disabled"``).
        feedback: Part of the last step that the observation holds: ``"both"``, ``"action"``,
            ``"reward"`` or ``"none"``.
        split: Ranges that episodes are drawn from, ``"train"`` or ``"test"``.
        trial_log: Whether to keep a row for every finished trial (see `trial_table`).
        max_episode_steps: Number of steps after which an episode is truncated, as by
            ``gymnasium.make``'s keyword; None for no limit.
        render_mode: Kind of frame that `render` makes, one per sub-environment: ``"rgb_array"`` or
            ``"ansi"``; None for nothing.
        show_truth: Whether frames have a side panel with the hidden truth.
        threads: Number of threads, each of which steps its part of the sub-environments. The
            results are the same for any number. More than one pays off from a few thousand
            sub-environments.
        **parameters: Task's own parameters, documented on its page.

    Raises:
        ParameterError: If a keyword does not exist or has a value outside its range.
    """

    task: ClassVar[Task]
    """The task's definition: its fields, options, columns and rules."""

    def __init__(
        self,
        *,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        feedback: str = "both",
        split: str = "train",
        trial_log: bool = False,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        show_truth: bool = False,
        threads: int = 1,
        **parameters: Any,
    ) -> None:
        limit = 1 if max_episode_steps is None else max_episode_steps
        check_count("num_envs", num_envs, MOST_ENVS)
        check_count("threads", threads, MOST_THREADS)
        check_count("max_episode_steps", limit, NO_CAP)
        try:
            mode = AutoresetMode(autoreset_mode)
        except ValueError as error:
            raise ParameterError(
                f"autoreset_mode must be one of "
                f"{', '.join(repr(m.value) for m in AutoresetMode)}; got {shown(autoreset_mode)}."
            ) from error
        self.metadata = {
            "autoreset_mode": mode,
            "render_modes": ["rgb_array", "ansi"],
            "render_fps": RENDER_FPS,
        }
        check_render_mode(render_mode, show_truth, self.metadata["render_modes"])
        self._lanes = Lanes(
            self.task, num_envs, feedback, split, trial_log, parameters, threads, max_episode_steps
        )
        self.autoreset_mode = mode
        self._autoreset = AUTORESET[mode]
        self._all = np.ones(num_envs, np.bool_)
        self._info_names = [(name, f"_{name}") for name in self._lanes.info_names]
        self.num_envs = num_envs
        self.parameters = self._lanes.parameters
        self.layout = self._lanes.layout
        self.action_names = self._lanes.actions
        self.stimulus_names = self._lanes.stimulus
        self.render_mode = render_mode
        self.show_truth = show_truth
        self.single_observation_space = self._lanes.observation_space
        self.single_action_space = self._lanes.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode everywhere, or in the sub-environments of ``options["reset_mask"]``.

        Args:
            seed: Seed: sub-environment i is seeded ``seed + i``, or ``seed[i]`` of a sequence;
                with None the present sequences of episodes continue.
            options: Hidden values to fix, one for all or an array with one for each (see
                ``task.options``), and ``"reset_mask"``, a bool array of shape (num_envs,).

        Returns:
            The observations, shape (num_envs, width), and the hidden truth as arrays.

        Raises:
            OptionError: If an option does not exist or has a value outside its range.
        """
        lanes, options = self._lanes, as_options(options)
        mask = checked_mask(options.pop("reset_mask", self._all), lanes.num)
        fixed = options and checked_options(options, self.task, lanes.parameters, lanes.records)
        told = lanes.reset_arrays()
        if (
            seed is not None
            or fixed
            or not lanes.reset_lanes(lanes.records, lanes.rules_p, mask, False, *told)
        ):
            generators = lanes.generators(checked_seeds(seed, lanes.num), mask)
            if isinstance(seed, (int, np.integer)):
                super().reset(seed=int(seed))
            lanes.seed(generators)
            told = lanes.begin(mask, fixed)
        observations, truth = told
        return lanes.present(observations, lanes.records), self._infos(truth, mask)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Take one action in every sub-environment.

        Args:
            actions: Indices of the actions, int array of shape (num_envs,).

        Returns:
            Observations (num_envs, width), rewards (num_envs,), terminations (num_envs,),
            truncations (num_envs,), and the hidden truth as arrays. In SAME_STEP mode
            ``infos["final_obs"]`` and ``infos["final_info"]`` hold the last ones of the episodes
            that ended. With ``trial_log=True`` the rows of the trials that the step ended are in
            ``infos["last_trial"]``, column -> array, and ``infos["_last_trial"]`` says where; in
            SAME_STEP mode, as in Gymnasium's own vector environments, the row of an episode's last
            trial is in ``infos["final_info"]["last_trial"]``.

        Raises:
            InvalidAction: If an action is outside the action space; nothing has happened then.
            ResetNeeded: Before the first reset, or if an episode is over in DISABLED mode.
        """
        lanes = self._lanes
        given = self._as_int64(actions, (lanes.num,))
        observations, rewards, ends, truth, known = lanes.step_arrays()
        results, finals = (observations, rewards, ends, truth), lanes.finals
        some_over = lanes.step_lanes(self._autoreset, given, results, finals)
        if some_over < 0:
            self._refuse(-1 - some_over, actions)
        infos = self._infos(truth, known)
        if self._autoreset == SAME_STEP and some_over:
            lanes.finals = lanes.reset_arrays()
            self._add_finals(infos, finals, ends[EPISODE_ENDED])
        if lanes.log.num:
            ended = ends[TRIAL_ENDED]
            lanes.log.add(ended)
            if "final_info" in infos:
                over = ends[EPISODE_ENDED]
                self._add_last_trials(infos["final_info"], ended & over)
                ended = ended & ~over
            self._add_last_trials(infos, ended)
        if lanes.task.image_shape:
            observations = lanes.present(observations, lanes.records)
        return observations, rewards, ends[TERMINATED], ends[TRUNCATED], infos

    def step_many(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Take many actions in every sub-environment, without Python in between.

        The results, and the state afterwards, are those of as many calls of `step`, but for
        the infos: with SAME_STEP an observation after the end of an episode is the first of the
        next one, and the last one is not returned.

        Args:
            actions: Indices of the actions, int array of shape (steps, num_envs).

        Returns:
            Observations (steps, num_envs, width), rewards, terminations and truncations, each
            (steps, num_envs).

        Raises:
            InvalidAction: If an action is outside the action space; nothing has happened then.
            ParameterError: In DISABLED mode, with ``trial_log=True``, in a task with images, or if
                the results would take more than 4 GiB.
            ResetNeeded: Before the first reset.
        """
        lanes, n = self._lanes, self._lanes.num
        if self._autoreset == DISABLED or lanes.log or lanes.task.image_shape:
            raise ParameterError(
                f"step_many() needs an autoreset_mode other than 'Disabled', trial_log=False and a "
                f"task without images; got {self.task.name} with {self.autoreset_mode} and "
                f"trial_log={bool(lanes.log)}. Make the environment with "
                "autoreset_mode='SameStep' and trial_log=False, or call step()."
            )
        given = as_array(actions)
        steps = len(given) if given.ndim == 2 else 0
        check_memory("The number of steps", steps, n * (4 * lanes.width + 16))
        given = self._as_int64(given, (steps if given.ndim == 2 else "steps", n))
        shape = given.shape
        observations = np.empty((*shape, lanes.width), np.float32)
        rewards = np.empty(shape)
        ends = np.empty((steps, 3, n), np.bool_)
        none = lanes.records[:0]
        results, finals = (observations, rewards, ends, none), (observations[:1, 0], none)
        problem = lanes.roll_lanes(self._autoreset, given, results, finals)
        if problem < 0:
            self._refuse(-1 - problem, actions)
        return observations, rewards, ends[:, TERMINATED].copy(), ends[:, TRUNCATED].copy()

    @property
    def reason_not_to_play(self) -> str:
        """What `play` cannot obey; empty if it can be called."""
        lanes = self._lanes
        reasons = {
            f"the autoreset mode {self.autoreset_mode}": self._autoreset != SAME_STEP,
            "trial_log=True": bool(lanes.log),
            "images": lanes.task.image_shape is not None,
            "max_episode_steps": lanes.rules_p["max_episode_steps"][0] != NO_CAP,
            "several threads": lanes.threads > 1,
        }
        return ", ".join(reason for reason, holds in reasons.items() if holds)

    def play(
        self,
        choose: Any,
        chooser: Any,
        observations: NDArray[np.float32],
        starts: NDArray[np.bool_],
        steps: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
        """Take steps whose actions compiled code chooses, without Python in between.

        The results, and the state afterwards, are those of as many calls of `step`.

        Args:
            choose: Function compiled by numba, called as ``choose(chooser, t, observations, starts,
                actions)``. It writes the actions of step t, int64 (num_envs,), given the
                observations, float32 (num_envs, width), and whether an episode starts, bool
                (num_envs,).
            chooser: Arrays and tuples of arrays that it is given.
            observations: Observations now, (num_envs, width).
            starts: Whether an episode starts now, (num_envs,).
            steps: Number of steps.

        Returns:
            Observations (steps + 1, num_envs, width) and episode starts (steps + 1, num_envs), of
            which the first are those given; actions and rewards, both (steps, num_envs).

        Raises:
            InvalidAction: If an action is outside the action space; the steps before have happened.
            ParameterError: If there is a `reason_not_to_play`, `choose` does not compile, steps are
                no number, observations or starts have another shape, or the results would take more
                than 4 GiB.
            ResetNeeded: Before the first reset.
        """
        lanes, n = self._lanes, self._lanes.num
        if self.reason_not_to_play:
            raise ParameterError(
                "play() needs autoreset_mode='SameStep', vector observations, no trial log, no "
                f"limit of steps and one thread; got {self.reason_not_to_play}. Make the "
                "environment so, or call step()."
            )
        if not isinstance(steps, (int, np.integer)) or steps < 0:
            raise ParameterError(f"steps must be an int of at least 0; got {shown(steps)}.")
        check_memory("The number of steps", int(steps), n * (4 * lanes.width + 24))
        if np.shape(observations) != (n, lanes.width) or np.shape(starts) != (n,):
            raise ParameterError(
                f"observations and starts must be of shape {(n, lanes.width)} and {(n,)}; got "
                f"{np.shape(observations)} and {np.shape(starts)}. Pass those of the last step."
            )
        seen = np.empty((steps + 1, n, lanes.width), np.float32)
        begun = np.empty((steps + 1, n), np.bool_)
        seen[0], begun[0] = observations, starts
        actions, rewards = np.empty((steps, n), np.int64), np.empty((steps, n))
        none, ends = lanes.records[:0], np.empty((steps, 4, n), np.bool_)
        results, finals = (rewards, ends, none), (seen[0], none)
        play = lanes.player(choose, chooser)
        problem = play(seen, begun, actions, results, finals)
        if problem < 0:
            t, place = divmod(-1 - problem, 2 * n)
            self._refuse(place, actions[t])
        return seen, begun, actions, rewards

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads."""
        if "_lanes" in vars(self):  # also closed where the constructor refused its arguments
            self._lanes.close()

    def render(self) -> tuple[Any, ...] | None:
        """Draw what the subject sees now in every sub-environment, see `TaskEnv.render`.

        Returns:
            One frame per sub-environment: uint8 arrays for ``"rgb_array"``, strings for ``"ansi"``.

        Raises:
            ResetNeeded: If no episode has begun in some sub-environment.
            DependencyNotInstalled: If the extra ``render`` is not installed.
        """
        return tuple(render(self._lanes, self.render_mode, self.show_truth)) or None

    def get_state(self) -> NDArray[np.void]:
        """Return a copy of the whole state as a numpy record array, (num_envs,)."""
        return self._lanes.get_state()

    def set_state(self, state: NDArray[np.void]) -> tuple[Any, dict[str, Any]]:
        """Restore a state; returns what `reset` returns, for the restored moment.

        Raises:
            StateError: If the state is not of this task and `num_envs`, or a value is outside its
                range, or in SAME_STEP mode an episode has ended.
        """
        self._lanes.set_state(state, under_way=self._autoreset == SAME_STEP)
        observations = self._lanes.observe(self._lanes.records)
        return observations, self._infos(self.get_state(), self._all.copy())

    def trial_table(self, *, clear: bool = False) -> pd.DataFrame:
        """Return one row per finished trial; see `neurotasks.core.trial_log.TrialLog.table`."""
        return self._lanes.trial_table(clear=clear)

    def _infos(self, truth: Any, known: NDArray[np.bool_]) -> dict[str, Any]:
        """Return views of the fields of a fresh copy of the records."""
        infos: dict[str, Any] = {}
        for name, mask_name in self._info_names:
            infos[name] = truth[name]
            infos[mask_name] = known
        return infos

    def _add_finals(
        self, infos: dict[str, Any], finals: tuple[Any, Any], over: NDArray[np.bool_]
    ) -> None:
        """Add the last observations and infos of the episodes that are over."""
        lasts, truth = finals
        final_obs, ended = np.empty(len(over), object), over.nonzero()[0]
        if self.task.image_shape:  # drawing takes long
            lasts = self._lanes.present(lasts[ended], truth[ended])
            for place, i in enumerate(ended.tolist()):
                final_obs[i] = lane_of(lasts, place)
        else:
            for i in ended.tolist():
                final_obs[i] = lasts[i]
        infos["final_obs"], infos["_final_obs"] = final_obs, over.copy()
        infos["final_info"], infos["_final_info"] = self._infos(truth, over.copy()), over

    def _add_last_trials(self, infos: dict[str, Any], ended: NDArray[np.bool_]) -> None:
        if ended.any():
            trials = self._lanes.log.last_trials(ended)
            infos |= {"last_trial": trials, "_last_trial": ended.copy()}

    def _as_int64(self, actions: Any, shape: tuple[Any, ...]) -> NDArray[np.int64]:
        """Return the actions of one step or of several as contiguous int64."""
        if (
            type(actions) is np.ndarray
            and actions.dtype is INT64
            and actions.shape == shape
            and actions.flags.c_contiguous
        ):
            return actions
        array = as_array(actions)
        if array.shape != shape or array.dtype.kind not in "iu":
            raise InvalidAction(
                f"actions must be integers of shape {shape}, 0 to {len(self.action_names) - 1} "
                f"({', '.join(self.action_names)}); got dtype {array.dtype} and shape "
                f"{array.shape}."
            )
        if array.dtype.kind == "u":  # where it does not fit it is too large, not negative
            array = array.clip(max=len(self.action_names))
        return np.asarray(array, np.int64, order="C")

    def _refuse(self, problem: int, given: Any) -> None:
        actions = np.asarray(given).ravel()
        if problem >= len(actions):
            raise ResetNeeded(
                f"step() was called although no episode is under way in sub-environment "
                f"{problem - len(actions)}: it has not begun, or has ended and autoreset is "
                "disabled. Call reset() or reset(options={'reset_mask': terminations}) first."
            )
        raise InvalidAction(
            f"actions must be integers 0 to {len(self.action_names) - 1} "
            f"({', '.join(self.action_names)}); got {actions[problem]} for sub-environment "
            f"{problem % self._lanes.num}. No sub-environment was stepped."
        )
