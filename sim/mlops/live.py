"""The live run: the loop on a real MLflow and a real DuckDB, in a folder that can be resumed."""

import json
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import duckdb

from policies.decision import Policy
from policies.spec import PolicySpec
from scenarios.files import to_toml
from scenarios.schema import Recipe, Scenario
from sim.errors import InputError
from sim.mlops.cohort import LabelledRows
from sim.mlops.duckdb_log import DuckDBLog, connect
from sim.mlops.examiner import Examiner
from sim.mlops.gate_profiles import GateProfile
from sim.mlops.jobs import FIRST_JOB, Alias
from sim.mlops.journal import Checkpoint, DuckDBJournal
from sim.mlops.loop import found, play
from sim.mlops.mlflow_registry import MlflowPlace, MlflowRegistry
from sim.mlops.model import Model
from sim.mlops.monitor import Monitor
from sim.mlops.parts import Parts, State
from sim.mlops.record import Record, StepRow
from sim.mlops.stopwatch import Stopwatch
from sim.mlops.trainable import check_trainable
from sim.mlops.trainer import Trainer
from sim.mlops.tuning import search_first_recipe
from sim.world.population import Population
from sim.world.schema import Matrix
from sim.world.world import World

LOG_FILE = "loop.duckdb"
_SETTINGS_FILE = "settings.json"
_BEGUN_FILE = f"{_SETTINGS_FILE}.part"
_WORD_FILES = ("scenario.toml", "policy.toml")
_STORE_FILE = "mlflow.db"
_ARTIFACTS_FOLDER = "mlartifacts"
_LATENCY_ROWS = 10
_STEPS_PER_LOGGING = 12  # a call to MLflow costs as much for a year of metrics as for a month
_PACKAGES = ("retrainlab", "duckdb", "lightgbm", "mlflow", "numpy", "optuna", "pandas")


@dataclass(frozen=True)
class LiveSettings:
    """What a live run is asked for.

    `trials` is the number of trials of the search for the first champion's recipe; 0 takes the scenario's.
    Empty URIs mean a SQLite store in the run folder.
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
    model_name: str = "churn"

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a run to be resumed."""
        return {
            "scenario": to_toml(self.scenario),
            "policy": self.policy.to_toml(),
            "population": self.population.name,
            "data_version": self.population.version,
            "gates": json.loads(json.dumps(asdict(self.profile))),
            "seed": self.seed,
            "trials": self.trials,
            "tracking_uri": self.tracking_uri,
            "registry_uri": self.registry_uri,
            "model_name": self.model_name,
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
        cannot be opened; if the MLflow store does not answer. A new run folder is not left behind then.
    """
    listener = listener or Listener()
    stopwatch = Stopwatch()
    world = World(settings.scenario, settings.seed, settings.population)
    if not resume:
        check_trainable(world, trials=settings.trials)
    life = check_settings(settings) if resume else _new_life(settings)
    with stopwatch.timing("start_up"), nullcontext() if resume else _given_back_on_error(settings.folder):
        if not resume:
            _claim(settings, life)
        listener.phase("opening MLflow and the inference log")
        connection, registry = _open_stores(settings, life, world)
    try:
        log = DuckDBLog(connection, world.schema)
        journal = DuckDBJournal(connection, registry)
        parts = Parts(
            world=world,
            log=log,
            registry=registry,
            trainer=Trainer(world, log),
            examiner=Examiner(world, log, settings.profile, latency_ms),
            monitor=Monitor(world, log, registry),
            journal=journal,
            stopwatch=stopwatch,
        )
        record = _live(settings, parts, journal, registry, listener)
    except BaseException as error:
        with suppress(Exception):  # the store itself may be what failed, and the first error is the one to tell
            registry.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    finally:
        connection.close()
    return record


def check_settings(settings: LiveSettings) -> str:
    """Return the name of the life in the run folder; `InputError` if it holds none, or another than asked for."""
    path = settings.folder / _SETTINGS_FILE
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
    settings: LiveSettings, parts: Parts, journal: DuckDBJournal, registry: MlflowRegistry, listener: Listener
) -> Record:
    checkpoint = journal.checkpoint()
    policy = settings.policy.build()
    policy.deployed(FIRST_JOB)
    if checkpoint is None:
        state, rows = found(parts, lambda warmup: _recipe(settings, parts, warmup, registry, listener)), []
    else:
        state, rows = checkpoint.state, list(checkpoint.rows)
        _catch_up(parts, journal, policy, rows)
        _restore_aliases(registry, checkpoint)
        registry.log_metrics(step_metrics(rows))
    listener.phase("playing")
    with parts.stopwatch.timing("loop"):
        for row in play(parts, policy, state):
            rows.append(row)
            listener.step(row)
            if len(rows) % _STEPS_PER_LOGGING == 0:
                registry.log_metrics(step_metrics(rows[-_STEPS_PER_LOGGING:]))
        registry.log_metrics(step_metrics(rows[len(rows) - len(rows) % _STEPS_PER_LOGGING :]))
    registry.close()
    return Record(
        scenario=settings.scenario,
        population=settings.population.name,
        seed=settings.seed,
        policy=settings.policy.name,
        policy_toml=settings.policy.to_toml(),
        gates=settings.profile.name,
        trials=settings.trials,
        first=state.first,
        steps=tuple(rows),
        measured=_measured(parts, registry, journal, state),
    )


def _recipe(
    settings: LiveSettings, parts: Parts, warmup: LabelledRows, registry: MlflowRegistry, listener: Listener
) -> Recipe:
    """Search the first champion's recipe on the warm-up, or take the scenario's."""
    if settings.trials == 0:
        return settings.scenario.recipe
    listener.phase(f"searching the first champion's recipe in {settings.trials} trials")
    with parts.stopwatch.timing("search"):
        search = search_first_recipe(parts.world, warmup, settings.trials)
    name = "search_one_minus_f1" if settings.scenario.recipe.search_objective == "f1" else "search_log_loss"
    registry.log_metrics([(name, loss, trial) for trial, loss in enumerate(search.losses)])
    return search.recipe


def _catch_up(parts: Parts, journal: DuckDBJournal, policy: Policy, rows: Sequence[StepRow]) -> None:
    """Bring policy and mail to where the last committed step left them.

    A policy hears the same signals again, and must decide the same; the labels of past steps are sent again, and
    those that had arrived are dropped.
    """
    world = parts.world
    for row in rows:
        if row.alias_changes:
            policy.deployed(row.champion)
        decision = policy.decide(journal.with_rows(row.signals))
        if (decision.clauses, decision.evidence) != (row.decision.clauses, row.decision.evidence):
            msg = f"a policy must decide the same on the same signals, but did not at step {row.step} of the run"
            raise RuntimeError(msg)
        parts.mail.send(world.labels(row.step, parts.log.offered(row.step)))
    parts.mail.deliver(rows[-1].day if rows else 0)


def _restore_aliases(registry: MlflowRegistry, checkpoint: Checkpoint) -> None:
    """Let the aliases point where the last committed step left them, wherever a broken step or others moved them."""
    state = checkpoint.state
    challengers = [row.job_opened.version for row in checkpoint.rows if row.job_opened]
    registry.move(Alias.CHALLENGER, max(challengers, default=state.first.version))
    if state.previous is not None:
        registry.move(Alias.PREVIOUS_CHAMPION, state.previous.version)
    registry.move(Alias.CHAMPION, state.champion.version)


def _new_life(settings: LiveSettings) -> str:
    """Return the name of a new life; `InputError` if the run folder is not free for it."""
    if _is_taken(settings.folder):
        msg = f"a run needs a folder of its own, but {settings.folder} is not empty; use --resume or another --out."
        raise InputError(msg)
    return uuid4().hex


def _is_taken(folder: Path) -> bool:
    """Tell whether a folder holds anything but a claim that a killed process began, which counts as nothing."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        return True
    names = {item.name for item in folder.iterdir()}
    return bool(names) and not (_BEGUN_FILE in names and names <= {_BEGUN_FILE, *_WORD_FILES})


def _claim(settings: LiveSettings, life: str) -> None:
    """Take the run folder for a life.

    The file of the settings is begun first, to mark all that follows as a run's, and takes its name last: from then
    on the folder holds a run.
    """
    folder, begun = settings.folder, settings.folder / _BEGUN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        begun.write_text(json.dumps({"life": life, **settings.identity()}, indent=1), encoding="utf-8")
        for name, text in _words(settings).items():
            (folder / name).write_text(text, encoding="utf-8")
        begun.replace(folder / _SETTINGS_FILE)
    except OSError as error:
        msg = f"a run folder must be writable, but {folder} is not ({error.strerror}); use another --out."
        raise InputError(msg) from error


def _open_stores(settings: LiveSettings, life: str, world: World) -> tuple[duckdb.DuckDBPyConnection, MlflowRegistry]:
    connection = connect(settings.folder / LOG_FILE)
    try:
        registry = MlflowRegistry(_place(settings), life, _title(settings), _tags(settings), world.schema)
    except BaseException:
        connection.close()
        raise
    return connection, registry


def _words(settings: LiveSettings) -> dict[str, str]:
    """Return the text of each file that says what a run was asked for."""
    texts = (to_toml(settings.scenario), settings.policy.to_toml())
    return dict(zip(_WORD_FILES, texts, strict=True))


@contextmanager
def _given_back_on_error(folder: Path) -> Iterator[None]:
    """Remove what was only just made for a new run if the stores cannot be opened, and nothing else."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except InputError:
        with suppress(OSError):  # the first error is the one to tell
            _remove_own_files(folder)
        with suppress(OSError):  # others may have put something there since
            for path in missing:
                path.rmdir()
        raise


def _remove_own_files(folder: Path) -> None:
    """Remove the files that a run has when its stores are opened; the artifacts' folder only while it is empty."""
    stores = [path for name in (LOG_FILE, _STORE_FILE) for path in folder.glob(f"{name}*") if path.is_file()]
    for path in (*stores, *(folder / name for name in (*_WORD_FILES, _BEGUN_FILE, _SETTINGS_FILE))):
        path.unlink(missing_ok=True)
    artifacts = folder / _ARTIFACTS_FOLDER
    if artifacts.exists():
        artifacts.rmdir()


def tracking_uri(settings: LiveSettings) -> str:
    """Return the URI of the MLflow store that a run uses."""
    return settings.tracking_uri or f"sqlite:///{(settings.folder / _STORE_FILE).resolve()}"


def _place(settings: LiveSettings) -> MlflowPlace:
    return MlflowPlace(
        tracking_uri=tracking_uri(settings),
        registry_uri=settings.registry_uri or tracking_uri(settings),
        model_name=settings.model_name,
        experiment=f"retrainlab/{settings.scenario.id}",
        artifact_location=None if settings.tracking_uri else (settings.folder / _ARTIFACTS_FOLDER).resolve().as_uri(),
    )


def _title(settings: LiveSettings) -> str:
    return f"{settings.scenario.name} / {settings.policy.name} / seed {settings.seed}"


def _tags(settings: LiveSettings) -> dict[str, str]:
    return {
        "scenario": settings.scenario.name,
        "policy": settings.policy.name,
        "population": settings.population.name,
        "gates": settings.profile.name,
        "seed": str(settings.seed),
    }


def _measured(parts: Parts, registry: MlflowRegistry, journal: DuckDBJournal, state: State) -> dict[str, Any]:
    """Return what differs from one machine or day to another."""
    champion = parts.registry.model(state.champion.version)
    return {
        "seconds": dict(parts.stopwatch.seconds),
        "single_row_latency_ms": latency_ms(champion, parts.world.batch(parts.world.steps[-1]).features),
        "latency_ms": dict(journal.latency_ms),
        "data_version": {"population": parts.world.population.version},
        "mlflow_run_id": registry.run_id,
        "mlflow_versions": registry.addresses(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """Return the revision of the checkout that this code runs from, `None` where there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
