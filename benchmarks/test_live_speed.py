"""Speed of a live run: start-up, and what a step and a model version cost beyond LightGBM's own work.

Run by `make bench`. The figures are reported, never asserted: a machine may be busy.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
import pytest
from figures import Figure, Tell
from mlflow import MlflowClient

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import Listener, LiveSettings
from sim.mlops.models.profiles import TrainingProfile, load_training
from sim.study.run_folder import play_live
from sim.world.population import load_population

_FRESH_START = """
import sys
from pathlib import Path
from sim.mlops.live.run import tracking_uri
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry
from sim.world.telco.table import SCHEMA
uri = "sqlite:///" + sys.argv[1] + "/mlflow.db"
MlflowRegistry(MlflowPlace(uri, uri, "churn", "benchmark"), Life("life", "life", {}), SCHEMA)
"""
_RUNS = 3
_BARE_STEPS = 36
_BARE_VERSIONS = 10


class LightGBMClock:
    """Adds up the seconds spent inside LightGBM: training, predicting, and reading trees."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its seconds added up."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            self._depth += 1
            start = perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self._depth -= 1
                if not self._depth:  # training makes boosters of its own: count the outermost call only
                    self.seconds += perf_counter() - start

        return call

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time LightGBM while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lgb, "train", self.timed(lgb.train))
            for name in ("__init__", "predict", "model_to_string"):
                patch.setattr(lgb.Booster, name, self.timed(getattr(lgb.Booster, name)))
            yield


def play(
    folder: Path,
    policy: str,
    trials: int = 0,
    clock: LightGBMClock | None = None,
    training: TrainingProfile | None = None,
) -> Any:
    """Play the catalogue's `competitor` without gates, so that every model that is asked for is also promoted."""
    settings = LiveSettings(
        scenario=load_scenario("competitor"),
        policy=load_policy(policy),
        population=load_population("twin"),
        profile=load_profile("none"),
        seed=1,
        trials=trials,
        folder=folder,
        training=training or load_training("mix_70_30"),
    )
    watch = clock or LightGBMClock()

    def phase(words: str) -> None:
        if words == "playing":
            watch.seconds = 0.0  # the first model is trained before the loop

    with watch.watching():
        return play_live(settings, resume=False, listener=Listener(phase=phase))


def fresh_process(*words: str, folder: Path | None = None) -> float:
    """Return the seconds of a fresh Python process."""
    start = perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=folder)
    return perf_counter() - start


def test_help(benchmark: Any, tell: Tell) -> None:
    """`retrainlab --help` in a fresh process; the target is 0.5 s."""
    words = ("-c", "import sys; sys.argv = ['retrainlab', '--help']; from sim.cli import main; main()")
    benchmark.pedantic(lambda: fresh_process(*words), rounds=5, warmup_rounds=1)
    seconds = benchmark.stats.stats.min
    tell(Figure("retrainlab --help", f"{seconds:.2f} s", seconds / 0.5, "half a second", at_most=1))


def test_start_up(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    """Imports and a new MLflow store, against the imports of MLflow and LightGBM, each in a fresh process."""
    started: list[float] = []
    imported: list[float] = []

    def start(number: int) -> None:
        folder = tmp_path / f"store{number}"
        folder.mkdir()
        imported.append(fresh_process("-c", "import mlflow, lightgbm"))
        started.append(fresh_process("-c", _FRESH_START, str(folder), folder=folder))

    benchmark.pedantic(start, setup=lambda: ((len(started),), {}), rounds=_RUNS)
    tell(
        Figure(
            "live: start-up",
            f"{min(started):.2f} s",
            min(started) / min(imported),
            "imports of MLflow and LightGBM",
            at_most=2,
        )
    )


def test_demo(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    """What `make demo` runs, once retrainlab is installed, on the twin."""
    words = ("run", "competitor", "--policy", "f1_drop > 0.05", "--population", "twin", "--seed", "1")
    benchmark.pedantic(lambda: fresh_process("-m", "sim.cli", *words, folder=tmp_path), rounds=1)
    seconds = benchmark.stats.stats.min
    tell(Figure("make demo", f"{seconds:.1f} s", seconds / 30, "30 s", at_most=1))


def bare_steps(file: Path, rows: int, steps: int = _BARE_STEPS) -> float:
    """Return the seconds a step of a bare DuckDB: append a batch, MERGE its labels, read it, on disk, committed."""
    rng, columns = np.random.default_rng(0), 19
    seconds = 0.0
    with duckdb.connect(str(file)) as connection:
        named = ", ".join(f"f{index} DOUBLE" for index in range(columns))
        connection.execute(
            f"CREATE TABLE log (step INTEGER, customer_id VARCHAR, p DOUBLE, label TINYINT, {named}, "
            f"PRIMARY KEY (step, customer_id))"
        )
        for step in range(steps):
            ids = np.char.mod("T%010d", np.arange(step * rows, (step + 1) * rows))
            features = pd.DataFrame(rng.random((rows, columns)), columns=[f"f{index}" for index in range(columns)])
            batch = features.assign(step=step, customer_id=ids, p=rng.random(rows), label=None)
            news = pd.DataFrame({"step": step, "customer_id": ids, "label": rng.integers(0, 2, rows)})
            connection.register("batch", batch)
            connection.register("news", news)
            start = perf_counter()
            connection.execute("BEGIN")
            connection.execute("INSERT INTO log BY NAME SELECT * FROM batch")
            connection.execute(
                "MERGE INTO log USING news USING (step, customer_id) WHEN MATCHED THEN UPDATE SET label = news.label"
            )
            connection.execute("SELECT * FROM log WHERE step = ? ORDER BY customer_id", [step]).df()
            connection.execute("COMMIT")
            seconds += perf_counter() - start
    return seconds / steps


def bare_versions(folder: Path) -> float:
    """Return the seconds a version of MLflow's own log, register and alias of a small model, requirements given."""
    folder.mkdir()
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)  # a life sets its own
    rng = np.random.default_rng(0)
    booster = lgb.train(
        {"verbosity": -1}, lgb.Dataset(rng.random((2000, 19)), rng.integers(0, 2, 2000)), num_boost_round=100
    )
    mlflow.set_experiment("bare")
    client, seconds = MlflowClient(uri, uri), 0.0
    for number in range(_BARE_VERSIONS + 1):
        start = perf_counter()
        with mlflow.start_run():
            logged = mlflow.lightgbm.log_model(booster, name="model", pip_requirements=["lightgbm"])
        version = mlflow.register_model(logged.model_uri, "bare")
        client.set_registered_model_alias("bare", "Champion", version.version)
        if number:  # the first one also makes the store and loads what it needs
            seconds += perf_counter() - start
    return seconds / _BARE_VERSIONS


def test_steps_and_versions(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    """What a step and a version cost beyond LightGBM, against bare DuckDB and bare MLflow doing the same work.

    A life that never retrains gives the cost of a step; one that always does, what each version costs on top.
    """
    figures: dict[str, list[float]] = {"step": [], "version": [], "registration": [], "bare step": [], "bare": []}
    play(tmp_path / "warm", "never")
    rows = load_scenario("competitor").time.customers

    def measure(number: int) -> None:
        quiet, busy = LightGBMClock(), LightGBMClock()
        never = play(tmp_path / f"never{number}", "never", clock=quiet)
        always = play(tmp_path / f"always{number}", "always", clock=busy)
        steps, versions = len(never.steps), len(always.jobs) - 1
        still = never.measured["seconds"]["loop"] - quiet.seconds
        moving = always.measured["seconds"]["loop"] - busy.seconds
        figures["step"].append(still / steps)
        figures["version"].append((moving - still) / versions)
        figures["registration"].append(always.measured["seconds"]["registration"] / len(always.jobs))
        figures["bare step"].append(bare_steps(tmp_path / f"bare{number}.duckdb", rows))
        figures["bare"].append(bare_versions(tmp_path / f"bare{number}"))

    benchmark.pedantic(measure, setup=lambda: ((len(figures["step"]),), {}), rounds=_RUNS)
    best = {name: min(values) for name, values in figures.items()}
    duckdb_work, mlflow_work = "a bare DuckDB append + MERGE + read", "MLflow's own log, register and alias"
    tell(_milliseconds("live: a step", best["step"], best["bare step"], duckdb_work))
    tell(_milliseconds("live: a version", best["version"], best["bare"], mlflow_work))
    tell(_milliseconds("live: log, register and alias", best["registration"], best["bare"], mlflow_work))


def _milliseconds(what: str, seconds: float, other: float, to: str) -> Figure:
    return Figure(what, f"{1000 * seconds:.1f} ms", seconds / other, f"{to} ({1000 * other:.1f} ms)", at_most=1.5)


def test_tournament(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    """What a job of four challengers costs, against a job of one: LightGBM's own seconds, and all others.

    Its challengers learn from unlike numbers of rows (`history` from all), so LightGBM's seconds are also held
    against those of four jobs of one, each by a profile of the tournament, and a tournament of four that learn from
    equally many rows is held against one of them.
    """
    mix, tournament = load_training("mix_70_30"), load_training("tournament")
    copies = tuple(replace(mix, name=f"mix_{number}") for number in range(len(tournament.entrants)))
    alike = replace(tournament, name="four_alike", challengers=copies)
    played = {each.name: each for each in (*tournament.entrants, tournament, alike)}
    names = [each.name for each in tournament.entrants]
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in played}
    play(tmp_path / "warm", "never")

    def measure(number: int) -> None:
        quiet = LightGBMClock()
        never = play(tmp_path / f"never{number}", "never", clock=quiet).measured["seconds"]["loop"]
        for name, measured in figures.items():
            busy = LightGBMClock()
            record = play(tmp_path / f"{name}{number}", "always", clock=busy, training=played[name])
            jobs, loop = len(record.retrainings), record.measured["seconds"]["loop"]
            trained = busy.seconds - quiet.seconds
            measured.append((trained / jobs, (loop - never - trained) / jobs))

    benchmark.pedantic(measure, setup=lambda: ((len(figures[tournament.name]),), {}), rounds=_RUNS)
    seconds = {name: tuple(map(min, zip(*each, strict=True))) for name, each in figures.items()}
    (one, one_other), (four, four_other) = seconds[mix.name], seconds[tournament.name]
    singly = sum(seconds[name][0] for name in names)
    tell(_job("live: LightGBM's part of a job of four challengers", four, one, at_most=4))
    tell(_job("live: the same, where all learn from as many rows", seconds[alike.name][0], one, at_most=4))
    tell(_job("live: the same, against its profiles", four, singly, at_most=1, to="four jobs of one"))
    tell(_job("live: the rest of a job of four challengers", four_other, one_other, at_most=1.5))


def _job(what: str, seconds: float, other: float, at_most: float, to: str = "a job of one") -> Figure:
    return Figure(what, f"{1000 * seconds:.0f} ms", seconds / other, f"{to} ({1000 * other:.0f} ms)", at_most=at_most)


def test_search(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    """The search of 50 trials for the first model, apart."""
    seconds: list[float] = []

    def search(number: int) -> None:
        seconds.append(play(tmp_path / f"search{number}", "never", trials=50).measured["seconds"]["search"])

    benchmark.pedantic(search, setup=lambda: ((len(seconds),), {}), rounds=1)
    tell(Figure("live: the search of 50 trials", f"{min(seconds):.1f} s"))
