"""`retrainlab gates`: the gate profiles, explained, and what they let by."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sim.cli.options import AsJson, EngineOptions, EntryName, numbers, whole_numbers
from sim.cli.screen import Whole, show, show_screen
from sim.cli.sizes import Workforce, check_power


class _NameOrCommand(TyperGroup):
    """A group that takes what is none of its commands as the name of an entry to show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command `show` before the name."""
        is_command = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if is_command else ["show", *args])


gates_app = typer.Typer(cls=_NameOrCommand, help="The gate profiles: what each threshold means and lets by.")


@dataclass(frozen=True, kw_only=True)
class PowerOptions:
    """Which profiles are to be measured, on what."""

    profile: Annotated[list[str], typer.Option(help="A gate profile (repeatable).")] = field(
        default_factory=lambda: ["telco_churn"]
    )
    holdout: Annotated[str, typer.Option(help="Labelled rows that a gate sees.")] = "100,200,400,1000,2000"
    difference: Annotated[str, typer.Option(help="True F1 of the challenger less the champion's.")] = (
        "-0.1,-0.05,-0.02,0,0.02,0.05"
    )
    scenario: Annotated[str, typer.Option(help="The world whose step 0 models come from, on the twin.")] = "steady"
    seeds: Annotated[int, typer.Option(help="Worlds; intervals are over them.")] = 10
    holdouts: Annotated[int, typer.Option(help="Holdouts of each size drawn in each world.")] = 40
    place: EngineOptions = field(default_factory=EngineOptions)
    chart: Annotated[Path | None, typer.Option(help="Draw it too, as a file ending in .svg or .png.")] = None
    as_json: AsJson = False
    whole: Whole = False


def show_gates(name: EntryName = None, as_json: AsJson = False, whole: Whole = False) -> None:
    """List the gate profiles, or explain each threshold of one."""
    from sim.mlops.gates.explanations import explain
    from sim.mlops.gates.profiles import load_profile, profiles

    if name is None:
        rows = [{"profile": p, "about": load_profile(p).description} for p in profiles()]
        show("Gate profiles", rows, as_json=as_json, whole=whole)
        return
    profile = load_profile(name)
    lines = [asdict(line) for line in explain(profile)]
    if not as_json:
        for line in lines:
            del line["implied_by"]  # the sentence says it, and needs the room
    show(f"Gates of {profile.name}", lines, as_json=as_json, whole=whole)


def power_of_gates(options: PowerOptions) -> None:
    """Say how often gates err. Each, and all together, let a worse model through or stop a better one."""
    sizes, differences = whole_numbers("--holdout", options.holdout), numbers("--difference", options.difference)
    check_power(options.seeds, options.holdouts, sizes, len(differences), Workforce.of(options.place))

    from reports.gate_power import check_chart_path, draw_power, power_screen, power_tables
    from scenarios.files import load_scenario
    from sim.mlops.gates.profiles import load_profile
    from sim.study.gate_power import PowerStudy, gate_power

    study = PowerStudy(
        scenario=load_scenario(options.scenario),
        profiles=tuple(load_profile(name) for name in options.profile),
        holdouts=tuple(sizes),
        differences=tuple(differences),
        seeds=options.seeds,
        holdouts_per_world=options.holdouts,
    )
    if options.chart is not None:
        check_chart_path(options.chart)
    result = gate_power(study, options.place.spec())
    if options.chart is not None:
        draw_power(result, options.chart)
    if options.as_json:
        typer.echo(json.dumps({"scenario": study.scenario.name, **asdict(result)}, allow_nan=False))
        return
    show_screen(power_tables(result) if options.whole else power_screen(result), whole=options.whole)
