"""Readers of choices and recordings that others have published, or that you recorded.

For whoever analyses an animal or a person like an agent. Files of simulated agents are read by
`neurotasks.trials`; nothing is downloaded here.
"""

from neurotasks.datasets.choices import read_choices as read_choices
from neurotasks.datasets.nwb import NwbTables as NwbTables, read_nwb as read_nwb
from neurotasks.datasets.recipe import Codes as Codes, Number as Number, Recipe as Recipe
from neurotasks.datasets.recipes import RECIPES as RECIPES
from neurotasks.datasets.shipped import load as load
