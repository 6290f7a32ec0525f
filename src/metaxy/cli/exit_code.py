"""What the exit code of a command says; part of the public contract."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a command ended.

    The last two are those that a shell gives to a program that ended by the signal.
    """

    OK = 0
    """Done; or, of a command that compares, in sync."""
    ERROR = 1
    """Something is wrong, the way the command was typed included."""
    PENDING = 2
    """What was compared differs: there is something to compute, or to push."""
    REFUSED = 3
    """Nothing was done: it would have destroyed something and nobody confirmed it, or must wait."""
    INTERRUPTED = 130
    """Ctrl-C."""
    PIPE_CLOSED = 141
    """Whoever read the output stopped, as `head` does."""
