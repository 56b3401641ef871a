"""What no machine ends is refused with its figures, before anything that takes long is loaded or begun."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from lives import small
from test_cli import call

from scenarios.files import catalogue, to_toml
from sim import work_size
from sim.cli.options import EngineOptions
from sim.cli.sizes import (
    Workforce,
    Worlds,
    check_backtest,
    check_comparison,
    check_power,
    check_run,
    check_surface,
    check_tuning,
)
from sim.errors import InputError

BIG = "big.toml"
MANY = "1000000000"
GRIDS = ["--policy", "f1_drop > {a} or psi_max > {b}", "--grid", "a=0:1:9000", "--grid", "b=0:1:9000"]
OFTEN = ["--rule", "every(days={d})", "--range", "d=30:360"]
REFUSED = {
    "run": (["run", BIG, "--population", "twin"], "23."),
    "run trials": (["run", "steady", "--trials", MANY], "1 cells"),
    "compare seeds": (["compare", "steady", "--seeds", MANY, "--dry-run"], "1,000,000,000 cells"),
    "compare customers": (["compare", BIG, "--population", "twin", "--dry-run"], "GB of memory"),
    "compare trials": (["compare", "steady", "--trials", MANY, "--dry-run"], "days"),
    "compare grid": (["compare", "steady", *GRIDS, "--dry-run"], "810,000,000 cells"),
    "compare workers": (["compare", "steady", "--workers", "100000", "--dry-run"], "10,000.2 GB"),
    "compare dask": (["compare", "steady", "--engine", "dask", "--seeds", MANY, "--dry-run"], "1,000,000,000 cells"),
    "power seeds": (["gates", "power", "--seeds", MANY], "1,200,000,000,000 cells"),
    "power holdouts": (["gates", "power", "--holdouts", "1000000000000"], "cells"),
    "power holdout": (["gates", "power", "--holdout", "10000000000000"], "80,000.0 GB"),
    "power workers": (["gates", "power", "--workers", "100000"], "10,000.0 GB"),
    "surface seeds": (["surface", "steady", "--seeds", MANY], "1,000,000,000 cells"),
    "surface customers": (["surface", "steady", BIG], "GB of memory"),
    "surface trials": (["surface", "steady", "--trials", MANY], "days"),
    "surface workers": (["surface", "steady", "--workers", "100000"], "10,000.2 GB"),
    "tune seeds": (["tune", "steady", "--seeds", MANY], "1,000,000,020 cells"),
    "tune confirm": (["tune", "steady", "--confirm", MANY], "2,000,000,010 cells"),
    "tune customers": (["tune", "steady", "--hold-out", BIG], "GB of memory"),
    "tune tries": (
        ["tune", "steady", "--rule", "every(days={d})", "--range", "d=9:90", "--tries", MANY],
        "10,000,000,020",
    ),
    "tune trials": (["tune", "steady", "--trials", MANY], "days"),
    "backtest seeds": (["backtest", "log.csv", "--seeds", MANY], "18,000,000,240 cells"),
    "backtest log": (["backtest", "huge.csv"], "10,000.0 GB"),
    "backtest reference": (["backtest", "log.csv", "--reference", "huge.csv"], "10,000.0 GB"),
    "own table": (["surface", "steady", "--population", "huge.csv", "--target", "Churn"], "10,000.0 GB"),
}
SLOW_TO_LOAD = [
    "mlflow",
    "lightgbm",
    "pandas",
    "duckdb",
    "optuna",
    "scipy",
    "sklearn",
    "matplotlib",
    "sim.world.world",
]
CALLS = f"""
import json, sys, time
from sim.cli import main
told = {{}}
for name, arguments in json.loads(sys.argv[1]).items():
    sys.argv = ["retrainlab", *arguments]
    print(f"<{{name}}>", file=sys.stderr, flush=True)
    begun = time.process_time()
    try:
        main()
    except SystemExit as error:
        code = error.code
    told[name] = [code, time.process_time() - begun, [name for name in {SLOW_TO_LOAD!r} if name in sys.modules]]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, Any]:
    """Call each command, in one process; return its exit code, what it had loaded by then, and what it said."""
    folder = tmp_path_factory.mktemp("sizes")
    (folder / BIG).write_text(to_toml(small(steps=100_000, customers=10_000_000)), encoding="utf-8")
    (folder / "log.csv").write_text("score,label,date\n", encoding="utf-8")
    with (folder / "huge.csv").open("wb") as file:
        file.truncate(10**13)  # a hole, which takes no room
    before = sorted(folder.rglob("*"))
    asked = json.dumps({name: arguments for name, (arguments, _) in REFUSED.items()})
    done = subprocess.run(
        [sys.executable, "-c", CALLS, asked], capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(folder.rglob("*")) == before
    parts = done.stderr.split("<")[1:]
    said = {part.partition(">")[0]: part.partition(">\n")[2] for part in parts}
    return {name: (*each, said[name]) for name, each in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_machine_ends_is_refused_with_its_figures_before_anything_is_loaded(told, name):
    code, _, loaded, said = told[name]
    assert code == 2
    assert said.startswith("retrainlab: work must fit this machine, but ")
    assert REFUSED[name][1] in said
    assert said.count("\n") == 1
    assert loaded == []


@pytest.mark.parametrize("command", ["run", "compare", "surface", "tune", "backtest", "gates power"])
def test_every_command_that_works_long_is_among_them(command):
    assert any(" ".join(arguments).startswith(command) for arguments, _ in REFUSED.values())


@pytest.mark.parametrize("address", ["tcp://nowhere:8786", "spark://nowhere:7077"])
def test_how_large_a_cluster_is_only_the_cluster_knows(address):
    worlds = Worlds([small()], 10**9)
    check_comparison(worlds, 2, 1, Workforce.of(EngineOptions(address=address)))
    check_surface(worlds, Workforce.of(EngineOptions(address=address)))
    with pytest.raises(InputError, match="work must fit this machine"):
        check_surface(worlds, Workforce.of(EngineOptions()))


def test_a_seed_of_a_history_counts_three_worlds(tmp_path, monkeypatch, capsys):
    """What just fits as a table without dates is refused with them; nothing is read before."""
    (tmp_path / "table.csv").write_text("customer,gone,day\n", encoding="utf-8")
    said = []
    for dates in ([], ["--date", "day"]):
        table = ["--population", str(tmp_path / "table.csv"), "--target", "gone", "--id", "customer", *dates]
        seeds = str(10**9)
        code, _, err = call(monkeypatch, capsys, "compare", "steady", *table, "--seeds", seeds, "--dry-run")
        assert code == 2
        said.append(int(re.search(r"([\d,]+) cells", err)[1].replace(",", "")))
    assert said[1] == 3 * said[0]


def test_what_people_ask_for_fits_a_small_machine(monkeypatch):
    """Ten worlds of every scenario of the catalogue, with a search in each, on two workers and 4 GB."""
    monkeypatch.setattr(work_size, "memory_bytes", lambda: 4e9)
    worlds, here = Worlds(list(catalogue().values()), 10, trials=50), Workforce(2)
    check_comparison(worlds, 20, 3, here)
    check_surface(worlds, here)
    check_tuning(worlds, worlds, 3, here)
    for scenario in catalogue().values():
        check_run(scenario, 50, 1e6)
    check_backtest(6, 5, 1e9)
    check_power(100, 100, [100, 200, 400, 1000, 2000], 6, here)
