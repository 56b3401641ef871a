"""Schedules: policies that act on given steps. The study builds them; they know more than production could."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from policies.decision import Action, Cause, Decision
from policies.signals import Signals
from sim.mlops.records.record import Record
from sim.world.schema.streams import Streams


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
    """Return the placebo of a record: as many retrainings as it asked for, at random steps of the same world.

    They lie so far apart that none is refused because a job is open.
    """
    asked, gap = len(record.retrainings), _job_steps(record)
    free = len(record.steps) - (asked - 1) * (gap - 1)
    while free < asked:  # the record's own jobs ended sooner, by a rejection
        gap, free = gap - 1, free + asked - 1
    drawn = Streams(record.seed).generator("coin").choice(max(free, 1), size=asked, replace=False)
    steps = np.sort(drawn) + np.arange(asked) * (gap - 1)
    return Schedule({int(step): Action.RETRAIN for step in steps}, "coin")


def _job_steps(record: Record) -> int:
    """Return the steps from a request to the promotion, in which no other job opens."""
    jobs, step_days = record.scenario.jobs, record.scenario.time.step_days
    gates = max(1, -(-jobs.train_days // step_days))
    return gates + -(-jobs.approval_days // step_days)
