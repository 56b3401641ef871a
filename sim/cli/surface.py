"""`retrainlab surface`: every setting of a rule at once."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.interrupt import resumable
from sim.cli.options import RUNS_FOLDER, AsJson, EngineOptions, PopulationOptions, cache_folder, seeds
from sim.cli.screen import Whole, show_screen
from sim.cli.sizes import Workforce, Worlds, check_surface, table_bytes
from sim.cli.terminal import counting, tell


@dataclass(frozen=True, kw_only=True)
class SurfaceOptions:
    """What one surface is asked for."""

    scenarios: Annotated[list[str], typer.Argument(help="Scenarios of the catalogue, or TOML files.")]
    rule: Annotated[
        str,
        typer.Option(
            help="A rule with placeholders where it has numbers, as 'f1_drop > {a} or psi_max > {b}'; or "
            'rule(retrain_when="f1_drop > {a}", cooldown_days={c}), or a TOML file of one.'
        ),
    ] = "f1_drop > {a} or psi_max > {b}"
    range: Annotated[
        list[str], typer.Option(help="Look closer at a placeholder, as a=0.01:0.2; the whole real line without.")
    ] = field(default_factory=list)
    reference: Annotated[str, typer.Option(help="The rule that the best setting is paired with.")] = "proposal"
    gates: Annotated[str, typer.Option(help="A gate profile; as for run.")] = ""
    training: Annotated[
        str, typer.Option(help="What retrainings learn from: a training profile; else the scenario's.")
    ] = ""
    seeds: Annotated[int, typer.Option(help="How many lives of each scenario, from seed 1 on.")] = 10
    population: PopulationOptions = field(default_factory=PopulationOptions)
    trials: Annotated[int, typer.Option(min=0, help="Trials of a search for each first model; 0: as stored.")] = 0
    place: EngineOptions = field(default_factory=EngineOptions)
    out: Annotated[Path | None, typer.Option(help="The surface's folder; a new one under runs/ by default.")] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted surface.")] = False
    cache: Annotated[Path | None, typer.Option(help="Where worlds are kept for the next comparison.")] = None
    as_json: AsJson = False
    whole: Whole = False


def surface(options: SurfaceOptions) -> None:
    """Follow every setting of a rule through every world, exactly, and say which is best and how sure that is."""
    study = _study(options)

    from sim.study.run_folder import run_folder
    from sim.study.surface.answers import answer
    from sim.study.surface.study import survey
    from sim.study.surface.words import plain_answer, sentences

    title = "-".join([*(scenario.id for scenario in study.scenarios), "surface"])
    folder = options.out or run_folder(RUNS_FOLDER, title, resume=options.resume)
    with resumable(folder), counting(len(study.tasks())) as on_world:
        found = survey(
            study,
            folder,
            workers=options.place.workers,
            engine=options.place.engine,
            address=options.place.address,
            resume=options.resume,
            cache_folder=options.cache or cache_folder(),
            on_world=on_world,
        )
    said = answer(found, study.template, study.reference, {})
    plain = plain_answer(said, study)
    write_json_file(folder / "answer.json", plain)
    if options.as_json:
        typer.echo(json.dumps({"folder": str(folder), **plain}, allow_nan=False))
        return
    closing = ["", f"Regions, lives and the answer are in {folder}."]
    show_screen(list(sentences(said, study)), closing, whole=options.whole)


def write_json_file(path: Path, content: dict[str, Any]) -> None:
    """Write plain values as JSON; the file appears whole or not at all."""
    from sim.whole_file import write_whole

    write_whole(path, json.dumps(content, indent=1, allow_nan=False))


def _study(options: SurfaceOptions) -> Any:
    from scenarios.files import load_scenario

    loaded = [load_scenario(name) for name in options.scenarios]
    worlds = Worlds(loaded, options.seeds, options.trials, table_bytes(options.population))
    check_surface(worlds, Workforce.of(options.place))

    from policies.catalogue import load_policy
    from sim.mlops.gates.profiles import load_profile
    from sim.study.comparison.plan import as_played, learning_by
    from sim.study.lives.template import read_template
    from sim.study.surface.study import SurfaceStudy, parse_ranges

    template = read_template(options.rule)
    population = options.population.spec()
    asked = tuple(learning_by(scenario, options.training) for scenario in loaded)
    return SurfaceStudy(
        scenarios=as_played(asked, population, tell),
        seeds=seeds(options.seeds),
        template=template,
        box=parse_ranges(options.range, template),
        profile=load_profile(options.gates or options.population.defaults().gates),
        reference=load_policy(options.reference),
        population=population,
        trials=options.trials,
    )
