"""The seam between the two ways of running and training a policy, and the rule that picks one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn
from torch.nn.modules import module as torch_modules

from neurotasks_baselines.agents.compiled_engine import CompiledActor, CompiledLearner
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.agents.recurrent import LSTM, MANY_UNITS
from neurotasks_baselines.agents.torch_engine import TorchActor, TorchLearner

PLAIN = {FusedLstmPolicy, FlattenExtractor, nn.Flatten, MlpExtractor, nn.Sequential, nn.Linear}
PLAIN |= {LSTM}
# There is no public way to see hooks.
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GRADIENT_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class Engine(NamedTuple):
    """A way of running a policy while a rollout is collected, and of training it."""

    actor: type[TorchActor | CompiledActor]
    learner: type[TorchLearner | CompiledLearner]


TORCH = Engine(TorchActor, TorchLearner)
COMPILED = Engine(CompiledActor, CompiledLearner)


def engine_of(policy: FusedLstmPolicy) -> Engine:
    """Return `COMPILED` where it can run the policy exactly as torch would, else `TORCH`."""
    return TORCH if reason_for_torch(policy) else COMPILED


def reason_for_torch(policy: FusedLstmPolicy) -> str:
    """Return why a policy needs torch's automatic differentiation; empty if it does not.

    Compiled code knows the plain network only: a float32 vector in, one LSTM layer per branch,
    linear heads, discrete actions. Whatever a user hangs on it, such as hooks, parametrizations,
    frozen parameters or modules of their own, is left to torch.
    """
    space, layer = policy.observation_space, policy.lstm_actor
    modules, parameters = [*policy.modules()], [*policy.parameters()]
    unknown = {type(module).__name__ for module in modules if type(module) not in PLAIN}
    hooked = any(getattr(module, hooks) for module in modules for hooks in HOOKS)
    hooked |= any(getattr(p, hooks, None) for p in parameters for hooks in GRADIENT_HOOKS)
    hooked |= bool(torch_modules._has_any_global_hook())
    vectors = isinstance(space, spaces.Box) and space.dtype == np.float32 and len(space.shape) == 1
    reasons = {
        f"modules of type {', '.join(sorted(unknown))}": bool(unknown),
        "hooks": hooked,
        "frozen parameters": not all(parameter.requires_grad for parameter in parameters),
        "several recurrent layers": layer.num_layers > 1,
        "recurrent layers without bias": not layer.bias,
        f"{MANY_UNITS} units or more": layer.hidden_size >= MANY_UNITS,
        "observations that are no float32 vector": not vectors,
        "actions that are not Discrete": not isinstance(policy.action_space, spaces.Discrete),
        f"the device {policy.device}": policy.device.type != "cpu",
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)
