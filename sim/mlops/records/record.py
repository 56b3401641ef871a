"""The record: what happened, step by step, in quantities."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.decision import Action, Decision
from policies.signals import Signals
from scenarios.schema import Scenario
from sim.mlops.records.business import HIGH_RISK, MEDIUM_RISK
from sim.mlops.records.jobs import FIRST_JOB, AliasChange, Job
from sim.mlops.statistics.stability import FeatureDrift
from sim.world.schema.columns import Matrix, row_blocks
from sim.world.world import Batch, GroundTruth

N_CALIBRATION_BINS = 10
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Served:
    """What the champion answered for one batch, and who got an offer. A fact: stored, never computed again."""

    step: int
    job: str
    version: int
    probability: Matrix
    prediction: NDArray[np.bool_]
    offered: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tally:
    """The quantities of one step, counted with the truth; scores and money are computed from them.

    Of a history only customers are counted whose outcome is known.

    `churners` counts the customers who churn without an offer, `expected_churners` is the sum of their propensities;
    the same pair is given for the predicted and the offered. `saved` counts offered churners whom the offer kept, and
    `persuasions` holds the numbers that decided it, in ascending order: those below the success rate were saved.
    `comparable` counts held-out customers who scored at least as high as somebody who got an offer. `brier_sum` sums
    the squared differences of probability and outcome, the `bin_*` vectors cut the probabilities into ten equal bins.
    """

    customers: int
    churners: int
    expected_churners: float
    predicted: int
    predicted_churners: int
    predicted_expected_churners: float
    high_risk: int
    high_risk_churners: int
    medium_risk: int
    medium_risk_churners: int
    held_out: int
    held_out_churners: int
    comparable: int
    comparable_churners: int
    offers: int
    offered_churners: int
    offered_expected_churners: float
    saved: int
    persuasions: tuple[float, ...]
    brier_sum: float
    bin_customers: tuple[int, ...]
    bin_probability: tuple[float, ...]
    bin_expected_churners: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepRow:
    """Everything that happened in one step."""

    step: int
    day: int
    champion: str
    version: int
    tally: Tally
    labels_arrived: int
    signals: Signals
    drift: tuple[FeatureDrift, ...]
    decision: Decision
    job_ended: Job | None = None
    job_opened: Job | None = None
    alias_changes: tuple[AliasChange, ...] = ()


@dataclass(frozen=True)
class Record:
    """A whole life: what was asked for, and everything that happened.

    Two records are equal if the same things happened; what was measured on the way (`measured`: seconds, MLflow ids,
    versions of packages) does not count. `training` is the training profile of retrainings whose decision
    named none. `is_recorded` tells a history, in which drift may begin at any time.
    """

    scenario: Scenario
    population: str
    seed: int
    policy: str
    policy_toml: str
    gates: str
    trials: int
    first: Job
    steps: tuple[StepRow, ...]
    is_recorded: bool = False
    measured: Mapping[str, Any] = field(default_factory=dict, compare=False)
    schema_version: int = SCHEMA_VERSION
    training: str = "mix_70_30"

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job as it ended (or stands), in the order asked for."""
        latest = {self.first.name: self.first}
        for row in self.steps:
            for job in (row.job_ended, row.job_opened):
                if job is not None:
                    latest[job.name] = job
        return tuple(latest.values())

    @property
    def retrainings(self) -> tuple[Job, ...]:
        """Every job that trained a model after the first."""
        return tuple(job for job in self.jobs if job.name != FIRST_JOB and job.action is Action.RETRAIN)

    @property
    def alias_changes(self) -> tuple[AliasChange, ...]:
        """Every alias that was moved, in order of time."""
        return tuple(change for row in self.steps for change in row.alias_changes)


def tally(batch: Batch, truth: GroundTruth, served: Served) -> Tally:
    """Count one step. Sums are correctly rounded, so that no order of rows changes a bit."""
    known = ~np.isnan(truth.propensity)
    if not known.all():
        batch, truth, served = _only(known, batch, truth, served)
    churns, p, probability = truth.churns, truth.propensity, served.probability
    is_high = probability >= HIGH_RISK
    is_medium = (probability >= MEDIUM_RISK) & ~is_high
    bins = np.minimum((probability * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    members = [bins == index for index in range(N_CALIBRATION_BINS)]
    lowest = probability[served.offered].min(initial=np.inf)
    comparable = batch.held_out & (probability >= lowest)
    return Tally(
        customers=len(p),
        churners=_count(churns),
        expected_churners=_sum(p),
        predicted=_count(served.prediction),
        predicted_churners=_count(served.prediction & churns),
        predicted_expected_churners=_sum(p[served.prediction]),
        high_risk=_count(is_high),
        high_risk_churners=_count(is_high & churns),
        medium_risk=_count(is_medium),
        medium_risk_churners=_count(is_medium & churns),
        held_out=_count(batch.held_out),
        held_out_churners=_count(batch.held_out & churns),
        comparable=_count(comparable),
        comparable_churners=_count(comparable & churns),
        offers=_count(served.offered),
        offered_churners=_count(served.offered & churns),
        offered_expected_churners=_sum(p[served.offered]),
        saved=_count(served.offered & churns & truth.persuadable),
        persuasions=tuple(np.sort(truth.persuasion[served.offered & churns]).tolist()),
        brier_sum=_sum((probability - churns) ** 2),
        bin_customers=tuple(_count(member) for member in members),
        bin_probability=tuple(_sum(probability[member]) for member in members),
        bin_expected_churners=tuple(_sum(p[member]) for member in members),
    )


def _only(
    rows: NDArray[np.bool_], batch: Batch, truth: GroundTruth, served: Served
) -> tuple[Batch, GroundTruth, Served]:
    """Return what is to be counted of some customers of a step."""
    return (
        replace(batch, held_out=batch.held_out[rows]),
        replace(
            truth,
            propensity=truth.propensity[rows],
            churns=truth.churns[rows],
            persuasion=truth.persuasion[rows],
            persuadable=truth.persuadable[rows],
        ),
        replace(
            served,
            probability=served.probability[rows],
            prediction=served.prediction[rows],
            offered=served.offered[rows],
        ),
    )


def _sum(values: Matrix) -> float:
    """Return the correctly rounded sum; a list is read several times faster than an array, and takes more memory."""
    return fsum(chain.from_iterable(values[rows].tolist() for rows in row_blocks(len(values))))


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))
