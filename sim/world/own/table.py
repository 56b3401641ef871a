"""A user's own table of customers: a column says who churned, and every other one is a feature.

White space around names and cells counts nothing, and a run of it within a column's name counts as one space.
`sim.world.own.source` says what it may be read from, `sim.world.own.column` which columns are numbers and which cells
are missing values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from sim.errors import InputError, did_you_mean
from sim.world.own.cells import Cells, RawColumn
from sim.world.own.column import ColumnReader, ColumnReport, Kind, ReadColumn
from sim.world.own.dates import check_outliers, read_days
from sim.world.own.giveaway import giveaways, looks_like_a_model
from sim.world.own.outcomes import OUTCOMES, read_outcomes
from sim.world.own.schema_file import Decisions, read_decisions
from sim.world.own.source import Source
from sim.world.own.text_file import TextSettings
from sim.world.schema.columns import Schema
from sim.world.schema.table import Table

__all__ = ["LONGEST_ID", "OUTCOMES", "RESERVED", "OwnTable", "Reading", "read_own_table"]

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

_OF_MODELS = frozenset({"prediction", "prediction_proba", "model_version", "ground_truth", "label_arrived_at"})
_NAMES_LISTED = 12

Days = NDArray[np.datetime64]
Known = Callable[[Days], NDArray[np.bool_]]
"""Which rows of a history are known at first, given the day of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a table is to be read beside the roles of its columns.

    Parameters
    ----------
    churned
        The value of the target that a churner has; known words need none.
    ignored
        Columns that are no features.
    date_format
        How dates are written, where that is not clear.
    schema
        A file of decisions about columns.
    before
        A second table whose rows come before these, as the reference of a log; a column `partition` tells them apart.
    """

    churned: str | None = None
    ignored: tuple[str, ...] = ()
    date_format: str | None = None
    schema: Path | None = None
    before: str = ""

    @property
    def decisions(self) -> Decisions:
        """What the file of decisions says."""
        return read_decisions(self.schema) if self.schema is not None else Decisions()


@dataclass(frozen=True, slots=True)
class OwnTable:
    """A user's table.

    Parameters
    ----------
    name
        The name of the file without its endings.
    sha256
        The hash of the file.
    table
        The customers, sorted by `customer_id`; in a table with dates by date and then `customer_id`, which occurs
        once a day there.
    whole_numbers
        The numeric columns in which all values are whole.
    dates
        The day of each row of the table; `None` for a table without dates.
    labelled
        Of which rows the outcome is known; `None` for all. Elsewhere `table.churned` is False.
    columns
        What became of each column that has no role.
    notes
        What the owner should know of how the table was read.
    settings
        How the text file was read.
    ignored
        The cells of the columns that `--ignore` names, in the order of the table.
    """

    name: str
    sha256: str
    table: Table
    whole_numbers: frozenset[str]
    dates: Days | None
    labelled: NDArray[np.bool_] | None = None
    columns: tuple[ColumnReport, ...] = ()
    notes: tuple[str, ...] = ()
    settings: TextSettings = field(default_factory=TextSettings)
    ignored: Mapping[str, Cells] = field(default_factory=dict)


def read_own_table(
    path: Path | str,
    target: str,
    id_column: str | None = None,
    date_column: str | None = None,
    reading: Reading = Reading(),
    known: Known | None = None,
    *,
    needs_features: bool = True,
) -> OwnTable:
    """Read a table of customers; every column but the target, id and date is a feature.

    Parameters
    ----------
    path
        A file, a folder of parts, or the URL of a database's table, as `sim.world.own.source` says.
    target
        The column that says who churned.
    id_column
        The column that names the customers; without one, rows are named R0000001, R0000002 and so on.
    date_column
        The column with the day of each row. A blank target is then an outcome that has not come yet.
    reading
        What its owner says of how it is to be read.
    known
        Which rows of a history the kinds of columns are decided by; all by default.
    needs_features
        Whether a table without a feature is refused.

    Raises
    ------
    InputError
        At the first thing that makes it no such table, with column and row (row 1 follows the header).
    """
    own, refusals = inspect_own_table(path, target, id_column, date_column, reading, known)
    if refusals:
        raise refusals[0]
    if needs_features and not own.table.schema.columns:
        raise InputError(
            f"the customer table must have features, but {path} has none that is left: add columns that models can "
            f"learn from."
        )
    return own


def inspect_own_table(
    path: Path | str,
    target: str,
    id_column: str | None = None,
    date_column: str | None = None,
    reading: Reading = Reading(),
    known: Known | None = None,
) -> tuple[OwnTable, tuple[InputError, ...]]:
    """Return the table without the columns that are refused, and why they are; see `read_own_table`."""
    source, decisions, where = Source(str(path), reading.before), reading.decisions, str(path)
    raw, sha256 = source.read(decisions.text)
    columns = {column.name: column for column in raw.columns}
    roles = _Roles(
        where,
        _name(target),
        id_column if id_column is None else _name(id_column),
        date_column if date_column is None else _name(date_column),
        tuple(_name(name) for name in reading.ignored),
    )
    features = roles.features(list(columns), decisions)
    cells = columns[roles.target].cells
    churned, labelled = read_outcomes(
        cells, roles.target, where, reading.churned, may_be_blank=roles.date is not None
    )
    dates = None
    if roles.date is not None:
        dates = read_days(columns[roles.date].cells, roles.date, where, reading.date_format)
        check_outliers(dates, roles.date, where)
    ids = _row_names(len(churned))
    if roles.id is not None:
        ids = _ids(columns[roles.id].cells, roles)
        _check_repeats(columns[roles.id].cells, dates, where)
    is_known = np.ones(len(churned), dtype=np.bool_) if known is None or dates is None else known(dates)
    reader = ColumnReader(where, is_known, dates, decisions.columns)
    renamed, notes = _without_reserved(features, list(columns), where)
    read = [reader.read(RawColumn(renamed[name], columns[name].values)) for name in features]
    order = _order(ids, dates)
    own = _assembled(source, sha256, read, churned, labelled, ids, dates, order)
    notes = (*raw.notes, *notes, *_said(read, churned, labelled, roles, where))
    ignored = tuple(_ignored(columns[name]) for name in roles.ignored)
    refusals = tuple(column.refusal for column in read if column.refusal is not None)
    return (
        OwnTable(
            own.name,
            sha256,
            own.table,
            own.whole_numbers,
            own.dates,
            own.labelled,
            (*(column.report for column in read), *ignored),
            notes,
            raw.settings,
            {name: columns[name].cells.take(order) for name in roles.ignored},
        ),
        refusals,
    )


def _assembled(
    source: Source,
    sha256: str,
    read: Sequence[ReadColumn],
    churned: NDArray[np.bool_],
    labelled: NDArray[np.bool_],
    ids: NDArray[np.str_],
    dates: Days | None,
    order: NDArray[np.int64],
) -> OwnTable:
    """Put the columns that are features together, in the order of days and ids."""
    features = [column.feature for column in read if column.feature is not None]
    matrix = np.empty((len(ids), len(features)))
    for place, feature in enumerate(features):
        matrix[:, place] = feature.values[order]
    table = Table(
        schema=Schema(tuple(feature.column for feature in features)),
        customer_id=ids[order],
        features=matrix,
        churned=churned[order],
    )
    return OwnTable(
        source.name,
        sha256,
        table,
        frozenset(feature.column.name for feature in features if feature.is_whole),
        None if dates is None else dates[order],
        None if labelled.all() else labelled[order],
    )


def _order(ids: NDArray[np.str_], dates: Days | None) -> NDArray[np.int64]:
    """Return the rows in the order of days and ids; Arrow sorts texts several times faster than numpy."""
    keys: dict[str, pa.Array] = (
        {} if dates is None else {"date": pa.array(dates.astype("datetime64[D]").astype(np.int64))}
    )
    keys["id"] = pa.array(ids)
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return np.asarray(order.to_numpy(zero_copy_only=False), dtype=np.int64)


def _said(
    read: Sequence[ReadColumn],
    churned: NDArray[np.bool_],
    labelled: NDArray[np.bool_],
    roles: "_Roles",
    where: str,
) -> tuple[str, ...]:
    """Return what the owner should know: what was decided of columns, and which of them know too much."""
    notes = [
        f"column {column.report.name!r}: {warning}"
        for column in read
        if column.refusal is None
        for warning in column.report.warnings
    ]
    features = [column.feature for column in read if column.feature is not None]
    notes += [
        f"column {name!r} gives the outcome away (alone it has an AUC of {auc:.3f}): if it is not known when "
        f"customers are scored, leave it out by --ignore {name!r}"
        for name, auc in giveaways(features, churned, labelled)
    ]
    notes += [
        f"column {feature.column.name!r} is called like a model's answer: if it is one, leave it out by --ignore "
        f"{feature.column.name!r}, or ask `retrainlab backtest`"
        for feature in features
        if looks_like_a_model(feature.column.name)
    ]
    if not labelled.all():
        first = int(np.argmin(labelled)) + 1
        notes.append(
            f"the target {roles.target!r} is blank in {int((~labelled).sum()):,} rows of {where} (the first is row "
            f"{first}): their outcome has not come yet"
        )
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class _Roles:
    """Which columns are no features, by the options that name them."""

    path: str
    target: str
    id: str | None
    date: str | None
    ignored: tuple[str, ...]

    def features(self, columns: Sequence[str], decisions: Decisions) -> list[str]:
        """Return the names of the features; `InputError` if the roles don't fit the columns or leave no features."""
        self._check(columns)
        for name in decisions.columns:
            if name not in columns:
                raise InputError(
                    f"--schema must name columns of {self.path}, got {name!r}: the columns are "
                    f"{_listed(columns)}.{did_you_mean(name, columns)}"
                )
        names = [name for name in columns if name not in (self.target, self.id, self.date, *self.ignored)]
        if not names and not self.ignored:
            raise InputError(
                f"the customer table must have features, but {self.path} has no other column than "
                f"{_listed(columns)}: add columns that models can learn from."
            )
        _check_feature_names(names, self.path)
        return names

    def _check(self, columns: Sequence[str]) -> None:
        option_of: dict[str, str] = {}
        named = [("--target", self.target), ("--id", self.id), ("--date", self.date)]
        for option, name in (*named, *(("--ignore", name) for name in self.ignored)):
            if name is None:
                continue
            if name not in columns:
                raise InputError(
                    f"{option} must name a column of {self.path}, got {name!r}: the columns are "
                    f"{_listed(columns)}.{did_you_mean(name, columns)}"
                )
            if name in option_of and option != "--ignore":
                raise InputError(
                    f"--target, --id and --date must name different columns, but {option_of[name]} and {option} are "
                    f"both {name!r}: name another column or leave one out."
                )
            if name in option_of and option_of[name] != "--ignore":
                raise InputError(
                    f"--ignore must name a column without a role, but {name!r} is named by {option_of[name]} too: "
                    f"leave one out."
                )
            option_of[name] = option


def _name(cell: str) -> str:
    return " ".join(cell.split())


def _ignored(raw: RawColumn) -> ColumnReport:
    return ColumnReport(name=raw.name, kind=Kind.IGNORED, missing=0, values="", warnings=("left out by --ignore",))


def _check_feature_names(names: Sequence[str], path: str) -> None:
    """Refuse what terms or the inference log, whose columns don't tell upper from lower case, can't name."""
    seen: dict[str, str] = {}
    for name in names:
        if "`" in name:
            raise InputError(f"a column's name must have no backquote, but {path} has {name!r}: rename it.")
        key = name.casefold()
        if key in _OF_MODELS:
            raise InputError(
                f"a feature must not be called {name!r}, which is a column of the inference log, but a column of "
                f"{path} is: leave it out by --ignore {name!r}, or ask `retrainlab backtest` if the file is a log."
            )
        if key in seen:
            raise InputError(
                f"the names of columns must differ by more than upper and lower case, but {path} has {seen[key]!r} "
                f"and {name!r}: rename one."
            )
        seen[key] = name


def _without_reserved(
    names: Sequence[str], columns: Sequence[str], where: str
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return what each feature is called: those that share a name with a column of the log get another."""
    taken = {name.casefold() for name in columns} | RESERVED
    renamed, notes = {}, []
    for name in names:
        new = name
        while new.casefold() in RESERVED or (new != name and new.casefold() in taken):
            new = f"{new}_feature"
        renamed[name] = new
        if new != name:
            notes.append(
                f"column {name!r} of {where} is called {new!r} here: the inference log has a column of its name"
            )
    return renamed, tuple(notes)


def _ids(cells: Cells, roles: _Roles) -> NDArray[np.str_]:
    if "" in cells.texts:
        raise InputError(
            f"the id {roles.id!r} must name each customer, but row {cells.first_row('')} of {roles.path} is blank: "
            f"fill it in or drop the row."
        )
    longest = max(cells.texts, key=len)
    if len(longest) > LONGEST_ID:
        raise InputError(
            f"the id {roles.id!r} must have at most {LONGEST_ID} characters, but row {cells.first_row(longest)} of "
            f"{roles.path} has {len(longest):,}: name another column with --id."
        )
    return np.array(cells.texts, dtype=np.str_)[cells.codes]


def _row_names(n_rows: int) -> NDArray[np.str_]:
    width = max(7, len(str(n_rows)))
    return np.array([f"R{number:0{width}}" for number in range(1, n_rows + 1)], dtype=np.str_)


def _check_repeats(ids: Cells, dates: Days | None, path: str) -> None:
    if len(ids.texts) == len(ids.codes):
        return
    keys = pd.DataFrame({"id": ids.codes} | ({} if dates is None else {"date": dates.astype(np.int64)}))
    repeats = np.flatnonzero(keys.duplicated())
    if not len(repeats):
        return
    row = int(repeats[0])
    name = ids.texts[int(ids.codes[row])]
    same = (ids.codes == ids.codes[row]) & (True if dates is None else dates == dates[row])
    where = f"in rows {int(np.argmax(same)) + 1} and {row + 1}"
    if dates is None:
        raise InputError(
            f"an id must occur once in a table without dates, but {path} has {name!r} {where}: drop the "
            f"copies, or name the column with dates by --date."
        )
    raise InputError(
        f"an id must occur once a day, but {path} has {name!r} on {dates[row]} {where}: drop the copies."
    )


def _listed(names: Sequence[str], limit: int = _NAMES_LISTED) -> str:
    return ", ".join(list(names)[:limit]) + (", ..." if len(names) > limit else "")
