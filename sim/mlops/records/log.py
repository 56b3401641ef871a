"""The inference log: what was served, and what became of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Scenario
from sim.mlops.models.cohort import Cohort, KnownOutcomes
from sim.mlops.records.record import Served
from sim.mlops.statistics.overlap import Sample
from sim.world.labels import LabelEvents
from sim.world.schema.columns import Matrix
from sim.world.world import Batch


class LogReader(Protocol):
    """What training, gates and monitor read of the log."""

    @property
    def quarantined(self) -> frozenset[int]:
        """The steps whose batches are kept out of training, gates, references and baselines."""
        ...

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today, in the order asked for."""
        ...

    def outcomes(self, step: int) -> KnownOutcomes:
        """Return the answers and labels of a scored step, without its features."""
        ...

    def newest_step_scored_by(self, job: str, newest: int) -> int | None:
        """Return the newest step, up to `newest`, of which the job's model scored a customer; `None` without one."""
        ...

    def newest_labelled_step(self) -> int:
        """Return the newest step of which a label is known today; there is one from the warm-up on."""
        ...

    def arrived_at(self, step: int) -> Matrix:
        """Return the day on which each label of a scored step arrived, `nan` where none has."""
        ...


class InferenceLog(LogReader, Protocol):
    """Keeps every prediction with its features, and joins labels to them as they arrive."""

    def append(self, batch: Batch, served: Served | None) -> None:
        """Store a batch and what was served for it; `None` for the warm-up, which nobody scored."""
        ...

    def backfill(self, events: Iterable[LabelEvents], day: int) -> int:
        """Join labels that arrive on `day` to their own predictions; return how many."""
        ...

    def offered(self, step: int) -> NDArray[np.bool_]:
        """Return who got an offer in a scored step, in the order of its customers."""
        ...

    def quarantine(self, step: int) -> None:
        """Put the batch of a step into quarantine, for good."""
        ...


def usable_steps(scenario: Scenario, log: LogReader, day: int) -> range:
    """Return the steps whose cohorts may be learnt from on `day`, the warm-up first.

    These are the label-complete ones (`horizon_days` after they were scored; the warm-up from day 0 on), or all up
    to the newest with any label, as `labels.cohorts` says.
    """
    if scenario.labels.cohorts == "naive":
        newest = log.newest_labelled_step()
    else:
        newest = (day - scenario.labels.horizon_days) // scenario.time.step_days
    return range(-scenario.time.warmup_steps, max(newest + 1, 0))


class MemoryLog:
    """An inference log in memory."""

    def __init__(self) -> None:
        self._cohorts: dict[int, Cohort] = {}
        self._scored_by: dict[int, str] = {}
        self._arrived_at: dict[int, Matrix] = {}
        self.quarantined: frozenset[int] = frozenset()

    def append(self, batch: Batch, served: Served | None) -> None:
        """Store a batch and what was served for it."""
        n_rows = len(batch.customer_id)
        self._arrived_at[batch.step] = np.full(n_rows, np.nan)
        if served is not None and n_rows:
            self._scored_by[batch.step] = served.job
        self._cohorts[batch.step] = Cohort(
            step=batch.step,
            kept=Sample(batch.customer_id, batch.features),
            holdout=batch.holdout,
            held_out=batch.held_out,
            offered=served.offered if served else np.zeros(n_rows, dtype=np.bool_),
            probability=served.probability if served else np.full(n_rows, np.nan),
            prediction=served.prediction if served else np.zeros(n_rows, dtype=np.bool_),
            label=np.full(n_rows, np.nan),
        )

    def backfill(self, events: Iterable[LabelEvents], day: int) -> int:
        """Join labels to their own predictions; return how many."""
        n_events = 0
        for event in events:
            n_events += len(event.label)
            cohort = self._cohorts[event.step]
            label = cohort.label.copy()
            newest = event.newest()
            rows = np.searchsorted(cohort.customer_id, newest.customer_id)
            label[rows] = newest.label
            self._arrived_at[event.step][rows] = day
            self._cohorts[event.step] = replace(cohort, label=label)
        return n_events

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today."""
        return [self._cohorts[step] for step in steps]

    def outcomes(self, step: int) -> KnownOutcomes:
        """Return the answers and labels of a scored step."""
        return self._cohorts[step].outcomes

    def newest_step_scored_by(self, job: str, newest: int) -> int | None:
        """Return the newest step, up to `newest`, of which the job's model scored a customer."""
        return max((step for step, by in self._scored_by.items() if by == job and step <= newest), default=None)

    def newest_labelled_step(self) -> int:
        """Return the newest step of which a label is known today."""
        return max(step for step, cohort in self._cohorts.items() if cohort.outcomes.is_labelled.any())

    def arrived_at(self, step: int) -> Matrix:
        """Return the day on which each label of a scored step arrived."""
        return self._arrived_at[step].copy()

    def offered(self, step: int) -> NDArray[np.bool_]:
        """Return who got an offer in a scored step."""
        return self._cohorts[step].offered

    def quarantine(self, step: int) -> None:
        """Put the batch of a step into quarantine."""
        self.quarantined |= {step}
