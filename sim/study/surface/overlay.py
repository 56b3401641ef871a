"""The overlay: the regions of many worlds laid over one another, so that every mean over them is exact everywhere."""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.study.lives.box import Axis, Box, Cut, Setting, Span, merged

MOST_CELLS = 100_000_000
"""Cells of an overlay, in all worlds together: in each, the product of the numbers of spans on its axes."""

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WorldRegions:
    """The regions of one world: for each of its lives the boxes of settings that lead it."""

    boxes: tuple[tuple[Box, ...], ...]


@dataclass(frozen=True)
class Overlay:
    """All settings as cells between neighbouring cuts; settings in one cell lead the same life in every world.

    Parameters
    ----------
    axes
        What each placeholder may be.
    cuts
        For each axis the cuts of all worlds, ascending, from the lowest number searched to the highest.
    codes
        For each cell the number of its class, in the order of the axes.
    lives
        A row for each class: the number of its life in each world.
    """

    axes: tuple[Axis, ...]
    cuts: tuple[tuple[Cut, ...], ...]
    codes: Counts
    lives: Counts

    def spans(self, axis: int) -> Iterator[Span]:
        """Yield the spans between neighbouring cuts of an axis."""
        cuts = self.cuts[axis]
        for low, high in pairwise(cuts):
            yield Span(low, high)

    def span_after(self, axis: int, cut: Cut) -> int:
        """Return the number of the span of an axis that a place lies in, or begins."""
        return bisect_right(self.cuts[axis], cut) - 1

    def classes_at(self, *values: Floats) -> Counts:
        """Return the class of every combination of values of the axes; -1 outside what was searched.

        The result has an axis for each vector of values, so that a grid of a million settings is read at once.
        """
        places = [_places(cuts, wanted) for cuts, wanted in zip(self.cuts, values, strict=True)]
        sides = list(zip(places, self.codes.shape, strict=True))
        found: Counts = self.codes[np.ix_(*(np.clip(place, 0, size - 1) for place, size in sides))]
        for axis, (place, size) in enumerate(sides):
            if (outside := (place < 0) | (place >= size)).any():
                shape = [1] * found.ndim
                shape[axis] = len(place)
                found = np.where(outside.reshape(shape), -1, found)
        return found

    def class_of(self, setting: Mapping[str, float]) -> int:
        """Return the class of a setting; -1 outside what was searched."""
        return int(self.classes_at(*(np.array([setting[axis.name]], dtype=np.float64) for axis in self.axes)).item())

    def sample(self, code: int) -> Setting:
        """Return a setting from the middle of the widest box of a class."""
        return sample_of(self.axes, self.boxes(np.arange(len(self.lives)) == code))

    def boxes(self, classes: NDArray[np.bool_]) -> list[Box]:
        """Return the settings of the classes that a mask has, as few disjoint boxes."""
        inside = classes[self.codes]
        spans = [list(self.spans(axis)) for axis in range(len(self.axes))]
        lines: list[Box] = []
        for place in np.argwhere(inside.any(axis=-1)):
            row = inside[tuple(place)]
            edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
            others = tuple(spans[axis][at] for axis, at in enumerate(place))
            lines += [
                (*others, Span(self.cuts[-1][first], self.cuts[-1][end]))
                for first, end in zip(edges[::2], edges[1::2], strict=True)
            ]
        return merged(lines)


class Spread:
    """The cells that worlds make together, counted as the worlds come in.

    Parameters
    ----------
    axes, searched
        What each placeholder may be, and what was searched of it.
    n_worlds
        How many worlds there will be.
    """

    def __init__(self, axes: tuple[Axis, ...], searched: Box, n_worlds: int) -> None:
        self._axes, self._searched, self._n_worlds = axes, searched, n_worlds
        self._cuts: list[set[Cut]] = [set() for _ in axes]

    def add(self, world: WorldRegions) -> None:
        """Count a world more."""
        for boxes in world.boxes:
            for box in boxes:
                for found, numbers in zip(self._cuts, box, strict=True):
                    found.update(numbers)

    def check(self) -> None:
        """Raise `InputError` if all worlds make more than `MOST_CELLS` cells, whatever the missing ones are like."""
        shape = [max(numbered.values()) for numbered in self.numbered_cuts()]
        size = self._n_worlds * math.prod(shape)
        if size > MOST_CELLS:
            raise InputError(
                f"an overlay may have at most {MOST_CELLS:,} cells in all worlds, but these {self._n_worlds} make "
                f"{size:,} or more ({' x '.join(map(str, shape))} in each); put a number in place of a placeholder, "
                f"give a --range, or take fewer seeds."
            )

    def numbered_cuts(self) -> list[dict[Cut, int]]:
        """Return the cuts of each axis, ascending, with their numbers."""
        return [
            _numbered_cuts(axis, numbers, found)
            for axis, numbers, found in zip(self._axes, self._searched, self._cuts, strict=True)
        ]


def sample_of(axes: Sequence[Axis], boxes: Sequence[Box]) -> dict[str, float]:
    """Return a setting from the middle of the widest of some boxes."""
    widest = _widest(boxes)
    return {axis.name: axis.sample(numbers) for axis, numbers in zip(axes, widest, strict=True)}


def _widest(boxes: Sequence[Box]) -> Box:
    """Return the box whose narrowest side is widest, an unbounded side counting as one of its own end."""

    def width(numbers: Span) -> float:
        low, high = numbers.low.value, numbers.high.value
        if np.isinf(low) and np.isinf(high):
            return 1e9
        return abs(high if np.isinf(low) else low) + 1.0 if np.isinf(low) or np.isinf(high) else high - low

    return max(boxes, key=lambda box: min(width(numbers) for numbers in box))


def overlay(axes: tuple[Axis, ...], searched: Box, worlds: Sequence[WorldRegions]) -> Overlay:
    """Lay the regions of worlds over one another.

    Raises
    ------
    InputError
        If that makes more than `MOST_CELLS` cells.
    """
    spread = Spread(axes, searched, len(worlds))
    for world in worlds:
        spread.add(world)
    spread.check()
    places = spread.numbered_cuts()
    cuts = tuple(_first_of_each(each) for each in places)
    shape = tuple(len(each) - 1 for each in cuts)
    codes, painted = np.zeros(shape, dtype=np.int64), []
    for world in worlds:
        painted.append(_painted(world, places, shape))
        _, codes = np.unique(codes * (len(world.boxes) + 1) + painted[-1], return_inverse=True)
        codes = codes.reshape(shape)
    _, first = np.unique(codes, return_index=True)
    return Overlay(axes, cuts, codes, np.stack([lives.ravel()[first] for lives in painted], axis=1))


def _numbered_cuts(axis: Axis, numbers: Span, found: Collection[Cut]) -> dict[Cut, int]:
    """Return the cuts of an axis, ascending, with their numbers; cuts without a number between them share one."""
    low, high = numbers
    last, numbered = low, {low: 0}
    for cut in sorted({*found} - {low, high}):
        is_new = axis.within(last, cut) is not None
        numbered[cut] = numbered[last] + is_new
        last = cut if is_new else last
    numbered[high] = numbered[last] + 1
    return numbered


def _first_of_each(numbers: Mapping[Cut, int]) -> tuple[Cut, ...]:
    cuts: dict[int, Cut] = {}
    for cut, number in numbers.items():
        cuts.setdefault(number, cut)
    return tuple(cuts.values())


def _painted(world: WorldRegions, places: Sequence[Mapping[Cut, int]], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the life of every cell in a world."""
    lives = np.full(shape, -1, dtype=np.int32)
    for life, boxes in enumerate(world.boxes):
        for box in boxes:
            part = tuple(slice(numbers[low], numbers[high]) for numbers, (low, high) in zip(places, box, strict=True))
            lives[part] = life
    return lives


def _places(cuts: Sequence[Cut], values: Floats) -> Counts:
    """Return for each value the number of the span that has it; -1 below the lowest."""
    at = np.array([cut.value for cut in cuts])
    is_after = np.array([cut.is_after for cut in cuts])
    below = np.searchsorted(at, values, side="left")  # cuts whose value is smaller
    upto = np.searchsorted(at, values, side="right")
    before = np.concatenate([[0], np.cumsum(~is_after)])  # of the cuts at the value itself, those just before it
    return np.asarray(below + (before[upto] - before[below]) - 1, dtype=np.int64)
