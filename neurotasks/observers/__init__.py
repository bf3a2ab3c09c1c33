"""Reference observers and textbook learners, which see no more than an agent does.

For whoever needs a player that is not trained; textbook learners play models of
`neurotasks.models`, which can be fitted as well. They are called like a Stable-Baselines3 policy
(``predict``) and keep what they believe in the ``state`` it hands back, so that they play wherever
an agent plays.
"""

from neurotasks.observers.anticipation import plan_of as plan_of, plan_values as plan_values
from neurotasks.observers.bandit import (
    CorrelatedBandit as CorrelatedBandit,
    CorrelatedThompsonBandit as CorrelatedThompsonBandit,
    GittinsBandit as GittinsBandit,
    InformativeBandit as InformativeBandit,
    RescorlaWagnerBandit as RescorlaWagnerBandit,
    RestlessBandit as RestlessBandit,
    ThompsonBandit as ThompsonBandit,
    UcbBandit as UcbBandit,
)
from neurotasks.observers.base import (
    Observer as Observer,
    Oracle as Oracle,
    RandomAgent as RandomAgent,
    reference_observer as reference_observer,
)
from neurotasks.observers.expectiles import expectiles as expectiles
from neurotasks.observers.foraging import (
    BayesForaging as BayesForaging,
    BiasedForaging as BiasedForaging,
    LeakyIncomeForaging as LeakyIncomeForaging,
    MatchingForaging as MatchingForaging,
    WinStayLoseShiftForaging as WinStayLoseShiftForaging,
)
from neurotasks.observers.harlow import HarlowObserver as HarlowObserver
from neurotasks.observers.harlow_pixels import HarlowPixelsObserver as HarlowPixelsObserver
from neurotasks.observers.inferred_value import (
    CachedValueObserver as CachedValueObserver,
    InferringObserver as InferringObserver,
)
from neurotasks.observers.model_player import ModelPlayer as ModelPlayer
from neurotasks.observers.mouse import (
    MouseObserver as MouseObserver,
    expectile_predictions as expectile_predictions,
    outcome_distribution as outcome_distribution,
)
from neurotasks.observers.risky_choice import (
    BayesRiskyChoice as BayesRiskyChoice,
    RescorlaWagnerRiskyChoice as RescorlaWagnerRiskyChoice,
)
from neurotasks.observers.two_step import (
    BayesTwoStep as BayesTwoStep,
    ModelFreeTwoStep as ModelFreeTwoStep,
)
from neurotasks.observers.two_step_daw import FilteringTwoStepDaw as FilteringTwoStepDaw
from neurotasks.observers.volatility import (
    BayesVolatility as BayesVolatility,
    ConstantHazardVolatility as ConstantHazardVolatility,
    RescorlaWagnerVolatility as RescorlaWagnerVolatility,
)
