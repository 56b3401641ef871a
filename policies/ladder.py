"""Try the cheapest remedy first: quarantine, then recalibrate, then retrain."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from policies.conditions import cause_of, training_of, words_of
from policies.decision import Action, Cause, Decision, Truth
from policies.expression import Expression, optional_rule, trends_of, wants_of
from policies.parameters import check_flag, check_steps
from policies.requesting import Requests
from policies.signals import Signals
from policies.trend import History


@dataclass(slots=True)
class Ladder:
    """Set broken batches apart; on trouble recalibrate first, and retrain if it goes on.

    A good choice where feeds break and base rates move: a broken batch never gets into a training set, and a moved
    base rate is mended for next to nothing. A bad one after a change of behaviour: the recalibration costs months,
    for its own labels must come in before anybody knows that it was not enough. A worse one without gates: a bad
    recalibration brings a low baseline with it, from which F1 never drops again.

    Parameters
    ----------
    quarantine_when
        A rule that says today's batch is broken; it is kept out of training for good. It goes before all else, also
        while a job is open.
    patience_steps
        How many broken batches in a row are set apart. What goes on for longer is no fault but how things are now,
        and must be learnt: those that follow are taken as they come, until one is known to be sound again.
    trouble_when
        A rule that says the champion is in trouble. Empty: never, so that nothing but the quarantine is left.
    recalibrate_first
        Whether trouble is answered with a recalibration before a retraining. Without, the ladder is the rule
        `trouble_when` with a guard that keeps broken batches from its retrainings.
    cooldown_days
        Days from one recalibration or retraining to the next request, at least. The ladder begins at its foot again
        as soon as the trouble is known to be over.

    Raises
    ------
    InputError
        If a rule cannot be read or a number is out of range.

    Examples
    --------
    >>> policy = Ladder(trouble_when="f1_drop > 0.05", cooldown_days=0)
    >>> broken = Signals(step=0, day=0, job_open=False, null_rate=0.4, unseen_rate=0.0, f1_drop=0.1)
    >>> bad = [Signals(step=s, day=30 * s, job_open=False, null_rate=0, unseen_rate=0, f1_drop=0.1) for s in (1, 2)]
    >>> [policy.decide(signals).action.value for signals in (broken, *bad)]
    ['quarantine', 'recalibrate', 'retrain']
    """

    quarantine_when: str = "null_rate > 0.10 or unseen_rate > 0.10"
    patience_steps: int = 6
    trouble_when: str = "f1_drop > 0.05"
    recalibrate_first: bool = True
    cooldown_days: float = 60
    _broken: Expression = field(init=False, repr=False, compare=False)
    _trouble: Expression | None = field(init=False, repr=False, compare=False)
    _history: History = field(init=False, repr=False, compare=False)
    _requests: Requests = field(init=False, repr=False, compare=False)
    _broken_in_a_row: int = field(default=0, init=False, repr=False, compare=False)
    _is_recalibrated: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_flag("recalibrate_first", self.recalibrate_first)
        check_steps("patience_steps", self.patience_steps)
        self._broken = Expression.parse(self.quarantine_when)
        self._trouble = optional_rule(self.trouble_when)
        self._history = History(trends_of(self._broken, self._trouble))
        self._requests = Requests(self.cooldown_days)

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that its rules look at."""
        return wants_of(self._broken, self._trouble)

    @property
    def trainings(self) -> tuple[str, ...]:
        """The training profiles that clauses of its trouble name."""
        return self._trouble.trainings if self._trouble else ()

    def decide(self, signals: Signals) -> Decision:
        """Answer with the lowest rung that is needed."""
        rules = [rule for rule in (self._broken, self._trouble) if rule is not None]
        evidence = {name: value for rule in rules for name, value in rule.evidence(signals).items()}
        evidence |= self._history.see(signals)
        clauses = {text: truth for rule in rules for text, truth in rule.compare(evidence).items()}
        is_broken = self._broken.combine(clauses)
        if self._is_to_be_set_apart(is_broken):
            reasons = self._broken.reasons(clauses)
            return Decision(Action.QUARANTINE, words_of(reasons), Cause.ALARM, evidence, clauses)
        answer = _idle(is_broken) if self._trouble is None else self._climb(self._trouble, signals, clauses)
        return replace(answer, evidence=evidence, clauses=clauses)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start trends again; the rung stays until the trouble is known to be over."""
        self._history.forget()

    def _is_to_be_set_apart(self, is_broken: Truth) -> bool:
        """Count broken batches in a row; where nothing is known of one, the count stays."""
        if is_broken is Truth.FALSE:
            self._broken_in_a_row = 0
        if is_broken is Truth.TRUE:
            self._broken_in_a_row += 1
        return is_broken is Truth.TRUE and self._broken_in_a_row <= self.patience_steps

    def _climb(self, rule: Expression, signals: Signals, clauses: Mapping[str, Truth]) -> Decision:
        """Answer trouble with the next rung."""
        truth = rule.combine(clauses)
        if truth is not Truth.TRUE:
            self._is_recalibrated = self._is_recalibrated and truth is Truth.MISSING
            return _idle(truth)
        is_next = self.recalibrate_first and not self._is_recalibrated
        rung = Action.RECALIBRATE if is_next else Action.RETRAIN
        reasons = rule.reasons(clauses)
        answer = self._requests.ask(signals, words_of(reasons), {}, cause_of(reasons), rung)
        if answer.action is Action.RETRAIN:
            answer = replace(answer, training=training_of(reasons))
        self._is_recalibrated = self._is_recalibrated or answer.action is Action.RECALIBRATE
        return answer


def _idle(truth: Truth) -> Decision:
    """Keep the champion where a rule is not true."""
    return Decision(Action.KEEP, "missing" if truth is Truth.MISSING else "quiet")
