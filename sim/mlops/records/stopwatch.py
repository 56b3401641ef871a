"""The stopwatch: how many real seconds each kind of work took."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up seconds by the name of the work.

    >>> stopwatch = Stopwatch()
    >>> with stopwatch.timing("training"):
    ...     pass
    >>> list(stopwatch.seconds)
    ['training']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self, work: str) -> Iterator[None]:
        """Add the duration of the block to `work`, also when it fails."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[work] += perf_counter() - start
