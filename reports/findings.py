"""Findings: what went wrong in a run, in plain words, and what to do about it."""

from collections import Counter
from collections.abc import Iterator

from policies.decision import Action
from sim.mlops.records.jobs import Job, Status
from sim.mlops.records.record import Record
from sim.study.scores.judge import clause_counts

_PREDICTED_TOO_FEW, _PREDICTED_TOO_MANY = 0.6, 1.67
"""Customers predicted to churn, as a multiple of those who do, beyond which the threshold does not fit."""


def findings(record: Record) -> Iterator[str]:
    """Yield what a reader of a run should know before its numbers, the most telling first."""
    yield from _no_challenger_passed(record)
    yield from _first_model_fails(record)
    yield from _clauses(record)
    yield from _threshold(record)


def _no_challenger_passed(record: Record) -> Iterator[str]:
    ended = [job for job in record.retrainings if job.status is not Status.OPEN]
    if not ended or any(job.status is Status.PROMOTED for job in ended):
        return
    failed = Counter(gate for job in ended for gate in _failed(job))
    told = "; ".join(f"{gate} stopped {count:,} of them" for gate, count in failed.most_common(3))
    yield (
        f"No new model ever served: the gates {record.gates} rejected all {len(ended):,} retrained models ({told}). "
        f"All that was spent on retraining bought nothing. `retrainlab gates {record.gates}` says what they want."
    )


def _first_model_fails(record: Record) -> Iterator[str]:
    failed = _failed(record.first)
    if failed:
        yield (
            f"The first model itself does not meet the gates {record.gates} ({', '.join(failed)}): it serves because "
            "there was no other, and a challenger has to be better than the model that it replaces."
        )


def _clauses(record: Record) -> Iterator[str]:
    steps = len(record.steps)
    for count in clause_counts(record):
        if count.true == steps:
            yield (f"`{count.clause}` was true in every step: it says nothing of when, and works as a calendar.")
        elif count.missing == steps:
            yield f"`{count.clause}` never had a number to look at: it could not have asked for anything."
    asked = any(row.decision.action is not Action.KEEP for row in record.steps)
    if not asked and steps and not any(count.true for count in clause_counts(record)):
        yield "Nothing was ever asked for: the first model served to the end."


def _threshold(record: Record) -> Iterator[str]:
    recipe, onset = record.scenario.recipe, record.scenario.onset_step
    own = [row for row in record.steps if row.champion == record.first.name]
    steps = [row for row in own if onset is None or row.step < onset]
    predicted = sum(row.tally.predicted for row in steps)
    churners = sum(row.tally.expected_churners for row in steps)
    customers = sum(row.tally.customers for row in steps)
    if recipe.threshold_rule != "half" or not churners:
        return
    ratio = predicted / churners
    if not _PREDICTED_TOO_FEW <= ratio <= _PREDICTED_TOO_MANY:
        yield (
            f"The threshold of 0.5 does not fit a base rate of {churners / customers:.0%}: the first model calls "
            f"{predicted:,} customers churners where {churners:,.0f} are. In the scenario, threshold_rule = 'f1' "
            "under [recipe] sets it by the F1 on validation rows."
        )


def _failed(job: Job) -> tuple[str, ...]:
    return job.meeting.verdict.failed if job.meeting else ()
