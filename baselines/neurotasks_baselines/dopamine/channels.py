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
from neurotasks_baselines.dopamine.estimators import probability_coding
from neurotasks_baselines.dopamine.figures import draw_decoded
from neurotasks_baselines.plotting import IDEAL, new_figure, style

Floats = NDArray[np.float64]

ODOUR = variable_reward.ODOURS[0]
CUE_NOISE, CUE_TRIALS = 0.3, 60  # of the responses to odours, as in criterion 6
DRAWS = 100  # of that noise


def steps_to_outcome(parameters: MouseTaskParameters) -> int:
    """Return the steps from the onset of an odour to the outcome."""
    return round((parameters.odour_duration + parameters.trace_duration) / parameters.dt)


def moments(parameters: MouseTaskParameters) -> dict[str, int]:
    """Return the moments at which channels are read, steps after the onset of an odour."""
    return {
        "first odour step": 0,
        "last odour step": round(parameters.odour_duration / parameters.dt) - 1,
        "last trace step": steps_to_outcome(parameters) - 1,
    }


def odour_components(
    parameters: VariableRewardParameters | VariableProbabilityParameters,
) -> list[int]:
    """Return where the odours that announce a reward stand in the observation."""
    announced = 1 if isinstance(parameters, VariableRewardParameters) else len(parameters.p_reward)
    return [ODOURS + i for i in range(announced)]


def at_odour(episodes: Episodes, array: NDArray[Any], odour: int, step: int = 0) -> Floats:
    """Return what an array holds some steps after an odour's onset.

    Args:
        episodes: one trial on each lane.
        array: (steps, lanes, ...).
        odour: which component of the observation.
        step: how many steps later.

    Returns:
        (lanes that smelt it, ...).
    """
    present = (episodes.observations[..., odour] > 0) & episodes.alive
    lanes = np.flatnonzero(present.any(axis=0))
    onset = present[:, lanes].argmax(axis=0)
    return np.asarray(array[onset + step, lanes])


def returns(episodes: Episodes, gamma: float) -> Floats:
    """Return the discounted sum of the rewards from each step on, (steps, lanes)."""
    result = np.where(episodes.alive, episodes.rewards, 0.0)
    for t in reversed(range(len(result) - 1)):
        result[t] += gamma * result[t + 1]
    return result


def calibrated(episodes: Episodes, activations: Activations) -> dict[str, dict[str, Any]]:
    """Compare the channels after the reward odour with the exact expectiles.

    The discount up to the outcome is divided out.

    Args:
        episodes: of the variable-magnitude task, one trial on each lane.
        activations: what went on in the agent.

    Returns:
        For each of `moments`: ``channels``, their mean over trials; ``exact`` expectiles of the
        rewards; ``r`` of the two and the ratio of their ``spread``, NaN where all expectiles are
        one; the middle channel over the mean return, ``mean``; the fraction of neighbours in the
        wrong order, ``crossings``.
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
        # What licks cost, and rewards missed, is known from few trials; the mean reward exactly.
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
        values: of the channels, with the discount divided out, see `calibrated`, (channels,).
        taus: of the channels, (channels,).
        parameters: of the variable-magnitude task.
        rng: draws the starts.

    Returns:
        The decoded ``samples``, ascending; their ``distance`` (W1) from the rewards of the task, in
        the unit of these; the ``loss`` of the decoding.
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
        episodes: of the task, one trial on each lane.
        activations: what went on in the agent.

    Returns:
        Means over trials, with the discount divided out, in units of the reward, (channels, cues).
    """
    p = activations.parameters
    unit = p.magnitude * activations.gamma ** steps_to_outcome(p)
    values = [
        at_odour(episodes, activations.channels, odour).mean(axis=0) / unit
        for odour in odour_components(p)
    ]
    return np.stack(values, axis=1)


def cue_coding(values: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Return which channels take the 50 % cue for more and for less than halfway (Fig. 3).

    Args:
        values: from `cue_values`.
        rng: draws the noise of the trials.

    Returns:
        ``values``, and, as means over draws of the noise, ``t`` of each channel and the fractions
        that are ``optimistic`` and ``pessimistic``, t beyond 2.5.
    """
    shape = (*values.shape, CUE_TRIALS)
    t = np.array(
        [
            probability_coding(values[..., None] + CUE_NOISE * rng.normal(size=shape)).t
            for _ in range(DRAWS)
        ]
    )
    return {
        "values": values.tolist(),
        "t": t.mean(axis=0).tolist(),
        "optimistic": float((t > 2.5).mean()),
        "pessimistic": float((t < -2.5).mean()),
    }


def mean_licks(episodes: Episodes, kind: str) -> dict[int, float]:
    """Return the anticipatory licks of a trial by its kind, a column of the trial table."""
    means = episodes.trials.groupby(kind)["anticipatory_licks"].mean()
    return {int(value): float(licks) for value, licks in means.items()}


# What TensorBoard shows while an agent learns, whatever the parameters of its task.


def reward_metrics(episodes: Episodes) -> dict[str, float]:
    """Return reward and anticipatory licks of a trial of the variable-magnitude task."""
    licks = mean_licks(episodes, "trial_type")
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "licks_reward_odour": licks.get(variable_reward.CUED, np.nan),
        "licks_nothing_odour": licks.get(variable_reward.NOTHING, np.nan),
    }


def probability_metrics(episodes: Episodes) -> dict[str, float]:
    """Return reward and anticipatory licks of a trial of the variable-probability task."""
    licks = mean_licks(episodes, "odour")
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        **{f"licks_odour_{odour}": number for odour, number in licks.items()},
    }


def plot_reward(episodes: Episodes, activations: Activations) -> Any:
    """Draw the channels from the odour on, their RPEs, and what is decoded from them."""
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
            return figure  # no odour came
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
    prediction before. What may follow in later trials is left out.

    Args:
        episodes: of the variable-magnitude task.
        activations: what went on in the agent.

    Returns:
        The magnitudes that were consumed at once, ascending, (magnitudes,), and RPEs,
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
        axis: of matplotlib.
        taus: (channels,).
        values: in units of the reward, (channels, cues).
        parameters: of the task.
    """
    columns = np.asarray(values).T
    colours = mpl.colormaps["viridis"](np.linspace(0.1, 0.8, len(columns)))
    for p, row, colour in zip(parameters.p_reward, columns, colours, strict=True):
        axis.plot(taus, row, color=colour, lw=1, label=f"{100 * p:g} %")
        axis.plot(taus, expectiles([0, 1], [1 - p, p], taus), ":", color=colour, lw=1)
    axis.set(xlabel="tau", ylabel="prediction / reward", ylim=(-0.05, 1.3))
    axis.legend(fontsize=7, ncols=len(columns), loc="upper left", handlelength=1)
