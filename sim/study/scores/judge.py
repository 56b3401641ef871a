"""The judge: every score of a record, from its quantities and nothing that the loop saw."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import fsum

from pydantic import TypeAdapter

from policies.decision import Action, Cause, Truth
from scenarios.schema import Prices
from sim.mlops.records.jobs import Job, Status
from sim.mlops.records.record import Record, StepRow, Tally
from sim.mlops.statistics.metrics import f1_of_sums
from sim.study.scores import money

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Summary:
    """The scores of one record; a score that cannot be known from the record is missing (`None`).

    F1 is the expected F1 under the true propensities, as a mean over steps: `f1_before` the onset, `f1_after` it and
    in the last six steps (`f1_end`); `f1_observed` is that against what happened, over all steps. Days are simulated,
    money is in the scenario's currency.
    """

    f1_before: float | None
    f1_after: float | None
    f1_end: float | None
    f1_observed: float | None
    precision_at_capacity: float | None
    lift_at_capacity: float | None
    detection_days: int | None
    retrains: int
    promotions: int
    rejections: int
    recalibrations: int
    rollbacks: int
    quarantines: int
    false_retrains_alarm: int | None
    false_retrains_scheduled: int | None
    false_alarms_per_year: float | None
    staleness_days: float
    net_value: float
    net_value_realised: float
    roi_realised: float | None
    roi_estimated: money.RoiEstimate | None
    roi_proposal: float | None
    brier: float
    expected_calibration_error: float


@dataclass(frozen=True, slots=True)
class ClauseCount:
    """How often a clause of a rule was true, true alone, and missing."""

    clause: str
    true: int
    true_alone: int
    missing: int


def summarise(record: Record, prices: Prices | None = None) -> Summary:
    """Return the scores of a record, at the prices of its scenario unless others are given.

    Nothing is run: a finished record can be priced again with other values, success rates and costs.
    """
    onset = record.scenario.onset_step
    jobs = record.retrainings
    actions = [row.decision.action for row in record.steps]
    false = false_retrains(record)
    prices = prices or record.scenario.prices
    entries = money.ledger(record, prices)
    return Summary(
        f1_before=_mean(expected_f1(row.tally) for row in record.steps if onset is None or row.step < onset),
        f1_after=_mean(expected_f1(row.tally) for row in record.steps if onset is not None and row.step >= onset),
        f1_end=_mean(expected_f1(row.tally) for row in record.steps[-6:]),
        f1_observed=_mean(observed_f1(row.tally) for row in record.steps),
        precision_at_capacity=precision_at_capacity(record),
        lift_at_capacity=lift_at_capacity(record),
        detection_days=detection_days(record),
        retrains=len(jobs),
        promotions=sum(job.status is Status.PROMOTED for job in jobs),
        rejections=sum(job.status is Status.REJECTED for job in jobs),
        recalibrations=actions.count(Action.RECALIBRATE),
        rollbacks=actions.count(Action.ROLLBACK),
        quarantines=actions.count(Action.QUARANTINE),
        false_retrains_alarm=_caused(false, Cause.ALARM),
        false_retrains_scheduled=_caused(false, Cause.SCHEDULE),
        false_alarms_per_year=false_alarms_per_year(record),
        staleness_days=staleness_days(record),
        net_value=money.net_value(entries),
        net_value_realised=money.net_value_realised(entries),
        roi_realised=money.roi_realised(record, prices),
        roi_estimated=money.roi_estimated(record, prices),
        roi_proposal=money.roi_proposal(record, prices),
        brier=fsum(row.tally.brier_sum for row in record.steps) / _customers(record),
        expected_calibration_error=expected_calibration_error(record),
    )


def expected_f1(tally: Tally) -> float | None:
    """Return the F1 of one step under the true propensities p: 2 sum(p yhat) / (sum(yhat) + sum(p)).

    Missing where nobody came, or all are sure to churn or all to stay, as in a month of one class of a history.

    >>> from types import SimpleNamespace as Row
    >>> expected_f1(Row(customers=20, predicted_expected_churners=3.0, predicted=5, expected_churners=7.0))
    0.5
    """
    return f1_of_sums(tally.customers, tally.expected_churners, tally.predicted, tally.predicted_expected_churners)


def observed_f1(tally: Tally) -> float | None:
    """Return the F1 of one step against what happened, `None` where all churned or nobody did.

    >>> from types import SimpleNamespace as Row
    >>> observed_f1(Row(customers=20, predicted_churners=3, predicted=5, churners=7))
    0.5
    """
    return f1_of_sums(tally.customers, tally.churners, tally.predicted, tally.predicted_churners)


def precision_at_capacity(record: Record) -> float | None:
    """Return the expected share of churners among those who got an offer, `None` where nobody did."""
    offers = sum(row.tally.offers for row in record.steps)
    return fsum(row.tally.offered_expected_churners for row in record.steps) / offers if offers else None


def lift_at_capacity(record: Record) -> float | None:
    """Return how many times more churners there are among those who got an offer than among all customers."""
    precision = precision_at_capacity(record)
    rate = fsum(row.tally.expected_churners for row in record.steps) / _customers(record)
    return precision / rate if precision is not None and rate else None


def false_retrains(record: Record) -> list[Job] | None:
    """Return the retrainings asked for before the onset, or at any time in a world without drift.

    Missing for a history, of which nobody knows what was needed.
    """
    if record.is_recorded:
        return None
    onset = record.scenario.onset_step
    return [job for job in record.retrainings if onset is None or job.requested_step < onset]


def false_alarms_per_year(record: Record) -> float | None:
    """Return the retrainings that a monitoring clause asked for without need, for each year without drift.

    Missing where drift begins at once, and for a history.
    """
    onset = record.scenario.onset_step
    quiet_steps = len(record.steps) if onset is None else onset
    alarms = _caused(false_retrains(record), Cause.ALARM)
    years = quiet_steps * record.scenario.time.step_days / DAYS_PER_YEAR
    return alarms / years if years and alarms is not None else None


def detection_days(record: Record, undrifted: Record | None = None) -> int | None:
    """Return the days from the onset to the first retraining that a monitoring clause asked for because of the drift.

    `undrifted` is the record of the same policy in the same world without the drift, on the same random numbers: up
    to their first different decision the two are one, so that an alarm which comes there too is false, and no
    detection. Without it every alarm after the onset counts. Missing without drift, and where no clause asked.
    """
    onset = record.scenario.onset_step
    if onset is None:
        return None
    caused = alarm_steps(record) - (alarm_steps(undrifted) if undrifted is not None else frozenset())
    steps = [step for step in caused if step >= onset]
    return (min(steps) - onset) * record.scenario.time.step_days if steps else None


def alarm_steps(record: Record) -> frozenset[int]:
    """Return the steps at which a monitoring clause asked for a retraining."""
    return frozenset(job.requested_step for job in record.retrainings if job.cause is Cause.ALARM)


def staleness_days(record: Record) -> float:
    """Return the mean age in days of the champion's newest training label, dated by when its customer was scored."""
    newest = {job.name: max(job.reference_steps) for job in record.jobs}
    step_days = record.scenario.time.step_days
    ages = [(row.step - newest[row.champion]) * step_days for row in record.steps]
    return fsum(ages) / len(ages)


def expected_calibration_error(record: Record) -> float:
    """Return the mean gap between probability and propensity over ten equal bins, weighted by customers.

    Naeini et al. (2015), with the true propensities in place of drawn outcomes.
    """
    columns = [zip(*(getattr(row.tally, name) for row in record.steps), strict=True) for name in _BINS]
    gaps = [abs(fsum(probability) - fsum(churners)) for probability, churners in zip(*columns, strict=True)]
    return fsum(gaps) / _customers(record)


def clause_counts(record: Record) -> tuple[ClauseCount, ...]:
    """Return for each clause of the policy's rule in how many steps it was true, true alone, and missing."""
    clauses = record.steps[0].decision.clauses if record.steps else {}
    return tuple(
        ClauseCount(
            clause,
            sum(row.decision.clauses[clause] is Truth.TRUE for row in record.steps),
            sum(_is_alone(row, clause) for row in record.steps),
            sum(row.decision.clauses[clause] is Truth.MISSING for row in record.steps),
        )
        for clause in clauses
    )


def clauses_to_text(counts: Iterable[ClauseCount]) -> str:
    """Return clause counts as JSON text, for one cell of a table."""
    return json.dumps([asdict(count) for count in counts])


def clauses_from_text(text: str) -> tuple[ClauseCount, ...]:
    """Return the clause counts that `clauses_to_text` wrote."""
    return _CLAUSES.validate_json(text)


def keep_reasons(record: Record) -> dict[str, int]:
    """Return how often each reason for keeping the champion was given."""
    reasons = [row.decision.reason for row in record.steps if row.decision.action is Action.KEEP]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


_CLAUSES = TypeAdapter(tuple[ClauseCount, ...])
_BINS = ("bin_probability", "bin_expected_churners")


def _caused(jobs: list[Job] | None, cause: Cause) -> int | None:
    return None if jobs is None else sum(job.cause is cause for job in jobs)


def _is_alone(row: StepRow, clause: str) -> bool:
    return [name for name, truth in row.decision.clauses.items() if truth is Truth.TRUE] == [clause]


def _customers(record: Record) -> int:
    return sum(row.tally.customers for row in record.steps)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None
