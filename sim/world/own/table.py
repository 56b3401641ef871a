"""A user's own table of customers: a CSV file with a column that says who churned.

The file is UTF-8 (with or without a byte order mark), separated by commas, with a header; line endings don't matter.
White space around names and cells counts nothing, and a run of it within a column's name counts as one space.

`sim.world.own.column` says which columns are numbers, and which cells are missing values.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.errors import InputError, did_you_mean
from sim.world.own.column import factorized, read_column
from sim.world.schema.columns import Schema
from sim.world.schema.csv_file import CsvFile
from sim.world.schema.table import Table

OUTCOMES: tuple[tuple[str, str], ...] = (
    ("1", "0"),
    ("1.0", "0.0"),
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("churned", "stayed"),
    ("churned", "active"),
    ("churned", "retained"),
    ("churn", "no churn"),
    ("left", "stayed"),
)
"""The pairs of values, churner first, that a target may hold, in upper or lower case."""

LONGEST_ID = 200
"""The most characters that an id may have."""

RESERVED = frozenset(
    {
        "step",
        "scored_at",
        "customer_id",
        "prediction",
        "prediction_proba",
        "risk_category",
        "offered",
        "held_out",
        "holdout",
        "model_version",
        "job",
        "ground_truth",
        "label_arrived_at",
    }
)
"""The columns that the inference log keeps beside the features."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NAMES_LISTED = 12
_VALUES_LISTED = 3


@dataclass(frozen=True, slots=True)
class OwnTable:
    """A user's table.

    Parameters
    ----------
    name
        The name of the file without its ending.
    sha256
        The hash of the file.
    table
        The customers, sorted by `customer_id`; in a table with dates by date and then `customer_id`, which occurs
        once a day there.
    whole_numbers
        The numeric columns in which all values are whole.
    dates
        The day of each row of the table; `None` for a table without dates.
    """

    name: str
    sha256: str
    table: Table
    whole_numbers: frozenset[str]
    dates: NDArray[np.datetime64] | None


def read_own_table(path: Path, target: str, id_column: str | None = None, date_column: str | None = None) -> OwnTable:
    """Read a table of customers; every column but the target, id and date is a feature.

    Parameters
    ----------
    path
        A CSV file, as the module says.
    target
        The column that says who churned, by one of the pairs of `OUTCOMES`.
    id_column
        The column that names the customers; without one, rows are named R0000001, R0000002 and so on.
    date_column
        The column with the day of each row: YYYY-MM-DD. A time after it is left out.

    Raises
    ------
    InputError
        At the first thing that makes the file no such table, with column and row (row 1 follows the header).
    """
    file = CsvFile(path, "the customer table", "give a CSV file with a header and a row for each customer")
    content = file.read()
    columns = _columns(file, content)
    roles = _Roles(path, _name(target), id_column and _name(id_column), date_column and _name(date_column))
    features = roles.features(columns)
    churned = _outcomes(columns[roles.target], roles)
    dates = _days(columns[roles.date], roles) if roles.date is not None else None
    ids = _ids(columns[roles.id], roles) if roles.id is not None else _row_names(len(churned))
    _check_repeats(ids, dates, path)
    encoded = [read_column(name, columns[name], path) for name in features]
    order = np.argsort(ids) if dates is None else np.lexsort((ids, dates))
    table = Table(
        schema=Schema(tuple(feature.column for feature in encoded)),
        customer_id=ids[order],
        features=np.column_stack([feature.values for feature in encoded])[order],
        churned=churned[order],
    )
    return OwnTable(
        name=path.stem,
        sha256=hashlib.sha256(content).hexdigest(),
        table=table,
        whole_numbers=frozenset(feature.column.name for feature in encoded if feature.is_whole),
        dates=None if dates is None else dates[order],
    )


@dataclass(frozen=True, slots=True)
class _Roles:
    """Which columns are no features, by the options that name them."""

    path: Path
    target: str
    id: str | None
    date: str | None

    def features(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the names of the features; `InputError` if the roles don't fit the columns or leave no features."""
        self._check(columns)
        names = [name for name in columns if name not in (self.target, self.id, self.date)]
        if not names:
            raise InputError(
                f"the customer table must have features, but {self.path} has no other column than "
                f"{_listed(list(columns))}: add columns that models can learn from."
            )
        _check_feature_names(names, self.path)
        return names

    def _check(self, columns: Mapping[str, Sequence[str]]) -> None:
        option_of: dict[str, str] = {}
        for option, name in (("--target", self.target), ("--id", self.id), ("--date", self.date)):
            if name is None:
                continue
            if name not in columns:
                raise InputError(
                    f"{option} must name a column of {self.path}, got {name!r}: the columns are "
                    f"{_listed(list(columns))}.{did_you_mean(name, columns)}"
                )
            if name in option_of:
                raise InputError(
                    f"--target, --id and --date must name different columns, but {option_of[name]} and {option} are "
                    f"both {name!r}: name another column or leave one out."
                )
            option_of[name] = option


def _columns(file: CsvFile, content: bytes) -> dict[str, list[str]]:
    """Return the cells of each column, without white space around them."""
    if b"\0" in content:
        raise InputError(
            f"the customer table must be UTF-8 text, but {file.path} has zero bytes, as UTF-16 has: save it as UTF-8."
        )
    cells, rows = file.cells(content)
    header = [_name(cell) for cell in cells]
    _check_header(header, file.path)
    file.check_unique(header)
    file.check_shape(header, rows)
    return {
        name: [cell.strip() for cell in column] for name, column in zip(header, zip(*rows, strict=True), strict=True)
    }


def _name(cell: str) -> str:
    return " ".join(cell.split())


def _check_header(header: Sequence[str], path: Path) -> None:
    for separator, plural in _SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise InputError(
                f"the customer table must be separated by commas, but {path} is separated by {plural}: save it with "
                f"commas, as pandas.read_csv(file, sep={separator!r}).to_csv(file, index=False) does."
            )
    if "" in header:
        raise InputError(
            f"each column must have a name, but column {header.index('') + 1} of {path} has none: name it or drop it."
        )


def _check_feature_names(names: Sequence[str], path: Path) -> None:
    """Refuse what terms or the inference log, whose columns don't tell upper from lower case, can't name."""
    seen: dict[str, str] = {}
    for name in names:
        if "`" in name:
            raise InputError(f"a column's name must have no backquote, but {path} has {name!r}: rename it.")
        key = name.casefold()
        if key in RESERVED:
            raise InputError(
                f"a feature must not be called {name!r}, which is a column of the inference log, but a column of "
                f"{path} is: rename it, or name it with --id or --date if it is no feature."
            )
        if key in seen:
            raise InputError(
                f"the names of columns must differ by more than upper and lower case, but {path} has {seen[key]!r} "
                f"and {name!r}: rename one."
            )
        seen[key] = name


def _outcomes(cells: Sequence[str], roles: _Roles) -> NDArray[np.bool_]:
    if "" in cells:
        raise InputError(
            f"the target {roles.target!r} must say of each customer who churned, but row {cells.index('') + 1} of "
            f"{roles.path} is blank: fill it in or drop the row."
        )
    folded = [cell.casefold() for cell in cells]
    found = sorted(set(folded))
    for churner, stayer in OUTCOMES:
        if found == sorted((churner, stayer)):
            return np.array([cell == churner for cell in folded], dtype=np.bool_)
    raise InputError(_wrong_outcomes(sorted(set(cells)), len(found), roles))


def _wrong_outcomes(values: Sequence[str], n_found: int, roles: _Roles) -> str:
    if n_found == 1:
        return (
            f"the target {roles.target!r} must tell churners from stayers, but all rows of {roles.path} have "
            f"{values[0]!r}: name a column with both."
        )
    if n_found > 2:
        return (
            f"the target {roles.target!r} must hold two values, but {roles.path} has {n_found:,} "
            f"({_listed([repr(value) for value in values], _VALUES_LISTED)}): name another column with --target, or "
            f"write 1 for churners and 0 for all others."
        )
    return (
        f"the target {roles.target!r} must tell churners from stayers by 1 and 0, yes and no, true and false or "
        f"churned and stayed, but {roles.path} has {' and '.join(map(repr, values))}: write 1 for churners and 0 for "
        f"all others."
    )


def _days(cells: Sequence[str], roles: _Roles) -> NDArray[np.datetime64]:
    codes, texts = factorized(cells)
    for text in texts:
        if not _is_date(text):
            raise InputError(
                f"the date {roles.date!r} must read YYYY-MM-DD, but row {cells.index(text) + 1} of {roles.path} has "
                f"{text!r}: write dates like 2026-01-31."
            )
    return np.array([text[:10] for text in texts], dtype="datetime64[D]")[codes]


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _ids(cells: Sequence[str], roles: _Roles) -> NDArray[np.str_]:
    if "" in cells:
        raise InputError(
            f"the id {roles.id!r} must name each customer, but row {cells.index('') + 1} of {roles.path} is blank: "
            f"fill it in or drop the row."
        )
    longest = max(cells, key=len)
    if len(longest) > LONGEST_ID:
        raise InputError(
            f"the id {roles.id!r} must have at most {LONGEST_ID} characters, but row {cells.index(longest) + 1} of "
            f"{roles.path} has {len(longest):,}: name another column with --id."
        )
    return np.array(cells, dtype=np.str_)


def _row_names(n_rows: int) -> NDArray[np.str_]:
    width = max(7, len(str(n_rows)))
    return np.array([f"R{number:0{width}}" for number in range(1, n_rows + 1)], dtype=np.str_)


def _check_repeats(ids: NDArray[np.str_], dates: NDArray[np.datetime64] | None, path: Path) -> None:
    keys = pd.DataFrame({"id": ids.astype(object)} | ({} if dates is None else {"date": dates.astype("M8[s]")}))
    repeats = np.flatnonzero(keys.duplicated())
    if not len(repeats):
        return
    row = int(repeats[0])
    same = ids == ids[row] if dates is None else (ids == ids[row]) & (dates == dates[row])
    where = f"in rows {int(np.argmax(same)) + 1} and {row + 1}"
    if dates is None:
        raise InputError(
            f"an id must occur once in a table without dates, but {path} has {str(ids[row])!r} {where}: drop the "
            f"copies, or name the column with dates by --date."
        )
    raise InputError(
        f"an id must occur once a day, but {path} has {str(ids[row])!r} on {dates[row]} {where}: drop the copies."
    )


def _listed(names: Sequence[str], limit: int = _NAMES_LISTED) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")
