"""After an alarm retrain more than once, and go back if the new champion turns out worse."""

from dataclasses import dataclass, field

from policies.conditions import cause_of
from policies.decision import Action, Cause, Decision, Truth
from policies.expression import Expression
from policies.parameters import check_days, check_number
from policies.signals import Signals, known
from policies.trend import History


@dataclass(slots=True)
class Reactive:
    """Answer an alarm with a reactive time: retrain at once and again, then keep the better of old and new.

    After DriftSurf (Tahmasbi and others, ICML 2021), whose reactive state lets a new model shadow the old one and
    keeps the better. A policy sees no shadow's scores, since that would be news of a model that does not serve; so
    the gates compare on what is known, and the first labels of the new champion decide whether it stays: if its F1 is
    lower than the last one seen of the champion that it replaced by more than `margin`, it is rolled back, as soon as
    no job is open. Of a champion that was replaced before its own labels came nothing is known, and nobody goes back
    to it.

    A good choice where alarms are often false or come before the labels that a retraining needs: a first model
    trained on stale labels is followed by a better one, and a bad one is taken back. A bad one where F1 falls because
    the world has become harder: the new champion looks worse than the old one did, and is taken back wrongly.

    Parameters
    ----------
    alarm_when
        The rule that begins the reactive time.
    reactive_days
        How long it lasts.
    repeat_days
        Days from one retraining to the next within it.
    margin
        F1 that a new champion may be worse by.

    Raises
    ------
    InputError
        If the rule cannot be read or a number is out of range.

    Examples
    --------
    >>> policy = Reactive("psi_max > 0.25", reactive_days=60, repeat_days=60)
    >>> policy.deployed("first")
    >>> first = policy.decide(Signals(step=3, day=90, job_open=False, psi_max=0.3, f1=0.6))
    >>> policy.deployed("retrain-003")
    >>> policy.decide(Signals(step=7, day=210, job_open=False, f1=0.5)).reason
    'f1 = 0.5 after 0.6 of the champion before'
    """

    alarm_when: str = "f1_drop > 0.05 or psi_max > 0.25"
    reactive_days: float = 120
    repeat_days: float = 60
    margin: float = 0.02
    _alarm: Expression = field(init=False, repr=False, compare=False)
    _history: History = field(init=False, repr=False, compare=False)
    _alarm_day: int | None = field(default=None, init=False, repr=False, compare=False)
    _asked_day: int | None = field(default=None, init=False, repr=False, compare=False)
    _f1_now: float | None = field(default=None, init=False, repr=False, compare=False)
    _f1_before: float | None = field(default=None, init=False, repr=False, compare=False)
    _alarm_cause: Cause = field(default=Cause.NONE, init=False, repr=False, compare=False)
    _verdict: str = field(default="", init=False, repr=False, compare=False)
    _is_rolling_back: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_days("reactive_days", self.reactive_days, minimum=0)
        check_days("repeat_days", self.repeat_days, minimum=1)
        check_number("margin", self.margin, 0, 1)
        self._alarm = Expression.parse(self.alarm_when)
        self._history = History(self._alarm.trends)

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that the alarm looks at."""
        return self._alarm.wants

    def decide(self, signals: Signals) -> Decision:
        """Judge a new champion by its first labels; else answer an alarm, or what is left of its reactive time."""
        evidence = {**self._alarm.evidence(signals), **self._history.see(signals), "f1": known(signals.f1)}
        clauses = self._alarm.compare(evidence)
        self._judge(evidence["f1"])
        if self._verdict and not signals.job_open:
            verdict, self._verdict = self._verdict, ""
            self._is_rolling_back, self._alarm_day = True, None
            return Decision(Action.ROLLBACK, verdict, Cause.ALARM, evidence, clauses)
        truth = self._alarm.combine(clauses)
        if truth is Truth.TRUE and not self._is_reacting(signals.day):
            self._alarm_day, self._alarm_cause = signals.day, cause_of(self._alarm.reasons(clauses))
        if not self._is_reacting(signals.day):
            reason = "missing" if truth is Truth.MISSING else "quiet"
            return Decision(Action.KEEP, reason, evidence=evidence, clauses=clauses)
        if self._asked_day is not None and signals.day - self._asked_day < self.repeat_days:
            return Decision(Action.KEEP, "cooldown", evidence=evidence, clauses=clauses)
        if signals.job_open:
            return Decision(Action.KEEP, "job_open", evidence=evidence, clauses=clauses)
        self._asked_day = signals.day
        reason = f"alarm of day {self._alarm_day}"
        return Decision(Action.RETRAIN, reason, self._alarm_cause, evidence, clauses)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Note what was last seen of the old champion; after a rollback there is nothing to judge."""
        self._f1_before = None if self._is_rolling_back else self._f1_now
        self._f1_now, self._verdict, self._is_rolling_back = None, "", False
        self._history.forget()

    def _judge(self, f1: float | None) -> None:
        """Hold it against a new champion if its first F1 is worse than the last one of the champion before."""
        if f1 is None:
            return
        is_first, self._f1_now, before = self._f1_now is None, f1, self._f1_before
        if is_first and before is not None and f1 < before - self.margin:
            self._verdict = f"f1 = {f1:.3g} after {before:.3g} of the champion before"

    def _is_reacting(self, day: int) -> bool:
        return self._alarm_day is not None and day - self._alarm_day <= self.reactive_days
