"""Retrain at every step."""

from dataclasses import dataclass

from policies.decision import Action, Cause, Decision
from policies.signals import Signals


@dataclass(slots=True)
class Always:
    """Ask for a retraining whenever no job is under way.

    A good choice where retraining costs next to nothing, and as the other yardstick: no policy learns sooner. A
    bad one where each retraining costs money or attention, or where gates are noisy: among many tries a worse model
    slips in.

    >>> Always().decide(Signals(step=0, day=0, job_open=False)).reason
    'every step'
    """

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain`, or `keep` while a job is open."""
        if signals.job_open:
            return Decision(Action.KEEP, "job_open")
        return Decision(Action.RETRAIN, "every step", Cause.SCHEDULE)

    def deployed(self, version: str) -> None:
        """Take no notice."""
