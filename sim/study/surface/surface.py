"""A surface: every setting judged in every world, and the folder that keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from policies.spec import PolicySpec, policies_from_toml
from scenarios.files import parse_scenario
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.json_file import read_json
from sim.study.lives.box import Axis, Box, Cut, Setting, Span
from sim.study.lives.template import Template, read_template
from sim.study.surface.overlay import Overlay, WorldRegions, overlay
from sim.study.surface.search import SearchIdentity, check_score, years_of
from sim.study.surface.worlds import REFERENCE, read_boxes

SURFACE_FILE = "surface.json"
REGIONS_FILE = "regions.parquet"
LIVES_FILE = "lives.parquet"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceIdentity(SearchIdentity):
    """What must be the same for worlds to belong to one surface.

    `box` has the two ends of each axis as text, with the side of their cut: `0.01-` lies just before 0.01. `policy`
    is the text of a rule that lay in a file.
    """

    box: tuple[tuple[str, str], ...]
    policy: str = ""


SURFACE_KIND = TypeAdapter(SurfaceIdentity)
"""How it is written."""


def box_to_text(box: Box) -> tuple[tuple[str, str], ...]:
    """Return a box as text that `box_from_text` reads.

    >>> box_from_text(box_to_text((Span(Cut(0.01, False), Cut(float("inf"), False)),)))[0].low
    Cut(value=0.01, is_after=False)
    """
    return tuple((_end(low), _end(high)) for low, high in box)


def box_from_text(texts: Sequence[tuple[str, str]]) -> Box:
    """Return the box that `box_to_text` wrote; `ValueError` if it is something else."""
    return tuple(Span(_cut(low), _cut(high)) for low, high in texts)


def _end(cut: Cut) -> str:
    return f"{float(cut.value)!r}{'+' if cut.is_after else '-'}"


def _cut(text: str) -> Cut:
    return Cut(float(text[:-1]), is_after=text.endswith("+"))


@dataclass(frozen=True)
class Surface:
    """Every setting, judged in every world: the overlay of the regions, and the lives with their scores.

    `years` is how long a life of each scenario lasts.

    `lives` has a row for each life of each world, the reference among them. The worlds of the overlay are in the
    order of `scenarios` and, in each, of `seeds`.
    """

    overlay: Overlay
    lives: pd.DataFrame
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    years: tuple[float, ...]

    def values(self, score: str, seeds: Sequence[int] | None = None) -> Floats:
        """Return a score of every class: [scenario, class, seed]; NaN where it is missing.

        Raises
        ------
        InputError
            If no life has the score, or the seeds are not those of this surface.
        """
        check_score(self.lives, score)
        wanted = self.seeds if seeds is None else tuple(seeds)
        by_world = self._by_world(score)
        return np.stack(
            [
                np.stack(
                    [by_world[name, seed][self.overlay.lives[:, self._column(name, seed)]] for seed in wanted], axis=1
                )
                for name in self.scenarios
            ]
        )

    @property
    def size(self) -> int:
        """How many classes of settings there are."""
        return len(self.overlay.lives)

    def setting(self, number: int) -> Setting:
        """Return a setting of a class, from the middle of its widest box."""
        return self.overlay.sample(number)

    def reference(self, score: str, seeds: Sequence[int] | None = None) -> Floats:
        """Return a score of the reference: [scenario, seed]; NaN where it is missing."""
        rows = self.lives[self.lives["policy"] == REFERENCE].set_index(["scenario", "seed"])[score].astype(float)
        wanted = self.seeds if seeds is None else seeds
        return np.array([[rows[name, seed] for seed in wanted] for name in self.scenarios], dtype=np.float64)

    def _by_world(self, score: str) -> Mapping[tuple[str, int], Floats]:
        rows = self.lives[self.lives["policy"] != REFERENCE]
        return {
            _world_of(key): group.sort_values("policy", key=lambda each: each.astype(int))[score].to_numpy(
                dtype=np.float64, na_value=np.nan
            )
            for key, group in rows.groupby(["scenario", "seed"])
        }

    def _column(self, scenario: str, seed: int) -> int:
        return self.scenarios.index(scenario) * len(self.seeds) + self.seeds.index(seed)


def _world_of(key: Any) -> tuple[str, int]:
    scenario, seed = key
    return str(scenario), int(seed)


@dataclass(frozen=True)
class SurfaceFolder:
    """What a survey left behind: what was asked, and the surface.

    `template` is the rule with its placeholders, `reference` the policy that the best setting is paired with;
    `regions` has a row for each box of each life of each world.
    """

    asked: SurfaceIdentity
    scenarios: tuple[Scenario, ...]
    template: Template
    reference: PolicySpec
    surface: Surface
    regions: pd.DataFrame


def laid_over(
    template: Template, box: Box, scenarios: Sequence[Scenario], seeds: tuple[int, ...], tables: "Tables"
) -> Surface:
    """Return the surface of worlds whose regions and lives are given, scenario by scenario and seed by seed."""
    by_world = boxes_by_world(template.axes, tables.regions)
    names = tuple(scenario.name for scenario in scenarios)
    worlds = [WorldRegions(by_world[name, seed]) for name in names for seed in seeds]
    return Surface(overlay(template.axes, box, worlds), tables.lives, names, seeds, years_of(scenarios))


def boxes_by_world(
    axes: Sequence[Axis], regions: pd.DataFrame
) -> Mapping[tuple[str, int], tuple[tuple[Box, ...], ...]]:
    """Return the boxes of each life of each world, by scenario and seed."""
    return {_world_of(key): read_boxes(axes, rows) for key, rows in regions.groupby(["scenario", "seed"])}


@dataclass(frozen=True)
class Tables:
    """The two tables of a surface: a row for each box of each life, and a row for each life with every score."""

    regions: pd.DataFrame
    lives: pd.DataFrame


def read_surface(folder: Path) -> SurfaceFolder:
    """Return a finished surface; `InputError` if the folder holds none.

    The rule is read from the folder's own words; a rule that lay in a TOML file needs that file.
    """
    try:
        asked = read_json(SURFACE_KIND, (folder / SURFACE_FILE).read_bytes())
        tables = Tables(pd.read_parquet(folder / REGIONS_FILE), pd.read_parquet(folder / LIVES_FILE))
        scenarios = tuple(parse_scenario(text, str(folder / SURFACE_FILE)) for text in asked.scenarios)
        template, box = read_template(asked.rule), box_from_text(asked.box)
        (reference,) = policies_from_toml(asked.reference, str(folder / SURFACE_FILE)).values()
        surface = laid_over(template, box, scenarios, asked.seeds, tables)
    except (OSError, ValueError, LookupError) as error:
        raise InputError(
            f"{folder} must hold a finished surface, but it cannot be read: {error}; add --resume to surface."
        ) from error
    return SurfaceFolder(asked, scenarios, template, reference, surface, tables.regions)
