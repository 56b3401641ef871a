"""The monitor: computes the signals of a day from the log."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import hypot
from typing import Any, Protocol

import numpy as np

from policies.signals import Signals
from sim.mlops.models.cohort import blocks_of, weights
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import Deployed
from sim.mlops.records.log import LogReader, usable_steps
from sim.mlops.statistics.metrics import Confusion, confusion, roc_auc
from sim.mlops.statistics.overlap import Keys, Sample, Seen
from sim.mlops.statistics.reference_rows import ReferenceRows
from sim.mlops.statistics.stability import FeatureDrift, Reference
from sim.world.schema.columns import Matrix
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class Performance:
    """How a champion did on one usable cohort that it scored itself.

    Rows without a label are left out, and their share is `unlabelled_rate`. `tells_f1` is false for a month of one
    class, which says nothing of who was found; of naive cohorts, the churners alone may be known.
    """

    step: int
    counts: Confusion
    roc_auc: float | None
    n_labelled: int
    unlabelled_rate: float
    tells_f1: bool = True


@dataclass(frozen=True, slots=True)
class BatchDrift:
    """How one batch compares with the champion's reference; nothing is known of an empty one."""

    features: tuple[FeatureDrift, ...]
    score_psi: float | None
    duplicate_rate: float | None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was visible on one day: the signals, and the drift of each feature behind them."""

    signals: Signals
    drift: tuple[FeatureDrift, ...]


class Models(Protocol):
    """Where models are found."""

    def model(self, version: int) -> Model:
        """Return the model of a version."""
        ...


class Monitor:
    """Looks at the log as production can see it today.

    Parameters
    ----------
    world, log, models
        Where it looks.
    reference
        Gives a champion's reference; it is made from log and models unless given.
    """

    def __init__(
        self,
        world: World,
        log: LogReader,
        models: Models,
        reference: Callable[[Deployed], Reference] | None = None,
    ) -> None:
        self._world = world
        self._log = log
        self.reference = reference or lru_cache(maxsize=2)(
            lambda champion: make_reference(world, log, models, champion)
        )

    def drift(self, step: int, champion: Deployed) -> BatchDrift:
        """Compare the batch of `step` with the champion's reference."""
        reference = self.reference(champion)
        cohort, duplicates = self._log.cohorts([step])[0], self._world.batch(step).duplicates
        if not len(cohort.label):
            return BatchDrift((), None, None)
        duplicate_rate = duplicates / (duplicates + len(cohort.label))
        if not reference.n_rows:
            return BatchDrift((), None, duplicate_rate)
        today = cohort.sample
        features = tuple(reference.compare(today.features, reference.overlap(today)))
        return BatchDrift(features, reference.score_psi(cohort.probability), duplicate_rate)

    def performance(self, step: int, champion: Deployed) -> Performance | None:
        """Measure the champion on the newest usable cohort that it scored, `None` before there is one."""
        newest = self.newest_step(step, champion)
        return None if newest is None else self.performance_on(newest)

    def performance_on(self, step: int) -> Performance:
        """Measure who scored a cohort on what is known of it today."""
        outcomes = self._log.outcomes(step)
        weight = weights(outcomes, self._world.scenario.offers)
        counted = weight > 0
        label, times = outcomes.label[counted] == 1, weight[counted]
        counts = confusion(label, outcomes.prediction[counted], times)
        return Performance(
            step=step,
            counts=counts,
            roc_auc=roc_auc(np.repeat(label, times), np.repeat(outcomes.probability[counted], times)),
            n_labelled=int(np.count_nonzero(counted)),
            unlabelled_rate=float(np.mean(~outcomes.is_labelled)),
            tells_f1=counts.has_both_classes or self._world.scenario.labels.cohorts == "naive",
        )

    def newest_step(self, step: int, champion: Deployed) -> int | None:
        """Return the newest step whose cohort may be learnt from at `step`, with a row that the champion scored."""
        scenario = self._world.scenario
        usable = usable_steps(scenario, self._log, self._world.day(step))
        newest = self._log.newest_step_scored_by(champion.job, usable[-1])
        while newest is not None and not (scenario.every_row_counts or self._counts(newest)):
            newest = self._log.newest_step_scored_by(champion.job, newest - 1)
        return newest

    def _counts(self, step: int) -> bool:
        """Tell whether a row of a cohort counts today."""
        return bool(weights(self._log.outcomes(step), self._world.scenario.offers).any())


def make_reference(world: World, log: LogReader, models: Models, champion: Deployed) -> Reference:
    """Return what a champion's batches are compared with: its recent training rows, and its scores at its gate."""
    model = models.model(champion.version)
    recent, gate = _Keys([], []), _Keys([], [])
    learnt = max(champion.reference_steps, default=champion.requested_day // world.scenario.time.step_days)
    rows = ReferenceRows.of(
        world.known_schema(learnt),  # a category that came later is unseen by this model
        recent.noted(blocks_of(log.cohorts(champion.reference_steps), holdout=False)),
    )
    judged = gate.noted(blocks_of(log.cohorts(champion.gate_steps), holdout=True))
    scores = np.concatenate([np.empty(0), *map(model.probability, judged)])
    return Reference(rows, scores, recent.seen(), gate.seen())


@dataclass(frozen=True, slots=True)
class _Keys:
    """The numbers of rows and of their customers, noted while the rows go by."""

    rows: list[Keys]
    customers: list[Keys]

    def noted(self, blocks: Iterable[Sample]) -> Iterator[Matrix]:
        """Yield the features of the blocks."""
        for block in blocks:
            self.rows.append(block.rows)
            self.customers.append(block.customers)
            yield block.features

    def seen(self) -> Seen:
        """Return what is recognised of all rows that went by."""
        nobody = [np.empty(0, dtype=np.uint64)]
        return Seen.of_keys(np.concatenate(nobody + self.rows), np.concatenate(nobody + self.customers))


def signals(
    step: int, day: int, champion: Deployed, drift: BatchDrift, performance: Performance | None, *, job_open: bool
) -> Signals:
    """Put what the monitor measured into the signals that a policy sees."""
    features = drift.features
    ks = [feature.ks_p for feature in features if feature.ks_p is not None]
    return Signals(
        step=step,
        day=day,
        job_open=job_open,
        psi_max=max((feature.psi for feature in features), default=None),
        score_psi=drift.score_psi,
        ks_p_min=min(ks, default=None),
        null_rate=max((feature.null_rate for feature in features), default=None),
        unseen_rate=max((feature.unseen_rate for feature in features), default=None),
        duplicate_rate=drift.duplicate_rate,
        age_days=float(day - champion.requested_day),
        psi={feature.name: feature.psi for feature in features},
        **_performance_signals(champion.baseline, performance),
    )


def _performance_signals(baseline: Confusion, performance: Performance | None) -> dict[str, Any]:
    if performance is None:
        return {}
    counts = performance.counts
    f1, f1_baseline = counts.f1 if performance.tells_f1 else None, baseline.f1
    is_comparable = f1 is not None and f1_baseline is not None
    return {
        "f1": f1,
        "precision": counts.precision if performance.tells_f1 else None,
        "recall": counts.recall if performance.tells_f1 else None,
        "accuracy": counts.accuracy,
        "roc_auc": performance.roc_auc,
        "f1_drop": f1_baseline - f1 if f1 is not None and f1_baseline is not None else None,
        "f1_drop_se": hypot(counts.f1_standard_error or 0.0, baseline.f1_standard_error or 0.0)
        if is_comparable
        else None,
        "n_labelled": float(performance.n_labelled),
        "unlabelled_rate": performance.unlabelled_rate,
    }
