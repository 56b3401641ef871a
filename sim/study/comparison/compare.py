"""Compare: policies x scenarios x seeds x gates, paired by seed, on as many workers as there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from policies.decision import trainings_named
from scenarios.files import to_toml
from scenarios.schema import Scenario
from sim.errors import InputError, did_you_mean
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.loop.trainable import check_trainable
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import TrainingProfile, load_training
from sim.mlops.models.training import boosted
from sim.study.claim import Claim
from sim.study.comparison.boards import Leaderboard, write_leaderboard
from sim.study.comparison.cells import RESAMPLES, WorldTask
from sim.study.comparison.contestants import Contestant
from sim.study.comparison.leaderboard import RESAMPLE, leaderboard
from sim.study.comparison.playing import played_worlds
from sim.study.comparison.results import read_cells, to_frame, write_cells
from sim.study.comparison.steps import STEPS_FILE, WorldPart, gather_steps, write_steps
from sim.study.comparison.study_file import STUDY_FILE, STUDY_KIND, StudyIdentity
from sim.study.engines.engine import Engine
from sim.study.replay.replay import check_replayable
from sim.study.scores.fresh import TRAINING_SEEDS, retraining_rows
from sim.whole_file import write_table
from sim.world.population_spec import PopulationSpec
from sim.world.telco.table import SCHEMA
from sim.world.world import World

RESULTS_FILE = "results.parquet"
RESAMPLED_FILE = "resampled.parquet"
LEADERBOARD_FILE = "leaderboard.json"
_MOST_NAMES = 10
_CELLS_FOLDER = "cells"
_LIFTED_WORLDS = 3
_TRAININGS_A_TRIAL = 24
"""A trial stops early, but with more rounds and larger trees; measured, as is the next."""
_ALL_ELSE = 1.3
"""What a study takes for each second of training and scoring."""


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
    population: PopulationSpec = field(default_factory=PopulationSpec)
    trials: int = 0
    with_split: bool = False
    trainings: tuple[TrainingProfile, ...] = ()

    def __post_init__(self) -> None:
        names = self.policies
        if not self.seeds:
            msg = "a comparison needs at least 1 seed, got 0; raise --seeds."
            raise InputError(msg)
        _check_unique("scenario", [scenario.name for scenario in self.scenarios])
        _check_unique("gate profile", [profile.name for profile in self.profiles])
        _check_unique("training profile", [training.name for training in self.trainings])
        for profile in self.profiles:
            check_replayable(profile)
        if self.baseline not in names:
            hint = did_you_mean(self.baseline, names)
            more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
            told = ", ".join(names[:_MOST_NAMES]) + more
            msg = f"the baseline must be one of the policies ({told}), got {self.baseline!r}.{hint}"
            raise InputError(msg)

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the contestants, ablations left out."""
        return tuple(contestant.name for contestant in self.contestants if not contestant.is_ablation)

    @property
    def population_name(self) -> str:
        """What the populations are called that its worlds are played with."""
        own = dict.fromkeys(scenario.population for scenario in self.scenarios)
        return self.population.text or ", ".join(own)

    def orders(self) -> tuple[WorldTask, ...]:
        """Return the worlds to be played; of a history each seed's resample of its customers, twice, as well."""
        return tuple(
            WorldTask(
                scenario=scenario,
                seed=seed,
                contestants=self.contestants,
                profiles=self.profiles,
                baseline=self.baseline,
                trials=self.trials,
                with_split=self.with_split,
                trainings=self.oracle_trainings(scenario),
                resample=resample,
            )
            for scenario in self.scenarios
            for seed in self.seeds
            for resample in self.resamples
        )

    @property
    def resamples(self) -> tuple[int, ...]:
        """Which worlds of each seed are played, as `WorldTask.resample` tells them."""
        return (0, *RESAMPLES) if self.population.is_history else (0,)

    def oracle_trainings(self, scenario: Scenario) -> tuple[TrainingProfile, ...]:
        """Return the training profiles that the oracle of a scenario chooses among: all that the policies may use."""
        named = {name for each in self.contestants if each.spec for name in trainings_named(each.spec.build())}
        own = self.trainings or (load_training(scenario.training.profile),)
        found = {each.name: each for each in (*own, *(load_training(name) for name in sorted(named)))}
        return tuple(found.values())

    def identity(self) -> StudyIdentity:
        """Return what must be the same for results to belong to one study."""
        return StudyIdentity(
            scenarios=tuple(to_toml(scenario) for scenario in self.scenarios),
            policies=tuple((each.name, each.identity) for each in self.contestants),
            gates=tuple(repr(profile) for profile in self.profiles),
            seeds=self.seeds,
            baseline=self.baseline,
            population=self.population_name,
            population_arguments=tuple(self.population.arguments),
            trials=self.trials,
            split=self.with_split,
            is_history=self.population.is_history,
        )

    @property
    def cell_count(self) -> int:
        """The number of lives that are played."""
        return len(self.orders()) * len(self.contestants) * len(self.profiles)


@dataclass(frozen=True)
class StudyResult:
    """What came of a study: a row a cell, those of a history's resamples apart, and the leaderboard of both."""

    cells: pd.DataFrame
    leaderboard: Leaderboard
    resampled: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def failures(self) -> pd.DataFrame:
        """The cells that failed, with their errors."""
        cells = pd.concat([self.cells, self.resampled]) if len(self.resampled) else self.cells
        return cells[cells["error"].notna()]


def compare(
    study: Study,
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    cache_folder: Path | None = None,
    on_world: Callable[[int], None] = lambda _: None,
    engine: str = "processes",
    address: str = "",
) -> StudyResult:
    """Play a study and leave `results.parquet`, `steps.parquet` and `leaderboard.json` in a folder.

    Of a history, whose customers are drawn again for the intervals, `resampled.parquet` is there too.

    Each world is played by one worker and kept as soon as it is done, so that a killed comparison goes on with
    `resume`, which also plays worlds again in which a cell failed. The results depend neither on the number of
    workers nor on the engine.

    Parameters
    ----------
    study, folder
        What is compared, and where the results go.
    workers, engine, address
        Where the worlds are played, as `sim.study.engines.engine.Engine` explains.
    resume
        Whether the folder holds a part of the study already.
    cache_folder
        Where each worker keeps worlds for the next comparison; `None` for nowhere.
    on_world
        Hears how many worlds are done.

    Raises
    ------
    InputError
        If the folder holds something else, or another study; nothing is overwritten then. If the population can't be
        had, or does not fit a scenario. If the engine can't be had, or a worker runs other code.
    """
    place = Engine(engine, address, workers)
    populations = [study.population.load(scenario)[0] for scenario in study.scenarios]
    for scenario, population in zip(study.scenarios, populations, strict=True):
        check_trainable(World(scenario, study.seeds[0], population), trials=study.trials)
    claim = Claim("study", STUDY_FILE, STUDY_KIND, study.identity(), _CELLS_FOLDER)
    claim.check(folder, resume=resume)
    orders = study.orders()
    with place.executor() as executor:
        claim.take(folder)
        waiting = [order for order in orders if not _is_done(_cells_path(folder, order))]
        done = len(orders) - len(waiting)
        on_world(done)
        named = {scenario.name: each for scenario, each in zip(study.scenarios, populations, strict=True)}
        for order, played in played_worlds(waiting, named, executor, cache_folder):
            if not order.resample:
                write_steps(played.steps, _steps_path(folder, order))
            write_cells(played.cells, _cells_path(folder, order))
            done += 1
            on_world(done)
    return _gathered(study, folder, orders)


def _gathered(study: Study, folder: Path, orders: Sequence[WorldTask]) -> StudyResult:
    """Gather what the worlds left, and write the results of all."""
    by_world = {number: _cells_of(folder, orders, number) for number in study.resamples}
    frame, again = by_world.pop(0), list(by_world.values())
    resampled = pd.concat(again, ignore_index=True) if again else pd.DataFrame()
    board = leaderboard(pd.concat([frame, resampled], ignore_index=True), study.baseline, study.policies)
    own = [order for order in orders if not order.resample]
    gather_steps(
        [WorldPart(order.scenario.name, order.seed, _steps_path(folder, order)) for order in own], folder / STEPS_FILE
    )
    if again:
        write_table(folder / RESAMPLED_FILE, resampled)
    write_table(folder / RESULTS_FILE, frame)
    write_leaderboard(board, folder / LEADERBOARD_FILE)
    return StudyResult(frame, board, resampled)


def _cells_of(folder: Path, orders: Sequence[WorldTask], resample: int) -> pd.DataFrame:
    """Return the cells of the past itself, or of one of its resamples."""
    own = [order for order in orders if order.resample == resample]
    frame = to_frame([cell for order in own for cell in read_cells(_cells_path(folder, order))])
    return frame.assign(**{RESAMPLE: resample}) if resample else frame


def expected_seconds(study: Study, workers: int) -> float:
    """Return about how long a study takes, from the time that one training and one scoring take here and now.

    The oracle trains at every step and scores every later step with each model, and its gates take about as long
    again; a fresh model is trained three times at every step from the onset on, and a trial of a search takes as long
    as many trainings. What policies add to that is little. `benchmarks/test_estimate.py` says how far it is off.
    """
    total = 0.0
    for scenario in study.scenarios:
        steps, onset = scenario.time.steps, scenario.onset_step
        train_seconds, score_seconds = _probe(scenario)
        trainings = steps + TRAINING_SEEDS * (steps - onset if onset is not None else 0)
        worlds = len(study.seeds) * len(study.resamples) * (1 + _LIFTED_WORLDS * study.with_split)
        trainings += _TRAININGS_A_TRIAL * study.trials
        total += (trainings * train_seconds + steps**2 * score_seconds * len(study.profiles)) * worlds
    return _ALL_ELSE * total / min(workers, len(study.orders()))


def _is_done(path: Path) -> bool:
    """Say whether a world has been played without a failed cell."""
    return path.exists() and all(cell.error is None for cell in read_cells(path))


def _check_unique(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            msg = f"each {what} of a comparison must have a name of its own, got {name!r} twice; leave one out."
            raise InputError(msg)


def _cells_path(folder: Path, order: WorldTask) -> Path:
    resample = f"-resample{order.resample}" if order.resample else ""
    return folder / _CELLS_FOLDER / f"{order.scenario.name}-seed{order.seed}{resample}.json"


def _steps_path(folder: Path, order: WorldTask) -> Path:
    return _cells_path(folder, order).with_suffix(".parquet")


def _probe(scenario: Scenario) -> tuple[float, float]:
    """Return the seconds of one training and one scoring of random rows of the size of a scenario's."""
    rng = np.random.default_rng(0)
    n_rows = retraining_rows(scenario)
    features = rng.random((n_rows, len(SCHEMA.columns)))
    features[:, list(SCHEMA.category_positions)] = np.floor(features[:, list(SCHEMA.category_positions)] * 2)
    rows = LabelledRows.alike(np.arange(n_rows).astype(str), features, rng.random(n_rows) < 0.3)
    start = perf_counter()
    model = Model(boosted(rows, scenario.recipe, SCHEMA, 0), 0.5, SCHEMA)
    trained = perf_counter()
    model.probability(features[: scenario.time.customers])
    return trained - start, perf_counter() - trained
