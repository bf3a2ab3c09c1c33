"""Fits of the people of hBayesDM's examples, next to those of other packages.

Skipped without them. They need environments of their own: `cpm-toolbox` with numpy 2; `pystan`
3.7, whose Stan still reads hBayesDM's programs, with numpy 1 and setuptools. Both need
``pip install --no-deps hbayesdm``. With ``pytest -s`` the numbers of docs/models.md.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from neurotasks.datasets import load
from neurotasks.models import fit, fit_group, log_probabilities
from neurotasks.models.bandit import RESCORLA_WAGNER

DELTA = RESCORLA_WAGNER.fixing(q0=0.0)
CHAINS, DRAWS = 4, 100

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def people(name):
    if find_spec("hbayesdm") is None:
        pytest.skip("hbayesdm is not installed")
    return load(name)


def farthest(ours, theirs):
    """Return the correlation and the largest difference of two estimates of the same people."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return np.corrcoef(ours, theirs)[0, 1], abs(ours - theirs).max()


def test_maximum_likelihood_is_that_of_cpm_toolbox():
    pytest.importorskip("cpm", reason="cpm-toolbox is not installed")
    from cpm.generators import Parameters, Value, Wrapper
    from cpm.models.decision import Softmax
    from cpm.models.learning import SeparableRule
    from cpm.optimisation import FminBound, minimise

    table = people("hbayesdm_bandit2arm")[["env", "episode", "trial", "choice", "reward"]]
    table["observed"] = table["choice"]

    def respond(parameters, trial):
        arm, values = int(trial["choice"]), np.array(parameters.values)
        policy = Softmax(temperature=parameters.beta, activations=values).compute()
        rule = SeparableRule(
            alpha=parameters.alpha,
            weights=values[None],
            feedback=np.array([trial["reward"]]),
            input=np.eye(2)[arm],
        )
        change = np.ravel(rule.compute())
        return {"policy": policy, "dependent": policy[1:], "values": values + change}

    flat = {
        name: Value(0.5, 0.0, high, prior="uniform", args={"loc": 0.0, "scale": high})
        for name, high in (("alpha", 1.0), ("beta", 5.0))
    }
    optimiser = FminBound(
        model=Wrapper(
            model=respond,
            data=table[table["env"] == 0],
            parameters=Parameters(**flat, values=np.zeros(2)),
        ),
        data=table,
        minimisation=minimise.LogLikelihood.bernoulli,
        # drawn at random, half of the searches end at alpha = beta = 0, which is no optimum
        initial_guess=np.array([[0.2, 0.5], [0.5, 1.0], [0.1, 2.0]]),
        number_of_starts=3,
        ppt_identifier="env",
        approx_grad=True,
        hessian="finite_differences",
    )
    optimiser.optimise(display=False)
    theirs, ours = optimiser.export().set_index("env"), fit(DELTA, table, starts=10)
    pairs = {
        "log likelihood": (ours.log_likelihood, -theirs["fun"]),
        "alpha": (ours.parameters["alpha"], theirs["x_0"]),
        "beta": (ours.parameters["beta"], theirs["x_1"]),
    }
    print(len(theirs), {name: farthest(*pair) for name, pair in pairs.items()})  # noqa: T201
    for name, pair in pairs.items():
        r, difference = farthest(*pair)
        assert r > 0.999999
        assert difference < (1e-6 if name == "log likelihood" else 1e-4)


def test_bandit_is_that_of_hbayesdm():
    """Log likelihoods at draws from its posterior, and posterior means of a hierarchical fit."""
    stan = pytest.importorskip("stan", reason="pystan is not installed")
    table = people("hbayesdm_bandit2arm")
    folder = Path(find_spec("hbayesdm").submodule_search_locations[0]) / "common" / "stan_files"
    code = (folder / "bandit2arm_delta.stan").read_text()
    rows = [trials for _, trials in table.groupby("env")]
    data = {
        "N": len(rows),
        "T": len(rows[0]),  # the same for all
        "Tsubj": [len(trials) for trials in rows],
        "choice": [(trials["choice"] + 1).tolist() for trials in rows],
        "outcome": [trials["reward"].tolist() for trials in rows],
    }
    model = stan.build(code.replace("#include /pre/license.stan", ""), data=data, random_seed=1)
    draws = model.sample(num_chains=CHAINS, num_samples=DRAWS, num_warmup=2 * DRAWS)
    differences = []
    for i, trials in enumerate(rows):
        for k in np.linspace(0, CHAINS * DRAWS - 1, 10).astype(int):
            values = {"alpha": draws["A"][i, k], "beta": draws["tau"][i, k]}
            found = log_probabilities(DELTA, trials, values)["first"].sum()
            differences.append(found - draws["log_lik"][i, k])
    ours = fit_group(DELTA, table).people.parameters
    pairs = {
        "alpha": (ours["alpha"], draws["A"].mean(axis=1)),
        "beta": (ours["beta"], draws["tau"].mean(axis=1)),
    }
    found = {name: farthest(*pair) for name, pair in pairs.items()}
    print(np.abs(differences).max(), found)  # noqa: T201
    assert np.abs(differences).max() < 1e-9
    assert min(r for r, _ in found.values()) > 0.95
