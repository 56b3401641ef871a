"""`retrainlab scenarios`, `policies`, `signals` and `training`: the catalogues, explained."""

import json
from dataclasses import replace

import typer

from sim.cli.options import AsJson, EntryName
from sim.cli.screen import Whole, show, show_screen
from sim.cli.terminal import drift_lines, inline
from sim.errors import InputError, did_you_mean


def scenarios(name: EntryName = None, as_json: AsJson = False, whole: Whole = False) -> None:
    """List the scenarios, or tell the story of one."""
    from scenarios.files import catalogue, load_scenario, to_toml

    if name is None:
        rows = [{"scenario": s.name, "title": s.title, "onset step": s.onset_step} for s in catalogue().values()]
        show("Scenarios", rows, as_json=as_json, whole=whole)
        return
    scenario = load_scenario(name)
    if as_json:
        typer.echo(scenario.model_dump_json())
        return
    toml = to_toml(scenario.model_copy(update={"story": ""})).replace('story = ""\n', "")
    story = [f"{scenario.name}: {scenario.title}", "", _joined(scenario.story), ""]
    show_screen([*story, *drift_lines(scenario), "", *toml.splitlines()], whole=whole)


def policies(name: EntryName = None, as_json: AsJson = False, whole: Whole = False) -> None:
    """List the policies, or explain one."""
    from policies.catalogue import catalogue, load_policy

    if name is None:
        rows = [
            {
                "policy": spec.name,
                "kind": spec.kind,
                "parameters": inline(spec.parameters) if as_json else ", ".join(inline(spec.chosen).split("\n")),
            }
            for spec in catalogue().values()
        ]
        show("Policies", rows, as_json=as_json, whole=whole)
        return
    spec = load_policy(name)
    if as_json:
        told = {"name": spec.name, "kind": spec.kind, "parameters": dict(spec.parameters), "story": spec.story}
        typer.echo(json.dumps(told))
        return
    toml = replace(spec, story="").to_toml().splitlines()
    show_screen([spec.name, "", _joined(spec.story), "", *toml], whole=whole)


def signals(name: EntryName = None, as_json: AsJson = False, whole: Whole = False) -> None:
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
    show("Signals", rows, as_json=as_json, whole=whole)


def training(name: EntryName = None, as_json: AsJson = False, whole: Whole = False) -> None:
    """List the training profiles, or explain one. They say what a retraining learns from."""
    from sim.mlops.models.profiles import MEANINGS, load_training, training_profiles

    if name is None:
        profiles = [load_training(each) for each in training_profiles()]
        show(
            "Training profiles",
            [{"training": p.name, "about": p.description} for p in profiles],
            as_json=as_json,
            whole=whole,
        )
        return
    profile = load_training(name)
    rows = [
        {"parameter": key, "value": _told(value), "meaning": MEANINGS[key]}
        for key, value in profile.parameters.items()
    ]
    if as_json:
        told = {"name": profile.name, "kind": profile.kind, "about": profile.description, "parameters": rows}
        typer.echo(json.dumps(told))
        return
    from reports.tables import rows_table

    table = [rows_table(f"Parameters of {profile.name}", rows)] if rows else []
    show_screen([f"{profile.name} ({profile.kind})", "", _joined(profile.description), "", *table], whole=whole)


def _joined(story: str) -> str:
    return " ".join(story.split())


def _told(value: object) -> object:
    """Return a parameter as a table shows it."""
    if value is None:
        return "the scenario's"
    return ", ".join(value) if isinstance(value, list) else value
