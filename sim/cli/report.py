"""`retrainlab report`: charts and one page of what was played."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import AsJson
from sim.cli.terminal import say
from sim.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What is to be drawn, and at which prices."""

    path: Annotated[Path, typer.Argument(help="The folder of a run, comparison, backtest, surface or tuning.")]
    prices: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="More prices, after --price.")] = (
        None
    )
    price: Annotated[list[str], typer.Option(help="Price it again, as --price value=2500 success_rate=0.4.")] = field(
        default_factory=list
    )
    against: Annotated[
        Path | None, typer.Option(help="For a run: another one in the same world, drawn as before.")
    ] = None
    as_json: AsJson = False


def report(options: ReportOptions) -> None:
    """Draw the report of what was played or searched. It is one HTML page with its charts, in the folder report/."""
    from sim.study.scores.pricing import parse_prices

    more = options.prices or []
    if more and not options.price:
        raise InputError(f"prices must come after --price, got {more[0]!r} without it; add --price.")
    change = parse_prices([*options.price, *more])

    from reports.report import write_report

    page = write_report(options.path, change, options.against)
    if options.as_json:
        pictures = sorted(item.name for item in page.parent.iterdir() if item.suffix in {".svg", ".png"})
        typer.echo(json.dumps({"report": str(page), "pictures": pictures}))
    else:
        say(str(page))
