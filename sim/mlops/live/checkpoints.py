"""What a resumed run goes on from: its committed states, the ledger of its models, and seals that show damage."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import duckdb
from pydantic import TypeAdapter

from scenarios.schema import Recipe
from sim.errors import InputError
from sim.mlops.loop.platform import State
from sim.mlops.loop.resume import Checkpoint
from sim.mlops.records.record import StepRow
from sim.mlops.stores.duckdb_rows import insert
from sim.mlops.stores.ledger import Ledger, Place, Registered
from sim.mlops.stores.mlflow_setting import gist

_TABLES = """
CREATE TABLE IF NOT EXISTS registered_models (
    model_version INTEGER PRIMARY KEY, job VARCHAR UNIQUE, mlflow_version VARCHAR, mlflow_run_id VARCHAR,
    mlflow_model_id VARCHAR, files_sha256 VARCHAR, recipe JSON
);
CREATE TABLE IF NOT EXISTS mlflow_place (experiment_id VARCHAR, run_id VARCHAR);
CREATE TABLE IF NOT EXISTS checkpoints (step INTEGER PRIMARY KEY, state JSON, row JSON);
CREATE TABLE IF NOT EXISTS seals (step INTEGER PRIMARY KEY, models INTEGER, sha256 VARCHAR);
"""
BEFORE_STEP_0 = -1


@contextmanager
def undamaged() -> Iterator[None]:
    """Read what a run wrote for its resume; `InputError` where it is not as it was written."""
    try:
        yield
    except (duckdb.Error, ValueError, LookupError, TypeError) as error:
        msg = (
            f"a resumed run needs its journal as it was written, but it is damaged ({gist(error)}); start again with "
            f"another --out."
        )
        raise InputError(msg) from error


def read_ledger(connection: duckdb.DuckDBPyConnection) -> Ledger:
    """Return the models that committed steps registered, and the life's place in MLflow if it had one.

    Raises
    ------
    InputError
        If steps were committed by a version of retrainlab that kept no ledger, or what was committed is damaged.
    """
    with undamaged():
        connection.execute(_TABLES)
        place = connection.execute("SELECT experiment_id, run_id FROM mlflow_place").fetchall()
        ledger = Ledger(Place(*place[0]) if place else None)
        for row in connection.execute("SELECT * FROM registered_models ORDER BY model_version").fetchall():
            version, job, number, run_id, model_id, files, recipe = row
            ledger.add(Registered(version, job, number, run_id, model_id, files, Recipe.model_validate_json(recipe)))
        is_begun = bool(connection.execute("SELECT count(*) FROM checkpoints").fetchall()[0][0])
    if is_begun and not len(ledger):
        msg = (
            "a resumed run needs the ledger of its models, but an earlier version of retrainlab, which kept none, "
            "began this one; start again with another --out."
        )
        raise InputError(msg)
    return ledger


class Checkpoints:
    """The committed states of a run and the ledger of its models, in tables beside the inference log.

    The seal of a step is the SHA-256 of what the step committed here and of the seal before it, so that nothing can
    be changed, lost or put in between without being seen. Steps that an earlier version committed have none.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
        self._connection = connection
        self._ledger = ledger
        self._state = TypeAdapter(State)
        self._row = TypeAdapter(StepRow)
        with undamaged():
            connection.execute(_TABLES)
            self._written = connection.execute("SELECT count(*) FROM registered_models").fetchall()[0][0]
            last = connection.execute("SELECT models, sha256 FROM seals ORDER BY step DESC LIMIT 1").fetchall()
            self._sealed, self._seal = last[0] if last else (0, "")
            if ledger.place and not connection.execute("SELECT count(*) FROM mlflow_place").fetchall()[0][0]:
                insert(connection, "mlflow_place", [(ledger.place.experiment_id, ledger.place.run_id)])

    def write(self, state: State, row: StepRow | None) -> None:
        """Write the state after a step, and the models that it registered; `row` is `None` before step 0."""
        step = BEFORE_STEP_0 if row is None else row.step
        texts = [self._state.dump_json(state).decode(), self._row.dump_json(row).decode() if row else None]
        insert(self._connection, "checkpoints", [(step, *texts)])
        insert(self._connection, "registered_models", _values(self._ledger.since(self._written)))
        self._written = len(self._ledger)
        self._seal = _seal(self._seal, step, texts, self._ledger.since(self._sealed))
        self._sealed = self._written
        insert(self._connection, "seals", [(step, self._sealed, self._seal)])

    def last(self) -> Checkpoint | None:
        """Return the life as it was last committed, `None` if nothing was; `InputError` if it is damaged."""
        with undamaged():
            found = self._connection.execute("SELECT step, state, row FROM checkpoints ORDER BY step").fetchall()
            self._check_seals(found)
            if not found:
                return None
            rows = tuple(self._row.validate_json(row) for _, _, row in found if row is not None)
            return Checkpoint(self._state.validate_json(found[-1][1]), rows)

    def _check_seals(self, found: Sequence[tuple[int, str, str | None]]) -> None:
        seals = self._connection.execute("SELECT step, models, sha256 FROM seals ORDER BY step").fetchall()
        sealed = found[len(found) - len(seals) :]
        if [step for step, *_ in sealed] != [step for step, *_ in seals]:
            raise ValueError("steps are missing")
        before, models = "", 0
        for (step, *texts), (_, upto, seal) in zip(sealed, seals, strict=True):
            before = _seal(before, step, texts, self._ledger.since(models)[: upto - models])
            if before != seal:
                raise ValueError(f"step {step} is not what it was")
            models = upto
        if seals and models != len(self._ledger):
            raise ValueError(f"{models} models were registered, and {len(self._ledger)} are there")


def _values(models: Sequence[Registered]) -> list[tuple[Any, ...]]:
    return [(m.version, m.job, m.number, m.run_id, m.model_id, m.digest, m.recipe.model_dump_json()) for m in models]


def _seal(before: str, step: int, texts: Sequence[str | None], models: Sequence[Registered]) -> str:
    return sha256(json.dumps([before, step, *texts, _values(models)]).encode()).hexdigest()
