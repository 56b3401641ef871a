"""Speed of the engines: two workers on independent worlds, as a multiple of one.

Run by `make bench`. The figures are reported, never asserted: a machine may be busy, and then two are no faster.
"""

from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from figures import Figure, Tell

from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.compare import Study
from sim.study.comparison.contestants import contestants
from sim.study.comparison.playing import played_worlds
from sim.study.engines.engine import Engine
from sim.world.population import load_population
from sim.world.population_spec import PopulationSpec

_WORLDS = 8


def seconds(engine: str, workers: int) -> float:
    """Return the seconds of eight worlds, once the workers are there and have played one each."""
    scenario = load_scenario("competitor")
    study = Study(
        (scenario,),
        contestants(["never", "f1_drop > 0.05", "oracle"], {}),
        (load_profile("telco_churn"),),
        tuple(range(1, _WORLDS + 3)),
        "never",
        population=PopulationSpec("twin"),
    )
    populations, orders = {scenario.name: load_population("twin")}, study.orders()
    with Engine(engine, workers=workers).executor() as executor:
        list(played_worlds(orders[_WORLDS:], populations, executor, None))
        start = perf_counter()
        list(played_worlds(orders[:_WORLDS], populations, executor, None))
        return perf_counter() - start


@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_two_workers_against_one(
    benchmark: Any, tell: Tell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str
) -> None:
    """The aim is 1.85 times as fast, on a machine with two free cores."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = seconds(engine, 1)
    benchmark.pedantic(lambda: seconds(engine, 2), rounds=1)
    two = benchmark.stats.stats.min  # with the start of the workers
    played = seconds(engine, 2)
    what = f"{_WORLDS} worlds, two workers of {engine}"
    tell(Figure(what, f"{played:.1f} s ({two:.1f} s with their start)", one / played, "one worker", at_least=1.85))
