"""Numbers as people write them: decimal commas, thousands marks, currencies and per cent.

A column is read in one style. It is told from the column alone, and only where all its numbers allow one reading:
where 1,234 may be a thousand or a little more than one, nobody guesses.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from sim.world.own.cells import Cells
from sim.world.schema.columns import Matrix

MISSING_MARKS = frozenset(
    [
        "?",
        "-",
        "--",
        ".",
        "..",
        "*",
        "na",
        "n/a",
        "n.a.",
        "nan",
        "-nan",
        "null",
        "none",
        "nil",
        "<na>",
        "(null)",
        "#n/a",
        "#n/a!",
        "#na",
        "#null!",
        "#div/0!",
        "#value!",
        "#ref!",
        "#name?",
        "#num!",
        "missing",
        "unknown",
        "\\n",
    ]
)
"""What stands for a missing value in a column of numbers, in upper or lower case."""

_CURRENCY = (
    r"(?:R\$|US\$|A\$|C\$|[$€£¥₹₽₩₺₴₪฿]|USD|EUR|GBP|CHF|JPY|INR|BRL|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|TRY|ZAR|MXN|CNY|RUB"
    r"|kr|zł|Fr\.|Euro)"
)
_SPACES = r"\s\x{a0}\x{202f}\x{2009}"
_BODY = r"[0-9][0-9.,'\x{2019}" + _SPACES + r"]*(?:[eE][+-]?[0-9]+)?|[.,][0-9]+(?:[eE][+-]?[0-9]+)?"
_NUMBER = (
    rf"^(?P<open>\(?)(?P<sign>[-+\x{{2212}}]?)[{_SPACES}]*(?P<before>{_CURRENCY}?)[{_SPACES}]*(?P<inner>[-+\x{{2212}}]?)"
    rf"(?P<body>{_BODY})[{_SPACES}]*(?P<after>(?:{_CURRENCY}|%)?)(?P<close>\)?)$"
)
_SPACE = " "


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How a column writes its numbers; `unit` is a currency, a per cent sign or nothing.

    >>> NumberStyle(decimal=",", thousands=".").said
    'decimal commas, thousands marked by .'
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @property
    def said(self) -> str:
        """What is unusual about it, in words; empty for plain numbers."""
        parts = ["decimal commas"] if self.decimal == "," else []
        if self.thousands:
            parts.append(f"thousands marked by {'spaces' if self.thousands == _SPACE else self.thousands}")
        if self.unit:
            parts.append("per cent, as shares of 1" if self.unit == "%" else f"amounts in {self.unit}")
        return ", ".join(parts)

    @property
    def pattern(self) -> str:
        """The regular expression of a number without sign and unit."""
        decimal = f"[{self.decimal}]"
        plain = rf"(?:[0-9]+(?:{decimal}[0-9]*)?|{decimal}[0-9]+)"
        power = r"(?:[eE][+-]?[0-9]+)?"
        if not self.thousands:
            return f"^{plain}{power}$"
        mark = (
            f"[{_SPACES}]"
            if self.thousands == _SPACE
            else rf"[{self.thousands}\x{{2019}}]"
            if self.thousands == "'"
            else f"[{self.thousands}]"
        )
        grouped = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+(?:{decimal}[0-9]*)?"
        return f"^(?:{grouped}|{plain}{power})$"

    def values(self, bodies: pa.Array) -> Matrix:
        """Return the numbers of texts that fit the pattern; `nan` for all others."""
        fits = pc.fill_null(pc.match_substring_regex(bodies, self.pattern), fill_value=False)
        tidy = (
            pc.replace_substring_regex(bodies, rf"[{_SPACES}'\x{{2019}}]", "")
            if self.thousands in {_SPACE, "'"}
            else bodies
        )
        if self.thousands in {",", "."}:
            tidy = pc.replace_substring(tidy, self.thousands, "")
        if self.decimal == ",":
            tidy = pc.replace_substring(tidy, ",", ".")
        chosen = pc.if_else(fits, tidy, pa.scalar(None, pa.string()))
        numbers = pc.fill_null(pc.cast(chosen, pa.float64()), float("nan"))
        return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


_STYLES = tuple(
    NumberStyle(decimal, thousands)
    for thousands in ("", ",", ".", _SPACE, "'")
    for decimal in (".", ",")
    if decimal != thousands
)


@dataclass(frozen=True)
class WrittenNumbers:
    """The numbers among some texts, taken apart.

    `is_number` tells which texts are numbers in some style, `unit` what they are amounts of, `body` what is left
    without sign and unit.
    """

    is_number: NDArray[np.bool_]
    unit: NDArray[np.object_]
    negative: NDArray[np.bool_]
    body: pa.Array

    @classmethod
    def among(cls, cells: Cells) -> "WrittenNumbers":
        """Take the texts of a column apart."""
        texts = cells.array
        parts = pc.extract_regex(texts, _NUMBER)
        field = {name: pc.fill_null(pc.struct_field(parts, name), "") for name in _PARTS}
        body = pc.utf8_rtrim_whitespace(field["body"])
        is_some = np.zeros(len(texts), dtype=np.bool_)
        for style in _STYLES:
            is_some |= _fits(style, body)
        before, after = _objects(field["before"]), _objects(field["after"])
        opened, closed = _objects(field["open"]) == "(", _objects(field["close"]) == ")"
        signs = [np.isin(_objects(field[name]), ["-", "\u2212"]) for name in ("sign", "inner")]
        has_signs = [_objects(field[name]) != "" for name in ("sign", "inner")]
        is_sound = (opened == closed) & ((before == "") | (after == "")) & ~(has_signs[0] & has_signs[1])
        return cls(is_some & is_sound, before + after, opened | signs[0] | signs[1], body)

    def styles(self, chosen: NDArray[np.bool_]) -> list[NumberStyle]:
        """Return the styles in which all the chosen texts are numbers, plain numbers first."""
        bodies = self.body.filter(pa.array(chosen))
        return [style for style in _STYLES if _fits(style, bodies).all()]

    def misfit(self, chosen: NDArray[np.bool_], counts: NDArray[np.int64]) -> int:
        """Return the place of a text that keeps the chosen ones from having one style: the rarest, by rows."""
        fits = [_fits(style, self.body) & chosen for style in _STYLES]
        best = max(fits, key=lambda fit: int(counts[fit].sum()))
        return int(np.flatnonzero(chosen & ~best)[0])

    def values(self, style: NumberStyle) -> Matrix:
        """Return the number of each text in a style, `nan` where it is none; per cent become shares of 1."""
        values = np.where(self.is_number & (self.unit == style.unit), style.values(self.body), np.nan)
        return np.where(self.negative, -values, values) / (100.0 if style.unit == "%" else 1.0)


_PARTS = ("open", "sign", "before", "inner", "body", "after", "close")


def _objects(texts: pa.Array) -> NDArray[np.object_]:
    return np.array(texts.to_pylist(), dtype=object)


def _fits(style: NumberStyle, bodies: pa.Array) -> NDArray[np.bool_]:
    fits = pc.fill_null(pc.match_substring_regex(bodies, style.pattern), fill_value=False)
    return np.asarray(fits.to_numpy(zero_copy_only=False), dtype=np.bool_)


PLAIN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
"""A number as programs write it."""
