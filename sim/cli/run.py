"""`retrainlab run`: one policy, live on MLflow."""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.interrupt import resumable
from sim.cli.options import RUNS_FOLDER, AsJson, PopulationOptions, check_count
from sim.cli.screen import Whole, show_screen
from sim.cli.sizes import check_run, table_bytes
from sim.cli.terminal import listening, tell, terminal_width


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What one live run is asked for."""

    scenario: Annotated[str, typer.Argument(help="A scenario of the catalogue, or a TOML file.")]
    policy: Annotated[
        str | None,
        typer.Option(
            help="A policy of the catalogue, a TOML file, an expression such as 'f1_drop > 0.05', or a class of your "
            "own as path/to/file.py:ClassName (it is code, and will be run). Left out: proposal, or own_table "
            "for a table of your own."
        ),
    ] = None
    gates: Annotated[
        str | None,
        typer.Option(
            help="A gate profile of the catalogue, or a TOML file. Left out: telco_churn, or non_inferiority for a "
            "table of your own."
        ),
    ] = None
    training: Annotated[
        str,
        typer.Option(help="What retrainings learn from: a training profile or a TOML file; else the scenario's."),
    ] = ""
    population: PopulationOptions = field(default_factory=PopulationOptions)
    seed: Annotated[int, typer.Option(help="Which life of the scenario; a whole number from 0 on.")] = 1
    trials: Annotated[
        int, typer.Option(help="Trials of the search for the first model; 0 takes the scenario's recipe.")
    ] = 50
    out: Annotated[Path | None, typer.Option(help="The run folder; a new one under runs/ by default.")] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False
    tracking_uri: Annotated[str, typer.Option(help="MLflow tracking URI; a SQLite store by default.")] = ""
    registry_uri: Annotated[str, typer.Option(help="MLflow registry URI; the tracking URI by default.")] = ""
    model_name: Annotated[
        str,
        typer.Option(help="Registered model, retrainlab-SCENARIO by default; three-part catalogue names work too."),
    ] = ""
    as_json: AsJson = False
    whole: Whole = False


def run(options: RunOptions) -> None:
    """Play one policy live on MLflow. It scores, waits for labels, monitors, retrains, validates and promotes."""
    settings = _settings(options)

    from reports.report import REPORT_FOLDER, write_report
    from reports.run_screen import run_screen
    from reports.tables import closing_table
    from sim.mlops.live.run import tracking_uri
    from sim.study.run_folder import play_live, to_json
    from sim.study.run_told import tell_run

    with resumable(settings.folder), listening(settings.scenario.time.steps) as listener:
        record = play_live(settings, resume=options.resume, listener=listener)
        listener.phase("drawing the report and telling MLflow")
        tell_run(record, settings, [write_report(settings.folder)])
    options.population.tell_defaults(tell, is_policy_open=options.policy is None, is_gates_open=options.gates is None)
    if options.as_json:
        typer.echo(json.dumps({"folder": str(settings.folder), **to_json(record)}, allow_nan=False))
        return
    closing = [
        "",
        f"The run is in {settings.folder}, its report in {settings.folder / REPORT_FOLDER}. To look at its models:",
        f"mlflow ui --backend-store-uri {shlex.quote(tracking_uri(settings))}",
    ]
    parts = [closing_table(record)] if options.whole else list(run_screen(record, terminal_width()))
    show_screen(parts, closing, whole=options.whole)


def _settings(options: RunOptions) -> Any:
    """Read what the options name and return the settings of the run."""
    from scenarios.files import load_scenario

    asked = load_scenario(options.scenario)
    check_run(asked, options.trials, table_bytes(options.population))

    from policies.catalogue import load_policy
    from sim.mlops.gates.profiles import load_profile
    from sim.mlops.models.profiles import load_training

    check_count("--seed", options.seed)
    check_count("--trials", options.trials)
    fitting = options.population.defaults()
    policy = fitting.policy if options.policy is None else options.policy
    gates = fitting.gates if options.gates is None else options.gates
    chosen = load_policy(policy)
    profile, spec = load_profile(gates), options.population.spec()
    training = load_training(options.training) if options.training else None
    customers, played = spec.load(asked, tell)

    from sim.mlops.live.run import LiveSettings
    from sim.study.run_folder import run_folder

    title = f"{played.id}-{chosen.name}-seed{options.seed}"
    return LiveSettings(
        scenario=played,
        policy=chosen,
        population=customers,
        profile=profile,
        seed=options.seed,
        trials=options.trials,
        folder=options.out or run_folder(RUNS_FOLDER, title, resume=options.resume),
        tracking_uri=options.tracking_uri,
        registry_uri=options.registry_uri,
        model_name=options.model_name,
        population_arguments=spec.arguments,
        training=training,
    )
