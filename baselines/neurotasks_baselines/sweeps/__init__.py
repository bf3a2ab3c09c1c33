"""Sweeps: trainings over a grid of settings, a list of them, or those that Optuna proposes.

For whoever asks which settings work, or at which ones a finding stands.
"""
