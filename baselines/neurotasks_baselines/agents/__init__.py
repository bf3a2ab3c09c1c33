"""The algorithm: recurrent PPO, its policies, losses and kernels, and what happens inside an agent.

For whoever changes how agents learn. Nothing here knows of experiments, claims or reports.
"""
