"""Which rollouts are played in compiled code: those in which nobody looks at a step."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.vec_env import VecEnv

from neurotasks_baselines.agents.compiled_engine import CompiledActor
from neurotasks_baselines.agents.vec_env import TaskVecEnv


class RolloutCallback(BaseCallback):
    """A callback that does nothing at a step, so that no rollout need stop there.

    Its ``on_step`` may be called once a rollout.
    """

    def _on_step(self) -> bool:
        return True


def ignores_steps(callback: BaseCallback) -> bool:
    """Return whether a callback does nothing at a step."""
    if isinstance(callback, CallbackList):
        return all(map(ignores_steps, callback.callbacks))
    if isinstance(callback, ConvertCallback):  # what an agent that gets none makes
        return callback.callback is None
    return type(callback)._on_step is RolloutCallback._on_step


def can_play(env: VecEnv, callback: BaseCallback, actor: Any) -> bool:
    """Return whether a rollout can be played in compiled code, without Python in between."""
    compiled = isinstance(actor, CompiledActor) and isinstance(env, TaskVecEnv) and env.can_play
    return compiled and ignores_steps(callback)
