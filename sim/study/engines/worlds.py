"""Worlds on an engine: each is done from beginning to end by one worker, which is sent the population once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from scenarios.schema import Scenario
from sim.study.engines.engine import as_done
from sim.study.engines.shared import Lacking, Shared
from sim.world.population import Population


class PlayableWorld(Protocol):
    """What is to be done in one world."""

    @property
    def scenario(self) -> Scenario:
        """The scenario of the world."""
        ...


Task = TypeVar("Task", bound=PlayableWorld)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Errand(Generic[Task]):
    """A task, and what its worker needs for it."""

    task: Task
    population: Shared[Population]
    cache_folder: Path | None


def done_worlds(
    executor: Executor | None,
    work: Callable[[Task, Population, Path | None], Result],
    tasks: Sequence[Task],
    populations: Mapping[str, Population],
    cache_folder: Path | None,
) -> Iterator[tuple[Task, Future[Result]]]:
    """Yield each task with its ended future, in the order in which they end.

    Parameters
    ----------
    executor
        Who does them; `None` for this process.
    work
        What is done: a function of a module, of the task, the population and the cache folder.
    tasks
        The worlds.
    populations
        The population of each scenario, by the name of the scenario.
    cache_folder
        Where a worker keeps worlds for the next time.
    """
    by_identity = {id(population): Shared.of(population) for population in populations.values()}
    shared = {name: by_identity[id(population)] for name, population in populations.items()}

    def in_full(errand: _Errand[Task]) -> _Errand[Task]:
        return replace(errand, population=shared[errand.task.scenario.name])

    errands = [_Errand(task, shared[task.scenario.name], cache_folder) for task in tasks]
    light = [replace(errand, population=errand.population.by_hash()) for errand in errands]
    for errand, future in as_done(executor, partial(_done, work), light if executor else errands, in_full):
        yield errand.task, future


def _done(work: Callable[[Task, Population, Path | None], Result], errand: _Errand[Task]) -> Result | Lacking:
    population = errand.population.value()
    return population if isinstance(population, Lacking) else work(errand.task, population, errand.cache_folder)
