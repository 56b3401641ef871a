"""Answers: which settings are best, which may be, where a reference lies, and what it costs."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from policies.conditions import Comparison
from policies.expression import Expression
from policies.spec import PolicySpec
from sim.study.inference.contests import MIN_SEEDS, Interval, mean_interval
from sim.study.lives.box import Axis, Box, Setting, Span
from sim.study.lives.template import Template
from sim.study.surface.confidence import confidence_set
from sim.study.surface.goal import shares_of
from sim.study.surface.overlay import Overlay, sample_of
from sim.study.surface.surface import Surface
from sim.study.surface.worlds import REFERENCE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over seeds with its interval; missing below 5 seeds."""

    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class RatedSettings:
    """A class of settings: one of its settings, its boxes, and what it is worth.

    `net_value` is over the scenarios, by their weights; `less_best` is the paired difference to the best class.
    `retrains_per_year` and `false_alarms_per_year` are means over scenarios and seeds, missing where none has any.
    """

    setting: Setting
    boxes: tuple[Box, ...]
    net_value: Figure
    less_best: Figure
    retrains_per_year: float
    false_alarms_per_year: float | None
    may_be_best: bool | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The settings along one axis through the best setting, in order, neighbours that did the same put together."""

    axis: Axis
    steps: tuple[tuple[Span, RatedSettings], ...]


@dataclass(frozen=True)
class Answer:
    """What a surface says.

    `best` is the class with the largest mean; `inside` says of each class if it is not shown to be worse, missing
    below 5 seeds; `candidates` is the box that holds all of these, `candidate_share` their share of the classes;
    `without_effect` are the placeholders that no life depends on. `reference_less_best` is what the reference itself
    earns less the best, paired; `reference_place` the class that its own numbers fall into, where the rule has such.
    """

    n_classes: int
    n_lives: int
    best: RatedSettings
    inside: NDArray[np.bool_] | None
    candidates: tuple[Span, ...] | None
    candidate_share: float | None
    without_effect: tuple[str, ...]
    slices: tuple[Slice, ...]
    reference_less_best: Figure
    reference_place: RatedSettings | None


def objective(surface: Surface, weights: Mapping[str, float], seeds: Sequence[int] | None = None) -> Floats:
    """Return the net value of every class, over the scenarios by their weights: [class, seed]."""
    return np.asarray(np.tensordot(shares_of(surface.scenarios, weights), surface.values("net_value", seeds), axes=1))


def reference_objective(surface: Surface, weights: Mapping[str, float], seeds: Sequence[int] | None = None) -> Floats:
    """Return the net value of the reference, over the scenarios by their weights: [seed]."""
    return np.asarray(shares_of(surface.scenarios, weights) @ surface.reference("net_value", seeds))


def answer(surface: Surface, template: Template, reference: PolicySpec, weights: Mapping[str, float]) -> Answer:
    """Return what a surface says, with scenarios by their weights, 1 unless given."""
    values = objective(surface, weights)
    means = values.mean(axis=1)
    best = int(means.argmax())
    rng = np.random.default_rng(zlib.crc32(template.text.encode()))
    inside = confidence_set(values, rng)
    retrains, alarms = surface.values("retrains"), surface.values("false_alarms_per_year")
    years = np.array(surface.years)[:, np.newaxis, np.newaxis]
    places = _Places(surface.overlay, values, best, inside, retrains / years, alarms)
    own = setting_of(template, reference)
    at = surface.overlay.class_of(own) if own is not None else -1
    gap = reference_objective(surface, weights) - values[best]
    return Answer(
        n_classes=len(values),
        n_lives=int((surface.lives["policy"] != REFERENCE).sum()),
        best=places.of(best),
        inside=inside,
        candidates=None if inside is None else _hull(surface.overlay.boxes(inside)),
        candidate_share=None if inside is None else float(inside.mean()),
        without_effect=_without_effect(surface),
        slices=tuple(places.along(axis) for axis in range(len(template.axes))),
        reference_less_best=figure(gap),
        reference_place=places.of(at, own) if at >= 0 else None,
    )


def figure(values: Floats) -> Figure:
    """Return the mean of values over seeds with its interval."""
    return Figure(float(values.mean()), mean_interval(values) if len(values) >= MIN_SEEDS else None)


def setting_of(template: Template, reference: PolicySpec) -> dict[str, float] | None:
    """Return the numbers that a reference has where a template has placeholders, `None` where it has no such places.

    A threshold is that of a comparison of the same signal by the same relation.
    """
    variant = template.variants(1)[0]
    if template.structure:
        return None
    names = {mark: template.names[position] for mark, position in variant.marks.items()}
    found: dict[str, float] = {}
    for key, given in variant.spec.parameters.items():
        own = reference.parameters.get(key)
        if not isinstance(given, str):
            if float(given) in names and own is not None and not isinstance(own, str):
                found[names[float(given)]] = float(own)
        elif given and own:
            found |= _thresholds(Expression.parse(given), Expression.parse(str(own)), names)
    return found if len(found) == len(template.names) else None


def _thresholds(given: Expression, own: Expression, names: Mapping[float, str]) -> dict[str, float]:
    known = {_form(each): _numbers(each) for each in own.comparisons}
    found: dict[str, float] = {}
    for comparison in given.comparisons:
        for number, mine in zip(known.get(_form(comparison), ()), _numbers(comparison), strict=False):
            if mine in names:
                found[names[mine]] = number
    return found


def _form(comparison: Comparison) -> tuple[object, ...]:
    """Return a comparison with its numbers left open."""
    sides = [comparison.left, *(link.right for link in comparison.links)]
    return (*(each if isinstance(each, str) else None for each in sides), *(link.holds for link in comparison.links))


def _numbers(comparison: Comparison) -> list[float]:
    sides = [comparison.left, *(link.right for link in comparison.links)]
    return [each for each in sides if not isinstance(each, str)]


def _hull(boxes: Sequence[Box]) -> tuple[Span, ...]:
    """Return the smallest box around boxes."""
    return tuple(
        Span(min(box[axis].low for box in boxes), max(box[axis].high for box in boxes))
        for axis in range(len(boxes[0]))
    )


def _without_effect(surface: Surface) -> tuple[str, ...]:
    """Return the placeholders along which no class changes."""
    codes = surface.overlay.codes
    return tuple(
        axis.name
        for place, axis in enumerate(surface.overlay.axes)
        if (codes == np.take(codes, [0], axis=place)).all()
    )


@dataclass(frozen=True)
class _Places:
    """Describes classes against the best one."""

    overlay: Overlay
    values: Floats
    best: int
    inside: NDArray[np.bool_] | None
    retrains: Floats
    alarms: Floats

    def of(self, code: int, setting: Setting | None = None) -> RatedSettings:
        """Return a class, with a setting of it unless one is given."""
        boxes = self.overlay.boxes(np.arange(len(self.values)) == code)
        return RatedSettings(
            setting=setting or sample_of(self.overlay.axes, boxes),
            boxes=tuple(boxes),
            net_value=figure(self.values[code]),
            less_best=figure(self.values[code] - self.values[self.best]),
            retrains_per_year=_mean(self.retrains[:, code]) or 0.0,
            false_alarms_per_year=_mean(self.alarms[:, code]),
            may_be_best=None if self.inside is None else bool(self.inside[code]),
        )

    def along(self, axis: int) -> Slice:
        """Return the classes along an axis, through the middle of the best one."""
        laid = self.overlay
        middle = laid.sample(self.best)
        at = [self._place(place, middle) for place in range(len(laid.axes))]
        spans = list(laid.spans(axis))
        line = laid.codes[tuple(slice(None) if place == axis else at[place] for place in range(len(at)))]
        edges = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
        steps = []
        for first, end in pairwise(edges):
            numbers = Span(spans[first].low, spans[end - 1].high)
            setting = {**middle, laid.axes[axis].name: laid.axes[axis].sample(numbers)}
            steps.append((numbers, self.of(int(line[first]), setting)))
        return Slice(laid.axes[axis], tuple(steps))

    def _place(self, axis: int, setting: Setting) -> int:
        laid = self.overlay
        return next(at for at, each in enumerate(laid.spans(axis)) if each.has(setting[laid.axes[axis].name]))


def _mean(known: Floats) -> float | None:
    return float(np.nanmean(known)) if np.isfinite(known).any() else None
