"""The ``neurotasks`` command, one file per subcommand.

For whoever adds a subcommand; the work itself is done in the other packages.
"""
