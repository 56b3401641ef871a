"""The inference log: what was served, and what became of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Scenario
from sim.mlops.cohort import Cohort, Outcomes
from sim.mlops.record import Served
from sim.world.schema import Matrix
from sim.world.world import Batch, LabelEvents


class LogReader(Protocol):
    """What training, gates and monitor read of the log."""

    @property
    def quarantined(self) -> frozenset[int]:
        """The steps whose batches are kept out of training, gates, references and baselines."""
        ...

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today, in the order asked for."""
        ...

    def outcomes(self, step: int) -> Outcomes:
        """Return the answers and labels of a scored step, without its features."""
        ...

    def newest_step_scored_by(self, job: str, scored_by_day: int) -> int | None:
        """Return the newest step that the job's model scored on or before a day, `None` if there is none."""
        ...

    def arrived_at(self, step: int) -> Matrix:
        """Return the day on which each label of a scored step arrived, `nan` where none has."""
        ...


class InferenceLog(LogReader, Protocol):
    """Keeps every prediction with its features, and joins labels to them as they arrive."""

    def append(self, batch: Batch, served: Served | None) -> None:
        """Store a batch and what was served for it; `None` for the warm-up, which nobody scored."""
        ...

    def backfill(self, events: Sequence[LabelEvents], day: int) -> int:
        """Join labels that arrive on `day` to their own predictions; return how many."""
        ...

    def offered(self, step: int) -> NDArray[np.bool_]:
        """Return who got an offer in a scored step, in the order of its customers."""
        ...

    def quarantine(self, step: int) -> None:
        """Put the batch of a step into quarantine, for good."""
        ...


def complete_steps(scenario: Scenario, day: int) -> range:
    """Return the steps whose cohorts are label-complete on `day`, the warm-up first.

    A cohort is complete `horizon_days` after it was scored; the warm-up is complete from day 0 on.
    """
    newest = (day - scenario.labels.horizon_days) // scenario.time.step_days
    return range(-scenario.time.warmup_steps, max(newest + 1, 0))


class MemoryLog:
    """An inference log in memory."""

    def __init__(self) -> None:
        self._cohorts: dict[int, Cohort] = {}
        self._offered: dict[int, NDArray[np.bool_]] = {}
        self._arrived_at: dict[int, Matrix] = {}
        self.quarantined: frozenset[int] = frozenset()

    def append(self, batch: Batch, served: Served | None) -> None:
        """Store a batch and what was served for it."""
        n_rows = len(batch.customer_id)
        self._arrived_at[batch.step] = np.full(n_rows, np.nan)
        if served is not None:
            self._offered[batch.step] = served.offered
        self._cohorts[batch.step] = Cohort(
            step=batch.step,
            scored_at=batch.scored_at,
            scored_by=served.job if served else None,
            customer_id=batch.customer_id,
            features=batch.features,
            holdout=batch.holdout,
            probability=served.probability if served else np.full(n_rows, np.nan),
            prediction=served.prediction if served else np.zeros(n_rows, dtype=np.bool_),
            label=np.full(n_rows, np.nan),
        )

    def backfill(self, events: Sequence[LabelEvents], day: int) -> int:
        """Join labels to their own predictions; return how many."""
        for event in events:
            cohort = self._cohorts[event.step]
            rows = np.searchsorted(cohort.customer_id, event.customer_id)
            label = cohort.label.copy()
            label[rows] = event.label
            self._arrived_at[event.step][rows] = day
            self._cohorts[event.step] = replace(cohort, label=label)
        return sum(len(event.label) for event in events)

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today."""
        return [self._cohorts[step] for step in steps]

    def outcomes(self, step: int) -> Outcomes:
        """Return the answers and labels of a scored step."""
        cohort = self._cohorts[step]
        return Outcomes(cohort.probability, cohort.prediction, cohort.label)

    def newest_step_scored_by(self, job: str, scored_by_day: int) -> int | None:
        """Return the newest step that the job's model scored on or before a day."""
        steps = (
            cohort.step
            for cohort in self._cohorts.values()
            if cohort.scored_by == job and cohort.scored_at <= scored_by_day
        )
        return max(steps, default=None)

    def arrived_at(self, step: int) -> Matrix:
        """Return the day on which each label of a scored step arrived."""
        return self._arrived_at[step].copy()

    def offered(self, step: int) -> NDArray[np.bool_]:
        """Return who got an offer in a scored step."""
        return self._offered[step]

    def quarantine(self, step: int) -> None:
        """Put the batch of a step into quarantine."""
        self.quarantined |= {step}
