"""Speed of a live run: start-up, and what a step and a model version cost beyond LightGBM's own work.

Run by `make bench`. The figures are reported, never asserted: a machine may be busy.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import lightgbm as lgb
import pytest

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import Listener, LiveSettings
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


def play(folder: Path, policy: str, trials: int = 0, clock: LightGBMClock | None = None) -> Any:
    """Play the catalogue's `competitor` without gates, so that every model that is asked for is also promoted."""
    settings = LiveSettings(
        scenario=load_scenario("competitor"),
        policy=load_policy(policy),
        population=load_population("twin"),
        profile=load_profile("none"),
        seed=1,
        trials=trials,
        folder=folder,
    )
    watch = clock or LightGBMClock()

    def phase(words: str) -> None:
        if words == "playing":
            watch.seconds = 0.0  # the first model is trained before the loop

    with watch.watching():
        return play_live(settings, resume=False, listener=Listener(phase=phase))


def test_help(benchmark: Any) -> None:
    """`retrainlab --help` in a fresh process; the target is 0.5 s."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['retrainlab', '--help']; from sim.cli import main; main()",
    ]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=5, warmup_rounds=1)


def test_start_up(benchmark: Any, tmp_path: Path) -> None:
    """Imports and a new MLflow store, in a fresh process; the target is 9 s."""

    def start(folder: Path) -> None:
        subprocess.run([sys.executable, "-c", _FRESH_START, str(folder)], check=True, capture_output=True, cwd=folder)

    def fresh() -> tuple[tuple[Path], dict[str, Any]]:
        folder = tmp_path / f"store{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return (folder,), {}

    benchmark.pedantic(start, setup=fresh, rounds=_RUNS)


def test_steps_and_versions(benchmark: Any, tmp_path: Path) -> None:
    """Beyond LightGBM; the targets are 60 ms a step, 200 ms a version, and 200 ms to log, register and alias one.

    A life that never retrains gives the cost of a step; one that always does, what each version costs on top.
    """
    figures: dict[str, list[float]] = {"step": [], "version": [], "registration": []}
    play(tmp_path / "warm", "never")

    def measure(number: int) -> None:
        quiet, busy = LightGBMClock(), LightGBMClock()
        never = play(tmp_path / f"never{number}", "never", clock=quiet)
        always = play(tmp_path / f"always{number}", "always", clock=busy)
        steps, versions = len(never.steps), len(always.jobs) - 1
        still = never.measured["seconds"]["loop"] - quiet.seconds
        moving = always.measured["seconds"]["loop"] - busy.seconds
        figures["step"].append(1000 * still / steps)
        figures["version"].append(1000 * (moving - still) / versions)
        figures["registration"].append(1000 * always.measured["seconds"]["registration"] / len(always.jobs))

    benchmark.pedantic(measure, setup=lambda: ((len(figures["step"]),), {}), rounds=_RUNS)
    told = {f"ms_a_{name}": round(min(values), 1) for name, values in figures.items()}
    benchmark.extra_info.update(told)
    _tell(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in told.items()))


def test_search(benchmark: Any, tmp_path: Path) -> None:
    """The search of 50 trials for the first model, apart."""
    seconds: list[float] = []

    def search(number: int) -> None:
        seconds.append(play(tmp_path / f"search{number}", "never", trials=50).measured["seconds"]["search"])

    benchmark.pedantic(search, setup=lambda: ((len(seconds),), {}), rounds=1)
    benchmark.extra_info["search_seconds"] = round(min(seconds), 2)
    _tell(f"search seconds: {min(seconds):.2f}")


def _tell(line: str) -> None:
    sys.stderr.write(f"\n{line}\n")
