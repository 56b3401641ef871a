"""The view of a surface that its pictures and its first page share: what it says, and which settings are marked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reports.explorer import Mark
from sim.study.lives.box import Setting
from sim.study.surface.answers import Answer, answer, objective
from sim.study.surface.surface import SurfaceFolder, read_surface
from sim.study.surface.tuned_file import TunedFile
from sim.study.surface.words import currency_of

THE_BEST, THE_CHOSEN = "the best seen", "the chosen"


@dataclass(frozen=True)
class SurfaceView:
    """A finished surface with what it says; `values` is the net value of each class over the scenarios, by seed.

    `tuned` is what a tuning chose on it, if this is the surface of one.
    """

    folder: SurfaceFolder
    said: Answer
    values: NDArray[np.float64]
    tuned: TunedFile | None = None

    @property
    def best(self) -> int:
        """The class with the largest mean."""
        return int(self.values.mean(axis=1).argmax())

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The settings that are marked: the best, the reference's own numbers and the chosen, if there are any."""
        return tuple(self._marks())

    @property
    def currency(self) -> str:
        """The currency of the scenarios, nothing where they have several."""
        return currency_of(self.folder.scenarios)

    def class_of(self, setting: Setting) -> int:
        """Return the class of a setting; -1 outside what was searched."""
        return self.folder.surface.overlay.class_of(setting)

    def _marks(self) -> Iterator[Mark]:
        yield Mark(THE_BEST, self.said.best.setting)
        place = self.said.reference_place
        if place is not None:
            yield Mark(f"as in {self.folder.reference.name}", place.setting)
        if self.tuned is not None and self.class_of(self.tuned.setting) >= 0:
            yield Mark(THE_CHOSEN, self.tuned.setting)


def read_view(folder: Path, tuned: TunedFile | None = None) -> SurfaceView:
    """Return the view of a finished surface; `InputError` if the folder holds none."""
    found = read_surface(folder)
    weights = {} if tuned is None else tuned.weights
    said = answer(found.surface, found.template, found.reference, weights)
    return SurfaceView(found, said, objective(found.surface, weights), tuned)
