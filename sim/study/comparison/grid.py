"""Grids: policies with placeholders, once for each combination of the placeholders' values."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import floor, isfinite, log10, prod

from sim.errors import InputError

_MOST_VALUES = 10_000
_DIGITS_OF_A_STEP = 3
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")


def expand(text: str, grid: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the text once for each combination of the values of its placeholders.

    >>> expand("f1_drop > {a}", {"a": [0.05, 0.1], "b": [1.0]})
    ['f1_drop > 0.05', 'f1_drop > 0.1']
    """
    names = placeholders(text)
    for name in names:
        if name not in grid:
            msg = (
                f"a placeholder must have values, but {{{name}}} in {text!r} has none; add --grid {name}=0.02:0.10:9."
            )
            raise InputError(msg)
    values = product(*(grid[name] for name in names))
    return [_filled(text, dict(zip(names, combination, strict=True))) for combination in values]


def count_filled(text: str, grid: Mapping[str, Sequence[float]]) -> int:
    """Return how many texts `expand` would make of one, without making them.

    >>> count_filled("f1_drop > {a} or psi_max > {b}", {"a": [0.05, 0.1], "b": [1.0, 2.0, 3.0]})
    6
    """
    return prod(len(grid.get(name, ())) or 1 for name in placeholders(text))


def placeholders(text: str) -> list[str]:
    """Return the names of the placeholders in a text, each once.

    >>> placeholders("f1_drop > {a} or psi_max > {b} and f1_gap > {a}")
    ['a', 'b']
    """
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def parse_grid(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the values of each placeholder, given as `a=low:high:count` or `a=0.05,0.1`.

    Values between two ends are as far from each other as three digits of their distance can say, as a person would
    write them.

    >>> parse_grid(["a=0.02:0.1:5", "b=1,2"])
    {'a': (0.02, 0.04, 0.06, 0.08, 0.1), 'b': (1.0, 2.0)}
    >>> parse_grid(["a=0.1:0.5:20"])["a"][:4]
    (0.1, 0.1211, 0.1421, 0.1632)
    """
    axes = [_parse_axis(text) for text in texts]
    names = [name for name, _ in axes]
    if len(set(names)) < len(names):
        msg = f"each placeholder must have one --grid, got {', '.join(names)}; give all its values at once."
        raise InputError(msg)
    return dict(axes)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        msg = f"{text.strip()} is not finite"
        raise ValueError(msg)
    return value


def _filled(text: str, values: Mapping[str, float]) -> str:
    return _PLACEHOLDER.sub(lambda match: f"{values[match[1]]:.12g}", text)


def _parse_axis(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, values = text.partition("=")
    if not name.strip().isidentifier():
        msg = f"a grid must read like a=0.02:0.10:9 or a=0.05,0.1, got {text!r}, which names no placeholder."
        raise InputError(msg)
    try:
        if ":" not in values:
            return name.strip(), tuple(_finite(value) for value in values.split(","))
        low, high, count = values.split(":")
        return name.strip(), _spread(_finite(low), _finite(high), int(count))
    except ValueError as error:
        msg = f"a grid must read like a=0.02:0.10:9 or a=0.05,0.1, got {text!r} ({error})."
        raise InputError(msg) from error


def _spread(low: float, high: float, count: int) -> tuple[float, ...]:
    if not 2 <= count <= _MOST_VALUES and not (count == 1 and low == high):
        msg = f"a range needs 2 to {_MOST_VALUES} values"
        raise ValueError(msg)
    step = (high - low) / max(count - 1, 1)
    digits = _DIGITS_OF_A_STEP - 1 - floor(log10(abs(step))) if step else 12
    inner = (round(low + step * index, digits) for index in range(1, count - 1))
    return (low, *inner, high)[:count]
