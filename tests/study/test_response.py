"""Response times: worked out by hand, with what never came."""

from dataclasses import replace

import pytest
from test_judge import job, record, row

from policies.decision import Cause
from scenarios.injectors import NumberDrift
from scenarios.schema import Jobs
from sim.mlops.gates.checks import Verdict
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Status, Validation
from sim.mlops.statistics.metrics import Confusion
from sim.study.scores.judge import detection_days
from sim.study.scores.response import Response, response

ONSET_1 = NumberDrift(kind="number", column="tenure", factor=0.5, onset_step=1)
NOBODY = Confusion(0, 0, 0, 0)


def retraining(step, recent, cause=Cause.ALARM, met=None, ended=None, status=Status.OPEN):
    """Return a job asked for at a step on these recent steps, with the steps of its gates and its end."""
    meeting = None if met is None else Validation(met, met * 30, (), Verdict(()), NOBODY, None)
    return replace(
        job(f"retrain-{step:03d}", step, cause, status),
        window=TrainingWindow(tuple(recent), (), 1, 0),
        meeting=meeting,
        ended_step=ended,
        ended_day=None if ended is None else ended * 30,
    )


def lived(*jobs, drift=(ONSET_1,), days=None, steps=12):
    opened = {each.requested_step: each for each in jobs}
    ended = {each.ended_step: each for each in jobs if each.ended_step is not None}
    rows = [row(step, opened=opened.get(step), ended=ended.get(step)) for step in range(steps)]
    found = record(*rows, drift=drift)
    return replace(found, scenario=found.scenario.model_copy(update={"jobs": days or Jobs()}))


EARLY = retraining(2, (-3, -2, -1), met=3, ended=3, status=Status.PROMOTED)
KNOWING = retraining(5, (0, 1, 2), met=7, ended=8, status=Status.PROMOTED)


def test_every_part_of_a_response():
    found = response(lived(EARLY, KNOWING, days=Jobs(train_days=45, approval_days=30)))
    assert found == Response(detection=30, label_wait=90, training=45, validation=15, approval=30)
    assert 30 + 30 + 90 + 45 + 15 + 30 == 8 * 30  # from the onset on day 30 to serving on day 240


def test_most_of_the_recent_steps_must_lie_after_the_onset():
    half = retraining(4, (-1, 0, 1, 2), met=5, ended=5, status=Status.PROMOTED)
    assert response(lived(EARLY, half, KNOWING)).label_wait == 90
    most = replace(half, window=TrainingWindow((0, 1, 2), (), 1, 0))
    assert response(lived(EARLY, most)).label_wait == 60


def test_a_rejection_makes_validation_longer():
    rejected = replace(KNOWING, status=Status.REJECTED, ended_step=7, ended_day=210)
    second = retraining(8, (3, 4, 5), Cause.SCHEDULE, met=9, ended=9, status=Status.PROMOTED)
    found = response(lived(EARLY, rejected, second))
    assert found == Response(detection=30, label_wait=90, training=0, validation=9 * 30 - 150, approval=0)


CENSORED = {
    "nobody asked": ((), Response()),
    "only the calendar asked": ((retraining(3, (0, 1, 2), Cause.SCHEDULE),), Response()),
    "asked too early, and never again": ((EARLY,), Response(30)),
    "still under way": ((EARLY, retraining(11, (6, 7, 8))), Response(30, 270, 0)),
    "rejected for good": (
        (EARLY, replace(KNOWING, status=Status.REJECTED, ended_step=7, ended_day=210)),
        Response(30, 90, 0),
    ),
}


@pytest.mark.parametrize(("jobs", "wanted"), CENSORED.values(), ids=CENSORED)
def test_what_never_came_is_missing(jobs, wanted):
    assert response(lived(*jobs)) == wanted


def test_an_alarm_before_the_onset_detects_nothing():
    false = retraining(0, (-3, -2, -1), met=1, ended=1, status=Status.PROMOTED)
    assert response(lived(false)) == Response()
    assert response(lived(false, KNOWING)) == Response(120, 0, 0, 60, 30)


def test_the_first_knowing_request_may_be_the_calendars_but_not_before_detection():
    scheduled = retraining(5, (0, 1, 2), Cause.SCHEDULE, met=6, ended=6, status=Status.PROMOTED)
    late = retraining(7, (2, 3, 4), met=8, ended=8, status=Status.PROMOTED)
    assert response(lived(scheduled, late)) == Response(180, 0, 0, 30, 0)
    assert response(lived(EARLY, scheduled)) == Response(30, 90, 0, 30, 0)


def test_a_world_without_drift_has_no_response():
    assert response(lived(EARLY, KNOWING, drift=())) == Response()


def test_an_alarm_that_comes_without_the_drift_too_is_no_detection():
    record, calm = lived(EARLY, KNOWING), lived(EARLY)
    first, second = (job.requested_step - record.scenario.onset_step for job in record.retrainings)
    days = record.scenario.time.step_days
    assert detection_days(record) == first * days
    assert detection_days(record, calm) == second * days
    assert detection_days(record, record) is None
    assert response(record, calm).detection == second * days
    assert response(record, record) == Response()
