"""Signals on request: what is measured only for a policy that asks for it."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np

from policies.signals import Signals
from sim.mlops.jobs import Deployed
from sim.mlops.log import LogReader, complete_steps
from sim.mlops.monitor import Models
from sim.mlops.stability import Reference
from sim.world.world import World

T = TypeVar("T")
Wants = frozenset[str]
"""The signals on request that a policy wants, by name."""


class Recall(Protocol):
    """Keeps what was measured of the model of a version by a key, or measures it."""

    def __call__(self, key: Hashable, version: int, compute: Callable[[], T]) -> T:
        """Return what is known, computed if need be."""
        ...


def _forget(key: Hashable, version: int, compute: Callable[[], T]) -> T:  # noqa: ARG001  see Recall
    return compute()


class Requests:
    """Measures signals on request from the log as production can see it today.

    Parameters
    ----------
    world, log, models, reference
        Where it looks; `reference` gives a champion's reference.
    recall
        Keeps results for others who ask the same of the same model; nothing is kept without it.
    """

    def __init__(
        self,
        world: World,
        log: LogReader,
        models: Models,
        reference: Callable[[Deployed], Reference],
        recall: Recall = _forget,
    ) -> None:
        self._world = world
        self._log = log
        self._models = models
        self._reference = reference
        self._recall = recall

    def answer(self, step: int, champion: Deployed, seen: Signals, wants: Wants) -> Signals:
        """Return the signals of a step with those added that are wanted; what can't be known stays missing."""
        found: dict[str, Any] = {}
        if "scores" in wants:
            found["scores"] = self._recall(("scores", step), champion.version, lambda: self._scores(step))
        if "errors" in wants:
            own = self._newly_complete(step, champion)
            found["errors"] = self._recall(("errors", step, own), champion.version, lambda: self._errors(own))
        return replace(seen, **found)

    def _scores(self, step: int) -> tuple[float, ...]:
        return tuple(self._log.outcomes(step).probability.tolist())

    def _errors(self, steps: tuple[int, ...]) -> tuple[bool, ...] | None:
        """Return whether each prediction was wrong; rows without a label are left out, none at all is missing."""
        parts = [self._log.outcomes(step) for step in steps]
        wrong = [(part.prediction != (part.label == 1))[~np.isnan(part.label)] for part in parts]
        rows = tuple(np.concatenate(wrong).tolist()) if wrong else ()
        return rows or None

    def _newly_complete(self, step: int, champion: Deployed) -> tuple[int, ...]:
        """Return the steps whose cohorts the champion scored and that became label-complete since the step before."""
        world = self._world
        today = complete_steps(world.scenario, world.day(step))
        before = complete_steps(world.scenario, world.day(step - 1))
        return tuple(
            each
            for each in range(max(before.stop, 0), min(today.stop, step + 1))
            if self._log.newest_step_scored_by(champion.job, world.day(each)) == each
        )
