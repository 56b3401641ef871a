"""Retrain when a rule on the signals holds."""

from dataclasses import dataclass, field

from policies.conditions import cause_of, training_of, words_of
from policies.decision import Action, Cause, Decision, Truth
from policies.expression import Expression, trends_of, wants_of
from policies.hold_back import ChainMemory, HoldBack
from policies.signals import Signals
from policies.trend import History


@dataclass(slots=True)
class Rule:
    """Retrain when `retrain_when` is true.

    A good choice where one knows which signals matter and by how much; a bad one where a threshold sits inside the
    noise of its signal (it fires forever) or speaks of a signal that is usually missing (it never fires).

    A true rule is held back by the chain of `policies.hold_back`, whose settings are the rule's own: missing and
    false both count as a step in which nothing was wanted.

    Parameters
    ----------
    retrain_when
        The rule, in the language of `policies.expression`.
    cooldown_days
        Days from one request to the next, at least.
    for_steps, of_steps
        The rule must be true in `for_steps` of the last `of_steps` steps, today among them; in `for_steps` steps on
        end where `of_steps` is no more than that. A new champion starts the count again. `for_steps = 2,
        of_steps = 5` is the stock trigger of Databricks' template for monitoring-based retraining.
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
    of_steps: int = 1
    expression: Expression = field(init=False, repr=False, compare=False)
    memory: ChainMemory = field(default=ChainMemory(), init=False, repr=False, compare=False)
    _chain: HoldBack = field(init=False, repr=False, compare=False)
    _history: History = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._chain = HoldBack(
            for_steps=self.for_steps,
            of_steps=self.of_steps,
            rearm_when=self.rearm_when,
            cooldown_days=self.cooldown_days,
            budget_per_year=self.budget_per_year,
        )
        self.expression = Expression.parse(self.retrain_when)
        self._history = History(trends_of(self.expression, self._chain.rearm))

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that its rules look at."""
        return wants_of(self.expression, self._chain.rearm)

    @property
    def trainings(self) -> tuple[str, ...]:
        """The training profiles that its clauses name."""
        return self.expression.trainings

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` with the clauses that asked for it, or `keep` with what held it back."""
        chain, trends = self._chain, self._history.see(signals)
        evidence = self.expression.evidence(signals)
        evidence.update(trends)
        clauses = self.expression.compare(evidence)
        truth = self.expression.combine(clauses)
        is_rearmed = chain.rearm is not None and not self.memory.is_armed and chain.rearm.holds(signals, trends)
        self.memory = chain.seen(self.memory, asks=truth is Truth.TRUE, is_rearmed=is_rearmed)
        held_back_by = self._held_back_by(truth, signals)
        if held_back_by:
            return Decision(Action.KEEP, held_back_by, Cause.NONE, evidence, clauses)
        self.memory = chain.requested(self.memory, signals.day)
        reasons = self.expression.reasons(clauses)
        training = training_of(reasons)
        return Decision(Action.RETRAIN, words_of(reasons), cause_of(reasons), evidence, clauses, training)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start to count steps and trends again: what was true of the old champion says nothing of the new one."""
        self.memory = self._chain.redeployed(self.memory)
        self._history.forget()

    def _held_back_by(self, truth: Truth, signals: Signals) -> str:
        if truth is not Truth.TRUE:
            return "missing" if truth is Truth.MISSING else "quiet"
        return self._chain.held_back_by(self.memory, signals.day, job_open=signals.job_open)
