"""Trends: the slope of a signal over its last steps, and the memory that a rule needs to know it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum

from policies.signals import Signals, known

MOST_STEPS = 1000
"""Steps that a trend may look back."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The least-squares slope of a signal over its last `steps` steps, today's included, in units a step.

    >>> Trend("f1", 3).slope([0.75, 0.625, 0.5])
    -0.125
    """

    signal: str
    steps: int

    @property
    def text(self) -> str:
        """How the trend is written."""
        return f"slope({self.signal}, {self.steps})"

    def slope(self, values: Sequence[float | None]) -> float | None:
        """Return the slope of the newest `steps` values, oldest first; missing unless all of them are known."""
        recent = [value for value in values[-self.steps :] if value is not None]
        if len(recent) < self.steps:
            return None
        middle = (self.steps - 1) / 2
        spread = fsum((at - middle) ** 2 for at in range(self.steps))
        return fsum((at - middle) * value for at, value in enumerate(recent)) / spread


@dataclass(slots=True)
class History:
    """The values of the last steps of every signal whose trend a rule names.

    >>> history = History((Trend("f1", 2),))
    >>> history.see(Signals(step=0, day=0, job_open=False, f1=0.5))
    {'slope(f1, 2)': None}
    >>> history.see(Signals(step=1, day=30, job_open=False, f1=0.25))
    {'slope(f1, 2)': -0.25}
    """

    trends: tuple[Trend, ...]
    _past: dict[str, deque[float | None]] = field(init=False)

    def __post_init__(self) -> None:
        longest: dict[str, int] = {}
        for trend in self.trends:
            longest[trend.signal] = max(trend.steps, longest.get(trend.signal, 0))
        self._past = {signal: deque(maxlen=steps) for signal, steps in longest.items()}

    def see(self, signals: Signals) -> dict[str, float | None]:
        """Take in the signals of a step and return every trend by its text, `None` where missing."""
        if not self.trends:
            return {}
        for signal, values in self._past.items():
            values.append(known(getattr(signals, signal)))
        return {trend.text: trend.slope(tuple(self._past[trend.signal])) for trend in self.trends}

    def forget(self) -> None:
        """Forget all values: those of another champion say nothing of this one's trend."""
        for values in self._past.values():
            values.clear()
