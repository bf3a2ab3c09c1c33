"""What the rules of a model are written with: functions of floats, and of floats with a derivative.

A rule is compiled twice: for floats, and for complex numbers whose imaginary part is a derivative
times `STEP`, a number so small that its square vanishes (Squire & Trapp 1998, SIAM Review 40:110).
One definition of a model thus yields its likelihood and the exact gradient. A rule must therefore
compare real parts, ``x.real > y.real``, and take these functions instead of numpy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.core.rules import rule

STEP = 1e-30
TINY = 1e-150  # smallest probability whose logarithm is taken; the product of two is no zero


@rule
def exp(x: Any) -> Any:
    """Return e to the power of x."""
    value = np.exp(x.real)
    return value + value * (x - x.real)


@rule
def ratio(x: Any, y: Any) -> Any:
    """Return x / y."""
    inverse = 1 / y.real
    return x * (inverse - inverse * inverse * (y - y.real))


@rule
def larger(x: Any, y: Any) -> Any:
    """Return the larger of two numbers."""
    return x if x.real > y.real else y


@rule
def softmax(values: Any) -> None:
    """Turn values into the probabilities proportional to their exponentials."""
    if len(values) == 2:
        difference = values[1] - values[0]
        odds = exp(difference if difference.real < 0 else -difference)  # at most 1
        smaller = ratio(odds, 1 + odds)
        rising = difference.real > 0
        values[0] = smaller if rising else 1 - smaller
        values[1] = 1 - smaller if rising else smaller
        return
    largest = values[0].real
    for i in range(1, len(values)):
        largest = max(largest, values[i].real)
    total = values[0] * 0
    for i in range(len(values)):
        values[i] = exp(values[i] - largest)
        total += values[i]
    for i in range(len(values)):
        values[i] = ratio(values[i], total)


@rule
def log(x: Any) -> Any:
    """Return the natural logarithm of x."""
    return np.log(x.real) + (x - x.real) / x.real
