"""The change finder: since when the labels known today follow another world than the first model's."""

from collections.abc import Callable, Sequence

from sim.mlops.loop.monitor import Models
from sim.mlops.models.cohort import Cohort, weights
from sim.mlops.models.model import Model
from sim.mlops.records.log import LogReader, usable_steps
from sim.mlops.records.quarantine import without_quarantined
from sim.mlops.records.registry import FIRST_VERSION
from sim.mlops.statistics.change import Change, CohortScores, cohort_scores, newest_change
from sim.world.schema.columns import Matrix
from sim.world.world import World

Scorer = Callable[[Cohort], Matrix]
"""Gives the first model's probabilities for a cohort, scored or not."""


class ChangeFinder:
    """Estimates the newest change from what production knows: the log, its labels of today, and the first model.

    One and the same model scores every cohort, whichever served it, so a new champion is no change. Of the warm-up
    only the holdout counts: the first model has learnt from the rest.

    Parameters
    ----------
    world, log
        Where it looks.
    scorer
        Gives the first model's probabilities; those of one step never change.
    """

    def __init__(self, world: World, log: LogReader, scorer: Scorer) -> None:
        self._world = world
        self._log = log
        self._scorer = scorer

    def newest(self, step: int, level: float) -> Change | None:
        """Return the newest change that the labels visible at a step show; `None` where they show none."""
        usable = usable_steps(self._world.scenario, self._log, self._world.day(step))
        return self.among(self._log.cohorts(without_quarantined(usable, self._log)), level)

    def among(self, cohorts: Sequence[Cohort], level: float) -> Change | None:
        """Return the newest change that cohorts as known today show; `None` where they show none."""
        return newest_change([self._scores(cohort) for cohort in cohorts if len(cohort.label)], level)

    def _scores(self, cohort: Cohort) -> CohortScores:
        times = weights(cohort.outcomes, self._world.scenario.offers)
        if cohort.step < 0:
            times = times * cohort.holdout
        return cohort_scores(cohort.step, cohort.label == 1, self._scorer(cohort), times)


def change_finder(world: World, log: LogReader, models: Models) -> ChangeFinder:
    """Return a finder that looks the first model up when it is first needed."""
    return ChangeFinder(world, log, remembering(lambda: models.model(FIRST_VERSION)))


def remembering(model: Callable[[], Model]) -> Scorer:
    """Return a scorer that asks a model for each step once."""
    known: dict[int, Matrix] = {}

    def score(cohort: Cohort) -> Matrix:
        if cohort.step not in known:
            known[cohort.step] = model().probability(cohort.features)
        return known[cohort.step]

    return score
