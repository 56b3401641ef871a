"""Retrain by hand: someone looks once a quarter, and needs weeks to act."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from policies.decision import Action, Cause, Decision, Truth
from policies.expression import Expression
from policies.parameters import check_days
from policies.signals import Signals
from policies.trend import History


@dataclass(slots=True)
class Manual:
    """Look at the signals every `look_days`; if something is wrong, ask for a retraining 30 to 90 days later.

    What happens where nobody has automated anything, the "before" of every before/after story. A good choice where
    drift is rare and an error of automation dear; a bad one for anything sudden, which costs a quarter of blindness
    and a quarter of work on top of the wait for labels.

    Parameters
    ----------
    notice
        What the person calls wrong: a rule on the signals of the day of the look.
    look_days
        Days from one look to the next; the first is after as many.
    fastest_days, slowest_days
        How long the work takes, drawn evenly for each look: by what there was to see on that day, so that every world
        has working times of its own, and the same look at the same numbers always takes as long.

    Raises
    ------
    InputError
        If the rule can't be read, a number is out of range, or the fastest is slower than the slowest.

    Examples
    --------
    >>> someone = Manual(fastest_days=30, slowest_days=30)
    >>> someone.decide(Signals(step=3, day=90, job_open=False, f1_drop=0.2)).reason
    'waiting'
    >>> someone.decide(Signals(step=4, day=120, job_open=False)).reason
    'someone saw f1_drop > 0.05 on day 90'
    """

    notice: str = "f1_drop > 0.05"
    look_days: float = 90
    fastest_days: float = 30
    slowest_days: float = 90
    _rule: Expression = field(init=False, repr=False, compare=False)
    _history: History = field(init=False, repr=False, compare=False)
    _looks: int = field(default=0, init=False, repr=False, compare=False)
    _seen_day: float | None = field(default=None, init=False, repr=False, compare=False)
    _ready_day: float = field(default=0.0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_days("look_days", self.look_days, minimum=1)
        check_days("fastest_days", self.fastest_days, minimum=0)
        check_days("slowest_days", self.slowest_days, minimum=self.fastest_days)
        self._rule = Expression.parse(self.notice)
        self._history = History(self._rule.trends)

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that the person looks at."""
        return self._rule.wants

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` when the work that a look has started is done."""
        evidence = {**self._rule.evidence(signals), **self._history.see(signals)}
        clauses = self._rule.compare(evidence)
        self._look(signals, clauses)
        if self._seen_day is None:
            return Decision(Action.KEEP, "quiet", evidence=evidence, clauses=clauses)
        if signals.day < self._ready_day:
            return Decision(Action.KEEP, "waiting", evidence=evidence, clauses=clauses)
        if signals.job_open:
            return Decision(Action.KEEP, "job_open", evidence=evidence, clauses=clauses)
        reason = f"someone saw {self._rule.text} on day {self._seen_day:g}"
        self._seen_day = None
        return Decision(Action.RETRAIN, reason, Cause.ALARM, evidence, clauses)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start trends again; the next look comes when it comes."""
        self._history.forget()

    def _look(self, signals: Signals, clauses: Mapping[str, Truth]) -> None:
        """Look if it is time to; nobody looks while the work of the last look is under way."""
        if signals.day < (self._looks + 1) * self.look_days:
            return
        self._looks = int(signals.day // self.look_days)
        if self._seen_day is None and self._rule.combine(clauses) is Truth.TRUE:
            self._seen_day = signals.day
            sight = f"{self._looks} {signals.psi_max!r} {signals.score_psi!r} {signals.f1!r}"
            work_days = Random(sight).uniform(self.fastest_days, self.slowest_days)
            self._ready_day = signals.day + work_days
