"""Patience: a store that is away for a moment is asked again, for about a minute and no longer."""

from collections.abc import Callable, Iterator
from functools import wraps
from time import monotonic, sleep
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

import requests

WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Between one attempt and the next; what asks the store has patience of its own in each attempt."""

LIMIT_SECONDS = 60.0
"""After so long no new attempt is made, however long each one takes."""

_PASSING_WORDS = (
    "database is locked",
    "Connection refused",
    "Max retries exceeded",
    "Connection aborted",
    "Connection broken",
    "Connection reset",
    "server closed the connection",
)
_LASTING_WORDS = ("Failed to resolve", "Name or service not known", "certificate verify failed")
_PASSING_ERRORS = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)


class Rereading(Protocol):
    """What can look up again what its store holds."""

    def reread(self) -> None:
        """Look up what the store holds: an attempt whose answer was lost may have been heard."""
        ...


Self_ = TypeVar("Self_", bound=Rereading)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def patient(
    method: Callable[Concatenate[Self_, Arguments], Result],
) -> Callable[Concatenate[Self_, Arguments], Result]:
    """Let a method that may safely be repeated try again where its store is away or locked for a moment."""

    @wraps(method)
    def asked_again(self: Self_, *arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        return patiently(lambda: method(self, *arguments, **keywords), self.reread)

    return cast("Callable[Concatenate[Self_, Arguments], Result]", asked_again)


def patiently(attempt: Callable[[], Result], reread: Callable[[], None]) -> Result:
    """Return what an attempt returns; where its store is away for a moment, reread and attempt it again."""
    begun = monotonic()
    for number, wait in enumerate(WAITS_SECONDS):
        try:
            if number:
                reread()
            return attempt()
        except Exception as error:
            if not is_passing(error) or monotonic() - begun > LIMIT_SECONDS:
                raise
        sleep(wait)
    reread()
    return attempt()


def is_passing(error: BaseException) -> bool:
    """Whether an error may pass by itself: the server does not answer, or another process has the database locked.

    >>> is_passing(OSError("disk full"))
    False
    >>> is_passing(RuntimeError("(sqlite3.OperationalError) database is locked"))
    True
    >>> is_passing(RuntimeError("Max retries exceeded with url: / (Caused by NameResolutionError(Failed to resolve"))
    False
    """
    links = list(_chain(error))
    if any(word in str(link) for link in links for word in _LASTING_WORDS):
        return False
    return any(
        isinstance(link, _PASSING_ERRORS) or any(word in str(link) for word in _PASSING_WORDS) for link in links
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
