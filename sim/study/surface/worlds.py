"""One world of a surface: every life that a setting of the rule leads there, each judged once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from policies.spec import PolicySpec
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.records.record import Record
from sim.study.comparison.cells import Bench, bench_of, judged, response_scores, without_drift
from sim.study.comparison.results import Cell, CellIdentity, Judgement, to_row
from sim.study.lives.box import Axis, Box, Cut, Span, merged, overlap
from sim.study.lives.continuum import Region, regions
from sim.study.lives.template import Template
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.scores.judge import alarm_steps, detection_days
from sim.study.scores.table import Score
from sim.whole_file import write_table
from sim.world.population import Population
from sim.world.world import World

REFERENCE = "reference"
"""The name of the reference among the lives of a world."""


@dataclass(frozen=True, slots=True)
class SurfaceTask:
    """What is to be followed in one world; `reference` is a policy that is judged beside the surface.

    The retrainings of the settings learn by `training`, those of the reference by the scenario's profile, as both do
    if it is `None`.
    """

    scenario: Scenario
    seed: int
    profile: GateProfile
    template: Template
    box: Box
    reference: PolicySpec
    trials: int = 0
    training: TrainingProfile | None = None

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
    """Follow and judge every life that the settings lead in a world, and that of the reference.

    Settings of one life are told apart where without the drift they would have raised other alarms, since an alarm
    that comes without the drift too is no detection.
    """
    replay = Replay(World(task.scenario, task.seed, population, kept_steps=None), task.trials)
    cache.load(replay)
    undrifted = without_drift(replay)
    if undrifted is not None:
        cache.load(undrifted)
    learnt = () if task.training is None else (task.training,)
    bench = bench_of(replay, task.profile, learnt, undrifted=undrifted)
    reference = replay.record(task.reference.build(), task.profile, task.reference.name)
    calm = None
    if undrifted is not None and detection_days(reference) is not None:
        calm = undrifted.record(task.reference.build(), task.profile, task.reference.name)
    rows, boxes = [], []
    for life, (parts, judgement) in enumerate(_judged_regions(task, replay, bench)):
        rows.append(_row(task, str(life), judgement))
        boxes += [
            {"scenario": task.scenario.name, "seed": task.seed, "life": life, **_ends(task.template.axes, box)}
            for box in parts
        ]
    rows.append(_row(task, REFERENCE, judged(reference, bench, bench.never, with_needless=True, undrifted=calm)))
    for each in (replay, undrifted):
        if each is not None:
            cache.save(each)
    return WorldSurface(pd.DataFrame(boxes), _numeric(pd.DataFrame(rows)))


def _judged_regions(task: SurfaceTask, replay: Replay, bench: Bench) -> Iterator[tuple[Sequence[Box], Judgement]]:
    """Yield the settings of every life, as boxes, with what is to be said of it."""
    found = regions(replay, task.profile, task.template, task.box, task.training)
    calm: list[Region] = []
    if bench.undrifted is not None and any(detection_days(region.record) is not None for region in found):
        calm = regions(bench.undrifted, task.profile, task.template, task.box, task.training)
    for region in found:
        own = judged(region.record, bench, bench.never, with_needless=True)
        for parts, undrifted in _told_apart(region, calm):
            told = response_scores(region.record, undrifted)
            yield parts, replace(own, scores={**own.scores, **told})


def _told_apart(region: Region, calm: Sequence[Region]) -> Iterator[tuple[Sequence[Box], Record | None]]:
    """Yield the settings of a life by which of its alarms come without the drift too, each with such a life."""
    if not calm or detection_days(region.record) is None:
        yield region.boxes, None
        return
    own = alarm_steps(region.record)
    by_false: dict[frozenset[int], tuple[list[Box], Record]] = {}
    for other in calm:
        shared = [
            both for box in region.boxes for theirs in other.boxes if (both := overlap(box, theirs)) is not None
        ]
        if shared:
            by_false.setdefault(own & alarm_steps(other.record), ([], other.record))[0].extend(shared)
    for boxes, record in by_false.values():
        yield merged(boxes), record


def _numeric(lives: pd.DataFrame) -> pd.DataFrame:
    """Return lives with a number or NaN for each score, also where it is missing in all of them."""
    unknown = [score.value for score in Score if score.value in lives and lives[score.value].dtype == object]
    return lives.astype(dict.fromkeys(unknown, np.float64))


def _row(task: SurfaceTask, name: str, judgement: Judgement) -> dict[str, Any]:
    identity = CellIdentity(task.scenario.name, task.profile.name, name, None, None, task.seed)
    return to_row(Cell(identity, judgement=judgement))


def read_boxes(axes: Sequence[Axis], rows: pd.DataFrame) -> tuple[tuple[Box, ...], ...]:
    """Return the boxes of each life of a world, from their rows."""
    found: dict[int, list[Box]] = {}
    for row in rows.to_dict("records"):
        found.setdefault(int(row["life"]), []).append(tuple(_span(axis.name, row) for axis in axes))
    return tuple(tuple(found[life]) for life in range(len(found)))


def write_world(surface: WorldSurface, folder: Path, name: str) -> None:
    """Write a world as two parquet files; the second says that both are whole."""
    for frame, path in zip((surface.boxes, surface.lives), _paths(folder, name), strict=True):
        write_table(path, frame)


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
