"""Claims about measures made by hand, in the place of those of trained agents."""

from copy import deepcopy
from dataclasses import replace

from neurotasks_baselines.experiments.claims import FOILS, evaluate_claims
from neurotasks_baselines.experiments.learners import FROZEN


def judge(experiment, measures, **lacking):
    """Return the claims about the first algorithm, and those about recorded neurons.

    Args:
        experiment: Experiment.
        measures: Measures of each seed.
        **lacking: Measures of each seed of agents that lack something.
    """
    learner = experiment.algorithms[0]
    by_seed = {
        name: dict(enumerate(found)) for name, found in {learner: measures, **lacking}.items()
    }
    return evaluate_claims(replace(experiment, algorithms=(learner,)), by_seed)


def with_frozen(measures, frozen=None):
    """Return measures with those of a frozen agent, by default of one that is as good."""
    own = {name: value for name, value in measures.items() if name != FOILS}
    frozen = own if frozen is None else frozen
    return {**measures, FOILS: {**measures.get(FOILS, {}), FROZEN: deepcopy(frozen)}}
