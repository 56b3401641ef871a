"""The errors that are told in one sentence: a user's mistake, and work that failed for outer reasons."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """A user's input cannot be used; the message is one sentence: what must hold, what came, what to do.

    The command line prints the message and exits with code 2.
    """


class WorkError(RuntimeError):
    """The work failed for a reason outside the program, such as a full disk; the message is one sentence.

    It says what failed and what to do. The command line prints it and exits with code 1.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" for the known name closest to `name`, or an empty string.

    >>> did_you_mean("psi_mx", ["psi_max", "f1_drop"])
    " Did you mean 'psi_max'?"
    >>> did_you_mean("zzz", ["psi_max"])
    ''
    """
    matches = get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
