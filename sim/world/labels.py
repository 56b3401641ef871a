"""Labels: the news of outcomes, when it arrives, and what it says at first."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from scenarios.schema import Labels
from sim.world.schema.columns import Matrix

_LONGEST_DAYS = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelEvents:
    """News of outcomes: each belongs to the prediction (`customer_id`, `scored_at`) and comes on `arrives_at`.

    `row` is the place of the customer in the batch. Of two events for one prediction, the later in the list corrects
    the earlier one.
    """

    step: int
    scored_at: int
    customer_id: NDArray[np.str_]
    row: NDArray[np.int64]
    label: NDArray[np.bool_]
    arrives_at: NDArray[np.int64]

    def take(self, events: NDArray[np.bool_]) -> "LabelEvents":
        """Return some of the events."""
        return replace(
            self,
            customer_id=self.customer_id[events],
            row=self.row[events],
            label=self.label[events],
            arrives_at=self.arrives_at[events],
        )

    def newest(self) -> "LabelEvents":
        """Return the last event for each prediction."""
        if np.bincount(self.row, minlength=1).max() <= 1:
            return self
        last = np.zeros(self.row.max(initial=-1) + 1, dtype=np.int64)
        last[self.row] = np.arange(len(self.row))
        return self.take(last[self.row] == np.arange(len(self.row)))

    def known(self, day: int, n_rows: int) -> Matrix:
        """Return the newest label known on a day for each of the n rows of the batch; `nan` where there is none."""
        labels = np.full(n_rows, np.nan)
        here = self.take(self.arrives_at <= day)
        labels[here.row] = here.label  # of several for one row the last counts
        return labels


def settled(
    step: int,
    scored_at: int,
    customer_id: NDArray[np.str_],
    label: NDArray[np.bool_],
    labels: Labels,
    chance: Callable[[str], Matrix],
) -> LabelEvents:
    """Return the events that tell the labels of a batch.

    Parameters
    ----------
    step, scored_at, customer_id
        The batch.
    label
        What is finally reported of each customer.
    labels
        When it is reported, which are not, and which are corrected.
    chance
        Gives each customer a number in [0, 1) of the stream of a name.
    """
    row = np.arange(len(label))
    arrives_at = scored_at + delay_days(labels, label, chance)
    first = LabelEvents(step, scored_at, customer_id, row, label, arrives_at)
    if labels.correction_share:
        is_wrong = chance("label correction") < labels.correction_share
        corrections = first.take(is_wrong)
        first = _joined(
            replace(first, label=label ^ is_wrong),
            replace(corrections, arrives_at=corrections.arrives_at + labels.correction_days),
        )
    if labels.never_share:
        first = first.take((chance("label never") >= labels.never_share)[first.row])
    return first


def delay_days(labels: Labels, label: NDArray[np.bool_], chance: Callable[[str], Matrix]) -> NDArray[np.int64]:
    """Return after how many days each label arrives.

    >>> delay_days(Labels(delay="churners_early"), np.array([True, False]), lambda _: np.array([0.5, 0.5]))
    array([46, 90])
    """
    if labels.delay == "fixed":
        return np.full(len(label), labels.delay_days, dtype=np.int64)
    luck = chance("label delay")
    if labels.delay == "churners_early":
        on_the_way = np.floor(luck * labels.horizon_days).astype(np.int64) + 1
        return np.where(label, np.minimum(on_the_way, labels.horizon_days), labels.horizon_days)
    factor = np.exp(labels.delay_spread * ndtri(np.maximum(luck, np.finfo(np.float64).tiny)))
    return np.asarray(np.rint(np.minimum(labels.delay_days * factor, _LONGEST_DAYS)), dtype=np.int64)


def _joined(one: LabelEvents, other: LabelEvents) -> LabelEvents:
    return replace(
        one,
        customer_id=np.concatenate([one.customer_id, other.customer_id]),
        row=np.concatenate([one.row, other.row]),
        label=np.concatenate([one.label, other.label]),
        arrives_at=np.concatenate([one.arrives_at, other.arrives_at]),
    )
