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


def expectile_loss(
    channels: th.Tensor, targets: th.Tensor, taus: th.Tensor, weights: th.Tensor
) -> th.Tensor:
    """Return the loss whose minima are the expectiles of the targets (Newey & Powell 1987).

    The squared error, weighted with 2 tau where the target lies above the channel and 2 (1 - tau)
    where it lies below, averaged over channels and samples. One channel of tau = 0.5 has the mean
    squared error.

    Args:
        channels: predictions, (samples, channels).
        targets: (samples, targets); each channel is compared with every target of its sample.
        taus: asymmetries in (0, 1), (channels,).
        weights: (samples,).
    """
    error = targets[:, None, :] - channels[:, :, None]
    asymmetry = 2 * (taus[:, None] - (error < 0).to(taus.dtype)).abs()
    return weighted_mean((asymmetry * error**2).mean(dim=(1, 2)), weights)


def quantile_loss(
    channels: th.Tensor, targets: th.Tensor, taus: th.Tensor, weights: th.Tensor
) -> th.Tensor:
    """Return the pinball loss, whose minima are quantiles (Koenker & Bassett 1978).

    No Huber loss: with a threshold near the spread of the rewards it learns expectiles in disguise.
    Arguments as for `expectile_loss`.
    """
    error = targets[:, None, :] - channels[:, :, None]
    asymmetry = (taus[:, None] - (error < 0).to(taus.dtype)).abs()
    return weighted_mean((asymmetry * error.abs()).mean(dim=(1, 2)), weights)
