"""What a rule consists of: clauses, and the three-valued logic that joins them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from policies.decision import Cause, Truth

# Bound once: looking a member up on its enum costs more than comparing it.
_TRUE, _FALSE, _MISSING = Truth.TRUE, Truth.FALSE, Truth.MISSING

Evidence = Mapping[str, float | None]
"""Signal values by name, `None` where missing."""

Operand = str | float
"""One side of a comparison: the name of a signal (or the text of its trend), or a number."""


class Reason(NamedTuple):
    """A clause that made a rule true, as text, with the signals it names.

    `training` is the training profile that a retraining for this reason is to learn from, empty where the rule names
    none.
    """

    text: str
    names: tuple[str, ...]
    training: str = ""


class Condition(Protocol):
    """A part of a rule that is true, false or unknown."""

    @property
    def text(self) -> str:
        """How the condition is written."""
        ...

    def value(self, clauses: Mapping[str, Truth]) -> Truth:
        """Return the truth of the condition, given the value of each comparison by its text."""
        ...

    def reasons(self, clauses: Mapping[str, Truth], wanted: Truth) -> Iterator[Reason]:
        """Yield the clauses that gave the condition the value `wanted`, which it must have."""
        ...


class Link(NamedTuple):
    """The relation of an operand to the one before it."""

    holds: Callable[[float, float], bool]
    right: Operand


@dataclass(frozen=True, slots=True)
class Comparison:
    """A clause: operands with a relation between each two neighbours, such as `0.05 < f1_drop <= 0.2`.

    `names` are the signals and trends among the operands.
    """

    text: str
    names: tuple[str, ...]
    left: Operand
    links: tuple[Link, ...]

    def compare(self, evidence: Evidence) -> Truth:
        """Return whether all relations hold; missing if one of the signals is."""
        truth = _TRUE
        left = evidence[self.left] if isinstance(self.left, str) else self.left
        for holds, operand in self.links:
            right = evidence[operand] if isinstance(operand, str) else operand
            if left is None or right is None:
                return _MISSING
            if not holds(left, right):
                truth = _FALSE
            left = right
        return truth

    def value(self, clauses: Mapping[str, Truth]) -> Truth:
        """Return the value found for this clause."""
        return clauses[self.text]

    def reasons(self, clauses: Mapping[str, Truth], wanted: Truth) -> Iterator[Reason]:  # noqa: ARG002  see Condition
        """Yield the clause itself, negated where it had to be false."""
        yield Reason(self.text if wanted is _TRUE else Not(self).text, self.names)


@dataclass(frozen=True, slots=True)
class Not:
    """True where its part is false; unknown stays unknown."""

    part: Condition

    @property
    def text(self) -> str:
        """How the condition is written, always with parentheses."""
        return f"not ({self.part.text})"

    def value(self, clauses: Mapping[str, Truth]) -> Truth:
        """Return the opposite of the part."""
        return _opposite(self.part.value(clauses))

    def reasons(self, clauses: Mapping[str, Truth], wanted: Truth) -> Iterator[Reason]:
        """Yield what gave the part the opposite value."""
        return self.part.reasons(clauses, _opposite(wanted))


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """True where its part is; a retraining that it asks for learns by the training profile it names."""

    training: str
    part: Condition

    @property
    def text(self) -> str:
        """How the condition is written."""
        name = self.training if self.training.isidentifier() else repr(self.training)
        return f"trained_on({name}, {self.part.text})"

    def value(self, clauses: Mapping[str, Truth]) -> Truth:
        """Return the value of the part."""
        return self.part.value(clauses)

    def reasons(self, clauses: Mapping[str, Truth], wanted: Truth) -> Iterator[Reason]:
        """Yield what gave the part its value; the innermost name counts."""
        for reason in self.part.reasons(clauses, wanted):
            yield reason._replace(training=reason.training or self.training)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """True when `minimum` parts are true, false when fewer can still be, unknown otherwise.

    With a minimum of one it is Kleene's `or`, with all parts his `and`, and is written so.
    """

    minimum: int
    parts: tuple[Condition, ...]

    @property
    def text(self) -> str:
        """How the condition is written."""
        if self.minimum == 1:
            return " or ".join(_in_parentheses(part) for part in self.parts)
        if self.minimum == len(self.parts):
            return " and ".join(_in_parentheses(part) for part in self.parts)
        return f"at_least({self.minimum}, {', '.join(part.text for part in self.parts)})"

    @property
    def is_joined(self) -> bool:
        """Whether the text is parts joined by a word."""
        return self.minimum in (1, len(self.parts))

    def value(self, clauses: Mapping[str, Truth]) -> Truth:
        """Return the truth from the number of parts that are true or may still be."""
        true = possible = 0
        for part in self.parts:
            value = part.value(clauses)
            if value is _TRUE:
                true += 1
            elif value is _MISSING:
                possible += 1
        if true >= self.minimum:
            return _TRUE
        return _MISSING if true + possible >= self.minimum else _FALSE

    def reasons(self, clauses: Mapping[str, Truth], wanted: Truth) -> Iterator[Reason]:
        """Yield the reasons of every part that has the value `wanted`."""
        for part in self.parts:
            if part.value(clauses) is wanted:
                yield from part.reasons(clauses, wanted)


def _opposite(value: Truth) -> Truth:
    if value is _MISSING:
        return _MISSING
    return _FALSE if value is _TRUE else _TRUE


def _in_parentheses(part: Condition) -> str:
    return f"({part.text})" if isinstance(part, AtLeast) and part.is_joined else part.text


def words_of(reasons: Sequence[Reason]) -> str:
    """Return the clauses that made a rule true, in one line."""
    return ", ".join(reason.text for reason in reasons)


def training_of(reasons: Sequence[Reason]) -> str:
    """Return the training profile that the first clause with one names; empty if none does."""
    return next((reason.training for reason in reasons if reason.training), "")


def cause_of(reasons: Sequence[Reason]) -> Cause:
    """Return `schedule` where only the champion's age made a rule true, `alarm` otherwise."""
    only_age = all(name == "age_days" for reason in reasons for name in reason.names)
    return Cause.SCHEDULE if only_age else Cause.ALARM
