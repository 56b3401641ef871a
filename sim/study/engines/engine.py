"""Which engine is asked for, and its executor."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from sim.errors import InputError, did_you_mean
from sim.study.engines.processes import processes
from sim.study.engines.shared import Lacking

Task = TypeVar("Task")
Result = TypeVar("Result")

ENGINES = ("processes", "dask", "spark")


@dataclass(frozen=True, slots=True)
class Engine:
    """Where independent work is done.

    Parameters
    ----------
    name
        `processes` of this machine, `dask`, or `spark`.
    address
        The scheduler of a running Dask cluster, such as `tcp://host:8786`, or the master of a Spark cluster, such as
        `spark://host:7077`. Without one Dask and Spark start workers on this machine; Spark takes the session that
        there is already, as in a notebook.
    workers
        How many workers are started on this machine; a running cluster has as many as it has.

    Raises
    ------
    InputError
        If there is no such engine, or it can't have an address.
    """

    name: str = "processes"
    address: str = ""
    workers: int = 1

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            hint = did_you_mean(self.name, ENGINES)
            raise InputError(f"an engine must be one of {', '.join(ENGINES)}, got {self.name!r}; choose one.{hint}")
        if self.address and self.name == "processes":
            raise InputError(
                f"processes run on this machine and have no address, got {self.address!r}; choose the engine dask or "
                f"spark, or leave the address out."
            )

    @contextmanager
    def executor(self) -> Iterator[Executor | None]:
        """Yield the executor, whose workers run the same code as this process; `None` where this process is alone.

        When the block ends, what has not begun is cancelled.

        Raises
        ------
        InputError
            If the engine is not installed, can't be reached, or has a worker with another version of the code.
        """
        with self._opened() as executor:
            yield executor

    def _opened(self) -> AbstractContextManager[Executor | None]:
        if self.name == "dask":
            from sim.study.engines.on_dask import dask  # noqa: PLC0415 - an extra

            return dask(self.address, self.workers)
        if self.name == "spark":
            from sim.study.engines.on_spark import spark  # noqa: PLC0415 - an extra

            return spark(self.address, self.workers)
        return processes(self.workers) if self.workers > 1 else nullcontext()


def as_done(
    executor: Executor | None,
    function: Callable[[Task], Result | Lacking],
    tasks: Iterable[Task],
    in_full: Callable[[Task], Task] | None = None,
) -> Iterator[tuple[Task, Future[Result]]]:
    """Yield each task with its ended future, in the order in which they end.

    Function and tasks must be such as can be pickled.

    Parameters
    ----------
    executor
        Who does the tasks; `None` for this process, one after another.
    function, tasks
        What is done. A function answers `Lacking` where a worker has not been sent what it shares with others.
    in_full
        Makes of a task one that brings along what it shares with others, for a worker that lacks it.
    """
    if executor is None:
        for task in tasks:
            yield task, _done_here(function, task)
        return
    futures: dict[Future[Any], Task] = {executor.submit(function, task): task for task in tasks}
    try:
        while futures:
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                task = futures.pop(future)
                if in_full and not future.exception() and isinstance(future.result(), Lacking):
                    futures[executor.submit(function, in_full(task))] = task
                else:
                    yield task, future
    finally:
        for future in futures:
            future.cancel()


def _done_here(function: Callable[[Any], Any], task: Any) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(function(task))
    except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
    return future
