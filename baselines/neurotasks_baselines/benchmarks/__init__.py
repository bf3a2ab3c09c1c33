"""How fast and how well everything runs: speed, cost, time to a criterion, scores.

For whoever measures performance. No other folder needs it but cli/; nothing here changes an agent.
"""
