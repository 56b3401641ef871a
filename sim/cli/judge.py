"""`retrainlab judge`: what a finished run's record can't tell by itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import AsJson
from sim.cli.screen import Whole, show_rows


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """Which run is to be judged, and with what."""

    path: Annotated[Path, typer.Argument(help="The folder of a finished run.")]
    gates: Annotated[str, typer.Option(help="The TOML file of its gates, if they are none of the catalogue.")] = ""
    training: Annotated[
        str, typer.Option(help="The TOML file of its training profile, if it is none of the catalogue.")
    ] = ""
    split: Annotated[bool, typer.Option("--split", help="Also price gates, approval, training and late labels.")] = (
        False
    )
    as_json: AsJson = False
    whole: Whole = False


def judge(options: JudgeOptions) -> None:
    """Add recovery and regret to a run's record. Its world is replayed to find them."""
    from sim.study.judged_run import judge_run

    found = judge_run(options.path, options.gates, options.training, with_split=options.split)
    told = found.to_json()
    if options.as_json:
        typer.echo(json.dumps(told, allow_nan=False))
        return
    reasons = {name.removesuffix("_missing"): told.pop(name) for name in list(told) if name.endswith("_missing")}
    rows = [
        {"score": name, "value": value if value is not None else f"- ({reasons.get(name) or 'it never came'})"}
        for name, value in told.items()
    ]
    from reports.tables import rows_table

    closing = ["", f"They stand in the summary of {options.path / 'record.json'}."]
    show_rows(lambda shown: [rows_table("What its record now has, too", shown)], rows, closing, whole=options.whole)
