"""Trained agents, people and animals on one scale: measures, models of choice, likelihoods.

For whoever has a table of choices and asks who made choices like these. What the papers found in
the agents is in `experiments`; anybody's agent is scored in `suite`.
"""
