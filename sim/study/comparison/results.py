"""The results of a comparison: cells, each one policy in one world under one gate profile, as rows of a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from sim.study.scores.judge import ClauseCount, clauses_from_text, clauses_to_text
from sim.study.scores.monthly import Monthly, from_text, to_text
from sim.study.scores.table import Origin, Score
from sim.whole_file import write_whole

ScoreValue = int | float
"""A score: a count or days where it is whole."""

_BY_SOURCE = {source: [score for score in Score if score.source is source] for source in Origin}


@dataclass(frozen=True, slots=True)
class CellIdentity:
    """What was played; an ablation is `policy`, the rule `of` another that `drops` one of its clauses."""

    scenario: str
    gates: str
    policy: str
    of: str | None
    drops: str | None
    seed: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a life: its scores, why it has no regret, and how it went, clause by clause and step by step.

    A score that could not be known is `None`; one that was not asked for, or can't be asked for, is not there. Old
    results may have no `monthly`.
    """

    scores: Mapping[Score, ScoreValue | None]
    regret_missing: str | None
    clauses: tuple[ClauseCount, ...]
    monthly: Monthly | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its judgement, or the `error` that it failed with, or the reason why there is none to play."""

    identity: CellIdentity
    error: str | None = None
    missing: str | None = None
    judgement: Judgement | None = None


_CELL = TypeAdapter(Cell)
_NAMES = tuple(each.name for each in fields(CellIdentity))


def to_row(cell: Cell) -> dict[str, Any]:
    """Return a cell as one row: its identity and error, then a column for each score and each word that it has."""
    row = {**{name: getattr(cell.identity, name) for name in _NAMES}, "error": cell.error}
    if cell.missing is not None:
        row["missing"] = cell.missing
    return row if cell.judgement is None else {**row, **dict(_columns(cell.judgement))}


def _columns(judgement: Judgement) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a judgement, by the source of the scores, the words among them."""
    for source, scores in _BY_SOURCE.items():
        if source is Origin.ORACLE:
            yield "regret_missing", judgement.regret_missing
        if source is Origin.CONSTRAINTS:
            yield "clauses", clauses_to_text(judgement.clauses)
            if judgement.monthly is not None:
                yield "monthly", to_text(judgement.monthly)
        for score in scores:
            if score in judgement.scores:
                yield score.value, judgement.scores[score]


def from_row(row: Mapping[str, Any]) -> Cell:
    """Return the cell that `to_row` made a row of, be it with the scores of another version; `ValueError` if none."""
    scores = {score: row[score] for score in Score if score in row}
    judgement = {
        "scores": scores,
        "regret_missing": row.get("regret_missing"),
        "clauses": clauses_from_text(row.get("clauses") or "[]"),
        "monthly": from_text(row["monthly"]) if row.get("monthly") else None,
    }
    return _CELL.validate_python(
        {
            "identity": {name: row.get(name) for name in _NAMES},
            "error": row.get("error"),
            "missing": row.get("missing"),
            "judgement": judgement if scores else None,
        }
    )


def to_frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """Return cells as a table, a row each; a column that a cell has not is missing there."""
    return pd.DataFrame([to_row(cell) for cell in cells])


def write_cells(cells: Sequence[Cell], path: Path) -> None:
    """Write the cells of a world as JSON; the file appears whole or not at all."""
    write_whole(path, json.dumps([to_row(cell) for cell in cells], separators=(",", ":"), allow_nan=False))


def read_cells(path: Path) -> list[Cell]:
    """Return the cells that `write_cells` wrote."""
    return [from_row(row) for row in json.loads(path.read_text(encoding="utf-8"))]
