"""Arguments of agents: each is obeyed, or refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from numbers import Integral, Real
from os import PathLike
from typing import Any, get_args

import numpy as np
from gymnasium import spaces

from neurotasks.errors import ParameterError, nearest
from neurotasks_baselines.agents.buffers import CriticTarget
from neurotasks_baselines.agents.losses import CRITIC_LOSSES

MOST_THREADS = 256
MOST_EPOCHS = 10_000
MOST_STEPS = 2**31 - 1
MOST_UNITS = 2**16
RANGES: dict[str, tuple[type, float, float]] = {
    "n_steps": (Integral, 1, MOST_STEPS),
    "batch_size": (Integral, 1, MOST_STEPS),
    "n_epochs": (Integral, 1, MOST_EPOCHS),
    "gamma": (Real, 0, 1),
    "gae_lambda": (Real, 0, 1),
    "learning_rate": (Real, 0, 3e38),
    "clip_range": (Real, 0, inf),
    "max_grad_norm": (Real, 0, inf),
    "target_kl": (Real, 0, inf),
    "threads": (Integral, 1, MOST_THREADS),
    "seed": (Integral, 0, 2**32 - 1),
    "stats_window_size": (Integral, 1, MOST_STEPS),
    "verbose": (Integral, 0, 2),
}
SCHEDULES = {"learning_rate", "clip_range", "ent_coef"}  # which may also be functions
NONE_TOO = {"target_kl", "seed", "batch_size"}
TRUTH_VALUES = "normalize_advantage", "whole_episodes"
OF_SDE = {"use_sde": False, "sde_sample_freq": -1}
OF_SDE_IN_POLICY = {"use_sde": False, "use_expln": False, "full_std": True, "squash_output": False}
NO_SDE = "policies have no state-dependent exploration"
TRUNK_WORDS = {"shared_lstm", "enable_critic_lstm"}
FLAT_ACTIONS = spaces.Discrete, spaces.Box, spaces.MultiDiscrete, spaces.MultiBinary
PARTS = spaces.Discrete, spaces.Box, spaces.MultiBinary


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Refuse what is none of the choices.

    Raises:
        ParameterError: If it is none.
    """
    if value not in choices:
        raise ParameterError(
            f"{name} must be one of {', '.join(map(str, choices))}; got {value!r}. "
            f"{nearest(str(value), map(str, choices))}"
        )


def check_range(name: str, value: Any, kind: type, low: float, high: float) -> None:
    """Refuse a number that is not of a kind or range, NaN included.

    Raises:
        ParameterError: If it is not.
    """
    whole = isinstance(value, kind) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        what = "an integer" if kind is Integral else "a number"
        raise ParameterError(
            f"{name} must be {what} in {low} to {high}; got {value!r}. Leave it out, or pass "
            "another one."
        )


def number_at(name: str, schedule: Any, progress: float) -> float:
    """Return what an argument that may be a schedule is at some moment.

    Args:
        name: Name of the argument.
        schedule: Number, or function from the progress that remains, 1 to 0, to one.
        progress: Progress that remains.

    Raises:
        ParameterError: If the function returns no number.
    """
    try:
        return float(schedule(progress) if callable(schedule) else schedule)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{name} must be a number, or a function from the progress that remains, 1 to 0, to a "
            f"number; got {schedule!r} ({error}). Pass another one."
        ) from error


def check_defaults(defaults: dict[str, Any], given: dict[str, Any], why: str) -> None:
    """Refuse arguments other than their defaults, which could not be obeyed.

    Raises:
        ParameterError: If one is another one.
    """
    for name, default in defaults.items():
        if given.get(name) not in (None, default):  # None: as saved by Stable-Baselines3
            raise ParameterError(
                f"{name} must be {default}, since {why}; got {given[name]!r}. Leave it out."
            )


def check_stock_arguments(policies: dict[str, Any], policy: Any, given: dict[str, Any]) -> None:
    """Refuse what Stable-Baselines3 would read, or fail at, before an agent is there to check.

    Args:
        policies: Policies by name.
        policy: Policy that was given, a class or a name.
        given: Further arguments that were given.

    Raises:
        ParameterError: If one cannot be obeyed.
    """
    if isinstance(policy, str):
        check_choice("policy", policy, policies)
    elif not isinstance(policy, type) or not issubclass(policy, tuple(policies.values())):
        raise ParameterError(
            f"policy must be a subclass of {' or '.join(policies)}, or its name; got {policy!r}. "
            "Pass 'FusedLstmPolicy'."
        )
    check_defaults(OF_SDE, given, NO_SDE)
    check_range("verbose", given.get("verbose", 0), *RANGES["verbose"])
    of_policy = given.get("policy_kwargs")
    if not isinstance(of_policy, dict | None):
        raise ParameterError(
            f"policy_kwargs must be a dict of arguments of the policy; got {of_policy!r}. Pass one."
        )
    if "use_sde" in (of_policy or {}):  # Stable-Baselines3 passes its own
        raise ParameterError(f"use_sde must not be in policy_kwargs, since {NO_SDE}. Leave it out.")


def check_ppo_arguments(model: Any) -> None:
    """Refuse arguments of an agent, also those set later, that cannot be obeyed.

    Raises:
        ParameterError: If there is one.
    """
    given = vars(model)
    check_defaults(OF_SDE, given, NO_SDE)
    check_defaults(model.fixed, given, model.fixed_since)
    given = given | {"stats_window_size": model._stats_window_size}
    for name, (kind, low, high) in RANGES.items():
        left_out = name in NONE_TOO and given[name] is None
        if not left_out and not (name in SCHEDULES and callable(given[name])):
            check_range(name, given[name], kind, low, high)
    for name in ("ent_coef", "vf_coef"):  # see `check_numbers` for NaN
        if not isinstance(given[name], Real) and not (name in SCHEDULES and callable(given[name])):
            raise ParameterError(f"{name} must be a number; got {given[name]!r}. Pass another one.")
    for name in TRUTH_VALUES:
        check_choice(name, given[name], (True, False))
    if not isinstance(model.tensorboard_log, str | PathLike | None):
        raise ParameterError(
            f"tensorboard_log must be a path or None; got {model.tensorboard_log!r}. Pass a path."
        )
    check_choice("critic_target", model.critic_target, get_args(CriticTarget))
    if model.batch_size is not None and model.batch_size % model.n_steps:
        raise ParameterError(
            f"batch_size must be a multiple of n_steps={model.n_steps}, since a minibatch "
            f"consists of whole columns of n_steps steps; got {model.batch_size}. Pass another "
            "batch_size, or None for the whole rollout."
        )


def check_load_kwargs(cls: Any, kwargs: dict[str, Any]) -> None:
    """Refuse keywords of ``load`` that are no arguments of an agent.

    Raises:
        ParameterError: If there is one.
    """
    known = {name for kind in cls.__mro__ for name in inspect.signature(kind).parameters}
    known -= {"self", "args", "kwargs", "policy", "_init_setup_model", *cls.not_loaded}
    known |= {"custom_objects", "print_system_info", "force_reset"}
    for name in kwargs:
        check_choice("A keyword of load", name, sorted(known))


def check_policy_arguments(
    observation_space: spaces.Space[Any], action_space: Any, given: dict[str, Any]
) -> None:
    """Refuse arguments of a `FusedLstmPolicy` that cannot be obeyed.

    Raises:
        ParameterError: If there is one.
    """
    check_spaces(observation_space, action_space)
    check_defaults(OF_SDE_IN_POLICY, given, NO_SDE)
    for name in sorted(TRUNK_WORDS & set(given)):
        raise ParameterError(
            f"{name} is not an argument of FusedLstmPolicy; got {given[name]!r}. Pass "
            "trunk='shared' (one LSTM for actor and critic) or trunk='separate'."
        )
    check_choice("trunk", given["trunk"], ("shared", "separate"))
    check_choice("critic_loss", given["critic_loss"], CRITIC_LOSSES)
    check_choice("cell", given["cell"], ("lstm", "gru", "rnn", "feedforward"))
    vanilla = given["cell"] in ("rnn", "feedforward")
    known = "bias", "dropout", *(["nonlinearity"] if vanilla else [])
    for name in given["lstm_kwargs"] or ():
        check_choice("A key of lstm_kwargs", name, known)
    check_range("dropout", (given["lstm_kwargs"] or {}).get("dropout", 0.0), Real, 0, 1)
    for name in ("critic_shapes_trunk", "learned_start"):
        check_choice(name, given[name], (True, False))
    for name in ("lstm_hidden_size", "n_lstm_layers", "channels"):
        check_range(name, given.get(name, 1), Integral, 1, MOST_UNITS)
    if given["channels"] % 2 == 0:
        raise ParameterError(
            f"channels must be odd: the middle channel is the mean; got {given['channels']}."
        )
    check_range("forget_bias", given["forget_bias"], Real, -1e6, 1e6)
    if given["forget_bias"] and given["cell"] != "lstm":
        raise ParameterError(
            f"forget_bias must be 0 with cell={given['cell']!r}, which has no forget gates; got "
            f"{given['forget_bias']}. Leave it out, or use cell='lstm'."
        )
    if given["learned_start"] and given["cell"] != "lstm":
        raise ParameterError(
            f"learned_start must be False with cell={given['cell']!r}, which starts at zero; got "
            "True. Leave it out, or use cell='lstm'."
        )
    if given["trunk"] == "shared" and not given.get("share_features_extractor", True):
        raise ParameterError(
            "share_features_extractor must be True with trunk='shared'; got False. Pass "
            "trunk='separate' for two encoders."
        )
    check_range("log_std_init", given.get("log_std_init", 0.0), Real, -80, 80)
    if not isinstance(action_space, spaces.Box):
        check_defaults({"log_std_init": 0.0}, given, "actions that are not continuous have no std")


def check_rpe_arguments(gamma: float, given: dict[str, Any]) -> None:
    """Refuse arguments of an `RpeLstmPolicy` that cannot be obeyed.

    Raises:
        ParameterError: If there is one.
    """
    check_range("gamma", gamma, Real, 0, 1)
    fixed = {"trunk": "separate", "share_features_extractor": True}
    check_defaults(fixed, given, "the networks of RpeLstmPolicy are two with one encoder")


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Refuse spaces that no agent could see or act in; sb3-contrib takes some, and fails later.

    Raises:
        ParameterError: If there is one.
    """
    parts: Any = observation_space
    parts = parts.spaces if isinstance(parts, spaces.Dict) else {None: parts}
    for name, space in parts.items():
        what = "The observation space" if name is None else f"The observation space {name!r}"
        if not isinstance(space, PARTS):
            _refuse(what, "Box, Discrete, MultiBinary or a Dict of these", space)
        if isinstance(space, spaces.Box) and (not space.shape or 0 in space.shape):
            _refuse(what, "of at least one axis, none of them empty", space)
        _check_start(what, space)
    if not isinstance(action_space, FLAT_ACTIONS):
        _refuse("The action space", "Discrete, Box, MultiDiscrete or MultiBinary", action_space)
    _check_start("The action space", action_space)
    flat = not isinstance(action_space, spaces.MultiDiscrete | spaces.MultiBinary)
    if not flat and len(action_space.shape or ()) != 1:
        _refuse("The action space", "of one axis", action_space)
    if isinstance(action_space, spaces.Box) and action_space.dtype.kind != "f":
        _refuse("The action space", "of floating-point numbers", action_space)
    if isinstance(action_space, spaces.Box) and not action_space.is_bounded():
        _refuse("The action space", "bounded", action_space)


def _check_start(what: str, space: Any) -> None:
    if np.any(getattr(space, "start", 0)):
        _refuse(what, "numbered from 0", space)


def _refuse(what: str, wanted: str, space: Any) -> None:
    raise ParameterError(f"{what} must be {wanted}; got {space}. Change it with a wrapper.")


@contextmanager
def assertions_named() -> Iterator[None]:
    """Turn what Stable-Baselines3 asserts of arguments into errors.

    Raises:
        ParameterError: If it asserts anything.
    """
    try:
        yield
    except (AssertionError, NotImplementedError) as error:
        raise ParameterError(f"{error}. Change the argument that the message names.") from error
