"""Any sequence of jobs, promotions, rejections, rollbacks and crashes, on the registry in memory and on MLflow.

There is exactly one champion at every moment, a rollback restores the one before, a rejected challenger never serves
(property 5), and a life that crashed is the life that did not.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from lives import CHEAP, IMPOSSIBLE, TWIN, small
from mlflow import MlflowClient

from policies.decision import Action, Cause, Decision
from policies.signals import Signals
from scenarios.schema import Jobs
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.checkpoints import read_ledger
from sim.mlops.live.journal import DuckDBJournal
from sim.mlops.loop.change_finder import change_finder
from sim.mlops.loop.life import begin, play
from sim.mlops.loop.monitor import Monitor
from sim.mlops.loop.platform import LocalPlatform, NoJournal
from sim.mlops.loop.resume import Checkpoint, catch_up, restore_aliases
from sim.mlops.loop.trainer import Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.records.jobs import FIRST_JOB, Alias, Status
from sim.mlops.records.log import MemoryLog
from sim.mlops.records.registry import MemoryRegistry
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry
from sim.mlops.stores.tenancy import JOB_TAG
from sim.world.world import World

STEPS = 12
LENIENT = replace(load_profile("none"), name="lenient", enforced=("f1_against_best",), f1_against_best=1.0)
JOBS = (Jobs(), Jobs(train_days=45), Jobs(approval_days=30))
POINTS = (
    "register",
    f"move {Alias.CHALLENGER}",
    f"move {Alias.PREVIOUS_CHAMPION}",
    f"move {Alias.CHAMPION}",
    "describe",
    "append",
    "backfill",
    "commit",
)
RARE_POINTS = (f"move {Alias.PREVIOUS_CHAMPION}", f"move {Alias.CHAMPION}", "describe", "backfill")
MOMENTS = ("before", "after")
TRANSITIONS = {
    *("kept", "asked", "waits", "promoted", "rejected", "refused: job_open", "refused: no_previous"),
    *("rollback asked", "rolled back", "promoted after a rollback", "restarted", "restarted with an open job"),
    *(f"killed {moment} {point}" for point in POINTS for moment in MOMENTS),
    "killed in a rollback",
}


class Killed(BaseException):
    """The process is gone: nothing catches it but who started it."""


@dataclass
class Fuse:
    """Kills at a point, before or after it; `None` never does."""

    point: tuple[str, str] | None = None

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        for moment in MOMENTS:
            if moment == "after":
                yield
            if self.point == (name, moment):
                self.point = None
                raise Killed(name)


class Fragile:
    """A part whose named calls may be the last ones of the process."""

    def __init__(self, part: Any, fuse: Fuse, names: tuple[str, ...]) -> None:
        self._part, self._fuse, self._names = part, fuse, names

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._part, name)
        if name not in self._names:
            return function

        def fragile(*arguments: Any) -> Any:
            with self._fuse.around(f"move {arguments[0]}" if name == "move" else name):
                return function(*arguments)

        return fragile


@dataclass
class Moody:
    """A validator that lets nobody pass at the strict steps, and everybody at the others."""

    world: World
    log: Any
    strict: dict[int, bool]
    profile: ClassVar = LENIENT

    def validate(self, step: int, *arguments: Any) -> Any:
        profile = IMPOSSIBLE if self.strict.get(step) else LENIENT
        return Validator(self.world, self.log, profile).validate(step, *arguments)


@dataclass
class Puppet:
    """A policy that does at each step what it was told."""

    actions: dict[int, Action]

    def decide(self, signals: Signals) -> Decision:
        action = self.actions[signals.step]
        is_keep = action is Action.KEEP
        return Decision(action, "quiet" if is_keep else "told", Cause.NONE if is_keep else Cause.ALARM)

    def deployed(self, version: str) -> None:
        pass


def _copied(platform: dict[str, Any]) -> dict[str, Any]:
    return {name: copy(part) for name, part in platform.items()}


class MemoryJournal(NoJournal):
    """Keeps the last committed state, and puts the log back to it."""

    def __init__(self, log: MemoryLog) -> None:
        self._log, self._kept, self._rows = log, _copied(vars(log)), []
        self.checkpoint: Checkpoint | None = None

    def commit(self, state: Any, row: Any) -> None:
        self._rows += [row] if row else []
        self._kept = _copied(vars(self._log))
        self.checkpoint = Checkpoint(replace(state), tuple(self._rows))

    def roll_back(self) -> None:
        vars(self._log).update(_copied(self._kept))


@dataclass
class MemoryOffice:
    """A company in memory, whose registry outlives its process."""

    world: World
    log: MemoryLog = field(default_factory=MemoryLog)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    journal: MemoryJournal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = MemoryJournal(self.log)

    def restart(self) -> Checkpoint | None:
        self.journal.roll_back()
        kept = self.journal.checkpoint
        return kept and replace(kept, state=replace(kept.state))  # a life writes into its state

    def alias(self, alias: Alias) -> str | None:
        version = self.registry.aliases.get(alias)
        return None if version is None else self.registry._versions[version - 1][0]

    def registered(self) -> list[str]:
        return [job for job, _, _ in self.registry._versions]

    def close(self) -> None:
        pass


class MlflowOffice:
    """A company on MLflow and DuckDB, of which only what they hold outlives its process."""

    store = ""

    def __init__(self, world: World) -> None:
        self.world, self.name = world, uuid4().hex
        self.folder = Path(tempfile.mkdtemp())
        self.client = MlflowClient(self.store, self.store)
        self._open()

    def _open(self) -> None:
        place = MlflowPlace(self.store, self.store, self.name, "stateful", (self.folder / "artifacts").as_uri())
        self.connection = connect(self.folder / "loop.duckdb")
        self.registry = MlflowRegistry(
            place, Life(self.name, "stateful", {}), self.world.schema, read_ledger(self.connection)
        )
        self.log = DuckDBLog(self.connection, self.world.schema)
        self.journal = DuckDBJournal(self.connection, self.registry)

    def restart(self) -> Checkpoint | None:
        self.connection.close()
        self._open()
        return self.journal.checkpoint()

    def alias(self, alias: Alias) -> str | None:
        aliases = self.client.get_registered_model(self.name).aliases
        if alias not in aliases:
            return None
        return self.client.get_model_version(self.name, aliases[alias]).tags[JOB_TAG]

    def registered(self) -> list[str]:
        versions = self.client.search_model_versions(f"name = '{self.name}'")
        return [v.tags[JOB_TAG] for v in sorted(versions, key=lambda v: int(v.version))]

    def close(self) -> None:
        self.connection.close()
        shutil.rmtree(self.folder)


@cache
def world_of(jobs: Jobs) -> World:
    recipe = CHEAP.model_copy(update={"rounds": 3})
    scenario = small(steps=STEPS, customers=120, delay_days=30, jobs=jobs, recipe=recipe)
    return World(scenario, 1, TWIN, kept_steps=None)


def parts_of(office: Any, strict: dict[int, bool], fuse: Fuse) -> LocalPlatform:
    world = office.world
    registry = Fragile(office.registry, fuse, ("register", "move", "describe"))
    log = Fragile(office.log, fuse, ("append", "backfill"))
    return LocalPlatform(
        world=world,
        log=log,
        registry=registry,
        trainer=Trainer(world, log, change_finder(world, log, registry)),
        validator=Moody(world, log, strict),
        monitor=Monitor(world, log, registry),
        journal=Fragile(office.journal, fuse, ("commit",)),
    )


class Lives(RuleBasedStateMachine):
    """Drives a life step by step, and keeps a model of who should be champion."""

    office_of: ClassVar[Callable[[World], Any]]
    reached: ClassVar[set[str]]

    def __init__(self) -> None:
        super().__init__()
        self.strict: dict[int, bool] = {}
        self.actions: dict[int, Action] = {}
        self.fuse = Fuse()
        self.rows: list[Any] = []
        self.champion, self.previous = FIRST_JOB, None
        self.may_roll_back = self.rollback_due = self.has_rolled_back = False
        self.rejected: set[str] = set()

    @initialize(jobs=st.sampled_from(JOBS))
    def begin(self, jobs: Jobs) -> None:
        self.office = type(self).office_of(world_of(jobs))
        self._start(self.office.restart())

    def _start(self, checkpoint: Checkpoint | None) -> None:
        platform, policy = parts_of(self.office, self.strict, self.fuse), Puppet(self.actions)
        if checkpoint is None:
            state = begin(platform, lambda _: self.office.world.scenario.recipe)
        else:
            state = checkpoint.state
            catch_up(platform, policy, checkpoint.rows)
            restore_aliases(self.office.registry, checkpoint)
        self.life = play(platform, policy, state)
        self.platform = platform

    @precondition(lambda self: len(self.rows) < STEPS)
    @rule(
        action=st.sampled_from([Action.RETRAIN, Action.RETRAIN, Action.ROLLBACK, Action.KEEP]),
        strict=st.booleans(),
        point=st.none() | st.tuples(st.sampled_from(POINTS + RARE_POINTS * 2), st.sampled_from(MOMENTS)),
    )
    def step(self, action: Action, strict: bool, point: tuple[str, str] | None) -> None:
        number = len(self.rows)
        self.actions[number], self.strict[number] = action, strict
        self.fuse.point = point
        try:
            row = next(self.life)
        except Killed:
            row = self._after_a_kill(point)
        self.fuse.point = None
        self.rows.append(row)
        self._follow(row, action)

    def _after_a_kill(self, point: Any) -> Any:
        """Look at the registry as the killed process left it, go on, and return the row of the step."""
        type(self).reached.add(f"killed {point[1]} {point[0]}")
        if self.rollback_due:
            type(self).reached.add("killed in a rollback")
        serving = self.office.alias(Alias.CHAMPION)
        open_jobs = {row.job_opened.name for row in self.rows if row.job_opened} - self.rejected
        assert serving == self.champion or (serving == self.previous if self.rollback_due else serving in open_jobs)
        checkpoint = self.office.restart()
        assert checkpoint is not None
        self._start(checkpoint)
        assert checkpoint.rows[: len(self.rows)] == tuple(self.rows)
        return checkpoint.rows[-1] if len(checkpoint.rows) > len(self.rows) else next(self.life)

    @rule()
    def restart(self) -> None:
        self._start(self.office.restart())
        type(self).reached.add("restarted")
        if self.rows and self.rows[-1].signals.job_open:
            type(self).reached.add("restarted with an open job")

    def _follow(self, row: Any, action: Action) -> None:
        told = type(self).reached
        if self.rollback_due:
            self.champion, self.previous = self.previous, self.champion
            self.rollback_due = self.may_roll_back = False
            self.has_rolled_back = True
            assert row.job_ended is None
            told.add("rolled back")
        elif row.job_ended is not None:
            self._end(row.job_ended)
        wanted = action
        if action is not Action.KEEP and row.signals.job_open:
            wanted = Action.KEEP
            told.add("refused: job_open")
        elif action is Action.ROLLBACK and not self.may_roll_back:
            wanted = Action.KEEP
            told.add("refused: no_previous")
        assert row.decision.action is wanted
        self.rollback_due = wanted is Action.ROLLBACK
        told.add({Action.KEEP: "kept", Action.RETRAIN: "asked", Action.ROLLBACK: "rollback asked"}[wanted])
        assert row.champion == self.champion
        assert row.champion not in self.rejected
        if row.signals.job_open and row.job_ended is None:
            told.add("waits")

    def _end(self, job: Any) -> None:
        passed = job.meeting.verdict.passed
        assert passed == (not self.strict[job.meeting.step]) or "evidence" in job.meeting.verdict.failed
        assert (job.status is Status.PROMOTED) == passed
        if passed:
            self.previous, self.champion, self.may_roll_back = self.champion, job.name, True
            type(self).reached.add("promoted after a rollback" if self.has_rolled_back else "promoted")
        else:
            self.rejected.add(job.name)
            type(self).reached.add("rejected")

    @invariant()
    def there_is_one_champion_and_it_is_the_right_one(self) -> None:
        if not hasattr(self, "office"):
            return
        assert self.office.alias(Alias.CHAMPION) == self.champion
        assert self.office.alias(Alias.PREVIOUS_CHAMPION) == self.previous
        jobs = [FIRST_JOB, *(row.job_opened.name for row in self.rows if row.job_opened)]
        assert self.office.registered() == jobs
        assert self.office.alias(Alias.CHALLENGER) == jobs[-1]
        if self.rows:
            cohort = self.office.log.cohorts([self.rows[-1].step])[0]
            answers = self.office.registry.model(jobs.index(self.champion) + 1).probability(cohort.features)
            np.testing.assert_array_equal(cohort.probability, answers)

    def teardown(self) -> None:
        if not hasattr(self, "office"):
            return
        self.office.close()
        calm = MemoryOffice(self.office.world)
        platform = parts_of(calm, self.strict, Fuse())
        life = play(platform, Puppet(self.actions), begin(platform, lambda _: calm.world.scenario.recipe))
        assert [next(life) for _ in self.rows] == self.rows


Told = tuple[Action, bool, tuple[str, str] | None]
ASK, BACK, KEEP = Action.RETRAIN, Action.ROLLBACK, Action.KEEP
KILLS = [(point, moment) for point in POINTS for moment in MOMENTS]
TOUR: list[tuple[Jobs, list[Told]]] = [
    (JOBS[0], [(ASK, False, None), *((ASK, False, kill) for kill in KILLS[:11])]),
    (
        JOBS[0],
        [
            (ASK, False, None),
            *((ASK, False, kill) for kill in KILLS[11:]),
            *((KEEP, False, None), (BACK, False, None), (KEEP, False, (f"move {Alias.CHAMPION}", "before"))),
            *((BACK, False, None), (ASK, False, None), (KEEP, True, None)),
        ],
    ),
    (
        JOBS[0],
        [(ASK, False, None), (BACK, False, None), (BACK, False, None), (ASK, False, None), (KEEP, False, None)],
    ),
    (JOBS[1], [(ASK, False, None), (BACK, False, None), (KEEP, False, None)]),
]
"""Lives that reach every transition: at each point a step is killed before and after."""


def machine_of(office: Callable[[World], Any]) -> type[Lives]:
    return type("Machine", (Lives,), {"office_of": staticmethod(office), "reached": set()})


def tour(office: Callable[[World], Any]) -> set[str]:
    """Play the lives of the tour, a restart after each step, and return the transitions that they reached."""
    kind = machine_of(office)
    for jobs, steps in TOUR:
        lives = kind()
        lives.begin(jobs)
        for action, strict, point in steps:
            lives.step(action, strict, point)
            lives.there_is_one_champion_and_it_is_the_right_one()
            lives.restart()
        lives.teardown()
    return kind.reached


def drive(office: Callable[[World], Any], examples: int, steps: int) -> set[str]:
    """Play as many random lives, and return the transitions that they reached."""
    machine = machine_of(office)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),  # a life is slow to shrink and short to read
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(machine, settings=chosen)
    return machine.reached


def test_any_life_in_memory_has_one_champion_and_no_crash_shows_in_it():
    assert drive(MemoryOffice, 60, 20) | tour(MemoryOffice) == TRANSITIONS


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MlflowOffice, "store", f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.usefixtures("store")
def test_lives_that_reach_every_transition_on_mlflow_have_one_champion_and_no_crash_shows_in_them():
    assert tour(MlflowOffice) == TRANSITIONS


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_any_life_on_mlflow_has_one_champion_and_no_crash_shows_in_it():
    assert drive(MlflowOffice, 30, 20) >= {"promoted", "rejected", "rolled back", "restarted"}


@pytest.mark.slow
def test_many_lives_in_memory():
    assert drive(MemoryOffice, 600, 25) == TRANSITIONS
