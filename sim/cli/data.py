"""`retrainlab data`: the real Telco table, and tables of one's own."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.options import AsJson, TableOptions
from sim.cli.screen import Whole, show_one, show_rows
from sim.cli.terminal import tell
from sim.errors import InputError

_MOST_COLUMNS = 10
_APART = ("columns", "notes", "refusals")

data_app = typer.Typer(no_args_is_help=True, help="The real Telco table: fetch it, describe it, check a file.")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Which file is to be checked, and which of its columns are what."""

    file: Annotated[str, typer.Argument(help="A file, a folder of parts, or the URL of a database's table.")]
    table: TableOptions = field(default_factory=TableOptions)
    as_json: AsJson = False
    whole: Whole = False


def fetch() -> None:
    """Download the Telco table into the cache and check it by its hash."""
    from sim.world.telco.table import fetch as fetch_table

    typer.echo(str(fetch_table()))


def describe(as_json: AsJson = False, whole: Whole = False) -> None:
    """Say what the Telco table at hand holds."""
    from sim.world.telco.table import describe as describe_table

    show_one("Telco", asdict(describe_table()), as_json=as_json, whole=whole)


def check(options: CheckOptions) -> None:
    """Check a table and say what each column is. With --target it is one of your own, else the Telco table."""
    from sim.world.telco.table import describe as describe_table
    from sim.world.telco.table import load

    if options.table.target:
        _check_own(options)
        return
    spec = options.table.spec(options.file)  # refuses what needs a target
    load(Path(spec.text))
    show_one("Telco", asdict(describe_table(Path(options.file))), as_json=options.as_json, whole=options.whole)


def _check_own(options: CheckOptions) -> None:
    """Show every column of a table of one's own; what can't be read is said at the end, with exit code 2."""
    schema = options.table.schema
    spec = options.table.spec(options.file, writes_schema=True)
    report = spec.describe(schema if schema is not None and not schema.exists() else None)
    if options.as_json:
        typer.echo(json.dumps(asdict(report), allow_nan=False))
    else:
        for note in report.notes:
            if not note.startswith("column ") or "gives the outcome away" in note or "is called" in note:
                tell(note)
        _show_own(report, whole=options.whole)
    if report.refusals:
        raise InputError(report.refusals[0])


def _show_own(report: Any, *, whole: bool) -> None:
    """Show the facts of a table, and its columns: those with a warning come first where not all are shown."""
    from reports.tables import rows_table

    told = {key: value for key, value in asdict(report).items() if key not in _APART and value is not None}
    facts = [f"{key.replace('_', ' ')}: {_told(value)}" for key, value in told.items()]
    columns = list(report.columns) if whole else sorted(report.columns, key=lambda column: not column.warnings)
    rows = [_row(column) for column in columns]
    show_rows(
        lambda shown: ["Table", *facts, "", rows_table("Columns", shown)], rows, whole=whole, most=_MOST_COLUMNS
    )


def _told(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)


def _row(column: Any) -> dict[str, Any]:
    """Return what the list says of a column."""
    return {
        "column": column.name,
        "kind": str(column.kind),
        "missing": column.missing,
        "values": column.values,
        "warning": "; ".join(column.warnings),
    }
