"""The label queue: labels on their way."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sim.world.labels import LabelEvents
from sim.world.schema.words import packed, unpacked


class LabelQueue:
    """Holds label events until the day on which they arrive; each is delivered once, and never before its date.

    On their way they take a third of the memory: months of customers wait here.
    """

    def __init__(self) -> None:
        self._on_the_way: list[LabelEvents] = []

    def send(self, events: LabelEvents) -> None:
        """Take label events of one batch."""
        self._on_the_way.append(_packed(events))

    def deliver(self, day: int) -> Iterator[LabelEvents]:
        """Hand over all events due by `day`, in the order in which they were sent, one batch after another."""
        due, late = [], []
        for events in self._on_the_way:
            is_due = events.arrives_at <= day
            if is_due.any():
                due.append(events if is_due.all() else events.take(is_due))
            if not is_due.all():
                late.append(events.take(~is_due) if is_due.any() else events)
        self._on_the_way = late
        return map(_unpacked, due)


def _packed(events: LabelEvents) -> LabelEvents:
    """Return the same events with ids of one byte a letter, where that is exact, and short numbers."""
    return replace(
        events,
        customer_id=packed(events.customer_id),
        row=events.row.astype(np.int32),
        arrives_at=events.arrives_at.astype(np.int32),
    )


def _unpacked(events: LabelEvents) -> LabelEvents:
    return replace(
        events,
        customer_id=unpacked(events.customer_id),
        row=events.row.astype(np.int64),
        arrives_at=events.arrives_at.astype(np.int64),
    )
