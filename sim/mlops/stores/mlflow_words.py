"""What is written about a job in MLflow: parameters, tags and a description."""

from collections.abc import Sequence

from mlflow.entities import Param

from policies.decision import Action
from scenarios.schema import Recipe
from sim.mlops.gates.checks import Outcome
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Challenger, Job, Status, why_not

NOTE_TAG = "mlflow.note.content"
"""What the MLflow UI shows as a run's description."""

VERSION_TAG = "retrainlab.version"
"""On a job's run: the registered version of its model, as MLflow writes it."""

_MADE = {Action.RETRAIN: "Trained on", Action.RECALIBRATE: "The champion's trees, calibrated anew on"}


def describe_job(job: Job) -> str:
    """Say in words where a model comes from and how it did at its gates."""
    window = job.window
    lines = [
        f"Asked for on day {job.requested_day} (step {job.requested_step}): {job.reason}.",
        f"{_MADE[job.action]} {window.n_recent} recent rows of steps {_span(window.recent_steps)} and "
        f"{window.n_historical} historical rows{_why(window)}.",
    ]
    if job.meeting is not None:
        failed = ", ".join(job.meeting.verdict.failed)
        met = {
            Outcome.PASSED: "passed all gates",
            Outcome.FAILED: f"failed {failed}",
            Outcome.NOT_ENOUGH_EVIDENCE: f"showed not enough evidence for {failed}",
        }[job.meeting.verdict.outcome]
        lines.append(f"Met its gates on day {job.meeting.day}: {met}; {job.status}.")
    return " ".join(lines)


def _why(window: TrainingWindow) -> str:
    """Say which training profile chose the rows, and what it saw."""
    if not window.profile:
        return ""
    change = window.change
    seen = f": a change at step {change.step} ({change.low_step} to {change.high_step})" if change else ""
    return f", by the training profile {window.profile}{seen}"


def params(job: Job, recipe: Recipe) -> list[Param]:
    """Return what a job's model was made with."""
    return [*(Param(key, str(value)) for key, value in recipe.model_dump().items()), *window_params(job.window)]


def challenger_tags(job: Job, challenger: Challenger) -> dict[str, str]:
    """Return what is said on the run of a tournament's challenger once the tournament is over."""
    return {"chosen": str(challenger.is_chosen).lower(), "why_not": why_not(job, challenger)}


def window_params(window: TrainingWindow) -> list[Param]:
    """Return which rows a model was trained on, and which training profile chose them."""
    told = {
        "recent_steps": _span(window.recent_steps),
        "historical_steps": _span(window.historical_steps),
        "recent_rows": window.n_recent,
        "historical_rows": window.n_historical,
        "training": window.profile,
    }
    return [Param(key, str(value)) for key, value in told.items()]


def run_tags(job: Job) -> dict[str, str]:
    """Return the tags of a job's run when it begins."""
    return {
        "reason": job.reason,
        "cause": str(job.cause),
        "action": str(job.action),
        "requested_day": str(job.requested_day),
        "requested_step": str(job.requested_step),
        "status": str(Status.OPEN),
        NOTE_TAG: describe_job(job),
    }


def verdict_tags(job: Job) -> dict[str, str]:
    """Return what is said on a version and its run of a job that has met its gates; nothing before."""
    if job.meeting is None:
        return {}
    tags = {"status": str(job.status), "verdict": str(job.meeting.verdict.outcome)}
    if job.meeting.verdict.failed:
        tags["failed_gates"] = ", ".join(job.meeting.verdict.failed)
    return tags


def gate_metrics(job: Job) -> dict[str, float]:
    """Return what a job's model reached on the rows of its gates, as MLflow's metrics.

    F1 with the ends of a 95 % interval, precision and recall; the F1 of the champion that it met on the same rows;
    and the value of each gate.
    """
    meeting = job.meeting
    if meeting is None:
        return {}
    own, champion = meeting.challenger, meeting.champion
    ends = own.f1_interval
    told = {
        "f1": own.f1,
        "f1_low": None if ends is None else max(ends[0], 0.0),
        "f1_high": None if ends is None else min(ends[1], 1.0),
        "precision": own.precision,
        "recall": own.recall,
        "champion_f1": champion.f1 if champion else None,
        **{f"gate_{result.name}": result.value for result in meeting.verdict.results},
    }
    return {name: value for name, value in told.items() if value is not None}


def _span(steps: Sequence[int]) -> str:
    return f"{steps[0]} to {steps[-1]}" if steps else "none"
