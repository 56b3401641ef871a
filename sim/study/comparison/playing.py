"""Playing the worlds of a comparison, each from beginning to end by one worker."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from sim.errors import InputError
from sim.study.comparison.cells import WorldTask, failed_cells, play_world
from sim.study.comparison.results import Cell
from sim.study.engines.engine import as_done
from sim.study.engines.shared import Lacking, Shared
from sim.study.replay.cache import ReplayCache
from sim.world.population import Population


@dataclass(frozen=True, slots=True)
class _Errand:
    """A world to be played, and what the worker needs for it."""

    order: WorldTask
    population: Shared[Population]
    cache_folder: Path | None


def played_worlds(
    orders: Sequence[WorldTask],
    populations: Mapping[str, Population],
    executor: Executor | None,
    cache_folder: Path | None,
) -> Iterator[tuple[WorldTask, list[Cell]]]:
    """Yield the cells of each world as they are done; a world that can't be played has failed cells.

    Parameters
    ----------
    orders
        The worlds.
    populations
        The population of each scenario, by the name of the scenario.
    executor
        Who plays them; `None` for this process.
    cache_folder
        Where a worker keeps worlds for the next comparison.

    Raises
    ------
    InputError
        If a worker runs other code than this process.
    """
    by_identity = {id(population): Shared.of(population) for population in populations.values()}
    shared = {name: by_identity[id(population)] for name, population in populations.items()}
    errands = [_Errand(order, shared[order.scenario.name], cache_folder) for order in orders]

    def in_full(errand: _Errand) -> _Errand:
        return replace(errand, population=shared[errand.order.scenario.name])

    light = [replace(errand, population=errand.population.by_hash()) for errand in errands]
    for errand, future in as_done(executor, _play, light if executor else errands, in_full):
        error = future.exception()
        if isinstance(error, InputError):
            raise error
        yield errand.order, failed_cells(errand.order, error) if isinstance(error, Exception) else future.result()


def _play(errand: _Errand) -> list[Cell] | Lacking:
    population = errand.population.value()
    if isinstance(population, Lacking):
        return population
    try:
        return play_world(errand.order, population, ReplayCache(errand.cache_folder))
    except Exception as error:  # noqa: BLE001 - the other worlds are still worth having
        return failed_cells(errand.order, error)
