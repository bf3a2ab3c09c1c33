"""Models of choice, which are fitted to people, animals and networks, and play as well.

For whoever asks which rule describes somebody's choices; what is known about a table without a
model is in `neurotasks.analysis`. `neurotasks.observers.ModelPlayer` plays them. Fitting needs the
extra ``analysis``.
"""

from neurotasks.models.compare import (
    Comparison as Comparison,
    compare_models as compare_models,
    held_out as held_out,
    held_out_people as held_out_people,
)
from neurotasks.models.fit import Fit as Fit, fit as fit
from neurotasks.models.hierarchical import GroupFit as GroupFit, fit_group as fit_group
from neurotasks.models.learning import learning_signals as learning_signals
from neurotasks.models.likelihood import log_probabilities as log_probabilities
from neurotasks.models.model import (
    Model as Model,
    Parameter as Parameter,
    positive as positive,
    rate as rate,
    real as real,
)
from neurotasks.models.recovery import (
    Recovery as Recovery,
    draw_people as draw_people,
    recover_models as recover_models,
    recover_parameters as recover_parameters,
)
from neurotasks.models.search import Prior as Prior, weak_prior as weak_prior
from neurotasks.models.simulate import (
    World as World,
    drawn_world as drawn_world,
    drifting_world as drifting_world,
    simulate as simulate,
)
