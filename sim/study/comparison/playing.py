"""Playing the worlds of a comparison, each from beginning to end by one worker."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

from sim.errors import InputError
from sim.study.comparison.cells import PlayedWorld, WorldTask, failed_world, play_world
from sim.study.engines.worlds import done_worlds
from sim.study.replay.cache import ReplayCache
from sim.world.population import Population


def played_worlds(
    orders: Sequence[WorldTask],
    populations: Mapping[str, Population],
    executor: Executor | None,
    cache_folder: Path | None,
) -> Iterator[tuple[WorldTask, PlayedWorld]]:
    """Yield what came of each world as they are done; a world that can't be played has failed cells.

    The parameters are those of `done_worlds`.

    Raises
    ------
    InputError
        If a worker runs other code than this process.
    """
    for order, future in done_worlds(executor, _play, orders, populations, cache_folder):
        error = future.exception()
        if isinstance(error, InputError):
            raise error
        yield order, failed_world(order, error) if isinstance(error, Exception) else future.result()


def _play(order: WorldTask, population: Population, cache_folder: Path | None) -> PlayedWorld:
    try:
        return play_world(order, population, ReplayCache(cache_folder))
    except Exception as error:  # noqa: BLE001 - the other worlds are still worth having
        return failed_world(order, error)
