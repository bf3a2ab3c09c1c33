"""Signals of programs that tests start."""

import signal


def accept_interrupts():
    """Let SIGINT have its effect, which a shell takes from what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
