"""The inference log in DuckDB: one row a scored customer, in readable values."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # it ships no type information
from numpy.typing import NDArray

from sim.errors import InputError
from sim.mlops.models.cohort import Cohort, KnownOutcomes, RowChoice
from sim.mlops.records.business import risk_category
from sim.mlops.records.record import Served
from sim.mlops.statistics.overlap import Sample
from sim.world.labels import LabelEvents
from sim.world.schema.columns import UNSEEN, Column, Matrix, Schema, row_blocks
from sim.world.schema.words import from_arrow
from sim.world.world import Batch

_OWN_COLUMNS = """
    step INTEGER NOT NULL,
    scored_at INTEGER NOT NULL,
    customer_id VARCHAR NOT NULL,
    prediction TINYINT,
    prediction_proba DOUBLE,
    risk_category VARCHAR,
    offered BOOLEAN,
    held_out BOOLEAN NOT NULL,
    holdout BOOLEAN NOT NULL,
    model_version INTEGER,
    job VARCHAR,
    ground_truth TINYINT,
    label_arrived_at INTEGER
"""
_OUTCOMES = "held_out, coalesce(offered, false) AS offered, prediction_proba, prediction, ground_truth"
_UNSEEN_TEXT = "unseen"
_BLOCK_ROWS = 122_880  # what DuckDB stores as one group of rows
_MEMORY_LIMIT = "768MB"  # of a larger log it keeps on disk what it does not need now


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a log's database file; `InputError` if another process is using it, or it is none."""
    try:
        return duckdb.connect(str(path), config={"memory_limit": _MEMORY_LIMIT})
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            msg = f"a run folder belongs to one run at a time, but another process uses {path}; wait, or use --out."
        else:
            reason = str(error).splitlines()[0]
            msg = f"the inference log {path} must be a readable DuckDB file, but is not ({reason}); use --out."
        raise InputError(msg) from error


class DuckDBLog:
    """An inference log in a DuckDB table; days are counted from the first scored step, whose day is 0.

    Warm-up rows have no prediction. `holdout` marks customers who are never trained on, `held_out` those who never
    get an offer. Rows are appended in the order of (`scored_at`, `customer_id`), are never moved, and come back in
    the order in which they were appended, which DuckDB keeps; reading them checks it. So nothing is sorted again, and
    millions are written and read block after block.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        features = ",\n".join(f"    {_quoted(column.name)} {_sql_type(column)}" for column in schema.columns)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS inference_log ({_OWN_COLUMNS},\n{features})"
        )  # without an index over the customers, which would be larger than all the rest
        connection.execute("CREATE TABLE IF NOT EXISTS quarantine (step INTEGER PRIMARY KEY)")

    def append(self, batch: Batch, served: Served | None) -> None:
        """Store a batch, of customers in ascending order, and what was served for it.

        Raises
        ------
        RuntimeError
            If the customers of that day are there already, or one comes twice: each is scored once a day.
        """
        ids = batch.customer_id
        known = "SELECT count(*) FROM (SELECT 1 FROM inference_log WHERE scored_at = ? LIMIT 1)"
        is_known = self._connection.execute(known, [batch.scored_at]).fetchall()[0][0]
        if is_known or not (ids[1:] > ids[:-1]).all():
            msg = f"a customer must be scored once a day, but of day {batch.scored_at} there is one twice"
            raise RuntimeError(msg)
        for rows in row_blocks(len(ids), _BLOCK_ROWS):
            table = self._to_table(batch, served, rows)
            self._with_rows(table, "INSERT INTO inference_log BY NAME SELECT * FROM new_rows")

    def _to_table(self, batch: Batch, served: Served | None, rows: slice) -> pa.Table:
        features, n_rows = batch.features[rows], rows.stop - rows.start
        columns: dict[str, Any] = {
            "step": _repeated(batch.step, pa.int32(), n_rows),
            "scored_at": _repeated(batch.scored_at, pa.int32(), n_rows),
            "customer_id": _texts(batch.customer_id[rows]),
            "held_out": batch.held_out[rows],
            "holdout": batch.holdout[rows],
            **{column.name: _to_arrow(column, features[:, i]) for i, column in enumerate(self._schema.columns)},
        }
        if served is not None:
            columns |= {
                "prediction": served.prediction[rows].astype(np.int8),
                "prediction_proba": served.probability[rows],
                "risk_category": _texts(risk_category(served.probability[rows])),
                "offered": served.offered[rows],
                "model_version": _repeated(served.version, pa.int32(), n_rows),
                "job": _repeated(served.job, pa.string(), n_rows),
            }
        return pa.table(columns)

    def backfill(self, events: Iterable[LabelEvents], day: int) -> int:
        """Join labels to their own predictions by a MERGE on (`customer_id`, `scored_at`); return how many arrived.

        Of several labels for one prediction the newest is joined.

        Raises
        ------
        RuntimeError
            If a label has no prediction, or two labels the same one: the transaction has failed then.
        """
        n_events, waiting, n_waiting = 0, list[LabelEvents](), 0
        for event in events:
            waiting.append(event)
            n_events, n_waiting = n_events + len(event.label), n_waiting + len(event.label)
            if n_waiting >= _BLOCK_ROWS:
                self._merge(waiting, day)
                waiting, n_waiting = [], 0
        if n_waiting:
            self._merge(waiting, day)
        return n_events

    def _merge(self, events: Sequence[LabelEvents], day: int) -> None:
        newest = [event.newest() for event in events]
        news = pa.table(
            {
                "customer_id": pa.chunked_array([_texts(each.customer_id) for each in newest], pa.string()),
                "scored_at": np.concatenate([np.full(len(e.label), e.scored_at, dtype=np.int32) for e in newest]),
                "label": np.concatenate([e.label for e in newest]).astype(np.int8),
            }
        )
        merge = f"""
            MERGE INTO inference_log USING new_rows USING (customer_id, scored_at)
            WHEN MATCHED THEN UPDATE SET ground_truth = new_rows.label, label_arrived_at = {int(day)}
            WHEN NOT MATCHED THEN ERROR"""
        try:
            self._with_rows(news, merge)
        except (duckdb.ConstraintException, duckdb.InvalidInputException) as error:
            msg = f"every label must meet exactly its own prediction, but on day {day} one did not: {error}"
            raise RuntimeError(msg) from error

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today, in the order asked for."""
        return [self._cohort(step) for step in steps]

    def _cohort(self, step: int) -> Cohort:
        query = f"SELECT holdout, {_OUTCOMES} FROM inference_log WHERE step = ?"
        rows = self._connection.sql(query, params=[step]).to_arrow_table().combine_chunks()
        kept = _StoredRows(self._connection, self._schema, step, len(rows))
        return Cohort(step=step, kept=kept, holdout=rows["holdout"].to_numpy(), **_outcomes(rows))

    def outcomes(self, step: int) -> KnownOutcomes:
        """Return the answers and labels of a scored step."""
        query = f"SELECT {_OUTCOMES} FROM inference_log WHERE step = ?"
        return KnownOutcomes(**_outcomes(self._connection.sql(query, params=[step]).to_arrow_table()))

    def newest_step_scored_by(self, job: str, newest: int) -> int | None:
        """Return the newest step, up to `newest`, of which the job's model scored a customer."""
        query = "SELECT max(step) FROM inference_log WHERE job = ? AND step <= ?"
        found = self._connection.execute(query, [job, newest]).fetchall()[0][0]
        return None if found is None else int(found)

    def newest_labelled_step(self) -> int:
        """Return the newest step of which a label is known today."""
        query = "SELECT max(step) FROM inference_log WHERE ground_truth IS NOT NULL"
        return int(self._connection.execute(query).fetchall()[0][0])

    def arrived_at(self, step: int) -> Matrix:
        """Return the day on which each label of a scored step arrived, `nan` where none has."""
        query = "SELECT label_arrived_at FROM inference_log WHERE step = ?"
        return _floats(self._connection.sql(query, params=[step]).to_arrow_table()["label_arrived_at"])

    def offered(self, step: int) -> NDArray[np.bool_]:
        """Return who got an offer in a step, in the order of its customers."""
        return self.outcomes(step).offered

    @property
    def quarantined(self) -> frozenset[int]:
        """The steps whose batches are in quarantine."""
        return frozenset(step for (step,) in self._connection.execute("SELECT step FROM quarantine").fetchall())

    def quarantine(self, step: int) -> None:
        """Put the batch of a step into quarantine."""
        self._connection.execute("INSERT INTO quarantine VALUES (?)", [step]).fetchall()

    def _with_rows(self, rows: pa.Table, statement: str) -> list[tuple[Any, ...]]:
        new_rows = rows  # noqa: F841 - found by its name; a registered table stays in memory until the commit
        return self._connection.execute(statement).fetchall()


@dataclass(frozen=True, slots=True)
class _StoredRows:
    """The customers of a step as they lie in the log; each call reads those that are wanted, block after block."""

    connection: duckdb.DuckDBPyConnection
    schema: Schema
    step: int
    n_rows: int

    def take(self, rows: RowChoice) -> Sample:
        """Return some of the rows."""
        is_wanted = np.zeros(self.n_rows, dtype=np.bool_)
        is_wanted[rows] = True
        features = np.empty((np.count_nonzero(is_wanted), len(self.schema.columns)))
        ids, filled = [np.empty(0, dtype=np.str_)], 0
        for block in self.blocks(is_wanted):
            features[filled : filled + len(block.features)] = block.features
            ids.append(block.customer_id)
            filled += len(block.features)
        return Sample(np.concatenate(ids), features)

    def blocks(self, rows: NDArray[np.bool_]) -> Iterator[Sample]:
        """Yield the rows of a mask, block after block."""
        names = ", ".join(_quoted(name) for name in ("customer_id", *self.schema.names))
        query = f"SELECT {names} FROM inference_log WHERE step = ?"
        start, last = 0, ""
        for block in self.connection.sql(query, params=[self.step]).to_arrow_reader(_BLOCK_ROWS):
            words = from_arrow(block["customer_id"])
            if not len(words):
                continue
            if not last < words[0] or not (words[1:] > words[:-1]).all():
                msg = f"the rows of step {self.step} must lie in the order of their customers, but do not"
                raise RuntimeError(msg)
            own = rows[start : start + len(words)]
            features = np.empty((np.count_nonzero(own), len(self.schema.columns)))
            for index, column in enumerate(self.schema.columns):
                features[:, index] = _from_arrow(column, block[column.name])[own]
            start, last = start + len(words), words[-1]
            yield Sample(words[own], features)


def _outcomes(rows: pa.Table) -> dict[str, Any]:
    return {
        "held_out": rows["held_out"].to_numpy(),
        "offered": rows["offered"].to_numpy(),
        "probability": _floats(rows["prediction_proba"]),
        "prediction": _floats(rows["prediction"]) == 1,
        "label": _floats(rows["ground_truth"]),
    }


def _texts(words: NDArray[np.str_]) -> pa.Array:
    return pa.array(words if words.dtype.itemsize else words.tolist(), pa.string())


def _repeated(value: int | str, kind: pa.DataType, n_rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), n_rows)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sql_type(column: Column) -> str:
    """Return the type of a feature; categories are an ENUM, which reads as text and is stored as a code."""
    if not column.is_category:
        return "DOUBLE"
    words = ", ".join("'" + word.replace("'", "''") + "'" for word in (*column.categories, _UNSEEN_TEXT))
    return f"ENUM({words})"


def _to_arrow(column: Column, values: Matrix) -> pa.Array:
    """Return readable values; a missing value becomes NULL, an unseen category the word `unseen`."""
    missing = np.isnan(values)
    if not column.is_category:
        return pa.array(values, mask=missing)
    codes = np.where(values == UNSEEN, len(column.categories), np.nan_to_num(values)).astype(np.int32)
    words = pa.array([*column.categories, _UNSEEN_TEXT])
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), words)


def _from_arrow(column: Column, values: pa.Array) -> Matrix:
    if not column.is_category:
        return _floats(values)
    codes = _floats(values.indices)
    return np.where(codes == len(column.categories), UNSEEN, codes)


def _floats(values: pa.Array | pa.ChunkedArray) -> Matrix:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
