"""The size of what is asked, estimated before anything is made, and refused where no machine like this one ends it.

The seconds are what a fast core takes at least, so that nothing is refused which might end.
"""

import os
from dataclasses import dataclass

from sim.errors import InputError

LONGEST_DAYS = 7.0
CELL_BYTES = 4_000
ROW_BYTES = 400
"""Memory that one customer of one step takes while a world is held in memory, at least."""

PROCESS_BYTES = 100_000_000
"""Memory that a process takes that plays worlds, before it does."""

TRIAL_SECONDS = 0.005
"""What one trial of a search for a model's recipe takes at least."""

QUIET_PASTS = 40
"""How many quiet pasts a backtest plays, in which the rate of false alarms is measured."""

LIVES_OF_A_PAST = 3
"""How often a seed of a comparison plays a recorded past: as it was, and with customers drawn again, twice."""

BATCH = 16
"""How many settings a tuning asks of Optuna at once, and plays together."""

_STEP_SECONDS = 0.002
_ROW_SECONDS = 2e-6  # asking a model alone takes longer


@dataclass(frozen=True, slots=True)
class Work:
    """How much work something is: results, bytes of memory at one time, and seconds on one core, by sharing cores."""

    cells: int
    memory_bytes: float
    core_seconds: float
    cores: int = 1


def world_seconds(steps: int, rows: float) -> float:
    """Return the seconds that living once through a world takes at least; `rows` are its customers of all steps."""
    return steps * _STEP_SECONDS + rows * _ROW_SECONDS


def check_size(what: str, work: Work, way_out: str) -> None:
    """Raise `InputError` with the figures if work does not fit this machine, in memory or in a week.

    >>> check_size("this run", Work(1, 1e6, 10.0), "ask for less")
    >>> check_size("this run", Work(1, 1e6, 1e12), "ask for less")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    sim.errors.InputError: work must fit this machine, but this run is 1 cells, takes at least 0.0 GB ...
    """
    here = memory_bytes()
    days = work.core_seconds / work.cores / 86_400
    if work.memory_bytes <= here and days <= LONGEST_DAYS:
        return
    msg = (
        f"work must fit this machine, but {what} is {work.cells:,} cells, takes at least "
        f"{work.memory_bytes / 1e9:,.1f} GB of memory (here: {here / 1e9:,.1f}) and {days:,.1f} days "
        f"(limit: {LONGEST_DAYS:.0f}); {way_out}."
    )
    raise InputError(msg)


def memory_bytes() -> float:
    """Return the memory of this machine; without end where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
