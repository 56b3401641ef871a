"""The screen of a backtest: when F1 fell, what each trigger would have said, and the segments, for a terminal."""

from collections.abc import Iterator, Mapping

from reports.backtest_first_page import backtest_first_page
from reports.text_table import table_lines
from sim.study.backtest.findings import Backtest, TriggerReport

_MOST_TRIGGERS = 10
_MOST_SEGMENTS = 3
_MOST_MISSING = 3
_NONE = "-"


def backtest_screen(result: Backtest, width: int) -> Iterator[str]:
    """Yield the lines of a backtest, unwrapped where they are sentences; the triggers that spoke first come first."""
    yield backtest_first_page(result).answer
    yield from (f"Not known: {reason}." for reason in result.missing[:_MOST_MISSING])
    yield ""
    triggers = sorted(result.triggers, key=_first)
    yield from table_lines([_trigger(result, each) for each in triggers], width, _MOST_TRIGGERS)
    if result.segments:
        yield ""
        lost = sorted(result.segments, key=lambda each: (each.f1_after or 0.0) - (each.f1_reference or 0.0))
        rows = [
            {
                "segment": each.segment,
                "customers": f"{each.customers:,}",
                "F1 before": _number(each.f1_reference),
                "F1 after": _number(each.f1_after),
            }
            for each in lost
        ]
        yield from table_lines(rows, width, _MOST_SEGMENTS)


def _first(trigger: TriggerReport) -> tuple[bool, int, int]:
    return trigger.late_days is None, trigger.late_days or 0, trigger.early


def _trigger(result: Backtest, trigger: TriggerReport) -> Mapping[str, str]:
    late = "never" if trigger.late_days is None else f"{trigger.late_days:,}"
    rate = trigger.false_alarms_per_year
    return {
        "trigger": trigger.policy,
        "alarms": f"{len(trigger.dates):,}",
        "first": trigger.first or _NONE,
        "before any loss": f"{trigger.early:,}",
        "days late": _NONE if result.loss_date is None else late,
        "false a year": _NONE if rate is None else f"{rate:.1f}",
    }


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"
