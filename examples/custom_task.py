"""A custom task in one file; ``--short`` is a smoke test, too short to learn the task."""

import sys
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env

import neurotasks
from neurotasks.core import Field, Parameters, Task, chance, choose, parameter, probability, rule
from neurotasks.episodes import run_episodes
from neurotasks.observers import Observer, Oracle


@dataclass(frozen=True)
class ReversalParameters(Parameters):
    """What can be configured."""

    trials: int = parameter(100, "trials in an episode", "ours", low=1)
    p_reward: float = probability(0.8, "reward probability of the better arm", "ours")
    p_reversal: float = probability(0.05, "probability that the better arm changes", "ours")

    @property
    def longest_episode(self) -> int:
        """Return the number of steps in the longest possible episode: one per trial."""
        return self.trials


# What changes and is hidden, next to what the core keeps for every task (trial, reward, ...).
STATE = {
    "better_arm": Field(
        np.int8, "arm that pays more", info=True, column=True, low=0, high=1, option=True
    ),
    "reversal": Field(np.bool_, "the better arm changed at this trial", info=True, column=True),
    "pays": Field((np.int8, (2,)), "whether each arm pays in this trial", low=0, high=1),
    "best_action": Field(np.int8, "optimal action", info=True, low=0, high=1),
}


@rule
def begin(lane, p):
    """Begin an episode: draw what is hidden in it."""
    lane.better_arm = choose(lane, 2)


@rule
def new_trial(lane, p):
    """Begin a trial: reverse or not, and draw what each arm holds, whichever is chosen."""
    lane.reversal = lane.trial > 0 and chance(lane, p.p_reversal)
    if lane.reversal:
        lane.better_arm = 1 - lane.better_arm
    lane.pays[lane.better_arm] = chance(lane, p.p_reward)
    lane.pays[1 - lane.better_arm] = chance(lane, 1 - p.p_reward)
    lane.best_action = lane.better_arm


@rule
def step(lane, p, action):
    """Take one action; return the reward, and whether the trial is over."""
    lane.outcome = lane.pays[action]
    lane.reward = lane.outcome
    return lane.reward, True


@rule
def observe(lane, p, stimulus):
    """Write what is seen now; the core appends the previous action and reward."""
    stimulus[0] = 1.0


TASK = Task(
    name="Reversal",
    doc="Two arms; one pays more often, and which one it is changes without notice.",
    parameters=ReversalParameters,
    state=STATE,
    actions=lambda p: ("left", "right"),
    stimulus=lambda p: ("go cue",),
    reward_range=lambda p: (0.0, 1.0),
    begin=begin,
    new_trial=new_trial,
    step=step,
    observe=observe,
    observer="custom_task:BayesReversal",  # the one that scores are measured against
)

if "my/Reversal-v0" not in gym.registry:  # a script is __main__ first, and then custom_task
    neurotasks.register("my/Reversal-v0", "custom_task:TASK")


class BayesReversal(Observer):
    """Knows the task, and keeps the probability that the right arm is the better one."""

    memory = [("belief", float)]

    def start(self, memory):
        """Either arm may be the better one."""
        memory["belief"] = 0.5

    def act(self, memory, stimulus, action, reward):
        """Learn from the last outcome (action -1: there was none), then take the likelier arm."""
        p, prior = self.parameters, memory["belief"]
        right = np.where((action == 1) == (reward > 0), p.p_reward, 1 - p.p_reward)
        belief = prior * right / (prior * right + (1 - prior) * (1 - right))
        belief = belief * (1 - p.p_reversal) + (1 - belief) * p.p_reversal
        memory["belief"] = np.where(action >= 0, belief, prior)
        return (memory["belief"] > 0.5).astype(np.int64)


if __name__ == "__main__":
    from neurotasks_baselines import Hyperparameters, build  # only training needs torch

    check_env(gym.make("my/Reversal-v0").unwrapped)
    envs = gym.make_vec("my/Reversal-v0", num_envs=300, autoreset_mode="SameStep", trial_log=True)
    trials = run_episodes(Oracle(envs), seed=0).trials
    reversals, pay = trials["reversal"][trials["trial"] > 0].mean(), trials["trial_reward"].mean()
    print(f"reversals per trial {reversals:.3f} (design 0.05), the better arm pays {pay:.3f} (0.8)")
    if abs(reversals - 0.05) > 0.005 or abs(pay - 0.8) > 0.01:
        sys.exit("The rules do not do what they were designed to do.")

    steps = 20_000 if "--short" in sys.argv else 400_000
    settings = Hyperparameters(
        total_steps=steps, num_envs=16, columns=4, learning_rate=5e-3, ent_coef=0.01
    )
    model = build("my/Reversal-v0", hyperparameters=settings, seed=0).learn(steps)
    players = {"agent": model, "observer": BayesReversal(envs), "oracle": Oracle(envs)}
    for name, player in players.items():
        trials = run_episodes(player, envs, seed=1).trials
        print(f"reward per trial, {name:8} {trials['trial_reward'].mean():.3f}")
