"""Neurons whose code is known, and neurons that have none but drift."""

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from neurotasks_baselines.neurons.recording import Recording


def drifting(rng, shape, phi):
    """Return noise of variance 1 that keeps a fraction phi from trial to trial (last axis)."""
    noise = rng.standard_normal((*shape[:-1], shape[-1] + 200))
    return np.sqrt(1 - phi**2) * lfilter([1.0], [1.0, -phi], noise, axis=-1)[..., 200:]


def noise(rng, neurons, trials, bins, phi=0.0):
    """Return noise that drifts over trials and is smooth over bins, (neurons, trials, bins)."""
    found = drifting(rng, (neurons, bins, trials), phi).transpose(0, 2, 1)
    found[..., 1:] += found[..., :-1]
    return found


def recording(counts, trials=None, area="", session=""):
    trials = pd.DataFrame(index=range(counts.shape[1])) if trials is None else trials
    return Recording(counts, np.arange(counts.shape[2]), trials, area, session)
