"""A surface over scenarios and seeds: every world followed once, kept, and laid over the others."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scenarios.schema import Scenario
from sim.errors import InputError
from sim.mlops.loop.trainable import check_trainable
from sim.mlops.models.profiles import load_training
from sim.study.claim import Claim
from sim.study.engines.engine import Engine
from sim.study.engines.worlds import done_worlds
from sim.study.lives.box import Axis, Box, Cut, Span
from sim.study.lives.ranges import check_ends, ranges_by_name
from sim.study.lives.template import Template, is_file, text_of
from sim.study.replay.cache import ReplayCache
from sim.study.surface.overlay import Spread, WorldRegions
from sim.study.surface.search import SearchStudy
from sim.study.surface.surface import (
    LIVES_FILE,
    REGIONS_FILE,
    SURFACE_FILE,
    SURFACE_KIND,
    Surface,
    SurfaceIdentity,
    Tables,
    box_to_text,
    laid_over,
)
from sim.study.surface.worlds import (
    SurfaceTask,
    WorldSurface,
    follow_world,
    is_written,
    read_boxes,
    read_world,
    write_world,
)
from sim.whole_file import write_table
from sim.world.population import Population
from sim.world.world import World

_WORLDS_FOLDER = "worlds"
_RANGE = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^:]+):([^:]+)")


@dataclass(frozen=True, kw_only=True)
class SurfaceStudy(SearchStudy):
    """What is searched: a rule with placeholders, in which box of settings, and in which worlds."""

    template: Template
    box: Box

    @property
    def n_worlds(self) -> int:
        """How many worlds are followed."""
        return len(self.scenarios) * len(self.seeds)

    def tasks(self) -> tuple[SurfaceTask, ...]:
        """Return the worlds, scenario by scenario."""
        training = load_training(self.training) if self.training else None
        return tuple(
            SurfaceTask(scenario, seed, self.profile, self.template, self.box, self.reference, self.trials, training)
            for scenario in self.scenarios
            for seed in self.seeds
        )

    def identity(self) -> SurfaceIdentity:
        """Return what must be the same for worlds to belong to this surface."""
        text = self.template.text
        policy = text_of(text) if is_file(text) else ""
        return SurfaceIdentity(**self._asked(text), box=box_to_text(self.box), policy=policy)


def parse_ranges(texts: Sequence[str], template: Template) -> Box:
    """Return the settings that ranges such as `a=0.01:0.2` leave, both ends in; the whole line without one.

    Raises
    ------
    InputError
        If a range can't be read, is the wrong way round, or names no placeholder.
    """
    found = ranges_by_name(map(_range, texts), template.names, "rule")
    return tuple(_within(axis, found) for axis in template.axes)


def _range(text: str) -> tuple[str, tuple[float, float]]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise InputError(f"a --range must read like a=0.01:0.2, got {text!r}; give a name and two numbers.")
    try:
        ends = float(match[2]), float(match[3])
    except ValueError as error:
        raise InputError(f"a --range must read like a=0.01:0.2, got {text!r}; give two numbers.") from error
    check_ends(text, *ends)
    return match[1], ends


def _within(axis: Axis, found: Mapping[str, tuple[float, float]]) -> Span:
    if axis.name not in found:
        return axis.whole
    low, high = found[axis.name]
    asked = axis.within(Cut(low, is_after=False), Cut(high, is_after=True))
    numbers = asked and asked.meets(axis.whole)
    if numbers is None:
        raise InputError(
            f"{{{axis.name}}} must be one of {axis.text(axis.whole)}, but the range {low:g} to {high:g} has none."
        )
    return numbers


def survey(
    study: SurfaceStudy,
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    cache_folder: Path | None = None,
    on_world: Callable[[int], None] = lambda _: None,
    engine: str = "processes",
    address: str = "",
) -> Surface:
    """Follow every setting in every world and leave `regions.parquet` and `lives.parquet` in a folder.

    Each world is kept as soon as it is done, so that a survey that was killed goes on with `resume`. The results do
    not depend on the number of workers, nor on the engine: see `sim.study.engines.engine.Engine`.

    Raises
    ------
    InputError
        If the folder holds something else, a world leads too many lives, the settings of the worlds so far make too
        many kinds, or the population or the engine can't be had.
    """
    place = Engine(engine, address, workers)
    claim = Claim("surface", SURFACE_FILE, SURFACE_KIND, study.identity(), _WORLDS_FOLDER)
    claim.check(folder, resume=resume)
    populations = {scenario.name: population_of(study, scenario) for scenario in study.scenarios}
    with place.executor() as executor:
        claim.take(folder)
        worlds, tasks = folder / _WORLDS_FOLDER, study.tasks()
        waiting = [task for task in tasks if not is_written(worlds, task.name)]
        spread, done = Spread(study.template.axes, study.box, len(tasks)), len(tasks) - len(waiting)
        on_world(done)
        for task, ended in done_worlds(executor, _follow, waiting, populations, cache_folder):
            followed = ended.result()
            write_world(followed, worlds, task.name)
            spread.add(WorldRegions(read_boxes(study.template.axes, followed.boxes)))
            spread.check()
            done += 1
            on_world(done)
    found = [read_world(worlds, task.name) for task in tasks]
    tables = Tables(
        pd.concat([each.boxes for each in found], ignore_index=True),
        pd.concat([each.lives for each in found], ignore_index=True),
    )
    for frame, name in ((tables.regions, REGIONS_FILE), (tables.lives, LIVES_FILE)):
        write_table(folder / name, frame)
    return laid_over(study.template, study.box, study.scenarios, study.seeds, tables)


def population_of(study: SearchStudy, scenario: Scenario) -> Population:
    """Return the customers of a scenario; `InputError` if they can't be had, or no model can learn from them."""
    population = study.population.load(scenario)[0]
    check_trainable(World(scenario, study.seeds[0], population), trials=study.trials)
    return population


def _follow(task: SurfaceTask, population: Population, cache_folder: Path | None) -> WorldSurface:
    return follow_world(task, population, ReplayCache(cache_folder))
