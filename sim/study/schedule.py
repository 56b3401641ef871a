"""Schedules: policies that act on given steps. The study builds them; they know more than production could."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from policies.decision import Action, Cause, Decision
from policies.signals import Signals
from sim.mlops.record import Record
from sim.world.streams import Streams


@dataclass(frozen=True)
class Schedule:
    """Takes the given action at each of the given steps, and keeps the champion at all others."""

    actions: Mapping[int, Action]
    reason: str

    def decide(self, signals: Signals) -> Decision:
        """Answer by the step alone."""
        action = self.actions.get(signals.step, Action.KEEP)
        if action is Action.KEEP:
            return Decision(Action.KEEP, "quiet")
        return Decision(action, self.reason, Cause.SCHEDULE)

    def deployed(self, version: str) -> None:
        """Nothing to remember."""


def coin(record: Record) -> Schedule:
    """Return the placebo of a record: as many retrainings as it asked for, at random steps of the same world."""
    asked = sum(row.job_opened is not None for row in record.steps)
    rng = Streams(record.seed).generator("coin")
    steps = rng.choice(len(record.steps), size=asked, replace=False)
    return Schedule({int(step): Action.RETRAIN for step in np.sort(steps)}, "coin")
