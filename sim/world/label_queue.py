"""The label queue: labels on their way."""

from sim.world.labels import LabelEvents


class LabelQueue:
    """Holds label events until the day on which they arrive; each is delivered once, and never before its date."""

    def __init__(self) -> None:
        self._on_the_way: list[LabelEvents] = []

    def send(self, events: LabelEvents) -> None:
        """Take label events of one batch."""
        self._on_the_way.append(events)

    def deliver(self, day: int) -> list[LabelEvents]:
        """Hand over all events due by `day`, in the order in which they were sent."""
        due = [events.take(events.arrives_at <= day) for events in self._on_the_way]
        late = [events.take(events.arrives_at > day) for events in self._on_the_way]
        self._on_the_way = [events for events in late if len(events.label)]
        return [events for events in due if len(events.label)]
