"""What tests over every registered id share."""

from collections.abc import Mapping

import gymnasium as gym
import numpy as np
import pytest

import neurotasks

IDS = list(neurotasks.TASKS)
LANES = 3
# the hidden fields that actions carry on
DEPENDS_ON_POSITION = {"gaze", "velocity", "best_action", "p_baited", "trials_since"}
DEPENDS_ON_POSITION |= {"in_flight", "recent_licks"}

# Where a test needs many trials, those of a hundred steps are shortened.
SHORT = {"trials": 20, "dt": 0.5, "interval_min": 0.5, "interval_mean": 0.5}
MICE = ("VariableReward", "VariableProbability", "SameMean")
LATENT = ("VariableRewardLatency", "VariableProbabilityLatency")  # whose steps are of 0.1 s
BRIEF = dict.fromkeys((f"neurotasks/{name}-v0" for name in MICE), SHORT)
SHORTER = {"dt": 0.1, "interval_min": 0.1, "interval_mean": 0.1, "odour_duration": 0.2}
SHORTER |= {"trace_duration": 0.5, "outcome_duration": 0.6}
BRIEF |= dict.fromkeys((f"neurotasks/{name}-v0" for name in LATENT), SHORT | SHORTER)

single_and_vector = pytest.mark.parametrize("lanes", [0, LANES], ids=["single", "vector"])


def make(id, lanes=0, **keywords):
    if not lanes:
        return gym.make(id, **keywords)
    return gym.make_vec(id, **{"num_envs": lanes, "autoreset_mode": "SameStep"} | keywords)


def brief(id, **keywords):
    return BRIEF.get(id, {}) | keywords


def choose(env, rng, skill=0.5):
    """Draw actions, the best one with probability `skill`, so that every stage is met."""
    best = env.unwrapped.get_state()["best_action"]
    drawn = rng.integers(len(env.unwrapped.action_names), size=len(best))
    actions = np.where(rng.random(len(best)) < skill, best, drawn)
    return int(actions[0]) if isinstance(env, gym.Env) else actions


def play(env, steps, seed, skill=0.5):
    """Step, and reset a single environment when its episode is over; return all that came."""
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(steps):
        results.append(env.step(choose(env, rng, skill)))
        if isinstance(env, gym.Env) and results[-1][2]:
            results.append(env.reset())
    return results


def same(a, b):
    return plain(a) == plain(b)  # np.array_equal takes ten times longer


def plain(value):
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8:  # an image
            return value.shape, value.tobytes()
        value = value.tolist()
        if not isinstance(value, list) or isinstance(next(iter(value), 0), (int, float, list)):
            return value
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value


def parts_of(env, observation):
    """Return what is seen, the one-hot previous action and the previous reward."""
    layout = env.unwrapped.layout
    if env.unwrapped.task.image_shape is None:
        return [observation[..., layout[name]] for name in ("stimulus", "action", "reward")]
    if not isinstance(observation, dict):
        return [observation, np.zeros(0), np.zeros(0)]
    vector = observation["feedback"]
    return [observation["image"], vector[..., layout["action"]], vector[..., layout["reward"]]]


def told(result):
    """Return the observation and the infos about it, of what reset() or step() returned."""
    infos = {key: value for key, value in result[-1].items() if "final_" not in key}
    return result[0], infos


def arrays(result):
    if isinstance(result, np.ndarray):
        yield result
        result = list(result) if result.dtype.hasobject else []
    elif isinstance(result, dict):
        result = result.values()
    elif not isinstance(result, (tuple, list)):
        return
    for part in result:
        yield from arrays(part)


def option_values(env, name):
    """Return two values at the ends of an option's range; arrays have different elements."""
    field, kind = env.unwrapped.task.options[name], env.unwrapped.get_state().dtype[name]
    shape = kind.shape
    low, high = field.range(env.unwrapped.parameters)
    low_to_high = np.linspace(low, high, max(2, *shape, 2))
    low_to_high = low_to_high if kind.base.kind == "f" else low_to_high.astype(int)
    return (low_to_high, low_to_high[::-1]) if shape else (low_to_high[0], low_to_high[-1])
