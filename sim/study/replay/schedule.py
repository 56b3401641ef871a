"""Schedules: policies that act on given steps. The study builds them; they know more than production could."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from policies.decision import Action, Cause, Decision
from policies.signals import Signals
from sim.mlops.records.record import Record
from sim.world.schema.streams import Streams

_COINS = 25


@dataclass(frozen=True)
class Schedule:
    """Takes the given action at each of the given steps, and keeps the champion at all others.

    `learnt` names the training profile of a retraining by its step, where it is not the run's own.
    """

    actions: Mapping[int, Action]
    reason: str
    learnt: Mapping[int, str] = field(default_factory=dict)

    def decide(self, signals: Signals) -> Decision:
        """Answer by the step alone."""
        action = self.actions.get(signals.step, Action.KEEP)
        if action is Action.KEEP:
            return Decision(Action.KEEP, "quiet")
        return Decision(action, self.reason, Cause.SCHEDULE, training=self.learnt.get(signals.step, ""))

    def deployed(self, version: str) -> None:
        """Nothing to remember."""


@dataclass
class Coin:
    """Asks for a retraining at each of the given steps, or at the first after it at which no job is open."""

    steps: Sequence[int]
    asked: int = 0

    def decide(self, signals: Signals) -> Decision:
        """Answer by the step, and by whether a request would be refused."""
        if self.asked == len(self.steps) or signals.step < self.steps[self.asked]:
            return Decision(Action.KEEP, "quiet")
        if signals.job_open:
            return Decision(Action.KEEP, "job_open")
        self.asked += 1
        return Decision(Action.RETRAIN, "coin", Cause.SCHEDULE)

    def deployed(self, version: str) -> None:
        """Nothing to remember."""


def coins(record: Record) -> Iterator[Coin]:
    """Yield placebos of a record, each with as many retrainings as it asked for at random steps of the same world.

    One whose jobs take longer than the record's own, which the gates may have ended, may run out of steps before it
    has asked as often. So each is drawn from fewer of the first steps than the one before, down to one that asks as
    early as it can.
    """
    asked, n_steps = len(record.retrainings), len(record.steps)
    for attempt in range(_COINS):
        span = max(asked, round(n_steps * (1 - attempt / (_COINS - 1))))
        drawn = Streams(record.seed).generator("coin", attempt).choice(max(span, 1), size=asked, replace=False)
        yield Coin(np.sort(drawn).tolist())
