"""What most policies do once they want a retraining: keep to a cooldown, and wait for an open job to end."""

from dataclasses import dataclass, field

from policies.conditions import Evidence
from policies.decision import Action, Cause, Decision
from policies.parameters import check_days
from policies.signals import CATALOGUE, Signals, known
from sim.errors import InputError, did_you_mean


@dataclass(slots=True)
class Requests:
    """Answers for a policy and remembers when it last asked.

    >>> requests = Requests(cooldown_days=30)
    >>> requests.ask(Signals(step=0, day=0, job_open=False), "it is time", {}).reason
    'it is time'
    >>> requests.ask(Signals(step=1, day=7, job_open=False), "it is time", {}).reason
    'cooldown'
    """

    cooldown_days: float
    last_day: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_days("cooldown_days", self.cooldown_days, minimum=0)

    def ask(
        self,
        signals: Signals,
        reason: str,
        evidence: Evidence,
        cause: Cause = Cause.ALARM,
        action: Action = Action.RETRAIN,
    ) -> Decision:
        """Return the action wanted, or `keep` with what holds it back."""
        if self.last_day is not None and signals.day - self.last_day < self.cooldown_days:
            return Decision(Action.KEEP, "cooldown", evidence=evidence)
        if signals.job_open:
            return Decision(Action.KEEP, "job_open", evidence=evidence)
        self.last_day = signals.day
        return Decision(action, reason, cause, evidence)


def check_signal(what: str, name: str) -> None:
    """Refuse `name` unless it is a signal that a rule may use; a file may hold anything in its place."""
    is_text = isinstance(name, str)
    if not is_text or name not in CATALOGUE:
        hint = (did_you_mean(name, CATALOGUE) if is_text else "") or " `retrainlab signals` lists them."
        raise InputError(f"{what} must be a known signal, got {name!r}.{hint}")


def value_of(signals: Signals, name: str) -> float | None:
    """Return a signal by its name, `None` where it is missing or not a number."""
    return known(getattr(signals, name))
