"""Cohorts: the rows of one step as the inference log knows them today."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Offers
from sim.mlops.statistics.overlap import Sample
from sim.world.schema.columns import Matrix

RowChoice = NDArray[np.int64] | NDArray[np.bool_] | slice
"""Some rows of a cohort: their numbers in ascending order, a mask, or a slice."""


class KeptRows(Protocol):
    """The customers of a cohort with their features, wherever these are kept; read when they are asked for."""

    def take(self, rows: RowChoice) -> Sample:
        """Return some of the rows, in their order."""
        ...


class CohortRows(KeptRows, Protocol):
    """All customers of a cohort, which can also be read block after block."""

    def blocks(self, rows: NDArray[np.bool_]) -> Iterator[Sample]:
        """Yield the rows of a mask in their order, as many at once as memory has room for."""
        ...


@dataclass(frozen=True, slots=True)
class Cohort:
    """The customers of one step, sorted by `customer_id`, with what is known of them today.

    `prediction` is the answer of the model that scored them (`probability` is missing in the warm-up, which nobody
    scored), `offered` tells who got an offer, `held_out` who never does. `label` is 1 for a churner, 0 for a stayer,
    `nan` where no label has arrived. `kept` gives who they are and their features: a log of millions reads no more
    of them than are wanted.
    """

    step: int
    kept: CohortRows
    holdout: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    offered: NDArray[np.bool_]
    probability: Matrix
    prediction: NDArray[np.bool_]
    label: Matrix

    @property
    def outcomes(self) -> "KnownOutcomes":
        """What is known of them beside their features."""
        return KnownOutcomes(self.held_out, self.offered, self.probability, self.prediction, self.label)

    @property
    def sample(self) -> Sample:
        """Who they are, with their features."""
        return self.kept.take(slice(None))

    @property
    def customer_id(self) -> NDArray[np.str_]:
        """Who they are."""
        return self.sample.customer_id

    @property
    def features(self) -> Matrix:
        """Their encoded features, a row each."""
        return self.sample.features


@dataclass(frozen=True, slots=True)
class KnownOutcomes:
    """What a model answered for the customers of one step, who got an offer, and the labels known today.

    A label is `nan` where none has arrived, a probability where nobody scored.
    """

    held_out: NDArray[np.bool_]
    offered: NDArray[np.bool_]
    probability: Matrix
    prediction: NDArray[np.bool_]
    label: Matrix

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label today."""
        return ~np.isnan(self.label)


def weights(outcomes: KnownOutcomes, offers: Offers) -> NDArray[np.int64]:
    """Return how often each row counts for training, gates and performance; 0 without a label.

    Where offers show in the labels, the label of a customer who got one no longer tells what happens without. Then
    `offers.learn_from` leaves them out: `held_out` keeps the customers who can't get one; `weighted` keeps all who
    got none, and lets a held-out customer whose score would have earned one stand for those who did, by the inverse
    of the probability of getting none (Horvitz and Thompson, 1952), rounded to a whole number.

    >>> held_out, offered = np.array([True, False, False]), np.array([False, True, False])
    >>> scores = np.array([0.9, 0.8, 0.1])
    >>> known = KnownOutcomes(held_out, offered, scores, scores > 0.5, np.array([1.0, 0.0, 0.0]))
    >>> weights(known, Offers(learn_from="weighted", held_out_share=0.25)).tolist()
    [4, 0, 1]
    """
    counts = outcomes.is_labelled.astype(np.int64)
    if offers.learn_from == "all":
        return counts
    is_scored = ~np.isnan(outcomes.probability)
    if offers.learn_from == "held_out":
        return np.where(is_scored & ~outcomes.held_out, 0, counts)
    lowest = outcomes.probability[outcomes.offered].min(initial=np.inf)
    stands_for_others = outcomes.held_out & (outcomes.probability >= lowest)
    counts[stands_for_others] *= round(1 / offers.held_out_share)
    return np.where(outcomes.offered, 0, counts)


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows of some cohorts, sorted by (`scored_at`, `customer_id`).

    `weight` is how often each row counts, a whole number; `emphasis` how much each is to matter on top of that, where
    a training profile weighs rows. `kept` gives who they are and their features, which are read once they are asked
    for: of rows that are only counted, or of which few are drawn, no more are read than are used.
    """

    kept: KeptRows
    label: NDArray[np.bool_]
    weight: NDArray[np.int64]
    emphasis: Matrix | None = None

    @classmethod
    def alike(cls, customer_id: NDArray[np.str_], features: Matrix, label: NDArray[np.bool_]) -> "LabelledRows":
        """Return rows that count once each."""
        return cls(Sample(customer_id, features), label, np.ones(len(label), dtype=np.int64))

    @cached_property
    def sample(self) -> Sample:
        """Who they are, with their features."""
        return self.kept.take(slice(None))

    @property
    def customer_id(self) -> NDArray[np.str_]:
        """Who they are."""
        return self.sample.customer_id

    @property
    def features(self) -> Matrix:
        """Their encoded features, a row each."""
        return self.sample.features

    def take(self, rows: NDArray[np.int64]) -> "LabelledRows":
        """Return these rows only, in the order given."""
        emphasis = None if self.emphasis is None else self.emphasis[rows]
        is_read = "sample" in self.__dict__
        kept = self.sample.take(rows) if is_read else _SomeRows(self.kept, rows)
        return LabelledRows(kept, self.label[rows], self.weight[rows], emphasis)

    def repeated(self) -> "LabelledRows":
        """Return the rows with each as often as it counts."""
        if (self.weight == 1).all():
            return self
        times = self.take(np.repeat(np.arange(len(self.label)), self.weight))
        return replace(times, weight=np.ones(len(times.label), dtype=np.int64))


def sample_of(cohorts: Sequence[Cohort], *, holdout: bool) -> Sample:
    """Return the rows of the cohorts that are (or are not) in the holdout, one cohort after another."""
    return Sample.joined([cohort.kept.take(cohort.holdout == holdout) for cohort in cohorts])


def blocks_of(cohorts: Sequence[Cohort], *, holdout: bool) -> Iterator[Sample]:
    """Yield the rows of the cohorts that are (or are not) in the holdout, block after block."""
    for cohort in cohorts:
        yield from cohort.kept.blocks(cohort.holdout == holdout)


@dataclass(frozen=True, slots=True)
class _SomeRows:
    """Some rows of others, in any order."""

    kept: KeptRows
    rows: NDArray[np.int64]

    def take(self, rows: RowChoice) -> Sample:
        """Return some of the rows."""
        chosen = self.rows[rows]
        if (chosen[1:] > chosen[:-1]).all():
            return self.kept.take(chosen)
        distinct, places = np.unique(chosen, return_inverse=True)
        return self.kept.take(distinct).take(places)


@dataclass(frozen=True, slots=True)
class _JoinedRows:
    """Some rows of each of several cohorts, one cohort after another."""

    parts: "Sequence[tuple[Cohort, NDArray[np.int64]]]"

    def take(self, rows: RowChoice) -> Sample:
        """Return some of the rows."""
        starts = np.cumsum([0, *(len(own) for _, own in self.parts)])
        wanted = np.arange(starts[-1])[rows]
        cuts = np.searchsorted(wanted, starts)
        return Sample.joined(
            [
                cohort.kept.take(own[wanted[cuts[index] : cuts[index + 1]] - starts[index]])
                for index, (cohort, own) in enumerate(self.parts)
            ]
        )


Rows = list[NDArray[np.int64]]
"""Row numbers of each of some cohorts, in ascending order."""


def trainable(cohort: Cohort, offers: Offers) -> NDArray[np.int64]:
    """Return the rows that a model may be trained on: those that count and are not in the holdout."""
    return counted(cohort, offers, holdout=False)


def counted(cohort: Cohort, offers: Offers, *, holdout: bool) -> NDArray[np.int64]:
    """Return the rows that count and are (or are not) in the holdout."""
    return np.flatnonzero((weights(cohort.outcomes, offers) > 0) & (cohort.holdout == holdout))


def labelled_rows(cohorts: Sequence[Cohort], offers: Offers, *, holdout: bool) -> LabelledRows:
    """Return the rows of the cohorts that count and are (or are not) in the holdout."""
    return rows_of(cohorts, [counted(cohort, offers, holdout=holdout) for cohort in cohorts], offers)


def rows_of(cohorts: Sequence[Cohort], rows: Rows, offers: Offers) -> LabelledRows:
    """Return the given rows of each cohort, one cohort after another."""
    pairs = [(cohort, own) for cohort, own in zip(cohorts, rows, strict=True) if len(own)] or [(cohorts[0], rows[0])]
    return LabelledRows(
        _JoinedRows(pairs),
        np.concatenate([cohort.label[own] == 1 for cohort, own in pairs]),
        np.concatenate([weights(cohort.outcomes, offers)[own] for cohort, own in pairs]),
    )
