"""Retrain when staleness has cost enough (CARA)."""

from dataclasses import dataclass, field

from policies.decision import Action, Cause, Decision
from policies.parameters import check_choice, check_number
from policies.requesting import Requests, check_signal, measured_on_request, value_of
from policies.signals import Signals

STRATEGIES = ("threshold", "cumulative", "periodic")


@dataclass(slots=True)
class Cara:
    """Weigh the cost of a stale champion against that of a retraining.

    The strategies of Mahadevan and Mathioudakis, Cost-aware retraining for machine learning (Knowledge-Based Systems
    293, 2024). There the cost of staleness is estimated from similar labelled data; here it is a signal times what a
    point of it loses, and `sim.study.cara` finds the best level on a world that has been played.

    A good choice where both costs are known: it retrains as often as that pays, and no oftener. A bad one where the
    signal is noise: noise adds up, and `cumulative` pays for it; and `periodic` looks at nothing at all.

    With the price of a retraining as its level, `cumulative` pays at most twice what hindsight would have, as a skier
    does who rents until the rent has come to the price of skis (Karlin and others, Competitive snoopy caching,
    Algorithmica 3, 1988): from one retraining to the next it pays the price, and no more than that for staleness;
    hindsight has paid the price, or more than that for staleness. This needs staleness that is known on its day, a
    retraining that serves in the step that asks for it, a fresh model that costs nothing, and newer models that never
    cost more than older ones at the same step. Late labels, noise and gates take the promise away.

    Parameters
    ----------
    strategy
        `threshold`: today's staleness costs more than `level`; `cumulative`: all of it since the last request does;
        `periodic`: `level` days have passed since the last request.
    level
        Money, or days for `periodic`. The price of a retraining is the break-even of `cumulative`; see above.
    staleness
        The signal that says how stale the champion is: a missing or negative one costs nothing.
    loss_per_point
        Money that a step loses for each 1.0 of the signal.
    cooldown_days
        Days from one request to the next, at least.

    Raises
    ------
    InputError
        If there is no such strategy or signal, or a number is out of range.

    Examples
    --------
    >>> policy = Cara(level=1500, loss_per_point=10_000)
    >>> months = [Signals(step=s, day=30 * s, job_open=False, f1_drop=0.1) for s in range(2)]
    >>> [policy.decide(signals).reason for signals in months]
    ['quiet', 'staleness has cost 2000, more than 1500']
    """

    strategy: str = "cumulative"
    level: float = 1000
    staleness: str = "f1_drop"
    loss_per_point: float = 90_000
    cooldown_days: float = 0
    _lost: float = field(default=0.0, init=False, repr=False, compare=False)
    _start_day: int | None = field(default=None, init=False, repr=False, compare=False)
    _requests: Requests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_choice("strategy", self.strategy, STRATEGIES)
        check_number("level", self.level, 0, 1e12)
        check_number("loss_per_point", self.loss_per_point, 0, 1e12)
        check_signal("staleness", self.staleness)
        self._requests = Requests(self.cooldown_days)

    @property
    def wants(self) -> frozenset[str]:
        """The signal of staleness, where it is measured on request."""
        return measured_on_request(self.staleness)

    def decide(self, signals: Signals) -> Decision:
        """Count what staleness costs today, and answer `retrain` where it is enough."""
        value = value_of(signals, self.staleness)
        evidence = {self.staleness: value}
        if self.strategy == "periodic":
            return self._by_the_calendar(signals)
        today = max(value or 0.0, 0.0) * self.loss_per_point
        self._lost = self._lost + today if self.strategy == "cumulative" else today
        if self._lost <= self.level:
            return Decision(Action.KEEP, "missing" if value is None else "quiet", evidence=evidence)
        reason = f"staleness has cost {self._lost:.0f}, more than {self.level:g}"
        return self._settled(self._requests.ask(signals, reason, evidence))

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start to count again: the old champion's staleness is over."""
        self._lost = 0.0

    def _by_the_calendar(self, signals: Signals) -> Decision:
        if self._start_day is None:
            self._start_day = signals.day
        last = self._start_day if self._requests.last_day is None else self._requests.last_day
        if signals.day - last < self.level:
            return Decision(Action.KEEP, "quiet")
        return self._requests.ask(signals, f"every {self.level:g} days", {}, Cause.SCHEDULE)

    def _settled(self, decision: Decision) -> Decision:
        """Forget the cost that a request answers."""
        if decision.action is Action.RETRAIN:
            self._lost = 0.0
        return decision
