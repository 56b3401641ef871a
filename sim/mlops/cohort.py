"""Cohorts: the rows of one step as the inference log knows them today."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.world.schema import Matrix


@dataclass(frozen=True, slots=True)
class Cohort:
    """The customers of one step, sorted by `customer_id`, with what is known of them today.

    `scored_by` is the job whose model scored them (`None` in the warm-up, where `probability` is missing);
    `prediction` is that model's own answer. `label` is 1 for a churner, 0 for a stayer, `nan` where no label has
    arrived.
    """

    step: int
    scored_at: int
    scored_by: str | None
    customer_id: NDArray[np.str_]
    features: Matrix
    holdout: NDArray[np.bool_]
    probability: Matrix
    prediction: NDArray[np.bool_]
    label: Matrix

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label today."""
        return ~np.isnan(self.label)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a model answered for the customers of one step, and the labels known today (`nan`: none)."""

    probability: Matrix
    prediction: NDArray[np.bool_]
    label: Matrix


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Labelled rows of one or more cohorts, sorted by (`scored_at`, `customer_id`)."""

    customer_id: NDArray[np.str_]
    features: Matrix
    label: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> "LabelledRows":
        """Return these rows only, in the order given."""
        return LabelledRows(self.customer_id[rows], self.features[rows], self.label[rows])


Rows = list[NDArray[np.int64]]
"""Row numbers of each of some cohorts, in ascending order."""


def trainable(cohort: Cohort) -> NDArray[np.int64]:
    """Return the rows that a model may be trained on: labelled and not in the holdout."""
    return np.flatnonzero(cohort.is_labelled & ~cohort.holdout)


def labelled_rows(cohorts: Sequence[Cohort], *, holdout: bool) -> LabelledRows:
    """Return the labelled rows of the cohorts that are (or are not) in the holdout."""
    return rows_of(cohorts, [np.flatnonzero(cohort.is_labelled & (cohort.holdout == holdout)) for cohort in cohorts])


def rows_of(cohorts: Sequence[Cohort], rows: Rows) -> LabelledRows:
    """Return the given rows of each cohort, one cohort after another."""
    pairs = [(cohort, own) for cohort, own in zip(cohorts, rows, strict=True) if len(own)] or [(cohorts[0], rows[0])]
    return LabelledRows(
        np.concatenate([cohort.customer_id[own] for cohort, own in pairs]),
        np.concatenate([cohort.features[own] for cohort, own in pairs]),
        np.concatenate([cohort.label[own] == 1 for cohort, own in pairs]),
    )


def join_rows(parts: Iterable[LabelledRows]) -> LabelledRows:
    """Return the rows of all parts, one after another."""
    listed = list(parts)
    return LabelledRows(
        np.concatenate([part.customer_id for part in listed]),
        np.concatenate([part.features for part in listed]),
        np.concatenate([part.label for part in listed]),
    )
