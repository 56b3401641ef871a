"""Response: the way from the onset of a drift to a model that knows it, in simulated days."""

from dataclasses import dataclass

from sim.mlops.records.jobs import Job, Status
from sim.mlops.records.record import Record
from sim.study.scores.judge import detection_days


@dataclass(frozen=True, slots=True)
class Response:
    """How long each part of the response took; a part that never ended is missing, and so are those after it.

    `detection`: onset to the first retraining that a monitoring clause asked for. `label_wait`: from there to the
    first request whose recent rows are mostly from after the onset, by whatever cause. `training`: from there to the
    end of its training. `validation`: from there to the gates that the first such model passes; a rejection makes it
    longer. `approval`: from there to serving, for deployment takes no simulated time.
    """

    detection: int | None = None
    label_wait: int | None = None
    training: int | None = None
    validation: int | None = None
    approval: int | None = None


def response(record: Record, undrifted: Record | None = None) -> Response:
    """Return the response times of a record; all are missing without drift.

    `undrifted` tells false alarms from detections, as in `detection_days`.
    """
    onset_step = record.scenario.onset_step
    if onset_step is None:
        return Response()
    jobs = [job for job in record.retrainings if job.requested_step >= onset_step]
    onset = onset_step * record.scenario.time.step_days
    days = detection_days(record, undrifted)
    detected = None if days is None else onset + days
    informed = next((job for job in jobs if detected is not None and _knows(job, onset_step, detected)), None)
    if detected is None or informed is None:
        return Response(None if detected is None else detected - onset)
    trained = informed.requested_day + record.scenario.jobs.train_days
    waited = Response(detected - onset, informed.requested_day - detected, trained - informed.requested_day)
    passed = next((job for job in jobs if _knows(job, onset_step, detected) and job.status is Status.PROMOTED), None)
    if passed is None or passed.meeting is None or passed.ended_day is None:
        return waited
    return Response(
        waited.detection,
        waited.label_wait,
        waited.training,
        passed.meeting.day - trained,
        passed.ended_day - passed.meeting.day,
    )


def _knows(job: Job, onset_step: int, since_day: int) -> bool:
    """Say whether most of a job's recent steps lie after the onset; asked for on or after a day."""
    recent = job.window.recent_steps
    return job.requested_day >= since_day and 2 * sum(step >= onset_step for step in recent) > len(recent)
