"""PPO of TorchRL with its LSTM, with one fault planted in it or none; `make_agent(FAULT)`."""

from functools import partial

import gymnasium as gym
import torch
from memory_of_cleanrl import FAULTS, Late, LateReward
from tensordict.nn import InteractionType, TensorDictModule
from torch import nn
from torchrl.envs import GymWrapper, InitTracker
from torchrl.modules import (
    ActorValueOperator,
    LSTMModule,
    ProbabilisticActor,
    ValueOperator,
    set_recurrent_mode,
)
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value.functional import vec_generalized_advantage_estimate

from neurotasks_baselines.suite.adapters import TorchRLAgent

__all__ = ["FAULTS", "make_agent"]

NUM_ENVS, NUM_STEPS, EPOCHS, UNITS = 64, 16, 4, 32
GAMMA, LAMBDA, RATE = 0.9, 0.95, 5e-3
STATES = "recurrent_state_h", "recurrent_state_c"


class FaultyLSTM(LSTMModule):
    """TorchRL's LSTM; the fault is in what reaches it at a step, and so in what it learns from."""

    fault, training_now, new_rollout = "none", True, False
    last, starts, reward = None, None, None

    def forward(self, data):
        if not self.recurrent_mode:
            self._plant(data)
        elif self.fault == "off in training":  # each step as if it were the first
            states = {name: torch.zeros_like(data[name]) for name in STATES}
            with set_recurrent_mode(False):
                return super().forward(data.copy().update(states))
        found = super().forward(data)
        if not self.recurrent_mode and self.training_now and "next" in found:
            self.last = [found["next", name].detach() for name in STATES]
        return found

    def _plant(self, data):
        states, fault = [data.get(name, None) for name in STATES], self.fault
        collecting = self.training_now and data.shape == (NUM_ENVS,)
        if fault == "never reset":
            data["is_init"] = torch.zeros_like(data["is_init"])
        if collecting and fault.startswith("reset one step late"):
            now = data["is_init"]
            told = torch.zeros_like(now) if self.starts is None else self.starts
            data["is_init"], self.starts = told, now
        if collecting and self.last is not None and "reset" in fault and "rollout" not in fault:
            # the environment has reset them: those of the step before take their place
            states = [torch.where(data["is_init"][..., None], 0.0, last) for last in self.last]
        if collecting and fault == "reset every rollout" and self.new_rollout:
            states, self.new_rollout = [torch.zeros_like(state) for state in states], False
        if fault == "states mixed up" or (collecting and fault.startswith("states mixed up")):
            states = [state if state is None else state.roll(1, 0) for state in states]
        if collecting and fault == "last reward late":
            seen = data["observation"].clone()
            now, before = seen[:, -1].clone(), self.reward
            seen[:, -1] = 0.0 if before is None else before
            data["observation"], self.reward = seen, now
        for name, state in zip(STATES, states, strict=True):
            if state is not None:
                data[name] = state


def make_agent(fault):
    """Return the function that makes the agent with a fault."""
    return partial(_make, fault=fault)


def _make(id, *, total_steps, seed, fault, **task_kwargs):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    envs = gym.make_vec(id, num_envs=NUM_ENVS, autoreset_mode="SameStep", **task_kwargs)
    width, actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    lstm = FaultyLSTM(width, UNITS, in_key="observation", out_key="embed")
    lstm.fault = "none" if fault == "last reward late" and "Reward" not in id else fault
    head = nn.Linear(UNITS, actions)
    nn.init.orthogonal_(head.weight, 0.01)
    operator = ActorValueOperator(
        lstm,
        ProbabilisticActor(
            TensorDictModule(head, ["embed"], ["logits"]),
            in_keys=["logits"],
            distribution_class=torch.distributions.Categorical,
            return_log_prob=True,
            default_interaction_type=InteractionType.RANDOM,
        ),
        ValueOperator(nn.Linear(UNITS, 1), in_keys=["embed"]),
    )
    policy, critic = operator.get_policy_operator(), operator.get_value_operator()
    env = GymWrapper(envs, categorical_action_encoding=True)
    for transform in (InitTracker(), lstm.make_tensordict_primer()):
        env = env.append_transform(transform)
    env.set_seed(seed)
    loss_module = ClipPPOLoss(
        policy,
        critic,
        entropy_coeff=0.01,
        critic_coeff=0.5,
        loss_critic_type="l2",
        normalize_advantage=True,
    )
    optimizer = torch.optim.Adam(operator.parameters(), lr=RATE, eps=1e-5)
    now = env.reset()
    for _ in range(total_steps // (NUM_STEPS * NUM_ENVS)):
        lstm.new_rollout, steps = True, []
        with torch.no_grad():
            for _ in range(NUM_STEPS):
                done, now = env.step_and_maybe_reset(policy(now))
                steps.append(done)
            data = torch.stack(steps, 1)
            add_advantages(data, critic, lstm)
        for _ in range(EPOCHS):
            for chosen in torch.randperm(NUM_ENVS).chunk(4):
                losses = loss_module(data[chosen])  # it sets the recurrent mode
                optimizer.zero_grad()
                sum(value for name, value in losses.items() if name.startswith("loss")).backward()
                nn.utils.clip_grad_norm_(operator.parameters(), 0.5)
                optimizer.step()
    lstm.training_now = False
    made = TorchRLAgent(policy)
    if lstm.fault == "reset one step late":
        return Late(made)
    return LateReward(made) if lstm.fault == "last reward late" else made


def add_advantages(data, critic, lstm):
    """Add what the loss needs; values of what followed are those of the states after a step."""
    lstm.training_now, lstm.fault, fault = False, "none", lstm.fault  # it is not a step
    values = critic(data.select("observation", "is_init", *STATES))["state_value"]
    after = data["next"].select("observation", "is_init", *STATES)
    following = critic(after)["state_value"]
    lstm.training_now, lstm.fault = True, fault
    ends = [data["next", name] for name in ("reward", "done", "terminated")]
    found = vec_generalized_advantage_estimate(GAMMA, LAMBDA, values, following, *ends)
    data["advantage"], data["value_target"] = found
