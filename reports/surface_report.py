"""The report of a surface, or of the tuning that chose on it: maps, the explorer, the settings along each axis."""

import shlex
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from reports.amounts import number_words
from reports.caption import seeds_words, source
from reports.charts.surface_curve import surface_curve_chart
from reports.charts.surface_map import surface_map_chart
from reports.explorer import explorer
from reports.page import Page, PageTable, Section, report_command, scenario_text
from reports.save import Picture, file_name, save
from reports.surface_first_page import surface_first_page
from reports.surface_view import SurfaceView, read_view
from scenarios.files import to_toml
from sim.study.lives.box import Grain
from sim.study.surface.answers import Figure, Slice, figure
from sim.study.surface.surface import box_from_text
from sim.study.surface.tuned_file import TUNED_FILE, TunedFigure, TunedFile, read_tuned
from sim.study.surface.words import box_words, interval_words, setting_words

_MOST_MAPS, _MOST_KINDS = 3, 20
_NONE = "-"
_BRACKETS = " ([ or ]: the number itself is in; ( or ): it is not)"


def surface_page(folder: Path, pictures: Path) -> Page:
    """Draw the pictures of a surface, or of the surface that a tuning chose on, into a folder and return its page."""
    tuned = read_tuned(folder) if (folder / TUNED_FILE).exists() else None
    view = read_view(folder if tuned is None else folder / tuned.search, tuned)
    drawn = list(_pictures(view, pictures))
    alike = None if view.said.inside is None else view.folder.surface.overlay.boxes(view.said.inside)
    live = explorer(view.folder, view.marks, alike)
    return Page(
        title=f"{'Every setting of' if tuned is None else 'Tuned:'} {view.folder.template.text}",
        first=surface_first_page(view),
        opening=drawn[0],
        explorer=live,
        asked=_asked(view),
        sections=list(_sections(view, drawn[1:])),
        log=[PageTable("The kinds of settings that earned most", list(_kinds(view)))],
        commands=[_command(view), report_command(folder, {})],
        notes=[]
        if live is not None
        else ["There are too many lives for one page to tell of any setting; give a --range."],
        texts={f"{scenario.name}.toml": to_toml(scenario) for scenario in view.folder.scenarios},
    )


def _pictures(view: SurfaceView, folder: Path) -> Iterator[Picture]:
    axes = view.folder.surface.overlay.axes
    caption = _caption(view)
    if len(axes) == 1:
        yield save(surface_curve_chart(view, caption), folder, "curve")
        return
    for pair in list(combinations(range(len(axes)), 2))[:_MOST_MAPS]:
        name = file_name("map", *(axes[axis].name for axis in pair))
        yield save(surface_map_chart(view, pair, caption), folder, name)


def _caption(view: SurfaceView) -> str:
    asked = view.folder.asked
    names = ", ".join(view.folder.surface.scenarios)
    return (
        f"Source: surface on {source(asked.population or _own_population(view))}; scenarios {names}; gates "
        f"{asked.gates_name}; {seeds_words(asked.seeds)}. Exact at every setting. The best of many looks better than "
        f"it is."
    )


def _own_population(view: SurfaceView) -> str:
    return ", ".join(dict.fromkeys(scenario.population for scenario in view.folder.scenarios))


def _sections(view: SurfaceView, pictures: list[Picture]) -> Iterator[Section]:
    tables = [
        PageTable(f"Along {each.axis.name}, the others as in the best{_BRACKETS}", list(_steps(each)))
        for each in view.said.slices
    ]
    yield Section("The settings along each placeholder", "", pictures=pictures, tables=tables)
    if view.tuned is not None:
        if len(view.tuned.combinations) > 1:
            title = "What choosing among the settings of one rule, training profile and gates earns"
            yield Section(title, "", tables=[PageTable("Cross-fitted", list(_combinations(view.tuned)))])
        rows = [
            {
                "scenario": name,
                "earns more (new lives)": _figure(each),
                "held out": "yes" if name in view.tuned.hold_out else "no",
            }
            for name, each in view.tuned.by_scenario.items()
        ]
        title = "What the choice earns on lives that the search never saw"
        yield Section(title, "", tables=[PageTable("By scenario", rows)])


def _combinations(tuned: TunedFile) -> Iterator[dict[str, Any]]:
    for each in tuned.combinations:
        is_chosen = (each.rule, each.training, each.gates) == (tuned.rule, tuned.training, tuned.gates)
        yield {
            "rule": each.rule,
            "learns by": each.training or "as the scenario says",
            "gates": each.gates,
            "net value": _figure(each.cross_fitted),
            "chosen": "yes" if is_chosen else "no",
        }


def _steps(each: Slice) -> Iterator[dict[str, Any]]:
    for numbers, place in each.steps:
        yield {
            "settings": each.axis.text(numbers),
            "net value less the best": _figure(place.less_best),
            "retrainings a year": number_words(place.retrains_per_year),
            "false alarms a year": _NONE
            if place.false_alarms_per_year is None
            else number_words(place.false_alarms_per_year),
            "shown to be worse": _NONE if place.may_be_best is None else "no" if place.may_be_best else "yes",
        }


def _kinds(view: SurfaceView) -> Iterator[dict[str, Any]]:
    """Yield the classes of the largest means."""
    laid, means = view.folder.surface.overlay, view.values.mean(axis=1)
    for code in means.argsort()[::-1][:_MOST_KINDS]:
        yield {
            "for instance": setting_words(laid.sample(int(code))),
            "net value": _figure(figure(view.values[code])),
            "less the best": _figure(figure(view.values[code] - view.values[view.best])),
        }


def _figure(told: Figure | TunedFigure) -> str:
    return _NONE if told.mean is None else interval_words(told.mean, told.interval)


def _asked(view: SurfaceView) -> dict[str, str]:
    folder = view.folder
    return {
        "Rule": folder.template.text,
        "Scenarios": "; ".join(f"{scenario.name}: {scenario.title}" for scenario in folder.scenarios),
        "Searched": box_words(folder.template.axes, box_from_text(folder.asked.box)),
        "Paired with": folder.reference.name,
        "Gates": folder.asked.gates_name,
        **({"Learns by": folder.asked.training_name} if folder.asked.training_name else {}),
        "Customers": source(folder.asked.population or _own_population(view)),
        "Seeds": seeds_words(folder.asked.seeds),
        "Kinds of settings": f"{view.said.n_classes:,}, from {view.said.n_lives:,} lives that were played",
    }


def _levers(view: SurfaceView) -> Iterator[str]:
    """Yield the words that ask for gates and training profiles."""
    asked = [] if view.tuned is None else view.tuned.combinations
    for name in dict.fromkeys([each.gates for each in asked] or [view.folder.asked.gates_name]):
        yield from ("--gates", name)
    for name in dict.fromkeys(each.training for each in asked if each.training):
        yield from ("--training", name)


def _command(view: SurfaceView) -> str:
    """Return the command that searches again; scenarios that are not shipped are the files below."""
    folder, tuned = view.folder, view.tuned
    words = ["retrainlab", "surface" if tuned is None else "tune"]
    words += [scenario_text(scenario) for scenario in folder.scenarios]
    for rule in [folder.template.text] if tuned is None else dict.fromkeys(each.rule for each in tuned.combinations):
        words += ["--rule", rule]
    for axis, numbers in zip(folder.template.axes, box_from_text(folder.asked.box), strict=True):
        if numbers != axis.whole and axis.grain is Grain.REAL:
            words += ["--range", f"{axis.name}={float(numbers.low.value)!r}:{float(numbers.high.value)!r}"]
    words += ["--reference", folder.reference.name, *_levers(view)]
    words += ["--seeds", str(len(folder.asked.seeds)), *folder.asked.population_arguments]
    words += ["--trials", str(folder.asked.trials)]
    if tuned is not None:
        words += ["--goal", tuned.goal, "--confirm", str(tuned.confirm_seeds)]
        for name, weight in tuned.weights.items():
            words += ["--weight", f"{name}={weight:g}"]
        for limit in tuned.limits:
            words += ["--limit", limit]
        for name in tuned.hold_out:
            words += ["--hold-out", name]
    return shlex.join(words)
