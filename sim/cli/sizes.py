"""How much work a command is asked for, refused before anything is read or made if no machine like this ends it."""

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from sim.work_size import CELL_BYTES, ROW_BYTES, Work, check_size, world_seconds

if TYPE_CHECKING:  # a command loads the schema of scenarios when it needs it
    from scenarios.schema import Scenario

_GATE_SECONDS = 2e-5
_GATE_ROW_BYTES = 8
_DAYS_A_YEAR = 365.25


def check_run(scenario: "Scenario") -> None:
    """Raise `InputError` if one live run of a scenario does not fit this machine."""
    time = scenario.time
    steps, rows = time.steps + time.warmup_steps, _rows(scenario)
    work = Work(1, time.customers * ROW_BYTES, world_seconds(steps, rows))
    check_size(f"a run of {scenario.name}", work, "lower time.customers or time.steps of the scenario")


def check_comparison(scenarios: Sequence["Scenario"], policies: int, profiles: int, seeds: int, workers: int) -> None:
    """Raise `InputError` if a comparison does not fit this machine."""
    cells = len(scenarios) * policies * profiles * seeds
    seconds = sum(world_seconds(s.time.steps + s.time.warmup_steps, _rows(s)) for s in scenarios) * seeds
    largest = max((_rows(s) for s in scenarios), default=0.0) * ROW_BYTES * min(workers, seeds)
    work = Work(cells, cells * CELL_BYTES + largest, seconds, workers)
    check_size("this comparison", work, "ask for fewer --seeds, or lower time.customers or time.steps")


def check_power(seeds: int, holdouts: int, sizes: Sequence[int], differences: int) -> None:
    """Raise `InputError` if the power of gates would take longer than this machine can be waited for."""
    cells = max(seeds, 0) * max(holdouts, 0) * len(sizes) * differences
    largest = float(max(sizes, default=0)) * _GATE_ROW_BYTES
    work = Work(cells, largest + seeds * CELL_BYTES, cells * _GATE_SECONDS)
    check_size("this", work, "ask for fewer --seeds, --holdouts or sizes of --holdout")


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
