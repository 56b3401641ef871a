"""The search of Optuna: a policy of any kind, whose settings are tried batch by batch, each batch as one herd."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from sim.errors import InputError
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import Contestant
from sim.study.comparison.study_file import STUDY_FILE
from sim.study.engines.engine import Engine
from sim.study.lives.box import Setting
from sim.study.surface.goal import Goal, Limit, shares_of, yearly
from sim.study.surface.tried import Tried, TriedStudy, tried_settings, write_tried
from sim.work_size import BATCH

OPTUNA_FILE, STUDY_NAME = "optuna.db", "retrainlab"


@dataclass(frozen=True)
class Aims:
    """What settings are tried for: the goal with the weights of its scenarios, and the limits."""

    goal: Goal
    weights: Mapping[str, float]
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Workplace:
    """Where settings are played: the folder of the search, by which workers, and where these keep worlds."""

    folder: Path
    workforce: Engine
    cache_folder: Path | None = None


def try_settings(
    study: TriedStudy, aims: Aims, place: Workplace, on_world: Callable[[int], None] = lambda _: None
) -> Tried:
    """Try settings batch by batch, as Optuna asks, and keep its study and every batch in a folder.

    `optuna.db` is an ordinary study of Optuna in SQLite, named `STUDY_NAME`. Its objectives are the goal and the
    retrainings a year (tree-structured Parzen estimator; Ozaki and others, Multiobjective TPE, JAIR 73, 2022), or the
    net value of each scenario where the worst regret is to be small (NSGA-II; Deb and others, IEEE Trans. Evol. Comp.
    6, 2002); its constraints are the limits. The settings of a batch are compared in `batch-1`, ..., where those that
    act alike live one life; `tried.parquet` has them all. A search that was killed goes on where it was, with what it
    would have tried.

    Raises
    ------
    InputError
        If every setting fails, or as `compare` says.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    search, worlds = _open(study, aims, place.folder), len(study.scenarios) * len(study.seeds)
    settings: list[Setting] = []
    cells: list[pd.DataFrame] = []
    error = ""
    for batch in range(study.n_batches):
        last = min((batch + 1) * BATCH, study.tries)
        asked = [_asked(search, study, number) for number in range(batch * BATCH, last)]
        found = _play(study, asked, place, batch, lambda done, batch=batch: on_world(batch * worlds + done))  # type: ignore[misc] # bound now
        for trial in asked:
            name = str(trial.number)
            own = found.cells[found.cells["policy"] == name]
            if name in found.errors:
                error = found.errors[name]
                _tell(search, trial, None)
                continue
            _tell(search, trial, _outcome(study, aims, trial, own))
            cells.append(own.assign(policy=str(len(settings))))
            settings.append({key: float(value) for key, value in trial.params.items()})
        if batch == 0:
            cells.append(found.cells[found.cells["policy"] == study.reference.name])
    if not settings:
        raise InputError(f"some setting of {study.template.text} must live in every world, but none does: {error}")
    tried = tried_settings(study, tuple(settings), pd.concat(cells, ignore_index=True))
    write_tried(tried, place.folder)
    return tried


def _open(study: TriedStudy, aims: Aims, folder: Path) -> optuna.Study:
    """Return the study of Optuna that a folder keeps, a new one if it keeps none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=f"sqlite:///{(folder / OPTUNA_FILE).absolute()}",
        study_name=STUDY_NAME,
        directions=_directions(study, aims),
        load_if_exists=True,
    )


def _directions(study: TriedStudy, aims: Aims) -> list[StudyDirection]:
    if aims.goal is Goal.MEAN:
        return [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    return [StudyDirection.MAXIMIZE] * len(study.scenarios)


def _sampler(search: optuna.Study, number: int) -> BaseSampler:
    """Return what asks for a setting: seeded by its number, so that it depends on nothing but the settings before."""
    if StudyDirection.MINIMIZE in search.directions:
        return TPESampler(seed=number, n_startup_trials=BATCH, constant_liar=True)
    return NSGAIISampler(seed=number, population_size=BATCH)


def _asked(search: optuna.Study, study: TriedStudy, number: int) -> Trial:
    """Return a trial by its number, asked for anew unless it was before, with what it was not yet asked."""
    search.sampler = _sampler(search, number)
    known = search.get_trials(deepcopy=False)
    trial = Trial(search, known[number]._trial_id) if number < len(known) else search.ask()  # no other way back
    for each in study.template.bounds:
        if each.is_whole:
            trial.suggest_int(each.name, int(each.low), int(each.high), log=each.is_log)
        else:
            trial.suggest_float(each.name, each.low, each.high, log=each.is_log)
    return trial


@dataclass(frozen=True)
class _Batch:
    """What came of a batch: its cells, the reference's among them, and why settings failed, by number."""

    cells: pd.DataFrame
    errors: Mapping[str, str]


def _play(
    study: TriedStudy, asked: Sequence[Trial], place: Workplace, batch: int, on_world: Callable[[int], None]
) -> _Batch:
    """Play the settings of a batch in every world, going on where that was killed."""
    errors: dict[str, str] = {}
    contestants = [Contestant(study.reference.name, study.reference)]
    for trial in asked:
        name = str(trial.number)
        try:
            contestants.append(Contestant(name, study.spec(trial.params, name)))
        except InputError as error:  # numbers that the policy can't have together
            errors[name] = str(error)
    comparison = Study(
        scenarios=study.scenarios,
        contestants=tuple(contestants),
        profiles=(study.profile,),
        seeds=study.seeds,
        baseline=study.reference.name,
        population=study.population,
        trials=study.trials,
    )
    folder = place.folder / f"batch-{batch + 1}"
    result = compare(
        comparison,
        folder,
        workers=place.workforce.workers,
        engine=place.workforce.name,
        address=place.workforce.address,
        resume=(folder / STUDY_FILE).exists(),
        cache_folder=place.cache_folder,
        on_world=on_world,
    )
    for row in result.failures.to_dict("records"):
        errors.setdefault(str(row["policy"]), f"{row['scenario']} seed {row['seed']} {row['error']}")
    if study.reference.name in errors:
        raise InputError(f"the reference must live in every world: {errors[study.reference.name]}")
    return _Batch(result.cells, errors)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What Optuna is told of a setting: a value for each objective, and how far each limit is passed."""

    values: tuple[float, ...]
    excess: Mapping[str, float]


def _outcome(study: TriedStudy, aims: Aims, trial: Trial, cells: pd.DataFrame) -> _Outcome:
    alone = tried_settings(study, (trial.params,), cells.assign(policy="0"))
    net = alone.values("net_value").mean(axis=(1, 2))
    excess: dict[str, float] = {}
    for limit in aims.limits:
        held = np.nan_to_num(yearly(alone, limit.score)).mean(axis=(1, 2)) - limit.most
        excess |= {f"{name}: {limit.text}": float(over) for name, over in zip(alone.scenarios, held, strict=True)}
    if aims.goal is Goal.WORST_REGRET:
        return _Outcome(tuple(map(float, net)), excess)
    retrains = yearly(alone, "retrains_per_year").mean()
    return _Outcome((float(shares_of(alone.scenarios, aims.weights) @ net), float(retrains)), excess)


def _tell(search: optuna.Study, trial: Trial, outcome: _Outcome | None) -> None:
    """Tell Optuna what came of a setting, or that it failed, unless it knows already."""
    if search.get_trials(deepcopy=False)[trial.number].state.is_finished():
        return
    if outcome is None:
        search.tell(trial, state=TrialState.FAIL)
        return
    for name, over in outcome.excess.items():
        trial.set_constraint(name, over)
    search.tell(trial, outcome.values)
