"""Faults for real: a kill at random, a store that goes away, a full disk, a locked database, two runs, damage.

A clear error, patience where it helps, nothing half-promoted, and a resumed run as if nothing had happened.
"""

import importlib.util
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest
from lives import live, small
from mlflow import MlflowClient
from runs import KILLED, Server, assert_whole, settings_of

from policies.catalogue import load_policy
from scenarios.files import to_toml
from sim.errors import InputError, WorkError
from sim.mlops.live.run import Listener, LiveSettings, run_live, tracking_uri
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import Alias
from sim.mlops.records.record import Record
from sim.mlops.stores import patience
from sim.study.run_folder import play_live

LONG = KILLED.model_copy(update={"time": KILLED.time.model_copy(update={"steps": 14})})

# A process that plays a life and says which steps are done; its files may not grow beyond `limit` bytes.
_PLAYER = """
import resource, sys
from pathlib import Path
limit = {limit}
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.path.insert(0, {tests!r})
from runs import settings_of
from scenarios.files import read_scenario
from sim.errors import InputError, WorkError
from sim.mlops.live.run import Listener
from sim.study.run_folder import play_live
settings = settings_of(
    Path({folder!r}), read_scenario(Path({scenario!r})), "always", tracking_uri={store!r}, model_name={name!r}
)
print("ready", flush=True)
sys.stdin.readline()
listener = Listener(step=lambda row: print("step", row.step, flush=True))
try:
    play_live(settings, resume={resume}, listener=listener)
except (InputError, WorkError) as error:
    print(type(error).__name__, error, flush=True)
"""


def player(settings: LiveSettings, *, resume: bool = False, limit: int = 0) -> subprocess.Popen:
    """Return a process that waits for a line before it plays."""
    scenario = settings.folder.with_name(f"{settings.folder.name}.toml")
    scenario.write_text(to_toml(settings.scenario), encoding="utf-8")
    code = _PLAYER.format(
        tests=str(Path(__file__).parents[1]),
        folder=str(settings.folder),
        scenario=str(scenario),
        store=settings.tracking_uri,
        name=settings.model_name,
        resume=resume,
        limit=limit,
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], text=True, cwd=settings.folder.parent, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def undisturbed(scenario=LONG) -> Record:
    return live(scenario, load_policy("always").build(), profile="none").record


def assert_undisturbed(record: Record, folder: Path) -> None:
    wanted = undisturbed(record.scenario)
    assert (record.first, record.steps) == (wanted.first, wanted.steps)
    assert_whole(folder, record)


def assert_registry(settings: LiveSettings, record: Record) -> None:
    """Each job has one version and one run, and the champion is the last model that was promoted."""
    client = MlflowClient(tracking_uri(settings), tracking_uri(settings))
    versions = client.search_model_versions(f"name = '{settings.registered_model}'")
    assert sorted(v.tags["retrainlab.job"] for v in versions) == sorted(job.name for job in record.jobs)
    champion = client.get_model_version_by_alias(settings.registered_model, Alias.CHAMPION)
    assert champion.tags["retrainlab.job"] == record.steps[-1].champion


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# Killed


def kill_at_random(settings: LiveSettings, rng: random.Random) -> int | None:
    """Kill a run after a random step, a random while later; return the step, or `None` if it was done sooner."""
    process, step = player(settings), rng.randrange(-1, settings.scenario.time.steps - 1)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    while step >= 0 and process.stdout.readline() not in {f"step {step}\n", ""}:
        pass
    time.sleep(rng.uniform(0, 0.4))
    process.kill()
    process.communicate(timeout=60)
    return step if process.returncode == -signal.SIGKILL else None


def test_a_run_that_is_killed_at_a_random_moment_goes_on_as_if_nothing_happened(tmp_path, store):
    survive_kills(tmp_path, store, count=2)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_twenty_undisturbed_records(tmp_path, store):
    survive_kills(tmp_path, store, count=20)


def survive_kills(tmp_path: Path, store: str, count: int) -> None:
    """Kill runs, resume each and compare it with the undisturbed one, until so many were killed before their end."""
    rng, killed = random.Random(), 0  # moments are random: the schedule of the processes is, whatever the seed
    for number in range(2 * count):
        if killed == count:
            return
        name = f"killed-{count}-{number}"
        settings = settings_of(tmp_path / name, LONG, "always", tracking_uri=store, model_name=name)
        killed += kill_at_random(settings, rng) is not None
        resume = (settings.folder / "settings.json").exists()
        record = play_live(settings, resume=resume)
        assert_undisturbed(record, settings.folder)
        assert_registry(settings, record)
    assert killed == count, "too many runs were done before they could be killed"


# A server that goes away


@pytest.mark.slow
def test_a_server_that_comes_back_is_waited_for(tmp_path):
    server = Server(tmp_path / "server")
    server.start()
    try:
        settings = settings_of(tmp_path / "run", LONG, "always", tracking_uri=server.address)

        def restart(row) -> None:
            if row.step == 4:
                server.stop()
                Timer(6, lambda: server.start(wait=False)).start()

        record = play_live(settings, resume=False, listener=Listener(step=restart))
        assert_undisturbed(record, settings.folder)
        assert_registry(settings, record)
    finally:
        server.stop()


@pytest.mark.slow
def test_a_server_that_stays_away_ends_the_run_in_one_sentence_and_a_resumed_run_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "WAITS_SECONDS", (0.2, 0.4))
    server = Server(tmp_path / "server")
    server.start()
    try:
        settings = settings_of(tmp_path / "run", LONG, "always", tracking_uri=server.address)
        gone = Listener(step=lambda row: server.stop() if row.step == 4 else None)
        begun = time.monotonic()
        with pytest.raises(WorkError, match=r"a store failed \(.*\); put that right and go on with --resume") as told:
            play_live(settings, resume=False, listener=gone)
        assert time.monotonic() - begun < 120
        assert "\n" not in str(told.value)
        with pytest.raises(InputError, match="must answer"):
            play_live(settings, resume=True)
        server.start()
        record = play_live(settings, resume=True)
        assert_undisturbed(record, settings.folder)
        assert_registry(settings, record)
    finally:
        server.stop()


@pytest.mark.parametrize("scheme", ["mssql+pyodbc", "mysql"])
def test_a_store_whose_driver_is_not_installed_is_told_and_no_folder_is_claimed(tmp_path, scheme):
    if importlib.util.find_spec({"mssql+pyodbc": "pyodbc", "mysql": "MySQLdb"}[scheme]):
        pytest.skip("the driver is installed")
    settings = settings_of(tmp_path / "run", KILLED, "never", tracking_uri=f"{scheme}://me:secret@localhost/base")
    with pytest.raises(
        InputError, match=r"needs the Python package (pyodbc|MySQLdb), which is not installed"
    ) as told:
        play_live(settings, resume=False)
    assert "secret" not in str(told.value)
    assert not settings.folder.exists()


# A locked database


def hold(path: str, seconds: float) -> sqlite3.Connection:
    """Lock a SQLite database as another process would, for a while or until the connection is closed."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    if seconds:
        Timer(seconds, connection.close).start()
    return connection


def test_a_database_that_is_locked_for_a_moment_is_waited_for(tmp_path, store):
    settings = settings_of(tmp_path / "run", KILLED, "always", tracking_uri=store, model_name="locked")
    locking = Listener(step=lambda row: hold(store.removeprefix("sqlite:///"), 1.0) if row.step == 2 else None)
    record = play_live(settings, resume=False, listener=locking)
    assert_undisturbed(record, settings.folder)
    assert_registry(settings, record)


@pytest.mark.slow
def test_a_database_that_stays_locked_ends_the_run_in_one_sentence(tmp_path, store, monkeypatch):
    monkeypatch.setattr(patience, "WAITS_SECONDS", (0.1,))
    settings = settings_of(tmp_path / "run", KILLED, "always", tracking_uri=store, model_name="kept-locked")
    held = []
    locking = Listener(
        step=lambda row: held.append(hold(store.removeprefix("sqlite:///"), 0)) if row.step == 2 else None
    )
    with pytest.raises(WorkError, match=r"database is locked.*--resume"):
        play_live(settings, resume=False, listener=locking)
    held[0].close()
    record = play_live(settings, resume=True)
    assert_undisturbed(record, settings.folder)
    assert_registry(settings, record)


def test_patience_has_an_end(monkeypatch):
    monkeypatch.setattr(patience, "WAITS_SECONDS", (0.0, 0.0))

    class Store:
        def __init__(self, failures: int, words: str) -> None:
            self.failures, self.words, self.asked, self.read = failures, words, 0, 0

        def reread(self) -> None:
            self.read += 1

        @patience.patient
        def answer(self, value: int) -> int:
            self.asked += 1
            if self.asked <= self.failures:
                raise OSError(self.words)
            return value

    patiently = Store(2, "database is locked")
    assert (patiently.answer(7), patiently.asked, patiently.read) == (7, 3, 2)
    with pytest.raises(OSError, match="locked"):
        Store(3, "database is locked").answer(7)
    at_once = Store(1, "No space left on device")
    with pytest.raises(OSError, match="No space"):
        at_once.answer(7)
    assert at_once.asked == 1


# A full disk


WIDE = LONG.model_copy(update={"time": LONG.time.model_copy(update={"customers": 1500})})
FULL = {
    "while MLflow's store is made": (LONG, 100_000, "InputError the MLflow store"),
    "in MLflow's store": (LONG, 1_050_000, "WorkError the run stopped because a store failed"),
    "in the inference log": (WIDE, 1_500_000, "WorkError the run stopped because a store failed"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "limit", "said"), FULL.values(), ids=FULL)
def test_a_disk_that_is_full_ends_the_run_in_one_sentence_and_a_resumed_run_is_whole(tmp_path, scenario, limit, said):
    """No file may grow any more, as on a full disk; then there is room again."""
    settings = settings_of(tmp_path / "full", scenario, "always")
    process = player(settings, limit=limit)
    out, err = process.communicate("\n", timeout=180)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1].startswith(said), out
    record = play_live(settings, resume=settings.folder.exists())
    assert_undisturbed(record, settings.folder)
    assert_registry(settings, record)


# Two runs at one folder


@pytest.mark.slow
def test_of_two_runs_at_one_folder_one_has_it_and_the_other_is_refused(tmp_path, store):
    for attempt in range(3):
        name = f"contested-{attempt}"
        settings = settings_of(tmp_path / name, KILLED, "always", tracking_uri=store, model_name=name)
        pair = [player(settings), player(settings)]
        for process in pair:
            process.stdin.write("\n")
            process.stdin.flush()
        refused, done = sorted(process.communicate(timeout=180)[0] for process in pair)
        assert refused.startswith("InputError a run ")
        assert "one run at a time" in refused or "is not empty" in refused
        assert done.endswith(f"step {KILLED.time.steps - 1}\n")
        record = play_live(settings, resume=True)
        assert_undisturbed(record, settings.folder)
        assert_registry(settings, record)


# A damaged model


def damaged(path: Path) -> None:
    """Change one digit of a leaf's value: LightGBM would load it, and answer something else."""
    text = path.read_text(encoding="utf-8")
    at = text.index("leaf_value=") + len("leaf_value=") + 4
    path.write_text(text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :], encoding="utf-8")


DAMAGES = {
    "changed": damaged,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:200]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "noise": lambda path: path.write_bytes(os.urandom(500)),
}


@pytest.fixture(scope="module")
def saved_model() -> Model:
    return live(small(steps=1), load_policy("never").build()).registry.model(1)


@pytest.mark.parametrize("name", ["trees.txt", "model.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_not_loaded(tmp_path, saved_model, name, damage):
    saved_model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model") == saved_model
    if damage == "changed" and name == "model.json":
        path = tmp_path / "model" / name
        path.write_text(path.read_text().replace('"threshold": 0.5', '"threshold": 0.4'), encoding="utf-8")
    else:
        DAMAGES[damage](tmp_path / "model" / name)
    with pytest.raises(WorkError, match=r"must be as it was saved, but .*model is damaged"):
        Model.load(tmp_path / "model")


def test_a_damaged_champion_ends_a_resumed_run_in_one_sentence_and_promotes_nobody(tmp_path):
    settings = settings_of(tmp_path / "run", KILLED, "always")

    def stop(row) -> None:
        if row.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_live(settings, resume=False, listener=Listener(step=stop))
    uri = f"sqlite:///{settings.folder}/mlflow.db"
    client = MlflowClient(uri, uri)
    before = client.get_registered_model("retrainlab-small").aliases
    (path,) = (
        path
        for path in settings.folder.rglob("trees.txt")
        if client.get_model_version("retrainlab-small", before["Champion"]).source.removeprefix("models:/")
        in str(path)
    )
    whole = path.read_text(encoding="utf-8")
    damaged(path)
    with pytest.raises(WorkError, match="are damaged or were changed") as told:
        run_live(settings, resume=True)
    assert "\n" not in str(told.value)
    assert client.get_registered_model("retrainlab-small").aliases == before
    path.write_text(whole, encoding="utf-8")
    record = run_live(settings, resume=True)
    wanted = undisturbed(KILLED)
    assert (record.first, record.steps) == (wanted.first, wanted.steps)


_COMMAND = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_050_000, 1_050_000))
from sim.cli import main
sys.argv = ["retrainlab", "run", "small.toml", "--population", "twin", "--trials", "0", "--out", "out", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
def test_the_command_ends_with_1_and_one_sentence_where_the_work_failed(tmp_path):
    (tmp_path / "small.toml").write_text(to_toml(LONG), encoding="utf-8")
    command = [sys.executable, "-c", _COMMAND, "--policy", "always", "--gates", "none"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("retrainlab: the run stopped because a store failed")
    assert ended.stderr.endswith("--resume --out out.\n")
    assert ended.stderr.count("\n") == 1
