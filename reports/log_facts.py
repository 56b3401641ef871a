"""Facts of single customers, counted in the inference log of a live run; read only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from sim.errors import InputError

LOG_FILE = "loop.duckdb"
TENURE_BANDS = ((0, 12, "1st year"), (13, 24, "2nd year"), (25, 48, "3rd, 4th year"), (49, 10_000, "later"))
"""Months of tenure from and to, both included, and what they are called."""

_SEGMENT_COLUMNS = {"Contract", "InternetService", "tenure"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Rows that were scored on one day and whose labels came on another; `None`: they have not come."""

    scored_day: int
    arrived_day: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Scored customers of one contract, internet service and band of tenure.

    `labelled` counts those whose label has come, `churners` those among them who churned.
    """

    contract: str
    internet: str
    tenure: str
    customers: int
    high_risk: int
    labelled: int
    churners: int


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a run's database holds: rows by table, when labels came, and the segments of the scored customers.

    `segments` is empty where the population has other columns than the Telco table.
    """

    tables: Mapping[str, int]
    arrivals: tuple[Arrival, ...]
    segments: tuple[Segment, ...]


def read_log_facts(folder: Path) -> LogFacts | None:
    """Return the facts of a live run's inference log, `None` where the folder has none.

    Raises
    ------
    InputError
        If the log cannot be read, as while the run is still under way.
    """
    path = folder / LOG_FILE
    if not path.exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return LogFacts(_tables(connection), _arrivals(connection), _segments(connection))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        msg = (
            f"a report needs an inference log that nobody is writing to, but {path} cannot be read ({reason}); wait."
        )
        raise InputError(msg) from error


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    query = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"
    names = [str(row[0]) for row in connection.execute(query).fetchall()]
    return {name: int(_all(connection, f'SELECT count(*) FROM "{name}"')[0][0]) for name in names}


def _arrivals(connection: duckdb.DuckDBPyConnection) -> tuple[Arrival, ...]:
    query = """
        SELECT scored_at, label_arrived_at, count(*) FROM inference_log WHERE step >= 0
        GROUP BY ALL ORDER BY scored_at, label_arrived_at NULLS LAST"""
    return tuple(Arrival(*row) for row in _all(connection, query))


def _segments(connection: duckdb.DuckDBPyConnection) -> tuple[Segment, ...]:
    columns = {str(row[0]) for row in _all(connection, "DESCRIBE inference_log")}
    if not columns >= _SEGMENT_COLUMNS:
        return ()
    cases = " ".join(f"WHEN tenure BETWEEN {low} AND {high} THEN '{name}'" for low, high, name in TENURE_BANDS)
    query = f"""
        SELECT Contract::VARCHAR, InternetService::VARCHAR, CASE {cases} END AS band, count(*),
            count(*) FILTER (risk_category = 'high'), count(ground_truth), count(*) FILTER (ground_truth = 1)
        FROM inference_log
        WHERE step >= 0 AND Contract IS NOT NULL AND InternetService IS NOT NULL AND band IS NOT NULL
        GROUP BY ALL ORDER BY ALL"""
    return tuple(Segment(*row) for row in _all(connection, query))


def _all(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()
