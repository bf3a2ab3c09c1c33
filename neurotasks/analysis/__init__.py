"""Published measures, as pure functions of trial tables and RPEs.

A trial table may come from an agent, an observer, a person or an animal: the columns are the same.

Raises:
    DependencyNotInstalled: at import, without ``pip install 'neurotasks[analysis]'``.
"""

from neurotasks.errors import require

for _module in ("pandas", "scipy", "sklearn", "statsmodels"):
    require(_module, "analysis")
