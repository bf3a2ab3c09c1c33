"""Published measures, as pure functions of trial tables and RPEs.

They need ``pip install 'neurotasks[analysis]'``. A trial table may come from an agent, an
observer, a person or an animal: the columns are the same.
"""
