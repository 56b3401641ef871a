"""`retrainlab compare`: policies x scenarios x seeds x gates, paired."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.boards import show_boards, tell_of_gates
from sim.cli.interrupt import resumable
from sim.cli.options import (
    RUNS_FOLDER,
    AsJson,
    EngineOptions,
    PlayedOptions,
    Trials,
    WorldsCache,
    cache_folder,
    seeds,
)
from sim.cli.screen import Whole, show
from sim.cli.sizes import Workforce, Worlds, check_comparison, lives_a_seed, table_bytes
from sim.cli.terminal import complain, counting, tell


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What one comparison is asked for."""

    scenarios: Annotated[list[str], typer.Argument(help="Scenarios of the catalogue, or TOML files.")]
    policy: Annotated[
        list[str],
        typer.Option(
            help="A policy (repeatable): as for run, or oracle, or coin(like=POLICY); {a} is filled by --grid. "
            "Left out: what run takes, and never."
        ),
    ] = field(default_factory=list)
    gates: Annotated[list[str], typer.Option(help="A gate profile (repeatable); as for run.")] = field(
        default_factory=list
    )
    training: Annotated[
        list[str],
        typer.Option(help="What retrainings learn from: a training profile (repeatable); else the scenario's."),
    ] = field(default_factory=list)
    grid: Annotated[list[str], typer.Option(help="Values of a placeholder, as a=0.02:0.10:9 or a=1,2.")] = field(
        default_factory=list
    )
    baseline: Annotated[
        str, typer.Option(help="The policy that all others are paired with; never is played too, unless it is named.")
    ] = "never"
    seeds: Annotated[int, typer.Option(help="How many lives of each scenario, from seed 1 on.")] = 10
    population: PlayedOptions = field(default_factory=PlayedOptions)
    trials: Trials = 0
    place: EngineOptions = field(default_factory=EngineOptions)
    out: Annotated[Path | None, typer.Option(help="The study folder; a new one under runs/ by default.")] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted comparison.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much work it is, and stop.")] = False
    split: Annotated[bool, typer.Option("--split", help="Price gates, approval, training and label delay too.")] = (
        False
    )
    fail_if: Annotated[list[str], typer.Option(help="Exit with 1 if so, as 'proposal.regret > 5000'.")] = field(
        default_factory=list
    )
    tracking_uri: Annotated[str, typer.Option(help="MLflow tracking; else SQLite in the folder.")] = ""
    cache: WorldsCache = None
    as_json: AsJson = False
    whole: Whole = False


def compare(options: CompareOptions) -> None:
    """Compare policies over scenarios and seeds, paired. Each difference has an interval."""
    options.place.spec()  # refused before anything is read
    planned = _planned(options)

    from sim.study.comparison.boards import plain_leaderboard
    from sim.study.comparison.compare import expected_seconds
    from sim.study.comparison.problems import problems
    from sim.study.comparison.tracking import check_store
    from sim.study.run_folder import run_folder

    study = planned.study
    if options.dry_run:
        seconds = expected_seconds(study, options.place.workers)
        told = {"worlds": len(study.orders()), "cells": study.cell_count, "seconds": seconds}
        show("Work", [told], as_json=options.as_json)
        return
    if options.tracking_uri:
        check_store(options.tracking_uri)
    title = "-".join([*(scenario.id for scenario in study.scenarios), "comparison"])
    folder = options.out or run_folder(RUNS_FOLDER, title, resume=options.resume)
    comparison = _played(options, study, folder)
    options.population.tell_defaults(tell, is_policy_open=not options.policy, is_gates_open=not options.gates)
    tell_of_gates(comparison.leaderboard)
    met = [condition.text for condition in planned.conditions if condition.is_met(comparison.leaderboard)]
    if options.as_json:
        told = {"folder": str(folder), "fail_if": met, **plain_leaderboard(comparison.leaderboard)}
        typer.echo(json.dumps(told, allow_nan=False))
    else:
        show_boards(comparison.leaderboard, folder, whole=options.whole)
    complain(problems(study, comparison, met, options.tracking_uri, folder))


def _planned(options: CompareOptions) -> Any:
    from scenarios.files import load_scenario
    from sim.study.comparison.grid import count_filled, parse_grid

    asked, grid = [load_scenario(name) for name in options.scenarios], parse_grid(options.grid)
    policies = sum(count_filled(text, grid) for text in options.policy) or 1
    kinds = policies * max(len(options.training), 1), max(len(options.gates), 1)
    lives = options.seeds * lives_a_seed(options.population)
    worlds = Worlds(asked, lives, options.trials, table_bytes(options.population))
    check_comparison(worlds, *kinds, Workforce.of(options.place))

    from sim.study.comparison.plan import StudyRequest, plan_study

    fitting = options.population.defaults()
    request = StudyRequest(
        scenarios=tuple(options.scenarios),
        policies=tuple(options.policy or (fitting.policy, "never")),
        gates=tuple(options.gates or (fitting.gates,)),
        seeds=seeds(options.seeds),
        population=options.population.spec(),
        baseline=options.baseline,
        grid=tuple(options.grid),
        fail_if=tuple(options.fail_if),
        trials=options.trials,
        with_split=options.split,
        trainings=tuple(options.training),
    )
    return plan_study(request, tell)


def _played(options: CompareOptions, study: Any, folder: Path) -> Any:
    from sim.study.comparison.compare import compare as play_study

    with resumable(folder), counting(len(study.orders())) as on_world:
        return play_study(
            study,
            folder,
            workers=options.place.workers,
            engine=options.place.engine,
            address=options.place.address,
            resume=options.resume,
            cache_folder=options.cache or cache_folder(),
            on_world=on_world,
        )
