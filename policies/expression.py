"""The rule language: comparisons of signals and their trends, read safely and judged with three truth values."""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policies.conditions import AtLeast, Comparison, Condition, Evidence, Link, Not, Operand, Reason, TrainedOn
from policies.decision import Truth
from policies.signals import CATALOGUE, ON_REQUEST, Signals, known
from policies.trend import MOST_STEPS, Trend
from sim.errors import InputError, did_you_mean

MAX_LENGTH = 2000
"""Characters that a rule may have."""

MAX_DEPTH = 20
"""Conditions that may stand inside one another."""

_COMPARISONS = "made of comparisons such as 'f1_drop > 0.05', joined by and, or, not and at_least"

_RELATIONS: Mapping[type[ast.cmpop], tuple[str, Callable[[float, float], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}

_KINDS_OF_PIECE: Mapping[type[ast.expr], str] = {
    ast.Attribute: "the attribute",
    ast.BinOp: "the arithmetic",
    ast.BoolOp: "the condition",
    ast.Call: "the call",
    ast.Compare: "the comparison",
    ast.Constant: "the bare value",
    ast.Lambda: "the lambda",
    ast.Name: "the bare name",
}


def number_text(value: float) -> str:
    """Return the shortest text of a number, without a needless ".0".

    >>> number_text(0.10), number_text(30.0), number_text(-0.0)
    ('0.1', '30', '0')
    """
    return str(value) if isinstance(value, int) else repr(float(value) + 0.0).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Expression:
    """A rule, ready to be evaluated: comparisons of signals joined by `and`, `or`, `not` and `at_least`.

    Logic is Kleene's strong three-valued logic (S. C. Kleene, Introduction to Metamathematics, 1952, section 64): a
    comparison with a missing signal is neither true nor false, and stays so under `not`. Build one with `parse`;
    two texts that differ only in spelling give equal expressions.

    >>> rule = Expression.parse("f1_drop>0.050 or not (psi_max <= 0.25)")
    >>> rule.text
    'f1_drop > 0.05 or not (psi_max <= 0.25)'
    >>> rule.clauses
    ('f1_drop > 0.05', 'psi_max <= 0.25')
    >>> rule.evaluate(Signals(step=0, day=0, job_open=False, psi_max=0.1))
    <Truth.MISSING: 'missing'>

    `names` are the signals that are compared themselves, `trends` the slopes (`slope(f1, 3)`) that stand in their
    place. A trend is missing unless whoever evaluates the rule keeps a `History` and adds it to the evidence.
    `trainings` are the training profiles that parts of the rule name: `trained_on(newest, f1_drop > 0.05)` is true
    where its comparison is, and has the retraining learn by that profile.
    """

    text: str
    root: Condition
    comparisons: tuple[Comparison, ...]
    names: tuple[str, ...]
    trends: tuple[Trend, ...] = ()
    trainings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """Read a rule.

        Raises
        ------
        InputError
            If `text` is anything but comparisons of signals and numbers, joined by `and`, `or`, `not` and
            `at_least(k, ...)`; the message names the piece that cannot be used.
        """
        parser = _Parser(_tidy(text))
        root = parser.parse()
        operands = dict.fromkeys(name for comparison in parser.comparisons.values() for name in comparison.names)
        names = tuple(name for name in operands if name not in parser.trends)
        comparisons, trends = tuple(parser.comparisons.values()), tuple(parser.trends.values())
        return cls(root.text, root, comparisons, names, trends, tuple(parser.trainings))

    @property
    def signals(self) -> tuple[str, ...]:
        """Every signal that the rule looks at, itself or its trend, each once."""
        return tuple(dict.fromkeys([*self.names, *(trend.signal for trend in self.trends)]))

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that the rule looks at."""
        return ON_REQUEST.intersection(self.signals)

    @property
    def clauses(self) -> tuple[str, ...]:
        """The comparisons as text, in order of first appearance, each once."""
        return tuple(comparison.text for comparison in self.comparisons)

    def evaluate(self, signals: Signals) -> Truth:
        """Return whether the rule holds; missing where the missing signals leave that open."""
        return self.root.value(self.clause_values(signals))

    def holds(self, signals: Signals, trends: Evidence) -> bool:
        """Return whether the rule is true, with the trends that a `History` knows by their text."""
        return self.root.value(self.compare({**self.evidence(signals), **trends})) is Truth.TRUE

    def clause_values(self, signals: Signals) -> dict[str, Truth]:
        """Return the value of each clause by its text."""
        return self.compare(self.evidence(signals))

    def evidence(self, signals: Signals) -> dict[str, float | None]:
        """Return the signals that the rule names, `None` where missing or not a number; a trend is always missing."""
        evidence: dict[str, float | None] = {trend.text: None for trend in self.trends}
        for name in self.names:
            evidence[name] = known(getattr(signals, name))
        return evidence

    def compare(self, evidence: Evidence) -> dict[str, Truth]:
        """Return the value of each clause, given the signals that the rule names."""
        return {comparison.text: comparison.compare(evidence) for comparison in self.comparisons}

    def combine(self, clauses: Mapping[str, Truth]) -> Truth:
        """Return whether the rule holds, given the value of each clause."""
        return self.root.value(clauses)

    def reasons(self, clauses: Mapping[str, Truth]) -> tuple[Reason, ...]:
        """Return the clauses that make a rule true, none unless it is.

        A true clause is no reason where the part that it stands in is not true.

        >>> rule = Expression.parse("f1_drop > 0.05 and psi_max > 0.25 or age_days > 30")
        >>> signals = Signals(step=0, day=0, job_open=False, f1_drop=0.1, psi_max=0.1, age_days=60)
        >>> [reason.text for reason in rule.reasons(rule.clause_values(signals))]
        ['age_days > 30']
        """
        if self.root.value(clauses) is not Truth.TRUE:
            return ()
        return tuple(dict.fromkeys(self.root.reasons(clauses, Truth.TRUE)))


def optional_rule(text: str) -> Expression | None:
    """Read a rule that may be left out; an empty text is none."""
    return Expression.parse(text) if text != "" else None


def trends_of(*rules: Expression | None) -> tuple[Trend, ...]:
    """Return the trends of all rules, each once."""
    return tuple(dict.fromkeys(trend for rule in rules if rule is not None for trend in rule.trends))


def wants_of(*rules: Expression | None) -> frozenset[str]:
    """Return the signals on request that any of the rules looks at."""
    return frozenset(name for rule in rules if rule is not None for name in rule.wants)


def _tidy(text: str) -> str:
    """Return the rule on one line, or refuse what cannot be one."""
    if not isinstance(text, str):
        raise InputError(f"A rule must be text such as 'f1_drop > 0.05', got {type(text).__name__}.")
    tidy = " ".join(text.split())
    if not tidy:
        raise InputError("A rule must be made of comparisons such as 'f1_drop > 0.05', got an empty text.")
    if "#" in tidy:  # Python would read the rest of the line as a comment
        raise InputError(f"A rule must hold no comment, got {shorten(tidy[tidy.index('#') :])!r}: leave it out.")
    return tidy


def parse_tree(text: str, what: str = "A rule", form: str = _COMPARISONS) -> ast.expr:
    """Return Python's syntax tree of one expression; nothing is compiled or run.

    Parameters
    ----------
    text
        The expression.
    what, form
        What is being read, and what it must be, for messages.

    Raises
    ------
    InputError
        If Python cannot read the text, with the position, or it is longer than `MAX_LENGTH`.
    """
    if len(text) > MAX_LENGTH:
        raise InputError(f"{what} must have at most {MAX_LENGTH} characters, got {len(text)}: shorten it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # dubious spelling such as "1or" is an error, not a warning
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise InputError(f"{what} must be {form}; {_unreadable(text, error.offset)}") from error
    except (ValueError, RecursionError, MemoryError, Warning) as error:
        raise InputError(
            f"{what} must be plain and not deeply nested, got {shorten(text)!r}: simplify it."
        ) from error


def literal_number(tree: ast.expr) -> float | None:
    """Return the number that a tree writes, with or without a minus; None if it is anything else."""
    match tree:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as constant):
            number = literal_number(constant)
            return None if number is None else -number
    return None


def piece(text: str, tree: ast.expr | ast.keyword) -> str:
    """Return the part of `text` that a tree was read from, cut short if it is long."""
    return shorten(ast.get_source_segment(text, tree) or text)


def _unreadable(text: str, offset: int | None) -> str:
    position = min(max(offset or 1, 1), len(text))
    return (
        f"got {shorten(text)!r}, which cannot be read from position {position} ({shorten(text[position - 1 :])!r})."
    )


def shorten(text: str) -> str:
    """Return a text cut to what a message can carry."""
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Parser:
    """Turns one tidy text into conditions; whatever is not on the list is refused by name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.comparisons: dict[str, Comparison] = {}
        self.trends: dict[str, Trend] = {}
        self.trainings: dict[str, None] = {}

    def parse(self) -> Condition:
        """Return the whole rule as a condition."""
        return self._condition(parse_tree(self.text), depth=1)

    def _condition(self, tree: ast.expr, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise InputError(f"Conditions must stand at most {MAX_DEPTH} deep in one another, got more: simplify.")
        match tree:
            case ast.Compare():
                return self._comparison(tree)
            case ast.BoolOp(op=ast.And(), values=parts):
                return AtLeast(len(parts), self._conditions(parts, depth))
            case ast.BoolOp(values=parts):
                return AtLeast(1, self._conditions(parts, depth))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return Not(self._condition(part, depth + 1))
            case ast.Call(func=ast.Name(id="at_least")):
                return self._at_least(tree, depth)
            case ast.Call(func=ast.Name(id="trained_on")):
                return self._trained_on(tree, depth)
        raise self._refusal(tree)

    def _conditions(self, trees: Sequence[ast.expr], depth: int) -> tuple[Condition, ...]:
        return tuple(self._condition(tree, depth + 1) for tree in trees)

    def _at_least(self, call: ast.Call, depth: int) -> Condition:
        if call.keywords or len(call.args) < 2:
            raise InputError(
                f"at_least must be written at_least(2, clause, clause, ...), got {piece(self.text, call)!r}."
            )
        parts = self._conditions(call.args[1:], depth)
        match call.args[0]:
            case ast.Constant(value=minimum) if type(minimum) is int and 1 <= minimum <= len(parts):
                return parts[0] if len(parts) == 1 else AtLeast(minimum, parts)
        raise InputError(
            f"at_least must start with a whole number from 1 to {len(parts)}, its number of clauses; "
            f"got {piece(self.text, call.args[0])!r}."
        )

    def _trained_on(self, call: ast.Call, depth: int) -> Condition:
        match call.args:
            case [ast.Name(id=name) | ast.Constant(value=str(name)), clause] if not call.keywords and name.strip():
                self.trainings[name] = None
                return TrainedOn(name, self._condition(clause, depth + 1))
        raise InputError(
            f"trained_on must be written trained_on(profile, clause), such as trained_on(newest, f1_drop > 0.05), "
            f"got {piece(self.text, call)!r}."
        )

    def _comparison(self, tree: ast.Compare) -> Comparison:
        left = self._operand(tree.left)
        text, links = _operand_text(left), []
        for relation, operand in zip(tree.ops, tree.comparators, strict=True):
            if type(relation) not in _RELATIONS:
                raise InputError(f"A comparison must use <, <=, >, >=, == or !=, got {piece(self.text, tree)!r}.")
            symbol, holds = _RELATIONS[type(relation)]
            links.append(Link(holds, self._operand(operand)))
            text += f" {symbol} {_operand_text(links[-1].right)}"
        names = tuple(operand for operand in (left, *(link.right for link in links)) if isinstance(operand, str))
        if not names:
            raise InputError(f"A comparison must name a signal, got {piece(self.text, tree)!r}.")
        return self.comparisons.setdefault(text, Comparison(text, names, left, tuple(links)))

    def _operand(self, tree: ast.expr) -> Operand:
        match tree:
            case ast.Name():
                return _known(tree.id)
            case ast.Call(func=ast.Name(id="slope")):
                return self._trend(tree)
        number = literal_number(tree)
        if number is None:
            raise InputError(f"A comparison must be between signals and numbers; {self._named(tree)} cannot be used.")
        return self._finite(number, tree)

    def _trend(self, call: ast.Call) -> str:
        match call.args:
            case [ast.Name(id=name), ast.Constant(value=steps)] if not call.keywords and type(steps) is int:
                if not 2 <= steps <= MOST_STEPS:
                    raise InputError(f"slope must look at 2 to {MOST_STEPS} steps, got {piece(self.text, call)!r}.")
                trend = Trend(_known(name), steps)
                self.trends[trend.text] = trend
                return trend.text
        raise InputError(f"slope must be written slope(signal, steps), got {piece(self.text, call)!r}.")

    def _finite(self, value: float, tree: ast.expr) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise InputError(f"A number in a rule must be finite, got {piece(self.text, tree)!r}.")
        return number

    def _refusal(self, tree: ast.expr) -> InputError:
        if isinstance(tree, ast.Name):
            _known(tree.id)
        match tree:
            case ast.Call(func=ast.Name(id="slope")):
                trend = self._trend(tree)
                return InputError(f"A rule must compare {trend!r} with something, such as '{trend} < -0.02'.")
        return InputError(f"A rule is {_COMPARISONS}; {self._named(tree)} cannot be used.")

    def _named(self, tree: ast.expr) -> str:
        return f"{_KINDS_OF_PIECE.get(type(tree), 'the piece')} {piece(self.text, tree)!r}"


def _operand_text(operand: Operand) -> str:
    return operand if isinstance(operand, str) else number_text(operand)


def _known(name: str) -> str:
    if name not in CATALOGUE:
        suggestion = did_you_mean(name.lower(), CATALOGUE) or " `retrainlab signals` lists them."
        raise InputError(f"A rule must name known signals, got {shorten(name)!r}.{suggestion}")
    return name
