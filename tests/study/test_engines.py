"""Engines: the same results on processes, Dask and Spark; workers and clients that are killed; what is refused."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psutil
import pytest
from lives import CHEAP, small
from test_cli import refused

from scenarios.files import to_toml
from scenarios.injectors import ConceptDrift
from sim.code_version import code_version
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.study.engines.engine import Engine, as_done
from sim.study.engines.reach import is_web_server
from sim.study.engines.shared import Lacking, Shared
from sim.study.engines.worker import call_checked
from sim.study.gate_power import PowerStudy, gate_power
from sim.world.population_spec import PopulationSpec

DRIFT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
)
WORLD = small(steps=6, customers=150, delay_days=30, recipe=CHEAP.model_copy(update={"rounds": 3}), drift=[DRIFT])
POLICIES = ("never", "f1_drop > 0.02 or age_days > 40", "oracle", "coin(like=f1_drop > 0.02 or age_days > 40)")
SEEDS = 8
ROOT = Path(__file__).parents[2]
_WAIT_SECONDS = 300  # a machine may be busy; nothing is measured here
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: keep-alive\r\n\r\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def study(seeds: int = SEEDS) -> Study:
    return Study(
        (WORLD,),
        contestants(POLICIES, {}),
        (load_profile("none"),),
        tuple(range(1, seeds + 1)),
        "never",
        population=PopulationSpec("twin"),
    )


def command(*more: str) -> list[str]:
    """Return the command that compares the same study, into the folder `away`."""
    Path("world.toml").write_text(to_toml(WORLD), encoding="utf-8")
    words = [word for policy in POLICIES for word in ("--policy", policy)]
    start = [sys.executable, "-m", "sim.cli", "compare", "world.toml", "--population", "twin", "--gates", "none"]
    return [*start, *words, "--seeds", str(SEEDS), "--cache", "none", "--out", "away", *more]


def until(is_so, what: str, process: subprocess.Popen | None = None) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while not is_so():
        assert process is None or process.poll() is None, f"it ended before {what}"
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.05)


def done() -> int:
    return len(list(Path("away/cells").glob("*.json")))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(*words: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen]:
    with Path("log.txt").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def dask_words(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:])


@contextmanager
def scheduler() -> Iterator[str]:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with running(*dask_words("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")) as process:
        until(lambda: _answers(port), "the scheduler", process)
        yield address


def _answers(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def worker(address: str, environment: dict[str, str] | None = None):
    words = dask_words("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    return running(*words, environment={"OMP_NUM_THREADS": "1", **(environment or {})})


def until_workers(address: str, count: int) -> None:
    from distributed import Client  # noqa: PLC0415 - an extra

    with Client(address, timeout=60) as client:
        client.wait_for_workers(count, timeout=_WAIT_SECONDS)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> bytes:
    """Return the results of the study, as processes of this machine give them."""
    folder = tmp_path_factory.mktemp("expected") / "out"
    compare(study(), folder, workers=2)
    return (folder / "results.parquet").read_bytes()


@pytest.fixture
def other_code(tmp_path) -> Path:
    """Return a folder with a copy of this package in which one line differs."""
    folder = tmp_path / "other"
    for name in ("sim", "policies", "scenarios", "reports"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "gallery"))
    with (folder / "sim" / "errors.py").open("a", encoding="utf-8") as file:
        file.write("# another version\n")
    return folder


# Which engine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "dusk"], "Did you mean 'dask'?"),
        (["--address", "tcp://127.0.0.1:1"], "processes run on this machine"),
    ],
)
def test_an_engine_must_exist_and_fit_its_address(monkeypatch, capsys, words, said):
    assert said in refused(monkeypatch, capsys, "compare", "steady", "--population", "twin", *words)


@pytest.mark.parametrize(("engine", "package"), [("dask", "distributed"), ("spark", "pyspark.sql")])
def test_a_missing_extra_is_told_with_the_command_that_installs_it(monkeypatch, capsys, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    said = refused(monkeypatch, capsys, "compare", "steady", "--population", "twin", "--engine", engine)
    assert f'pip install "retrainlab[{engine}]"' in said


def test_where_nothing_listens_no_master_is_waited_for(monkeypatch, capsys):
    pytest.importorskip("pyspark")
    address = f"spark://127.0.0.1:{free_port()}"
    words = ("--engine", "spark", "--address", address)
    assert f"nothing answers at {address}" in refused(
        monkeypatch, capsys, "compare", "steady", "--population", "twin", *words
    )


@contextmanager
def a_stranger(answer: bytes) -> Iterator[str]:
    """Serve as something else than a cluster does: it takes every connection, and answers the same to all."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    taken.append(server.accept()[0])
                    taken[-1].sendall(answer)

        Thread(target=serve, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            for connection in taken:
                connection.close()


def test_the_page_of_a_cluster_is_not_taken_for_its_master(monkeypatch, capsys):
    pytest.importorskip("pyspark")
    with a_stranger(_BAD_REQUEST) as place:
        words = ("--engine", "spark", "--address", f"spark://{place}")
        said = refused(monkeypatch, capsys, "compare", "steady", "--population", "twin", *words)
    assert f"a web server answers at spark://{place}" in said


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_who_speaks_no_http_is_no_web_server(answer):
    with a_stranger(answer) as place:
        assert not is_web_server(place)


@pytest.mark.parametrize(
    ("java", "said"), [(None, "does not run"), ('openjdk version "11.0.2" 2019-01-15', "is Java 11")]
)
def test_spark_is_refused_without_a_java_that_it_runs_on(monkeypatch, capsys, java, said):
    pytest.importorskip("pyspark")
    home = Path("java").absolute()
    if java is not None:
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "java").write_text(f"#!/bin/sh\necho '{java}' >&2\n", encoding="utf-8")
        (home / "bin" / "java").chmod(stat.S_IRWXU)
    monkeypatch.setenv("JAVA_HOME", str(home))
    told = refused(monkeypatch, capsys, "compare", "steady", "--population", "twin", "--engine", "spark")
    assert said in told
    assert "Java 17" in told


# What a worker is sent


def test_a_shared_value_is_sent_once_and_known_by_its_hash_afterwards():
    with Engine("processes", workers=2).executor() as executor:
        big = Shared.of(list(range(1000)))
        found = [
            future.result()
            for _, future in as_done(executor, _summed, [big.by_hash()] * 20, in_full=lambda light: big)
        ]
    assert found == [499_500] * 20


def _summed(shared: Shared[list[int]]) -> int | Lacking:
    value = shared.value()
    return value if isinstance(value, Lacking) else sum(value)


def test_a_shared_value_that_was_changed_on_the_way_is_refused():
    broken = replace(Shared.of("one"), sha256="0" * 64)
    with pytest.raises(ValueError, match="must be what was sent"):
        broken.value()


def test_a_worker_with_another_version_is_refused():
    mine = code_version()
    assert call_checked(mine, max, 1, 2) == 2
    with pytest.raises(InputError, match="other code of the same version"):
        call_checked(replace(mine, code="x"), max, 1, 2)
    with pytest.raises(InputError, match=r"Python 3.* where Python 2\.7 is wanted"):
        call_checked(replace(mine, python="2.7"), max, 1, 2)
    with pytest.raises(InputError, match=r"numpy .* where numpy 0 is wanted"):
        call_checked(replace(mine, libraries=(("numpy", "0"),)), max, 1, 2)


# Processes


def _die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _double(number: int) -> int:
    return 2 * number


def test_a_process_that_is_killed_costs_no_result(tmp_path):
    with Engine("processes", workers=2).executor() as executor:
        assert executor.submit(_die_once, tmp_path / "marker").result(_WAIT_SECONDS) == "alive"
        assert [future.result() for _, future in as_done(executor, _double, [1, 1])] == [2, 2]


def test_a_task_that_kills_every_process_is_given_up():
    with Engine("processes", workers=2).executor() as executor, pytest.raises(BrokenProcessPool):
        executor.submit(_die, 0).result(_WAIT_SECONDS)


def test_the_power_of_gates_does_not_depend_on_the_engine():
    world = small(steps=1, customers=200, delay_days=30, recipe=CHEAP)
    few = PowerStudy(world, (load_profile("none"),), (100,), (0.0,), seeds=5, holdouts_per_world=4)
    assert gate_power(few, Engine(workers=2)) == gate_power(few)


# Dask


@pytest.mark.slow
def test_dask_gives_the_same_results_though_a_worker_is_killed(expected):
    with scheduler() as address, worker(address) as first, worker(address):
        until_workers(address, 2)
        with running(*command("--engine", "dask", "--address", address)) as client:
            until(lambda: done() >= 1, "a world was done", client)
            first.send_signal(signal.SIGKILL)
            assert done() < SEEDS - 1
            assert client.wait(_WAIT_SECONDS) == 0, Path("log.txt").read_text()
    assert Path("away/results.parquet").read_bytes() == expected


@pytest.mark.slow
def test_dask_keeps_what_was_done_when_the_client_is_killed(expected):
    with scheduler() as address, worker(address), worker(address):
        until_workers(address, 2)
        with running(*command("--engine", "dask", "--address", address)) as client:
            until(lambda: done() >= 2, "two worlds were done", client)
            client.send_signal(signal.SIGKILL)
        kept = {path: path.stat().st_mtime_ns for path in Path("away/cells").glob("*.json")}
        assert 2 <= len(kept) < SEEDS
        words = command("--engine", "dask", "--address", address, "--resume")
        assert subprocess.run(words, check=False, capture_output=True).returncode == 0
        assert all(path.stat().st_mtime_ns == changed for path, changed in kept.items())
    assert Path("away/results.parquet").read_bytes() == expected


@pytest.mark.slow
def test_a_dask_cluster_is_refused_that_is_not_there_or_empty_or_of_another_version(other_code):
    assert "nothing answers as one at" in _refused("--engine", "dask", "--address", f"tcp://127.0.0.1:{free_port()}")
    with scheduler() as address:
        assert "has none" in _refused("--engine", "dask", "--address", address)
        with worker(address, {"PYTHONPATH": str(other_code)}):
            until_workers(address, 1)
            assert "other code of the same version" in _refused("--engine", "dask", "--address", address)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", _BAD_REQUEST])
def test_who_is_no_scheduler_is_not_taken_for_one(answer):
    pytest.importorskip("distributed")
    with a_stranger(answer) as place:
        assert "nothing answers as one at" in _refused("--engine", "dask", "--address", f"tcp://{place}")


def _refused(*words: str) -> str:
    """Return the one sentence with which a comparison is refused that leaves nothing behind."""
    ended = subprocess.run(command(*words), check=False, capture_output=True, text=True, timeout=_WAIT_SECONDS)
    assert ended.returncode == 2, ended.stderr
    assert not Path("away").exists()
    told = [line for line in ended.stderr.splitlines() if line.startswith("retrainlab: ")]
    assert len(told) == 1
    return told[0]


# Spark


def executors_of(client: subprocess.Popen) -> Iterator[psutil.Process]:
    """Yield the Java processes in which Spark runs tasks of a client."""
    for child in psutil.Process(client.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # another that has just ended
            if child.name() == "java" and any("CoarseGrainedExecutorBackend" in word for word in child.cmdline()):
                yield child


@pytest.mark.slow
def test_spark_gives_the_same_results_though_an_executor_is_killed(expected, monkeypatch):
    pytest.importorskip("pyspark")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with running(*command("--engine", "spark", "--address", "local-cluster[2,1,1024]")) as client:
        until(lambda: done() >= 1, "a world was done", client)
        executors = list(executors_of(client))
        assert len(executors) == 2
        executors[0].kill()
        assert done() < SEEDS - 1
        assert client.wait(_WAIT_SECONDS) == 0, Path("log.txt").read_text()
    assert Path("away/results.parquet").read_bytes() == expected


@pytest.mark.slow
def test_spark_refuses_a_worker_of_another_version(other_code, monkeypatch):
    pytest.importorskip("pyspark")
    python = Path("python").absolute()
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH={other_code}:$PYTHONPATH exec {sys.executable} "$@"\n', encoding="utf-8"
    )
    python.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PYSPARK_PYTHON", str(python))
    assert "other code of the same version" in _refused("--engine", "spark", "--workers", "1")
