"""What a regressor could have been if the neurons knew nothing of it.

Activity and regressors that both drift slowly are correlated by chance, and more often than
shuffled trials say (Harris 2020, bioRxiv 2020.08.13.250688; Elber-Dorozko & Loewenstein 2018, eLife
7:e34248). `CircularShifts` keeps the autocorrelation of the regressor, `OtherSessions` also what
drifts over a whole session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks_baselines.errors import DesignError

Floats = NDArray[np.float64]


class Null(Protocol):
    """A null hypothesis: it draws what a regressor could have been."""

    def __call__(self, name: str, values: Floats, rng: np.random.Generator, draws: int) -> Floats:
        """Return draws.

        Args:
            name: Name of the regressor.
            values: What is left of it once the other regressors are taken out, (trials,).
            rng: Random number generator.
            draws: Largest number of draws.

        Returns:
            The draws, (draws, trials).
        """


class ShuffledTrials:
    """Trials are exchangeable: activity has no memory from trial to trial, or the regressor none.

    It finds far too many neurons where both are autocorrelated.
    """

    def __call__(self, name: str, values: Floats, rng: np.random.Generator, draws: int) -> Floats:
        """Return random orders."""
        return rng.permuted(np.broadcast_to(values, (draws, len(values))), axis=1)


class CircularShifts:
    """The regressor began at another trial: activity is stationary over the session.

    Every shift is drawn once, short ones too: without those that hardly change a slow regressor the
    P values would be too small (measured: 8.5 % of neurons without a code below .05, where shifts
    by fewer than 10 of 160 trials were left out).
    """

    def __call__(self, name: str, values: Floats, rng: np.random.Generator, draws: int) -> Floats:
        """Return shifted values, the last ones first; fewer than `draws` in short sessions."""
        n = len(values)
        shifts = 1 + rng.permutation(n - 1)[:draws]
        shifted: Floats = values[(np.arange(n) - shifts[:, None]) % n]
        return shifted


class OtherSessions:
    """The regressor is that of another session: nothing within a session need be stationary.

    From a shorter session its first trials follow on its last ones.

    Args:
        sessions: Regressors of other sessions, without the one that is tested.

    Raises:
        DesignError: If there are fewer than two.
    """

    def __init__(self, sessions: Sequence[pd.DataFrame]) -> None:
        if len(sessions) < 2:
            raise DesignError(
                f"The null of other sessions needs 2 or more; got {len(sessions)}. Take another "
                "null."
            )
        names = sessions[0].columns
        self._columns = {n: [table[n].to_numpy(np.float64) for table in sessions] for n in names}

    def __call__(self, name: str, values: Floats, rng: np.random.Generator, draws: int) -> Floats:
        """Return values of sessions drawn at random, from a trial on that is drawn as well."""
        n, found = len(values), np.empty((draws, len(values)))
        columns = self._columns[name]
        which = rng.integers(len(columns), size=draws)
        for draw, session in enumerate(which):
            column = columns[session]
            spare = len(column) - n
            start = int(rng.integers(spare + 1 if spare >= 0 else len(column)))
            found[draw] = np.take(column, np.arange(start, start + n), mode="wrap")
        return found
