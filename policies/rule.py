"""Retrain when a rule on the signals holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.conditions import Reason
from policies.decision import Action, Cause, Decision, Truth
from policies.expression import Expression
from policies.parameters import check_days, check_steps
from policies.signals import Signals


@dataclass(slots=True)
class Rule:
    """Retrain when `retrain_when` is true.

    A good choice where one knows which signals matter and by how much; a bad one where a threshold sits inside the
    noise of its signal (it fires forever) or speaks of a signal that is usually missing (it never fires).

    A true rule is held back, in this order: `waiting` until it was true for `for_steps` steps on end, `cooldown`
    until `cooldown_days` have passed since the policy's last request (also a rejected one), `job_open` while a job is
    under way. So `cooldown` wins over `job_open`: the rule's own settings come before the state of the world. What
    was held back is no request and starts no cooldown.

    Parameters
    ----------
    retrain_when
        The rule, in the language of `policies.expression`.
    cooldown_days
        Days from one request to the next, at least.
    for_steps
        Steps for which the rule must be true on end. False, missing and a new champion start the count again.

    Raises
    ------
    InputError
        If the rule cannot be read or a number is out of range.

    Examples
    --------
    >>> rule = Rule("f1_drop > 0.05 or age_days > 30", cooldown_days=30)
    >>> decision = rule.decide(Signals(step=4, day=120, job_open=False, f1_drop=0.08, age_days=20))
    >>> decision.action, decision.reason, decision.cause
    (<Action.RETRAIN: 'retrain'>, 'f1_drop > 0.05', <Cause.ALARM: 'alarm'>)
    """

    retrain_when: str
    cooldown_days: float = 0
    for_steps: int = 1
    expression: Expression = field(init=False, repr=False, compare=False)
    _true_steps: int = field(default=0, init=False, repr=False, compare=False)
    _last_request_day: int | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_days("cooldown_days", self.cooldown_days, minimum=0)
        check_steps("for_steps", self.for_steps)
        self.expression = Expression.parse(self.retrain_when)

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` with the clauses that asked for it, or `keep` with what held it back."""
        evidence = self.expression.evidence(signals)
        clauses = self.expression.compare(evidence)
        truth = self.expression.combine(clauses)
        self._true_steps = self._true_steps + 1 if truth is Truth.TRUE else 0
        held_back_by = self._held_back_by(truth, signals)
        if held_back_by:
            return Decision(Action.KEEP, held_back_by, Cause.NONE, evidence, clauses)
        self._last_request_day = signals.day
        reasons = self.expression.reasons(clauses)
        text = ", ".join(reason.text for reason in reasons)
        return Decision(Action.RETRAIN, text, _cause(reasons), evidence, clauses)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start to count steps again: what was true of the old champion says nothing of the new one."""
        self._true_steps = 0

    def _held_back_by(self, truth: Truth, signals: Signals) -> str:
        if truth is Truth.MISSING:
            return "missing"
        if truth is Truth.FALSE:
            return "quiet"
        if self._true_steps < self.for_steps:
            return "waiting"
        if self._last_request_day is not None and signals.day - self._last_request_day < self.cooldown_days:
            return "cooldown"
        return "job_open" if signals.job_open else ""


def _cause(reasons: Sequence[Reason]) -> Cause:
    """Return `schedule` where only the champion's age asked, `alarm` otherwise."""
    only_age = all(name == "age_days" for reason in reasons for name in reason.names)
    return Cause.SCHEDULE if only_age else Cause.ALARM
