"""For those who bring an agent of their own: what it needs, what it uses, how it scores.

Nothing here depends on the agents of this package.
"""
