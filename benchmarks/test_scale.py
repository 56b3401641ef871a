"""Scale: time and memory of a live life, customer by customer, as the number of customers grows.

Run by `make bench`, each size in a process of its own. `RETRAINLAB_BENCH_CUSTOMERS` is the larger size. The figures
are reported, never asserted: a machine may be busy.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from figures import Figure, Tell
from test_live_speed import LightGBMClock

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from scenarios.schema import Training
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings
from sim.study.run_folder import play_live
from sim.world.population import load_population

_STEPS = 12
_MOST_ROWS = 200_000
_SMALL, _LARGE = 10_000, int(os.environ.get("RETRAINLAB_BENCH_CUSTOMERS", "40000"))
_MEGABYTE = 1e6


def life(customers: int, folder: Path) -> dict[str, float]:
    """Play a year with so many customers a month; return seconds, those inside LightGBM, and bytes at the peak."""
    steady = load_scenario("steady")
    scenario = steady.model_copy(
        update={
            "time": steady.time.model_copy(update={"customers": customers, "steps": _STEPS}),
            "training": Training(max_rows=_MOST_ROWS),
        }
    )
    before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, LightGBMClock()
    policy, profile = load_policy("age_only"), load_profile("none")
    with clock.watching():
        start = perf_counter()
        play_live(
            LiveSettings(scenario, policy, load_population("twin"), profile, 1, 0, folder / "run"), resume=False
        )
        seconds = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "lightgbm": clock.seconds, "before": 1024 * before, "peak": 1024 * peak}


def in_own_process(customers: int, folder: Path) -> dict[str, float]:
    """Return what `life` tells in a process of its own, whose peak of memory is nobody else's."""
    words = [sys.executable, __file__, str(customers), str(folder)]
    told = subprocess.run(words, check=True, capture_output=True, text=True, cwd=folder)
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def test_a_year_of_more_customers(
    benchmark: Any, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds and bytes per customer of the larger size, against the smaller one; flat is 1."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1]))))
    folders = {size: tmp_path / str(size) for size in (_SMALL, _LARGE)}
    for folder in folders.values():
        folder.mkdir()
    small = in_own_process(_SMALL, folders[_SMALL])
    large: dict[str, float] = {}
    benchmark.pedantic(lambda: large.update(in_own_process(_LARGE, folders[_LARGE])), rounds=1)
    growth = _LARGE / _SMALL
    what, to = f"live: a year of {_LARGE:,} customers", f"per customer, that of {_SMALL:,}"
    tell(Figure(what, f"{large['seconds']:.0f} s", large["seconds"] / small["seconds"] / growth, to, at_most=1.2))
    own = [each["peak"] - each["before"] for each in (small, large)]
    peak = f"{large['peak'] / _MEGABYTE:,.0f} MB at the peak"
    tell(Figure(f"{what}: memory", peak, own[1] / own[0] / growth, f"{to}, imports left out", at_most=1.2))
    bare = large["seconds"] / large["lightgbm"]
    tell(Figure(f"{what}: all of it", f"{large['seconds']:.0f} s", bare, "LightGBM's time in it", at_most=1.5))


if __name__ == "__main__":
    print(json.dumps(life(int(sys.argv[1]), Path(sys.argv[2]))))  # noqa: T201 - told to the benchmark
