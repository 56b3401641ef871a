"""One world of a surface: every life that a setting of the rule leads there, each judged once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from policies.spec import PolicySpec
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.records.record import Record
from sim.study.comparison.cells import bench_of, judged
from sim.study.comparison.results import Cell, CellIdentity, to_row
from sim.study.lives.box import Axis, Box, Cut, Span
from sim.study.lives.continuum import regions
from sim.study.lives.template import Template
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.whole_file import whole_file
from sim.world.population import Population
from sim.world.world import World

REFERENCE = "reference"
"""The name of the reference among the lives of a world."""


@dataclass(frozen=True, slots=True)
class SurfaceTask:
    """What is to be followed in one world; `reference` is a policy that is judged beside the surface."""

    scenario: Scenario
    seed: int
    profile: GateProfile
    template: Template
    box: Box
    reference: PolicySpec
    trials: int = 0

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.scenario.name}-seed{self.seed}"


@dataclass(frozen=True)
class WorldSurface:
    """What came of one world: a row for each box of each region, and a row for each life with every score.

    Lives are numbered from 0 in both tables; the life of the reference is `REFERENCE` in the column `policy`.
    """

    boxes: pd.DataFrame
    lives: pd.DataFrame


def follow_world(task: SurfaceTask, population: Population, cache: ReplayCache) -> WorldSurface:
    """Follow and judge every life that the settings lead in a world, and that of the reference."""
    replay = Replay(World(task.scenario, task.seed, population, kept_steps=None), task.trials)
    cache.load(replay)
    found = regions(replay, task.profile, task.template, task.box)
    bench = bench_of(replay, task.profile)
    reference = replay.record(task.reference.build(), task.profile, task.reference.name)
    records = {str(life): region.record for life, region in enumerate(found)} | {REFERENCE: reference}

    def row(name: str, record: Record) -> dict[str, Any]:
        identity = CellIdentity(task.scenario.name, task.profile.name, name, None, None, task.seed)
        return to_row(Cell(identity, judgement=judged(record, bench, bench.never, with_needless=False)))

    lives = pd.DataFrame([row(name, record) for name, record in records.items()])
    cache.save(replay)
    boxes = [
        {"scenario": task.scenario.name, "seed": task.seed, "life": life, **_ends(task.template.axes, box)}
        for life, region in enumerate(found)
        for box in region.boxes
    ]
    return WorldSurface(pd.DataFrame(boxes), lives)


def read_boxes(axes: Sequence[Axis], rows: pd.DataFrame) -> tuple[tuple[Box, ...], ...]:
    """Return the boxes of each life of a world, from their rows."""
    found: dict[int, list[Box]] = {}
    for row in rows.to_dict("records"):
        found.setdefault(int(row["life"]), []).append(tuple(_span(axis.name, row) for axis in axes))
    return tuple(tuple(found[life]) for life in range(len(found)))


def write_world(surface: WorldSurface, folder: Path, name: str) -> None:
    """Write a world as two parquet files; the second says that both are whole."""
    for frame, path in zip((surface.boxes, surface.lives), _paths(folder, name), strict=True):
        with whole_file(path) as part:
            frame.to_parquet(part, index=False)


def is_written(folder: Path, name: str) -> bool:
    """Say whether a world is there as a whole."""
    return _paths(folder, name)[1].exists()


def read_world(folder: Path, name: str) -> WorldSurface:
    """Return what `write_world` wrote."""
    boxes, lives = _paths(folder, name)
    return WorldSurface(pd.read_parquet(boxes), pd.read_parquet(lives))


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.regions.parquet", folder / f"{name}.lives.parquet"


def _ends(axes: Sequence[Axis], box: Box) -> Mapping[str, float | bool]:
    """Return the ends of a box, and whether each is left out."""
    ends: dict[str, float | bool] = {}
    for axis, (low, high) in zip(axes, box, strict=True):
        ends |= {f"{axis.name}_low": float(low.value), f"{axis.name}_low_open": low.is_after}
        ends |= {f"{axis.name}_high": float(high.value), f"{axis.name}_high_open": not high.is_after}
    return ends


def _span(name: str, row: Mapping[Any, Any]) -> Span:
    low = Cut(float(row[f"{name}_low"]), is_after=bool(row[f"{name}_low_open"]))
    return Span(low, Cut(float(row[f"{name}_high"]), is_after=not row[f"{name}_high_open"]))
