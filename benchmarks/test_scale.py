"""Scale: time and memory of a live life, customer by customer, as the number of customers grows.

Run by `make bench`, each size in a process of its own. `RETRAINLAB_BENCH_CUSTOMERS` are the customers of a month, the
smallest size first; the others are held against it. The figures are reported, never asserted: a machine may be busy.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pytest
from figures import Figure, Tell
from test_live_speed import LightGBMClock, bare_steps

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings
from sim.study.run_folder import play_live
from sim.world.population import load_population
from sim.world.telco.twin import sample

_SCENARIO = str(Path(__file__).parents[1] / "scenarios" / "examples" / "millions.toml")
_POLICY = "age_days > 150"  # two retrainings in a year
_SIZES = [int(size) for size in os.environ.get("RETRAINLAB_BENCH_CUSTOMERS", "10000,100000,1000000").split(",")]
_BARE_STEPS = 4
_MOST_BYTES = 4 * 2**30
_MEGABYTE = 1e6


def life(customers: int, folder: Path) -> dict[str, float]:
    """Play a year with so many customers a month; return seconds, those inside LightGBM, and bytes at the peak.

    The processor's seconds are those of all threads: on a busy machine they tell more than the clock on the wall.
    """
    millions = load_scenario(_SCENARIO)
    scenario = millions.model_copy(update={"time": millions.time.model_copy(update={"customers": customers})})
    before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, LightGBMClock()
    policy, profile = load_policy(_POLICY), load_profile("telco_churn")
    with clock.watching():
        start, processor = perf_counter(), process_time()
        play_live(
            LiveSettings(scenario, policy, load_population("twin"), profile, 1, 0, folder / "run"), resume=False
        )
        seconds, processor = perf_counter() - start, process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        "processor": processor,
        "lightgbm": clock.seconds,
        "before": 1024 * before,
        "peak": 1024 * peak,
    }


def bare(customers: int, folder: Path) -> float:
    """Return the seconds of drawing all batches of such a life and of a bare DuckDB that takes and reads them."""
    time = load_scenario(_SCENARIO).time
    start = perf_counter()
    sample(np.random.default_rng(0), customers)
    drawing = perf_counter() - start
    return (time.warmup_steps + time.steps) * (drawing + bare_steps(folder / "bare.duckdb", customers, _BARE_STEPS))


def in_own_process(customers: int, folder: Path) -> dict[str, float]:
    """Return what `life` and `bare` tell in a process of its own, whose peak of memory is nobody else's."""
    words = [sys.executable, __file__, str(customers), str(folder)]
    told = subprocess.run(words, check=True, capture_output=True, text=True, cwd=folder)
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("customers", _SIZES)
def test_a_year(benchmark: Any, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, customers: int) -> None:
    """Seconds and bytes per customer of a size, against the smallest one (flat is 1), and against LightGBM's time."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1]))))
    found: dict[str, float] = {}
    benchmark.pedantic(lambda: found.update(in_own_process(customers, tmp_path)), rounds=1)
    smallest, small = _MEASURED.setdefault("smallest", (customers, found))
    growth, what = customers / smallest, f"live: a year of {customers:,} customers"
    to = f"per customer, that of {smallest:,}"
    seconds = f"{found['seconds']:.0f} s, {found['processor']:.0f} s of processor"
    tell(Figure(what, seconds, found["processor"] / small["processor"] / growth, to, at_most=1.2))
    own = [each["peak"] - each["before"] for each in (small, found)]
    peak = f"{found['peak'] / _MEGABYTE:,.0f} MB at the peak"
    tell(Figure(f"{what}: memory", peak, own[1] / own[0] / growth, f"{to}, imports left out", at_most=1.2))
    tell(Figure(f"{what}: all memory", peak, found["peak"] / _MOST_BYTES, "4 GiB", at_most=1))
    measured, lightgbm = f"{found['seconds']:.0f} s", found["lightgbm"]
    tell(Figure(f"{what}: all of it", measured, found["seconds"] / lightgbm, "LightGBM's time in it", at_most=1.5))
    parts = "LightGBM's, and drawing the same rows, and a bare DuckDB's append + MERGE + read"
    tell(Figure(f"{what}: all of it", measured, found["seconds"] / (lightgbm + found["bare"]), parts))


_MEASURED: dict[str, tuple[int, dict[str, float]]] = {}


if __name__ == "__main__":
    size, place = int(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps({**life(size, place), "bare": bare(size, place)}))  # noqa: T201 - told to the benchmark
