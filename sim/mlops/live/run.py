"""The live run: the loop on a real MLflow and a real DuckDB, in a folder that can be resumed."""

import json
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from time import perf_counter
from typing import Any
from uuid import uuid4

import duckdb

from policies.decision import trainings_named
from policies.spec import PolicySpec
from scenarios.files import to_toml
from scenarios.schema import Recipe, Scenario
from sim.code_version import git_revision
from sim.errors import InputError, WorkError
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.live.checkpoints import read_ledger
from sim.mlops.live.journal import DuckDBJournal
from sim.mlops.loop.change_finder import change_finder
from sim.mlops.loop.life import begin, play
from sim.mlops.loop.monitor import Monitor
from sim.mlops.loop.platform import LocalPlatform, State
from sim.mlops.loop.resume import catch_up, restore_aliases
from sim.mlops.loop.trainable import check_trainable
from sim.mlops.loop.trainer import Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import TrainingProfile, Trainings, load_training
from sim.mlops.models.tuning import search_first_recipe
from sim.mlops.records.jobs import FIRST_JOB
from sim.mlops.records.record import Record, StepRow
from sim.mlops.records.stopwatch import Stopwatch
from sim.mlops.stores.claim import ARTIFACTS_FOLDER, LOG_FILE, SETTINGS_FILE, STORE_FILE, claimed
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.mlops.stores.mlflow_data import DataOrigin, fingerprint
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry
from sim.mlops.stores.mlflow_setting import STORE_ERRORS, gist
from sim.shown_text import redacted
from sim.world.population import Population
from sim.world.schema.columns import Matrix
from sim.world.world import World

_LATENCY_ROWS = 10
_MANY_CUSTOMERS = 100_000
_STEPS_PER_LOGGING = 12  # a call to MLflow costs as much for a year of metrics as for a month
_PACKAGES = ("retrainlab", "duckdb", "lightgbm", "mlflow", "numpy", "optuna", "pandas")


@dataclass(frozen=True)
class LiveSettings:
    """What a live run is asked for.

    `trials` is the number of trials of the search for the first champion's recipe; 0 takes the scenario's.
    Empty URIs mean a SQLite store in the run folder, an empty model name one of the scenario's own.
    `population_arguments` are the words that asked for the population, for who wants to play the run again.
    `training` is the training profile of retrainings whose decision names none; the scenario's if it is `None`.
    """

    scenario: Scenario
    policy: PolicySpec
    population: Population
    profile: GateProfile
    seed: int
    trials: int
    folder: Path
    tracking_uri: str = ""
    registry_uri: str = ""
    model_name: str = ""
    population_arguments: Sequence[str] = ()
    training: TrainingProfile | None = None

    @property
    def trainings(self) -> Trainings:
        """The training profiles of the run: its own, or the scenario's, and those that the policy may name."""
        default = self.training or load_training(self.scenario.training.profile)
        return Trainings.of(default, trainings_named(self.policy.build()))

    @property
    def registered_model(self) -> str:
        """The name of the registered model, which nobody else serves by chance."""
        return self.model_name or f"retrainlab-{self.scenario.id}"

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a run to be resumed; it is kept in the run folder, and holds no secret."""
        return {
            "scenario": to_toml(self.scenario),
            "policy": self.policy.to_toml(),
            "population": self.population.name,
            "data_version": self.population.version,
            "population_arguments": list(self.population_arguments),
            "gates": json.loads(json.dumps(asdict(self.profile))),
            "training": json.loads(json.dumps(asdict(self.trainings))),
            "seed": self.seed,
            "trials": self.trials,
            "tracking_uri": redacted(self.tracking_uri),
            "registry_uri": redacted(self.registry_uri),
            "model_name": self.registered_model,
        }


@dataclass(frozen=True)
class Listener:
    """Who is told how a run gets on."""

    phase: Callable[[str], None] = field(default=lambda _: None)
    step: Callable[[StepRow], None] = field(default=lambda _: None)


def run_live(settings: LiveSettings, *, resume: bool, listener: Listener | None = None) -> Record:
    """Play a scenario live and return its record; the run folder keeps the log, the registry and the journal.

    Parameters
    ----------
    settings
        What to play, and where.
    resume
        Go on with the run that the folder holds, from its last committed step.
    listener
        Who is told how the run gets on.

    Raises
    ------
    InputError
        If the folder holds a run and `resume` is not set, or holds another run than the one asked for; if the world
        cannot be opened; if the MLflow store does not answer; if the registered model is somebody else's. A new run
        folder is not left behind then.
    WorkError
        If a store fails on the way for longer than it is waited for, as where a disk is full. What was committed is
        kept: the run goes on with `resume`.
    """
    listener = listener or Listener()
    stopwatch = Stopwatch()
    world = World(settings.scenario, settings.seed, settings.population, _kept_steps(settings.scenario))
    if not resume:
        check_trainable(world, trials=settings.trials)
    life = check_settings(settings) if resume else uuid4().hex
    with stopwatch.timing("start_up"):
        connection, registry = _open(settings, life, world, listener, resume=resume)
    try:
        log = DuckDBLog(connection, world.schema)
        journal = DuckDBJournal(connection, registry)
        platform = LocalPlatform(
            world=world,
            log=log,
            registry=registry,
            trainer=Trainer(world, log, change_finder(world, log, registry)),
            validator=Validator(world, log, settings.profile, latency_ms),
            monitor=Monitor(world, log, registry),
            journal=journal,
            stopwatch=stopwatch,
            trainings=settings.trainings,
        )
        record = _live(settings, platform, journal, registry, listener)
    except BaseException as error:
        with suppress(Exception):  # the store itself may be what failed, and the first error is the one to tell
            registry.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        if isinstance(error, (*STORE_ERRORS, duckdb.Error)):
            raise _stopped(settings.folder, error) from error
        raise
    finally:
        with suppress(duckdb.Error):  # what was committed is kept; a full disk forbids no more than the rest
            connection.close()
    return record


def _kept_steps(scenario: Scenario) -> int:
    """Return how many steps of a world stay in memory: one of a large world, which the loop looks at step by step."""
    return 1 if scenario.time.customers > _MANY_CUSTOMERS else 4


def _stopped(folder: Path, error: Exception) -> WorkError:
    return WorkError(
        f"the run stopped because a store failed ({gist(error)}); put that right and go on with --resume --out "
        f"{shlex.quote(str(folder))}."
    )


def check_settings(settings: LiveSettings) -> str:
    """Return the name of the life in the run folder; `InputError` if it holds none, or another than asked for."""
    path = settings.folder / SETTINGS_FILE
    if not path.exists():
        msg = f"--resume needs the folder of a run, but {settings.folder} holds none; leave --resume out."
        raise InputError(msg)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        life = str(known["life"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"--resume needs the settings of a run, but {path} cannot be read ({error!r}); start again with --out."
        raise InputError(msg) from error
    differing = [key for key, value in settings.identity().items() if known.get(key) != value]
    if differing:
        msg = (
            f"--resume needs the settings of the run in {path.parent}, got others for {', '.join(differing)}; give "
            f"the same, or another --out."
        )
        raise InputError(msg)
    return life


def step_metrics(rows: Sequence[StepRow]) -> list[tuple[str, float, int]]:
    """Return (name, value, step) of every signal that was known, of the labels that came and the offers made."""
    return [
        (name, float(value), row.step)
        for row in rows
        for name, value in {
            **row.signals.scalars(),
            "labels_arrived": row.labels_arrived,
            "offers": row.tally.offers,
            "champion_version": row.version,
        }.items()
        if value is not None
    ]


def latency_ms(model: Model, features: Matrix) -> float:
    """Return the mean milliseconds that the model takes to answer one row, from readable values to prediction."""
    frame = model.schema.decode(features[:_LATENCY_ROWS])
    rows = [frame.iloc[[index]] for index in range(len(frame))]
    start = perf_counter()
    for row in rows:
        model.predict(row)
    return (perf_counter() - start) * 1000 / max(len(rows), 1)


def _live(
    settings: LiveSettings,
    platform: LocalPlatform,
    journal: DuckDBJournal,
    registry: MlflowRegistry,
    listener: Listener,
) -> Record:
    checkpoint = journal.checkpoint()
    policy = settings.policy.build()
    policy.deployed(FIRST_JOB)
    if checkpoint is None:
        state, rows = begin(platform, lambda warmup: _recipe(settings, platform, warmup, registry, listener)), []
    else:
        state, rows = checkpoint.state, list(checkpoint.rows)
        catch_up(platform, policy, rows)
        restore_aliases(registry, checkpoint)
        journal.tell_again(checkpoint)
        registry.log_metrics(step_metrics(rows))
    listener.phase("playing")
    with platform.stopwatch.timing("loop"):
        for row in play(platform, policy, state):
            rows.append(row)
            listener.step(row)
            if len(rows) % _STEPS_PER_LOGGING == 0:
                registry.log_metrics(step_metrics(rows[-_STEPS_PER_LOGGING:]))
        registry.log_metrics(step_metrics(rows[len(rows) - len(rows) % _STEPS_PER_LOGGING :]))
    registry.conclude([row.step for row in rows], sum(row.tally.customers for row in rows))
    registry.close()
    return Record(
        scenario=settings.scenario,
        population=settings.population.name,
        seed=settings.seed,
        policy=settings.policy.name,
        policy_toml=settings.policy.to_toml(),
        gates=settings.profile.name,
        training=settings.trainings.default.name,
        trials=settings.trials,
        first=state.first,
        steps=tuple(rows),
        is_recorded=settings.population.is_recorded,
        measured={
            **_measured(platform, registry, journal, state),
            "population_arguments": list(settings.population_arguments),
        },
    )


def _recipe(
    settings: LiveSettings,
    platform: LocalPlatform,
    warmup: LabelledRows,
    registry: MlflowRegistry,
    listener: Listener,
) -> Recipe:
    """Search the first champion's recipe on the warm-up, or take the scenario's."""
    if settings.trials == 0:
        return settings.scenario.recipe

    def on_trial(done: int) -> None:
        listener.phase(f"searching the first model's recipe: {done:,} of {settings.trials:,} trials")

    on_trial(0)
    with platform.stopwatch.timing("search"):
        search = search_first_recipe(platform.world, warmup, settings.trials, on_trial)
    name = "search_one_minus_f1" if settings.scenario.recipe.search_objective == "f1" else "search_log_loss"
    registry.log_metrics([(name, loss, trial) for trial, loss in enumerate(search.losses)])
    return search.recipe


def _open(
    settings: LiveSettings, life: str, world: World, listener: Listener, *, resume: bool
) -> tuple[duckdb.DuckDBPyConnection, MlflowRegistry]:
    """Open the log and the registry; a new run takes its folder for itself first, and gives it back on an error."""

    def open_registry(connection: duckdb.DuckDBPyConnection) -> MlflowRegistry:
        listener.phase("opening MLflow and the inference log")
        told = Life(life, _title(settings), _tags(settings), _origin(settings))
        return MlflowRegistry(_place(settings), told, world.schema, read_ledger(connection))

    if resume:
        connection = connect(settings.folder / LOG_FILE)
        try:
            return connection, open_registry(connection)
        except BaseException:
            connection.close()
            raise
    texts = (to_toml(settings.scenario), settings.policy.to_toml())
    with claimed(settings.folder, {"life": life, **settings.identity()}, texts) as connection:
        return connection, open_registry(connection)


def tracking_uri(settings: LiveSettings) -> str:
    """Return the URI of the MLflow store that a run uses."""
    return settings.tracking_uri or f"sqlite:///{(settings.folder / STORE_FILE).resolve()}"


def _place(settings: LiveSettings) -> MlflowPlace:
    return MlflowPlace(
        tracking_uri=tracking_uri(settings),
        registry_uri=settings.registry_uri or tracking_uri(settings),
        model_name=settings.registered_model,
        experiment=f"retrainlab/{settings.scenario.id}",
        artifact_location=None if settings.tracking_uri else (settings.folder / ARTIFACTS_FOLDER).resolve().as_uri(),
        is_own=not settings.tracking_uri and not settings.registry_uri,
    )


def _title(settings: LiveSettings) -> str:
    return f"{settings.scenario.name} / {settings.policy.name} / seed {settings.seed}"


def _origin(settings: LiveSettings) -> DataOrigin:
    """Return where the rows of a run come from, and the digest of all that decides which they are."""
    known = settings.identity()
    parts = ("scenario", "policy", "data_version", "gates", "training", "seed", "trials")
    return DataOrigin(
        name=settings.population.name,
        source=(settings.folder / LOG_FILE).resolve().as_uri(),
        fingerprint=fingerprint(*(json.dumps(known[part], sort_keys=True) for part in parts)),
    )


def _tags(settings: LiveSettings) -> dict[str, str]:
    return {
        "scenario": settings.scenario.name,
        "policy": settings.policy.name,
        "population": settings.population.name,
        "gates": settings.profile.name,
        "training": settings.trainings.default.name,
        "seed": str(settings.seed),
    }


def _measured(
    platform: LocalPlatform, registry: MlflowRegistry, journal: DuckDBJournal, state: State
) -> dict[str, Any]:
    """Return what differs from one machine or day to another."""
    champion = platform.registry.model(state.champion.version)
    return {
        "seconds": dict(platform.stopwatch.seconds),
        "single_row_latency_ms": latency_ms(champion, _last_features(platform.world)),
        "latency_ms": dict(journal.latency_ms),
        "data_version": {"population": platform.world.population.version},
        "mlflow_run_id": registry.run_id,
        "mlflow_versions": registry.addresses(),
        "python": python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "git_revision": git_revision(),
    }


def _last_features(world: World) -> Matrix:
    """Return the features of the last batch that has customers."""
    batches = (world.batch(step) for step in reversed(world.steps))
    return next(batch.features for batch in batches if len(batch.features))
