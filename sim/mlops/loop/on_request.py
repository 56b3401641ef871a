"""Signals on request: what is measured only for a policy that asks for it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import erfc, sqrt
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from policies.signals import Signals
from sim.mlops.loop.change_finder import ChangeFinder
from sim.mlops.loop.monitor import Models
from sim.mlops.models.cohort import Cohort, sample_of, weights
from sim.mlops.models.two_samples import TwoSamples, compare_samples
from sim.mlops.records.jobs import Deployed
from sim.mlops.records.log import LogReader
from sim.mlops.records.registry import FIRST_VERSION
from sim.mlops.statistics.chain_ladder import Arrivals, delay_adjusted_f1, development
from sim.mlops.statistics.change import LEVEL
from sim.mlops.statistics.estimates import Calibration, Estimate, estimate
from sim.mlops.statistics.overlap import Sample
from sim.mlops.statistics.stability import Reference, adjusted_p
from sim.world.schema.columns import Matrix
from sim.world.world import World

T = TypeVar("T")
Wants = frozenset[str]
"""The signals on request that a policy wants, by name."""

Values = Mapping[str, float | None]
"""Signals by name, `None` where they can't be known."""


class Remember(Protocol):
    """Keeps what was measured of the model of a version by a key."""

    def __call__(self, key: Hashable, version: int, compute: Callable[[], T]) -> T:
        """Return what is known, computed if need be."""
        ...


def measure_anew(key: Hashable, version: int, compute: Callable[[], T]) -> T:  # noqa: ARG001  see Remember
    """Keep nothing."""
    return compute()


class SignalsOnRequest:
    """Measures signals on request from the log as production can see it today.

    Parameters
    ----------
    world, log, models, reference
        Where it looks; `reference` gives a champion's reference.
    changes
        Estimates the newest change that the labels show.
    remember
        Keeps results for others who ask the same of the same model; nothing is kept without it.
    """

    def __init__(
        self,
        world: World,
        log: LogReader,
        models: Models,
        reference: Callable[[Deployed], Reference],
        changes: ChangeFinder,
        remember: Remember = measure_anew,
    ) -> None:
        self._world = world
        self._log = log
        self._models = models
        self._reference = reference
        self._changes = changes
        self._remember = remember

    def added(self, step: int, champion: Deployed, seen: Signals, wants: Wants) -> Signals:
        """Return the signals of a step with those added that are wanted; what can't be known stays missing."""
        found: dict[str, Any] = {}
        if "scores" in wants:
            found["scores"] = tuple(self._log.outcomes(step).probability.tolist())
        if "errors" in wants:
            found["errors"] = self._errors(self._newly_complete(step, champion))
        if "f1_drop_p" in wants:
            found["f1_drop_p"] = _upper_tail(seen.f1_drop, seen.f1_drop_se)
        if wants & _DELAYED:
            found |= {name: value for name, value in self._delay_adjusted(step, champion).items() if name in wants}
        if wants & _CHANGE:
            found |= {name: value for name, value in self._change(step).items() if name in wants}
        look = _Look(self._world, self._log, self._models, self._reference, step, champion)
        for names, measure in _GROUPS.items():
            if wants & names:
                values = self._remember((measure.__name__, step), champion.version, partial(measure, look))
                found |= {name: values[name] for name in wants & names}
        return replace(seen, **found)

    def _errors(self, steps: tuple[int, ...]) -> tuple[bool, ...] | None:
        """Return whether each prediction was wrong; rows that do not count are left out, none at all is missing."""
        parts = [self._log.outcomes(step) for step in steps]
        offers = self._world.scenario.offers
        wrong = [(part.prediction != (part.label == 1))[weights(part, offers) > 0] for part in parts]
        rows = tuple(np.concatenate(wrong).tolist()) if wrong else ()
        return rows or None

    def _change(self, step: int) -> Values:
        """Measure how long ago the newest change was that the labels show."""
        change = self._remember(("change", step), FIRST_VERSION, lambda: self._changes.newest(step, LEVEL))
        if change is None:
            return dict.fromkeys(_CHANGE)
        world = self._world
        sd_days = change.sd_steps * world.scenario.time.step_days
        return {
            "days_since_change": float(world.day(step) - world.day(change.step)),
            "days_since_change_sd": sd_days,
        }

    def _delay_adjusted(self, step: int, champion: Deployed) -> Values:
        """Measure the newest cohort that the champion scored and of whose churners at least half should be known.

        One of which no row will count is passed over.
        """
        day = self._world.day(step)
        complete = range(self._newest_complete(step) + 1)[-_DEVELOPED_COHORTS:]
        if not complete:
            return dict.fromkeys(_DELAYED)
        known = self._remember(
            ("development", step), champion.version, lambda: development([self._arrivals(each) for each in complete])
        )
        old_enough = (each for each in range(step, -1, -1) if known.churner_share(day - self._world.day(each)) >= 0.5)
        newest = self._newest_scored_by(champion, next(old_enough, -1))
        if newest is None:
            return dict.fromkeys(_DELAYED)
        arrivals = self._arrivals(newest)
        f1 = None if _is_of_one_class(arrivals) else delay_adjusted_f1(arrivals, day - self._world.day(newest), known)
        return {"f1_delay_adjusted": f1, "f1_delay_adjusted_drop": _drop(champion, f1)}

    def _newest_scored_by(self, champion: Deployed, newest: int) -> int | None:
        """Return the newest step, up to `newest`, of which the champion scored a customer whose label will count."""
        found = self._log.newest_step_scored_by(champion.job, newest)
        while found is not None and not self._arrivals(found).weight.any():
            found = self._log.newest_step_scored_by(champion.job, found - 1)
        return found

    def _arrivals(self, step: int) -> Arrivals:
        outcomes = self._log.outcomes(step)
        age_days = self._log.arrived_at(step) - self._world.day(step)
        once_labelled = replace(outcomes, label=np.zeros(len(outcomes.label)))
        weight = weights(once_labelled, self._world.scenario.offers)
        return Arrivals(outcomes.prediction, outcomes.label, age_days, weight)

    def _newly_complete(self, step: int, champion: Deployed) -> tuple[int, ...]:
        """Return the steps whose cohorts the champion scored and that became label-complete since the step before."""
        newly = range(max(self._newest_complete(step - 1) + 1, 0), self._newest_complete(step) + 1)
        return tuple(each for each in newly if self._log.newest_step_scored_by(champion.job, each) == each)

    def _newest_complete(self, step: int) -> int:
        """Return the newest step whose cohort is label-complete at `step`; -1 or less before there is one."""
        scenario = self._world.scenario
        return (self._world.day(step) - scenario.labels.horizon_days) // scenario.time.step_days


@dataclass(frozen=True)
class _Look:
    """A champion on one day, with the rows that its signals are measured on; each is read when first needed."""

    world: World
    log: LogReader
    models: Models
    reference: Callable[[Deployed], Reference]
    step: int
    champion: Deployed

    @cached_property
    def today(self) -> Sample:
        """The customers of today's batch."""
        return self.log.cohorts([self.step])[0].sample

    @cached_property
    def gate(self) -> Sequence[Cohort]:
        """The cohorts of the champion's own gate, as known today."""
        return self.log.cohorts(self.champion.gate_steps)

    @cached_property
    def gate_rows(self) -> Sample:
        """All their holdout rows, with labels or without, each row once."""
        return sample_of(self.gate, holdout=True)

    @cached_property
    def gate_times(self) -> NDArray[np.int64]:
        """How often each of these rows counts; 0 without a label."""
        offers = self.world.scenario.offers
        return np.concatenate([weights(cohort.outcomes, offers)[cohort.holdout] for cohort in self.gate])

    @cached_property
    def gate_scores(self) -> Matrix:
        """The champion's probabilities on these rows."""
        return self.models.model(self.champion.version).probability(self.gate_rows.features)

    @cached_property
    def two_samples(self) -> TwoSamples | None:
        """Today's batch against these rows."""
        return compare_samples(self.reference(self.champion).schema, self.gate_rows, self.today)

    def estimate(self, density: Matrix | float = 1.0) -> Estimate | None:
        """Return what calibrated scores say of today's batch; missing without rows that count or without any today.

        A row of the calibration weighs as often as it counts, times its ratio of densities.
        """
        today = self.log.outcomes(self.step)
        counted = self.gate_times > 0
        if not counted.any():
            return None
        label = np.concatenate([cohort.label[cohort.holdout] == 1 for cohort in self.gate])
        weight = np.asarray(self.gate_times * density, dtype=np.float64)
        calibration = Calibration.fitted(self.gate_scores[counted], label[counted], weight[counted])
        return estimate(calibration.probabilities(today.probability), today.prediction, today.probability)


def _estimates(look: _Look) -> Values:
    found = look.estimate()
    if found is None:
        return dict.fromkeys(_ESTIMATES)
    return {
        "f1_estimated": found.f1,
        "f1_estimated_se": found.f1_se,
        "f1_estimated_drop": _drop(look.champion, found.f1),
        "precision_estimated": found.precision,
        "recall_estimated": found.recall,
        "accuracy_estimated": found.accuracy,
        "roc_auc_estimated": found.roc_auc,
    }


def _two_samples(look: _Look) -> Values:
    """Measure what needs the classifier: it takes as long as a training, so both are measured at once."""
    found = look.two_samples
    weighted = None if found is None else look.estimate(found.weight)
    f1 = None if weighted is None else weighted.f1
    return {
        "two_sample_auc": None if found is None else found.auc,
        "two_sample_p": None if found is None else found.p_value,
        "f1_estimated_weighted": f1,
        "f1_estimated_weighted_drop": _drop(look.champion, f1),
    }


def _tests(look: _Look) -> Values:
    reference = look.reference(look.champion)
    today = look.today
    if not len(today.features) or not reference.n_rows:
        return dict.fromkeys(_TESTS)
    overlap = reference.overlap(today)
    psi = reference.psi_p_values(today.features, overlap)
    return {
        "psi_p": min(1.0, len(psi) * min(psi)),
        "drift_p": adjusted_p(reference.test_p_values(today.features, overlap)),
        "score_ks_p": reference.score_ks_p(look.log.outcomes(look.step).probability, reference.score_overlap(today)),
    }


def _nulls(look: _Look) -> Values:
    reference = look.reference(look.champion)
    features = look.today.features
    is_known = len(features) > 0 and reference.n_rows > 0
    return {"null_rate_rise": reference.null_rate_rise(features) if is_known else None}


def _drop(champion: Deployed, f1: float | None) -> float | None:
    """Return the champion's F1 at its own gate less an estimate of what it is now."""
    baseline = champion.baseline.f1
    return None if f1 is None or baseline is None else baseline - f1


_DEVELOPED_COHORTS = 6
_CHANGE = frozenset({"days_since_change", "days_since_change_sd"})
_DELAYED = frozenset({"f1_delay_adjusted", "f1_delay_adjusted_drop"})
_ESTIMATES = frozenset(
    {
        *("f1_estimated", "f1_estimated_se", "f1_estimated_drop"),
        *("precision_estimated", "recall_estimated", "accuracy_estimated", "roc_auc_estimated"),
    }
)
_CLASSIFIED = frozenset({"two_sample_auc", "two_sample_p", "f1_estimated_weighted", "f1_estimated_weighted_drop"})
_TESTS = frozenset({"psi_p", "drift_p", "score_ks_p"})
_NULLS = frozenset({"null_rate_rise"})
_GROUPS: Mapping[frozenset[str], Callable[[_Look], Values]] = {
    _ESTIMATES: _estimates,
    _CLASSIFIED: _two_samples,
    _TESTS: _tests,
    _NULLS: _nulls,
}
"""What is measured together, by the signals that it gives."""


def _is_of_one_class(arrivals: Arrivals) -> bool:
    """Tell whether every row that counts has its label, and all the same: such a cohort has no F1."""
    label = arrivals.label[arrivals.weight > 0]
    return not np.isnan(label).any() and len(np.unique(label)) < 2


def _upper_tail(value: float | None, standard_error: float | None) -> float | None:
    """Return the one-sided normal p-value of a value against none; missing without a standard error."""
    if value is None or not standard_error:
        return None
    return 0.5 * erfc(value / standard_error / sqrt(2))
