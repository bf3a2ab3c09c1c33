"""The search for the parameters that fit best, compiled for each model.

`neurotasks.models.loops.compile_loops` gives every model its own copy, with its ``gradient``.
"""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neurotasks.core.rules import rule
from neurotasks.models.rules import STEP

MOST_STEPS = 200  # of a search
MOST_BACKTRACKS = 20  # of a step
ARMIJO = 1e-4  # share of the expected gain that a step must have


class Shape(NamedTuple):
    """How unbounded numbers give parameters, and the bounds and prior of the numbers.

    Arrays of (parameters,) are those of `neurotasks.models.model.Scales`.

    Attributes:
        values: Written: values of the parameters.
        middle: Middle of a ``"logit"`` parameter, 0 of others.
        half: Half the range of a ``"logit"`` parameter, 0 of others.
        log: 1 of a ``"log"`` parameter, 0 of others.
        linear: 1 of an ``"identity"`` parameter, 0 of others.
        unit: Unit in which numbers are searched.
        low: Smallest number, in units.
        high: Largest number, in units.
        mean: Mean of the prior.
        weight: Precision of the prior, 0 without one.
        fixed: As of `neurotasks.models.model.Workspace`.
        spread: As of `neurotasks.models.model.Workspace`.
    """

    values: Any
    middle: Any
    half: Any
    log: Any
    linear: Any
    unit: Any
    low: Any
    high: Any
    mean: Any
    weight: Any
    fixed: Any
    spread: Any


def negative(z: Any, trials: Any, shape: Any, arrays: Any, slope: Any) -> float:
    """Return the negative log likelihood, or log posterior, of scaled numbers, and its gradient.

    Args:
        z: Unbounded numbers behind the parameters, in their units, (parameters,).
        trials: Records of `neurotasks.models.loops.TRIAL`, (trials,).
        shape: `Shape` of the function.
        arrays: Table of the complex records, then what `neurotasks.models.loops.gradient` needs
            after the trials.
        slope: Written: the derivatives by z, (parameters,).
    """
    table, p, states, first, second, slopes = arrays
    for i in range(z.shape[0]):
        number = z[i] * shape.unit[i]
        logistic, log = np.tanh(number / 2), shape.log[i]
        exponential = log * np.exp(log * number)
        shape.values[i] = (
            shape.middle[i] + shape.half[i] * logistic + exponential + shape.linear[i] * number
        )
        change = shape.half[i] * (1 - logistic * logistic) / 2 + exponential + shape.linear[i]
        slope[i] = change * shape.unit[i]
    for j in range(table.shape[1]):
        value = shape.fixed[j]
        for i in range(z.shape[0]):
            value += shape.values[i] * shape.spread[i, j]
        for k in range(z.shape[0]):
            table[k, j] = complex(value, STEP * shape.spread[k, j])
    total: float = -gradient(trials, p, states, first, second, slopes)
    for i in range(z.shape[0]):
        off = z[i] * shape.unit[i] - shape.mean[i]
        total += off * off * shape.weight[i] / 2
        slope[i] = -slopes[i] * slope[i] + off * shape.weight[i] * shape.unit[i]
    return total


@rule
def forget(inverse: Any) -> None:
    """Set the inverse of the curvature to the identity."""
    for i in range(inverse.shape[0]):
        for j in range(inverse.shape[0]):
            inverse[i, j] = 1.0 if i == j else 0.0


@rule
def downhill(z: Any, shape: Any, inverse: Any, slope: Any, step: Any, fresh: bool) -> float:
    """Write the step to where the slope vanishes, and return the slope along it.

    What is at a bound and would leave it stays. With no curvature known the step is 1 at most.
    """
    n = z.shape[0]
    for i in range(n):
        stays = (z[i] <= shape.low[i] and slope[i] > 0) or (z[i] >= shape.high[i] and slope[i] < 0)
        step[i] = 0.0 if stays else 1.0
    fall, length = 0.0, 0.0
    for i in range(n):
        if step[i] != 0.0:
            total = 0.0
            for j in range(n):
                if step[j] != 0.0:
                    total -= inverse[i, j] * slope[j]
            shape.values[i] = total
            fall += total * slope[i]
            length += total * total
    factor = 1.0 / np.sqrt(length) if fresh and length > 1.0 else 1.0
    for i in range(n):
        if step[i] != 0.0:
            step[i] = shape.values[i] * factor
    return fall * factor


@rule
def learn_curvature(inverse: Any, moved: Any, change: Any, bent: Any, fresh: bool) -> bool:
    """Update the inverse of the curvature by a step and the change of slope (BFGS).

    Returns whether the inverse is still that of no curvature known.
    """
    n = moved.shape[0]
    curvature, square, along = 0.0, 0.0, 0.0
    for i in range(n):
        curvature += moved[i] * change[i]
        square += change[i] * change[i]
    if curvature <= 1e-10 * square:
        return fresh
    for i in range(n):
        bent[i] = 0.0
        for j in range(n):
            if fresh:
                inverse[i, j] *= curvature / square
            bent[i] += inverse[i, j] * change[j]
        along += bent[i] * change[i]
    factor = (1 + along / curvature) / curvature
    for i in range(n):
        for j in range(n):
            both = bent[i] * moved[j] + moved[i] * bent[j]
            inverse[i, j] += factor * moved[i] * moved[j] - both / curvature
    return False


def descend(z: Any, trials: Any, shape: Any, arrays: Any, work: Any, tolerance: float) -> float:
    """Go down from a start by BFGS, projected on the bounds; return the value reached.

    Nocedal & Wright 2006, Numerical Optimization, chapter 6; for the bounds Bertsekas 1982, SIAM J.
    Control Optim. 20:221. Unlike in scipy's searches there is no Python between
    evaluations.

    Args:
        z: Start, (parameters,); written: the end.
        trials: As for `negative`.
        shape: As for `negative`.
        arrays: As for `negative`.
        work: Written: the inverse of the curvature, slopes, steps, (6 + parameters, parameters).
        tolerance: Relative change of the value at which the search ends.
    """
    n = z.shape[0]
    slope, new_slope, step, new, change, bent = work[0], work[1], work[2], work[3], work[4], work[5]
    inverse = work[6:]
    forget(inverse)
    fresh = True  # no curvature is known
    value = negative(z, trials, shape, arrays, slope)
    for _ in range(MOST_STEPS):
        fall = downhill(z, shape, inverse, slope, step, fresh)
        size, new_value, accepted = 1.0, value, False
        for _ in range(MOST_BACKTRACKS if fall < 0 else 0):
            gain = 0.0
            for i in range(n):
                new[i] = min(max(z[i] + size * step[i], shape.low[i]), shape.high[i])
                gain += slope[i] * (new[i] - z[i])
            new_value = negative(new, trials, shape, arrays, new_slope)
            accepted = new_value <= value + ARMIJO * gain
            if accepted:
                break
            size *= min(max(-gain / (2 * (new_value - value - gain)), 0.1), 0.5)
        if not accepted:
            if fresh:
                break  # nowhere to go
            forget(inverse)
            fresh = True
            continue
        for i in range(n):
            step[i], change[i] = new[i] - z[i], new_slope[i] - slope[i]
            z[i], slope[i] = new[i], new_slope[i]
        settled = not fresh and value - new_value <= tolerance * max(abs(value), 1.0)
        fresh = learn_curvature(inverse, step, change, bent, fresh)
        value = new_value
        if settled:
            break
    return value
