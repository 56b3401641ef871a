"""Rows into a DuckDB table, few or many."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped] # it ships no type information


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]], *, how: str = "INSERT"
) -> None:
    """Insert rows; many travel as one Arrow table, for binding a thousand values one by one takes long."""
    if len(rows) == 1:
        marks = ", ".join("?" for _ in rows[0])
        connection.execute(f"{how} INTO {table} VALUES ({marks})", list(rows[0])).fetchall()
    elif rows:
        columns = {f"c{index}": list(column) for index, column in enumerate(zip(*rows, strict=True))}
        connection.register("rows_to_insert", pa.table(columns))
        connection.execute(f"{how} INTO {table} SELECT * FROM rows_to_insert").fetchall()
        connection.unregister("rows_to_insert")
