"""The steps of a comparison: every life that was played, step by step, as a table from which its scores follow.

A row holds what scores are made of and needs no model. Beside its contestants each world has two lives of its own:
the first champion kept, with the F1 of fresh models, and the best schedule in hindsight.
"""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

from policies.decision import Cause
from sim.mlops.records.record import Record
from sim.whole_file import whole_file

STEPS_FILE = "steps.parquet"
_COUNTS = ("customers", "churners", "predicted", "predicted_churners", "offers", "saved")
_SUMS = ("expected_churners", "predicted_expected_churners", "offered_expected_churners")
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("scenario", "gates")),
        *((name, pa.int64()) for name in ("seed", "step")),
        *((name, pa.string()) for name in ("role", "policy")),
        *((name, pa.int64()) for name in _COUNTS),
        *((name, pa.float64()) for name in _SUMS),
        ("newest_label_step", pa.int64()),
        *((name, pa.string()) for name in ("action", "cause", "training", "ended")),
        ("models_trained", pa.int64()),
        ("is_false_alarm", pa.bool_()),
        ("fresh_f1", pa.float64()),
        ("fresh_noise", pa.float64()),
    ]
)
_ROWS_OF_A_GROUP = 2**17
"""Rows that share the dictionary of a column: with more, its values would not fit in one."""


class Role(StrEnum):
    """What a life stands in a comparison for: a contestant, or one that all are measured against."""

    POLICY = "policy"
    NEVER = "never"
    ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class PlayedLife:
    """A life of a world.

    `false_alarms` are the steps at which the same policy raised an alarm in the world without the drift, `None` where
    nobody looked. `fresh` is the F1 of a fresh model by step, and `noise` how far it may lie from that of the first
    champion by luck.
    """

    record: Record
    role: Role = Role.POLICY
    false_alarms: Collection[int] | None = None
    fresh: Mapping[int, float | None] = field(default_factory=dict)
    noise: float | None = None


@dataclass(frozen=True, slots=True)
class WorldPart:
    """The world of a scenario and seed, and the file that holds its steps until they are gathered."""

    scenario: str
    seed: int
    path: Path


def packed_steps(lives: Sequence[PlayedLife]) -> bytes:
    """Return the steps of a world's lives as a Parquet file, in which those of one step stand together."""
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for life in lives:
        for name, values in _columns(life).items():
            columns[name] += values
    table = pa.table(columns, schema=_SCHEMA)
    buffer = io.BytesIO()
    with _writer(buffer) as file:
        file.write_table(table.take(np.argsort(np.asarray(columns["step"], dtype=np.int64), kind="stable")))
    return buffer.getvalue()


def write_steps(steps: bytes, path: Path) -> None:
    """Write the packed steps of a world; the file appears whole or not at all."""
    with whole_file(path) as part:
        part.write_bytes(steps)


def gather_steps(parts: Sequence[WorldPart], path: Path) -> None:
    """Gather the steps of worlds in one file, which appears whole or not at all; then their own files are gone.

    A world without a file of its own keeps the steps that were gathered before; one that an older version played has
    none.
    """
    fresh = [part for part in parts if part.path.exists()]
    if not fresh:
        return
    kept = _gathered(path) if len(fresh) < len(parts) and path.exists() else {}
    with whole_file(path) as unfinished, _writer(unfinished) as file:
        for group in _groups(_tables(parts, kept)):
            file.write_table(group)
    for part in fresh:
        part.path.unlink()


def _columns(life: PlayedLife) -> Mapping[str, list[Any]]:
    """Return the columns of a life, a value a step."""
    record, rows = life.record, life.record.steps
    newest = {job.name: max(job.reference_steps) for job in record.jobs}
    asked = {job.requested_step: job for job in record.retrainings}
    ended = {job.ended_step: str(job.status) for job in record.retrainings}
    again = life.false_alarms
    alarms = set() if again is None else {step for step, job in asked.items() if job.cause is Cause.ALARM}
    return {
        **{
            name: [value] * len(rows)
            for name, value in (
                ("scenario", record.scenario.name),
                ("gates", record.gates),
                ("seed", record.seed),
                ("role", str(life.role)),
                ("policy", record.policy),
                ("fresh_noise", life.noise),
            )
        },
        **{name: [getattr(row.tally, name) for row in rows] for name in (*_COUNTS, *_SUMS)},
        "step": [row.step for row in rows],
        "newest_label_step": [newest[row.champion] for row in rows],
        "action": [str(row.decision.action) for row in rows],
        "cause": [str(row.decision.cause) for row in rows],
        "training": [asked[row.step].training or record.training if row.step in asked else None for row in rows],
        "ended": [ended.get(row.step) for row in rows],
        "models_trained": [asked[row.step].trainings if row.step in asked else 0 for row in rows],
        "is_false_alarm": [row.step in (again or ()) if row.step in alarms else None for row in rows],
        "fresh_f1": [life.fresh.get(row.step) for row in rows],
    }


def _writer(target: Path | io.BytesIO) -> Any:
    return pq.ParquetWriter(target, _SCHEMA, compression="zstd", write_statistics=False)


def _gathered(path: Path) -> Mapping[tuple[str, int], Any]:
    """Return the steps in a gathered file by scenario and seed."""
    table = pq.read_table(path, schema=_SCHEMA)
    worlds = table.select(["scenario", "seed"]).to_pandas().groupby(["scenario", "seed"], sort=False).indices
    return {(str(scenario), int(seed)): table.take(rows) for (scenario, seed), rows in worlds.items()}


def _tables(parts: Sequence[WorldPart], kept: Mapping[tuple[str, int], Any]) -> Iterator[Any]:
    for part in parts:
        if part.path.exists():
            yield pq.read_table(part.path)
        elif (part.scenario, part.seed) in kept:
            yield kept[part.scenario, part.seed]


def _groups(tables: Iterator[Any]) -> Iterator[Any]:
    """Yield tables joined to groups of rows that are stored together."""
    group: list[Any] = []
    n_rows = 0
    for table in tables:
        if group and n_rows + len(table) > _ROWS_OF_A_GROUP:
            yield pa.concat_tables(group)
            group, n_rows = [], 0
        group.append(table)
        n_rows += len(table)
    if group:
        yield pa.concat_tables(group)
