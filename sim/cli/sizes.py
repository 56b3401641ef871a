"""How much work a command is asked for, refused before anything is read or made if no machine like this ends it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from sim.work_size import (
    BATCH,
    CELL_BYTES,
    LIVES_OF_A_PAST,
    PROCESS_BYTES,
    QUIET_PASTS,
    ROW_BYTES,
    TRIAL_SECONDS,
    Work,
    check_size,
    world_seconds,
)

if TYPE_CHECKING:  # a command loads the schema of scenarios when it needs it
    from scenarios.schema import Scenario
    from sim.cli.options import EngineOptions, PopulationOptions

_GATE_SECONDS = 2e-5
_GATE_ROW_BYTES = 8
_DAYS_A_YEAR = 365.25
_LOG_ROW_BYTES = 10_000  # of a file, more than a row has; so there are at least so many rows
_REMEDY = "ask for fewer --seeds, --trials or --workers, or lower time.customers or time.steps"


@dataclass(frozen=True, slots=True)
class Workforce:
    """Who plays the worlds: so many workers of this machine, or a cluster; how large that is, it alone knows."""

    workers: int = 1
    is_here: bool = True

    @classmethod
    def of(cls, options: "EngineOptions") -> "Workforce":
        """Return the workforce that the options of a command ask for."""
        return cls(options.workers, is_here=not options.address)

    @property
    def memory_bytes(self) -> float:
        """What the workers take themselves; a single one is the process that is here already."""
        return 0.0 if self.workers == 1 else self.workers * PROCESS_BYTES

    @property
    def cores(self) -> int:
        """How many of this machine's cores work at once."""
        return max(min(self.workers, os.cpu_count() or 1), 1)


@dataclass(frozen=True, slots=True)
class Worlds:
    """Which worlds a command plays: each scenario with so many seeds, each with a search of so many trials first.

    `table_bytes` is how large the files of an own table are.
    """

    scenarios: Sequence["Scenario"]
    seeds: int
    trials: int = 0
    table_bytes: float = 0.0

    def seconds(self) -> float:
        """Return what playing each world once takes at least."""
        lives = sum(world_seconds(s.time.steps + s.time.warmup_steps, _rows(s)) for s in self.scenarios)
        return self.seeds * (lives + len(self.scenarios) * self.trials * TRIAL_SECONDS)

    def memory_bytes(self, workforce: Workforce) -> float:
        """Return what the largest world takes in each worker that has one, and what the workers take themselves."""
        busy = min(workforce.workers, max(self.seeds, 1) * max(len(self.scenarios), 1))
        rows = max((_rows(s) for s in self.scenarios), default=0.0)
        return workforce.memory_bytes + self.table_bytes + rows * ROW_BYTES * busy


def check_run(scenario: "Scenario", trials: int, table_bytes: float) -> None:
    """Raise `InputError` if one live run of a scenario does not fit this machine."""
    worlds, time = Worlds([scenario], 1, trials), scenario.time
    work = Work(1, time.customers * ROW_BYTES + table_bytes, worlds.seconds())
    check_size(f"a run of {scenario.name}", work, "ask for fewer --trials, or lower time.customers or time.steps")


def check_comparison(worlds: Worlds, policies: int, profiles: int, workforce: Workforce) -> None:
    """Raise `InputError` if a comparison of policies under gate profiles does not fit this machine."""
    if not workforce.is_here:
        return
    cells = len(worlds.scenarios) * policies * profiles * worlds.seeds
    _check("this comparison", worlds, cells, worlds.seconds(), workforce)


def check_surface(worlds: Worlds, workforce: Workforce) -> None:
    """Raise `InputError` if a surface does not fit this machine, were there but one life in each world."""
    if workforce.is_here:
        _check("this surface", worlds, len(worlds.scenarios) * worlds.seeds, worlds.seconds(), workforce)


def check_tuning(
    search: Worlds, confirmation: Worlds, surfaces: int, workforce: Workforce, tries: Sequence[int] = ()
) -> None:
    """Raise `InputError` if a tuning does not fit this machine, with what confirms the choice.

    `surfaces` is how many rules are searched over the real line; `tries` how many settings of each other policy.
    """
    if not workforce.is_here:
        return
    passes = surfaces + sum(-(-max(each, 0) // BATCH) for each in tries)
    lives = surfaces + sum(max(each, 0) for each in tries)
    cells = lives * len(search.scenarios) * search.seeds + 2 * len(confirmation.scenarios) * confirmation.seeds
    seconds = passes * search.seconds() + confirmation.seconds()
    largest = max(search, confirmation, key=lambda each: each.memory_bytes(workforce))
    _check("this tuning", largest, cells, seconds, workforce, _REMEDY.replace("--trials", "--tries, --trials"))


def check_backtest(policies: int, lives: int, log_bytes: float) -> None:
    """Raise `InputError` if a backtest does not fit this machine, quiet pasts and lives of retrainings."""
    played = QUIET_PASTS + LIVES_OF_A_PAST * max(lives, 0)
    cells = max(policies, 1) * played
    work = Work(cells, log_bytes + cells * CELL_BYTES, played * world_seconds(1, log_bytes / _LOG_ROW_BYTES))
    check_size("this backtest", work, "ask for fewer --seeds, or give a smaller log")


def check_power(seeds: int, holdouts: int, sizes: Sequence[int], differences: int, workforce: Workforce) -> None:
    """Raise `InputError` if the power of gates would take longer than this machine can be waited for."""
    if not workforce.is_here:
        return
    cells = max(seeds, 0) * max(holdouts, 0) * len(sizes) * differences
    memory = float(max(sizes, default=0)) * _GATE_ROW_BYTES + seeds * CELL_BYTES + workforce.memory_bytes
    work = Work(cells, memory, cells * _GATE_SECONDS, workforce.cores)
    check_size("this", work, "ask for fewer --seeds, --holdouts or --workers, or sizes of --holdout")


def table_bytes(population: "PopulationOptions") -> float:
    """Return how large the table is that a command is given; 0 for a population of the catalogue."""
    return file_bytes(population.population) if population.is_own else 0.0


def lives_a_seed(population: "PopulationOptions") -> int:
    """Return how many worlds a comparison plays for each of its seeds: several where the table is a history."""
    return LIVES_OF_A_PAST if population.is_history else 1


def file_bytes(text: str) -> float:
    """Return how large a file is, or all files in a folder; 0 for what is no file here, such as a database's URL."""
    if not text:  # which a path would take for the folder we are in
        return 0.0
    path = Path(text)
    try:
        if path.is_dir():
            return float(sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file()))
        return float(path.stat().st_size) if path.is_file() else 0.0
    except (OSError, ValueError):
        return 0.0


def _check(
    what: str, worlds: Worlds, cells: int, seconds: float, workforce: Workforce, way_out: str = _REMEDY
) -> None:
    memory = cells * CELL_BYTES + worlds.memory_bytes(workforce)
    check_size(what, Work(cells, memory, seconds, workforce.cores), way_out)


def _rows(scenario: "Scenario") -> float:
    """Return about how many customers all steps of a scenario have."""
    time = scenario.time
    steps = time.steps + time.warmup_steps
    factor = (1 + time.customers_growth) ** (time.step_days / _DAYS_A_YEAR)
    if factor == 1:
        return float(time.customers * steps)
    try:
        return float(time.customers * (factor**steps - 1) / (factor - 1))
    except OverflowError:
        return inf
