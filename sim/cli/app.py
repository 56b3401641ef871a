"""The command line. Heavy imports wait until a command needs them, so that help is quick."""

import json
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sim.cli.terminal import (
    counting,
    inline,
    listening,
    show,
    show_boards,
    show_one,
    show_tables,
    tell,
    tell_drift,
    tell_of_gates,
    wrapped,
)
from sim.errors import InputError, WorkError, did_you_mean

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="When should a deployed model be retrained, and what is that worth?",
)
data_app = typer.Typer(no_args_is_help=True, help="The real Telco table: fetch it, describe it, check a file.")
app.add_typer(data_app, name="data")


class _NameOrCommand(TyperGroup):
    """A group that takes what is none of its commands as the name of an entry to show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command `show` before the name."""
        is_command = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if is_command else ["show", *args])


gates_app = typer.Typer(cls=_NameOrCommand, help="The gate profiles: what each threshold means, and what it lets by.")
app.add_typer(gates_app, name="gates")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]
PopulationName = Annotated[
    str,
    typer.Option(
        help="telco, twin, a CSV of your own (with --target), or the path of Telco's; the scenario's if left out."
    ),
]
Target = Annotated[str, typer.Option(help="The column of your own table that says who churned.")]
IdColumn = Annotated[str, typer.Option("--id", help="The column of your own table that names the customer.")]
DateColumn = Annotated[
    str, typer.Option("--date", help="The column of dates in your own table, which is then replayed as it happened.")
]
Name = Annotated[str | None, typer.Argument(help="One entry; all are listed without it.")]
RUNS_FOLDER = Path("runs")


def run_app() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 bad usage or bad input."""
    try:
        app()
    except (InputError, WorkError) as error:
        typer.echo(f"retrainlab: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A scenario of the catalogue, or a TOML file.")],
    policy: Annotated[
        str,
        typer.Option(
            help="A policy of the catalogue, a TOML file, an expression such as 'f1_drop > 0.05', or a class of your "
            "own as path/to/file.py:ClassName (it is code, and will be run)."
        ),
    ] = "proposal",
    gates: Annotated[str, typer.Option(help="A gate profile of the catalogue, or a TOML file.")] = "telco_churn",
    population: PopulationName = "",
    target: Target = "",
    id_column: IdColumn = "",
    date_column: DateColumn = "",
    seed: Annotated[int, typer.Option(help="Which life of the scenario; a whole number from 0 on.")] = 1,
    trials: Annotated[
        int, typer.Option(help="Trials of the search for the first model; 0 takes the scenario's recipe.")
    ] = 50,
    out: Annotated[Path | None, typer.Option(help="The run folder; a new one under runs/ by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    tracking: Annotated[
        str, typer.Option("--tracking-uri", help="MLflow tracking URI; a SQLite store by default.")
    ] = "",
    registry: Annotated[
        str, typer.Option("--registry-uri", help="MLflow registry URI; the tracking URI by default.")
    ] = "",
    model_name: Annotated[
        str, typer.Option(help="Registered model; a three-part catalogue name works too.")
    ] = "churn",
    as_json: AsJson = False,
) -> None:
    """Play one policy live on MLflow: score, wait for labels, monitor, retrain, validate, promote."""
    from policies.catalogue import load_policy
    from scenarios.files import load_scenario
    from sim.mlops.gates.profiles import load_profile
    from sim.world.population_spec import PopulationSpec

    _check_count("--seed", seed)
    _check_count("--trials", trials)
    asked = load_scenario(scenario)
    chosen = load_policy(policy)
    profile = load_profile(gates)
    spec = PopulationSpec(population, target, id_column, date_column)
    customers, asked = spec.load(asked, tell)

    from reports.tables import closing_table
    from sim.mlops.live.run import LiveSettings, tracking_uri
    from sim.study.run_folder import play_live, run_folder, to_json

    settings = LiveSettings(
        scenario=asked,
        policy=chosen,
        population=customers,
        profile=profile,
        seed=seed,
        trials=trials,
        folder=out or run_folder(RUNS_FOLDER, f"{asked.id}-{chosen.name}-seed{seed}", resume=resume),
        tracking_uri=tracking,
        registry_uri=registry,
        model_name=model_name,
        population_arguments=spec.arguments,
    )
    try:
        with listening(asked.time.steps) as listener:
            record = play_live(settings, resume=resume, listener=listener)
    except KeyboardInterrupt:
        typer.echo(f"retrainlab: interrupted; add --resume --out {shlex.quote(str(settings.folder))}.", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"folder": str(settings.folder), **to_json(record)}, allow_nan=False))
        return
    show_tables(closing_table(record))
    typer.echo(f"\nThe run is in {settings.folder}. To look at its models:")
    typer.echo(f"mlflow ui --backend-store-uri {shlex.quote(tracking_uri(settings))}")
    typer.echo(f"To draw it:\nretrainlab report {shlex.quote(str(settings.folder))}")


@app.command()
def compare(
    scenarios: Annotated[list[str], typer.Argument(help="Scenarios of the catalogue, or TOML files.")],
    policy: Annotated[
        list[str],
        typer.Option(
            help="A policy (repeatable): as for run, or oracle, or coin(like=POLICY); {a} is filled by --grid."
        ),
    ] = ["proposal", "never"],  # noqa: B006 - typer copies it
    gates: Annotated[list[str], typer.Option(help="A gate profile (repeatable).")] = ["telco_churn"],  # noqa: B006
    grid: Annotated[list[str], typer.Option(help="Values of a placeholder, as a=0.02:0.10:9 or a=1,2.")] = [],  # noqa: B006
    baseline: Annotated[str, typer.Option(help="The policy that all others are paired with.")] = "never",
    seeds: Annotated[int, typer.Option(help="How many lives of each scenario, from seed 1 on.")] = 10,
    population: PopulationName = "",
    target: Target = "",
    id_column: IdColumn = "",
    date_column: DateColumn = "",
    trials: Annotated[int, typer.Option(min=0, help="Trials of a search for each first model; 0: as stored.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Worlds played at once, each in its own process.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The study folder; a new one under runs/ by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted comparison.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much work it is, and stop.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Price gates, approval, training and label delay too.")
    ] = False,
    fail_if: Annotated[list[str], typer.Option(help="Exit with 1 if so, as 'proposal.regret > 5000'.")] = [],  # noqa: B006
    tracking: Annotated[str, typer.Option("--tracking-uri", help="MLflow tracking; else SQLite in the folder.")] = "",
    cache: Annotated[Path | None, typer.Option(help="Where worlds are kept for the next comparison.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare policies over scenarios and seeds, paired, with intervals; each world is trained for once."""
    from scenarios.files import load_scenario
    from sim.mlops.gates.profiles import load_profile
    from sim.study.comparison.conditions import parse_condition
    from sim.study.comparison.contestants import contestants, parse_grid

    lives = _seeds(seeds)
    asked = tuple(load_scenario(name) for name in scenarios)
    chosen = contestants(policy, parse_grid(grid))
    conditions = [parse_condition(text, [each.name for each in chosen if not each.is_ablation]) for text in fail_if]
    profiles = tuple(load_profile(name) for name in gates)

    from sim.world.population_spec import PopulationSpec

    spec = PopulationSpec(population, target, id_column, date_column)
    asked = _as_played(asked, spec)

    from sim.study.comparison.compare import Study, expected_seconds
    from sim.study.comparison.compare import compare as play_study
    from sim.study.run_folder import run_folder

    study = Study(asked, chosen, profiles, lives, baseline, spec, trials, split)
    if dry_run:
        told = {"worlds": len(study.orders()), "cells": study.cell_count, "seconds": expected_seconds(study, workers)}
        show("Work", [told], as_json)
        return
    if tracking:
        from sim.study.comparison.tracking import check_store

        check_store(tracking)
    title = "-".join([*(scenario.id for scenario in asked), "comparison"])
    folder = out or run_folder(RUNS_FOLDER, title, resume=resume)
    try:
        with counting(len(study.orders())) as on_world:
            comparison = play_study(
                study,
                folder,
                workers=workers,
                resume=resume,
                cache_folder=cache or _cache_folder(),
                on_world=on_world,
            )
    except KeyboardInterrupt:
        typer.echo(f"retrainlab: interrupted; add --resume --out {shlex.quote(str(folder))}.", err=True)
        raise typer.Exit(1) from None

    met = [condition.text for condition in conditions if condition.is_met(comparison.leaderboard)]
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "fail_if": met, **comparison.leaderboard}, allow_nan=False))
    else:
        show_boards(comparison.leaderboard, folder)
    tell_of_gates(comparison.leaderboard)
    problems = [f"{text} holds." for text in met]
    problems += [
        f"{row['scenario']} seed {row['seed']} {row['policy']}: {row['error']}"
        for row in comparison.failures.to_dict("records")
    ]
    problems += _tracking_problem(study, comparison, tracking, folder)
    for problem in problems:
        typer.echo(f"retrainlab: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def report(
    path: Annotated[Path, typer.Argument(help="The folder of a run or a comparison.")],
    prices: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="More prices, after --price.")
    ] = None,
    price: Annotated[list[str], typer.Option(help="Price it again, as --price value=2500 success_rate=0.4.")] = [],  # noqa: B006 - typer copies it
    against: Annotated[
        Path | None, typer.Option(help="For a run: another one in the same world, drawn as before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw charts and one HTML page of a run or a comparison, into its folder report/."""
    from sim.study.scores.pricing import parse_prices

    if prices and not price:
        raise InputError(f"prices must come after --price, got {prices[0]!r} without it; add --price.")
    change = parse_prices([*price, *(prices or [])])

    from reports.report import write_report

    page = write_report(path, change, against)
    if as_json:
        pictures = sorted(item.name for item in page.parent.iterdir() if item.suffix in {".svg", ".png"})
        typer.echo(json.dumps({"report": str(page), "pictures": pictures}))
    else:
        typer.echo(str(page))


@app.command()
def scenarios(name: Name = None, as_json: AsJson = False) -> None:
    """List the scenarios, or tell the story of one."""
    from scenarios.files import catalogue, load_scenario, to_toml

    if name is None:
        rows = [{"scenario": s.name, "title": s.title, "onset step": s.onset_step} for s in catalogue().values()]
        show("Scenarios", rows, as_json)
        return
    scenario = load_scenario(name)
    if as_json:
        typer.echo(scenario.model_dump_json())
        return
    typer.echo(f"{scenario.name}: {scenario.title}\n\n{wrapped(scenario.story)}\n")
    tell_drift(scenario)
    toml = to_toml(scenario.model_copy(update={"story": ""})).replace('story = ""\n', "")
    typer.echo(toml, nl=False)


@app.command()
def policies(name: Name = None, as_json: AsJson = False) -> None:
    """List the policies, or explain one."""
    from policies.catalogue import catalogue, load_policy

    if name is None:
        rows = [
            {
                "policy": spec.name,
                "kind": spec.kind,
                "parameters": inline(spec.parameters if as_json else spec.chosen),
            }
            for spec in catalogue().values()
        ]
        show("Policies", rows, as_json)
        return
    spec = load_policy(name)
    if as_json:
        told = {"name": spec.name, "kind": spec.kind, "parameters": dict(spec.parameters), "story": spec.story}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{spec.name}\n\n{wrapped(spec.story)}\n\n{replace(spec, story='').to_toml()}", nl=False)


@app.command()
def signals(name: Name = None, as_json: AsJson = False) -> None:
    """List the signals that a rule may use, with meaning and unit."""
    from policies.signals import CATALOGUE

    if name is not None and name not in CATALOGUE:
        raise InputError(
            f"a signal must be one of {', '.join(CATALOGUE)}, got {name!r}.{did_you_mean(name, CATALOGUE)}"
        )
    infos = [CATALOGUE[name]] if name else list(CATALOGUE.values())
    rows = [
        {
            "signal": i.name,
            "meaning": i.meaning,
            "unit": i.unit,
            "measured": "on request" if i.on_request else "always",
        }
        for i in infos
    ]
    show("Signals", rows, as_json)


@gates_app.command("show")
def show_gates(name: Name = None, as_json: AsJson = False) -> None:
    """List the gate profiles, or explain each threshold of one."""
    from sim.mlops.gates.explanations import explain
    from sim.mlops.gates.profiles import load_profile, profiles

    if name is None:
        show("Gate profiles", [{"profile": p, "about": load_profile(p).description} for p in profiles()], as_json)
        return
    profile = load_profile(name)
    lines = [asdict(line) for line in explain(profile)]
    if not as_json:
        for line in lines:
            del line["implied_by"]  # the sentence says it, and needs the room
    show(f"Gates of {profile.name}", lines, as_json)


@gates_app.command("power")
def power_of_gates(
    profile: Annotated[list[str], typer.Option(help="A gate profile (repeatable).")] = ["telco_churn"],  # noqa: B006
    holdout: Annotated[str, typer.Option(help="Labelled rows that a gate sees.")] = "100,200,400,1000,2000",
    difference: Annotated[
        str, typer.Option(help="True F1 of the challenger less the champion's.")
    ] = "-0.1,-0.05,-0.02,0,0.02,0.05",
    scenario: Annotated[str, typer.Option(help="The world whose step 0 models come from, on the twin.")] = "steady",
    seeds: Annotated[int, typer.Option(help="Worlds; intervals are over them.")] = 10,
    holdouts: Annotated[int, typer.Option(help="Holdouts of each size drawn in each world.")] = 40,
    chart: Annotated[Path | None, typer.Option(help="Draw it too, as a file ending in .svg or .png.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how often each gate, and all together, let a worse model through and stop a better one."""
    from reports.gate_power import check_chart_path, draw_power, power_tables
    from scenarios.files import load_scenario
    from sim.mlops.gates.profiles import load_profile
    from sim.study.gate_power import PowerStudy, gate_power

    study = PowerStudy(
        scenario=load_scenario(scenario),
        profiles=tuple(load_profile(name) for name in profile),
        holdouts=tuple(_whole_numbers("--holdout", holdout)),
        differences=tuple(_numbers("--difference", difference)),
        seeds=seeds,
        holdouts_per_world=holdouts,
    )
    if chart is not None:
        check_chart_path(chart)
    result = gate_power(study)
    if chart is not None:
        draw_power(result, chart)
    if as_json:
        typer.echo(json.dumps({"scenario": study.scenario.name, **asdict(result)}, allow_nan=False))
        return
    show_tables(power_tables(result))


@data_app.command()
def fetch() -> None:
    """Download the Telco table into the cache and check it by its hash."""
    from sim.world.telco.table import fetch as fetch_table

    typer.echo(str(fetch_table()))


@data_app.command()
def describe(as_json: AsJson = False) -> None:
    """Say what the Telco table at hand holds."""
    from sim.world.telco.table import describe as describe_table

    show_one("Telco", asdict(describe_table()), as_json)


@data_app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A CSV file.")],
    target: Target = "",
    id_column: IdColumn = "",
    date_column: DateColumn = "",
    as_json: AsJson = False,
) -> None:
    """Check that a file is the Telco table, or with --target a table of your own, and say what is wrong if not."""
    from sim.world.population_spec import PopulationSpec
    from sim.world.telco.table import describe as describe_table
    from sim.world.telco.table import load

    spec = PopulationSpec(str(file), target, id_column, date_column)
    if target:
        show_one("Table", spec.describe(), as_json)
        return
    load(file)
    show_one("Telco", asdict(describe_table(file)), as_json)


def _tracking_problem(study: Any, comparison: Any, tracking_uri: str, folder: Path) -> list[str]:
    """Log a comparison to MLflow and return what went wrong; the results are in the folder all the same."""
    from sim.mlops.stores.mlflow_registry import STORE_ERRORS
    from sim.study.comparison.tracking import first_line, track

    try:
        track(study, comparison, tracking_uri or f"sqlite:///{(folder / 'mlflow.db').resolve()}", folder)
    except STORE_ERRORS as error:
        return [f"the results are in {folder}, but MLflow did not take them: {first_line(error)}"]
    return []


def _cache_folder() -> Path:
    """Return where worlds are kept between comparisons; only its user writes there."""
    from sim.world.telco.table import cache_folder

    return cache_folder() / "worlds"


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} must be numbers with commas between them, got {text!r}.") from error


def _whole_numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} must be whole numbers with commas between them, got {text!r}.") from error


def _check_count(option: str, value: int) -> None:
    if value < 0:
        raise InputError(f"{option} must be a whole number from 0 on, got {value}; give another.")


def _seeds(count: int) -> tuple[int, ...]:
    if count < 1:
        raise InputError(f"--seeds must be a whole number from 1 on, got {count}; give another.")
    return tuple(range(1, count + 1))


def _as_played(asked: tuple[Any, ...], spec: Any) -> tuple[Any, ...]:
    """Return the scenarios as they can be played with a table of one's own, and say once how well it fits."""
    if not spec.target:
        return asked
    sentences: set[str] = set()
    played = tuple(spec.load(scenario, sentences.add)[1] for scenario in asked)
    for sentence in sentences:
        tell(sentence)
    return played
