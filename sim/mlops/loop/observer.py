"""The observer: puts together what is visible at a step, for every speed of the loop."""

from dataclasses import dataclass, replace

from sim.mlops.loop.change_finder import ChangeFinder
from sim.mlops.loop.monitor import Models, Monitor, Observation, signals
from sim.mlops.loop.on_request import Remember, SignalsOnRequest, Wants, measure_anew
from sim.mlops.records.jobs import Deployed
from sim.mlops.records.log import LogReader
from sim.world.world import World


@dataclass(frozen=True)
class Observer:
    """Measures what a policy may see.

    Parameters
    ----------
    world, log, models, monitor
        Where it looks, and who measures what is measured at every step.
    changes
        Estimates the newest change that the labels show.
    remember
        Keeps what was measured for others who look at the same model; nothing is kept without it.
    """

    world: World
    log: LogReader
    models: Models
    monitor: Monitor
    changes: ChangeFinder
    remember: Remember = measure_anew

    def observe(self, step: int, champion: Deployed, *, job_open: bool, wants: Wants) -> Observation:
        """Return what is visible at a step, with those of the signals on request that are wanted."""
        newest = self.monitor.newest_step(step, champion)
        seen = self.remember(
            ("observation", step, newest, job_open),
            champion.version,
            lambda: self._measured(step, champion, newest, job_open),
        )
        if not wants:
            return seen
        on_request = SignalsOnRequest(
            self.world, self.log, self.models, self.monitor.reference, self.changes, self.remember
        )
        return replace(seen, signals=on_request.added(step, champion, seen.signals, wants))

    def _measured(self, step: int, champion: Deployed, newest: int | None, job_open: bool) -> Observation:
        drift = self.monitor.drift(step, champion)
        performance = None if newest is None else self.monitor.performance_on(newest)
        seen = signals(step, self.world.day(step), champion, drift, performance, job_open=job_open)
        return Observation(seen, drift.features)
