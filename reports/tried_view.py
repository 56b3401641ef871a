"""The view of settings that were tried one by one, which their picture and their page share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenarios.files import parse_scenario
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.study.surface.goal import shares_of, yearly
from sim.study.surface.tried import Tried, TriedIdentity, read_tried
from sim.study.surface.tuned_file import TunedFile, TuningIdentity
from sim.study.surface.words import currency_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TriedView:
    """The settings of a search with what a tuning chose among them.

    `values` is the net value of each setting over the scenarios by their weights, [setting, seed], `reference` that
    of the reference by seed; `retrains_per_year` is a mean over scenarios and seeds, by setting.
    """

    tuned: TunedFile
    search: TriedIdentity
    tried: Tried
    scenarios: tuple[Scenario, ...]
    values: Floats
    reference: Floats
    retrains_per_year: Floats

    @property
    def chosen(self) -> int:
        """The number of the setting that was chosen."""
        return self.tried.settings.index(dict(self.tuned.setting))

    @property
    def currency(self) -> str:
        """The currency of the scenarios, nothing where they have several."""
        return currency_of(self.scenarios)


def read_tried_view(folder: Path, asked: TuningIdentity, tuned: TunedFile) -> TriedView:
    """Return the view of the settings that a tuning chose among; `InputError` if its folder holds none."""
    search = asked.searches[int(tuned.search.removeprefix("search-")) - 1]
    if not isinstance(search, TriedIdentity):
        raise InputError(f"{folder} must hold settings that were tried, but {tuned.search} is a surface; tune anew.")
    tried = read_tried(folder / tuned.search, search)
    shares = shares_of(tried.scenarios, tuned.weights)
    return TriedView(
        tuned,
        search,
        tried,
        tuple(parse_scenario(text, str(folder)) for text in search.scenarios),
        np.asarray(np.tensordot(shares, tried.values("net_value"), axes=1)),
        np.asarray(shares @ tried.reference("net_value")),
        np.asarray(yearly(tried, "retrains_per_year").mean(axis=(0, 2))),
    )
