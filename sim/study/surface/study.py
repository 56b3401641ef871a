"""A surface over scenarios and seeds: every world followed once, kept, and laid over the others."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from policies.spec import PolicySpec
from scenarios.files import to_toml
from scenarios.schema import Scenario
from sim.errors import InputError, did_you_mean
from sim.json_file import read_json, write_json
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.loop.trainable import check_trainable
from sim.study.engines.engine import Engine
from sim.study.engines.worlds import done_worlds
from sim.study.lives.box import Axis, Box, Cut, Span
from sim.study.lives.template import Template
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import check_replayable
from sim.study.scores.judge import DAYS_PER_YEAR
from sim.study.surface.overlay import Overlay, WorldRegions, overlay
from sim.study.surface.worlds import (
    REFERENCE,
    SurfaceTask,
    WorldSurface,
    follow_world,
    is_written,
    read_boxes,
    read_world,
    write_world,
)
from sim.whole_file import whole_file
from sim.world.population import Population
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

SURFACE_FILE = "surface.json"
REGIONS_FILE = "regions.parquet"
LIVES_FILE = "lives.parquet"
_WORLDS_FOLDER = "worlds"
_RANGE = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^:]+):([^:]+)")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SurfaceIdentity:
    """What must be the same for worlds to belong to one surface."""

    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    rule: str
    box: tuple[str, ...]
    gates: str
    reference: str
    population: str
    trials: int


_IDENTITY = TypeAdapter(SurfaceIdentity)


@dataclass(frozen=True)
class SurfaceStudy:
    """What is searched: a rule with placeholders, in which box of settings, and in which worlds."""

    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]
    template: Template
    box: Box
    profile: GateProfile
    reference: PolicySpec
    population: PopulationSpec = field(default_factory=PopulationSpec)
    trials: int = 0

    def __post_init__(self) -> None:
        check_replayable(self.profile)
        names = [scenario.name for scenario in self.scenarios]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"each scenario of a surface must be named once, got {name!r} twice; leave one out.")
        if self.reference.kind != "rule":
            raise InputError(
                f"a reference must be a rule, got {self.reference.name!r} of the kind {self.reference.kind}; choose "
                f"one such as proposal."
            )

    @property
    def years(self) -> tuple[float, ...]:
        """How long a life of each scenario lasts."""
        times = [scenario.time for scenario in self.scenarios]
        return tuple(time.steps * time.step_days / DAYS_PER_YEAR for time in times)

    def tasks(self) -> tuple[SurfaceTask, ...]:
        """Return the worlds, scenario by scenario."""
        return tuple(
            SurfaceTask(scenario, seed, self.profile, self.template, self.box, self.reference, self.trials)
            for scenario in self.scenarios
            for seed in self.seeds
        )

    def identity(self) -> SurfaceIdentity:
        """Return what must be the same for worlds to belong to this surface."""
        return SurfaceIdentity(
            scenarios=tuple(to_toml(scenario) for scenario in self.scenarios),
            seeds=self.seeds,
            rule=self.template.text,
            box=tuple(f"{numbers!r}" for numbers in self.box),
            gates=repr(self.profile),
            reference=self.reference.to_toml(),
            population=self.population.text,
            trials=self.trials,
        )


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
        if score not in self.lives.columns or not pd.api.types.is_numeric_dtype(self.lives[score]):
            known = [name for name in self.lives.columns if pd.api.types.is_numeric_dtype(self.lives[name])]
            raise InputError(f"a score must be one of the lives, got {score!r}.{did_you_mean(score, known)}")
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


def parse_ranges(texts: Sequence[str], template: Template) -> Box:
    """Return the settings that ranges such as `a=0.01:0.2` leave, both ends in; the whole line without one.

    Raises
    ------
    InputError
        If a range can't be read, is the wrong way round, or names no placeholder.
    """
    found: dict[str, tuple[float, float]] = {}
    for text in texts:
        match = _RANGE.fullmatch(text)
        if match is None:
            raise InputError(f"a --range must read like a=0.01:0.2, got {text!r}; give a name and two numbers.")
        name, ends = match[1], _ends(text, match[2], match[3])
        if name not in template.names:
            hint = did_you_mean(name, template.names)
            raise InputError(f"a --range must be of a placeholder of the rule, got {name!r}.{hint}")
        if name in found:
            raise InputError(f"each placeholder must have one --range, got {name!r} twice; leave one out.")
        found[name] = ends
    return tuple(_within(axis, found) for axis in template.axes)


def _ends(text: str, low: str, high: str) -> tuple[float, float]:
    try:
        ends = float(low), float(high)
    except ValueError as error:
        raise InputError(f"a --range must read like a=0.01:0.2, got {text!r}; give two numbers.") from error
    if not all(isfinite(end) for end in ends) or ends[0] > ends[1]:
        raise InputError(f"a --range must go from a number to a larger one, got {text!r}; turn it round.")
    return ends


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
        If the folder holds something else, a world leads too many lives, or the population or the engine can't be
        had.
    """
    place, populations = Engine(engine, address, workers), {}
    for scenario in study.scenarios:
        populations[scenario.name] = study.population.load(scenario)[0]
        check_trainable(World(scenario, study.seeds[0], populations[scenario.name]), trials=study.trials)
    with place.executor() as executor:
        _claim(study, folder, resume=resume)
        worlds, tasks = folder / _WORLDS_FOLDER, study.tasks()
        waiting = [task for task in tasks if not is_written(worlds, task.name)]
        done = len(tasks) - len(waiting)
        on_world(done)
        for task, ended in done_worlds(executor, _follow, waiting, populations, cache_folder):
            write_world(ended.result(), worlds, task.name)
            done += 1
            on_world(done)
    found = [read_world(worlds, task.name) for task in tasks]
    boxes = pd.concat([each.boxes for each in found], ignore_index=True)
    lives = pd.concat([each.lives for each in found], ignore_index=True)
    for frame, name in ((boxes, REGIONS_FILE), (lives, LIVES_FILE)):
        with whole_file(folder / name) as part:
            frame.to_parquet(part, index=False)
    axes = study.template.axes
    laid = overlay(axes, study.box, [WorldRegions(read_boxes(axes, each.boxes)) for each in found])
    return Surface(laid, lives, tuple(scenario.name for scenario in study.scenarios), study.seeds, study.years)


def _follow(task: SurfaceTask, population: Population, cache_folder: Path | None) -> WorldSurface:
    return follow_world(task, population, ReplayCache(cache_folder))


def _claim(study: SurfaceStudy, folder: Path, *, resume: bool) -> None:
    path = folder / SURFACE_FILE
    if path.exists():
        try:
            is_same = read_json(_IDENTITY, path.read_bytes()) == study.identity()
        except (OSError, ValueError):
            is_same = False
        if not is_same:
            raise InputError(f"a surface needs a folder of its own, but {folder} holds another; use another --out.")
        if not resume:
            raise InputError(
                f"a surface needs a folder of its own, but {folder} holds this one already; use --resume or --out."
            )
        return
    if resume:
        raise InputError(f"--resume needs the folder of a surface, but {folder} holds none; leave --resume out.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"a surface needs a folder of its own, but {folder} is not empty; use another --out.")
    try:
        (folder / _WORLDS_FOLDER).mkdir(parents=True, exist_ok=True)
        write_json(_IDENTITY, study.identity(), path)
    except OSError as error:
        raise InputError(
            f"a surface folder must be writable, but {folder} is not ({error.strerror}); use another --out."
        ) from error
