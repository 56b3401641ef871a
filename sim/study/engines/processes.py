"""Processes: an executor of several processes of this machine that outlives the death of one of them."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from threading import Lock, Thread
from typing import Any

_MOST_DEATHS = 3  # a task that kills every process that takes it up must not go round for ever


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Yield an executor of `workers` processes, each with one thread; what has not begun is cancelled at the end."""
    with one_thread_each():
        executor = _Processes(workers)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


class _Processes(Executor):
    """A pool of processes that is replaced when one of them dies; what was not done then is done again."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._deaths = 0
        self._lock = Lock()
        self._is_open = True
        self._pool = self._new_pool()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have a function called in one of the processes."""
        future: Future[Any] = Future()
        self._begin(partial(fn, *args, **kwargs), future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when they have done what they are at."""
        with self._lock:
            self._is_open, pool = False, self._pool
        pool.shutdown(wait, cancel_futures=cancel_futures)

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # a forked LightGBM may hang on its threads
        return ProcessPoolExecutor(self._workers, mp_context=context, initializer=_end_with_parent)

    def _begin(self, call: Callable[[], Any], future: "Future[Any]") -> None:
        with self._lock:
            pool = self._pool
        try:
            pool.submit(call).add_done_callback(lambda inner: self._end(pool, call, future, inner))
        except BrokenProcessPool as error:
            self._again(pool, call, future, error)

    def _end(
        self, pool: ProcessPoolExecutor, call: Callable[[], Any], future: "Future[Any]", inner: "Future[Any]"
    ) -> None:
        if inner.cancelled():
            future.cancel()
            future.set_running_or_notify_cancel()
            return
        error = inner.exception()
        if isinstance(error, BrokenProcessPool):
            self._again(pool, call, future, error)
        elif future.set_running_or_notify_cancel():
            if error is None:
                future.set_result(inner.result())
            else:
                future.set_exception(error)

    def _again(
        self, pool: ProcessPoolExecutor, call: Callable[[], Any], future: "Future[Any]", error: BrokenProcessPool
    ) -> None:
        """Call a function once more, in a new pool, unless processes have died too often."""
        with self._lock:
            if self._pool is pool and self._is_open and self._deaths < _MOST_DEATHS:
                self._deaths += 1
                self._pool = self._new_pool()
            is_renewed = self._pool is not pool
        if is_renewed:
            self._begin(call, future)
        elif future.set_running_or_notify_cancel():
            future.set_exception(error)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let each new process keep to one thread: the work is what runs in parallel."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read when LightGBM is loaded, so it must be there before the process is
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def _end_with_parent() -> None:
    """Let a worker end when the client is killed, which leaves it no chance to say so."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
