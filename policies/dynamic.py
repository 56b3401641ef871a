"""Retrain when a signal stands out from its own recent past."""

from collections import deque
from dataclasses import dataclass, field
from math import fsum

from policies.decision import Action, Decision
from policies.parameters import check_choice, check_number, check_steps
from policies.requesting import Requests, check_signal, measured_on_request, value_of
from policies.signals import Signals

METHODS = ("quantile", "mean")


@dataclass(slots=True)
class Dynamic:
    """Retrain when today's value of a signal lies above a threshold drawn from its last `window_steps` values.

    A good choice where nobody knows what is normal for a signal, and where that changes; a bad one where a level is
    wanted that holds: a quantile is crossed by chance every so often (that of 0.95 of twelve values by about one in
    nine of their like), and a slow drift lifts the threshold with it.

    The dynamic decision policies of Modyn (Bother and others, SIGMOD 2025), which set a threshold on a drift score
    that is never negative; here a signal may be.

    Parameters
    ----------
    signal
        The signal, which is worse the higher it is.
    method
        `quantile`: above the quantile `level` of the window, interpolated; `mean`: above its mean by more than
        `level` times the size of the mean.
    level
        A share from 0 to 1 for the quantile; from 0 to 1,000 for the mean.
    window_steps
        Values that the threshold is drawn from, today's left out; until so many are known the answer is `missing`.
        Values of former champions count.
    cooldown_days
        Days from one request to the next, at least.

    Raises
    ------
    InputError
        If there is no such signal or method, or a number is out of range.

    Examples
    --------
    >>> policy = Dynamic("psi_max", "mean", level=0.5, window_steps=2)
    >>> months = [Signals(step=s, day=30 * s, job_open=False, psi_max=p) for s, p in enumerate((0.1, 0.1, 0.14, 0.3))]
    >>> [policy.decide(signals).reason for signals in months]
    ['missing', 'missing', 'quiet', 'psi_max = 0.3 above 0.18, the mean of 2 steps and 0.5 times its size']
    """

    signal: str = "psi_max"
    method: str = "quantile"
    level: float = 0.95
    window_steps: int = 12
    cooldown_days: float = 0
    _past: deque[float] = field(init=False, repr=False, compare=False)
    _requests: Requests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_signal("signal", self.signal)
        check_steps("window_steps", self.window_steps)
        check_choice("method", self.method, METHODS)
        check_number("level", self.level, 0, 1 if self.method == "quantile" else 1000)
        self._past = deque(maxlen=self.window_steps)
        self._requests = Requests(self.cooldown_days)

    @property
    def wants(self) -> frozenset[str]:
        """The signal, where it is measured on request."""
        return measured_on_request(self.signal)

    def decide(self, signals: Signals) -> Decision:
        """Compare today's value with its past, and add it to it."""
        today = value_of(signals, self.signal)
        evidence = {self.signal: today}
        past = sorted(self._past)
        if today is not None:
            self._past.append(today)
        if today is None or len(past) < self.window_steps:
            return Decision(Action.KEEP, "missing", evidence=evidence)
        threshold = self._threshold(past)
        if today <= threshold:
            return Decision(Action.KEEP, "quiet", evidence=evidence)
        reason = f"{self.signal} = {today:.3g} above {threshold:.3g}, {self._words}"
        return self._requests.ask(signals, reason, evidence)

    def deployed(self, version: str) -> None:
        """Take no notice: what is normal for a signal outlives a champion."""

    def _threshold(self, past: list[float]) -> float:
        if self.method == "mean":
            mean = fsum(past) / len(past)
            return mean + self.level * abs(mean)
        at = self.level * (len(past) - 1)
        below = past[int(at)]
        above = past[min(int(at) + 1, len(past) - 1)]
        return below + (above - below) * (at - int(at))

    @property
    def _words(self) -> str:
        if self.method == "mean":
            return f"the mean of {self.window_steps} steps and {self.level:g} times its size"
        return f"the {self.level:g} quantile of {self.window_steps} steps"
