"""The screen of a run: its answer, what went wrong, what happened and what it was worth, in lines for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.run_first_page import run_first_page
from reports.tables import news
from reports.text_table import table_lines
from sim.mlops.records.record import Record, StepRow
from sim.study.scores.judge import expected_f1, observed_f1

_MOST_EVENTS = 10
_MOST_WARNINGS = 3
_NONE = "-"
_KEPT = "kept: "


def run_screen(record: Record, width: int) -> Iterator[str]:
    """Yield the lines of a run, unwrapped where they are sentences: the first page, and its last events."""
    page = run_first_page(record)
    yield page.answer
    yield from page.warnings[:_MOST_WARNINGS]
    yield from (f"{name}: {told}" for name, told in page.points.items())
    yield ""
    yield from table_lines([_side(page.sides_title, row) for row in page.sides], width)
    happened = [_event(record, row, told) for row in record.steps if (told := _news(record, row))]
    if happened:
        yield ""
        left_out = f", the last {_MOST_EVENTS} of {len(happened):,}" if len(happened) > _MOST_EVENTS else ""
        yield f"What happened{left_out}:"
        yield from table_lines(happened[-_MOST_EVENTS:], width)


def _side(title: str, row: Mapping[str, Any]) -> dict[str, str]:
    return {name or title: str(told) for name, told in row.items()}


def _news(record: Record, row: StepRow) -> str:
    return "; ".join(told for told in news(record, row) if not told.startswith(_KEPT))


def _event(record: Record, row: StepRow, told: str) -> dict[str, str]:
    f1 = (observed_f1 if record.is_recorded else expected_f1)(row.tally)
    return {
        "what happened": told,
        "step": str(row.step),
        "model": f"v{row.version}",
        "F1": _NONE if f1 is None else f"{f1:.2f}",
    }
