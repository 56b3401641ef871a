"""`retrainlab data`: the real Telco table, and tables of one's own."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import AsJson, TableOptions
from sim.cli.terminal import show_one

data_app = typer.Typer(no_args_is_help=True, help="The real Telco table: fetch it, describe it, check a file.")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Which file is to be checked, and which of its columns are what."""

    file: Annotated[Path, typer.Argument(help="A CSV file.")]
    table: TableOptions = field(default_factory=TableOptions)
    as_json: AsJson = False


def fetch() -> None:
    """Download the Telco table into the cache and check it by its hash."""
    from sim.world.telco.table import fetch as fetch_table

    typer.echo(str(fetch_table()))


def describe(as_json: AsJson = False) -> None:
    """Say what the Telco table at hand holds."""
    from sim.world.telco.table import describe as describe_table

    show_one("Telco", asdict(describe_table()), as_json)


def check(options: CheckOptions) -> None:
    """Check that a file is the Telco table, or with --target a table of your own, and say what is wrong if not."""
    from sim.world.telco.table import describe as describe_table
    from sim.world.telco.table import load

    spec = options.table.spec(str(options.file))
    if options.table.target:
        show_one("Table", spec.describe(), options.as_json)
        return
    load(options.file)
    show_one("Telco", asdict(describe_table(options.file)), options.as_json)
