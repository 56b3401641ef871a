"""What a worker of a cluster does around each piece of work."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it ships no type information

from sim.code_version import CodeVersion, code_version
from sim.errors import InputError


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker: its machine, and the version of its code."""

    host: str
    version: CodeVersion


def this_worker() -> Worker:
    """Return what this process is as a worker."""
    return Worker(platform.node(), code_version())


def check_worker(worker: Worker, wanted: CodeVersion) -> None:
    """Raise `InputError` if a worker runs other code than is wanted."""
    if difference := wanted.difference(worker.version):
        raise InputError(
            f"workers must run the code of the client, but one on {worker.host} has {difference}; install the same "
            f"there."
        )


def call_checked(wanted: CodeVersion, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call a function with one thread, in a worker that runs the code that is wanted; `InputError` in another."""
    check_worker(this_worker(), wanted)
    with threadpool_limits(1):
        return function(*arguments, **keywords)
