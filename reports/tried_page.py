"""The page of a tuning that chose among settings that were tried one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reports.amounts import difference_words, number_words
from reports.caption import searched_on, seeds_words
from reports.charts.tried_settings import MOST_PANELS, tried_settings_chart
from reports.first_page import NET_VALUE_WORDS, RANGE_WORDS, FirstPage
from reports.page import Page, PageTable, report_command
from reports.save import save
from reports.tried_view import TriedView, read_tried_view
from reports.tuning import figure_words, held_out_texts, promise_words, tuned_answer, tuning_command, tuning_sections
from scenarios.files import to_toml
from sim.study.comparison.boards import ends_of
from sim.study.inference.contests import MIN_SEEDS
from sim.study.surface.answers import figure
from sim.study.surface.tuned_file import TunedFile, read_tuning
from sim.study.surface.words import setting_words

_MOST_SETTINGS = 20


def tried_page(folder: Path, tuned: TunedFile, pictures: Path) -> Page:
    """Draw the settings that were tried into a folder and return the page of their tuning."""
    asked = read_tuning(folder)
    view = read_tried_view(folder, asked, tuned)
    return Page(
        title=f"Tuned: {tuned.rule}",
        first=_first(view),
        opening=save(tried_settings_chart(view, _caption(view)), pictures, "tried"),
        asked=_asked(view),
        sections=list(tuning_sections(view.tuned)),
        log=[PageTable("The settings that earned most", list(_settings(view)))],
        commands=[tuning_command(asked, tuned), report_command(folder, {})],
        texts={f"{scenario.name}.toml": to_toml(scenario) for scenario in view.scenarios}
        | held_out_texts(asked, str(folder)),
    )


def _first(view: TriedView) -> FirstPage:
    seeds = view.tried.seeds
    return FirstPage(
        question=f"Which numbers should {view.tuned.rule} have in {', '.join(view.tried.scenarios)}?",
        answer=tuned_answer(view.tuned, view.currency),
        points=dict(_points(view)),
        not_shown=list(_not_shown(view)),
        words=[NET_VALUE_WORDS, *([RANGE_WORDS] if len(seeds) >= MIN_SEEDS else [])],
    )


def _points(view: TriedView) -> Iterator[tuple[str, str]]:
    own, theirs = view.values[view.chosen], view.reference
    yield "What the search promised", promise_words(view.tuned, view.currency)
    yield "What was tried", f"{view.tried.size:,} settings, chosen by Optuna from what the ones before had earned"
    yield "What the choice asks for", f"{number_words(view.retrains_per_year[view.chosen], 2)} retrainings a year"
    gap = figure(own - theirs)
    told = difference_words(gap.mean, view.currency, ends_of(gap.interval))
    yield f"On the lives of the search, beside {view.tuned.reference}", f"{told} a life"


def _not_shown(view: TriedView) -> Iterator[str]:
    if len(view.tried.seeds) < MIN_SEEDS:
        told = f"{len(view.tried.seeds)} lives of each scenario are too few"
        yield f"How sure this is: {told}; {MIN_SEEDS} or more give a range."
    if left := ", ".join(view.search.names[MOST_PANELS:]):
        yield f"Along {left}: the picture has the first {MOST_PANELS} placeholders, the table all of them."
    yield "Settings that were not tried: a better one may lie between those that were; more --tries look further."
    if not view.tuned.hold_out:
        yield "What the choice earns in other scenarios: none was held out (`--hold-out`)."


def _asked(view: TriedView) -> dict[str, str]:
    search = view.search
    return {
        "Policy": search.rule,
        "Scenarios": "; ".join(f"{scenario.name}: {scenario.title}" for scenario in view.scenarios),
        "Searched": ", ".join(search.ranges),
        "Paired with": view.tuned.reference,
        "Gates": search.gates_name,
        **({"Learns by": search.training_name} if search.training_name else {}),
        "Customers": searched_on(view.search, view.scenarios),
        "Seeds": seeds_words(search.seeds),
        "Settings tried": f"{view.tried.size:,}",
    }


def _caption(view: TriedView) -> str:
    names = ", ".join(view.tried.scenarios)
    return (
        f"Source: settings tried on {searched_on(view.search, view.scenarios)}; scenarios {names}; gates "
        f"{view.search.gates_name}; {seeds_words(view.search.seeds)}. The best of many looks better than it is."
    )


def _settings(view: TriedView) -> Iterator[dict[str, Any]]:
    for number in view.values.mean(axis=1).argsort(kind="stable")[::-1][:_MOST_SETTINGS]:
        yield {
            "setting": setting_words(view.tried.setting(int(number))),
            f"net value ({view.currency})" if view.currency else "net value": figure_words(
                figure(view.values[number])
            ),
            "less the chosen": figure_words(figure(view.values[number] - view.values[view.chosen])),
            "retrainings a year": number_words(view.retrains_per_year[number]),
        }
