"""The report of a surface, or of the tuning that chose on it: maps, the explorer, the settings along each axis."""

import shlex
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from reports.amounts import number_words
from reports.caption import searched_on, seeds_words
from reports.charts.surface_curve import surface_curve_chart
from reports.charts.surface_map import surface_map_chart
from reports.explorer import explorer
from reports.page import Page, PageTable, Section, report_command, scenario_text
from reports.save import Picture, file_name, save
from reports.surface_first_page import surface_first_page
from reports.surface_view import SurfaceView, read_view
from reports.tried_page import tried_page
from reports.tuning import NONE, figure_words, held_out_texts, range_options, tuning_command, tuning_sections
from scenarios.files import to_toml
from sim.study.surface.answers import Slice, figure
from sim.study.surface.surface import box_from_text
from sim.study.surface.tuned_file import TUNED_FILE, read_tuned, read_tuning
from sim.study.surface.words import box_words, setting_words

_MOST_MAPS, _MOST_KINDS = 3, 20
_BRACKETS = " ([ or ]: the number itself is in; ( or ): it is not)"


def surface_page(folder: Path, pictures: Path) -> Page:
    """Draw the pictures of a surface, or of the surface that a tuning chose on, into a folder and return its page."""
    tuned = read_tuned(folder) if (folder / TUNED_FILE).exists() else None
    if tuned is not None and tuned.tries:
        return tried_page(folder, tuned, pictures)
    asked = None if tuned is None else read_tuning(folder)
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
        commands=[
            _command(view) if tuned is None or asked is None else tuning_command(asked, tuned),
            report_command(folder, {}),
        ],
        notes=[]
        if live is not None
        else ["There are too many lives for one page to tell of any setting; give a --range."],
        texts={f"{scenario.name}.toml": to_toml(scenario) for scenario in view.folder.scenarios}
        | ({} if asked is None else held_out_texts(asked, str(folder))),
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
        f"Source: surface on {searched_on(asked, view.folder.scenarios)}; scenarios {names}; gates "
        f"{asked.gates_name}; {seeds_words(asked.seeds)}. Exact at every setting. The best of many looks better than "
        f"it is."
    )


def _sections(view: SurfaceView, pictures: list[Picture]) -> Iterator[Section]:
    tables = [
        PageTable(f"Along {each.axis.name}, the others as in the best{_BRACKETS}", list(_steps(each)))
        for each in view.said.slices
    ]
    yield Section("The settings along each placeholder", "", pictures=pictures, tables=tables)
    if view.tuned is not None:
        yield from tuning_sections(view.tuned)


def _steps(each: Slice) -> Iterator[dict[str, Any]]:
    for numbers, place in each.steps:
        yield {
            "settings": each.axis.text(numbers),
            "net value less the best": figure_words(place.less_best),
            "retrainings a year": number_words(place.retrains_per_year),
            "false alarms a year": NONE
            if place.false_alarms_per_year is None
            else number_words(place.false_alarms_per_year),
            "shown to be worse": NONE if place.may_be_best is None else "no" if place.may_be_best else "yes",
        }


def _kinds(view: SurfaceView) -> Iterator[dict[str, Any]]:
    """Yield the classes of the largest means."""
    laid, means = view.folder.surface.overlay, view.values.mean(axis=1)
    for code in means.argsort()[::-1][:_MOST_KINDS]:
        yield {
            "for instance": setting_words(laid.sample(int(code))),
            "net value": figure_words(figure(view.values[code])),
            "less the best": figure_words(figure(view.values[code] - view.values[view.best])),
        }


def _asked(view: SurfaceView) -> dict[str, str]:
    folder = view.folder
    return {
        "Rule": folder.template.text,
        "Scenarios": "; ".join(f"{scenario.name}: {scenario.title}" for scenario in folder.scenarios),
        "Searched": box_words(folder.template.axes, box_from_text(folder.asked.box)),
        "Paired with": folder.reference.name,
        "Gates": folder.asked.gates_name,
        **({"Learns by": folder.asked.training_name} if folder.asked.training_name else {}),
        "Customers": searched_on(folder.asked, folder.scenarios),
        "Seeds": seeds_words(folder.asked.seeds),
        "Kinds of settings": f"{view.said.n_classes:,}, from {view.said.n_lives:,} lives that were played",
    }


def _command(view: SurfaceView) -> str:
    """Return the command that searches again; scenarios that are not shipped are the files below."""
    asked = view.folder.asked
    words = ["retrainlab", "surface", *map(scenario_text, view.folder.scenarios), "--rule", asked.rule]
    words += [*range_options(view.folder.template, asked), "--reference", view.folder.reference.name]
    words += ["--gates", asked.gates_name, *(["--training", asked.training_name] if asked.training_name else [])]
    words += ["--seeds", str(len(asked.seeds)), *asked.population_arguments, "--trials", str(asked.trials)]
    return shlex.join(words)
