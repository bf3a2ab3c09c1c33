"""Dabney et al. 2020 with trained agents: channels of the critic as dopamine cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.agents import Inside
from baselines.claims import Claim, over_seeds
from baselines.dopamine.cells import CUE_PROBABILITIES, Cells
from baselines.dopamine.estimators import probability_coding
from baselines.dopamine.measures import population_measures
from baselines.dopamine.responses import simulate_responses, trial_counts
from baselines.experiments.base import Agents, Experiment, Measures, Training
from baselines.hyperparameters import settings_for
from baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style
from baselines.recurrent_ppo import FusedRecurrentPPO
from baselines.training import evaluate
from neurotasks.observers import expectile_predictions
from neurotasks.recording import Recording
from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import VariableRewardParameters

REWARD, PROBABILITY = "neurotasks/VariableReward-v0", "neurotasks/VariableProbability-v0"
CUED = 1  # trial type with the reward odour
ODOUR_STEPS, TRACE_STEPS = 10, 5
GAE_LAMBDA = 0.95
CUE_NOISE, CUE_TRIALS = 0.3, 60  # of the responses to odours, as in criterion 6
MOMENTS = {
    "first odour step": 0,
    "last odour step": ODOUR_STEPS - 1,
    "last trace step": ODOUR_STEPS + TRACE_STEPS - 1,
}
SPEC = "computed: exact expectiles"
SHORT = {"interval_max": 6.0}  # of the intervals in seconds: more trials in a training
_LAMBDA = replace(
    settings_for(REWARD), critic_target="lambda", gae_lambda=GAE_LAMBDA, total_steps=2_000_000
)
_SCALAR = replace(settings_for(REWARD), channels=1)


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, episodes: int) -> Measures:
    """Read the channels at the cue and before the outcome, and treat them as cells."""
    rng = np.random.default_rng(0)
    parameters = VariableRewardParameters()
    utilities = np.array(parameters.magnitudes)
    calibration, returns, licks = {}, {}, {}
    for name in ("distributional", "lambda", "scalar"):
        recording, inside = evaluate(agents[name], episodes=episodes)
        taus = agents[name].policy.taus.double().numpy()
        gamma = agents[name].gamma
        calibration[name] = calibrated(recording, inside, parameters, taus, gamma)
        returns[name] = float((recording.rewards * recording.alive).sum(axis=0).mean())
        by_type = recording.trials.groupby("trial_type")["anticipatory_licks"].mean()
        licks[name] = by_type.reindex(range(3)).tolist()
    taus = agents["distributional"].policy.taus.double().numpy()
    before_outcome = np.array(calibration["distributional"]["last trace step"]["channels"])
    counts = trial_counts(rng, len(taus))
    cells = Cells(before_outcome, taus, 1 - taus)
    one_value = calibration["scalar"]["last trace step"]["channels"][0]
    gains = rng.uniform(0, 1, len(taus))
    control = Cells(np.full(len(taus), one_value), gains, gains)
    dopamine = {
        name: population_measures(
            simulate_responses(rng, population, utilities, counts), utilities, rng
        )
        for name, population in (("distributional", cells), ("scalar", control))
    }
    return {
        "taus": taus.tolist(),
        "calibration": calibration,
        "returns": returns,
        "licks": licks,
        "dopamine": dopamine,
        "cues": cue_coding(agents["probability"], episodes, rng),
    }


def at_odour(recording: Recording, inside: Inside, odour: int, step: int) -> NDArray[np.float64]:
    """Return the channels some steps after an odour's onset, (lanes that smelt it, channels)."""
    present = (recording.observations[..., odour] > 0) & recording.alive
    lanes = np.flatnonzero(present.any(axis=0))
    onset = present[:, lanes].argmax(axis=0)
    return inside.channels[onset + step, lanes]


def calibrated(
    recording: Recording,
    inside: Inside,
    parameters: VariableRewardParameters,
    taus: NDArray[np.float64],
    gamma: float,
) -> dict[str, Any]:
    """Return how the channels after the reward odour compare with the exact expectiles.

    The discount up to the outcome is divided out.
    """
    names = ("houselight", "reward delivery", "consumed magnitude", "reward odour")
    exact = expectile_predictions(parameters, "reward odour", taus)
    found = {}
    for moment, step in MOMENTS.items():
        channels = at_odour(recording, inside, names.index("reward odour"), step)
        channels /= gamma ** (ODOUR_STEPS + TRACE_STEPS - step)
        mean = channels.mean(axis=0)
        found[moment] = {
            "channels": mean.tolist(),
            "exact": exact.tolist(),
            "r": float(np.corrcoef(mean, exact)[0, 1]) if len(taus) > 1 else float("nan"),
            "spread": float(mean.std() / exact.std()) if len(taus) > 1 else float("nan"),
            "mean": float(mean[len(taus) // 2] / exact[len(taus) // 2]),
            "crossings": float((np.diff(channels, axis=1) < 0).mean()) if len(taus) > 1 else 0.0,
        }
    return found


def cue_coding(model: FusedRecurrentPPO, episodes: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return which channels respond to the 50 % cue like the 90 % or like the 10 % cue (Fig. 3)."""
    parameters = VariableProbabilityParameters()
    recording, inside = evaluate(model, episodes=episodes)
    delay = round((parameters.odour_duration + parameters.trace_duration) / parameters.dt)
    discounted = parameters.magnitude * model.gamma**delay
    first = 3  # after houselight, delivery and consumed magnitude come the odours
    values = np.stack(
        [
            at_odour(recording, inside, first + i, 0).mean(axis=0) / discounted
            for i in range(len(CUE_PROBABILITIES))
        ],
        axis=1,
    )
    noise = CUE_NOISE * rng.normal(size=(*values.shape, CUE_TRIALS))
    coding = probability_coding(values[..., None] + noise)
    return {
        "values": values.tolist(),
        "t": coding.t.tolist(),
        "optimistic": float((coding.t > 2.5).mean()),
        "pessimistic": float((coding.t < -2.5).mean()),
    }


# Claims: criteria 8 to 11 of the spec.


def claims(measures: list[Measures]) -> list[Claim]:
    """State the criteria over the seeds."""

    def claim(text: str, values: Any, published: str, source: str, **bounds: float) -> Claim:
        return over_seeds(
            "dopamine-agents", text, list(values), published=published, source=source, **bounds
        )

    result = []
    for moment in ("first odour step", "last trace step"):
        ours = [m["calibration"]["distributional"][moment] for m in measures]
        result += [
            claim(f"{moment}: r of channels and expectiles", [o["r"] for o in ours], "1", SPEC,
                  low=0.98),
            claim(f"{moment}: spread of channels / of expectiles", [o["spread"] for o in ours],
                  "1", SPEC, low=0.9, high=1.1),
            claim(f"{moment}: middle channel / mean reward", [o["mean"] for o in ours], "1", SPEC,
                  low=0.95, high=1.05),
            claim(f"{moment}: crossings of neighbouring channels",
                  [o["crossings"] for o in ours], "0", SPEC, high=0.01),
        ]  # fmt: skip
    steps = ODOUR_STEPS + TRACE_STEPS
    predicted = GAE_LAMBDA ** (steps - 1)
    collapsed = [m["calibration"]["lambda"]["first odour step"]["spread"] for m in measures]
    dopamine = {
        name: [m["dopamine"][name] for m in measures] for name in ("distributional", "scalar")
    }
    ours, scalar = dopamine["distributional"], dopamine["scalar"]
    result += [
        claim(
            "spread at the cue with a scalar lambda-return as target",
            collapsed,
            f"{predicted:.2f}",
            "closed form lambda^(K - 1), K = 15",
            low=predicted - 0.1,
            high=predicted + 0.1,
        ),
        claim(
            "split-half R of reversal points, channels as cells",
            [d["reversal_r"] for d in ours],
            "0.62 (mice)",
            "Lowet 2020, Fig. 4D (from P = 1.8e-5)",
            low=0.45,
        ),
        claim(
            "R of asymmetry and reversal point, channels as cells",
            [d["asymmetry_r"] for d in ours],
            "0.58 (mice)",
            "Lowet 2020, Fig. 4F (from P = 8.1e-5)",
            low=0.4,
        ),
        claim(
            "fraction of seeds in which that has P < 0.01",
            [float(np.mean([d["asymmetry_p"] < 0.01 for d in ours]))],
            "P = 8.1e-5 (mice)",
            "Lowet 2020, Fig. 4F",
            low=0.8,
            seeds=len(measures),
        ),
        claim(
            "split-half R of reversal points, scalar critic with diverse gains, size",
            [abs(d["reversal_r"]) for d in scalar],
            "0",
            "Dabney 2020, Extended Data Fig. 4 (null)",
            high=0.25,
        ),
        claim(
            "R of asymmetry and reversal point, scalar critic with diverse gains, size",
            [abs(d["asymmetry_r"]) for d in scalar],
            "0",
            "Dabney 2020, Extended Data Fig. 4 (null)",
            high=0.25,
        ),
        claim(
            "optimistic channels at the 50 % cue",
            [m["cues"]["optimistic"] for m in measures],
            "10 of 31 cells (mice)",
            "Dabney 2020, Fig. 3 (counted from the histogram)",
            low=0.15,
        ),
        claim(
            "pessimistic channels at the 50 % cue",
            [m["cues"]["pessimistic"] for m in measures],
            "10 of 31 cells (mice)",
            "Dabney 2020, Fig. 3 (counted from the histogram)",
            low=0.15,
        ),
        claim(
            "return with the distributional / with the scalar critic",
            [m["returns"]["distributional"] / m["returns"]["scalar"] for m in measures],
            "-",
            "ours: behaviour is not worse",
            low=0.95,
        ),
        claim(
            "anticipatory licks, reward odour minus nothing odour",
            [m["licks"]["distributional"][1] - m["licks"]["distributional"][2] for m in measures],
            "> 0",
            "Eshel 2015 (direction)",
            low=0.0,
        ),
    ]
    return result


# Figure: channels at the cue, the target experiment, reversal points, cues.


def figure(measures: list[Measures]) -> Any:
    """Draw channels beside expectiles, the collapsed control, reversal points and cue values."""
    with style():
        fig, axes = new_figure(4, width=2.9)
        for m in measures:
            taus, calibration = m["taus"], m["calibration"]
            for axis, name in zip(axes, ("distributional", "lambda"), strict=False):
                cue = calibration[name]["first odour step"]
                axis.plot(taus, cue["channels"], color=OURS, lw=1)
                axis.plot(taus, cue["exact"], ":", color=PUBLISHED, lw=1.5)
            axes[2].plot(taus, calibration["distributional"]["last trace step"]["channels"], ".",
                         ms=3, color=OURS)  # fmt: skip
            for row, colour in zip(np.array(m["cues"]["values"]).T, (IDEAL, OURS, PUBLISHED),
                                   strict=True):  # fmt: skip
                axes[3].plot(taus, row, color=colour, lw=1)
        axes[0].set(title="At the cue: Monte-Carlo target", ylabel="prediction, microlitres")
        axes[1].set_title("Lambda-return target")
        axes[2].set(title="Before the outcome", ylabel="reversal point, microlitres")
        axes[3].set(title="Cues of 10, 50, 90 %", ylabel="prediction / reward", ylim=(-0.05, 1.05))
        axes[1].sharey(axes[0])
        for axis in axes:
            axis.set_xlabel("tau")
        axes[0].plot([], [], ":", color=PUBLISHED, label="exact expectiles")
        axes[0].plot([], [], color=OURS, label="channels, a line a seed")
        axes[0].legend(fontsize=7)
    return fig


EXPERIMENT = Experiment(
    name="dopamine-agents",
    title="The distributional code in trained agents",
    question=(
        "Do the channels of a critic learned by PPO tile the distribution of rewards, at the cue "
        "as well as before the outcome, and look like dopamine cells to the estimators of the "
        "recordings?"
    ),
    trainings={
        "distributional": Training(REWARD, SHORT),
        "lambda": Training(REWARD, SHORT, _LAMBDA),
        "scalar": Training(REWARD, SHORT, _SCALAR),
        "probability": Training(PROBABILITY, SHORT),
    },
    seeds=range(5),
    measure=measure,
    claims=claims,
    figure=figure,
)
