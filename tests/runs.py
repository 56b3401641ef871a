"""Live runs for tests: their settings, what must hold of their logs, and a real MLflow server."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from lives import TWIN, small

from policies.catalogue import load_policy
from scenarios.injectors import ConceptDrift
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.checkpoints import read_ledger
from sim.mlops.live.journal import DuckDBJournal
from sim.mlops.live.run import LiveSettings
from sim.mlops.loop.change_finder import change_finder
from sim.mlops.loop.monitor import Monitor
from sim.mlops.loop.platform import LocalPlatform
from sim.mlops.loop.trainer import Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.records.record import Record
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry
from sim.world.world import World

CONCEPT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 2.4, "InternetService=Fiber optic": -2.5}
)
KILLED = small(steps=6, delay_days=30, drift=[CONCEPT])


def settings_of(
    folder: Path, scenario: Scenario, policy: str, seed: int = 1, gates: str = "none", **more: Any
) -> LiveSettings:
    return LiveSettings(
        scenario=scenario,
        policy=load_policy(policy),
        population=TWIN,
        profile=load_profile(gates),
        seed=seed,
        trials=more.pop("trials", 0),
        folder=folder,
        **more,
    )


def assert_whole(folder: Path, record: Record) -> None:
    """Every customer is scored once; every label that is due has come, and no other; each job has one version."""
    scenario = record.scenario
    time_, delay = scenario.time, scenario.labels.delay_days
    last_day = (time_.steps - 1) * time_.step_days
    with duckdb.connect(str(folder / "loop.duckdb"), read_only=True) as connection:

        def one(query: str) -> tuple[Any, ...]:
            return connection.execute(query).fetchall()[0]

        scored = time_.steps * time_.customers
        assert one(
            "SELECT count(*), count(DISTINCT (customer_id, scored_at)) FROM inference_log WHERE step >= 0"
        ) == (
            scored,
            scored,
        )
        due = f"scored_at + {delay} <= {last_day}"
        late = "label_arrived_at < scored_at + " + str(delay)
        assert one(
            f"SELECT count(*) FROM inference_log WHERE step >= 0 AND (({due}) <> (ground_truth IS NOT NULL))"
        ) == (0,)
        assert one(f"SELECT count(*) FROM inference_log WHERE step >= 0 AND {late}") == (0,)
        labelled = sum(row.labels_arrived for row in record.steps)
        assert one("SELECT count(ground_truth) FROM inference_log WHERE step >= 0") == (labelled,)
        assert one("SELECT count(*), count(DISTINCT model_version), max(model_version) FROM model_versions") == (
            (len(record.jobs),) * 3
        )
        steps = [step for (step,) in connection.execute("SELECT step FROM decisions ORDER BY step").fetchall()]
        assert steps == list(range(time_.steps))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A real MLflow server in a folder, which can be stopped without a word and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        if wait:
            wait_for(f"{self.address}/health", self.process)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=20)
            self.process = None


def wait_for(address: str, process: subprocess.Popen[bytes], limit_seconds: float = 90) -> None:
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(address)


@contextmanager
def stored_parts(
    folder: Path, store: str, scenario: Scenario, model_name: str
) -> Iterator[tuple[LocalPlatform, duckdb.DuckDBPyConnection]]:
    """Open a world of the twin without gates, with a real log and journal (DuckDB) and a real registry (MLflow)."""
    world, connection = World(scenario, 1, TWIN), connect(folder / "loop.duckdb")
    place = MlflowPlace(store, store, model_name, model_name, (folder / "artifacts").as_uri())
    registry = MlflowRegistry(place, Life(model_name, model_name, {}), world.schema, read_ledger(connection))
    log = DuckDBLog(connection, world.schema)
    platform = LocalPlatform(
        world=world,
        log=log,
        registry=registry,
        trainer=Trainer(world, log, change_finder(world, log, registry)),
        validator=Validator(world, log, load_profile("none")),
        monitor=Monitor(world, log, registry),
        journal=DuckDBJournal(connection, registry),
    )
    yield platform, connection
    registry.close()
    connection.close()
