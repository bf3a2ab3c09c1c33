"""The losses of PPO, as pure functions of arrays.

Each is a mean over samples with weights, which are 1 for samples that count and 0 for others.
"""

from __future__ import annotations

import torch as th


def weighted_mean(x: th.Tensor, weights: th.Tensor) -> th.Tensor:
    """Return the mean of ``x``, (samples,), over the samples that count."""
    return th.dot(x, weights) / weights.sum()


def normalized(advantages: th.Tensor, weights: th.Tensor) -> th.Tensor:
    """Return advantages with mean 0 and standard deviation 1 over the samples that count."""
    centred = advantages - weighted_mean(advantages, weights)
    degrees = (weights.sum() - 1).clamp(min=1)
    return centred / ((th.dot(centred**2, weights) / degrees).sqrt() + 1e-8)


def clipped_surrogate(
    ratio: th.Tensor, advantages: th.Tensor, weights: th.Tensor, clip: float
) -> th.Tensor:
    """Return PPO's policy loss (Schulman et al. 2017, arXiv 1707.06347, eq. 7).

    Args:
        ratio: new over old probability of the actions, (samples,).
        advantages: (samples,).
        weights: (samples,).
        clip: how far the ratio may move away from 1 with profit.
    """
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -weighted_mean(th.minimum(advantages * ratio, advantages * clipped), weights)


def squared_error(predictions: th.Tensor, targets: th.Tensor, weights: th.Tensor) -> th.Tensor:
    """Return the critic's loss: the mean squared error, all arguments (samples,)."""
    return weighted_mean((targets - predictions) ** 2, weights)
