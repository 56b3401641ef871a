"""Templates: a rule with placeholders where it has numbers, such as `f1_drop > {a} or psi_max > {b}`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

from policies.catalogue import load_policy
from policies.conditions import Comparison
from policies.expression import Expression, number_text
from policies.parameters import MAXIMUM
from policies.spec import PolicySpec, policies_from_toml
from policies.trend import MOST_STEPS
from sim.errors import InputError
from sim.study.lives.box import LINE, Axis, Box, Cut, Grain, Setting, Span

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
"""What stands for a number."""
_QUOTED = re.compile(r"(=\s*)([\"'])\{([A-Za-z_]\w*)\}\2")
TOML_FILE = re.compile(r"(?P<path>.+\.toml)(?::(?P<name>.+))?", re.DOTALL)
"""How a file of policies is named, with that of one of them."""
_TABLE = re.compile(
    r"^[ \t]*\[[ \t]*policy[ \t]*\.[ \t]*(?P<quote>[\"']?)(?P<name>[^\]\n]+?)(?P=quote)[ \t]*\]", re.MULTILINE
)
"""Where the table of a policy begins in a file."""
_TREND = re.compile(r"slope\(\s*\w+\s*,\s*\{([A-Za-z_]\w*)\}\s*\)")
_COUNT = re.compile(r"at_least\(\s*\{([A-Za-z_]\w*)\}\s*,")
_FIRST_MARK = 770_001
_MOST_CLAUSES = 100
_RULES = ("retrain_when", "rearm_when")
_FORM = "write it as 'f1_drop > {a} or psi_max > {b}'"


def _from(low: float) -> Span:
    """Return the numbers from `low` to what a policy may be told."""
    return Span(Cut(low, is_after=False), Cut(MAXIMUM + 1, is_after=False))


_TREND_STEPS = Span(Cut(2, is_after=False), Cut(MOST_STEPS + 1, is_after=False))
_PARAMETERS: Mapping[str, tuple[Grain, Span]] = {
    "cooldown_days": (Grain.REAL, Span(Cut(0, is_after=False), Cut(MAXIMUM, is_after=True))),
    "for_steps": (Grain.WHOLE, _from(1)),
    "of_steps": (Grain.WHOLE, _from(1)),
    "budget_per_year": (Grain.WHOLE, _from(0)),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A template with the placeholders of its structure filled in, and the settings that it stands for.

    `spec` has a mark, a number found nowhere else in it, in place of each other placeholder; `marks` are these
    numbers, each with the position of its axis.
    """

    spec: PolicySpec
    marks: Mapping[float, int]
    box: Box


@dataclass(frozen=True, slots=True)
class Template:
    """A rule whose placeholders each stand for one number.

    `text` is what was asked for, and `axes` what each placeholder may be, in order of appearance. `structure` are the
    placeholders that change how the rule is built: the steps of a trend, and the number of `at_least`.
    """

    text: str
    axes: tuple[Axis, ...]
    structure: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders, in order of appearance."""
        return tuple(axis.name for axis in self.axes)

    @property
    def whole(self) -> Box:
        """Every setting there is."""
        return tuple(axis.whole for axis in self.axes)

    def fill(self, setting: Setting) -> PolicySpec:
        """Return the rule of a setting, each number exactly as given.

        Raises
        ------
        InputError
            If the setting leaves a placeholder open, or the rule can't have such a number.
        """
        for name in self.names:
            if name not in setting:
                raise InputError(f"a setting must have a number for {{{name}}}, got {', '.join(setting) or 'none'}.")
        texts = {axis.name: _number(axis, setting[axis.name]) for axis in self.axes}
        spec = filled_policy(self.text, texts)
        if not is_file(self.text):
            return spec
        told = ", ".join(f"{name}={texts[name]}" for name in self.names)
        return replace(spec, name=f"{spec.name}({told})")

    def variants(self, steps: int) -> tuple[Variant, ...]:
        """Return the template as one rule for each way to build it, for a world of so many steps."""
        marks = _marks([name for name in self.names if name not in self.structure], self.text)
        by_mark = {float(mark): self.names.index(name) for name, mark in marks.items()}
        choices = [_choices(axis, steps) for axis in self.axes if axis.name in self.structure]
        found = []
        for chosen in product(*choices):
            spans = dict(zip((name for name in self.names if name in self.structure), chosen, strict=True))
            texts = {name: str(int(numbers.low.value)) for name, numbers in spans.items()}
            spec = filled_policy(self.text, {**{name: str(mark) for name, mark in marks.items()}, **texts})
            box = tuple(spans.get(axis.name, axis.whole) for axis in self.axes)
            found.append(Variant(spec, by_mark, box))
        return tuple(found)


def read_template(text: str) -> Template:
    """Return the template that a text writes: a rule, a policy with parameters, or a TOML file of one.

    In a TOML file a placeholder for a number stands in quotes: `cooldown_days = "{c}"`.

    Raises
    ------
    InputError
        If there is no placeholder, the policy is not a rule, or a placeholder stands where no number can.

    Examples
    --------
    >>> template = read_template("f1_drop > {a} or psi_max >= {b}")
    >>> template.names, template.fill({"a": 0.05, "b": 0.25}).parameters["retrain_when"]
    (('a', 'b'), 'f1_drop > 0.05 or psi_max >= 0.25')
    """
    body = text_of(text)
    names = placeholders(text)
    if not names:
        raise InputError(f"a rule to search must have a placeholder, got {text!r}; {_FORM}.")
    structure = {**dict.fromkeys(_TREND.findall(body), _TREND_STEPS), **_counts(text, body)}
    marks = _marks([name for name in names if name not in structure], body)
    first = {name: str(int(numbers.low.value)) for name, numbers in structure.items()}
    spec = filled_policy(text, {**{name: str(mark) for name, mark in marks.items()}, **first})
    if spec.kind != "rule":
        raise InputError(
            f"only a rule has numbers to search over the real line, but {text!r} is of the kind {spec.kind}; {_FORM}."
        )
    axes = tuple(
        Axis(name, structure[name], Grain.WHOLE) if name in structure else _axis(name, spec, marks[name])
        for name in names
    )
    _check_links(spec, {float(mark): name for name, mark in marks.items()})
    return Template(text, axes, frozenset(structure))


def _number(axis: Axis, value: float) -> str:
    if not axis.whole.has(value) or (axis.grain is Grain.WHOLE and value != int(value)):
        raise InputError(f"{{{axis.name}}} must be one of {axis.text(axis.whole)}, got {value!r}; give another.")
    return number_text(int(value) if axis.grain is Grain.WHOLE else float(value))


def _choices(axis: Axis, steps: int) -> list[Span]:
    """Return the numbers of a structure, one at a time; trends over more steps than there are differ in nothing."""
    first, end = int(axis.whole.low.value), int(axis.whole.high.value)
    last = min(end - 1, max(steps + 1, first))
    alone = [Span(Cut(number, is_after=False), Cut(number + 1, is_after=False)) for number in range(first, last)]
    return [*alone, Span(Cut(last, is_after=False), Cut(end, is_after=False))]


def _counts(text: str, body: str) -> dict[str, Span]:
    """Return the numbers that each placeholder in the first place of an `at_least` may be: up to its clauses."""
    found: dict[str, Span] = {}
    for name in dict.fromkeys(_COUNT.findall(body)):
        most = 0
        others = {other: "2" for other in PLACEHOLDER.findall(body) if other != name}
        for count in range(1, _MOST_CLAUSES):
            try:
                filled_policy(text, {**others, name: str(count)})
            except InputError:
                if count == 1:
                    raise
                break
            most = count
        found[name] = Span(Cut(1, is_after=False), Cut(most + 1, is_after=False))
    return found


def placeholders(text: str) -> tuple[str, ...]:
    """Return the placeholders of a text, or of the file that it names, in order of appearance."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text_of(text))))


def is_file(text: str) -> bool:
    """Say whether a text names a file of policies.

    >>> is_file("mine.toml:strict"), is_file("f1_drop > {a}")
    (True, False)
    """
    return TOML_FILE.fullmatch(text.strip()) is not None


def text_of(text: str) -> str:
    """Return what the placeholders stand in: the text itself, or that of the file, or of the one policy, it names."""
    file = TOML_FILE.fullmatch(text.strip())
    if file is None:
        return text
    try:
        body = Path(file["path"]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"a policy file must be readable text, got {file['path']!r}: {reason}.") from error
    starts = [match.start() for match in _TABLE.finditer(body)]
    for start, end in pairwise([*starts, len(body)]):
        if _TABLE.match(body, start)["name"] == file["name"]:  # type: ignore[index] # it starts there
            return body[start:end]
    return body


def filled_policy(text: str, numbers: Mapping[str, str]) -> PolicySpec:
    """Return the policy of a template with a text for each placeholder; `InputError` if it can't have these."""
    body = _QUOTED.sub(lambda match: f"{match[1]}{numbers[match[3]]}", text_of(text))
    body = PLACEHOLDER.sub(lambda match: numbers[match[1]], body)
    file = TOML_FILE.fullmatch(text.strip())
    if file is None:
        return load_policy(body)
    specs = policies_from_toml(body, text)
    name = file["name"] or (next(iter(specs)) if len(specs) == 1 else "")
    if name not in specs:
        raise InputError(
            f"{text} must name one of its policies ({', '.join(specs)}), as {file['path']}:{next(iter(specs))}."
        )
    return specs[name]


def _marks(names: Sequence[str], body: str) -> dict[str, int]:
    """Return a number for each placeholder that the text has nowhere."""
    free = (mark for mark in range(_FIRST_MARK, MAXIMUM) if str(mark) not in body)
    return {name: next(free) for name in names}


def _axis(name: str, spec: PolicySpec, mark: int) -> Axis:
    uses = {key for key, value in spec.parameters.items() if not isinstance(value, str | bool) and value == mark}
    texts = [str(spec.parameters[key]) for key in _RULES]
    in_rules = any(mark in map(abs, _numbers(text)) for text in texts if text)
    if len(uses) + in_rules != 1 or not uses <= set(_PARAMETERS):
        raise InputError(
            f"a placeholder must stand for one number of a rule, a threshold or one of {', '.join(_PARAMETERS)}, "
            f"got {{{name}}}; {_FORM}."
        )
    if in_rules:
        return Axis(name, LINE, Grain.REAL)
    grain, whole = _PARAMETERS[uses.pop()]
    return Axis(name, whole, grain)


def _numbers(text: str) -> set[float]:
    operands = (operand for each in Expression.parse(text).comparisons for operand in _operands(each))
    return {operand for operand in operands if not isinstance(operand, str)}


def _operands(comparison: Comparison) -> list[str | float]:
    return [comparison.left, *(link.right for link in comparison.links)]


def _check_links(spec: PolicySpec, marks: Mapping[float, str]) -> None:
    """Refuse a minus before a placeholder, and two placeholders that are compared with one another."""
    for key in _RULES:
        if not spec.parameters[key]:
            continue
        for comparison in Expression.parse(str(spec.parameters[key])).comparisons:
            operands = _operands(comparison)
            for left, right in pairwise(operands):
                if left in marks and right in marks:
                    raise InputError(
                        f"a placeholder must be compared with a signal, got {{{marks[float(left)]}}} beside "
                        f"{{{marks[float(right)]}}}; write two comparisons."
                    )
            for operand in operands:
                if not isinstance(operand, str) and -operand in marks:
                    raise InputError(
                        f"a placeholder must stand without a minus, got -{{{marks[-operand]}}}; leave it out: the "
                        f"numbers below zero are searched too."
                    )
