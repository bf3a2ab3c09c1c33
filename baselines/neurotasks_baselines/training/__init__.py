"""Training and evaluating agents, their hyperparameters, and their files.

For whoever trains an agent on a task. Nothing here knows what was published.
"""
