"""Compare: policies x scenarios x seeds x gates, paired by seed, in as many processes as wanted."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from scenarios.files import to_toml
from scenarios.schema import Scenario
from sim.errors import InputError, did_you_mean
from sim.mlops.cohort import LabelledRows
from sim.mlops.gate_profiles import GateProfile
from sim.mlops.model import Model
from sim.mlops.training import boosted
from sim.study.cells import Cell, WorldOrder, failed_cells, play_world
from sim.study.contestants import Contestant
from sim.study.fresh import TRAINING_SEEDS
from sim.study.leaderboard import leaderboard
from sim.study.replay_cache import ReplayCache
from sim.world.population import Population, load_population
from sim.world.telco import SCHEMA

RESULTS_FILE = "results.parquet"
LEADERBOARD_FILE = "leaderboard.json"
_STUDY_FILE = "study.json"
_CELLS_FOLDER = "cells"


@dataclass(frozen=True)
class Study:
    """What is compared.

    `baseline` is the name of the contestant that all others are paired with; `trials` the length of the search for
    each world's first recipe (0: the scenario's own); `with_split` asks for the price of each constraint.
    """

    scenarios: tuple[Scenario, ...]
    contestants: tuple[Contestant, ...]
    profiles: tuple[GateProfile, ...]
    seeds: tuple[int, ...]
    baseline: str
    population: str = "telco"
    trials: int = 0
    with_split: bool = False

    def __post_init__(self) -> None:
        names = [contestant.name for contestant in self.contestants if not contestant.is_ablation]
        if not self.seeds:
            msg = "a comparison needs at least 1 seed, got 0; raise --seeds."
            raise InputError(msg)
        if self.baseline not in names:
            hint = did_you_mean(self.baseline, names)
            msg = f"the baseline must be one of the policies ({', '.join(names)}), got {self.baseline!r}.{hint}"
            raise InputError(msg)

    def orders(self) -> tuple[WorldOrder, ...]:
        """Return the worlds to be played; the baseline comes first in each."""
        ordered = sorted(self.contestants, key=lambda contestant: contestant.name != self.baseline)
        return tuple(
            WorldOrder(scenario, seed, tuple(ordered), self.profiles, self.baseline, self.trials, self.with_split)
            for scenario in self.scenarios
            for seed in self.seeds
        )

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for results to belong to one study."""
        return {
            "scenarios": [to_toml(scenario) for scenario in self.scenarios],
            "policies": [[c.name, c.spec.to_toml() if c.spec else None] for c in self.contestants],
            "gates": [repr(profile) for profile in self.profiles],
            "seeds": list(self.seeds),
            "baseline": self.baseline,
            "population": self.population,
            "trials": self.trials,
            "split": self.with_split,
        }

    @property
    def cell_count(self) -> int:
        """The number of lives that are played."""
        return len(self.orders()) * len(self.contestants) * len(self.profiles)


@dataclass(frozen=True)
class Comparison:
    """What came of a study: a row a cell, and the leaderboard drawn from them."""

    cells: pd.DataFrame
    leaderboard: dict[str, Any]

    @property
    def failures(self) -> pd.DataFrame:
        """The cells that failed, with their errors."""
        return self.cells[self.cells["error"].notna()]


def compare(
    study: Study,
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    cache_folder: Path | None = None,
    on_world: Callable[[int], None] = lambda _: None,
) -> Comparison:
    """Play a study and leave `results.parquet` and `leaderboard.json` in a folder.

    Each world is played in one process and kept as soon as it is done, so that a killed comparison goes on with
    `resume`. The results do not depend on the number of workers.

    Raises
    ------
    InputError
        If the folder holds something else, or another study; nothing is overwritten then. If the population can't be
        had.
    """
    load_population(study.population)
    _claim(study, folder, resume=resume)
    orders = study.orders()
    waiting = [order for order in orders if not _cells_path(folder, order).exists()]
    done = len(orders) - len(waiting)
    on_world(done)
    for order, cells in _played(waiting, study.population, workers, cache_folder):
        _write_json(_cells_path(folder, order), cells)
        done += 1
        on_world(done)
    rows = [cell for order in orders for cell in json.loads(_cells_path(folder, order).read_text("utf-8"))]
    frame = pd.DataFrame(rows)
    board = leaderboard(frame, study.baseline, [c.name for c in study.contestants if not c.is_ablation])
    part = folder / f"{RESULTS_FILE}.part"
    frame.to_parquet(part, index=False)
    part.replace(folder / RESULTS_FILE)
    _write_json(folder / LEADERBOARD_FILE, board)
    return Comparison(frame, board)


def expected_seconds(study: Study, workers: int) -> float:
    """Return about how long a study takes, from the time that one training and one scoring take here and now.

    The oracle trains at every step and scores every later step with each model, and its gates take about as long
    again; a fresh model is trained three times at every step from the onset on. What policies add to that is little.
    """
    total = 0.0
    for scenario in study.scenarios:
        steps, onset = scenario.time.steps, scenario.onset_step
        train_seconds, score_seconds = _probe(scenario)
        trainings = steps + TRAINING_SEEDS * (steps - onset if onset is not None else 0)
        total += (trainings * train_seconds + steps**2 * score_seconds) * len(study.seeds) * len(study.profiles)
    return total / min(workers, len(study.orders()))


def _played(
    orders: Sequence[WorldOrder], population: str, workers: int, cache_folder: Path | None
) -> Iterator[tuple[WorldOrder, list[Cell]]]:
    """Yield each world's cells as they are done; one process plays a world from beginning to end."""
    if workers <= 1 or len(orders) <= 1:
        for order in orders:
            yield order, _play(order, population, cache_folder)
        return
    context = multiprocessing.get_context("spawn")  # a forked LightGBM may hang on its threads
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        futures: dict[Future[list[Cell]], WorldOrder] = {
            pool.submit(_play, order, population, cache_folder): order for order in orders
        }
        for future in as_completed(futures):
            order = futures[future]
            error = future.exception()
            yield order, failed_cells(order, error) if isinstance(error, Exception) else future.result()


def _play(order: WorldOrder, population: str, cache_folder: Path | None) -> list[Cell]:
    try:
        return play_world(order, _population(population), ReplayCache(cache_folder))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - the other worlds are still worth having
        return failed_cells(order, error)


@cache
def _population(text: str) -> Population:
    return load_population(text)


def _start_worker() -> None:
    """Let each process keep to one thread: the worlds are what runs in parallel."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _claim(study: Study, folder: Path, *, resume: bool) -> None:
    path = folder / _STUDY_FILE
    identity = json.loads(json.dumps(study.identity()))
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known != identity:
            msg = f"a study needs a folder of its own, but {folder} holds another study; use another --out."
            raise InputError(msg)
        if not resume:
            msg = f"a study needs a folder of its own, but {folder} holds this one already; use --resume or --out."
            raise InputError(msg)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"a study needs a folder of its own, but {folder} is not empty; use another --out."
        raise InputError(msg)
    (folder / _CELLS_FOLDER).mkdir(parents=True)
    _write_json(path, identity)


def _cells_path(folder: Path, order: WorldOrder) -> Path:
    return folder / _CELLS_FOLDER / f"{order.scenario.name}-seed{order.seed}.json"


def _write_json(path: Path, content: Any) -> None:
    """Write a file that appears whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
    part.replace(path)


def _probe(scenario: Scenario) -> tuple[float, float]:
    """Return the seconds of one training and one scoring of random rows of the size of a scenario's."""
    rng = np.random.default_rng(0)
    n_rows = int(scenario.training.recent_cohorts * scenario.time.customers * 0.8 / scenario.training.recent_share)
    features = rng.random((n_rows, len(SCHEMA.columns)))
    features[:, list(SCHEMA.category_positions)] = np.floor(features[:, list(SCHEMA.category_positions)] * 2)
    rows = LabelledRows(np.arange(n_rows).astype(str), features, rng.random(n_rows) < 0.3)
    start = perf_counter()
    model = Model(boosted(rows, scenario.recipe, SCHEMA, 0), 0.5, SCHEMA)
    trained = perf_counter()
    model.probability(features[: scenario.time.customers])
    return trained - start, perf_counter() - trained
