"""Policies of any kind with placeholders: what may be tried for each, and the policy that a setting makes."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from policies.catalogue import catalogue
from policies.expression import number_text
from policies.spec import KINDS, PolicySpec
from policies.user_class import is_user_class
from sim.errors import InputError
from sim.study.lives.box import Setting
from sim.study.lives.ranges import check_ends, ranges_by_name
from sim.study.lives.template import PLACEHOLDER, TOML_FILE, filled_policy, placeholders, text_of

_RANGE = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<low>[^:]+):(?P<high>[^:]+?)(?P<log>:\s*log\s*)?")
_MOST = 1e15
"""As far from 0 as numbers are tried: whole ones are exact so far."""
_FORM = "write it as a=0.01:0.2, or a=0.001:1:log"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers that are tried for a placeholder, both ends among them; by their logarithm if `is_log`."""

    name: str
    low: float
    high: float
    is_whole: bool
    is_log: bool

    @property
    def text(self) -> str:
        """How the range is written.

        >>> Bounds("c", 0.0, 180.0, is_whole=True, is_log=False).text
        'c=0:180'
        """
        return f"{self.name}={self._number(self.low)}:{self._number(self.high)}{':log' if self.is_log else ''}"

    def _number(self, value: float) -> str:
        return number_text(int(value) if self.is_whole else value)


@dataclass(frozen=True, slots=True)
class PolicyTemplate:
    """A policy of any kind with placeholders that each stand for one number within its bounds.

    `text` is what was asked for: a policy with its parameters, or a TOML file of one.
    """

    text: str
    bounds: tuple[Bounds, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders, in order of appearance."""
        return tuple(each.name for each in self.bounds)

    def fill(self, setting: Setting) -> PolicySpec:
        """Return the policy of a setting, each number exactly as given.

        Raises
        ------
        InputError
            If the policy can't have such a number.
        """
        return filled_policy(self.text, self._numbers(setting))

    def some(self) -> PolicySpec:
        """Return a policy of some setting: the lowest, or where that can't be had, one that was found to be."""
        lowest = {each.name: each.low for each in self.bounds}
        try:
            return self.fill(lowest)
        except InputError:
            first = self.names[0]
            return self.fill({**{each.name: each.high for each in self.bounds}, first: lowest[first]})

    def filled_text(self, setting: Setting) -> str:
        """Return the text of a setting, as `--policy` takes it where it is no file."""
        numbers = self._numbers(setting)
        return PLACEHOLDER.sub(lambda match: numbers[match[1]], self.text)

    def _numbers(self, setting: Setting) -> Mapping[str, str]:
        return {each.name: _number_text(setting[each.name], is_whole=each.is_whole) for each in self.bounds}


def is_rule(text: str) -> bool:
    """Say whether a text with placeholders writes a rule; the settings of any other policy are tried one by one.

    Examples
    --------
    >>> is_rule("f1_drop > {a}"), is_rule("at_least({n}, f1_drop > 0.1, psi_max > 0.2)"), is_rule("every(days={d})")
    (True, True, False)
    """
    file = TOML_FILE.fullmatch(text.strip())
    if file is not None:
        return _kind_in(text_of(text), file["name"]) == "rule"
    head = text.partition("(")[0].strip()
    if is_user_class(head):
        return False
    kind = catalogue()[head].kind if head in catalogue() else head
    return kind == "rule" or kind not in KINDS


def _kind_in(body: str, name: str | None) -> str:
    """Return the kind of a policy of a TOML text; that of a rule if there is none, since its reader says why."""
    try:
        tables = tomllib.loads(PLACEHOLDER.sub("1", body))["policy"]
        return str(tables[name or next(iter(tables))].get("kind", "rule"))
    except (tomllib.TOMLDecodeError, LookupError, StopIteration, TypeError, AttributeError):
        return "rule"


def read_policy_template(text: str, ranges: Sequence[str]) -> PolicyTemplate:
    """Return a policy with placeholders, and what is tried for each: every one needs a range.

    A placeholder is tried in whole numbers where the policy takes no others, or its class says `int`.

    Raises
    ------
    InputError
        If there is no placeholder, one has no range or a wrong one, or the policy can't have the ends of a range.

    Examples
    --------
    >>> template = read_policy_template("every(days={d})", ["d=30:360"])
    >>> template.fill({"d": 90}).parameters
    {'days': 90}
    """
    names = placeholders(text)
    if not names:
        raise InputError(f"a policy to search must have a placeholder, got {text!r}; write one as {{a}}.")
    found = _ranges(ranges, names)
    corners = tuple({name: _either(getattr(each, end)) for name, each in found.items()} for end in ("low", "high"))
    return PolicyTemplate(text, tuple(_bounds(text, corners, found[name]) for name in names))


@dataclass(frozen=True, slots=True)
class _Range:
    """A range as it was asked for."""

    name: str
    low: float
    high: float
    is_log: bool


def _read_range(text: str) -> _Range:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise InputError(f"a --range must have a name and two numbers, got {text!r}; {_FORM}.")
    try:
        asked = _Range(match["name"], float(match["low"]), float(match["high"]), match["log"] is not None)
    except ValueError as error:
        raise InputError(f"a --range must have a name and two numbers, got {text!r}; {_FORM}.") from error
    check_ends(text, asked.low, asked.high)
    if max(abs(asked.low), abs(asked.high)) > _MOST:
        raise InputError(f"a --range must lie within {_MOST:,.0f} of 0, got {text!r}; give a closer one.")
    if asked.is_log and asked.low <= 0:
        raise InputError(f"a --range by logarithm must lie above 0, got {text!r}; leave :log out.")
    return asked


def _ranges(texts: Sequence[str], names: Sequence[str]) -> Mapping[str, _Range]:
    """Return the range of each placeholder."""
    found = ranges_by_name(((asked.name, asked) for asked in map(_read_range, texts)), names, "policy")
    for name in names:
        if name not in found:
            raise InputError(
                f"each placeholder of a policy that is no rule must have a --range, got none for {{{name}}}; {_FORM}."
            )
    return found


_Corners = tuple[Mapping[str, str], ...]
"""Numbers for all placeholders, the lowest and the highest: what can't be had beside one may be beside the other."""


def _bounds(text: str, corners: _Corners, asked: _Range) -> Bounds:
    """Return what is tried for a placeholder."""
    is_whole, low, high = _is_whole(text, corners, asked), asked.low, asked.high
    if is_whole:
        low, high = ceil(low), floor(high)
        if low > high:
            raise InputError(f"{{{asked.name}}} must be a whole number, but its --range has none; give a wider one.")
    for end in (low, high):
        number = _number_text(end, is_whole=is_whole)
        if _beside(text, corners, asked.name, number) is None:
            filled_policy(text, {**corners[0], asked.name: number})  # which says why not
    return Bounds(asked.name, float(low), float(high), is_whole, asked.is_log)


def _is_whole(text: str, corners: _Corners, asked: _Range) -> bool:
    """Say whether a placeholder takes whole numbers alone: its class says `int`, or refuses what is none."""
    one, other = (_beside(text, corners, asked.name, _either(ceil(asked.low) + more)) for more in (0, 1))
    if one is not None and other is not None:
        changed = {key for key, value in one.parameters.items() if value != other.parameters.get(key)}
        if changed & one.whole:
            return True
    middle = asked.low / 2 + asked.high / 2
    middle += 0.25 * (middle == floor(middle))
    return _beside(text, corners, asked.name, _number_text(middle, is_whole=False)) is None


def _beside(text: str, corners: _Corners, name: str, number: str) -> PolicySpec | None:
    """Return the policy with a number for a placeholder beside the first corner that it can be had with."""
    for corner in corners:
        try:
            return filled_policy(text, {**corner, name: number})
        except InputError:
            continue
    return None


def _either(value: float) -> str:
    """Return a number as whole where it is, so that a policy that takes whole numbers alone takes it."""
    return _number_text(value, is_whole=value == floor(value))


def _number_text(value: float, *, is_whole: bool) -> str:
    return number_text(int(value) if is_whole else float(value))
