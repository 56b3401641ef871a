"""Outcomes: what a rule with placeholders answers to the signals of a day, box by box."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from policies.conditions import Comparison, Evidence, cause_of, training_of
from policies.decision import Cause, Truth
from policies.expression import Expression
from sim.study.lives.box import Axis, Box, Cut

_MIRRORED: Mapping[Callable[[float, float], bool], Callable[[float, float], bool]] = {
    operator.lt: operator.gt,
    operator.le: operator.ge,
    operator.gt: operator.lt,
    operator.ge: operator.le,
    operator.eq: operator.eq,
    operator.ne: operator.ne,
}


class Asked(NamedTuple):
    """How a retraining is asked for by a rule that is true."""

    cause: Cause
    training: str


class _Link(NamedTuple):
    """Where the truth of one relation changes along an axis: `truths` between the `cuts`."""

    axis: int
    cuts: tuple[Cut, ...]
    truths: tuple[bool, ...]


_Known = Truth | tuple[_Link, ...]
"""The value of a clause on a day: the same for all settings, or by the links that must all hold."""

_Vector = tuple[Truth | None, ...]
"""The value of each clause in a box, `None` where it is not the same in the whole of it."""


@dataclass(slots=True)
class Outcomes:
    """Splits boxes at the values of signals until a rule has one answer in each.

    Parameters
    ----------
    expression
        The rule, with marks in place of placeholders.
    marks
        The position of the axis that each mark stands for.
    axes
        What each placeholder may be.
    """

    expression: Expression
    marks: Mapping[float, int]
    axes: tuple[Axis, ...]
    _known: dict[_Vector, Asked | None] = field(default_factory=dict)
    _pivots: dict[_Vector, int | None] = field(default_factory=dict)
    _clauses: dict[tuple[float | None, ...], tuple[_Known, ...]] = field(default_factory=dict)

    def split(self, box: Box, evidence: Evidence) -> Iterator[tuple[Box, Asked | None]]:
        """Yield the parts of a box with the answer in each: how a retraining is asked for, `None` if it is not."""
        seen = tuple(evidence.values())  # a rule's evidence has the same names in the same order each day
        if seen not in self._clauses:
            comparisons = self.expression.comparisons
            self._clauses[seen] = tuple(self._clause(comparison, evidence) for comparison in comparisons)
        clauses = self._clauses[seen]
        waiting = [box]
        while waiting:
            part = waiting.pop()
            vector = tuple(_value(known, part) for known in clauses)
            pivot = self._pivot(vector)
            if pivot is None:
                yield part, self._answer(vector)
            else:
                axis, cut = _first_cut(clauses[pivot], part)
                waiting += divided(part, axis, cut, self.axes)

    def _clause(self, comparison: Comparison, evidence: Evidence) -> _Known:
        """Return the value of a clause on a day, as far as it is the same for all settings."""
        links: list[_Link] = []
        truth = Truth.TRUE
        left = comparison.left
        for holds, right in comparison.links:
            one, other = _read(left, evidence), _read(right, evidence)
            if one is None or other is None:
                return Truth.MISSING
            if other in self.marks and not isinstance(right, str):
                links.append(_link(holds, one, self.marks[other]))
            elif one in self.marks and not isinstance(left, str):
                links.append(_link(_MIRRORED[holds], other, self.marks[one]))
            elif not holds(one, other):
                truth = Truth.FALSE
            left = right
        return tuple(links) if links and truth is Truth.TRUE else truth

    def _pivot(self, vector: _Vector) -> int | None:
        """Return a clause that must be settled before the answer is, `None` if it is."""
        if vector not in self._pivots:
            self._pivots[vector] = self._open_clause(vector)
        return self._pivots[vector]

    def _open_clause(self, vector: _Vector) -> int | None:
        open_clauses = [place for place, value in enumerate(vector) if value is None]
        for place in open_clauses:
            answers = {
                truth: [self._answer(each) for each in _completions(_with(vector, place, truth))]
                for truth in (Truth.TRUE, Truth.FALSE)
            }
            if answers[Truth.TRUE] != answers[Truth.FALSE]:
                return place
        return None

    def _answer(self, vector: _Vector) -> Asked | None:
        """Return the answer of clauses that are settled as far as it takes."""
        if vector not in self._known:
            settled = tuple(Truth.FALSE if value is None else value for value in vector)
            reasons = self.expression.reasons(dict(zip(self.expression.clauses, settled, strict=True)))
            self._known[vector] = Asked(cause_of(reasons), training_of(reasons)) if reasons else None
        return self._known[vector]


def divided(box: Box, axis: int, cut: Cut, axes: tuple[Axis, ...]) -> list[Box]:
    """Return the parts of a box below and above a cut, without one that has no number."""
    numbers = box[axis]
    if not numbers.low < cut < numbers.high:
        return [box]
    below, above = axes[axis].within(numbers.low, cut), axes[axis].within(cut, numbers.high)
    return [(*box[:axis], part, *box[axis + 1 :]) for part in (below, above) if part is not None]


def _read(operand: str | float, evidence: Evidence) -> float | None:
    return evidence[operand] if isinstance(operand, str) else operand


def _link(holds: Callable[[float, float], bool], value: float, axis: int) -> _Link:
    """Return where `value holds x` changes as x goes along an axis."""
    before, after = Cut(value, is_after=False), Cut(value, is_after=True)
    if holds in (operator.eq, operator.ne):
        at = holds is operator.eq
        return _Link(axis, (before, after), (not at, at, not at))
    above = holds in (operator.lt, operator.le)
    cut = before if holds(value, value) == above else after
    return _Link(axis, (cut,), (not above, above))


def _value(known: _Known, box: Box) -> Truth | None:
    """Return the value of a clause in a box, `None` where it is not one."""
    if isinstance(known, Truth):
        return known
    is_open = False
    for axis, cuts, truths in known:
        low, high = box[axis]
        passed = 0
        for cut in cuts:
            if cut > low:
                break
            passed += 1
        if passed < len(cuts) and cuts[passed] < high:
            is_open = True
        elif not truths[passed]:
            return Truth.FALSE
    return None if is_open else Truth.TRUE


def _first_cut(known: _Known, box: Box) -> tuple[int, Cut]:
    for axis, cuts, _ in known if not isinstance(known, Truth) else ():
        for cut in cuts:
            if box[axis].low < cut < box[axis].high:
                return axis, cut
    msg = "a clause that is open in a box must have a cut there"
    raise AssertionError(msg)


def _with(vector: _Vector, place: int, truth: Truth) -> _Vector:
    return (*vector[:place], truth, *vector[place + 1 :])


def _completions(vector: _Vector) -> Iterator[_Vector]:
    return product(*((value,) if value is not None else (Truth.TRUE, Truth.FALSE) for value in vector))
