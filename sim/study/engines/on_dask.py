"""Dask: the executor of a running scheduler, or of workers started here."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sim.code_version import code_version
from sim.errors import InputError
from sim.study.engines.processes import one_thread_each
from sim.study.engines.reach import listens
from sim.study.engines.worker import call_checked, check_worker, this_worker

if TYPE_CHECKING:  # an extra
    from distributed import Client

_CONNECT_SECONDS = 8


@contextmanager
def dask(address: str, workers: int) -> Iterator[Executor]:
    """Yield the executor of the scheduler at an address; without one, of `workers` processes started here.

    Raises
    ------
    InputError
        If Dask is not installed, no scheduler answers at the address, or it has no worker or one with other code.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_client(address, workers))
        _check_workers(client, address)
        executor = _Checked(client.get_executor())  # type: ignore[no-untyped-call] # Dask's own
        stack.callback(executor.shutdown, wait=False)
        yield executor


class _Checked(Executor):
    """Dask's own executor, whose calls look first whether the worker runs the code of the client."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have a function called by one of the workers."""
        return self._executor.submit(call_checked, code_version(), fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - without waiting Dask cancels
        """Wait for what has been submitted, or cancel it."""
        self._executor.shutdown(wait)


@contextmanager
def _client(address: str, workers: int) -> Iterator["Client"]:
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(
            'the engine dask needs the package distributed, but it is missing; run pip install "retrainlab[dask]".'
        ) from error
    if not address:
        with (
            one_thread_each(),
            LocalCluster(  # type: ignore[no-untyped-call] # Dask's own
                n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
            ) as cluster,
            Client(cluster) as client,  # type: ignore[no-untyped-call] # Dask's own
        ):
            yield client
        return
    if address.startswith("tcp://") and not listens(address.removeprefix("tcp://")):
        raise _unanswered(address)
    _check_scheduler(address)
    with Client(address, timeout=_CONNECT_SECONDS) as client:  # type: ignore[no-untyped-call] # Dask's own
        yield client


def _check_scheduler(address: str) -> None:
    """Raise `InputError` unless a scheduler says that it is one; for a stranger's answer Dask would wait for ever."""
    with ThreadPoolExecutor(1) as apart:  # a notebook has a loop of its own
        try:
            told = apart.submit(asyncio.run, _identity(address)).result()
        except Exception as error:  # of what a stranger answers Dask makes what it can, such as a MemoryError
            raise _unanswered(address) from error
    if told.get("type") != "Scheduler":
        raise _unanswered(address)


async def _identity(address: str) -> Mapping[str, Any]:
    """Return what a server of Dask says that it is."""
    from distributed import Security  # noqa: PLC0415 - an extra
    from distributed.core import rpc  # noqa: PLC0415 - an extra

    own = Security().get_connection_args("client")  # type: ignore[no-untyped-call] # Dask's own
    async with rpc(address, timeout=_CONNECT_SECONDS, connection_args=own) as server:  # type: ignore[no-untyped-call]
        return dict(await asyncio.wait_for(server.identity(), _CONNECT_SECONDS))


def _unanswered(address: str) -> InputError:
    return InputError(
        f"--address must be a running Dask scheduler, such as tcp://host:8786, but nothing answers as one at "
        f"{address}; start one with `dask scheduler`."
    )


def _check_workers(client: "Client", address: str) -> None:
    try:
        found = client.run(this_worker)
    except Exception as error:  # whatever a worker without this package raises
        raise InputError(
            f"each worker must have retrainlab {dict(code_version().libraries)['retrainlab']}, but one of {address} "
            f"failed with {type(error).__name__}: {_first_line(error)}; install it there."
        ) from error
    if not found:
        raise InputError(
            f"a scheduler must have workers, but {address} has none; start one with `dask worker {address} "
            f"--nthreads 1`."
        )
    for worker in found.values():
        check_worker(worker, code_version())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
