import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from neurotasks.errors import ParameterError
from neurotasks.models import (
    Prior,
    draw_people,
    drawn_world,
    fit,
    fit_group,
    held_out,
    held_out_people,
    log_probabilities,
    recover_models,
    recover_parameters,
    search,
    simulate,
    weak_prior,
)
from neurotasks.models.bandit import CHOICE_KERNEL, FORGETTING_Q, Q_LEARNING, RESCORLA_WAGNER
from neurotasks.models.likelihood import Likelihood, people
from neurotasks.models.search import _search_one, objective, starting_points

TRIALS = 300


def worlds(number, rng, trials=TRIALS):
    """Two arms that pay with 0.8 and 0.2, and swap every 25 trials."""
    p = np.where(np.arange(trials) // 25 % 2, 0.8, 0.2)
    return [drawn_world(np.stack([p, 1 - p], axis=1)[:, None], rng) for _ in range(number)]


def some_people(number=30, seed=0, trials=TRIALS):
    rng = np.random.default_rng(seed)
    true = pd.DataFrame(
        {"alpha": rng.uniform(0.1, 0.9, number), "beta": rng.uniform(1.5, 6.0, number)}
    )
    return true, simulate(RESCORLA_WAGNER, true, worlds(number, rng, trials), rng)


@pytest.mark.slow
def test_planted_parameters_are_found():
    true, table = some_people()
    found = fit(RESCORLA_WAGNER, table, starts=3)
    assert list(found.parameters) == ["alpha", "beta"]
    off = ((found.parameters - true) / found.standard_errors).to_numpy()
    # errors are as large as their standard errors say: the mean square of 60 is chi-squared / 60
    assert 0.5 < np.mean(off**2) < 1.7
    assert found.parameters.corrwith(true).min() > 0.9
    assert (found.agreeing >= 1).all()
    at_truth = [
        log_probabilities(RESCORLA_WAGNER, table[table["env"] == i], dict(true.loc[i]))
        for i in true.index
    ]
    gain = found.log_likelihood - [each.sum(axis=None) for each in at_truth]
    assert (gain > -1e-6).all()
    # Wilks: half a chi-squared of 2 degrees of freedom, its mean 1, of 30 people
    assert 0.5 < gain.mean() < 1.6
    assert (found.choices == TRIALS).all()
    assert found.bic[0] == pytest.approx(2 * np.log(TRIALS) - 2 * found.log_likelihood[0])
    assert found.aic[0] == pytest.approx(2 * 2 - 2 * found.log_likelihood[0])


@pytest.mark.slow
def test_two_processes_find_the_same():
    _, table = some_people(6, trials=60)
    one, two = (fit(RESCORLA_WAGNER, table, starts=2, workers=n) for n in (1, 2))
    pd.testing.assert_frame_equal(one.parameters, two.parameters)


@pytest.mark.parametrize("prior", [None, Prior(np.array([-1.0, 1.0]), np.array([0.5, 0.7]))])
@pytest.mark.parametrize("table", [some_people(1)[1], some_people(1)[1].assign(choice=1)])
def test_no_longer_search_from_any_point_ends_higher(prior, table):
    ((_, records),) = people(RESCORLA_WAGNER, table).values()
    likelihood, scales = Likelihood(RESCORLA_WAGNER), RESCORLA_WAGNER.scales
    points = starting_points(RESCORLA_WAGNER, prior, 3, 0)
    found = _search_one(likelihood, records, prior, points)
    negative, bounds = objective(likelihood, records, prior), (scales.low, scales.high)
    assert (found.z == np.clip(found.z, *bounds)).all()
    assert 1 <= found.agreeing <= 3
    for start in points.reshape(-1, 2)[::8]:
        other = minimize(
            negative, start, jac=True, method="L-BFGS-B", bounds=np.stack(bounds, axis=1)
        )
        assert negative(found.z)[0] < other.fun + 1e-5


@pytest.mark.parametrize("prior", [None, Prior(np.array([-1.0, 1.0]), np.array([0.5, 0.7]))])
def test_the_best_points_and_searches_are_followed(prior, monkeypatch):
    """Where nothing has time to converge, the end is no worse than the best of all points."""
    monkeypatch.setattr(search, "SHORT", 1)
    monkeypatch.setattr(search, "LONG", 1)
    ((_, records),) = people(RESCORLA_WAGNER, some_people(1)[1]).values()
    likelihood = Likelihood(RESCORLA_WAGNER)
    negative = objective(likelihood, records, prior)
    points = starting_points(RESCORLA_WAGNER, prior, 6, 0)
    heights = np.array([[-negative(z)[0] for z in each] for each in points])
    chosen = search._best_of_each(likelihood, records, prior, points)
    assert (chosen == points[np.arange(6), heights.argmax(axis=1)]).all()
    found = _search_one(likelihood, records, prior, points)
    assert -negative(found.z)[0] >= heights.max()


def test_searches_start_all_over_the_prior():
    prior = Prior(np.array([-1.0, 1.0]), np.array([0.5, 0.7]))
    points = starting_points(RESCORLA_WAGNER, prior, 10, 0)
    assert points[0, 0].tolist() == prior.mean.tolist()
    standard = (points - prior.mean) / prior.sd
    assert standard[:5].std(axis=(0, 1)) == pytest.approx(1, abs=0.1)
    assert standard[5:].std(axis=(0, 1)) == pytest.approx(2, abs=0.3)  # less what bounds cut off
    again = starting_points(RESCORLA_WAGNER, prior, 10, 0)
    assert (points == again).all()
    assert (points != starting_points(RESCORLA_WAGNER, prior, 10, 1)).any()


def test_a_parameter_at_its_bound_has_no_standard_error():
    rng = np.random.default_rng(1)
    true = pd.DataFrame({"alpha": [1.0], "beta": [8.0]})
    found = fit(RESCORLA_WAGNER, simulate(RESCORLA_WAGNER, true, worlds(1, rng), rng), starts=3)
    assert found.parameters["alpha"][0] > 0.98
    alone = fit(CHOICE_KERNEL.fixing(alpha_k=1.0), some_people(1)[1].assign(choice=1), starts=2)
    assert alone.parameters["beta_k"][0] == pytest.approx(30.0)
    assert alone.standard_errors["beta_k"].isna().all()


def test_without_free_parameters_a_fit_is_the_likelihood():
    _, table = some_people(2)
    found = fit(RESCORLA_WAGNER.fixing(alpha=0.3, beta=2.0), table)
    assert found.parameters.shape == (2, 0)
    values = {"alpha": 0.3, "beta": 2.0}
    both = log_probabilities(RESCORLA_WAGNER, table, values)["first"].groupby(table["env"]).sum()
    assert found.log_likelihood.tolist() == pytest.approx(both.tolist())


def test_a_prior_pulls_and_its_evidence_is_the_integral():
    _, table = some_people(1, trials=60)
    model = RESCORLA_WAGNER.fixing(beta=3.0)
    prior = Prior(np.array([-1.0]), np.array([0.5]))
    found = fit(model, table, prior, starts=2)
    free = fit(model, table, starts=2)
    z, z_free = (float(model.scales.numbers(f.parameters.to_numpy())[0, 0]) for f in (found, free))
    assert min(-1.0, z_free) < z < max(-1.0, z_free)
    grid = np.linspace(-6, 4, 2001)
    ((_, records),) = people(model, table).values()
    negative = objective(Likelihood(model), records, prior)
    posterior = np.array([-negative(np.array([each]))[0] for each in grid])
    assert z == pytest.approx(grid[posterior.argmax()], abs=0.006)
    density = np.exp(posterior - posterior.max()) / (0.5 * np.sqrt(2 * np.pi))
    exact = np.log(density.sum() * (grid[1] - grid[0])) + posterior.max()
    assert found.log_evidence[0] == pytest.approx(exact, abs=0.05)
    assert free.log_evidence.isna().all()


@pytest.mark.slow
def test_a_group_shrinks_to_its_distribution():
    rng = np.random.default_rng(2)
    prior = Prior(np.array([-0.5, 1.0]), np.array([0.8, 0.3]))
    true = draw_people(RESCORLA_WAGNER, 40, rng, prior)
    table = simulate(RESCORLA_WAGNER, true, worlds(40, rng, 100), rng)
    group = fit_group(RESCORLA_WAGNER, table, starts=1, tolerance=0.05)
    assert group.converged
    assert np.diff(group.log_evidence).min() > -0.5  # Laplace's approximation is no bound
    found = group.people.prior
    # standard error of a mean of 40: the spread of people and of what 100 trials tell
    assert found.mean == pytest.approx(prior.mean, abs=3 * 0.9 / np.sqrt(40))
    assert found.sd == pytest.approx(prior.sd, rel=0.5)
    alone = fit(RESCORLA_WAGNER, table, starts=2)
    worse = ((alone.parameters - true) ** 2).mean()
    assert (((group.people.parameters - true) ** 2).mean() < worse).all()


@pytest.mark.slow
def test_held_out_likelihood_prefers_the_model_that_chose():
    _, table = some_people(5)
    right, wrong, richer = (
        held_out(model, table, starts=2, folds=4)
        for model in (RESCORLA_WAGNER, CHOICE_KERNEL, Q_LEARNING.fixing(beta_k=0.0, alpha_k=0.0))
    )
    fitted = fit(RESCORLA_WAGNER, table, starts=2).log_likelihood
    assert (right < fitted).all()
    assert right.sum() > wrong.sum() + 30
    assert right.sum() > richer.sum()  # more parameters fit better, and predict worse


def test_people_are_predicted_by_parameters_of_the_others():
    _, table = some_people(3, trials=60)
    found = held_out_people(RESCORLA_WAGNER, table, folds=3, starts=2, seed=3)
    assert found.index.tolist() == list(range(3))
    assert (found["second"] == 0).all()
    for person, own in table.groupby("env"):
        others = table[table["env"] != person].assign(all=0)
        pooled = fit(RESCORLA_WAGNER, others, by="all", starts=2)
        each = log_probabilities(RESCORLA_WAGNER, own, dict(pooled.parameters.loc[0]))
        assert found["first"][person] == pytest.approx(each["first"].sum(), abs=1e-3)
    two = held_out_people(RESCORLA_WAGNER, table, folds=2, starts=2)
    assert (two["first"] != found["first"]).any()


def test_a_block_that_is_held_out_is_not_fitted_to():
    """Where the held-out half was changed, the fit to the other one stays."""
    _, table = some_people(1, trials=100)
    ((_, records),) = people(RESCORLA_WAGNER, table).values()
    records["counts"][50:] = False
    likelihood = Likelihood(RESCORLA_WAGNER)
    at = np.array([0.3, 2.0])
    value, slopes = likelihood(records, at)
    assert value == pytest.approx(likelihood.per_choice(records, at)[:50].sum())
    records["choice"][50:] = 1 - records["choice"][50:]
    again, same = likelihood(records, at)
    assert (again, *same) == (value, *slopes)


def test_people_are_drawn_one_after_the_other():
    prior = Prior(np.array([0.5, 1.0]), np.array([0.4, 0.3]))
    one, two = np.random.default_rng(0), np.random.default_rng(0)
    everybody = draw_people(RESCORLA_WAGNER, 400, one, prior)
    first, others = (draw_people(RESCORLA_WAGNER, n, two, prior) for n in (1, 399))
    pd.testing.assert_frame_equal(everybody, pd.concat([first, others], ignore_index=True))
    assert one.random() == two.random()
    z = RESCORLA_WAGNER.scales.numbers(everybody.to_numpy())
    assert z.mean(axis=0) == pytest.approx(prior.mean, abs=3 * 0.4 / np.sqrt(400))
    assert z.std(axis=0) == pytest.approx(prior.sd, rel=3 / np.sqrt(2 * 400))


@pytest.mark.slow
def test_recovery_finds_parameters_and_models():
    rng = np.random.default_rng(3)
    prior = Prior(np.array([0.0, 1.2]), np.array([1.0, 0.3]))
    true = draw_people(RESCORLA_WAGNER, 25, rng, prior)
    recovery = recover_parameters(RESCORLA_WAGNER, true, worlds(25, rng), rng, starts=1)
    assert recovery.r["alpha"] > 0.9
    kernel = pd.DataFrame({"alpha_k": rng.uniform(0.2, 0.6, 25), "beta_k": 3.0})
    confusion = recover_models(
        (RESCORLA_WAGNER, CHOICE_KERNEL),
        {RESCORLA_WAGNER.name: true, CHOICE_KERNEL.name: kernel},
        worlds(25, rng),
        rng,
        starts=2,
    )
    assert confusion.sum(axis=1).tolist() == [1, 1]
    assert np.diag(confusion).min() >= 0.8


@pytest.mark.parametrize(
    "call",
    [
        lambda t: fit(RESCORLA_WAGNER, t, starts=0),
        lambda t: fit(RESCORLA_WAGNER, t, workers=0),
        lambda t: fit(RESCORLA_WAGNER, t, weak_prior(FORGETTING_Q)),
        lambda t: fit(RESCORLA_WAGNER, t, Prior(np.zeros(2), np.zeros(2))),
        lambda t: fit_group(RESCORLA_WAGNER, t),
        lambda t: held_out(RESCORLA_WAGNER, t, folds=1),
        lambda t: held_out(RESCORLA_WAGNER, t, folds=41),
        lambda t: held_out_people(RESCORLA_WAGNER, t, folds=2),
    ],
)
def test_what_makes_no_fit_is_refused(call):
    with pytest.raises(ParameterError):
        call(some_people(1, trials=40)[1])
