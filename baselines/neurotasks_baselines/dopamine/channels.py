"""Channels of a trained critic on the mouse tasks, compared with exact expectiles and drawn."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.episodes import Episodes
from neurotasks.observers import expectile_predictions
from neurotasks.observers.expectiles import expectiles
from neurotasks.observers.mouse import MouseTaskParameters
from neurotasks.tasks import variable_reward
from neurotasks.tasks._mouse import CONSUMED, ODOURS
from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import VariableRewardParameters, utilities
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.dopamine.decoding import decode, distance
from neurotasks_baselines.dopamine.figures import draw_decoded
from neurotasks_baselines.dopamine.statistics import (
    CLASSES,
    classify_probability_coding,
    probability_coding,
)
from neurotasks_baselines.plotting import IDEAL, new_figure, style

Floats = NDArray[np.float64]

ODOUR = variable_reward.ODOURS[0]
CUE_NOISE, CUE_TRIALS = 0.3, 60  # sd and number of the responses to each odour, as for Fig. 3
DRAWS = 100  # draws of that noise


def steps_to_outcome(parameters: MouseTaskParameters) -> int:
    """Return the number of steps from odour onset to the outcome."""
    return round((parameters.odour_duration + parameters.trace_duration) / parameters.dt)


def moments(parameters: MouseTaskParameters) -> dict[str, int]:
    """Return the moments at which channels are read, in steps after odour onset.

    The last trace step is the last one of which that is certain, where the outcome has a jitter.
    """
    jitter = round(parameters.trace_jitter / parameters.dt)
    return {
        "first odour step": 0,
        "last odour step": round(parameters.odour_duration / parameters.dt) - 1,
        "last trace step": steps_to_outcome(parameters) - jitter - 1,
    }


def odour_components(
    parameters: VariableRewardParameters | VariableProbabilityParameters,
) -> list[int]:
    """Return the components of the observation that stand for odours announcing a reward."""
    announced = 1 if isinstance(parameters, VariableRewardParameters) else len(parameters.p_reward)
    return [ODOURS + i for i in range(announced)]


def at_odour(episodes: Episodes, array: NDArray[Any], odour: int, step: int = 0) -> Floats:
    """Return the entries of an array some steps after odour onset.

    Args:
        episodes: Episodes of one trial each.
        array: Array over their steps, (steps, num_envs, ...).
        odour: Component of the observation that stands for the odour.
        step: Number of steps after the onset.

    Returns:
        Entries of the episodes with this odour, (episodes, ...).
    """
    present = (episodes.observations[..., odour] > 0) & episodes.alive
    envs = np.flatnonzero(present.any(axis=0))
    onset = present[:, envs].argmax(axis=0)
    return np.asarray(array[onset + step, envs])


def returns(episodes: Episodes, gamma: float) -> Floats:
    """Return the discounted sum of the rewards from each step on, (steps, num_envs)."""
    result = np.where(episodes.alive, episodes.rewards, 0.0)
    for t in reversed(range(len(result) - 1)):
        result[t] += gamma * result[t + 1]
    return result


def calibrated(episodes: Episodes, activations: Activations) -> dict[str, dict[str, Any]]:
    """Compare the channels after the reward odour with the exact expectiles.

    The discount up to the outcome is divided out.

    Args:
        episodes: Episodes of the variable-magnitude task, of one trial each.
        activations: Activations of the agent in these episodes.

    Returns:
        For each of `moments`: ``channels``, their means over trials; ``exact``, the expectiles of
        the rewards; ``r``, the correlation of the two, and ``spread``, the ratio of their standard
        deviations (both NaN where all expectiles are equal); ``mean``, the middle channel over the
        mean return; ``crossings``, the fraction of neighbouring channels in the wrong order.
    """
    p = activations.parameters
    (odour,) = odour_components(p)
    exact = expectile_predictions(p, ODOUR, activations.taus)
    rewards = utilities(p)[at_odour(episodes, episodes.truth["magnitude_index"], odour)]
    discounted = returns(episodes, activations.gamma)
    several = exact.std() > 0
    found = {}
    for moment, step in moments(p).items():
        discount = activations.gamma ** (steps_to_outcome(p) - step)
        channels = at_odour(episodes, activations.channels, odour, step) / discount
        mean = channels.mean(axis=0)
        # The mean reward is known exactly; the cost of licks and missed rewards, from the trials.
        lost = (at_odour(episodes, discounted, odour, step) / discount - rewards).mean()
        expected = float(expectile_predictions(p, ODOUR, 0.5)) + lost
        found[moment] = {
            "channels": mean.tolist(),
            "exact": exact.tolist(),
            "r": float(np.corrcoef(mean, exact)[0, 1]) if several else np.nan,
            "spread": float(mean.std() / exact.std()) if several else np.nan,
            "mean": float(mean[len(mean) // 2] / expected),
            "crossings": float((np.diff(channels, axis=1) < 0).mean()) if several else 0.0,
        }
    return found


def decoded_rewards(
    values: ArrayLike,
    taus: ArrayLike,
    parameters: VariableRewardParameters,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Decode rewards from the channels at one moment (Fig. 5).

    Args:
        values: Values of the channels, discount divided out as in `calibrated`, (channels,).
        taus: Asymmetries of the channels, (channels,).
        parameters: Parameters of the variable-magnitude task.
        rng: Random number generator, for the starts.

    Returns:
        The decoded ``samples``, ascending; their ``distance`` (W1) from the rewards of the task, in
        the same unit; the ``loss`` of the decoding.
    """
    worth = utilities(parameters)
    found = decode(values, taus, rng, bounds=(min(0.0, *worth), max(0.0, *worth)))
    return {
        "samples": found.samples.tolist(),
        "distance": distance(found.samples, worth, parameters.probabilities),
        "loss": found.loss,
    }


def cue_values(episodes: Episodes, activations: Activations) -> Floats:
    """Return the channels at the onset of each odour of the variable-probability task.

    Args:
        episodes: Episodes of the task, of one trial each.
        activations: Activations of the agent in these episodes.

    Returns:
        Means over trials, discount divided out, in units of the reward, (channels, cues).
    """
    p = activations.parameters
    unit = p.magnitude * activations.gamma ** steps_to_outcome(p)
    values = [
        at_odour(episodes, activations.channels, odour).mean(axis=0) / unit
        for odour in odour_components(p)
    ]
    return np.stack(values, axis=1)


def cue_coding(values: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Return which channels value the 50 % cue above and below the midpoint (Fig. 3).

    Args:
        values: Values from `cue_values`, (channels, cues).
        rng: Random number generator, for the noise of the trials.

    Returns:
        ``values``; and, as means over draws of the noise, ``t`` of each channel and the fractions
        of channels that are ``optimistic`` (t > 2.5) and ``pessimistic`` (t < -2.5), and of each
        class of Extended Data Fig. 7a, ``classes``.
    """
    shape = (DRAWS, *values.shape, CUE_TRIALS)
    responses = values[..., None] + CUE_NOISE * rng.normal(size=shape)
    t = np.array([probability_coding(drawn).t for drawn in responses])
    classes = np.array([classify_probability_coding(drawn) for drawn in responses])
    return {
        "values": values.tolist(),
        "t": t.mean(axis=0).tolist(),
        "optimistic": float((t > 2.5).mean()),
        "pessimistic": float((t < -2.5).mean()),
        "classes": {name: float((classes == name).mean()) for name in CLASSES},
    }


def mean_licks(episodes: Episodes, kind: str) -> dict[int, float]:
    """Return the mean anticipatory licks per trial, by a column of the trial table."""
    means = episodes.trials.groupby(kind)["anticipatory_licks"].mean()
    return {int(value): float(licks) for value, licks in means.items()}


# Evaluation metrics, shown by TensorBoard during training, for any parameters of the tasks.


def reward_metrics(episodes: Episodes) -> dict[str, float]:
    """Return reward and anticipatory licks per trial of the variable-magnitude task."""
    licks = mean_licks(episodes, "trial_type")
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "licks_reward_odour": licks.get(variable_reward.CUED, np.nan),
        "licks_nothing_odour": licks.get(variable_reward.NOTHING, np.nan),
    }


def probability_metrics(episodes: Episodes) -> dict[str, float]:
    """Return reward and anticipatory licks per trial of the variable-probability task."""
    licks = mean_licks(episodes, "odour")
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        **{f"licks_odour_{odour}": number for odour, number in licks.items()},
    }


def plot_reward(episodes: Episodes, activations: Activations) -> Any:
    """Draw the channels from odour onset on, their RPEs, and the rewards decoded from them."""
    p = activations.parameters
    (odour,) = odour_components(p)
    with style():
        figure, axes = new_figure(3)
        axes[0].set(
            title="Channels, exact at the right", xlabel="time from odour (s)", ylabel="prediction"
        )
        axes[1].set(title="RPE of the outcome", xlabel="reward (ul)", ylabel="RPE")
        axes[2].set_title("Decoded before the outcome")
        if not (episodes.observations[..., odour] > 0).any():
            return figure  # no trial had the odour
        span = np.arange(-1, steps_to_outcome(p) + 1)
        seconds = span * p.dt
        fan = np.stack(
            [at_odour(episodes, activations.channels, odour, k).mean(axis=0) for k in span.tolist()]
        )
        magnitudes, rpes = rpe_by_magnitude(episodes, activations)
        for channel, colour in enumerate(mpl.colormaps["coolwarm"](activations.taus)):
            axes[0].plot(seconds, fan[:, channel], lw=0.8, color=colour)
            axes[1].plot(magnitudes, rpes[:, channel], lw=0.8, color=colour)
        exact = expectile_predictions(p, ODOUR, activations.taus)
        axes[0].plot(np.full(len(exact), seconds[-1]), exact, "_", color="black", ms=5)
        axes[1].axhline(0, lw=0.5, color=IDEAL)
        last = calibrated(episodes, activations)["last trace step"]["channels"]
        decoded = decoded_rewards(last, activations.taus, p, np.random.default_rng(0))
        draw_decoded(axes[2], {"decoded": decoded["samples"]}, utilities(p), p.probabilities)
    return figure


def rpe_by_magnitude(episodes: Episodes, activations: Activations) -> tuple[Floats, Floats]:
    """Return the mean RPEs of each channel to rewards after the odour.

    A reward is heard, and then consumed; its RPE is taken over both steps, relative to the
    prediction before. Rewards of later trials are left out.

    Args:
        episodes: Episodes of the variable-magnitude task.
        activations: Activations of the agent in these episodes.

    Returns:
        Magnitudes that were consumed at once, ascending, (magnitudes,), and mean RPEs,
        (magnitudes, channels).
    """
    (odour,) = odour_components(activations.parameters)
    before = steps_to_outcome(activations.parameters) - 1
    predicted = at_odour(episodes, activations.channels, odour, before)
    waiting, outcome = (
        at_odour(episodes, episodes.rewards[..., None], odour, before + k) for k in (0, 1)
    )
    rpe = waiting + activations.gamma * outcome - predicted
    magnitudes = at_odour(episodes, episodes.truth["magnitude"], odour)
    consumed = at_odour(episodes, episodes.observations[..., CONSUMED], odour, before + 2) > 0
    kinds = np.unique(magnitudes[consumed])
    means = [rpe[consumed & (magnitudes == kind)].mean(axis=0) for kind in kinds]
    return kinds, np.array(means).reshape(len(kinds), len(activations.taus))


def plot_probability(episodes: Episodes, activations: Activations) -> Any:
    """Draw the channels at the onset of each odour over tau, with exact expectiles."""
    with style():
        figure, axes = new_figure(1)
        axes[0].set_title("Odours, exact dotted")
        seen = episodes.observations[..., odour_components(activations.parameters)]
        if (seen > 0).any(axis=(0, 1)).all():
            draw_cues(
                axes[0], activations.taus, cue_values(episodes, activations), activations.parameters
            )
    return figure


def draw_cues(
    axis: Any, taus: ArrayLike, values: ArrayLike, parameters: VariableProbabilityParameters
) -> None:
    """Draw channels at the onset of each odour over tau, with exact expectiles (Fig. 3).

    Args:
        axis: Axes of matplotlib to draw on.
        taus: Asymmetries of the channels, (channels,).
        values: Values of the channels in units of the reward, (channels, cues).
        parameters: Parameters of the task.
    """
    columns = np.asarray(values).T
    colours = mpl.colormaps["viridis"](np.linspace(0.1, 0.8, len(columns)))
    for p, row, colour in zip(parameters.p_reward, columns, colours, strict=True):
        axis.plot(taus, row, color=colour, lw=1, label=f"{100 * p:g} %")
        axis.plot(taus, expectiles([0, 1], [1 - p, p], taus), ":", color=colour, lw=1)
    axis.set(xlabel="tau", ylabel="prediction / reward", ylim=(-0.05, 1.3))
    axis.legend(fontsize=7, ncols=len(columns), loc="upper left", handlelength=1)
