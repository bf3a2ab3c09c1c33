"""Whether fits find the parameters, and the model, that choices were simulated with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require
from neurotasks.models.fit import Fit, fit
from neurotasks.models.model import Model
from neurotasks.models.search import Prior, checked
from neurotasks.models.simulate import World, simulate

if TYPE_CHECKING:
    import pandas as pd

MOST_PEOPLE = 10**6


class Recovery(NamedTuple):
    """Parameters that people were simulated with, and those found in their choices.

    Attributes:
        true: The parameters, one row per person.
        fit: The model fitted to the choices.
        r: Pearson's correlation of true and found values, by parameter.
    """

    true: pd.DataFrame
    fit: Fit
    r: pd.Series[float]


def draw_people(
    model: Model, number: int, rng: np.random.Generator, prior: Prior | None = None
) -> pd.DataFrame:
    """Draw parameters of people.

    Args:
        model: The model.
        number: Number of people.
        rng: Random numbers.
        prior: Distribution to draw from, such as that of a group, ``group.people.prior``; None:
            the weak prior.

    Returns:
        A table to pass to `simulate`.

    Raises:
        ParameterError: If there is no such number, or the prior is one of another model.
    """
    check_count("number", number, MOST_PEOPLE)
    mean, sd = checked(model, prior)
    z = mean + sd * rng.standard_normal((number, len(mean)))
    values, _ = model.scales.values(np.clip(z, model.scales.low, model.scales.high))
    return require("pandas", "analysis").DataFrame(values, columns=model.names)


def recover_parameters(
    model: Model,
    true: pd.DataFrame,
    worlds: list[World],
    rng: np.random.Generator,
    prior: Prior | None = None,
    *,
    starts: int = 10,
    workers: int = 1,
) -> Recovery:
    """Simulate people, fit the model to their choices, and compare.

    Args:
        model: The model.
        true: Parameters of the people, see `draw_people`.
        worlds: World of each, see `neurotasks.models.simulate`.
        rng: Random numbers that choices are drawn with.
        prior: As for `neurotasks.models.fit.fit`.
        starts: Number of searches per person.
        workers: Number of processes.

    Returns:
        True and found parameters.

    Raises:
        ParameterError: If parameters and worlds do not fit the model.
    """
    trials = simulate(model, true, worlds, rng)
    found = fit(model, trials, prior, starts=starts, workers=workers)
    true = true.set_axis(found.parameters.index)
    return Recovery(true, found, found.parameters.corrwith(true))


def recover_models(
    models: Sequence[Model],
    true: Mapping[str, pd.DataFrame],
    worlds: list[World],
    rng: np.random.Generator,
    *,
    starts: int = 10,
    workers: int = 1,
) -> pd.DataFrame:
    """Simulate people with each model, and fit all models to the choices of each.

    Args:
        models: The models, with different names.
        true: Parameters of the people of each model, by its name, see `draw_people`.
        worlds: World of each person; the same for all models.
        rng: Random numbers that choices are drawn with.
        starts: Number of searches per person and model.
        workers: Number of processes.

    Returns:
        Confusion matrix: row the model that was simulated, column the share of its people that
        each model describes best, by the Bayesian information criterion.

    Raises:
        ParameterError: If parameters and worlds do not fit the models, or two have one name.
    """
    pd = require("pandas", "analysis")
    names = [model.name for model in models]
    if len(set(names)) < len(names) or not set(names) <= set(true):
        raise ParameterError(
            f"Models must have different names, and people each; got models {', '.join(names)} and "
            f"people of {', '.join(true)}. Rename a model with model.fixing('name')."
        )
    rows = {}
    for model in models:
        trials = simulate(model, true[model.name], worlds, rng)
        fits = [fit(other, trials, starts=starts, workers=workers) for other in models]
        best = pd.concat([each.bic for each in fits], axis=1, keys=names).idxmin(axis=1)
        rows[model.name] = best.value_counts(normalize=True).reindex(names, fill_value=0.0)
    return pd.DataFrame(rows).T.rename_axis("simulated").rename_axis("best", axis=1)
