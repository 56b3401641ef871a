"""Small lives for tests: scenarios that are drawn, a life played in memory, and what happened in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from policies.decision import Action, Cause, Decision, Policy
from policies.signals import Signals
from scenarios.schema import (
    CategoryDrift,
    ConceptDrift,
    Drift,
    Jobs,
    Labels,
    NumberDrift,
    Offers,
    Prices,
    Recipe,
    Scenario,
    Time,
    Training,
)
from sim.mlops.examiner import Examiner
from sim.mlops.gate_profiles import GateProfile, load_profile
from sim.mlops.jobs import FIRST_JOB, Alias, Job
from sim.mlops.log import MemoryLog
from sim.mlops.loop import found, play
from sim.mlops.monitor import Monitor
from sim.mlops.parts import Parts, State
from sim.mlops.record import Record, StepRow
from sim.mlops.registry import MemoryRegistry
from sim.mlops.trainer import Trainer
from sim.world.population import Population, TablePopulation, load_population
from sim.world.table import Table
from sim.world.telco import SCHEMA
from sim.world.twin import sample
from sim.world.world import LabelEvents, World

CHEAP = Recipe(rounds=6, num_leaves=5, min_child_samples=5, learning_rate=0.3)
TWIN = load_population("twin")
IMPOSSIBLE = replace(load_profile("telco_churn"), name="impossible", accuracy=1.0, precision=1.0)


class DiaryLog(MemoryLog):
    """The memory log, with a diary of the labels that it was brought: (day, events)."""

    def __init__(self) -> None:
        super().__init__()
        self.diary: list[tuple[int, LabelEvents]] = []

    def backfill(self, events: Sequence[LabelEvents], day: int) -> int:
        self.diary += [(day, event) for event in events]
        return super().backfill(events, day)


@dataclass
class DiaryRegistry(MemoryRegistry):
    """The memory registry, with a diary of all aliases after each move."""

    diary: list[dict[Alias, int]] = field(default_factory=list)

    def move(self, alias: Alias, version: int) -> None:
        super().move(alias, version)
        self.diary.append(dict(self.aliases))


@dataclass(frozen=True)
class Life:
    """A life that has been played, and the parts that it was played with."""

    state: State
    rows: tuple[StepRow, ...]
    parts: Parts
    log: DiaryLog
    registry: DiaryRegistry

    @property
    def world(self) -> World:
        return self.parts.world

    @property
    def record(self) -> Record:
        world = self.world
        return Record(
            scenario=world.scenario,
            population=world.population.name,
            seed=world.seed,
            policy="tested",
            policy_toml="",
            gates=self.parts.examiner.profile.name,
            trials=0,
            first=self.state.first,
            steps=self.rows,
        )

    @property
    def retrainings(self) -> tuple[Job, ...]:
        return tuple(job for job in self.record.jobs if job.name != FIRST_JOB)


@dataclass
class Script:
    """A policy that answers with the actions of a list, whatever it sees, and keeps what it saw and heard."""

    actions: Sequence[Action]
    seen: list[Signals] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def decide(self, signals: Signals) -> Decision:
        action = self.actions[len(self.seen)] if len(self.seen) < len(self.actions) else Action.KEEP
        self.seen.append(signals)
        is_keep = action is Action.KEEP
        return Decision(action, "quiet" if is_keep else "script", Cause.NONE if is_keep else Cause.ALARM)

    def deployed(self, version: str) -> None:
        self.heard.append(version)


def script(text: str) -> Script:
    """Return the policy of a text such as "k.r.b".

    It retrains at `r`, recalibrates at `c`, rolls back at `b`, sets the batch apart at `q`, and keeps otherwise.
    """
    actions = {"r": Action.RETRAIN, "c": Action.RECALIBRATE, "b": Action.ROLLBACK, "q": Action.QUARANTINE}
    return Script([actions.get(letter, Action.KEEP) for letter in text])


def parts_of(
    scenario: Scenario, seed: int = 1, population: Population = TWIN, profile: str | GateProfile = "telco_churn"
) -> Parts:
    world, log, registry = World(scenario, seed, population), DiaryLog(), DiaryRegistry()
    gates = load_profile(profile) if isinstance(profile, str) else profile
    return Parts(
        world=world,
        log=log,
        registry=registry,
        trainer=Trainer(world, log),
        examiner=Examiner(world, log, gates),
        monitor=Monitor(world, log, registry),
    )


def live(
    scenario: Scenario,
    policy: Policy,
    seed: int = 1,
    population: Population = TWIN,
    profile: str | GateProfile = "telco_churn",
) -> Life:
    """Play a scenario in memory with its own recipe, without a search."""
    parts = parts_of(scenario, seed, population, profile)
    policy.deployed(FIRST_JOB)
    state = found(parts, lambda _: scenario.recipe)
    rows = tuple(play(parts, policy, state))
    assert isinstance(parts.log, DiaryLog)
    assert isinstance(parts.registry, DiaryRegistry)
    return Life(state, rows, parts, parts.log, parts.registry)


def small(
    steps: int = 8,
    customers: int = 150,
    delay_days: int = 60,
    drift: Sequence[Drift] = (),
    offers: Offers | None = None,
    jobs: Jobs | None = None,
    step_days: int = 30,
    recipe: Recipe = CHEAP,
) -> Scenario:
    """Return a small scenario with a cheap recipe."""
    return Scenario(
        id="small",
        title="Small",
        time=Time(steps=steps, customers=customers, step_days=step_days, warmup_steps=3),
        labels=Labels(delay_days=delay_days, horizon_days=delay_days),
        jobs=jobs or Jobs(),
        offers=offers or Offers(),
        recipe=recipe,
        drift=tuple(drift),
    )


def toy_table(n_rows: int, seed: int = 5) -> Table:
    """Return a table of synthetic customers with outcomes, for worlds that replay one."""
    rng = np.random.default_rng(seed)
    features = sample(rng, n_rows)
    churned = rng.random(n_rows) < TWIN.mechanism.propensity(features)
    return Table(SCHEMA, np.array([f"C{number:05d}" for number in range(n_rows)]), features, churned)


def toy_population(n_rows: int, seed: int = 5) -> TablePopulation:
    return TablePopulation("toy", toy_table(n_rows, seed), TWIN.mechanism)


def telco_population(table: Table) -> TablePopulation:
    """Return the replayed real table (with the shipped mechanism)."""
    return TablePopulation("telco", table, TWIN.mechanism)


def injectors(first_onset: int, last_onset: int) -> st.SearchStrategy[Drift]:
    """Return a strategy for any injector that begins between two steps."""
    when = {
        "onset_step": st.integers(first_onset, last_onset),
        "profile": st.sampled_from(("sudden", "ramp", "blip")),
        "duration_steps": st.integers(1, 4),
        "strength": st.sampled_from((0.5, 1.0)),
    }
    number = st.builds(
        NumberDrift,
        kind=st.just("number"),
        column=st.sampled_from(("MonthlyCharges", "tenure")),
        factor=st.sampled_from((0.5, 1.3, 2.0)),
        **when,
    )
    category = st.builds(
        CategoryDrift,
        kind=st.just("category"),
        column=st.just("Contract"),
        to=st.sampled_from(("Month-to-month", "Two year")),
        share=st.sampled_from((0.3, 0.9)),
        **when,
    )
    concept = st.builds(
        ConceptDrift,
        kind=st.just("concept"),
        shifts=st.sampled_from(({"InternetService=DSL": 2.0}, {"intercept": 1.0}, {"tenure/12": 0.3})),
        hold_base_rate=st.booleans(),
        **when,
    )
    return st.one_of(number, category, concept)


@st.composite
def scenarios(draw: st.DrawFn, *, seen_in_labels: bool | None = None, may_drift: bool = True) -> Scenario:
    """Draw a small scenario of any kind."""
    steps = draw(st.integers(4, 10))
    step_days = draw(st.sampled_from((30, 7, 1)))
    # days beside a step day are where a label could come early or twice
    beside_a_step = st.tuples(st.integers(0, 3), st.sampled_from((0, 1, -1))).map(lambda t: t[0] * step_days + t[1])
    delay_days = max(draw(st.one_of(beside_a_step, st.integers(0, 120))), 0)
    contaminated = draw(st.booleans()) if seen_in_labels is None else seen_in_labels
    return Scenario(
        id="drawn",
        title="Drawn",
        time=Time(
            steps=steps,
            step_days=step_days,
            warmup_steps=draw(st.integers(1, 4)),
            customers=draw(st.integers(60, 200)),
        ),
        labels=Labels(delay_days=delay_days, horizon_days=delay_days + draw(st.sampled_from((0, 0, 1, 40)))),
        jobs=Jobs(train_days=draw(st.sampled_from((0, 1, 30, 45))), approval_days=draw(st.sampled_from((0, 1, 40)))),
        training=Training(recent_cohorts=draw(st.integers(1, 3)), gate_window_steps=draw(st.integers(1, 3))),
        offers=Offers(
            rule=draw(st.sampled_from(("top", "high_risk"))),
            capacity=draw(st.sampled_from((0.0, 0.1, 1.0))),
            seen_in_labels=contaminated,
        ),
        prices=Prices(success_rate=draw(st.sampled_from((0.0, 0.3, 1.0)))),
        recipe=CHEAP.model_copy(update={"threshold_rule": draw(st.sampled_from(("half", "f1", "profit")))}),
        drift=tuple(draw(st.lists(injectors(0, steps - 1), max_size=3))) if may_drift else (),
    )


def profiles() -> st.SearchStrategy[GateProfile]:
    """Return a strategy for gates that let all pass, some, or none."""
    return st.sampled_from((load_profile("none"), load_profile("telco_churn"), IMPOSSIBLE))


def remedies() -> st.SearchStrategy[Script]:
    """Return a strategy for policies that do anything, recalibration and quarantine included."""
    return st.text("rcbqk", min_size=4, max_size=10).map(script)


def scripts() -> st.SearchStrategy[Script]:
    """Return a strategy for policies that retrain, roll back and keep.

    These are the oracle's actions; `remedies` has all.
    """
    actions = (Action.RETRAIN, Action.ROLLBACK, Action.KEEP)
    return st.lists(st.sampled_from(actions), min_size=4, max_size=10).map(Script)
