"""The longest episode that the parameters of a task promise, and those that are played."""

import gymnasium as gym
import numpy as np
import pytest
from every_id import IDS, LATENT, MICE

from neurotasks.core import Parameters
from neurotasks.core.parameters import NO_CAP

# Such that the longest interval of a mouse is not one in thousands.
LONG_INTERVALS = {"dt": 0.5, "interval_max": 6.0, "interval_mean": 1000.0}
MICE_IDS = [f"neurotasks/{name}-v0" for name in MICE]
LATENT_IDS = [f"neurotasks/{name}-v0" for name in LATENT]
SHORT = {"neurotasks/HarlowPixels-v0": {"max_frames": 90}} | dict.fromkeys(MICE_IDS, LONG_INTERVALS)
SHORT |= dict.fromkeys(LATENT_IDS, LONG_INTERVALS | {"dt": 0.1, "interval_min": 5.0})
OTHERS = [
    *((id, LONG_INTERVALS | {"trials": 3, "interval_min": 6.0}) for id in MICE_IDS),
    ("neurotasks/VariableReward-v0", LONG_INTERVALS | {"odour_duration": 0.0, "pavlovian": True}),
    ("neurotasks/VariableReward-v0", {"dt": 0.05, "interval_min": 3.0, "interval_max": 3.0}),
    ("neurotasks/BanditInformative-v0", {"trials": 7}),
    ("neurotasks/Foraging-v0", {"fixation": False, "trials": 55}),
    ("neurotasks/TwoStep-v0", {"fixation": False}),
    ("neurotasks/InferredValue-v0", {"steps_per_trial": 2}),
    ("neurotasks/RiskyChoice-v0", {"trials": 12}),
    ("neurotasks/Harlow-v0", {"max_steps": 31}),
    ("neurotasks/HarlowPixels-v0", {"max_frames": 90, "action_repeat": 7}),
]


def lengths(envs, steps, best):
    """Return the number of steps of the first episode of each sub-environment.

    One takes the best actions, the other the last action there is, which is to stay where it is.
    """
    envs.reset(seed=0)
    found = np.zeros(envs.num_envs, int)
    for t in range(1, steps + 1):
        stay = np.full(envs.num_envs, envs.single_action_space.n - 1)
        _, _, over, _, _ = envs.step(envs.get_state()["best_action"].astype(int) if best else stay)
        found[over & (found == 0)] = t
    return found


@pytest.mark.parametrize(("id", "parameters"), [*((id, SHORT.get(id, {})) for id in IDS), *OTHERS])
def test_no_episode_is_longer_and_one_is_as_long(id, parameters):
    number = 8 if "Pixels" in id else 2000
    envs = gym.make_vec(id, num_envs=number, autoreset_mode="SameStep", **parameters).unwrapped
    longest = envs.parameters.longest_episode
    played = [lengths(envs, longest, best) for best in (True, False)]
    assert np.all(np.array(played) > 0)
    assert np.max(played) == longest


def test_parameters_that_do_not_know():
    assert Parameters().longest_episode == NO_CAP
