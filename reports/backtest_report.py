"""The report of a backtest: when each trigger would have fired, how late, and how often for nothing."""

from pathlib import Path
from typing import Any

from reports.backtest_first_page import backtest_first_page
from reports.charts.alarms import alarms_chart
from reports.page import Page, PageTable, Section, report_command
from reports.save import save
from sim.study.backtest.findings import Backtest, Month, TriggerReport
from sim.study.backtest.result_file import read_backtest

_NONE = "-"
_SHOWN_SIGNALS = ("f1_drop", "psi_max", "score_psi", "null_rate", "unseen_rate")


def backtest_page(folder: Path, pictures: Path) -> Page:
    """Draw the picture of a backtest into a folder and return its page."""
    result = read_backtest(folder)
    picture = save(alarms_chart(result), pictures, "alarms")
    tables = [PageTable("What each trigger would have said", trigger_rows(result))]
    if result.segments:
        tables.append(PageTable("F1 by segment", segment_rows(result)))
    return Page(
        title=f"Backtest of {result.name}",
        asked={"log": result.name, "version": result.version, "steps": str(len(result.months))},
        first=backtest_first_page(result),
        opening=picture,
        sections=[
            Section(
                title="When each trigger would have fired",
                scenario="",
                tables=tables,
            )
        ],
        log=[PageTable("Month by month", [_month_row(month) for month in result.months])],
        commands=[report_command(folder, {})],
        policies=[trigger.policy for trigger in result.triggers],
    )


def trigger_rows(result: Backtest) -> list[dict[str, Any]]:
    """Return what is shown of each trigger."""
    return [
        {
            "policy": trigger.policy,
            "alarms": len(trigger.dates),
            "first": trigger.first or _NONE,
            "on": trigger.clauses or _NONE,
            "before any loss": trigger.early,
            "days late": _late(result, trigger),
            "false alarms a year": _rate(trigger),
            "scheduled": trigger.scheduled,
            "unknown steps": trigger.unknown_steps,
        }
        for trigger in result.triggers
    ]


def segment_rows(result: Backtest) -> list[dict[str, Any]]:
    """Return what is shown of each segment."""
    return [
        {
            "segment": segment.segment,
            "customers": segment.customers,
            "F1 in the reference": _number(segment.f1_reference),
            "F1 after it": _number(segment.f1_after),
        }
        for segment in result.segments
    ]


def _late(result: Backtest, trigger: TriggerReport) -> str:
    if result.loss_date is None:
        return _NONE
    return "never" if trigger.late_days is None else f"{trigger.late_days:,}"


def _rate(trigger: TriggerReport) -> str:
    if trigger.false_alarms_per_year is None:
        return _NONE
    return f"{trigger.false_alarms_per_year:.2f} ({trigger.false_alarms_low:.2f} to {trigger.false_alarms_high:.2f})"


def _month_row(month: Month) -> dict[str, Any]:
    shown = {name: _number(getattr(month.signals, name)) for name in _SHOWN_SIGNALS}
    return {
        "from": month.date or _NONE,
        "customers": month.customers,
        "labelled": month.labelled,
        "version": month.version or _NONE,
        "F1": _number(month.f1),
        "F1 lost": _number(month.f1_lost),
        **shown,
    }


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"
