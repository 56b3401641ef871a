"""What the pages of a tuning share: its answer, what held on new lives, its combinations, and its command."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from reports.amounts import difference_words, money_words
from reports.page import PageTable, Section, scenario_text
from scenarios.files import parse_scenario
from sim.study.comparison.boards import ends_of
from sim.study.lives.box import Grain, Setting
from sim.study.lives.template import PLACEHOLDER, Template, is_file, read_template
from sim.study.surface.answers import Figure
from sim.study.surface.surface import SurfaceIdentity, box_from_text
from sim.study.surface.tried import TriedIdentity
from sim.study.surface.tuned_file import TunedFigure, TunedFile, TuningIdentity
from sim.study.surface.words import interval_words, setting_words

NONE = "-"


def filled(text: str, setting: Setting) -> str:
    """Return a policy with numbers in place of its placeholders, or behind the name of its file.

    >>> filled("f1_drop > {a} or psi_max > {b}", {"a": 0.05, "b": 0.25})
    'f1_drop > 0.05 or psi_max > 0.25'
    """
    if is_file(text):
        return f"{text} with {setting_words(setting)}"
    return PLACEHOLDER.sub(lambda match: f"{setting[match[1]]:g}", text)


def tuned_answer(tuned: TunedFile, currency: str) -> str:
    """Return in one sentence what to use, or that nothing was shown to be better."""
    gain = difference_words(tuned.confirmed.mean or 0.0, currency, ends_of(tuned.confirmed.interval))
    lives = f"on {tuned.confirm_seeds} lives of each scenario that the search never saw"
    policy = filled(tuned.rule, tuned.setting) + _levers(tuned)
    if tuned.is_shown:
        return f"Use {policy}: it earns {gain} than {tuned.reference}, {lives}."
    return f"Nothing was shown to be better than {tuned.reference}: {policy} earns {gain}, {lives}."


def promise_words(tuned: TunedFile | None, currency: str) -> str:
    """Return what the search promised of its choice, and how much of that was luck."""
    if tuned is None or tuned.promised.mean is None or tuned.optimism is None:
        return "not known"
    return (
        f"{money_words(tuned.promised.mean, currency)} a life; {money_words(tuned.optimism)} of that was luck of the "
        f"search and did not hold on lives that it left out"
    )


def _levers(tuned: TunedFile) -> str:
    """Return what was chosen beside the setting, in words that go on a policy."""
    trainings, gates = ({getattr(each, name) for each in tuned.combinations} for name in ("training", "gates"))
    learning = f", learning by {tuned.training}" if len(trainings) > 1 and tuned.training else ""
    return learning + (f", under the gates {tuned.gates}" if len(gates) > 1 else "")


def figure_words(told: Figure | TunedFigure) -> str:
    """Return a mean with its interval, a dash where there is none."""
    return NONE if told.mean is None else interval_words(told.mean, told.interval)


def tuning_sections(tuned: TunedFile) -> Iterator[Section]:
    """Yield what each combination earns, where there are several, and what the choice earns on new lives."""
    if len(tuned.combinations) > 1:
        title = "What choosing among the settings of one policy, training profile and gates earns"
        yield Section(title, "", tables=[PageTable("Cross-fitted", list(_combinations(tuned)))])
    rows = [
        {
            "scenario": name,
            "earns more (new lives)": figure_words(each),
            "held out": "yes" if name in tuned.hold_out else "no",
        }
        for name, each in tuned.by_scenario.items()
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
            "net value": figure_words(each.cross_fitted),
            "chosen": "yes" if is_chosen else "no",
        }


def range_options(template: Template, asked: SurfaceIdentity) -> Iterator[str]:
    """Yield the options that ask for the ranges of a rule's placeholders."""
    for axis, numbers in zip(template.axes, box_from_text(asked.box), strict=True):
        low, high = numbers.low.value, numbers.high.value
        if axis.grain is Grain.WHOLE:
            low, high = int(low) + numbers.low.is_after, int(high) - (not numbers.high.is_after)
        if numbers != axis.whole:
            yield from ("--range", f"{axis.name}={low!r}:{high!r}")


def tuning_command(asked: TuningIdentity, tuned: TunedFile) -> str:
    """Return the command that tunes again; scenarios that are not shipped are the files of the page."""
    first = asked.searches[0]
    words = ["retrainlab", "tune", *(scenario_text(parse_scenario(text, tuned.search)) for text in first.scenarios)]
    words += [*_searched(asked), "--reference", tuned.reference]
    words += ["--seeds", str(len(first.seeds)), *first.population_arguments, "--trials", str(first.trials)]
    words += ["--goal", tuned.goal, "--confirm", str(tuned.confirm_seeds)]
    repeated = {
        "--weight": [f"{name}={weight:g}" for name, weight in tuned.weights.items()],
        "--limit": tuned.limits,
        "--hold-out": [scenario_text(parse_scenario(text, tuned.search)) for text in asked.hold_out],
    }
    words += [word for option, values in repeated.items() for value in values for word in (option, value)]
    return shlex.join(words)


def held_out_texts(asked: TuningIdentity, source: str) -> dict[str, str]:
    """Return the texts of the scenarios that were held out, by the names of their files."""
    return {f"{parse_scenario(text, source).name}.toml": text for text in asked.hold_out}


def _searched(asked: TuningIdentity) -> Iterator[str]:
    """Yield the options that say among what is chosen: policies with their ranges, gates and training profiles."""
    searches = list({each.rule: each for each in asked.searches}.values())
    yield from (word for search in searches for word in ("--rule", search.rule))
    yield from (word for text in _ranges(searches) for word in ("--range", text))
    if tries := [search.tries for search in searches if isinstance(search, TriedIdentity)]:
        yield from ("--tries", str(tries[0]))
    for name in dict.fromkeys(each.gates_name for each in asked.searches):
        yield from ("--gates", name)
    for name in dict.fromkeys(each.training_name for each in asked.searches if each.training_name):
        yield from ("--training", name)


def _ranges(searches: Iterable[SurfaceIdentity | TriedIdentity]) -> Iterator[str]:
    """Yield the range of each placeholder once, the widest where policies share it and one takes whole numbers."""
    found: dict[str, list[list[str]]] = {}
    for search in searches:
        if isinstance(search, SurfaceIdentity):
            texts = [text for text in range_options(read_template(search.rule), search) if text != "--range"]
        else:
            texts = list(search.ranges)
        for text in texts:
            name, _, numbers = text.partition("=")
            found.setdefault(name, []).append(numbers.split(":"))
    for name, ends in found.items():
        low, high = min((each[0] for each in ends), key=float), max((each[1] for each in ends), key=float)
        yield ":".join([f"{name}={low}", high, *ends[0][2:]])
