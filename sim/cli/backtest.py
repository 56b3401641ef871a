"""`retrainlab backtest`: which trigger would have done best on a log of one's own."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.interrupt import resumable
from sim.cli.options import RUNS_FOLDER, AsJson, seeds
from sim.cli.screen import Whole, show_screen
from sim.cli.sizes import check_backtest, file_bytes
from sim.cli.terminal import complain, counting, tell, terminal_width
from sim.work_size import QUIET_PASTS

_POLICIES = ("f1_drop > 0.05", "score_psi > 0.2", "psi_max > 0.25", "null_rate > 0.1", "own_table", "never")


@dataclass(frozen=True, kw_only=True)
class LogColumnOptions:
    """Which columns of a log are what."""

    score: Annotated[str, typer.Option(help="The column of scores; usual names are known without it.")] = ""
    label: Annotated[str, typer.Option(help="The column of outcomes.")] = ""
    prediction: Annotated[str, typer.Option(help="The column of predictions; else --threshold decides.")] = ""
    date: Annotated[str, typer.Option(help="The column with the day of scoring.")] = ""
    label_date: Annotated[str, typer.Option(help="The column with the day on which the label came.")] = ""
    id_column: Annotated[str, typer.Option("--id", help="The column that names the customer.")] = ""
    version: Annotated[str, typer.Option(help="The column with the version of the model.")] = ""
    segment: Annotated[str, typer.Option(help="A column whose values get an F1 of their own.")] = ""
    partition: Annotated[str, typer.Option(help="The column that tells 'reference' rows from all others.")] = ""


@dataclass(frozen=True, kw_only=True)
class LogReadingOptions:
    """How a log is to be read."""

    reference: Annotated[
        str, typer.Option(help="A second file with the reference: what the model was tested on, before the log.")
    ] = ""
    drift: Annotated[str, typer.Option(help="The drift_metrics beside a Databricks monitor's profile_metrics.")] = ""
    threshold: Annotated[
        float | None, typer.Option(help="The score from which on churn is predicted; a half by default.")
    ] = None
    horizon: Annotated[int | None, typer.Option(help="Days after which a cohort's labels are complete.")] = None
    step_days: Annotated[int, typer.Option(min=1, help="The length of a step; 30 is a calendar month.")] = 30
    warmup_steps: Annotated[int | None, typer.Option(min=1, help="How many steps are the reference.")] = None
    churned: Annotated[str, typer.Option(help="The value of the label that a churner has.")] = ""
    ignore: Annotated[list[str], typer.Option(help="A column that is no feature (repeatable).")] = field(
        default_factory=list
    )
    date_format: Annotated[str, typer.Option(help="How dates are written where that is not clear.")] = ""
    schema: Annotated[Path | None, typer.Option(help="A TOML file of what columns are.")] = None


@dataclass(frozen=True, kw_only=True)
class BacktestOptions:
    """What one backtest is asked for."""

    log: Annotated[str, typer.Argument(help="A file, a folder of parts, or the URL of a database's table.")]
    columns: LogColumnOptions = field(default_factory=LogColumnOptions)
    reading: LogReadingOptions = field(default_factory=LogReadingOptions)
    policy: Annotated[list[str], typer.Option(help="A policy (repeatable), as for compare.")] = field(
        default_factory=lambda: list(_POLICIES)
    )
    gates: Annotated[str, typer.Option(help="A gate profile for retrainings.")] = "non_inferiority"
    scenario: Annotated[str, typer.Option(help="What sets prices, offers and jobs.")] = "steady"
    lives: Annotated[int, typer.Option("--seeds", help="How many lives of retrainings; 0 compares nothing.")] = 5
    out: Annotated[Path | None, typer.Option(help="The folder of results; a new one under runs/ by default.")] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted backtest.")] = False
    as_json: AsJson = False
    whole: Whole = False


def backtest(options: BacktestOptions) -> None:
    """Say of your own log when each trigger would have fired. And how late, and what retraining would have earned."""
    texts = (options.log, options.reading.reference, options.reading.drift)
    check_backtest(len(options.policy), options.lives, sum(file_bytes(text) for text in texts))

    from reports.report import write_report
    from sim.study.backtest.result_file import claim_backtest
    from sim.study.run_folder import run_folder

    result, opened = _found(options)
    folder = options.out or run_folder(RUNS_FOLDER, f"{result.name}-backtest", resume=options.resume)
    claim_backtest(result, folder, resume=options.resume)
    problems: list[str] = []
    compared = None
    with resumable(folder):
        page = write_report(folder)
        if opened is not None and opened.has_features and options.lives:
            compared, problems = _compared(options, folder / "comparison")
    if options.as_json:
        told = json.loads((folder / "backtest.json").read_text(encoding="utf-8"))
        board = None if compared is None else compared.leaderboard
        typer.echo(json.dumps({"folder": str(folder), "report": str(page), "compared": board is not None, **told}))
        return
    parts = _parts(result, whole=options.whole)
    if compared is not None:
        from sim.cli.boards import board_parts

        parts += ["", *board_parts(compared.leaderboard, folder / "comparison", whole=options.whole)]
    show_screen(parts, ["", f"The report is {page}."], whole=options.whole)
    complain(problems)


def _parts(result: Any, *, whole: bool) -> list[Any]:
    """Return what a backtest says on the terminal: a screen of it, or all of its tables."""
    if not whole:
        from reports.backtest_screen import backtest_screen

        return list(backtest_screen(result, terminal_width()))
    from reports.backtest_first_page import backtest_first_page
    from reports.backtest_report import segment_rows, trigger_rows
    from reports.tables import rows_table

    tables = [rows_table("What each trigger would have said", trigger_rows(result))]
    if result.segments:
        tables.append(rows_table("F1 by segment", segment_rows(result)))
    return [*tables, backtest_first_page(result).answer, *(f"Not known: {reason}." for reason in result.missing)]


def _found(options: BacktestOptions) -> Any:
    """Return what a log, or the tables of a monitor, say, and the log if it is one."""
    from policies.catalogue import load_policy
    from scenarios.files import load_scenario
    from sim.study.backtest.findings import backtest as find
    from sim.study.backtest.metrics import backtest_of_metrics, is_metrics
    from sim.world.log_population import open_log

    specs = [load_policy(text) for text in options.policy]
    if is_metrics(options.log):
        return backtest_of_metrics(options.log, options.reading.drift, specs, options.reading.warmup_steps), None
    opened = open_log(options.log, _log_options(options), _reading(options), load_scenario(options.scenario), tell)
    with counting(QUIET_PASTS) as on_past:
        return find(opened, specs, 1, on_past), opened


def _log_options(options: BacktestOptions) -> Any:
    from sim.world.log_population import LogOptions
    from sim.world.own.log_table import LogColumns

    columns, reading = options.columns, options.reading
    return LogOptions(
        columns=LogColumns(
            score=columns.score,
            label=columns.label,
            prediction=columns.prediction,
            date=columns.date,
            label_date=columns.label_date,
            id=columns.id_column,
            version=columns.version,
            segment=columns.segment,
            partition=columns.partition,
        ),
        threshold=reading.threshold,
        horizon_days=reading.horizon,
        step_days=reading.step_days,
        warmup_steps=reading.warmup_steps,
    )


def _reading(options: BacktestOptions) -> Any:
    from sim.world.own.table import Reading

    reading = options.reading
    return Reading(
        churned=reading.churned or None,
        ignored=tuple(reading.ignore),
        date_format=reading.date_format or None,
        schema=reading.schema,
        before=reading.reference,
    )


def _compared(options: BacktestOptions, folder: Path) -> Any:
    """Play the policies on the log, with retrainings that learn from it; return the comparison and its problems."""
    from reports.report import write_report
    from sim.cli.options import cache_folder
    from sim.study.comparison.compare import compare
    from sim.study.comparison.plan import OF_ONE_HISTORY, StudyRequest, plan_study
    from sim.study.comparison.problems import problems
    from sim.study.comparison.study_file import STUDY_FILE
    from sim.world.population_spec import PopulationSpec

    request = StudyRequest(
        scenarios=(options.scenario,),
        policies=tuple(dict.fromkeys((*options.policy, "never"))),
        gates=(options.gates,),
        seeds=seeds(options.lives),
        population=PopulationSpec(options.log, reading=_reading(options), log=_log_options(options)),
    )
    study = plan_study(request, lambda _: None).study
    with counting(len(study.orders())) as on_world:
        begun = (folder / STUDY_FILE).exists()
        done = compare(study, folder, resume=begun, cache_folder=cache_folder(), on_world=on_world)
    write_report(folder)
    tell(OF_ONE_HISTORY)
    return done, problems(study, done, [], "", folder)
