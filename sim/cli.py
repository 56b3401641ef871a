"""The command line. Heavy imports wait until a command needs them, so that help is quick."""

import json
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.errors import InputError, did_you_mean

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="When should a deployed model be retrained, and what is that worth?",
)
data_app = typer.Typer(no_args_is_help=True, help="The real Telco table: fetch it, describe it, check a file.")
app.add_typer(data_app, name="data")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]
Name = Annotated[str | None, typer.Argument(help="One entry; all are listed without it.")]
RUNS_FOLDER = Path("runs")


def main() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 bad usage or bad input."""
    try:
        app()
    except InputError as error:
        typer.echo(f"retrainlab: {error}", err=True)
        sys.exit(2)


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
    population: Annotated[str, typer.Option(help="telco, twin, or the path of the Telco table.")] = "telco",
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
    from sim.mlops.gate_profiles import load_profile
    from sim.world.population import load_population

    _check_count("--seed", seed)
    _check_count("--trials", trials)
    asked = load_scenario(scenario)
    chosen = load_policy(policy)
    profile = load_profile(gates)
    customers = load_population(population)

    from reports.tables import closing_table
    from sim.mlops.live import LiveSettings, tracking_uri
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
    )
    try:
        with _listening(asked.time.steps) as listener:
            record = play_live(settings, resume=resume, listener=listener)
    except KeyboardInterrupt:
        typer.echo(f"retrainlab: interrupted; add --resume --out {shlex.quote(str(settings.folder))}.", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"folder": str(settings.folder), **to_json(record)}, allow_nan=False))
        return
    _print(closing_table(record))
    typer.echo(f"\nThe run is in {settings.folder}. To look at its models:")
    typer.echo(f"mlflow ui --backend-store-uri {shlex.quote(tracking_uri(settings))}")


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
    population: Annotated[str, typer.Option(help="telco, twin, or the path of the Telco table.")] = "telco",
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
    from sim.mlops.gate_profiles import load_profile
    from sim.study.conditions import parse_condition
    from sim.study.contestants import contestants, parse_grid

    lives = _seeds(seeds)
    asked = tuple(load_scenario(name) for name in scenarios)
    chosen = contestants(policy, parse_grid(grid))
    conditions = [parse_condition(text, [each.name for each in chosen if not each.is_ablation]) for text in fail_if]
    profiles = tuple(load_profile(name) for name in gates)

    from sim.study.compare import Study, expected_seconds
    from sim.study.compare import compare as play_study
    from sim.study.run_folder import run_folder

    study = Study(asked, chosen, profiles, lives, baseline, population, trials, split)
    if dry_run:
        told = {"worlds": len(study.orders()), "cells": study.cell_count, "seconds": expected_seconds(study, workers)}
        _show("Work", [told], as_json)
        return
    if tracking:
        from sim.study.tracking import check_store

        check_store(tracking)
    title = "-".join([*(scenario.id for scenario in asked), "comparison"])
    folder = out or run_folder(RUNS_FOLDER, title, resume=resume)
    try:
        with _counting(len(study.orders())) as on_world:
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
        _print_boards(comparison.leaderboard, folder)
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
def scenarios(name: Name = None, as_json: AsJson = False) -> None:
    """List the scenarios, or tell the story of one."""
    from scenarios.files import catalogue, load_scenario, to_toml

    if name is None:
        rows = [{"scenario": s.name, "title": s.title, "onset step": s.onset_step} for s in catalogue().values()]
        _show("Scenarios", rows, as_json)
        return
    scenario = load_scenario(name)
    if as_json:
        typer.echo(scenario.model_dump_json())
        return
    toml = to_toml(scenario.model_copy(update={"story": ""})).replace('story = ""\n', "")
    typer.echo(f"{scenario.name}: {scenario.title}\n\n{_wrapped(scenario.story)}\n\n{toml}", nl=False)


@app.command()
def policies(name: Name = None, as_json: AsJson = False) -> None:
    """List the policies, or explain one."""
    from policies.catalogue import catalogue, load_policy

    if name is None:
        rows = [
            {
                "policy": spec.name,
                "kind": spec.kind,
                "parameters": _inline(spec.parameters if as_json else spec.chosen),
            }
            for spec in catalogue().values()
        ]
        _show("Policies", rows, as_json)
        return
    spec = load_policy(name)
    if as_json:
        told = {"name": spec.name, "kind": spec.kind, "parameters": dict(spec.parameters), "story": spec.story}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{spec.name}\n\n{_wrapped(spec.story)}\n\n{replace(spec, story='').to_toml()}", nl=False)


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
    _show("Signals", rows, as_json)


@app.command()
def gates(name: Name = None, as_json: AsJson = False) -> None:
    """List the gate profiles, or explain each threshold of one."""
    from sim.mlops.gate_profiles import explain, load_profile, profiles

    if name is None:
        _show("Gate profiles", [{"profile": p, "about": load_profile(p).description} for p in profiles()], as_json)
        return
    profile = load_profile(name)
    _show(f"Gates of {profile.name}", [asdict(line) for line in explain(profile)], as_json)


@data_app.command()
def fetch() -> None:
    """Download the Telco table into the cache and check it by its hash."""
    from sim.world.telco import fetch as fetch_table

    typer.echo(str(fetch_table()))


@data_app.command()
def describe(as_json: AsJson = False) -> None:
    """Say what the Telco table at hand holds."""
    from sim.world.telco import describe as describe_table

    _show_one("Telco", asdict(describe_table()), as_json)


@data_app.command()
def check(file: Annotated[Path, typer.Argument(help="A CSV file.")], as_json: AsJson = False) -> None:
    """Check that a file is the Telco table, and say what is wrong with it if not."""
    from sim.world.telco import describe as describe_table
    from sim.world.telco import load

    load(file)
    _show_one("Telco", asdict(describe_table(file)), as_json)


@contextmanager
def _listening(steps: int) -> Iterator[Any]:
    """Show on stderr how a run gets on, if somebody is looking."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from sim.mlops.live import Listener

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=steps)
        yield Listener(
            phase=lambda words: progress.update(task, description=words),
            step=lambda row: progress.update(task, completed=row.step + 1),
        )


@contextmanager
def _counting(worlds: int) -> Iterator[Callable[[int], None]]:
    """Show on stderr how many worlds are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("worlds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("worlds", total=worlds)
        yield lambda done: progress.update(task, completed=done)


def _tracking_problem(study: Any, comparison: Any, tracking_uri: str, folder: Path) -> list[str]:
    """Log a comparison to MLflow and return what went wrong; the results are in the folder all the same."""
    from sim.mlops.mlflow_registry import STORE_ERRORS
    from sim.study.tracking import first_line, track

    try:
        track(study, comparison, tracking_uri or f"sqlite:///{(folder / 'mlflow.db').resolve()}", folder)
    except STORE_ERRORS as error:
        return [f"the results are in {folder}, but MLflow did not take them: {first_line(error)}"]
    return []


def _cache_folder() -> Path:
    """Return where worlds are kept between comparisons; only its user writes there."""
    from sim.world.telco import cache_folder

    return cache_folder() / "worlds"


def _print_boards(leaderboard: Mapping[str, Any], folder: Path) -> None:
    from reports.leaderboard_tables import board_tables

    for board in leaderboard["boards"]:
        _print(board_tables(board, leaderboard["baseline"]))
    typer.echo(f"\n{leaderboard['cells']} cells; the results are in {folder}.")


def _show(title: str, rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({title.lower().replace(" ", "_"): list(rows)}))
        return
    from reports.tables import rows_table

    _print(rows_table(title, rows))


def _show_one(title: str, facts: Mapping[str, Any], as_json: bool) -> None:
    """Show the facts of one thing below each other."""
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        _show(title, [{"fact": name.replace("_", " "), "value": value} for name, value in facts.items()], as_json)


def _check_count(option: str, value: int) -> None:
    if value < 0:
        raise InputError(f"{option} must be a whole number from 0 on, got {value}; give another.")


def _seeds(count: int) -> tuple[int, ...]:
    if count < 1:
        raise InputError(f"--seeds must be a whole number from 1 on, got {count}; give another.")
    return tuple(range(1, count + 1))


def _wrapped(story: str) -> str:
    return textwrap.fill(" ".join(story.split()), width=78)


def _print(content: Any) -> None:
    from rich.console import Console

    Console().print(content)


def _inline(parameters: Mapping[str, Any]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in parameters.items())


if __name__ == "__main__":
    main()
