"""Small lives and a small comparison that the tests of reports draw from."""

from pathlib import Path

from lives import CHEAP, TWIN, small

from policies.catalogue import load_policy
from scenarios.files import to_toml
from scenarios.injectors import ConceptDrift
from sim.mlops.gates.profiles import load_profile
from sim.mlops.loop.change_finder import change_finder
from sim.mlops.loop.life import begin, play
from sim.mlops.loop.monitor import Monitor
from sim.mlops.loop.platform import LocalPlatform
from sim.mlops.loop.trainer import Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.records.jobs import FIRST_JOB
from sim.mlops.records.record import Record
from sim.mlops.records.registry import MemoryRegistry
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.study.run_folder import write_record
from sim.world.world import World

DRIFT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
)
TINY = small(steps=5, customers=100, delay_days=30, recipe=CHEAP.model_copy(update={"rounds": 3}))
CALM = TINY.model_copy(update={"id": "calm", "title": "Nothing <b>happens</b> & stays"})
DRIFTING = TINY.model_copy(update={"id": "drifting", "title": "<script>alert('drift')</script>", "drift": (DRIFT,)})
RULES = ["f1_drop > 0.02", "f1_drop > 0.05", "f1_drop > 0.1"]
ATTACK = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def played(folder: Path, policy: str, name: str | None = None) -> Path:
    """Play a life into a run folder as `run` leaves it, with the registry in memory instead of MLflow."""
    folder.mkdir(exist_ok=True)
    spec = load_policy(policy)
    world, registry, connection = World(DRIFTING, 1, TWIN), MemoryRegistry(), connect(folder / "loop.duckdb")
    log, profile = DuckDBLog(connection, world.schema), load_profile("none")
    validator, monitor = Validator(world, log, profile), Monitor(world, log, registry)
    trainer = Trainer(world, log, change_finder(world, log, registry))
    platform = LocalPlatform(world, log, registry, trainer, validator, monitor)
    chosen = spec.build()
    chosen.deployed(FIRST_JOB)
    state = begin(platform, lambda _: DRIFTING.recipe)
    steps = tuple(play(platform, chosen, state))
    connection.close()
    told = name or spec.name
    record = Record(DRIFTING, "twin", 1, told, spec.to_toml(), "none", 0, state.first, steps)
    write_record(record, folder)
    (folder / "scenario.toml").write_text(to_toml(DRIFTING), encoding="utf-8")
    (folder / "policy.toml").write_text(spec.to_toml(), encoding="utf-8")
    return folder
