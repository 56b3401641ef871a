"""Boxes: sets of settings, one span of numbers for each placeholder, whose ends are in or out."""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple


class Grain(StrEnum):
    """Which numbers an axis has."""

    REAL = "real"
    WHOLE = "whole"


class Cut(NamedTuple):
    """A place between numbers: just before `value`, or just after it.

    >>> Cut(0.05, is_after=False) < Cut(0.05, is_after=True) < Cut(0.06, is_after=False)
    True
    """

    value: float
    is_after: bool


class Span(NamedTuple):
    """All numbers between two cuts; an end is in or out by the side of its cut.

    >>> print(Span(Cut(0.05, is_after=True), Cut(0.1, is_after=True)))
    (0.05, 0.1]
    """

    low: Cut
    high: Cut

    def __str__(self) -> str:
        left = "(" if self.low.is_after or math.isinf(self.low.value) else "["
        right = "]" if self.high.is_after and not math.isinf(self.high.value) else ")"
        low, high = _apart(self.low.value, self.high.value)
        return f"{left}{low}, {high}{right}"

    def has(self, number: float) -> bool:
        """Whether a number lies in the span.

        >>> LINE.has(-1e300), Span(Cut(1, True), Cut(2, False)).has(1)
        (True, False)
        """
        return self.low <= Cut(number, is_after=False) and Cut(number, is_after=True) <= self.high

    def meets(self, other: "Span") -> "Span | None":
        """Return the numbers that both spans have, `None` if there are none."""
        return span(max(self.low, other.low), min(self.high, other.high))


def _apart(low: float, high: float) -> tuple[str, str]:
    """Return two numbers in as few digits as tell them from each other, at least three."""
    told = [(f"{low:.{digits}g}", f"{high:.{digits}g}") for digits in range(3, 18)]
    return next((pair for pair in told if pair[0] != pair[1] or low == high), told[-1])


LINE = Span(Cut(-math.inf, is_after=True), Cut(math.inf, is_after=False))
"""The whole real line."""


def span(low: Cut, high: Cut) -> Span | None:
    """Return the span between two cuts, `None` if no floating-point number lies there."""
    if low >= high:
        return None
    if low.is_after and not high.is_after and math.nextafter(low.value, math.inf) >= high.value:
        return None
    return Span(low, high)


class Axis(NamedTuple):
    """What a placeholder may be: its name, the numbers of its axis, and whether only whole ones."""

    name: str
    whole: Span
    grain: Grain

    def within(self, low: Cut, high: Cut) -> Span | None:
        """Return the numbers of this axis between two cuts, `None` if there are none.

        Spans of whole numbers are cut just before whole numbers, so that equal sets are equal spans.

        >>> steps = Axis("n", Span(Cut(1, False), Cut(math.inf, False)), Grain.WHOLE)
        >>> steps.text(steps.within(Cut(1, True), Cut(3.5, False)))
        '2 to 3'
        """
        return span(low, high) if self.grain is Grain.REAL else span(_before_whole(low), _before_whole(high))

    def text(self, numbers: Span) -> str:
        """Return how a span of this axis is written."""
        if self.grain is Grain.REAL:
            return str(numbers)
        if math.isinf(numbers.high.value):
            return f"{numbers.low.value:g} and more"
        first, last = int(numbers.low.value), int(numbers.high.value) - 1
        return f"{first}" if first == last else f"{first} to {last}"

    def sample(self, numbers: Span) -> float:
        """Return a number of a span: a short one from its middle, or an end that is in."""
        low, high = numbers.low.value, numbers.high.value
        if self.grain is Grain.WHOLE:
            return int(low)
        is_open = math.isinf(low) or math.isinf(high)
        middle = _beside(low, high) if is_open else low + (high - low) / 2
        for digits in range(1, 17):
            short = float(f"{middle:.{digits}g}")
            if numbers.has(short):
                return short
        return middle if numbers.has(middle) else low if numbers.has(low) else high


def _before_whole(cut: Cut) -> Cut:
    """Return the cut just before the first whole number after a cut."""
    if math.isinf(cut.value):
        return cut
    return Cut(math.floor(cut.value) + 1 if cut.is_after else math.ceil(cut.value), is_after=False)


def _beside(low: float, high: float) -> float:
    """Return a number above `low` or below `high`, one of which is infinite."""
    if math.isinf(low) and math.isinf(high):
        return 0.0
    if math.isinf(high):
        return low + max(1.0, abs(low)) if low < 1e300 else math.nextafter(math.inf, 0)
    return high - max(1.0, abs(high)) if high > -1e300 else math.nextafter(-math.inf, 0)


Box = tuple[Span, ...]
"""A span for each axis, in the order of the axes: the settings whose numbers lie in all of them."""

Setting = Mapping[str, float]
"""A number for each placeholder."""


def holds(box: Box, point: Iterable[float]) -> bool:
    """Whether a box has a point, given in the order of its axes."""
    return all(numbers.has(value) for numbers, value in zip(box, point, strict=True))


def overlap(one: Box, other: Box) -> Box | None:
    """Return the settings that two boxes share, `None` if there are none."""
    shared = []
    for mine, theirs in zip(one, other, strict=True):
        both = mine.meets(theirs)
        if both is None:
            return None
        shared.append(both)
    return tuple(shared)


def merged(boxes: list[Box]) -> list[Box]:
    """Return disjoint boxes as fewer, joining those that touch along one axis and agree on all others.

    >>> left, right = Span(LINE.low, Cut(1, False)), Span(Cut(1, False), LINE.high)
    >>> merged([(left,), (right,)]) == [(LINE,)]
    True
    """
    while len(boxes) > 1:
        before = len(boxes)
        for axis in range(len(boxes[0])):
            boxes = _merged_along(boxes, axis)
        if len(boxes) == before:
            break
    return boxes


def _merged_along(boxes: list[Box], axis: int) -> list[Box]:
    def others(box: Box) -> Box:
        return (*box[:axis], *box[axis + 1 :])

    found: list[Box] = []
    for _, group in groupby(sorted(boxes, key=lambda box: (others(box), box[axis])), key=others):
        first, *rest = group
        current = first
        for box in rest:
            if current[axis].high == box[axis].low:
                current = (*current[:axis], Span(current[axis].low, box[axis].high), *current[axis + 1 :])
            else:
                found.append(current)
                current = box
        found.append(current)
    return found
