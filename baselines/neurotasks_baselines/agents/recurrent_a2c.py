"""Recurrent advantage actor-critic, the algorithm of Wang et al. 2018."""

from __future__ import annotations

from math import inf
from numbers import Real
from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.type_aliases import Schedule

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.arguments import check_range
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO

RMS_PROP_DECAY = 0.99  # of Mnih et al. 2016
SMALLEST_EPSILON = 1e-30  # that float32 can add to anything
OF_PPO = frozenset({"n_epochs", "batch_size", "target_kl", "clip_range"})


class FusedRecurrentA2C(FusedRecurrentPPO):
    """Advantage actor-critic (A2C) with a recurrent policy, trained on whole columns.

    Of every rollout one gradient is taken, that of
    ``-A log pi - ent_coef H(pi) + vf_coef (R - V)^2``, averaged over its steps, with the returns R
    that `FusedRecurrentPPO` computes, and A = R - V (Mnih et al. 2016, arXiv 1602.01783; Wang et
    al. 2018, Methods). A2C is PPO with one epoch, one minibatch and no clipped ratio (Huang et al.
    2022, arXiv 2205.09123); whatever is not named here is as there.

    The defaults are the published ones, but for two. The paper weights the value's gradient
    delta grad V with 0.05; that of the squared error is twice as long, so ``vf_coef`` is 0.025.
    And losses here are means over the steps of a rollout, not sums: their gradients are hundreds of
    times smaller, and RMSProp's usual epsilons would keep it from scaling them.

    Args:
        policy: As for `FusedRecurrentPPO`.
        env: As for `FusedRecurrentPPO`.
        learning_rate: Step size, a number or a schedule.
        gamma: Discount per step.
        gae_lambda: Lambda of the advantages; with 1 they are the return, bootstrapped where the
            rollout cuts an episode, minus the value.
        ent_coef: Coefficient of the entropy, a number or a schedule.
        vf_coef: Coefficient of the squared error of the value.
        max_grad_norm: Norm at which gradients are clipped.
        normalize_advantage: Whether advantages are scaled to mean 0 and standard deviation 1.
        rms_prop_eps: Epsilon of RMSProp, added to the root of the mean square, as PyTorch does; in
            Mnih et al. 2016 it is added under the root.
        policy_kwargs: Arguments of the policy; with an ``optimizer_class`` that is used instead of
            RMSProp.
        **kwargs: As for `FusedRecurrentPPO`, without what only PPO has: ``n_epochs``,
            ``batch_size``, ``clip_range`` and ``target_kl``.

    Raises:
        ParameterError: If an argument cannot be obeyed.
    """

    fixed: ClassVar[dict[str, Any]] = {
        **FusedRecurrentPPO.fixed,
        **{"n_epochs": 1, "batch_size": None, "target_kl": None},
    }
    fixed_since = "A2C takes one gradient of each rollout, as a whole, and clips no loss"
    not_loaded = OF_PPO | {"rms_prop_eps"}
    clips_ratio = False

    def __init__(
        self,
        policy: str | type[FusedLstmPolicy],
        env: Any,
        *,
        learning_rate: float | Schedule = 7e-4,
        gamma: float = 0.9,
        gae_lambda: float = 1.0,
        ent_coef: float | Schedule = 0.05,
        vf_coef: float = 0.025,
        max_grad_norm: float = inf,
        normalize_advantage: bool = False,
        rms_prop_eps: float = 1e-12,
        policy_kwargs: Any = None,
        **kwargs: Any,
    ) -> None:
        for name in sorted(OF_PPO & kwargs.keys()):
            raise ParameterError(
                f"{name} is not an argument of A2C, since {self.fixed_since}; got "
                f"{kwargs[name]!r}. Leave it out, or use FusedRecurrentPPO."
            )
        check_range("rms_prop_eps", rms_prop_eps, Real, SMALLEST_EPSILON, 1)
        if "optimizer_class" not in (policy_kwargs or ()):
            rms_prop = {"alpha": RMS_PROP_DECAY, "eps": rms_prop_eps}
            optimizer = {"optimizer_class": th.optim.RMSprop, "optimizer_kwargs": rms_prop}
            policy_kwargs = optimizer | (policy_kwargs or {})
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,
            batch_size=None,  # type: ignore[arg-type]
            n_epochs=1,
            gamma=gamma,
            gae_lambda=gae_lambda,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            normalize_advantage=normalize_advantage,
            policy_kwargs=policy_kwargs,
            **kwargs,
        )
