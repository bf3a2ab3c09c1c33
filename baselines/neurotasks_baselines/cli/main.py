"""The ``neurotasks`` command.

Nothing is imported at the top that takes time: a Ctrl-C there would end in a traceback.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line; those of this process by default.

    Returns:
        Exit status, as ``neurotasks --help`` lists them.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in ([], ["benchmark"]):
        words.append("--help")
    try:
        from neurotasks_baselines.cli.guard import guarded
    except KeyboardInterrupt:
        sys.stderr.write("neurotasks: interrupted. Nothing was begun.\n")
        return 130
    return guarded(words, last=arguments is None)
