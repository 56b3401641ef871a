"""Selection: the rows that a training profile takes of all that is known on the day of a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scenarios.schema import Offers, Training
from sim.mlops.models.cohort import Cohort, Rows, rows_of
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.models.training import LEAST_ROWS, TrainingData, TrainingWindow, training_data, with_rows
from sim.mlops.models.two_samples import compare_samples
from sim.mlops.statistics.change import Change
from sim.mlops.statistics.overlap import Sample
from sim.world.schema.columns import Matrix, Schema


@dataclass(frozen=True)
class Known:
    """What is known on the day of a request.

    Attributes
    ----------
    cohorts
        The label-complete cohorts in order of time, the warm-up first; at least one.
    training, offers, schema, step_days
        Of the scenario: its own mix, which labels are learnt from, the features, the days from step to step.
    rng
        The training stream of the step.
    change
        Estimates the newest change that the labels show, at a level; asked only where a profile wants it.
    today
        Gives the customers of today's batch, who have no labels yet.
    """

    cohorts: Sequence[Cohort]
    training: Training
    offers: Offers
    schema: Schema
    step_days: int
    rng: np.random.Generator
    change: Callable[[float], Change | None]
    today: Callable[[], Sample]


def select_rows(profile: TrainingProfile, known: Known) -> TrainingData:
    """Return the rows that a profile takes, never of the holdout, with what the record tells of them."""
    data = _SELECTIONS[profile.kind](profile, known)
    return TrainingData(data.rows, replace(data.window, profile=profile.name))


def _mix(profile: TrainingProfile, known: Known) -> TrainingData:
    """Take the recent cohorts and a share of older rows; see `training_data`."""
    _, rows = with_rows(known.cohorts, known.offers)
    wanted = known.training.recent_cohorts
    if profile.window_days is not None:
        wanted = max(round(profile.window_days / known.step_days), 1)
    if profile.least_rows:
        wanted = max(wanted, _cohorts_with(rows, profile.least_rows))
    share = known.training.recent_share if profile.recent_share is None else profile.recent_share
    mix = known.training.model_copy(update={"recent_cohorts": wanted, "recent_share": share})
    return training_data(known.cohorts, mix, known.offers, known.rng)


def _all(_: TrainingProfile, known: Known) -> TrainingData:
    """Take every row, each alike."""
    return _every_row(known)


def _decayed(profile: TrainingProfile, known: Known) -> TrainingData:
    """Take every row, weighted by its age: one half for each half-life before the newest cohort."""
    cohorts, rows = with_rows(known.cohorts, known.offers)
    ages = np.repeat([(cohorts[-1].step - cohort.step) * known.step_days for cohort in cohorts], [*map(len, rows)])
    return _weighted(_every_row(known), 0.5 ** (ages / profile.half_life_days))


def _matched(_: TrainingProfile, known: Known) -> TrainingData:
    """Take every row, weighted by how much likelier such a customer is today (see `compare_samples`)."""
    data = _every_row(known)
    found = compare_samples(known.schema, Sample(data.rows.customer_id, data.rows.features), known.today())
    return _weighted(data, np.ones(len(data.rows.label)) if found is None else found.weight)


def _since_change(profile: TrainingProfile, known: Known) -> TrainingData:
    """Take the cohorts since the newest change, and older ones until there are enough rows; all without a change.

    The recent steps are those since the change, the historical ones those before it.
    """
    change = known.change(profile.change_level)
    if change is None:
        return _every_row(known)
    cohorts, rows = with_rows(known.cohorts, known.offers)
    n_since = sum(cohort.step >= change.step for cohort in cohorts)
    n_taken = max(n_since, _cohorts_with(rows, max(profile.least_rows, LEAST_ROWS)), 1)
    kept, chosen = cohorts[-n_taken:], rows[-n_taken:]
    data = _described(kept, chosen, n_since or n_taken, known.offers)
    return TrainingData(data.rows, replace(data.window, change=change))


_SELECTIONS: Mapping[str, Callable[[TrainingProfile, Known], TrainingData]] = {
    "mix": _mix,
    "all": _all,
    "decayed": _decayed,
    "matched": _matched,
    "since_change": _since_change,
}


def _every_row(known: Known) -> TrainingData:
    cohorts, rows = with_rows(known.cohorts, known.offers)
    return _described(cohorts, rows, known.training.recent_cohorts, known.offers)


def _described(cohorts: Sequence[Cohort], rows: Rows, n_recent: int, offers: Offers) -> TrainingData:
    """Return all rows given; the newest `n_recent` cohorts are called recent."""
    pairs = list(zip(cohorts, rows, strict=True))
    newest, older = pairs[-n_recent:], pairs[:-n_recent]
    window = TrainingWindow(
        tuple(cohort.step for cohort, _ in newest),
        tuple(cohort.step for cohort, _ in older),
        sum(len(own) for _, own in newest),
        sum(len(own) for _, own in older),
    )
    return TrainingData(rows_of(cohorts, rows, offers), window)


def _weighted(data: TrainingData, emphasis: Matrix) -> TrainingData:
    weight = data.rows.weight * emphasis
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return TrainingData(replace(data.rows, emphasis=emphasis), replace(data.window, effective_rows=effective))


def _cohorts_with(rows: Rows, least_rows: float) -> int:
    """Return how many of the newest cohorts it takes to have so many rows; all of them where there are too few."""
    counts = np.cumsum([len(own) for own in reversed(rows)])
    return min(int(np.searchsorted(counts, least_rows)) + 1, len(rows))
