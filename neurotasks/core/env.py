"""The single environment of every task."""

from __future__ import annotations

from functools import partial
from operator import index
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from neurotasks.core.checks import checked_options, checked_seeds
from neurotasks.core.frames import check_render_mode, frames, render
from neurotasks.core.lanes import Lanes, lane_of
from neurotasks.core.loops import BAD_ACTION, OVER, TRIAL_OVER
from neurotasks.core.task import Task
from neurotasks.errors import shown
from neurotasks.rendering.frame import Frame
from neurotasks.rendering.pixels import pixels, size_of
from neurotasks.rendering.window import RENDER_FPS, Window

if TYPE_CHECKING:
    import pandas as pd


class TaskEnv(gym.Env[Any, np.int64]):
    """One copy of a task as a Gymnasium environment: the base of every task's class.

    ``gymnasium.make`` makes those; without an id, ``TASK.env_class(...)`` does.

    The observation is a flat float32 vector ``[stimulus | one-hot previous action | previous
    reward]``; the feedback part is zero when an episode starts. `layout` says which slice is
    which, `stimulus_names` and `action_names` what the components mean. Where the subject sees an
    image, the observation is a dict of the ``"image"``, uint8 (height, width, 3), and of that
    vector without a stimulus as ``"feedback"``.

    Episodes end by themselves. A wrapper that has to know the longest one, as
    ``TimeAwareObservation`` does, needs ``gymnasium.make(id, max_episode_steps=...)``;
    ``parameters.longest_episode`` is the number.

    Args:
        feedback: Part of the last step that the observation holds: ``"both"``, ``"action"``,
            ``"reward"`` or ``"none"``.
        split: Ranges that episodes are drawn from, ``"train"`` or ``"test"``.
        trial_log: Whether to keep a row for every finished trial (see `trial_table`).
        render_mode: Kind of frame that `render` makes: ``"rgb_array"``, ``"human"`` (a window,
            drawn at every reset and step) or ``"ansi"``; None for nothing.
        show_truth: Whether frames have a side panel with the hidden truth.
        **parameters: Task's own parameters, documented on its page.

    Raises:
        ParameterError: If a keyword does not exist or has a value outside its range.
    """

    task: ClassVar[Task]
    """The task's definition: its fields, options, columns and rules."""

    metadata: dict[str, Any] = {
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": RENDER_FPS,
    }

    def __init__(
        self,
        *,
        feedback: str = "both",
        split: str = "train",
        trial_log: bool = False,
        render_mode: str | None = None,
        show_truth: bool = False,
        **parameters: Any,
    ) -> None:
        check_render_mode(render_mode, show_truth, self.metadata["render_modes"])
        self._lanes = Lanes(self.task, 1, feedback, split, trial_log, parameters)
        self.parameters = self._lanes.parameters
        self.layout = self._lanes.layout
        self.action_names = self._lanes.actions
        self.stimulus_names = self._lanes.stimulus
        self.observation_space = self._lanes.observation_space
        self.action_space = self._lanes.action_space
        self.render_mode = render_mode
        self.show_truth = show_truth
        self._window = Window(self.task.name)
        self._one = np.ones(1, np.bool_)
        self._more_than_a_vector = bool(self.task.image_shape or render_mode == "human")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode.

        Args:
            seed: Seed of the sequence of episodes; with None the present sequence continues.
            options: Hidden values to fix for this episode (see ``task.options``).

        Returns:
            The first observation, and the hidden truth.

        Raises:
            OptionError: If an option does not exist or has a value outside its range.
            Error: If the seed is no int >= 0; Gymnasium's own.
        """
        lanes = self._lanes
        fixed = checked_options(options, self.task, lanes.parameters, lanes.records)
        if seed is not None:
            (seed,) = checked_seeds([seed], 1)
            super().reset(seed=seed)
        if seed is not None or lanes.records["episode"][0] < 0:
            lanes.seed({0: self.np_random})
        if fixed or self._more_than_a_vector:
            vectors, _ = lanes.begin(self._one, fixed)
            observation = lane_of(lanes.present(vectors, lanes.records), 0)
            if self.render_mode == "human":
                self.render()
        else:
            observation = lanes.blank.copy()
            lanes.reset_lane(lanes.records, lanes.rules_p, observation)
        return observation, lanes.info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Args:
            action: Index of the action.

        Returns:
            The observation, the reward, whether the episode has ended, False (episodes are never
            truncated), and the hidden truth behind the observation. With ``trial_log=True`` the
            step that ends a trial has that trial's row of the trial table in
            ``info["last_trial"]``, a mapping that cannot be changed and is read when it is first
            looked at: ``dict(info["last_trial"])`` is a dict. ``SyncVectorEnv`` puts such rows in
            an array of objects, where ``make_vec`` makes arrays of the columns. The rest of
            ``info`` is then about the next trial.

        Raises:
            InvalidAction: If the action is outside the action space; nothing has happened then.
            ResetNeeded: If the episode is over.
        """
        lanes = self._lanes
        log = lanes.log
        observation: Any = lanes.blank.copy()
        try:
            reward, bits = lanes.step_lane(
                lanes.records, log.finished, log.slot, lanes.rules_p, index(action), observation
            )
        except (TypeError, OverflowError):
            if _is_int64(action):  # a rule that runs as ordinary Python is at fault
                raise
            bits = BAD_ACTION
        if bits < 0:
            self._refuse(action, bits)
        if bits & TRIAL_OVER and log.num:
            info = lanes.info_after_trial(log.add_one())
        else:
            info = lanes.info()
        if self._more_than_a_vector:
            if self.task.image_shape is not None:
                observation = lanes.present_one(observation)
            if self.render_mode == "human":
                self.render()
        return observation, float(reward), bits & OVER != 0, False, info

    def render(self) -> Any:
        """Draw what the subject sees now, its last action and the last reward.

        Returns:
            A uint8 array (360, 480, 3), 740 wide with the truth, for ``"rgb_array"``; a string
            for ``"ansi"``; None for ``"human"``, which shows it in a window.

        Raises:
            ResetNeeded: Before the first reset.
            DependencyNotInstalled: If the extra ``render`` is not installed.
        """
        if self.render_mode == "human":
            frame = self.frame()
            fps = self.metadata["render_fps"]
            return self._window.show(partial(pixels, frame), size_of(frame), fps)
        drawn = render(self._lanes, self.render_mode, self.show_truth)
        return drawn[0] if drawn else None

    def frame(self) -> Frame:
        """Return what `render` draws, for those who draw it themselves.

        Raises:
            ResetNeeded: Before the first reset.
        """
        return frames(self._lanes, self.show_truth)[0]

    def close(self) -> None:
        """Close the window, if there is one."""
        self._window.close()

    def get_state(self) -> NDArray[np.void]:
        """Return a copy of the whole state as a numpy record array of length 1."""
        return self._lanes.get_state()

    def set_state(self, state: NDArray[np.void]) -> tuple[Any, dict[str, Any]]:
        """Restore a state; returns what `reset` returns, for the restored moment.

        Raises:
            StateError: If the state is not of this task, or a value is outside its range.
        """
        self._lanes.set_state(state)
        return lane_of(self._lanes.observe(self._lanes.records), 0), self._lanes.info()

    def trial_table(self, *, clear: bool = False) -> pd.DataFrame:
        """Return one row per finished trial; see `neurotasks.core.trial_log.TrialLog.table`."""
        return self._lanes.trial_table(clear=clear)

    def _refuse(self, action: Any, problem: int) -> None:
        if problem == BAD_ACTION:
            raise InvalidAction(
                f"action must be one of the integers 0 to {len(self.action_names) - 1} "
                f"({', '.join(self.action_names)}); got {shown(action)}."
            )
        raise ResetNeeded(
            f"step() was called on {self.task.name} although no episode is under way: it has "
            "not begun, or has ended. Call reset() first."
        )


def _is_int64(action: Any) -> bool:
    try:
        return -(2**63) <= index(action) < 2**63
    except TypeError:
        return False
