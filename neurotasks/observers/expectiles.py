"""Exact expectiles: what the neurons of a distributional code predict once they have learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expectiles(values: ArrayLike, probabilities: ArrayLike, taus: ArrayLike) -> NDArray[np.float64]:
    """Return the expectiles of a discrete distribution, in closed form.

    The tau-expectile e solves tau E[(R - e)+] = (1 - tau) E[(e - R)+] (Newey & Powell 1987). With
    the outcomes up to the k-th below e, e is a mean with weights tau above and 1 - tau below; of
    these the right one is the largest if tau >= 1/2 and the smallest otherwise.

    Args:
        values: Outcomes, (n,).
        probabilities: Probabilities of the outcomes, (n,); divided by their sum.
        taus: Asymmetries in (0, 1), any shape.

    Returns:
        The expectiles, in the shape of `taus`.

    Raises:
        ValueError: If the arguments do not fit together or lie outside their ranges.
    """
    x, w, tau = (np.asarray(a, np.float64) for a in (values, probabilities, taus))
    if x.ndim != 1 or x.shape != w.shape or not len(x) or (w < 0).any() or not w.sum() > 0:
        raise ValueError(
            "probabilities must be at least 0, one for each of one or more values, and not all 0; "
            f"got {w} for values of shape {x.shape}."
        )
    if not ((tau > 0) & (tau < 1)).all():
        raise ValueError(f"taus must be in (0, 1); got {taus!r}.")
    order = np.argsort(x)
    x, w = x[order], w[order] / w.sum()
    mass, moment = np.cumsum(w), np.cumsum(w * x)
    above, below = tau[..., None], 1 - tau[..., None]
    candidates = (below * moment + above * (moment[-1] - moment)) / (
        below * mass + above * (mass[-1] - mass)
    )
    return np.asarray(np.where(tau >= 0.5, candidates.max(axis=-1), candidates.min(axis=-1)))
