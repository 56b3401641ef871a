"""The first page of a surface: which setting earned most, which may be as good, and what staying would cost."""

from collections.abc import Iterator

from reports.amounts import difference_words, money_words, number_words
from reports.first_page import NET_VALUE_WORDS, RANGE_WORDS, FirstPage
from reports.plain_words import signal_words, span_words
from reports.surface_view import SurfaceView
from reports.tuning import filled, promise_words, tuned_answer
from sim.study.comparison.boards import ends_of
from sim.study.inference.contests import MIN_SEEDS
from sim.study.lives.box import Box
from sim.study.surface.answers import RatedSettings

_MOST_BOXES = 2


def surface_first_page(view: SurfaceView) -> FirstPage:
    """Return the first page of a surface, or of the tuning that chose on it."""
    folder = view.folder
    chosen = folder.template.fill(view.said.best.setting if view.tuned is None else view.tuned.setting)
    names = ", ".join(folder.surface.scenarios)
    return FirstPage(
        question=f"Which numbers should {folder.template.text} have in {names}?",
        answer=_answer(view),
        points=dict(_points(view)),
        not_shown=list(_not_shown(view)),
        words=[
            NET_VALUE_WORDS,
            *([RANGE_WORDS] if len(folder.surface.seeds) >= MIN_SEEDS else []),
            *signal_words([str(chosen.parameters["retrain_when"])]),
        ],
    )


def _answer(view: SurfaceView) -> str:
    if view.tuned is not None:
        return tuned_answer(view.tuned, view.currency)
    best = view.said.best
    return (
        f"Of all settings, {filled(view.folder.template.text, best.setting)} earned most: "
        f"{money_words(best.net_value.mean, view.currency, ends_of(best.net_value.interval))} a life."
    )


def _points(view: SurfaceView) -> Iterator[tuple[str, str]]:
    said, folder = view.said, view.folder
    if view.tuned is not None:
        yield "What the search promised", promise_words(view.tuned, view.currency)
    yield "The best settings seen", f"{_boxes(view, said.best)}: the same in every life that was played"
    alarms = said.best.false_alarms_per_year
    told = "" if alarms is None else f", and {number_words(alarms, 2)} false alarms a year"
    yield "What they ask for", f"{number_words(said.best.retrains_per_year, 2)} retrainings a year{told}"
    if said.candidates is not None and said.candidate_share is not None:
        yield (
            "What may be as good",
            (
                f"{said.candidate_share:.0%} of the kinds of settings are not shown to be worse, all within "
                f"{_box_words(view, said.candidates)}"
            ),
        )
    gap = said.reference_less_best
    yield (
        f"What {folder.reference.name} earns",
        (
            f"{difference_words(gap.mean, view.currency, ends_of(gap.interval))} a life than the best, in the same "
            f"lives"
        ),
    )
    if said.without_effect:
        yield "What does not matter", f"{', '.join(said.without_effect)}: no life depends on it here"


def _not_shown(view: SurfaceView) -> Iterator[str]:
    seeds = len(view.folder.surface.seeds)
    if seeds < MIN_SEEDS:
        yield f"How sure this is: {seeds} lives of each scenario are too few; {MIN_SEEDS} or more give a range."
    if view.tuned is None:
        yield (
            "What the best earns in other lives: the best of many looks better than it is. `retrainlab tune` chooses "
            "and confirms on lives that the search never saw."
        )
    elif not view.tuned.hold_out:
        yield "What the choice earns in other scenarios: none was held out (`--hold-out`)."
    yield "Other rules: only the numbers of this one were searched."


def _box_words(view: SurfaceView, box: Box) -> str:
    """Return in which numbers of each placeholder a box lies, in plain words."""
    axes = view.folder.template.axes
    return ", ".join(f"{axis.name} {span_words(axis, numbers)}" for axis, numbers in zip(axes, box, strict=True))


def _boxes(view: SurfaceView, place: RatedSettings) -> str:
    told = " or ".join(_box_words(view, box) for box in place.boxes[:_MOST_BOXES])
    more = len(place.boxes) - _MOST_BOXES
    return told if more <= 0 else f"{told} or {more} parts more"
