"""Days as people write them: every form that can be read in one way only.

A form is one of ISO 8601 (with a time and a zone, which are left out: the day counts as written), 20260131,
2026/01/31, 2026-01 (the first of the month), 31.01.2026 and 31 Jan 2026. Nobody can tell 01/02/2026 from another
day, so days with slashes need a format, and so do seconds since 1970.
"""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from sim.errors import InputError
from sim.world.own.cells import Cells

_TIME = r"(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?\s*(?:Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?)?)?"
_FORMS = (
    (rf"^(?P<y>[0-9]{{4}})-(?P<m>[0-9]{{2}})-(?P<d>[0-9]{{2}}){_TIME}$", "%Y-%m-%d"),
    (rf"^(?P<y>[0-9]{{4}})/(?P<m>[0-9]{{1,2}})/(?P<d>[0-9]{{1,2}}){_TIME}$", "%Y/%m/%d"),
    (rf"^(?P<y>[0-9]{{4}})\.(?P<m>[0-9]{{1,2}})\.(?P<d>[0-9]{{1,2}}){_TIME}$", "%Y.%m.%d"),
    (rf"^(?P<d>[0-9]{{1,2}})\.(?P<m>[0-9]{{1,2}})\.(?P<y>[0-9]{{4}}){_TIME}$", "%d.%m.%Y"),
    (r"^(?P<y>(?:19|20|21)[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})$", "%Y%m%d"),
    (r"^(?P<y>[0-9]{4})[-/](?P<m>[0-9]{2})(?P<d>)$", "%Y-%m"),
    (rf"^(?P<d>[0-9]{{1,2}})[ -](?P<m>[A-Za-z]{{3}})[a-z]*[ -](?P<y>[0-9]{{4}}){_TIME}$", "%d %b %Y"),
)
_SLASHES = r"^[0-9]{1,2}[/-][0-9]{1,2}[/-](?:[0-9]{4}|[0-9]{2})(?:[ T].*)?$"
_MONTHS = {
    month: number
    for number, month in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_SECONDS_A_DAY = 86_400
EPOCH_FORMATS = {"epoch": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
"""What a format may be called where a column counts from 1970 on: the ticks of a second."""

_FAR_DAYS = 366
_TEXTS_LOOKED_AT = 1_000


def read_days(cells: Cells, name: str, where: str, date_format: str | None = None) -> NDArray[np.datetime64]:
    """Return the day of each row.

    Parameters
    ----------
    cells
        The cells of the column.
    name, where
        What errors call the column and its table.
    date_format
        How days are written, in the letters of `strptime`, or one of `EPOCH_FORMATS`; without one, the unambiguous
        forms are understood.

    Raises
    ------
    InputError
        With row and cell, if one is no day, or may be another one.
    """
    days = _formatted(cells, date_format) if date_format else unambiguous_days(cells)
    bad = np.flatnonzero(np.isnat(days))
    if not len(bad):
        return days[cells.codes]
    text = cells.texts[int(bad[0])]
    came = f"row {cells.first_row(text)} of {where} has {text!r}"
    if date_format:
        raise InputError(f"the date {name!r} must read {date_format}, but {came}: correct it, or --date-format.")
    if text and pc.match_substring_regex(pa.array([text]), _SLASHES)[0].as_py():
        raise InputError(
            f"the date {name!r} must not be ambiguous, but {came}: add --date-format %d/%m/%Y or %m/%d/%Y, as it is "
            f"meant."
        )
    if text.isdigit() and len(text) in {10, 13, 16}:
        kind = {10: "epoch", 13: "epoch_ms", 16: "epoch_us"}[len(text)]
        raise InputError(
            f"the date {name!r} must be a day, but {came}: if it counts from 1970 on, add --date-format {kind}."
        )
    raise InputError(
        f"the date {name!r} must be a day, but {came}: write dates like 2026-01-31, or say how they are written by "
        f"--date-format."
    )


def unambiguous_days(cells: Cells) -> NDArray[np.datetime64]:
    """Return the day of each text, `NaT` where it is none or may be another one."""
    days = np.full(len(cells.texts), np.datetime64("NaT"), dtype="datetime64[D]")
    for pattern, _ in _FORMS:
        parts = pc.extract_regex(cells.array, pattern)
        found = np.flatnonzero(parts.is_valid().to_numpy(zero_copy_only=False))
        for place, part in zip(found.tolist(), parts.drop_null().to_pylist(), strict=True):
            days[place] = _day(part["y"], part["m"], part["d"] or "1")
    return days


def looks_like_dates(cells: Cells, chosen: NDArray[np.bool_]) -> bool:
    """Return whether nine in ten of the chosen texts are dates, ambiguous ones included."""
    some = [text for text, keep in zip(cells.texts, chosen, strict=True) if keep][:_TEXTS_LOOKED_AT]
    texts = Cells(np.empty(0, dtype=np.int64), some)
    if not texts.texts:
        return False
    slashes = pc.match_substring_regex(texts.array, _SLASHES).to_numpy(zero_copy_only=False)
    is_date = ~np.isnat(unambiguous_days(texts)) | slashes
    return bool(np.mean(is_date) >= 0.9)


def check_outliers(days: NDArray[np.datetime64], name: str, where: str) -> None:
    """Raise `InputError` for a day that is farther from all others than they are from each other.

    One row of the year 2099 or 1970 would make a history of decades without rows.
    """
    if not len(days):
        return
    low, high = np.quantile(days.astype(np.int64), [0.01, 0.99], method="nearest")
    reach = (high - low) + _FAR_DAYS
    numbers = days.astype(np.int64)
    far = np.flatnonzero((numbers < low - reach) | (numbers > high + reach))
    if len(far):
        row = int(far[0])
        first, last = np.datetime64(int(low), "D"), np.datetime64(int(high), "D")
        raise InputError(
            f"the dates {name!r} must belong to one history, but row {row + 1} of {where} has {days[row]}, while "
            f"nearly all others are from {first} to {last}: correct the date or drop the row."
        )


def _day(year: str, month: str, day: str) -> np.datetime64:
    number = _MONTHS.get(month.lower(), 0) if month.isalpha() else int(month)
    try:
        return np.datetime64(date(int(year), number, int(day)), "D")
    except ValueError:
        return np.datetime64("NaT")


def _formatted(cells: Cells, date_format: str) -> NDArray[np.datetime64]:
    if date_format in EPOCH_FORMATS:
        ticks = pd.to_numeric(pd.Series(cells.texts, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
        known = np.isfinite(ticks) & (np.abs(ticks) < 1e18)
        seconds = np.where(known, ticks, 0.0) / EPOCH_FORMATS[date_format]
        days = np.floor(seconds / _SECONDS_A_DAY).astype(np.int64).astype("datetime64[D]")
        return np.where(known, days, np.datetime64("NaT"))
    days = np.full(len(cells.texts), np.datetime64("NaT"), dtype="datetime64[D]")
    for place, text in enumerate(cells.texts):
        try:
            days[place] = np.datetime64(datetime.strptime(text, date_format).date(), "D")
        except ValueError:
            continue
    return days
