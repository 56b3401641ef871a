"""What the models of a run learnt from: which rows, by which training profile, and why these."""

from collections.abc import Mapping, Sequence
from typing import Any

from policies.decision import Action
from reports.page import PageTable
from reports.tables import doubt
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import FIRST_JOB, Challenger, Job, why_not
from sim.mlops.records.record import Record

_NONE = "-"


def learnt_tables(record: Record) -> list[PageTable]:
    """Return a table of every model's rows and, where tournaments were held, one of their challengers."""
    models = [_model(job) for job in record.jobs]
    challengers = [_challenger(job, each) for job in record.jobs for each in job.challengers]
    tables = [PageTable("What each model learnt from", _without_empty(models))]
    if challengers:
        tables.append(PageTable("The challengers of each request", _without_empty(challengers)))
    return tables


def _model(job: Job) -> Mapping[str, Any]:
    window = job.window
    return {
        "model": f"v{job.version}" if job.version else _NONE,
        "asked for": "before the first step" if job.name == FIRST_JOB else f"day {job.requested_day:,}: {job.reason}",
        "learns by": _by(job),
        **_rows(window),
        "change seen at step": _change(window),
        "came to": f"{job.status}{doubt(job)}",
    }


def _by(job: Job) -> str:
    if job.action is Action.RECALIBRATE:
        return "nothing new: its scores were only calibrated on these rows"
    profile = job.window.profile
    if not profile:
        return "all of the warm-up"
    if not job.challengers:
        return profile
    if not any(each.is_chosen for each in job.challengers):
        return f"{len(job.challengers)} challengers, none chosen yet"
    return f"{profile}, the best of {len(job.challengers)} challengers"


def _rows(window: TrainingWindow) -> Mapping[str, str]:
    worth = window.effective_rows
    return {
        "recent rows": f"{window.n_recent:,}",
        "of steps": _span(window.recent_steps) if window.n_recent else _NONE,
        "older rows": f"{window.n_historical:,}",
        "of older steps": _span(window.historical_steps) if window.n_historical else _NONE,
        "worth as many equal rows as": _NONE if worth is None else f"{worth:,.0f}",
    }


def _span(steps: Sequence[int]) -> str:
    if not steps:
        return _NONE
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"


def _change(window: TrainingWindow) -> str:
    change = window.change
    if change is None:
        return _NONE
    if change.low_step == change.high_step:
        return str(change.step)
    return f"{change.step} (between {change.low_step} and {change.high_step})"


def _challenger(job: Job, each: Challenger) -> Mapping[str, Any]:
    return {
        "asked for": f"day {job.requested_day:,}",
        "challenger": each.profile,
        **_rows(each.window),
        "change seen at step": _change(each.window),
        "log-loss (lower is better)": _NONE if each.log_loss is None else f"{each.log_loss:.4f}",
        "came to": why_not(job, each) or (f"chosen, {job.status}" if each.is_chosen else "not chosen yet"),
    }


def _without_empty(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out the columns that say nothing of any row."""
    said = {name for row in rows for name, value in row.items() if value != _NONE}
    return [{name: value for name, value in row.items() if name in said} for row in rows]
