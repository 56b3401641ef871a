"""What most policies do once they want a retraining: keep to a cooldown, and wait for an open job to end."""

from dataclasses import dataclass, field

from policies.conditions import Evidence
from policies.decision import Action, Cause, Decision
from policies.hold_back import ChainMemory, HoldBack
from policies.signals import CATALOGUE, ON_REQUEST, Signals, known
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
    memory: ChainMemory = field(default=ChainMemory(), init=False)
    _chain: HoldBack = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._chain = HoldBack(cooldown_days=self.cooldown_days)

    @property
    def last_day(self) -> int | None:
        """The day of the last request."""
        return self.memory.request_days[-1] if self.memory.request_days else None

    def ask(
        self,
        signals: Signals,
        reason: str,
        evidence: Evidence,
        cause: Cause = Cause.ALARM,
        action: Action = Action.RETRAIN,
    ) -> Decision:
        """Return the action wanted, or `keep` with what holds it back."""
        asked = self._chain.seen(self.memory, asks=True, is_rearmed=False)
        if held_back_by := self._chain.held_back_by(asked, signals.day, job_open=signals.job_open):
            return Decision(Action.KEEP, held_back_by, evidence=evidence)
        self.memory = self._chain.requested(asked, signals.day)
        return Decision(action, reason, cause, evidence)


def check_signal(what: str, name: str) -> None:
    """Refuse `name` unless it is a signal that a rule may use; a file may hold anything in its place."""
    is_text = isinstance(name, str)
    if not is_text or name not in CATALOGUE:
        hint = (did_you_mean(name, CATALOGUE) if is_text else "") or " `retrainlab signals` lists them."
        raise InputError(f"{what} must be a known signal, got {name!r}.{hint}")


def measured_on_request(*names: str) -> frozenset[str]:
    """Return those of the signals that are measured on request only, which a policy must say that it wants."""
    return ON_REQUEST.intersection(names)


def value_of(signals: Signals, name: str) -> float | None:
    """Return a signal by its name, `None` where it is missing or not a number."""
    return known(getattr(signals, name))
