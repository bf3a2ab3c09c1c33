"""Agents for the tiny tasks that are written by hand: the best ones, and the same with faults.

As a file for `neurotasks check-memory` it offers `make_agent` and `make_forgetful`.
"""

from functools import partial

import gymnasium as gym
import numpy as np

NUM_ENVS, NUM_STEPS = 16, 32  # of a rollout


def best(need, observations, starts, state, told_at=1):
    """Return the best actions for a task, and the state: steps since the start and what was seen.

    The state of an environment that starts is forgotten. The last reward or action counts at step
    `told_at`.
    """
    if state is None:
        state = np.zeros((2, len(observations)), int)
    steps, secret = np.where(starts, 0, state)
    seen = {"action": observations[:, 3:5], "reward": observations[:, 3:4]}.get(
        need, observations[:, :2]
    )
    if need in ("reward", "action"):
        now = (steps == told_at) & (seen.max(axis=1) >= 0)
        secret = np.where(now, seen[:, -1] > 0, secret)
    elif need != "truncation":
        secret = np.where(seen.any(axis=1), seen.argmax(axis=1), secret)
    if need == "start":
        secret = np.where(steps == 0, 1, 0)
    if need == "truncation":
        secret = np.zeros_like(secret)
    return secret, np.stack([steps + 1, secret])


def no_memory(need, observations, starts, state):
    """Return what is best for what is seen now."""
    return best(need, observations, np.ones_like(starts), None)[0], None


def never_reset(need, observations, starts, state):
    """Forget nothing."""
    return best(need, observations, np.zeros_like(starts), state)


def reset_late(need, observations, starts, state):
    """Forget one step late."""
    state, told = (None, np.zeros_like(starts)) if state is None else state
    actions, state = best(need, observations, told, state)
    return actions, (state, starts)


def mixed_up(need, observations, starts, state):
    """Use the state of the environment before."""
    return best(need, observations, starts, None if state is None else np.roll(state, 1, axis=1))


def reset_by_others(need, observations, starts, state):
    """Forget everything when any environment starts."""
    return best(need, observations, np.full_like(starts, starts.any()), state)


def reward_late(need, observations, starts, state):
    """See the last reward one step late, and use it when it comes."""
    if need != "reward":
        return best(need, observations, starts, state)
    state, before = (None, 0.0) if state is None else state
    late = observations.copy()
    late[:, 3] = before
    actions, state = best(need, late, starts, state, told_at=2)
    return actions, (state, observations[:, 3])


def random(need, observations, starts, state):
    """Choose at random, whatever is asked for."""
    rng = state or np.random.default_rng(0)
    return rng.integers(0, 2, len(observations)), rng


def train(id, total_steps, seed, player, reset_rollouts, task_kwargs):
    """Play as a training would, from rollout to rollout, with some actions at random."""
    envs = gym.make_vec(id, num_envs=NUM_ENVS, autoreset_mode="SameStep", **task_kwargs)
    rng = np.random.default_rng(seed)
    observations, _ = envs.reset(seed=seed)
    starts, state = np.ones(NUM_ENVS, bool), None
    for step in range(total_steps // NUM_ENVS):
        if reset_rollouts and step % NUM_STEPS == 0:
            state = None
        actions, state = player(observations, starts, state)
        actions = np.where(rng.random(NUM_ENVS) < 0.1, rng.integers(0, 2, NUM_ENVS), actions)
        observations, _, terminated, truncated, _ = envs.step(actions)
        starts = terminated | truncated


def make_agent(id, *, total_steps, seed, player=best, reset_rollouts=False, **task_kwargs):
    """Return the best agent, or another player."""
    function = partial(player, id.rpartition("/")[2].removesuffix("-v0").lower())
    if task_kwargs:
        train(id, total_steps, seed, function, reset_rollouts, task_kwargs)
    return function


make_forgetful = partial(make_agent, player=no_memory)
