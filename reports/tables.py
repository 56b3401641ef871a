"""Tables for the terminal, drawn from records."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from policies.decision import Action
from reports.findings import findings
from sim.mlops.gates.checks import Outcome
from sim.mlops.records.jobs import Job
from sim.mlops.records.record import Record, StepRow
from sim.study.scores.judge import Summary, clause_counts, expected_f1, keep_reasons, summarise

_BAR_CELLS = 10


def closing_table(record: Record) -> RenderableType:
    """Return what a run did: F1 by step with its decisions, every model, the rule's clauses, and the money."""
    parts = [_months(record), _models(record)]
    if clause_counts(record):
        parts.append(_clauses(record))
    told = [Text(f"- {sentence}") for sentence in findings(record)]
    return Group(*parts, _scores(summarise(record), is_recorded=record.is_recorded), *told)


def rows_table(title: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return a plain table whose columns are the keys of the rows."""
    listed = list(rows)
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in listed[0] if listed else ():
        table.add_column(name, overflow="fold")
    for row in listed:
        table.add_row(*(_shown(value) for value in row.values()))
    return table


def _months(record: Record) -> Table:
    table = Table(title="Step by step", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "day", "model"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("F1, recorded" if record.is_recorded else "true F1", no_wrap=True)
    for name in ("observed", "labels"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    for row in record.steps:
        table.add_row(
            str(row.step),
            str(row.day),
            f"v{row.version}",
            _bar(expected_f1(row.tally)),
            _shown(row.signals.f1),
            str(row.labels_arrived),
            escape("; ".join(news(record, row))),
        )
    return table


def _models(record: Record) -> Table:
    return rows_table("Models, with F1 of new and old on the same holdout rows", [_model(job) for job in record.jobs])


def _model(job: Job) -> dict[str, Any]:
    meeting = job.meeting
    return {
        "version": f"v{job.version}",
        "asked for": f"day {job.requested_day}: {job.reason}",
        "rows": f"{job.window.n_recent}+{job.window.n_historical}",
        "F1": meeting.challenger.f1 if meeting else None,
        "old F1": meeting.champion.f1 if meeting and meeting.champion else None,
        "ended": f"{job.status}, day {job.ended_day}" if job.ended_day is not None else str(job.status),
        "failed gates": ", ".join(meeting.verdict.failed) if meeting else "",
    }


def _clauses(record: Record) -> Table:
    rows = [
        {"clause": count.clause, "true": count.true, "true alone": count.true_alone, "missing": count.missing}
        for count in clause_counts(record)
    ]
    reasons = ", ".join(f"{reason} {number}" for reason, number in keep_reasons(record).items())
    table = rows_table("Clauses of the rule, in steps", rows)
    table.caption = f"kept: {reasons}" if reasons else None
    return table


def _scores(summary: Summary, *, is_recorded: bool) -> Table:
    """Return the scores of a run; a history has no drift that could be found late, or for nothing."""
    money = "{:,.0f}".format
    roi = "{:+.0%}".format
    of_drift = {
        "true F1 before the onset / after / last six steps": " / ".join(
            _shown(value) for value in (summary.f1_before, summary.f1_after, summary.f1_end)
        ),
        "detection": f"{summary.detection_days} days" if summary.detection_days is not None else "-",
        "false retrains (alarm, scheduled)": ", ".join(
            _shown(count) for count in (summary.false_retrains_alarm, summary.false_retrains_scheduled)
        ),
    }
    named = {
        **({"F1 on recorded labels": _shown(summary.f1_observed)} if is_recorded else of_drift),
        "retrains (promoted, rejected)": f"{summary.retrains} ({summary.promotions}, {summary.rejections})",
        "staleness": f"{summary.staleness_days:.0f} days",
        "net value, expected (realised)": f"{money(summary.net_value)} ({money(summary.net_value_realised)})",
        "ROI realised": roi(summary.roi_realised) if summary.roi_realised is not None else "-",
        "ROI by the usual formula": roi(summary.roi_proposal) if summary.roi_proposal is not None else "-",
        "Brier score / calibration error": f"{summary.brier:.3f} / {summary.expected_calibration_error:.3f}",
    }
    return rows_table("Scores", [{"score": name, "value": value} for name, value in named.items()])


def news(record: Record, row: StepRow) -> Iterator[str]:
    """Yield what is worth telling of a step, in the order in which it happened; in a history nobody knows a drift."""
    if row.step == record.scenario.onset_step and not record.is_recorded:
        yield "drift begins"
    if row.job_ended is not None:
        yield f"v{row.job_ended.version} {row.job_ended.status}{doubt(row.job_ended)}"
    elif row.alias_changes:
        yield f"rolled back to v{row.version}"
    if row.decision.action is not Action.KEEP:
        yield f"{row.decision.action}: {row.decision.reason}"
    elif row.decision.reason != "quiet":
        yield f"kept: {row.decision.reason}"


def doubt(job: Job) -> str:
    """Tell a rejection for want of evidence from one for cause."""
    is_open = job.meeting is not None and job.meeting.verdict.outcome is Outcome.NOT_ENOUGH_EVIDENCE
    return " (not enough evidence)" if is_open else ""


def _bar(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f} " + "█" * round(value * _BAR_CELLS)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))
