"""A column of a user's table: whether it holds numbers or categories, and which cells are missing values.

A column holds *numbers* if most of its different values, or most of its rows, are numbers in one style
(`sim.world.own.numbers`). Then blanks and the usual signs of a missing value are missing, and anything else is
refused with row and cell: one dirty cell makes no categories. Digits with leading zeros are codes, and so
categories. A column of *categories* has no missing values but blanks, because "None" may be an answer. Dates,
e-mail addresses and texts that differ in each row are no features: they are left out, with a word.

Of a history, the kind is decided by the rows that were known at first (`known`). What a later cell holds that does
not fit is missing, as it would have been in production, and is told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from sim.errors import InputError
from sim.world.own.cells import Cells, RawColumn
from sim.world.own.dates import looks_like_dates
from sim.world.own.numbers import MISSING_MARKS, PLAIN, NumberStyle, WrittenNumbers
from sim.world.schema.columns import Column, Matrix

MOST_CATEGORIES = 1_000
"""The most categories that a column may have."""

_LEAST_TEXTS_OF_NAMES = 50
_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_SENTINELS = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0})
_SMALL_SHARE = 0.05
_CODE_WIDTH = 4
_EIGHT_DIGITS = r"^[0-9]{8}$"
_LEADING_ZERO = r"^0[0-9]*[1-9][0-9]*$"

Mask = NDArray[np.bool_]


class Kind(StrEnum):
    """What a column is read as."""

    NUMBER = "number"
    CATEGORY = "category"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDecision:
    """How a column is to be read; what is `None` is decided from its cells.

    `missing` holds further signs of a missing value, `style` how numbers are written.
    """

    kind: Kind | None = None
    style: NumberStyle | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReport:
    """What became of a column: its kind, how many rows are missing, what values it has, and what to look at."""

    name: str
    kind: Kind
    missing: int
    values: str
    warnings: tuple[str, ...] = ()
    style: NumberStyle | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of a schema, its value in each row (`nan` where it is missing), and whether all are whole numbers."""

    column: Column
    values: Matrix
    is_whole: bool


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column as it was read: a feature, or none where it is left out or refused."""

    report: ColumnReport
    feature: Feature | None = None
    refusal: InputError | None = None


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """Reads the columns of one table.

    Parameters
    ----------
    where
        What errors call the table.
    known
        The rows that kinds are decided by: all, or those that a history begins with.
    days
        The day of each row of a history, by which later categories come in the order in which they were first seen.
    decisions
        What the user has decided of columns.
    """

    where: str
    known: Mask
    days: NDArray[np.datetime64] | None = None
    decisions: Mapping[str, ColumnDecision] = field(default_factory=dict)

    def read(self, raw: RawColumn) -> ReadColumn:
        """Return a column as it is read; what makes it none is in the result, not raised."""
        decision = self.decisions.get(raw.name, ColumnDecision())
        try:
            if decision.kind is Kind.IGNORED:
                return _left_out(raw, "left out, as asked for")
            if raw.is_typed_number and decision.kind is not Kind.CATEGORY:
                return self._typed(raw, decision)
            return self._text(raw, decision)
        except InputError as error:
            report = ColumnReport(
                name=raw.name, kind=Kind.REFUSED, missing=_blanks(raw), values="", warnings=(str(error),)
            )
            return ReadColumn(report, refusal=error)

    def _typed(self, raw: RawColumn, decision: ColumnDecision) -> ReadColumn:
        values = _without(raw.numbers, decision.missing)
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            raise self._not_finite(raw.name, int(infinite[0]) + 1, str(values[infinite[0]]))
        if np.isnan(values[self.known]).all():
            return _left_out(raw, self._nothing_known())
        return self._number(raw.name, values, NumberStyle(), (), decision.missing)

    def _text(self, raw: RawColumn, decision: ColumnDecision) -> ReadColumn:
        cells = raw.cells
        known = cells.held_in(self.known)
        texts = cells.array
        is_blank = _is_one_of(texts, ("", *decision.missing))
        is_mark = ~is_blank & _is_one_of(pc.utf8_lower(texts), tuple(MISSING_MARKS))
        held = known & ~is_blank
        if not held.any() and decision.kind is None:
            return _left_out(raw, self._nothing_known())
        if decision.kind is Kind.CATEGORY:
            return self._category(raw, is_blank, ())
        is_plain = _matches(texts, PLAIN)
        written = None if is_plain[held & ~is_mark].all() else WrittenNumbers.among(cells)
        is_number = is_plain if written is None else written.is_number
        others = held & ~is_mark & ~is_number
        numbers = held & ~is_mark & is_number
        kind = decision.kind or self._kind(cells, numbers, others)
        if kind is Kind.NUMBER:
            return self._numbers(raw, decision, _Sorted(numbers, others, is_blank, is_mark, held), written)
        return self._words(raw, cells, held, numbers, is_blank)

    def _kind(self, cells: Cells, numbers: Mask, others: Mask) -> Kind:
        """Decide by the known cells: numbers, if most values or most rows are, unless they are codes or dates."""
        if not numbers.any():
            return Kind.CATEGORY
        if (numbers & _matches(cells.array, _LEADING_ZERO)).any() and not others.any():
            if _are_codes([text for text, keep in zip(cells.texts, numbers, strict=True) if keep]):
                return Kind.CATEGORY
        elif (
            numbers.sum() > 1
            and _matches(cells.array, _EIGHT_DIGITS)[numbers].all()
            and looks_like_dates(cells, numbers)
        ):
            return Kind.CATEGORY
        n_numbers, n_others = int(numbers.sum()), int(others.sum())
        if looks_like_dates(cells, numbers | others) and n_others:
            return Kind.CATEGORY
        rows = np.bincount(cells.codes[self.known], minlength=len(cells.texts))
        is_mostly = n_numbers > n_others or rows[numbers].sum() > rows[others].sum()
        return Kind.NUMBER if is_mostly else Kind.CATEGORY

    def _numbers(
        self, raw: RawColumn, decision: ColumnDecision, cells: "_Sorted", written: WrittenNumbers | None
    ) -> ReadColumn:
        texts = raw.cells.texts
        if cells.others.any():
            raise self._no_number(raw, texts[int(np.flatnonzero(cells.others)[0])], cells)
        if decision.kind is None:
            self._check_zeros(raw, cells.numbers)
        style = decision.style or (NumberStyle() if written is None else self._style(raw, written, cells.numbers))
        if written is None and style == NumberStyle():
            values = _plain_values(raw.cells)
        else:
            values = (written or WrittenNumbers.among(raw.cells)).values(style)
        with np.errstate(invalid="ignore"):
            infinite = np.isinf(values)
        if (infinite & cells.held).any():
            text = texts[int(np.flatnonzero(infinite & cells.held)[0])]
            raise self._not_finite(raw.name, raw.cells.first_row(text), text)
        values = _without(values, decision.missing)
        unread = cells.numbers & np.isnan(values) & ~_is_given(texts, decision.missing)
        values[infinite | cells.is_blank | cells.is_mark] = np.nan
        if unread.any():
            raise self._no_number(raw, texts[int(np.flatnonzero(unread)[0])], cells)
        warnings = self._marks_said(raw.cells, cells)
        later = np.isnan(values) & ~cells.is_blank & ~cells.is_mark
        if later.any():
            warnings = (*warnings, self._later_said(raw.cells, later))
        marks = tuple(text for text, mark in zip(texts, cells.is_mark, strict=True) if mark)
        return self._number(raw.name, values[raw.cells.codes], style, warnings, (*marks, *decision.missing))

    def _number(
        self, name: str, values: Matrix, style: NumberStyle, warnings: tuple[str, ...], marks: tuple[str, ...] = ()
    ) -> ReadColumn:
        present = values[np.isfinite(values)]
        is_whole = bool(np.all(present == np.floor(present)))
        if style.said:
            warnings = (f"read with {style.said}", *warnings)
        if sentinel := _sentinel(present):
            warnings = (*warnings, sentinel)
        if len(present) and present.min() == present.max():
            warnings = (*warnings, "constant")
        shown = f"{present.min():.6g} to {present.max():.6g}" if len(present) else ""
        report = ColumnReport(
            name=name,
            kind=Kind.NUMBER,
            missing=len(values) - len(present),
            values=shown,
            warnings=warnings,
            style=style,
            marks=marks,
        )
        return ReadColumn(report, Feature(Column(name), values, is_whole))

    def _words(self, raw: RawColumn, cells: Cells, held: Mask, numbers: Mask, is_blank: Mask) -> ReadColumn:
        """Read a column that holds no numbers: categories, or what is no feature at all."""
        if looks_like_dates(cells, held):
            return _left_out(raw, "holds dates, which are no feature: left out; name it with --date if it is the day")
        if np.mean(_matches(cells.array, _EMAIL)[held]) >= 0.9:
            return _left_out(raw, "holds e-mail addresses, which are no feature: left out")
        rows = int(np.bincount(cells.codes[self.known], minlength=len(cells.texts))[held].sum())
        if rows >= _LEAST_TEXTS_OF_NAMES and int(held.sum()) == rows:
            return _left_out(raw, "holds another text in each row, which is no feature: left out")
        warnings: tuple[str, ...] = ()
        if numbers.any() and not numbers[held].all():
            n_rows = int(cells.counts[numbers].sum())
            warnings = (f"numbers in {n_rows:,} rows are read as categories, because most values are none",)
        elif numbers.any():
            warnings = ("digits with leading zeros are kept as a code: read as categories",)
        return self._category(raw, is_blank, warnings)

    def _category(self, raw: RawColumn, is_blank: Mask, warnings: tuple[str, ...]) -> ReadColumn:
        cells = raw.cells
        names = [text for text, blank in zip(cells.texts, is_blank, strict=True) if not blank]
        if len(names) > MOST_CATEGORIES:
            raise InputError(
                f"a column must hold numbers or at most {MOST_CATEGORIES:,} categories, but {raw.name!r} of "
                f"{self.where} has {len(names):,} different values, and {names[0]!r} in row "
                f"{cells.first_row(names[0])} is no number: name it with --id or --date if it holds ids or dates, or "
                f"leave it out with --ignore."
            )
        for name in names:
            if "`" in name or name == "unseen":
                reason = "have no backquote" if "`" in name else 'not be "unseen", which stands for new categories'
                raise InputError(
                    f"a category must {reason}, but row {cells.first_row(name)} of {self.where} has {name!r} in "
                    f"{raw.name!r}: write it otherwise."
                )
        column = Column(raw.name, tuple(self._in_order(cells, names)))
        values = np.array([column.code_of.get(text, np.nan) for text in cells.texts], dtype=np.float64)[cells.codes]
        folded = {name.casefold() for name in names}
        if len(folded) < len(names):
            warnings = (*warnings, "some categories differ only by upper and lower case")
        if len(names) == 1:
            warnings = (*warnings, "constant")
        report = ColumnReport(
            name=raw.name,
            kind=Kind.CATEGORY,
            missing=int(np.isnan(values).sum()),
            values=f"{len(names):,}: {', '.join(column.categories[:4])}{', ...' if len(names) > 4 else ''}",
            warnings=warnings,
        )
        return ReadColumn(report, Feature(column, values, is_whole=False))

    def _in_order(self, cells: Cells, names: list[str]) -> list[str]:
        """Return categories sorted; of a history those known at first, and then the others by their first day."""
        if self.days is None:
            return sorted(names)
        known = dict(zip(cells.texts, cells.held_in(self.known).tolist(), strict=True))
        first = np.full(len(cells.texts), np.iinfo(np.int64).max)
        np.minimum.at(first, cells.codes, self.days.astype("datetime64[D]").astype(np.int64))
        seen = dict(zip(cells.texts, first.tolist(), strict=True))
        return sorted(names, key=lambda name: (0, 0, name) if known[name] else (1, seen[name], name))

    def _style(self, raw: RawColumn, written: WrittenNumbers, numbers: Mask) -> NumberStyle:
        """Return the one style of a column; `InputError`, with row and cell, if there is none or more than one."""
        texts, counts = raw.cells.texts, raw.cells.counts
        units = written.unit[numbers]
        rows = {str(unit): int(counts[numbers & (written.unit == unit)].sum()) for unit in set(units.tolist())}
        if len(rows) > 1:
            odd = min(rows, key=lambda unit: (rows[unit], unit))
            place = int(np.flatnonzero(numbers & (written.unit == odd))[0])
            raise self._mixed(raw, texts[place], "be amounts of one kind, or plain numbers, in all rows")
        unit = next(iter(rows))
        styles = written.styles(numbers)
        if not styles:
            place = written.misfit(numbers, counts)
            raise self._mixed(raw, texts[place], "be written in one way in all rows")
        plain = styles[0]
        if plain.decimal == "." and not plain.thousands:
            return NumberStyle(".", "", unit)
        values = np.array([style.values(written.body) for style in styles])[:, numbers]
        differs = np.flatnonzero((values != values[0]).any(axis=0))
        if len(differs):
            text = texts[int(np.flatnonzero(numbers)[differs[0]])]
            raise InputError(
                f"numbers must be clear, but row {raw.cells.first_row(text)} of {self.where} has {text!r} in "
                f"{raw.name!r}, where the comma may mark thousands or decimals: say which by decimal in --schema."
            )
        return NumberStyle(plain.decimal, plain.thousands, unit)

    def _check_zeros(self, raw: RawColumn, numbers: Mask) -> None:
        """Refuse leading zeros in a column that is otherwise of numbers: who knows whether they are codes."""
        led = np.flatnonzero(numbers & _matches(raw.cells.array, _LEADING_ZERO))
        if len(led):
            text = raw.cells.texts[int(led[0])]
            raise self._mixed(raw, text, "be numbers, or codes with leading zeros, in all rows")

    def _mixed(self, raw: RawColumn, text: str, must: str) -> InputError:
        return InputError(
            f"a column must {must}, but row {raw.cells.first_row(text)} of {self.where} has {text!r} in "
            f"{raw.name!r}: correct the cell, or say how the column is to be read in --schema."
        )

    def _no_number(self, raw: RawColumn, text: str, cells: "_Sorted") -> InputError:
        rows = int(raw.cells.counts[cells.numbers].sum())
        return InputError(
            f"a column of numbers must hold numbers only, but row {raw.cells.first_row(text)} of {self.where} has "
            f"{text!r} in {raw.name!r}, which holds numbers in {rows:,} rows: correct the cell, or say in --schema "
            f"that "
            f"it is missing or that the column holds categories."
        )

    def _not_finite(self, name: str, row: int, text: str) -> InputError:
        return InputError(
            f"a number must be finite, but row {row} of {self.where} has {text!r} in {name!r}: correct the cell, "
            f"or say "
            f"in --schema that it is missing."
        )

    def _nothing_known(self) -> str:
        if self.known.all():
            return "is blank in all rows: left out"
        return "is blank in all rows that a history begins with, so that nothing was known of it: left out"

    def _marks_said(self, cells: Cells, kinds: "_Sorted") -> tuple[str, ...]:
        counts = cells.counts
        return tuple(
            f"{cells.texts[place]!r} counts as missing in {int(counts[place]):,} rows"
            for place in np.flatnonzero(kinds.is_mark).tolist()
        )

    def _later_said(self, cells: Cells, later: Mask) -> str:
        rows = np.flatnonzero(later[cells.codes])
        text = cells.texts[int(cells.codes[rows[0]])]
        return (
            f"{len(rows):,} later cells are no such numbers and count as missing, as they would have in production; "
            f"the first is {text!r} in row {int(rows[0]) + 1}"
        )


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The texts of a column by what they are; numbers, others and held are those among the known rows."""

    numbers: Mask
    others: Mask
    is_blank: Mask
    is_mark: Mask
    held: Mask


def _left_out(raw: RawColumn, why: str) -> ReadColumn:
    report = ColumnReport(name=raw.name, kind=Kind.IGNORED, missing=_blanks(raw), values="", warnings=(why,))
    return ReadColumn(report)


def _without(values: Matrix, missing: tuple[str, ...]) -> Matrix:
    """Return the numbers without those that stand for a missing value."""
    marks = [float(mark) for mark in missing if re.match(PLAIN, mark)]
    return np.where(np.isin(values, marks), np.nan, values) if marks else values.copy()


def _is_given(texts: list[str], missing: tuple[str, ...]) -> Mask:
    """Return which texts are numbers that stand for a missing value."""
    marks = {float(mark) for mark in missing if re.match(PLAIN, mark)}
    return np.array([bool(re.match(PLAIN, text)) and float(text) in marks for text in texts] if marks else False)


def _blanks(raw: RawColumn) -> int:
    if raw.is_typed_number:
        return int(np.isnan(raw.numbers).sum())
    cells = raw.cells
    return int(cells.counts[[not text for text in cells.texts]].sum())


def _plain_values(cells: Cells) -> Matrix:
    chosen = pc.if_else(pa.array(_matches(cells.array, PLAIN)), cells.array, pa.scalar(None, pa.string()))
    tidy = pc.replace_substring_regex(chosen, r"^\+", "")
    numbers = pc.fill_null(pc.cast(tidy, pa.float64()), float("nan"))
    return np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def _is_one_of(texts: pa.Array, words: tuple[str, ...]) -> Mask:
    found = pc.is_in(texts, value_set=pa.array(words, type=pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _matches(texts: pa.Array, pattern: str) -> Mask:
    return np.asarray(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _are_codes(texts: list[str]) -> bool:
    """Return whether digits are codes: some have a leading zero, and all that do are as long as the longest.

    Where shorter ones stand beside them, a few leading zeros may as well be a typist's: only long ones that are more
    than a few are codes.

    >>> _are_codes(["01067", "99084"]), _are_codes(["05", "5", "72", "8"]), _are_codes(["0", "10"])
    (True, False, False)
    """
    if not all(text.isdigit() for text in texts):
        return False
    zeros = [text for text in texts if len(text) > 1 and text[0] == "0"]
    width = max(len(text) for text in texts)
    if not zeros or any(len(text) < width for text in zeros):
        return False
    if all(len(text) == width for text in texts):
        return True
    return width >= _CODE_WIDTH and len(zeros) >= _SMALL_SHARE * len(texts)


def _sentinel(present: Matrix) -> str:
    """Return a word about a number that may stand for a missing value; empty if there is none."""
    if not len(present):
        return ""
    for value in {float(present.min()), float(present.max())} & _SENTINELS:
        others = present[present != value]
        times = len(present) - len(others)
        if times > 1 and len(others):
            gap = others.min() - value if value < others.min() else value - others.max()
            if gap > max(float(np.ptp(others)) * 0.5, 8.0):
                said = f"{value:g} in {times:,} rows is far from all others"
                return f"{said}: if it stands for missing, say so in --schema"
    return ""
