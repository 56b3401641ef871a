"""`retrainlab surface`: every setting of a rule at once."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.interrupt import resumable
from sim.cli.options import AsJson, SearchOptions, seeds
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
    search: SearchOptions = field(default_factory=SearchOptions)
    as_json: AsJson = False
    whole: Whole = False


def surface(options: SurfaceOptions) -> None:
    """Follow every setting of a rule at once, exactly. It says which is best and how sure that is."""
    study = _study(options)

    from sim.study.surface.answers import answer
    from sim.study.surface.study import survey
    from sim.study.surface.words import plain_answer, sentences

    title = "-".join([*(scenario.id for scenario in study.scenarios), "surface"])
    folder = options.search.folder(title)
    with resumable(folder), counting(len(study.tasks())) as on_world:
        found = survey(
            study,
            folder,
            workers=options.search.place.workers,
            engine=options.search.place.engine,
            address=options.search.place.address,
            resume=options.search.resume,
            cache_folder=options.search.worlds_folder(),
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

    search, loaded = options.search, [load_scenario(name) for name in options.scenarios]
    worlds = Worlds(loaded, search.seeds, search.trials, table_bytes(search.population))
    check_surface(worlds, Workforce.of(search.place))

    from policies.catalogue import load_policy
    from sim.study.lives.template import read_template
    from sim.study.surface.study import SurfaceStudy, parse_ranges

    template = read_template(options.rule)
    return SurfaceStudy(
        scenarios=search.played(loaded, options.training, tell),
        seeds=seeds(search.seeds),
        template=template,
        box=parse_ranges(options.range, template),
        profile=search.profile(options.gates),
        reference=load_policy(options.reference),
        population=search.population.spec(),
        trials=search.trials,
    )
