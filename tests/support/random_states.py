"""A process that puts random states within the declared ranges, and uses them in every way.

``python random_states.py NUMBER ID ...`` prints each id, and how many of its states were accepted.
"""

import sys

import gymnasium as gym
import numpy as np

import neurotasks  # noqa: F401
from neurotasks.errors import StateError
from neurotasks.observers import reference_observer
from neurotasks.observers.base import Oracle

LANES, STEPS = 4, 6


def drawn(rng, env, state):
    """Return a state some of whose fields are drawn from their ranges, ends included."""
    wild, ranges = state.copy(), env.task.ranges(env.parameters)
    names = list(ranges)
    chosen = rng.choice(names, rng.integers(1, len(names) + 1), replace=False)
    for name in chosen if rng.random() < 0.8 else names:
        low, high = ranges[name]
        dtype, shape = state.dtype[name].base, wild[name].shape
        if dtype.kind == "f":
            inside = np.clip(low + (high - low) * rng.random(shape), low, high)
        else:
            inside = rng.integers(low, high, shape, endpoint=True, dtype=dtype)
        ends = np.where(rng.random(shape) < 0.5, low, high)
        wild[name] = np.where(rng.random(shape) < 0.3, ends.astype(dtype), inside)
    return consistent(wild, env.parameters) if rng.random() < 0.8 else wild


def consistent(state, p):
    """Let the core's counts fit each other."""
    state["episode"] = np.maximum(state["episode"], 0)
    state["trials"] = np.maximum(state["trials"], state["trial"])
    state["trial_start"] = np.minimum(state["trial_start"], state["step"])
    state["over"] = (state["trial"] >= state["trials"]) | (state["step"] >= p.last_step)
    if "window_end" in state.dtype.names:
        times = ("onset", "odour_end", "delivery", "window_end", "end")
        ordered = np.sort([state[name] for name in times], axis=0)
        for name, time in zip(times, ordered, strict=True):
            state[name] = time
        now = state["step"] - state["trial_start"]
        state["stage"] = sum(now >= state[name] for name in times[:3])
    return state


def accepted_of(id, number):
    """Put the states, and return how many were accepted."""
    rng, accepted = np.random.default_rng(0), 0
    one = gym.make(id, trial_log=True, render_mode="ansi", show_truth=True).unwrapped
    many = gym.make_vec(id, num_envs=LANES, trial_log=True, render_mode="ansi").unwrapped
    for env in (one, many):
        env.reset(seed=0)
        players = [reference_observer(env), Oracle(env)]
        space = env.observation_space
        for i in range(number):
            env.reset(seed=i)
            for _ in range(rng.integers(4)):
                env.step(env.action_space.sample())
            base = env.get_state()
            try:
                observation, _ = env.set_state(drawn(rng, env, base))
            except StateError:
                env.set_state(base)  # nothing has changed
                continue
            accepted += 1
            for _ in range(STEPS):
                assert space.contains(observation), observation
                env.render()
                player = players[int(rng.integers(2))]
                actions = player.predict(observation)[0] if i % 3 else env.action_space.sample()
                if env is one and env.get_state()["over"][0]:
                    observation, _ = env.reset()
                    continue
                observation, reward, *_ = env.step(int(actions) if env is one else actions)
                low, high = env.task.reward_range(env.parameters)
                assert np.all((min(low, 0) <= reward) & (reward <= max(high, 0))), reward
            env.trial_table(clear=True)
    return accepted


if __name__ == "__main__":
    for id in sys.argv[2:]:
        sys.stdout.write(f"{id} {accepted_of(id, int(sys.argv[1]))}\n")
        sys.stdout.flush()
