"""What a run has told: its record, its tables and its part of an MLflow store, but not what is measured or drawn.

Two runs that lived the same life have told the same, whatever broke off and was resumed on the way.
"""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from sim.mlops.stores.mlflow_files import digest
from sim.mlops.stores.mlflow_words import VERSION_TAG
from sim.study.run_folder import read_record, to_json

_DRAWN = {
    "mlflow_run_id",
    "mlflow_model_id",
    "files_sha256",
    "sha256",
    "latency_ms",
    "mlflow_version",
    "run_id",
    "experiment_id",
    "mlflow_model",
}
_DRAWN_TAGS = {"retrainlab.life", "mlflow.parentRunId", "mlflow.user", "mlflow.source.git.commit"}


def told(folder: Path) -> dict[str, Any]:
    """Return all that a finished run in a folder of its own has told."""
    return {
        "record": told_in_record(folder),
        **told_in_tables(folder),
        **told_in_mlflow(folder / "mlflow.db", read_record(folder).measured["mlflow_run_id"]),
    }


def told_in_record(folder: Path) -> dict[str, Any]:
    content = to_json(read_record(folder))
    del content["measured"]
    return content


def told_in_tables(folder: Path) -> dict[str, list[Any]]:
    """Return the rows of every table; of what is measured only whether it is there."""
    found = {}
    with duckdb.connect(str(folder / "loop.duckdb"), read_only=True) as connection:
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
            rows = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            found[f"table {table}"] = sorted(
                repr([(n, v is None) if n in _DRAWN else (n, v) for n, v in zip(names, row, strict=True)])
                for row in rows.fetchall()
            )
    return found


def told_in_mlflow(path: Path, life_run: str) -> dict[str, Any]:
    """Return what a store holds of a life: runs with their metrics, logged models, versions and aliases."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:

        def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
            return store.execute(query, values).fetchall()

        life = rows("SELECT value FROM tags WHERE run_uuid = ? AND key = 'retrainlab.life'", life_run)[0][0]
        ids = [
            run
            for (run,) in rows("SELECT run_uuid FROM tags WHERE key = 'retrainlab.life' AND value = ?", life)
            if rows("SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'", run)
        ]
        jobs = {
            run: rows("SELECT value FROM tags WHERE run_uuid = ? AND key = 'retrainlab.job'", run)[0][0]
            for run in ids
        }
        names = {n for (n,) in rows(f"SELECT name FROM model_versions WHERE run_id IN ({_marks(ids)})", *ids)}
        return {
            "runs": sorted((jobs[run], _run(rows, run)) for run in ids),
            "logged": sorted(
                (jobs[run], status, name)
                for run in ids
                for status, name in rows(
                    "SELECT status, name FROM logged_models WHERE source_run_id = ? AND lifecycle_stage = 'active'",
                    run,
                )
            ),
            "versions": sorted(_version(rows, jobs, name, number, run) for name, number, run in _versions(rows, ids)),
            "data": sorted((jobs[run], *each) for run in ids for each in _data(rows, run)),
            "reached": sorted((jobs[run], *each) for run in ids for each in _reached(rows, run)),
            "aliases": sorted(
                (alias, jobs.get(run))
                for name in names
                for alias, run in rows(
                    "SELECT a.alias, v.run_id FROM registered_model_aliases a JOIN model_versions v "
                    "ON v.name = a.name AND v.version = a.version WHERE a.name = ?",
                    name,
                )
            ),
        }


def _data(rows: Any, run: str) -> list[tuple[Any, ...]]:
    """Return the data sets that a run says it read; where they lie differs from folder to folder."""
    found: list[tuple[Any, ...]] = rows(
        "SELECT d.name, d.digest, d.dataset_profile, t.name, t.value FROM inputs i "
        "JOIN datasets d ON d.dataset_uuid = i.source_id LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid "
        "WHERE i.destination_id = ? AND i.source_type = 'DATASET'",
        run,
    )
    return found


def _reached(rows: Any, run: str) -> list[tuple[Any, ...]]:
    """Return the metrics of the logged models of a run."""
    found: list[tuple[Any, ...]] = rows(
        "SELECT metric_name, metric_step, metric_value, dataset_name, dataset_digest FROM logged_model_metrics "
        "WHERE run_id = ?",
        run,
    )
    return found


def _marks(values: list[Any]) -> str:
    return ", ".join("?" for _ in values)


def _versions(rows: Any, ids: list[str]) -> list[tuple[Any, ...]]:
    query = "SELECT name, version, run_id FROM model_versions WHERE current_stage != 'Deleted_Internal' AND run_id IN"
    found: list[tuple[Any, ...]] = rows(f"{query} ({_marks(ids)})", *ids)
    return found


def _run(rows: Any, run: str) -> str:
    status, name = rows("SELECT status, name FROM runs WHERE run_uuid = ?", run)[0]
    tags = [
        (key, value.rpartition("/")[2] if key == VERSION_TAG else value)  # the name of the model is the test's own
        for key, value in rows("SELECT key, value FROM tags WHERE run_uuid = ?", run)
        if key not in _DRAWN_TAGS
    ]
    params = rows("SELECT key, value FROM params WHERE run_uuid = ?", run)
    metrics = Counter(
        (key, step, None if key == "latency_ms" else value, is_nan)
        for key, step, value, is_nan in rows("SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?", run)
    )
    told = {"status": status, "name": name, "tags": sorted(tags), "params": sorted(params)}
    return json.dumps({**told, "metrics": sorted(map(repr, metrics.items()))})


def _version(rows: Any, jobs: dict[str, str], name: str, number: int, run: str) -> tuple[Any, ...]:
    where = "name = ? AND version = ?"
    tags = rows(f"SELECT key, value FROM model_version_tags WHERE {where}", name, number)
    described, status = rows(f"SELECT description, status FROM model_versions WHERE {where}", name, number)[0]
    return number, jobs[run], described, status, sorted(pair for pair in tags if pair[0] not in _DRAWN_TAGS)


def assert_files_are_those_registered(folder: Path) -> None:
    """The files of each job's model are those that the ledger knows, and no others lie in the run folder."""
    with duckdb.connect(str(folder / "loop.duckdb"), read_only=True) as connection:
        ledger = dict(connection.execute("SELECT mlflow_model_id, files_sha256 FROM registered_models").fetchall())
    kept = {path.parent.name: path for path in (folder / "mlartifacts").rglob("artifacts") if path.is_dir()}
    assert {model_id: digest(kept[model_id]) for model_id in ledger} == ledger
