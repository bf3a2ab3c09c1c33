"""What tests of single tasks share: states put by hand, what is seen, bounds of counts."""

import math

import numpy as np


def put(env, **fields):
    """Set fields of the state; returns what `set_state` returns."""
    state = env.get_state()
    for name, value in fields.items():
        state[name] = value
    return env.set_state(state)


def seen(env, observation):
    """Return the names of what is shown."""
    stimulus = observation[env.layout["stimulus"]]
    assert set(stimulus.tolist()) <= {0.0, 1.0}
    return [env.stimulus_names[i] for i in np.flatnonzero(stimulus)]


def within(count, number, p):
    """Whether a count is one that 999,993 of a million binomial samples give."""
    return abs(count - number * p) <= 4.5 * math.sqrt(number * p * (1 - p))
