"""The losses of PPO and A2C and their gradients, as pure functions of arrays.

Each is a mean over the samples that count, given by weights: 1 / n for each of these n, 0 for the
others. Since gradients are explicit, a minibatch needs no graph of torch; where there is one,
`attached` inserts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch as th

from neurotasks_baselines.agents.checks import check_array
from neurotasks_baselines.agents.lstm_kernels import Array, compiled, inlined

ZERO, ONE, TWO, NAN = map(np.float32, (0, 1, 2, np.nan))  # so that nothing becomes float64


def normalized(advantages: Array, weights: Array) -> Array:
    """Return advantages with mean 0 and standard deviation 1 over the samples that count."""
    centred = advantages - np.vdot(advantages, weights)
    counting = int(np.count_nonzero(weights))
    variance = np.vdot(centred**2, weights) * counting / max(counting - 1, 1)
    return centred / (np.sqrt(variance) + np.float32(1e-8))


class Surrogate(NamedTuple):
    """The policy loss of PPO or A2C on a minibatch.

    Attributes:
        loss: Clipped surrogate, or loss of the policy gradient.
        gradient: Gradient for the log-probabilities of the actions, (samples,).
        approx_kl: Schulman's estimate of the KL divergence from the policy that acted
            (http://joschu.net/blog/kl-approx.html).
        clip_fraction: Fraction of the samples whose ratio has left the clip range, 0 without one.
    """

    loss: float
    gradient: Array
    approx_kl: float
    clip_fraction: float


@inlined
def _clipped(log_prob: Any, old_log_prob: Any, advantage: Any, weight: Any, clip: Any) -> Any:
    """Return one sample's share of the numbers of a `Surrogate`; NaN stays NaN."""
    log_ratio = log_prob - old_log_prob
    ratio = np.exp(log_ratio)
    if clip is None:
        gradient = -weight * advantage
        return gradient * log_prob, gradient, weight * (ratio - ONE - log_ratio), ZERO
    near = ONE + clip if ratio > ONE + clip else ratio
    near = ONE - clip if ratio < ONE - clip else near
    gain, bound = advantage * ratio, advantage * near
    loss = -weight * (bound if gain > bound else gain)
    gradient = ZERO if gain > bound else -weight * gain
    outside = weight if abs(ratio - ONE) > clip else ZERO
    return loss, gradient, weight * (ratio - ONE - log_ratio), outside


@compiled
def _add_clipped(
    log_probs: Any, old_log_probs: Any, advantages: Any, weights: Any, clip: Any, gradient: Any
) -> Any:
    loss = approx_kl = clip_fraction = 0.0
    for s in range(len(weights)):
        sample = log_probs[s], old_log_probs[s], advantages[s], weights[s]
        more, gradient[s], kl, outside = _clipped(*sample, clip)
        loss, approx_kl, clip_fraction = loss + more, approx_kl + kl, clip_fraction + outside
    return loss, approx_kl, clip_fraction


def clipped_surrogate(
    log_probs: Array, old_log_probs: Array, advantages: Array, weights: Array, clip: float
) -> Surrogate:
    """Return PPO's policy loss (Schulman et al. 2017, arXiv 1707.06347, eq. 7).

    Args:
        log_probs: Log-probabilities of the actions, (samples,).
        old_log_probs: Those under the policy that took them, (samples,).
        advantages: Advantages, (samples,).
        weights: Weights of the samples, (samples,).
        clip: Distance from 1 beyond which a larger probability ratio gains nothing.
    """
    return _surrogate(log_probs, old_log_probs, advantages, weights, np.float32(clip))


def policy_gradient(
    log_probs: Array, old_log_probs: Array, advantages: Array, weights: Array
) -> Surrogate:
    """Return A2C's policy loss, the mean of -advantage * log-probability, and its gradient.

    Wang et al. 2018, Methods, after Mnih et al. 2016 (arXiv 1602.01783, Algorithm S3) and Williams
    1992. The gradient is that of PPO's loss at the policy that acted (Huang et al. 2022, arXiv
    2205.09123). Arguments as for `clipped_surrogate`.
    """
    return _surrogate(log_probs, old_log_probs, advantages, weights, None)


def _surrogate(
    log_probs: Array, old_log_probs: Array, advantages: Array, weights: Array, clip: Any
) -> Surrogate:
    gradient = np.empty_like(log_probs)
    loss, *others = _add_clipped(log_probs, old_log_probs, advantages, weights, clip, gradient)
    return Surrogate(loss, gradient, *others)


@compiled
def softmax_surrogate(
    logits: Any,
    actions: Any,
    old_log_probs: Any,
    advantages: Any,
    weights: Any,
    clip: Any,
    entropy: Any,
    gradient: Any,
) -> Any:
    """Find the policy loss and the entropy of softmax policies in one go.

    Args:
        logits: Logits, (actions, samples); they become log-probabilities.
        actions: Actions taken, (samples,).
        old_log_probs: Their log-probabilities under the policy that took them, (samples,).
        advantages: Advantages, (samples,).
        weights: Weights of the samples, (samples,).
        clip: As for `clipped_surrogate`, float32; None for the loss of `policy_gradient`.
        entropy: Coefficient of the entropy, float32.
        gradient: Becomes the gradient for the logits, (actions, samples).

    Returns:
        The policy loss, minus the entropy, the KL divergence and the clip fraction.
    """
    loss = entropy_loss = approx_kl = clip_fraction = 0.0
    for s in range(len(weights)):
        highest, total, log_prob, entropy_ = logits[0, s], ZERO, NAN, ZERO
        for a in range(1, len(logits)):
            highest = max(highest, logits[a, s])
        for a in range(len(logits)):
            logits[a, s] -= highest
            gradient[a, s] = np.exp(logits[a, s])
            total += gradient[a, s]
        log_total = np.log(total)
        for a in range(len(logits)):
            logits[a, s] -= log_total
            gradient[a, s] /= total
            entropy_ -= gradient[a, s] * logits[a, s]
            log_prob = logits[a, s] if actions[s] == a else log_prob
        sample = log_prob, old_log_probs[s], advantages[s], weights[s]
        more, slope, kl, outside = _clipped(*sample, clip)
        loss, approx_kl, clip_fraction = loss + more, approx_kl + kl, clip_fraction + outside
        entropy_loss -= weights[s] * entropy_
        for a in range(len(logits)):
            own = slope if actions[s] == a else ZERO
            rest = slope - entropy * weights[s] * (logits[a, s] + entropy_)
            gradient[a, s] = own - gradient[a, s] * rest
    return loss, entropy_loss, approx_kl, clip_fraction


def expectile_loss(
    channels: Array, targets: Array, taus: Array, weights: Array
) -> tuple[float, Array]:
    """Return the loss whose minima are the expectiles of the targets (Newey & Powell 1987).

    The squared error, weighted with 2 tau where the target lies above the channel and 2 (1 - tau)
    where it lies below, averaged over channels and samples. One channel of tau = 0.5 has the mean
    squared error.

    Args:
        channels: Predictions, (channels, samples).
        targets: Targets, (targets, samples); each channel is compared with all of its sample's.
        taus: Asymmetries in (0, 1), (channels,).
        weights: Weights of the samples, (samples,).

    Returns:
        The loss, and its gradient for the channels.

    Raises:
        ShapeError: If there are not as many samples, or taus, everywhere.
    """
    _check(channels, targets, taus, weights)
    gradient = np.zeros_like(channels)
    return _add_asymmetric(channels, targets, taus, weights, True, gradient), gradient


def quantile_loss(
    channels: Array, targets: Array, taus: Array, weights: Array
) -> tuple[float, Array]:
    """Return the pinball loss, whose minima are quantiles (Koenker & Bassett 1978).

    No Huber loss: with a threshold near the spread of the rewards it learns expectiles in disguise.
    Arguments, results and errors as for `expectile_loss`.
    """
    _check(channels, targets, taus, weights)
    gradient = np.zeros_like(channels)
    return _add_asymmetric(channels, targets, taus, weights, False, gradient), gradient


def _check(channels: Array, targets: Array, taus: Array, weights: Array) -> None:
    samples = weights.size
    check_array("weights", weights, (samples,), float32=False)
    check_array("taus", taus, (taus.size,), float32=False)
    check_array("channels", channels, (taus.size, samples), float32=False)
    check_array("targets", targets, (len(targets), samples), float32=False)


@compiled
def _add_asymmetric(
    channels: Any, targets: Any, taus: Any, weights: Any, squared: Any, gradient: Any
) -> Any:
    share = ONE / np.float32(len(channels) * len(targets))
    loss: Any = 0.0
    for k in range(len(channels)):
        above, below = share * taus[k], share * (ONE - taus[k])
        for m in range(len(targets)):
            part = ZERO
            for s in range(len(weights)):
                error = targets[m, s] - channels[k, s]
                weight = weights[s] * (below if error < ZERO else above)
                if squared:
                    part += TWO * weight * error * error
                    gradient[k, s] -= TWO * TWO * weight * error
                else:
                    part += weight * abs(error)
                    gradient[k, s] -= weight * np.sign(error)
            loss += part
    return loss


class _Attached(th.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: th.Tensor, loss: float, gradient: Array) -> th.Tensor:
        ctx.gradient = th.from_numpy(gradient).to(x.device)
        return x.new_tensor(loss)

    @staticmethod
    def backward(ctx: Any, d_loss: th.Tensor) -> Any:
        return d_loss * ctx.gradient, None, None


def attached(x: th.Tensor, loss: float, gradient: Array) -> th.Tensor:
    """Return a loss as a tensor whose gradient for ``x`` is the given one, of the size of x."""
    return _Attached.apply(x, loss, gradient)


CRITIC_LOSSES = {"expectile": expectile_loss, "quantile": quantile_loss}
TERMS = "policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "clip_fraction"

Terms = dict[str, float]


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of the loss of PPO or A2C.

    Attributes:
        clip: Range of the probability ratio; None for A2C.
        value: Weight of the critic's loss.
        entropy: Coefficient of the policy's entropy.
        normalize: Whether advantages are scaled to mean 0 and standard deviation 1.
    """

    clip: float | None
    value: float
    entropy: float
    normalize: bool

    def terms(self, values: Any) -> Terms:
        """Return values of the `TERMS` by name, and the weighted sum of the losses, ``"loss"``."""
        terms = dict(zip(TERMS, values, strict=True))
        critic, entropy = self.value * terms["value_loss"], self.entropy * terms["entropy_loss"]
        if self.clip is None:
            del terms["clip_fraction"]
        return terms | {"loss": terms["policy_gradient_loss"] + critic + entropy}

    def surrogate(
        self, log_probs: Array, old_log_probs: Array, advantages: Array, weights: Array
    ) -> Surrogate:
        """Return the policy loss, see `clipped_surrogate` and `policy_gradient`."""
        samples = log_probs, old_log_probs, advantages, weights
        if self.clip is None:
            return policy_gradient(*samples)
        return clipped_surrogate(*samples, self.clip)

    def prepare(self, mask: Array, advantages: Array) -> tuple[Array, Array]:
        """Return weights, which sum to 1, and advantages of all samples of a minibatch."""
        weights = mask.astype(np.float32) / np.float32(np.count_nonzero(mask))
        return weights, normalized(advantages, weights) if self.normalize else advantages
