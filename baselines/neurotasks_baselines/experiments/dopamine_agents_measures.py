"""What is measured of agents whose channels are taken for dopamine neurons, and of their foils."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurotasks.episodes import Episodes
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, VariableRewardParameters
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.buffers import CriticTarget
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.dopamine import channels
from neurotasks_baselines.dopamine.figures import estimate
from neurotasks_baselines.dopamine.measures import METHODS, fold_asymmetries
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, Neurons
from neurotasks_baselines.dopamine.populations import population_measures, population_trials
from neurotasks_baselines.experiments.base import EPISODES, Agents, Measures
from neurotasks_baselines.experiments.cart_pole import cart_pole_return
from neurotasks_baselines.experiments.learning_tables import TRUE_SD, chain_spread, two_coin_spread
from neurotasks_baselines.training.evaluate import evaluate, untrained

GAE_LAMBDA = 0.95
LAMBDAS = (0.8, 0.9, GAE_LAMBDA, 0.98, 1.0)  # of the target experiment on a table
STEPS = channels.steps_to_outcome(VariableRewardParameters()) + 1  # including that of the lick
CART_POLE_EPISODES = 100
RECORDINGS = 10  # simulated recordings of each agent's channels; fewer with few episodes
PER_DECODED = 4  # of them for each one that is decoded
TARGETS: dict[str, CriticTarget | None] = {
    "Monte-Carlo": "monte-carlo",
    "SR(lambda)": "sr-lambda",
    "TD per index": None,
}
UNTRAINED, MEMORYLESS = "untrained network", "agent without memory"
ALL_CHANNELS, MIDDLE = "mean of all channels", "middle channel alone"
LAMBDA_TARGET, MONTE_CARLO = "lambda-return as target", "Monte-Carlo return as target"
GAINS = "scalar critic with diverse gains"
OFFSET_1, OFFSET_2 = (f"{GAINS} and offsets of {sd} Hz" for sd in (1, 2))
OFFSET_UNIT = float(np.ptp(MAGNITUDES) / np.ptp(EMPIRICAL_UTILITIES))
"""What offsets are multiplied by, so that they are in Hz of the recorded neurons."""
HALF = "the same channels, every tau one half"


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Read the channels at the cue and before the outcome, and treat them as neurons."""
    rng = np.random.default_rng(seed)
    recordings = max(2, min(RECORDINGS, RECORDINGS * num_episodes // EPISODES))
    ours = agents["distributional"]
    calibration, returns, licks = {}, {}, {}
    for name in ("scalar", "lambda", "distributional"):
        episodes, activations = evaluate(agents[name], num_episodes=num_episodes, seed=seed)
        calibration[name] = channels.calibrated(episodes, activations)
        returns[name] = float(episodes.returns.mean())
        licks[name] = licks_by(episodes, "trial_type")
    foils: dict[str, Measures] = {
        name: {"calibration": {"distributional": channels.calibrated(episodes, found)}}
        for name, found in (
            (UNTRAINED, compute_activations(untrained(ours), episodes)),
            (MEMORYLESS, without_memory(ours, episodes)),
        )
    }
    foils[ALL_CHANNELS] = {
        "calibration": {
            "distributional": {
                moment: {"mean": part["mean"] * np.mean(part["channels"]) / middle_of(part)}
                for moment, part in calibration["distributional"].items()
            }
        }
    }
    foils[LAMBDA_TARGET] = {"calibration": {"distributional": calibration["lambda"]}}
    foils[MONTE_CARLO] = {"calibration": {"lambda": calibration["distributional"]}}
    taus = ours.policy.taus.double().numpy()
    before_outcome = np.array(calibration["distributional"]["last trace step"]["channels"])
    neurons = Neurons(before_outcome, taus, 1 - taus)
    one_value = calibration["scalar"]["last trace step"]["channels"][0]
    gains = rng.uniform(size=len(taus))
    null = Neurons(np.full(len(taus), one_value), gains, gains)
    direction = OFFSET_UNIT * rng.normal(size=len(taus))
    offset = replace(null, offset=2 * direction)
    foils[GAINS] = {"dopamine": recorded_often(null, rng, recordings)}
    foils[OFFSET_1] = {"dopamine": recorded_often(replace(null, offset=direction), rng, recordings)}
    foils[OFFSET_2] = {"dopamine": recorded_often(offset, rng, recordings)}

    def decode(moment: str, agent: str, asymmetries: ArrayLike) -> Measures:
        values = calibration[agent][moment]["channels"]
        return channels.decoded_rewards(values, asymmetries, activations.parameters, rng)

    foils[HALF] = {
        "decoded": {"before": decode("last trace step", "distributional", np.full(len(taus), 0.5))}
    }
    smelling, found = evaluate(agents["probability"], num_episodes=num_episodes, seed=seed)
    values = channels.cue_values(smelling, found)
    middle = np.tile(values[len(values) // 2], (len(values), 1))
    foils[MIDDLE] = {"cues": channels.cue_coding(middle, rng)}
    return {
        "taus": taus.tolist(),
        "calibration": calibration,
        "returns": returns,
        "licks": licks,
        "drawn": {
            name: recorded_once(part, np.random.default_rng(seed))
            for name, part in (("distributional", neurons), (OFFSET_2, offset))
        },
        "dopamine": recorded_often(neurons, rng, recordings),
        "cues": channels.cue_coding(values, rng),
        "cue_licks": licks_by(smelling, "odour"),
        "coins": {name: two_coin_spread(target, seed) for name, target in TARGETS.items()},
        "chain": [chain_spread("lambda", seed, STEPS, gae_lambda=x) for x in LAMBDAS],
        "chain_monte_carlo": chain_spread("monte-carlo", seed, STEPS),
        "decoded": {
            "before": decode("last trace step", "distributional", taus),
            "cue": decode("first odour step", "distributional", taus),
            "lambda": decode("first odour step", "lambda", taus),
        },
        "cart_pole": cart_pole_return(
            agents["cart-pole"], min(num_episodes, CART_POLE_EPISODES), seed
        ),
        "foils": foils,
    }


def middle_of(part: Measures) -> float:
    """Return the middle channel at one moment."""
    return float(part["channels"][len(part["channels"]) // 2])


def without_memory(model: FusedRecurrentPPO, episodes: Episodes) -> Activations:
    """Return the channels of an agent whose recurrent state is reset at every step."""
    steps, num_envs = episodes.alive.shape
    apart = replace(  # an episode of one step each
        episodes,
        observations=episodes.observations.reshape(1, steps * num_envs, -1),
        rewards=episodes.rewards.reshape(1, -1),
        alive=episodes.alive.reshape(1, -1),
    )
    found = compute_activations(model, apart)
    return replace(found, channels=found.channels.reshape(steps, num_envs, -1))


def licks_by(episodes: Episodes, kind: str) -> list[float]:
    """Return the mean anticipatory licks in trials of three kinds."""
    found = channels.mean_licks(episodes, kind)
    return [found.get(i, np.nan) for i in range(3)]


def recorded_once(neurons: Neurons, rng: np.random.Generator) -> Measures:
    """Return the data of Figs. 2 and 4, estimated from one simulated recording of neurons."""
    trials = population_trials(rng, neurons)
    found = estimate(trials.pooled, MAGNITUDES, rng, METHODS[0])._asdict()
    drawn: dict[str, Any] = {name: values.round(4).tolist() for name, values in found.items()}
    folds = fold_asymmetries(trials, rng)
    return drawn | {"folds": {name: values.round(4).tolist() for name, values in folds.items()}}


def recorded_often(
    neurons: Neurons, rng: np.random.Generator, recordings: int = RECORDINGS
) -> Measures:
    """Return the means of `population_measures` over simulated recordings of the same neurons."""
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for i in range(recordings):
        trials = population_trials(rng, neurons)
        measured = population_measures(neurons, trials, rng, with_decoding=i % PER_DECODED == 0)
        for name, row in measured.items():
            rows[name].append(row)
    return {
        name: {key: float(np.mean([row[key] for row in part])) for key in part[0]}
        for name, part in rows.items()
    }


def closed_form(gae_lambda: ArrayLike) -> Any:
    """Return the spread at the cue under a scalar lambda-return, relative to that of rewards."""
    return np.asarray(gae_lambda) ** (STEPS - 1)


def derive(m: Measures) -> Measures:
    """Return ratios, and which seeds have the published effects, of an agent or a foil."""
    found: Measures = {}
    if "coins" in m:
        found["coin_spread"] = {name: m["coins"][name] / TRUE_SD for name in TARGETS}
        found["return_ratio"] = m["returns"]["distributional"] / m["returns"]["scalar"]
    if "cues" in m:
        both, both_classes = (
            min(part["optimistic"], part["pessimistic"])
            for part in (m["cues"], m["cues"]["classes"])
        )
        found["cues"] = {**m["cues"], "both": both, "both_classes": both_classes}
        found["both_signs"] = both >= 0.15
    if "licks" in m:
        _, reward, nothing = m["licks"]["distributional"]
        low, middle, high = m["cue_licks"]
        found["licks_follow_reward"] = reward > nothing
        found["licks_are_ordered"] = low < middle < high
    return found


def reward_summary(episodes: Episodes, activations: Activations) -> Measures:
    """Return how well the channels match the expectiles, as claims name it."""
    if len(activations.taus) == 1:  # a scalar critic
        return {}
    return {"calibration": {"distributional": channels.calibrated(episodes, activations)}}


def probability_summary(episodes: Episodes, activations: Activations) -> Measures:
    """Return which channels value the 50 % cue above and below the midpoint, as claims name it."""
    if len(activations.taus) == 1:
        return {}
    coding = channels.cue_coding(
        channels.cue_values(episodes, activations), np.random.default_rng(0)
    )
    return {"cues": {"both": min(coding["optimistic"], coding["pessimistic"])}}
