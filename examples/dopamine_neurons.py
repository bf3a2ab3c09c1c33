"""From dopamine neurons that learn to the distribution of rewards decoded from them.

    python examples/dopamine_neurons.py [--short]

Simulated neurons learn from rewards of 0.1 to 20 microlitres (Dabney et al. 2020), each with its
own rates for positive and negative prediction errors. From noisy responses to single trials, as a
recording would have them, reversal points and asymmetries are estimated, and from both the rewards
are decoded. A few seconds; `--short` learns and splits less.
"""

import sys
from dataclasses import replace

import numpy as np

from neurotasks.observers.expectiles import expectiles
from neurotasks_baselines.dopamine.decoding import decode, distance
from neurotasks_baselines.dopamine.estimators import asymmetries, reversal_points, trial_sums
from neurotasks_baselines.dopamine.neurons import (
    MAGNITUDES,
    PROBABILITIES,
    classical,
    distributional,
)
from neurotasks_baselines.dopamine.responses import simulate_responses, trial_counts
from neurotasks_baselines.dopamine.statistics import sign_tests, split_half

NEURONS = 40
short = "--short" in sys.argv
trials, splits = (5000, 20) if short else (25_000, 200)
at_mean = np.abs(MAGNITUDES - MAGNITUDES @ PROBABILITIES).argmin()

for name, population in (("classical", classical), ("distributional", distributional)):
    rng = np.random.default_rng(0)  # the same trials for both kinds

    # Learn. Where positive errors count for more (tau above one half) values become optimistic:
    # each neuron finds the expectile of the rewards that belongs to its tau.
    neurons = population(rng, (NEURONS,), trials=trials)
    exact = expectiles(MAGNITUDES, PROBABILITIES, neurons.tau)
    print(
        f"{name} neurons: values {neurons.value.min():.1f} to {neurons.value.max():.1f} ul,",
        end=" ",
    )
    print(f"rms distance from expectiles {np.sqrt(np.mean((neurons.value - exact) ** 2)):.2f} ul")

    # Respond: (neurons, magnitudes, trials) in Hz, with as many trials as the recorded neurons had.
    # No floor under the slopes of the responses: it would draw the estimated tau to one half.
    neurons = replace(neurons, floor=0.0)
    responses = simulate_responses(rng, neurons, MAGNITUDES, trial_counts(rng, NEURONS))
    above, below = sign_tests(responses)
    print(f"  neurons above and below baseline at {MAGNITUDES[at_mean]:g} ul:", end=" ")
    print(f"{above[:, at_mean].sum()} and {below[:, at_mean].sum()} of {NEURONS}")

    # Estimate. Estimates from the same trials would share their noise, so that each is taken from
    # another random half; mean R and geometric-mean P over many splits.
    halves = split_half(responses, MAGNITUDES, rng, splits)
    for what, found in (("reversal points", halves.reversal), ("asymmetries", halves.asymmetry)):
        print(f"  {what} with reversal points of the other half:", end=" ")
        print(f"R {found.mean_r:.2f}, P {found.geometric_p:.1e}")

# Decode: samples of the distribution whose expectiles the distributional neurons hold. Classical
# neurons hold its mean only, which leaves everything else open.
sums = trial_sums(responses)
points = reversal_points(sums, MAGNITUDES, rng, "interpolation")
taus = asymmetries(sums, MAGNITUDES, points)
known = np.isfinite(taus)
for label, tau in (("estimated", taus[known]), ("shuffled", rng.permutation(taus[known]))):
    decoded = decode(points[known], tau, rng)
    print(f"decoded with {label} tau: loss {decoded.loss:.2g},", end=" ")
    print(f"distance from the rewards {distance(decoded.samples):.2f} ul")
