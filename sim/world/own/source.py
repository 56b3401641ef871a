"""Where a table of one's own is read from: a file, a folder of parts, or a database.

Text files may be separated by commas, semicolons, tabs or bars, in any usual encoding, plain, gzipped or zipped.
Parquet and Excel files are told by what they hold, not by their names. A folder's files are the parts of one table,
in order of their names. `duckdb:///file.duckdb#table` and `postgresql://host/base#table` read a database; a query
may stand for the table.
"""

import gzip
import hashlib
import importlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

from sim.errors import InputError
from sim.world.own.cells import RawColumn
from sim.world.own.text_file import REMEDY, RawTable, TextSettings, read_text_table

_URL = re.compile(r"^(duckdb|postgresql|postgres)://")
_NAME = re.compile(r"^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*){0,2}$")
_PARTITION = "partition"
_EXCEL_PART = "xl/workbook.xml"
_PART_ENDINGS = (".csv", ".tsv", ".psv", ".txt", ".gz", ".zip", ".parquet", ".pq", ".xlsx", ".xls", ".xlsb", ".ods")


@dataclass(frozen=True, slots=True)
class Source:
    """A place that a table is read from: the path of a file or folder, or the URL of a database's table or query.

    >>> Source("duckdb:///warehouse.duckdb#customers").name
    'customers'
    >>> Source("data/customers.csv.gz").name
    'customers'
    """

    text: str
    before: str = ""

    @property
    def is_database(self) -> bool:
        """Whether it is a database."""
        return bool(_URL.match(self.text))

    @property
    def name(self) -> str:
        """What a record calls the table: the name of its file without endings, or that of the database's table."""
        if self.is_database:
            wanted = unquote(urlsplit(self.text).fragment)
            return wanted if _NAME.match(wanted) else f"query of {Path(urlsplit(self.text).path).stem}"
        path = Path(self.text)
        stem = path.name
        while Path(stem).suffix.lower() in _PART_ENDINGS:
            stem = Path(stem).stem
        return stem

    @property
    def stamp(self) -> str:
        """What changes when a file is written anew; a database is read each time."""
        path = Path(self.text)
        if self.is_database or not path.exists():
            return ""
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return ",".join(f"{file.name}:{file.stat().st_mtime_ns}" for file in files)

    def column_names(self, settings: TextSettings) -> list[str]:
        """Return the names of the table's columns."""
        return [column.name for column in self.read(settings)[0].columns]

    def read(self, settings: TextSettings) -> tuple[RawTable, str]:
        """Return the table and the hash of what it was read from.

        Raises
        ------
        InputError
            If there is no such table.
        """
        if not self.before:
            return _read(self.text, settings)
        first, second = (_read(text, settings) for text in (self.before, self.text))
        digest = hashlib.sha256((first[1] + second[1]).encode()).hexdigest()
        return _one_after_another(first[0], second[0]), digest


def _read(text: str, settings: TextSettings) -> tuple[RawTable, str]:
    if Source(text).is_database:
        table = _database(text)
        return _columns(table, Source(text).name), _content_hash(table)
    path = Path(text)
    if path.is_dir():
        return _folder(path, settings)
    content = _bytes(path)
    return _file(content, str(path), settings), hashlib.sha256(content).hexdigest()


def _one_after_another(reference: RawTable, analysis: RawTable) -> RawTable:
    """Return the rows of a reference and of what came after it; a column that one of them lacks is blank there."""
    tables = [{column.name: column.values for column in table.columns} for table in (reference, analysis)]
    lengths = [len(next(iter(table.values()))) for table in tables]
    names = [name for name in dict.fromkeys((*tables[1], *tables[0])) if name != _PARTITION]
    columns = [
        RawColumn(
            name,
            _joined(
                [
                    table[name] if name in table else pa.nulls(length, type=tables[1 - place][name].type)
                    for place, (table, length) in enumerate(zip(tables, lengths, strict=True))
                ]
            ),
        )
        for name in names
    ]
    told = [word for word, length in zip(("reference", "analysis"), lengths, strict=True) for _ in range(length)]
    return RawTable((*columns, RawColumn(_PARTITION, pa.array(told))), (*reference.notes, *analysis.notes))


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the customer table must be a readable file, but {path} is not ({error.strerror or error}): {REMEDY}."
        ) from error
    if not content.strip():
        raise InputError(f"the customer table must have a header and rows, but {path} is empty: {REMEDY}.")
    return content


def _file(content: bytes, where: str, settings: TextSettings) -> RawTable:
    """Return the table in a file, by what it begins with."""
    if content.startswith(b"PAR1"):
        return _columns(_parquet(content, where), where)
    if content.startswith(b"\x1f\x8b"):
        return _file(_unpacked(lambda: gzip.decompress(content), where), where, settings)
    if content.startswith(b"PK\x03\x04"):
        with _opened(lambda: zipfile.ZipFile(io.BytesIO(content)), where) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
            if _EXCEL_PART in names or "mimetype" in names:
                return _excel(content, where)
            if len(names) != 1:
                raise InputError(
                    f"a zip must hold one table, but {where} holds {len(names)} files: unpack it and give one, or "
                    f"the "
                    f"folder with the parts."
                )
            return _file(_unpacked(lambda: archive.read(names[0]), where), where, settings)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        return _excel(content, where)
    if not content.strip():
        raise InputError(f"the customer table must have a header and rows, but {where} is empty: {REMEDY}.")
    return read_text_table(content, where, settings)


def _opened(read: Callable[[], Any], where: str) -> Any:
    return _unpacked(read, where)


def _unpacked(read: Callable[[], Any], where: str) -> Any:
    try:
        return read()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise InputError(
            f"a packed table must be whole, but {where} can't be unpacked ({error}): pack it anew."
        ) from error


def _parquet(content: bytes, where: str) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"a Parquet file must be whole, but {where} is not ({error}): write it anew.") from error


def _excel(content: bytes, where: str) -> RawTable:
    """Return the first sheet of a workbook."""
    try:
        calamine = importlib.import_module("python_calamine")
    except ImportError as error:
        raise InputError(
            f"an Excel file needs python-calamine, which is not installed: pip install 'retrainlab[excel]', or save "
            f"{where} as CSV."
        ) from error
    try:
        rows = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    except (calamine.CalamineError, ValueError, OSError) as error:
        raise InputError(
            f"an Excel file must be whole, but {where} can't be read ({error}): save it anew."
        ) from error
    lines = [[_excel_text(cell) for cell in row] for row in rows if any(cell not in ("", None) for cell in row)]
    if len(lines) < 2:
        raise InputError(f"the customer table must have a header and rows, but {where} has none: {REMEDY}.")
    header = [" ".join(cell.split()) for cell in lines[0]]
    _check_names(header, where)
    return RawTable(
        tuple(
            RawColumn(name, pa.array(cells, type=pa.string()))
            for name, cells in zip(header, zip(*lines[1:], strict=True), strict=True)
        )
    )


def _excel_text(cell: Any) -> str:
    """Return a cell as a CSV file would have it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return "" if cell is None else str(cell)


def _check_names(header: list[str], where: str) -> None:
    if "" in header:
        raise InputError(
            f"each column must have a name, but column {header.index('') + 1} of {where} has none: name it or drop "
            f"it."
        )
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"each column must occur once, but {where} repeats {', '.join(repeated)}: drop the copies.")


def _columns(table: pa.Table, where: str) -> RawTable:
    """Return the columns of a typed table."""
    header = [" ".join(name.split()) for name in table.column_names]
    _check_names(header, where)
    if not table.num_rows:
        raise InputError(f"the customer table must have rows, but {where} has none: {REMEDY}.")
    return RawTable(tuple(_column(name, table.column(place), where) for place, name in enumerate(header)))


def _column(name: str, values: pa.ChunkedArray, where: str) -> RawColumn:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise InputError(
            f"a column must hold plain values, but {name!r} of {where} holds {values.type}: leave it out of the "
            f"table."
        )
    if pa.types.is_null(values.type) or pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    array = values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False).cast(pa.string())
    return RawColumn(name, array)


def _folder(path: Path, settings: TextSettings) -> tuple[RawTable, str]:
    """Return the parts of a folder as one table."""
    parts = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and not file.name.startswith((".", "_")) and file.suffix.lower() in _PART_ENDINGS
    )
    if not parts:
        raise InputError(f"a folder must hold the parts of a table, but {path} has none: {REMEDY}.")
    tables: list[RawTable] = []
    digest = hashlib.sha256()
    for part in parts:
        content = _bytes(part)
        digest.update(hashlib.sha256(content).digest())
        tables.append(_file(content, str(part), settings))
        names, first = [column.name for column in tables[-1].columns], [column.name for column in tables[0].columns]
        if sorted(names) != sorted(first):
            odd = sorted(set(names) ^ set(first))[0]
            raise InputError(
                f"the parts of a table must have the same columns, but {odd!r} is in one of {parts[0].name} and "
                f"{part.name} only: repair {path}."
            )
    by_name = [{column.name: column.values for column in table.columns} for table in tables]
    columns = tuple(RawColumn(name, _joined([table[name] for table in by_name])) for name in by_name[0])
    return RawTable(columns, tuple(note for table in tables for note in table.notes)), digest.hexdigest()


def _joined(arrays: list[pa.Array]) -> pa.Array:
    if len({array.type for array in arrays}) > 1:
        arrays = [array.cast(pa.string()) for array in arrays]
    return pa.concat_arrays(arrays)


def _database(url: str) -> pa.Table:
    """Return the rows of a database's table or query."""
    address, _, fragment = url.partition("#")
    parts, wanted = urlsplit(address), unquote(fragment).strip()
    if not wanted:
        raise InputError(
            f"a database must be named with its table, but {url} has none: end it with #table, or #SELECT ... ."
        )
    if parts.password:
        raise InputError(
            "a database's URL must hold no password, because records keep it, but it has one: leave it out, and set "
            "PGPASSWORD or write it to ~/.pgpass."
        )
    query = f"SELECT * FROM {wanted}" if _NAME.match(wanted) else wanted
    read = _duckdb if parts.scheme == "duckdb" else _postgresql
    return read(address, query)


def _duckdb(url: str, query: str) -> pa.Table:
    path = Path(unquote(url.removeprefix("duckdb:///")))
    if not path.is_file():
        raise InputError(f"a DuckDB table must be in a file, but {path} is none: give duckdb:///path/to/file#table.")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            relation = connection.sql(query)
            if relation is None:
                raise InputError(f"a query must give rows, got {query!r} for {path}: write a SELECT.")
            return relation.to_arrow_table()
    except duckdb.Error as error:
        raise InputError(
            f"a database must answer {query!r}, but {path} does not ({_line(error)}): correct it."
        ) from error


def _postgresql(url: str, query: str) -> pa.Table:
    try:
        psycopg = importlib.import_module("psycopg")
    except ImportError as error:
        raise InputError(
            "PostgreSQL needs psycopg, which is not installed: pip install 'retrainlab[postgresql]'."
        ) from error
    try:
        with psycopg.connect(url) as connection:
            connection.read_only = True
            cursor = connection.execute(query)
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
    except psycopg.Error as error:
        raise InputError(
            f"a database must answer {query!r}, but {url} does not ({_line(error)}): correct the URL."
        ) from error
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: _typed(values) for name, values in zip(names, columns, strict=True)})


def _typed(values: Any) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # what Arrow has no type for, such as a UUID
        return pa.array([None if value is None else str(value) for value in values], type=pa.string())


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _content_hash(table: pa.Table) -> str:
    """Return a hash of the rows of a table, in whatever order a database gives them."""
    texts = pa.table({f"c{place}": table.column(place).cast(pa.string()) for place in range(table.num_columns)})
    ordered = texts.sort_by([(name, "ascending") for name in texts.column_names])
    digest = hashlib.sha256("\0".join(table.column_names).encode())
    for column in ordered.columns:
        for text in column.combine_chunks().to_pylist():
            digest.update(b"\0" if text is None else text.encode() + b"\1")
    return digest.hexdigest()
