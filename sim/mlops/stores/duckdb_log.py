"""The inference log in DuckDB: one row a scored customer, in readable values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # it ships no type information
from numpy.typing import NDArray

from sim.errors import InputError
from sim.mlops.models.cohort import Cohort, KnownOutcomes
from sim.mlops.records.business import risk_category
from sim.mlops.records.record import Served
from sim.world.labels import LabelEvents
from sim.world.schema.columns import UNSEEN, Column, Matrix, Schema
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


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a log's database file; `InputError` if another process is using it, or it is none."""
    try:
        return duckdb.connect(str(path))
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
    get an offer. Rows come back in the order of (`scored_at`, `customer_id`), so that nothing computed from them
    depends on how the database stores them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        features = ",\n".join(f"    {_quoted(column.name)} {_sql_type(column)}" for column in schema.columns)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS inference_log ({_OWN_COLUMNS},\n{features},\n"
            f"PRIMARY KEY (scored_at, customer_id))"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS quarantine (step INTEGER PRIMARY KEY)")
        self._select = f"""
            SELECT step, customer_id, holdout, {_OUTCOMES},
                {", ".join(_quoted(name) for name in schema.names)}
            FROM inference_log WHERE step IN (SELECT unnest(?::INTEGER[])) ORDER BY scored_at, customer_id"""

    def append(self, batch: Batch, served: Served | None) -> None:
        """Store a batch and what was served for it."""
        n_rows = len(batch.customer_id)
        columns: dict[str, Any] = {
            "step": _repeated(batch.step, pa.int32(), n_rows),
            "scored_at": _repeated(batch.scored_at, pa.int32(), n_rows),
            "customer_id": pa.array(batch.customer_id.tolist(), pa.string()),
            "held_out": batch.held_out,
            "holdout": batch.holdout,
            **{column.name: _to_arrow(column, batch.features[:, i]) for i, column in enumerate(self._schema.columns)},
        }
        if served is not None:
            columns |= {
                "prediction": served.prediction.astype(np.int8),
                "prediction_proba": served.probability,
                "risk_category": pa.array(risk_category(served.probability).tolist(), pa.string()),
                "offered": served.offered,
                "model_version": _repeated(served.version, pa.int32(), n_rows),
                "job": _repeated(served.job, pa.string(), n_rows),
            }
        self._with_rows(pa.table(columns), "INSERT INTO inference_log BY NAME SELECT * FROM new_rows")

    def backfill(self, events: Sequence[LabelEvents], day: int) -> int:
        """Join labels to their own predictions by a MERGE on (`customer_id`, `scored_at`); return how many arrived.

        Of several labels for one prediction the newest is joined.

        Raises
        ------
        RuntimeError
            If a label has no prediction, or two labels the same one: nothing of the backfill is kept then.
        """
        n_events = sum(len(event.label) for event in events)
        if not n_events:
            return 0
        newest = [event.newest() for event in events]
        news = pa.table(
            {
                "customer_id": pa.array(np.concatenate([e.customer_id for e in newest]).tolist(), pa.string()),
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
        return n_events

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today, in the order asked for."""
        table = self._connection.sql(self._select, params=[list(steps)]).to_arrow_table().combine_chunks()
        step_of = table["step"].to_numpy()
        found = {}
        for step in steps:
            start, end = np.searchsorted(step_of, [step, step + 1])
            found[step] = self._to_cohort(step, table.slice(start, end - start))
        return [found[step] for step in steps]

    def outcomes(self, step: int) -> KnownOutcomes:
        """Return the answers and labels of a scored step."""
        query = f"SELECT {_OUTCOMES} FROM inference_log WHERE step = ? ORDER BY customer_id"
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
        query = "SELECT label_arrived_at FROM inference_log WHERE step = ? ORDER BY customer_id"
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
        self._connection.register("new_rows", rows)
        found = self._connection.execute(statement).fetchall()
        self._connection.unregister("new_rows")  # a failed statement ends the transaction, which then forbids this
        return found

    def _to_cohort(self, step: int, rows: pa.Table) -> Cohort:
        features = [_from_arrow(column, rows[column.name]) for column in self._schema.columns]
        return Cohort(
            step=step,
            customer_id=np.array(rows["customer_id"].to_pylist(), dtype=np.str_),
            features=np.column_stack(features),
            holdout=rows["holdout"].to_numpy(),
            **_outcomes(rows),
        )


def _outcomes(rows: pa.Table) -> dict[str, Any]:
    return {
        "held_out": rows["held_out"].to_numpy(),
        "offered": rows["offered"].to_numpy(),
        "probability": _floats(rows["prediction_proba"]),
        "prediction": _floats(rows["prediction"]) == 1,
        "label": _floats(rows["ground_truth"]),
    }


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


def _from_arrow(column: Column, values: pa.ChunkedArray) -> Matrix:
    if not column.is_category:
        return _floats(values)
    codes = _floats(values.combine_chunks().indices)
    return np.where(codes == len(column.categories), UNSEEN, codes)


def _floats(values: pa.Array | pa.ChunkedArray) -> Matrix:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
