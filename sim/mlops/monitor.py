"""The monitor: computes the signals of a day from the log."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import hypot
from typing import Any, Protocol

import numpy as np

from policies.signals import Signals
from sim.mlops.jobs import Deployed
from sim.mlops.log import LogReader
from sim.mlops.metrics import Confusion, confusion, roc_auc
from sim.mlops.model import Model
from sim.mlops.stability import FeatureDrift, Reference
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class Performance:
    """How a champion did on one label-complete cohort that it scored itself; label-free rows are left out."""

    step: int
    counts: Confusion
    roc_auc: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How one batch compares with the champion's reference."""

    features: tuple[FeatureDrift, ...]
    score_psi: float


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

    def drift(self, step: int, champion: Deployed) -> Drift:
        """Compare the batch of `step` with the champion's reference."""
        reference = self.reference(champion)
        cohort = self._log.cohorts([step])[0]
        return Drift(tuple(reference.compare(cohort.features)), reference.score_psi(cohort.probability))

    def performance(self, step: int, champion: Deployed) -> Performance | None:
        """Measure the champion on the newest complete cohort that it scored, `None` before there is one."""
        day = self._world.day(step) - self._world.scenario.labels.horizon_days
        newest = self._log.newest_step_scored_by(champion.job, day)
        if newest is None:
            return None
        cohort = self._log.outcomes(newest)
        known = ~np.isnan(cohort.label)
        if not known.any():
            return None
        label = cohort.label[known] == 1
        return Performance(
            newest, confusion(label, cohort.prediction[known]), roc_auc(label, cohort.probability[known])
        )


def make_reference(world: World, log: LogReader, models: Models, champion: Deployed) -> Reference:
    """Return what a champion's batches are compared with: its recent training rows, and its scores at its gate."""
    recent = log.cohorts(champion.reference_steps)
    gate = log.cohorts(champion.gate_steps)
    gate_features = np.concatenate([cohort.features[cohort.holdout] for cohort in gate])
    return Reference(
        world.schema,
        np.concatenate([cohort.features[~cohort.holdout] for cohort in recent]),
        models.model(champion.version).probability(gate_features),
    )


def signals(
    step: int, day: int, champion: Deployed, drift: Drift, performance: Performance | None, *, job_open: bool
) -> Signals:
    """Put what the monitor measured into the signals that a policy sees."""
    features = drift.features
    ks = [feature.ks_p for feature in features if feature.ks_p is not None]
    return Signals(
        step=step,
        day=day,
        job_open=job_open,
        psi_max=max(feature.psi for feature in features),
        score_psi=drift.score_psi,
        ks_p_min=min(ks, default=None),
        null_rate=max(feature.null_rate for feature in features),
        unseen_rate=max(feature.unseen_rate for feature in features),
        age_days=float(day - champion.requested_day),
        psi={feature.name: feature.psi for feature in features},
        **_performance_signals(champion.baseline, performance),
    )


def _performance_signals(baseline: Confusion, performance: Performance | None) -> dict[str, Any]:
    if performance is None:
        return {}
    counts = performance.counts
    f1, f1_baseline = counts.f1, baseline.f1
    is_comparable = f1 is not None and f1_baseline is not None
    return {
        "f1": f1,
        "precision": counts.precision,
        "recall": counts.recall,
        "accuracy": counts.accuracy,
        "roc_auc": performance.roc_auc,
        "f1_drop": f1_baseline - f1 if f1 is not None and f1_baseline is not None else None,
        "f1_drop_se": hypot(counts.f1_standard_error or 0.0, baseline.f1_standard_error or 0.0)
        if is_comparable
        else None,
        "n_labelled": float(counts.rows),
    }
