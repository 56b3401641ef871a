"""Small lives for tests: scenarios that are drawn, a life played in memory, and what happened in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from policies.decision import Action, Cause, Decision, Policy
from policies.signals import Signals
from scenarios.injectors import (
    CategoryDrift,
    ConceptDrift,
    Drift,
    DroppedFault,
    DuplicateFault,
    LateFault,
    MislabelFault,
    MixDrift,
    NullFault,
    NumberDrift,
    PriorDrift,
    RenameFault,
    StuckFault,
    SwapFault,
    TextFault,
    UnitFault,
)
from scenarios.schema import Jobs, Labels, Offers, Prices, Recipe, Scenario, Time, Training
from sim.errors import InputError
from sim.mlops.gates.profiles import GateProfile, load_profile
from sim.mlops.loop.change_finder import change_finder
from sim.mlops.loop.life import begin, play
from sim.mlops.loop.monitor import Monitor
from sim.mlops.loop.platform import LocalPlatform, State
from sim.mlops.loop.trainable import check_trainable
from sim.mlops.loop.trainer import Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.records.jobs import FIRST_JOB, Alias, Job
from sim.mlops.records.log import MemoryLog
from sim.mlops.records.record import Record, StepRow
from sim.mlops.records.registry import MemoryRegistry
from sim.world.labels import LabelEvents
from sim.world.population import Population, TablePopulation, TwinPopulation, load_population
from sim.world.schema.table import Table
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import sample
from sim.world.world import World

CHEAP = Recipe(rounds=6, num_leaves=5, min_child_samples=5, learning_rate=0.3)
TWIN = cast(TwinPopulation, load_population("twin"))
ANCHORED = replace(
    load_profile("do_no_harm"), name="anchored", enforced=("non_inferiority", "f1_against_best"), f1_against_best=0.03
)
"""Gates that ask for the best champion so far, and leave much open on a small holdout."""
IMPOSSIBLE = replace(load_profile("telco_churn"), name="impossible", accuracy=1.0, precision=1.0)


class DiaryLog(MemoryLog):
    """The memory log, with a diary of the labels that it was brought: (day, events)."""

    def __init__(self) -> None:
        super().__init__()
        self.diary: list[tuple[int, LabelEvents]] = []

    def backfill(self, events: Iterable[LabelEvents], day: int) -> int:
        brought = list(events)
        self.diary += [(day, event) for event in brought]
        return super().backfill(brought, day)


@dataclass
class DiaryRegistry(MemoryRegistry):
    """The memory registry, with a diary of all aliases after each move."""

    diary: list[dict[Alias, int]] = field(default_factory=list)

    def move(self, alias: Alias, version: int) -> None:
        super().move(alias, version)
        self.diary.append(dict(self.aliases))


@dataclass(frozen=True)
class Life:
    """A life that has been played, and the platform that it was played with."""

    state: State
    rows: tuple[StepRow, ...]
    platform: LocalPlatform
    log: DiaryLog
    registry: DiaryRegistry

    @property
    def world(self) -> World:
        return self.platform.world

    @property
    def record(self) -> Record:
        world = self.world
        return Record(
            scenario=world.scenario,
            population=world.population.name,
            seed=world.seed,
            policy="tested",
            policy_toml="",
            gates=self.platform.validator.profile.name,
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
) -> LocalPlatform:
    world, log, registry = World(scenario, seed, population), DiaryLog(), DiaryRegistry()
    gates = load_profile(profile) if isinstance(profile, str) else profile
    return LocalPlatform(
        world=world,
        log=log,
        registry=registry,
        trainer=Trainer(world, log, change_finder(world, log, registry)),
        validator=Validator(world, log, gates),
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
    platform = parts_of(scenario, seed, population, profile)
    policy.deployed(FIRST_JOB)
    state = begin(platform, lambda _: scenario.recipe)
    rows = tuple(play(platform, policy, state))
    assert isinstance(platform.log, DiaryLog)
    assert isinstance(platform.registry, DiaryRegistry)
    return Life(state, rows, platform, platform.log, platform.registry)


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


CATEGORIES = st.sampled_from((("Contract", "Month-to-month"), ("Contract", "Two year"), ("TechSupport", "Yes")))
SEGMENTS = st.sampled_from(("", "InternetService=DSL", "Contract=Two year & tenure/12"))


def injectors(first_onset: int, last_onset: int) -> st.SearchStrategy[Drift]:
    """Return a strategy for any injector that begins between two steps."""
    when = {
        "onset_step": st.integers(first_onset, last_onset),
        "profile": st.sampled_from(("sudden", "ramp", "gradual", "recurring", "blip")),
        "duration_steps": st.integers(1, 3),
        "period_steps": st.integers(4, 5),
        "strength": st.sampled_from((0.5, 1.0)),
    }
    share = st.sampled_from((0.3, 0.8))
    tilt = st.sampled_from(
        ({"tenure/12": -0.1}, {"InternetService=DSL": 0.3})
    )  # any three can be had of a small table
    values = {**when, "share": share, "where": SEGMENTS}

    def some(kind: type[Any], name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(kind, kind=st.just(name), **fields)

    number = st.sampled_from(("MonthlyCharges", "tenure"))
    factor = st.sampled_from((0.5, 1.3, 2.0))
    covariate = st.one_of(
        some(NumberDrift, "number", column=number, factor=factor, **when),
        CATEGORIES.flatmap(
            lambda move: some(
                CategoryDrift, "category", column=st.just(move[0]), to=st.just(move[1]), share=share, **when
            )
        ),
        some(MixDrift, "mix", tilt=tilt, **when),
    )
    shifts = st.sampled_from(({"InternetService=DSL": 2.0}, {"intercept": 1.0}, {"tenure/12": 0.3}))
    mechanism = st.one_of(
        some(ConceptDrift, "concept", shifts=shifts, hold_base_rate=st.booleans(), **when),
        some(PriorDrift, "prior", base_rate=st.sampled_from((0.1, 0.5)), **when),
    )
    renamed = {"column": st.just("Contract"), "category": st.just("One year")}
    pairs = st.sampled_from((("tenure", "MonthlyCharges"), ("Partner", "Contract"), ("tenure", "Partner")))
    fault = st.one_of(
        some(NullFault, "nulls", columns=st.just(("tenure", "Contract")), **values),
        some(UnitFault, "unit", column=number, factor=st.just(100.0), **values),
        some(RenameFault, "rename", to=st.sampled_from(("Two year", "24 months")), **renamed, **values),
        some(StuckFault, "stuck", column=number, value=st.just("12"), **values),
        some(TextFault, "text", columns=st.just(("MonthlyCharges",)), style=st.just("currency"), **values),
        some(SwapFault, "swap", columns=pairs, **values),
        some(DuplicateFault, "duplicates", share=share, **when),
        some(DroppedFault, "dropped", share=share, **when),
        some(LateFault, "late", share=share, late_steps=st.integers(1, 2), **when),
        some(MislabelFault, "mislabelled", share=share, of=st.sampled_from(("all", "churners", "stayers")), **when),
    )
    missing_batch = some(
        DroppedFault, "dropped", onset_step=when["onset_step"], profile=st.just("blip"), duration_steps=st.just(1)
    )
    return st.one_of(covariate, mechanism, fault, missing_batch)


@st.composite
def labels(draw: st.DrawFn, step_days: int) -> Labels:
    """Draw when labels arrive, and which cohorts count."""
    # days beside a step day are where a label could come early or twice
    beside_a_step = st.tuples(st.integers(0, 3), st.sampled_from((0, 1, -1))).map(lambda t: t[0] * step_days + t[1])
    delay_days = max(draw(st.one_of(beside_a_step, st.integers(0, 120))), 0)
    return Labels(
        delay=draw(st.sampled_from(("fixed", "fixed", "churners_early", "long_tailed"))),
        delay_days=delay_days,
        horizon_days=delay_days + draw(st.sampled_from((0, 0, 1, 40))),
        never_share=draw(st.sampled_from((0.0, 0.0, 0.3))),
        correction_share=draw(st.sampled_from((0.0, 0.0, 0.4))),
        correction_days=draw(st.sampled_from((1, 30, 45))),
        cohorts=draw(st.sampled_from(("complete", "complete", "naive"))),
    )


def drifts(first_onset: int, last_onset: int, max_size: int, min_size: int = 0) -> st.SearchStrategy[list[Drift]]:
    """Return a strategy for injectors that may stand in one scenario."""
    return st.lists(injectors(first_onset, last_onset), min_size=min_size, max_size=max_size, unique_by=_lot)


def _lot(injector: Drift) -> object:
    """Return what must differ between two injectors of one world."""
    return (injector.known_as(), injector.subject, injector.onset_step) if injector.draws_lots else id(injector)


def is_playable(scenario: Scenario) -> bool:
    """Whether the worlds of a scenario are large enough for models to be trained in them, whatever the seed."""
    fewer = scenario.time.model_copy(update={"customers": scenario.time.customers // 2})
    try:
        check_trainable(World(scenario.model_copy(update={"time": fewer}), 1, TWIN))
    except InputError:
        return False
    return True


@st.composite
def scenarios(draw: st.DrawFn, *, may_feed_back: bool = True, may_drift: bool = True) -> Scenario:
    """Draw a small scenario of any kind."""
    steps = draw(st.integers(4, 10))
    step_days = draw(st.sampled_from((30, 7, 1)))
    rules: tuple[Literal["top", "high_risk"], ...] = ("top", "high_risk")
    rule = draw(st.sampled_from(rules))
    weighted = ("weighted",) if may_feed_back and rule == "top" else ()
    drift = draw(drifts(0, steps - 1, max_size=3)) if may_drift else []
    scenario = Scenario(
        id="drawn",
        title="Drawn",
        time=Time(
            steps=steps,
            step_days=step_days,
            warmup_steps=draw(st.integers(1, 4)),
            customers=draw(st.integers(80, 200)),
            customers_spread=draw(st.sampled_from((0.0, 0.3))),
        ),
        labels=draw(labels(step_days)),
        jobs=Jobs(train_days=draw(st.sampled_from((0, 1, 30, 45))), approval_days=draw(st.sampled_from((0, 1, 40)))),
        training=Training(recent_cohorts=draw(st.integers(1, 3)), gate_window_steps=draw(st.integers(1, 3))),
        offers=Offers(
            rule=rule,
            capacity=draw(st.sampled_from((0.0, 0.1, 1.0))),
            held_out_share=draw(st.sampled_from((0.05, 0.25))),
            seen_in_labels=may_feed_back and draw(st.booleans()),
            learn_from=draw(st.sampled_from(("all", "held_out", *weighted))),
        ),
        prices=Prices(success_rate=draw(st.sampled_from((0.0, 0.3, 1.0)))),
        recipe=CHEAP.model_copy(update={"threshold_rule": draw(st.sampled_from(("half", "f1", "profit")))}),
        drift=tuple(drift),
    )
    assume(is_playable(scenario))
    return scenario


def plain(scenario: Scenario) -> Scenario:
    """Return a scenario whose labels all arrive once, on one day, and all count."""
    fixed = Labels(delay_days=scenario.labels.delay_days, horizon_days=scenario.labels.horizon_days)
    offers = scenario.offers.model_copy(update={"learn_from": "all"})
    drift = tuple(injector for injector in scenario.drift if not isinstance(injector, MislabelFault))
    return scenario.model_copy(update={"labels": fixed, "offers": offers, "drift": drift})


def profiles() -> st.SearchStrategy[GateProfile]:
    """Return a strategy for gates that let all pass, some, or none."""
    return st.sampled_from((load_profile("none"), load_profile("telco_churn"), IMPOSSIBLE, ANCHORED))


def remedies() -> st.SearchStrategy[Script]:
    """Return a strategy for policies that do anything, recalibration and quarantine included."""
    return st.text("rcbqk", min_size=4, max_size=10).map(script)


def scripts() -> st.SearchStrategy[Script]:
    """Return a strategy for policies that retrain, roll back and keep.

    These are the oracle's actions; `remedies` has all.
    """
    actions = (Action.RETRAIN, Action.ROLLBACK, Action.KEEP)
    return st.lists(st.sampled_from(actions), min_size=4, max_size=10).map(Script)
