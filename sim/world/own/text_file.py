"""A text file as columns: its encoding, its separator, and every row with as many values as the header.

The separator is found by DuckDB's sniffer; the rows are read by Python's `csv` in strict mode, which swallows no
quote.
"""

import csv
import io
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
from charset_normalizer import from_bytes

from sim.errors import InputError
from sim.world.own.cells import RawColumn

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
REMEDY = "give a table with a header and a row for each customer"
"""What to do where there is no table at all."""

_SEPARATORS = (",", ";", "\t", "|")
_FOREIGN = re.compile(r"\w*[^\W\x00-\x7f]\w*")
"""A word that is not ASCII."""
_SAMPLE_BYTES = 200_000
_SAMPLE_LINES = 1_000
_MOST_PREAMBLE = 20
_EXCEL_HINT = re.compile(r'^"?sep=([,;\t|])"?$')


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How a text file is to be read; what is `None` is found out."""

    encoding: str | None = None
    separator: str | None = None


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table as its source has it, and what had to be decided to read it."""

    columns: tuple[RawColumn, ...]
    notes: tuple[str, ...] = ()
    settings: TextSettings = field(default_factory=TextSettings)


def read_text_table(content: bytes, where: str, settings: TextSettings) -> RawTable:
    """Return the columns of a text file.

    Raises
    ------
    InputError
        If it is no table: no rows, a row with another number of values, an open quote, a name missing or twice.
    """
    text, encoding, notes = decoded(content, where, settings.encoding)
    if text.lstrip().startswith(("{", "[")):
        raise InputError(
            f"the customer table must be CSV, Parquet or Excel, but {where} holds JSON: convert it, as "
            f"pandas.read_json(file, lines=True).to_csv('customers.csv', index=False) does."
        )
    lines = text.splitlines()[:_MOST_PREAMBLE]
    hinted = _EXCEL_HINT.match(lines[0].strip()) if lines else None
    separator = settings.separator or (hinted[1] if hinted else _sniffed(text))
    rows = _rows(text, separator, where)
    if not rows:
        raise InputError(f"the customer table must have a header and rows, but {where} is empty: {REMEDY}.")
    skipped = 1 if hinted else _preamble(rows)
    if skipped and not hinted:
        notes = (*notes, f"{skipped} line{'s' * (skipped > 1)} above the header of {where} left out")
    header, body = [" ".join(cell.split()) for cell in rows[skipped]], rows[skipped + 1 :]
    header, body, dropped = _without_nameless(header, body, where)
    notes = (*notes, *dropped)
    _check(header, body, where)
    columns = tuple(
        RawColumn(name, pa.array(cells, type=pa.string()))
        for name, cells in zip(header, zip(*body, strict=True), strict=True)
    )
    return RawTable(columns, notes, TextSettings(encoding, separator))


def decoded(content: bytes, where: str, encoding: str | None) -> tuple[str, str, tuple[str, ...]]:
    """Return the text of a file, its encoding, and a word where that had to be guessed."""
    if encoding is not None:
        return _strictly(content, encoding, where), encoding, ()
    for bom, name in _BOMS:
        if content.startswith(bom):
            return _strictly(content, name, where), name, ()
    if b"\0" in content:
        sample = content[:_SAMPLE_BYTES]
        for name, place in (("utf-16-le", 1), ("utf-16-be", 0)):
            if sample[place::2].count(0) > len(sample) // 4:
                return _strictly(content, name, where), name, ()
        raise InputError(f"the customer table must be text, but {where} has zero bytes: export it as CSV.")
    try:
        return content.decode("utf-8"), "utf-8", ()
    except UnicodeDecodeError as error:
        return _guessed(content, error.start, where)


def _strictly(content: bytes, encoding: str, where: str) -> str:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(f"{where} must be text in {encoding}, but is not ({error}): save it anew.") from error


def _guessed(content: bytes, start: int, where: str) -> tuple[str, str, tuple[str, ...]]:
    """Decode what is no UTF-8, and show what became of the first byte that says so."""
    lines = [line for line in content.splitlines() if not line.isascii()]
    best = from_bytes(b"\n".join(lines[:_SAMPLE_LINES])).best()
    names = ["cp1252"] if best is None else [best.encoding]
    sample = b"\n".join(lines[:_SAMPLE_LINES])
    try:
        if best is None or sample.decode(best.encoding) == sample.decode("cp1252"):
            names = ["cp1252"]
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode(names[0])
    except UnicodeDecodeError as error:
        raise InputError(
            f"the customer table must be UTF-8 text, but byte {start} of {where} is not: save it as UTF-8."
        ) from error
    word = _FOREIGN.search(text)  # of the whole text: a line of bytes need not be one of characters
    return text, names[0], (f"{where} is no UTF-8 and was read as {names[0]}: check {word[0] if word else ''!r}",)


def _sniffed(text: str) -> str:
    """Return the separator that DuckDB's sniffer finds; if it finds but one column, the header's commonest one."""
    lines = text[:_SAMPLE_BYTES].splitlines()[:_SAMPLE_LINES]
    sample = "\n".join(lines[:-1] if len(text) > _SAMPLE_BYTES else lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.csv"
        path.write_text(sample + "\n", encoding="utf-8")
        try:
            with duckdb.connect() as connection:
                row = connection.execute(
                    "SELECT Delimiter, len(Columns) FROM sniff_csv(?, all_varchar = true)", [str(path)]
                ).fetchone()
        except duckdb.Error:
            row = None
    if row is not None and row[1] > 1 and row[0] in _SEPARATORS:
        return str(row[0])
    counts = Counter(character for character in lines[0] if character in _SEPARATORS) if lines else Counter()
    return counts.most_common(1)[0][0] if counts else ","


def _rows(text: str, separator: str, where: str) -> list[list[str]]:
    """Return the rows that are not blank; `InputError`, with the row, if a quote is open or is closed too early."""
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows.extend(row for row in reader if row)
    except csv.Error as error:
        raise InputError(
            f"the customer table must be well-formed CSV, but row {len(rows)} of {where} is not ({error}): look "
            f"for a "
            f"quote that is not closed."
        ) from error
    return rows


def _preamble(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows of one value stand above the header of a table of several columns."""
    for number, row in enumerate(rows[:_MOST_PREAMBLE]):
        if len([cell for cell in row if cell.strip()]) > 1:
            width = len(row)
            return number if number + 1 < len(rows) and len(rows[number + 1]) == width else 0
    return 0


def _without_nameless(
    header: list[str], body: list[list[str]], where: str
) -> tuple[list[str], list[list[str]], tuple[str, ...]]:
    """Leave out columns without name and value, as Excel's trailing separators make them."""
    empty = [
        place
        for place, name in enumerate(header)
        if not name and all(len(row) <= place or not row[place].strip() for row in body)
    ]
    if not empty or len(empty) == len(header) or any(len(row) != len(header) for row in body):
        return header, body, ()
    kept = [place for place in range(len(header)) if place not in empty]
    note = f"column {empty[0] + 1} of {where} has no name and no values: left out"
    return [header[place] for place in kept], [[row[place] for place in kept] for row in body], (note,)


def _check(header: Sequence[str], body: Sequence[Sequence[str]], where: str) -> None:
    if "" in header:
        raise InputError(
            f"each column must have a name, but column {list(header).index('') + 1} of {where} has none: name it or "
            f"drop it."
        )
    if repeated := sorted(name for name, count in Counter(header).items() if count > 1):
        raise InputError(f"each column must occur once, but {where} repeats {', '.join(repeated)}: drop the copies.")
    if not body:
        raise InputError(f"the customer table must have rows, but {where} has only a header: {REMEDY}.")
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise InputError(
                f"each row must have {len(header)} values, but row {number} of {where} has {len(row)}: repair the "
                f"row."
            )
