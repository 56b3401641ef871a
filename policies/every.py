"""Retrain by the calendar."""

from dataclasses import dataclass, field

from policies.decision import Action, Cause, Decision
from policies.expression import number_text
from policies.parameters import check_days
from policies.signals import Signals, known


@dataclass(slots=True)
class Every:
    """Retrain when `days` have passed since the last request; the request of the first champion counts as one.

    A good choice for slow, steady drift, and where people must plan ahead: it needs no labels and raises no false
    alarm. A bad one for sudden drift, which it meets half an interval late on average, and in quiet times, which it
    pays for all the same.

    Parameters
    ----------
    days
        Days from one request to the next, at least 1. A request that an open job holds back is made as soon as
        the job has ended, and the next interval starts there.

    Raises
    ------
    InputError
        If `days` is out of range.

    Examples
    --------
    >>> Every(days=90).decide(Signals(step=3, day=90, job_open=False, age_days=90)).reason
    '90 days since the last request'
    """

    days: float = 90
    _last_request_day: float | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_days("days", self.days, minimum=1)

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` when the interval is over, `keep` otherwise."""
        if self._last_request_day is None:
            self._last_request_day = signals.day - (known(signals.age_days) or 0)
        passed = signals.day - self._last_request_day
        if passed < self.days:
            return Decision(Action.KEEP, "quiet")
        if signals.job_open:
            return Decision(Action.KEEP, "job_open")
        self._last_request_day = signals.day
        return Decision(Action.RETRAIN, f"{number_text(passed)} days since the last request", Cause.SCHEDULE)

    def deployed(self, version: str) -> None:
        """Take no notice: the calendar runs on."""
