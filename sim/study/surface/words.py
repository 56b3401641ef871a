"""The words of an answer, for a terminal, and its plain values, for a program."""

from collections.abc import Iterator, Sequence
from typing import Any

from scenarios.schema import Scenario
from sim.study.inference.contests import Interval
from sim.study.lives.box import Axis, Box, Setting, Span
from sim.study.surface.answers import Answer, Figure, RatedSettings, Slice
from sim.study.surface.study import SurfaceStudy

_MOST_STEPS = 9
_LEAST_STEPS = 4
_MOST_TABLE_LINES = 26
_MOST_BOXES = 3


def sentences(answer: Answer, study: SurfaceStudy) -> Iterator[str]:
    """Yield what an answer says, at most forty lines for rules of up to three placeholders."""
    axes, currency = study.template.axes, currency_of(study.scenarios)
    yield (
        f"{study.template.text}: {answer.n_classes:,} classes of settings in {_scenarios(len(study.scenarios))} x "
        f"{len(study.seeds)} seeds; {answer.n_lives:,} lives."
    )
    for name in answer.without_effect:
        yield f"No life depends on {{{name}}} here: any number will do."
    yield f"Best: {_boxes(axes, answer.best.boxes)}; for instance {setting_words(answer.best.setting)}."
    yield f"  {_worth(answer.best, currency)}"
    if answer.candidates is None or answer.candidate_share is None:
        yield "Below 5 seeds nothing is shown to be worse than the best."
    else:
        yield (
            f"Not shown to be worse than the best (95 %): {answer.candidate_share:.0%} of the classes, all within "
            f"{box_words(axes, answer.candidates)}."
        )
    told = amount_words(answer.reference_less_best, currency)
    yield f"{study.reference.name} earns {told} against the best, paired by seed."
    place = answer.reference_place
    if place is not None:
        yield (
            f"Its numbers in this rule, {setting_words(place.setting)}, lie in {_boxes(axes, place.boxes)} and earn "
            f"{amount_words(place.less_best, currency)} against the best{_standing(place)}."
        )
    most = max(min(_MOST_STEPS, _MOST_TABLE_LINES // max(len(answer.slices), 1) - 3), _LEAST_STEPS)
    for each in answer.slices:
        yield from _table(each, most, currency)


def plain_answer(answer: Answer, study: SurfaceStudy) -> dict[str, Any]:
    """Return an answer as plain values; an end without a bound is `None`."""
    return {
        "rule": study.template.text,
        "scenarios": [scenario.name for scenario in study.scenarios],
        "seeds": list(study.seeds),
        "classes": answer.n_classes,
        "lives": answer.n_lives,
        "without_effect": list(answer.without_effect),
        "best": _plain_place(study.template.axes, answer.best),
        "not_shown_to_be_worse": None
        if answer.candidates is None
        else {"within": _plain_box(study.template.axes, answer.candidates), "share": answer.candidate_share},
        "reference": {
            "policy": study.reference.name,
            "less_best": _plain_figure(answer.reference_less_best),
            "place": answer.reference_place and _plain_place(study.template.axes, answer.reference_place),
        },
        "slices": {
            each.axis.name: [
                {"span": _plain_span(numbers), **_plain_place(study.template.axes, place)}
                for numbers, place in each.steps
            ]
            for each in answer.slices
        },
    }


def _scenarios(count: int) -> str:
    return "1 scenario" if count == 1 else f"{count:,} scenarios"


def currency_of(scenarios: Sequence[Scenario]) -> str:
    """Return the currency of all scenarios; nothing where they have several."""
    currencies = {scenario.prices.currency for scenario in scenarios}
    return currencies.pop() if len(currencies) == 1 else ""


def _table(line: Slice, most: int, currency: str) -> Iterator[str]:
    """Yield the settings along an axis: those that may be the best, the best itself, and their neighbours."""
    yield f"Along {{{line.axis.name}}}, the others as in the best:"
    money = f"{currency} against the best".lstrip()
    yield f"  {'settings':<22}{money:>31}{'retrains/y':>12}{'false/y':>9}"
    for numbers, place in _chosen(line, most):
        alarms = "-" if place.false_alarms_per_year is None else f"{place.false_alarms_per_year:.2f}"
        mark = "" if not place.may_be_best else " *"
        yield (
            f"  {line.axis.text(numbers):<22}{amount_words(place.less_best):>31}{place.retrains_per_year:>12.1f}"
            f"{alarms:>9}{mark}"
        )


def _chosen(line: Slice, most: int) -> list[tuple[Span, RatedSettings]]:
    """Return `most` steps evenly spread over those that there are, the best and the first and last among them."""
    steps = list(line.steps)
    if len(steps) <= most:
        return steps
    best = max(range(len(steps)), key=lambda at: steps[at][1].net_value.mean)
    wanted = {0, best, len(steps) - 1}
    wanted |= {round(at * (len(steps) - 1) / (most - 2)) for at in range(most - 1)}
    return [steps[at] for at in sorted(wanted)][: most + 1]


def _worth(place: RatedSettings, currency: str) -> str:
    alarms = place.false_alarms_per_year
    told = "" if alarms is None else f", {alarms:.2f} false alarms a year"
    return (
        f"net value {amount_words(place.net_value, currency)}, {place.retrains_per_year:.1f} retrainings a year{told}"
    )


def _standing(place: RatedSettings) -> str:
    if place.may_be_best is None:
        return ""
    return "; they are not shown to be worse" if place.may_be_best else "; they are shown to be worse"


def interval_words(mean: float, interval: Interval | None) -> str:
    """Return a mean with its interval, if it has one.

    >>> interval_words(1234.5, Interval(-1.0, 2470.0, level=0.95)), interval_words(12.0, None)
    ('1,234 (-1 to 2,470)', '12')
    """
    return f"{mean:,.0f}" if interval is None else f"{mean:,.0f} ({interval.low:,.0f} to {interval.high:,.0f})"


def setting_words(setting: Setting) -> str:
    """Return a setting in words.

    >>> setting_words({"a": 0.05, "n": 3})
    'a = 0.05, n = 3'
    """
    return ", ".join(f"{name} = {value:g}" for name, value in setting.items())


def box_words(axes: tuple[Axis, ...], box: Box) -> str:
    """Return in which numbers of each placeholder a box lies."""
    return ", ".join(f"{axis.name} in {axis.text(numbers)}" for axis, numbers in zip(axes, box, strict=True))


def amount_words(figure: Figure, currency: str = "") -> str:
    """Return an amount of money with its interval, if it has one, and its currency."""
    return f"{currency} {interval_words(figure.mean, figure.interval)}".lstrip()


def _boxes(axes: tuple[Axis, ...], boxes: tuple[Box, ...]) -> str:
    told = " or ".join(box_words(axes, box) for box in boxes[:_MOST_BOXES])
    return told if len(boxes) <= _MOST_BOXES else f"{told} or {len(boxes) - _MOST_BOXES} more"


def _plain_place(axes: tuple[Axis, ...], place: RatedSettings) -> dict[str, Any]:
    return {
        "setting": dict(place.setting),
        "boxes": [_plain_box(axes, box) for box in place.boxes],
        "net_value": _plain_figure(place.net_value),
        "less_best": _plain_figure(place.less_best),
        "retrains_per_year": place.retrains_per_year,
        "false_alarms_per_year": place.false_alarms_per_year,
        "may_be_best": place.may_be_best,
    }


def _plain_box(axes: tuple[Axis, ...], box: Box) -> dict[str, Any]:
    return {axis.name: _plain_span(numbers) for axis, numbers in zip(axes, box, strict=True)}


def _plain_span(numbers: Span) -> dict[str, float | bool | None]:
    low, high = numbers
    is_open = abs(low.value) == float("inf"), abs(high.value) == float("inf")
    return {
        "low": None if is_open[0] else low.value,
        "low_is_in": not low.is_after,
        "high": None if is_open[1] else high.value,
        "high_is_in": high.is_after,
    }


def _plain_figure(figure: Figure) -> dict[str, float | None]:
    interval = figure.interval
    return {
        "mean": figure.mean,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
