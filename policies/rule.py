"""Retrain when a rule on the signals holds."""

from dataclasses import dataclass, field

from policies.conditions import cause_of, training_of, words_of
from policies.decision import Action, Cause, Decision, Truth
from policies.expression import Expression
from policies.parameters import check_count, check_days, check_steps
from policies.signals import Signals
from policies.trend import History

DAYS_PER_YEAR = 365


@dataclass(slots=True)
class Rule:
    """Retrain when `retrain_when` is true.

    A good choice where one knows which signals matter and by how much; a bad one where a threshold sits inside the
    noise of its signal (it fires forever) or speaks of a signal that is usually missing (it never fires).

    A true rule is held back, in this order: `waiting` until it was true for `for_steps` steps on end, `disarmed`
    after a request until `rearm_when` was true, `cooldown` until `cooldown_days` have passed since the policy's last
    request (also a rejected one), `budget` while the last year holds `budget_per_year` requests, `job_open` while a
    job is under way. So `cooldown` wins over `job_open`: the rule's own settings come before the state of the world.
    What was held back is no request: it starts no cooldown, takes no budget and disarms nothing.

    Parameters
    ----------
    retrain_when
        The rule, in the language of `policies.expression`.
    cooldown_days
        Days from one request to the next, at least.
    for_steps
        Steps for which the rule must be true on end. False, missing and a new champion start the count again.
    rearm_when
        The re-arm level of a hysteresis, as a rule such as `psi_max < 0.1`: after a request the policy asks again
        only once this was true. A new champion does not re-arm it, so let it come true in the end, for instance by
        `or age_days > 180`. Empty: always armed.
    budget_per_year
        Requests within any 365 days, at most; 0 is no limit.

    Raises
    ------
    InputError
        If a rule cannot be read or a number is out of range.

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
    rearm_when: str = ""
    budget_per_year: int = 0
    expression: Expression = field(init=False, repr=False, compare=False)
    _rearm: Expression | None = field(default=None, init=False, repr=False, compare=False)
    _history: History = field(init=False, repr=False, compare=False)
    _true_steps: int = field(default=0, init=False, repr=False, compare=False)
    _is_armed: bool = field(default=True, init=False, repr=False, compare=False)
    _request_days: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_days("cooldown_days", self.cooldown_days, minimum=0)
        check_steps("for_steps", self.for_steps)
        check_count("budget_per_year", self.budget_per_year)
        self.expression = Expression.parse(self.retrain_when)
        self._rearm = Expression.parse(self.rearm_when) if self.rearm_when != "" else None
        trends = (*self.expression.trends, *(self._rearm.trends if self._rearm else ()))
        self._history = History(tuple(dict.fromkeys(trends)))

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that its rules look at."""
        return self.expression.wants | (self._rearm.wants if self._rearm else frozenset())

    @property
    def trainings(self) -> tuple[str, ...]:
        """The training profiles that its clauses name."""
        return self.expression.trainings

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` with the clauses that asked for it, or `keep` with what held it back."""
        trends = self._history.see(signals)
        evidence = self.expression.evidence(signals)
        evidence.update(trends)
        clauses = self.expression.compare(evidence)
        truth = self.expression.combine(clauses)
        self._true_steps = self._true_steps + 1 if truth is Truth.TRUE else 0
        if self._rearm is not None and not self._is_armed:
            levels = {**self._rearm.evidence(signals), **trends}
            self._is_armed = self._rearm.combine(self._rearm.compare(levels)) is Truth.TRUE
        held_back_by = self._held_back_by(truth, signals)
        if held_back_by:
            return Decision(Action.KEEP, held_back_by, Cause.NONE, evidence, clauses)
        self._request_days.append(signals.day)
        self._is_armed = self._rearm is None
        reasons = self.expression.reasons(clauses)
        training = training_of(reasons)
        return Decision(Action.RETRAIN, words_of(reasons), cause_of(reasons), evidence, clauses, training)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start to count steps and trends again: what was true of the old champion says nothing of the new one."""
        self._true_steps = 0
        self._history.forget()

    def _held_back_by(self, truth: Truth, signals: Signals) -> str:
        if truth is not Truth.TRUE:
            return "missing" if truth is Truth.MISSING else "quiet"
        if self._true_steps < self.for_steps:
            return "waiting"
        if not self._is_armed:
            return "disarmed"
        if self._request_days and signals.day - self._request_days[-1] < self.cooldown_days:
            return "cooldown"
        if self.budget_per_year and self._requests_within_a_year(signals.day) >= self.budget_per_year:
            return "budget"
        return "job_open" if signals.job_open else ""

    def _requests_within_a_year(self, today: int) -> int:
        return sum(today - day < DAYS_PER_YEAR for day in self._request_days)
