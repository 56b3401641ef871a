"""Chain ladder: what a cohort's F1 will be, from the labels that have arrived so far and how labels use to arrive.

Early labels are mostly churners' (who has left is known at once; who stays, at the end), so an F1 of what is there is
wrong. The chain ladder of actuaries (Mack, ASTIN Bulletin 1993) divides what has arrived of each class by the share
that has arrived of it at that age in older cohorts. F1 needs churners' labels only: how many were predicted is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The rows of one cohort: what was predicted, the label known today, and its age in days when it arrived.

    `label` and `age_days` are `nan` where no label has arrived. `weight` is how often a row counts once its label is
    there, which is known before: 0 for one whose label an offer will have changed, if those are left out.
    """

    prediction: NDArray[np.bool_]
    label: Matrix
    age_days: Matrix
    weight: NDArray[np.int64]

    def count(self, rows: NDArray[np.bool_]) -> int:
        """Return the number of these rows, each as often as it counts."""
        return int(self.weight[rows].sum())


@dataclass(frozen=True, slots=True)
class Development:
    """How labels arrive: the ages in days of all churners' labels, in order, and the share of rows with any label.

    Each row is there as often as it counts.
    """

    churner_ages: Matrix
    labelled_share: float

    def churner_share(self, age_days: float) -> float:
        """Return the share of churners whose labels have arrived at an age; 0 where no churner is known.

        >>> Development(np.array([10.0, 20.0, 80.0, 90.0]), 1.0).churner_share(30)
        0.5
        """
        n_churners = len(self.churner_ages)
        return float(np.searchsorted(self.churner_ages, age_days, side="right") / n_churners) if n_churners else 0.0


def development(complete: Sequence[Arrivals]) -> Development:
    """Return how labels arrived in label-complete cohorts, at least one."""
    churned = [cohort.label == 1 for cohort in complete]
    ages = [
        np.repeat(cohort.age_days[own], cohort.weight[own]) for cohort, own in zip(complete, churned, strict=True)
    ]
    known = sum(cohort.count(~np.isnan(cohort.label)) for cohort in complete)
    rows = sum(int(cohort.weight.sum()) for cohort in complete)
    return Development(np.sort(np.concatenate(ages)), known / rows if rows else 0.0)


def delay_adjusted_f1(cohort: Arrivals, age_days: float, known: Development) -> float | None:
    """Return the F1 that a cohort will have once its labels are complete.

    F1 = 2 TP / (P + C) with TP the predicted churners and C all churners, both scaled up by the share of churners
    that has arrived, and P the predicted customers, scaled down to those who will ever have a label; each row is
    counted by its weight. Missing while no churner can have arrived, and 0 where the denominator is.

    Parameters
    ----------
    cohort
        The rows, with what is known of them today.
    age_days
        Days since they were scored.
    known
        How labels arrive.

    Examples
    --------
    >>> half = Development(np.array([10.0, 60.0]), labelled_share=1.0)
    >>> nan, prediction = np.nan, np.array([True, True, False, False])
    >>> label, age_days = np.array([1.0, nan, nan, nan]), np.array([10.0, nan, nan, nan])
    >>> early = Arrivals(prediction, label, age_days, weight=np.ones(4, dtype=int))
    >>> delay_adjusted_f1(early, age_days=30, known=half)
    1.0
    """
    share = known.churner_share(age_days)
    if not share:
        return None
    churners = cohort.count(cohort.label == 1) / share
    found = cohort.count((cohort.label == 1) & cohort.prediction) / share
    whole = cohort.count(cohort.prediction) * known.labelled_share + churners
    return float(2 * found / whole) if whole else 0.0
