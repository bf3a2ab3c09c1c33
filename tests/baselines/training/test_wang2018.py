"""The settings of Wang et al. 2018: an agent of every task is built, and A2C learns."""

from dataclasses import replace

import pytest
import torch as th

import neurotasks
from neurotasks_baselines.agents.engines import COMPILED, engine_of
from neurotasks_baselines.agents.recurrent_a2c import FusedRecurrentA2C
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.wang2018 import WANG2018, wang2018_for

SMALL = {"neurotasks/HarlowPixels-v0": {"max_frames": 40}}


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_id_can_be_trained(id, weights):
    hyperparameters = replace(wang2018_for(id), units=8)
    model = build(id, hyperparameters=hyperparameters, seed=0, task_kwargs=SMALL.get(id))
    assert type(model) is FusedRecurrentA2C
    before = weights(model)
    model.learn(2 * model.n_steps * model.n_envs)
    assert not th.equal(weights(model), before)
    assert weights(model).isfinite().all()


def test_relatives_of_a_task_in_the_table():
    assert wang2018_for("neurotasks/BanditEasy-v0") is WANG2018["neurotasks/Bandit-v0"].used
    two_step = WANG2018["neurotasks/TwoStep-v0"].used
    assert wang2018_for("neurotasks/TwoStep2016-v0") is two_step
    assert wang2018_for("neurotasks/SameMean-v0") is two_step


@pytest.mark.parametrize("id", WANG2018)
def test_published_settings(id):
    """What the paper says of all simulations, and of the network of each."""
    published, used, reason = WANG2018[id]
    for settings in (published, used):
        assert (settings.algorithm, settings.n_epochs) == ("a2c", 1)
        assert settings.trunk == ("rpe" if "Risky" in id else "shared")
    assert published.gae_lambda == 1.0
    assert published.units == (256 if "Harlow" in id else 48)
    assert published.learned_start == ("Harlow" not in id)
    assert used.units == (64 if "Harlow" in id else 48)
    changed = "Harlow" in id or "Inferred" in id  # settings of this package with A2C
    assert used.gae_lambda == (0.95 if changed else 1.0)
    assert used.learned_start == (not changed)
    assert (published == used) == (not reason)


@pytest.mark.parametrize(
    ("trunk", "compiled"), [("shared", True), ("separate", True), ("rpe", False)]
)
def test_a_learned_start_is_compiled(trunk, compiled):
    hyperparameters = replace(wang2018_for("neurotasks/TwoStep-v0"), trunk=trunk)
    policy = build("neurotasks/TwoStep-v0", hyperparameters=hyperparameters).policy
    assert (engine_of(policy) is COMPILED) == compiled


@pytest.mark.slow
@pytest.mark.parametrize(("learning_rate", "learns"), [(4e-3, True), (0.0, False)])
def test_a2c_learns_to_find_the_better_arm(learning_rate, learns):
    """Arms that pay with 0.1 and 0.9, 20 pulls: chance is 0.5, always the better arm 0.9."""
    hyperparameters = replace(
        wang2018_for("neurotasks/TwoStep-v0"),
        **{"total_steps": 120_000, "num_envs": 8, "learning_rate": learning_rate, "units": 16},
    )
    id, trials = "neurotasks/BanditEasy-v0", {"trials": 20}
    model = build(id, hyperparameters=hyperparameters, seed=1001, task_kwargs=trials)
    model.learn(hyperparameters.total_steps)
    episodes, _ = evaluate(model, num_episodes=500)
    reward = episodes.trials["trial_reward"].mean()
    assert reward > 0.7 if learns else 0.45 < reward < 0.55
