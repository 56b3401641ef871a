"""Cells: one world of a comparison, played by every contestant under every gate profile, and judged."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from policies.never import Never
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.records.record import Record
from sim.study.comparison.contestants import ORACLE, Arena, Contestant, play_contestant
from sim.study.comparison.results import Cell, CellIdentity, Judgement, ScoreValue
from sim.study.comparison.steps import PlayedLife, Role, packed_steps
from sim.study.lives.forks import acts
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.scores import money
from sim.study.scores.fresh import fresh_f1, loss_noise
from sim.study.scores.judge import alarm_steps, clause_counts, detection_days, summarise
from sim.study.scores.monthly import monthly
from sim.study.scores.oracle import Plan, Planner, plan, planner
from sim.study.scores.recovery import recovery
from sim.study.scores.regret import ConstraintPrices, beyond_oracle, constraint_prices, learnt_from, needless
from sim.study.scores.response import response
from sim.study.scores.table import Origin, Score
from sim.work_size import LIVES_OF_A_PAST
from sim.world.population import Population
from sim.world.recorded import RecordedPopulation
from sim.world.redrawn import redrawn
from sim.world.world import World

RESAMPLES = tuple(range(1, LIVES_OF_A_PAST))
"""The worlds of a seed of a history beside the past itself: `WorldTask.resample`."""
_OTHER_LUCK = 1_000_000_007  # far from any seed


@dataclass(frozen=True, slots=True)
class WorldTask:
    """What is to be played in one world.

    `resample` tells the worlds of a seed of a history: 0 is the past itself, 1 and 2 a resample of its customers (the
    same for both) under two lucks.
    """

    scenario: Scenario
    seed: int
    contestants: tuple[Contestant, ...]
    profiles: tuple[GateProfile, ...]
    baseline: str
    trials: int
    with_split: bool
    trainings: tuple[TrainingProfile, ...] = ()
    resample: int = 0

    def world(self, population: Population) -> World:
        """Return the world that is meant."""
        if self.resample == 0:
            return World(self.scenario, self.seed, population, kept_steps=None)
        if not isinstance(population, RecordedPopulation):
            raise TypeError("only the customers of a history are drawn again")
        luck = self.seed + _OTHER_LUCK * (self.resample - 1)
        return World(self.scenario, luck, redrawn(population, self.seed), kept_steps=None)


@dataclass(frozen=True, slots=True)
class PlayedWorld:
    """The cells of a world, and the steps of all lives that were played for them, as `packed_steps` gives them."""

    cells: tuple[Cell, ...]
    steps: bytes


def play_world(order: WorldTask, population: Population, cache: ReplayCache) -> PlayedWorld:
    """Play and judge all cells of a world; a cell that fails is a row with its error, and the rest goes on."""
    replay = Replay(order.world(population), order.trials)
    cache.load(replay)
    undrifted = without_drift(replay)
    if undrifted is not None:
        cache.load(undrifted)
    lives: list[PlayedLife] = []
    cells = [cell for profile in order.profiles for cell in _play_profile(order, replay, undrifted, profile, lives)]
    for each in (replay, undrifted):
        if each is not None:
            cache.save(each)
    return PlayedWorld(tuple(cells), packed_steps(lives))


def failed_world(order: WorldTask, error: Exception) -> PlayedWorld:
    """Return what there is of a world that could not be opened: the rows of its cells with the error."""
    cells = (cell for profile in order.profiles for cell in _failed_profile(order, profile, error))
    return PlayedWorld(tuple(cells), packed_steps(()))


def _failed_profile(order: WorldTask, profile: GateProfile, error: Exception) -> list[Cell]:
    return [Cell(_identity(order, profile, contestant), _told(error)) for contestant in order.contestants]


def _play_profile(
    order: WorldTask, replay: Replay, undrifted: Replay | None, profile: GateProfile, lives: list[PlayedLife]
) -> list[Cell]:
    """Play and judge the cells of a gate profile, and add the lives that were played to those of the world."""
    try:
        bench = bench_of(replay, profile, order.trainings, with_split=order.with_split, undrifted=undrifted)
    except Exception as error:  # noqa: BLE001 - the other profiles are still worth having
        return _failed_profile(order, profile, error)
    known: dict[str, Record] = {}
    arena = Arena(replay, profile)
    calm = None if undrifted is None else Arena(undrifted, profile)
    for each in (arena, calm):
        if each is not None:
            each.play_together(order.contestants)
    played = {contestant: _attempt(contestant, arena, known, bench) for contestant in _in_turn(order)}
    lives += _references(bench, replay, profile)
    judge = _Judge(bench, known.get(order.baseline), calm, lives)
    return [_cell(order, profile, contestant, played[contestant], judge) for contestant in order.contestants]


def _references(bench: "Bench", replay: Replay, profile: GateProfile) -> Iterator[PlayedLife]:
    """Yield the lives that all contestants are measured against."""
    yield PlayedLife(bench.never, Role.NEVER, fresh=bench.fresh, noise=bench.noise)
    best = bench.best
    if best.schedule is not None:
        yield PlayedLife(replay.record(best.schedule, profile, ORACLE, known=best.trainings), Role.ORACLE)


def _in_turn(order: WorldTask) -> Sequence[Contestant]:
    """Return the contestants with each coin after those that it may be like."""
    return sorted(order.contestants, key=lambda contestant: contestant.like is not None)


def _attempt(
    contestant: Contestant, arena: Arena, known: dict[str, Record], bench: "Bench"
) -> Record | Exception | None:
    """Return a contestant's record and note it; the error where it failed, and `None` where there is none."""
    try:
        record = play_contestant(contestant, arena, known, bench.best)
    except Exception as error:  # noqa: BLE001 - a failed cell is recorded, and the others are still worth having
        return error
    if record is not None:
        known[contestant.name] = record
    return record


def _cell(
    order: WorldTask,
    profile: GateProfile,
    contestant: Contestant,
    played: Record | Exception | None,
    judge: "_Judge",
) -> Cell:
    identity = _identity(order, profile, contestant)
    if played is None:
        return Cell(identity, missing=judge.bench.best.reason)
    if isinstance(played, Exception):
        return Cell(identity, _told(played))
    try:
        undrifted = _undrifted(contestant, played, judge.calm)
        judgement = judge.judge(played, undrifted, with_needless=not contestant.is_ablation)
    except Exception as error:  # noqa: BLE001 - as above
        return Cell(identity, _told(error))
    return Cell(identity, judgement=judgement)


def _undrifted(contestant: Contestant, record: Record, calm: Arena | None) -> Record | None:
    """Return the record of a contestant in the world without the drift, where it may tell a false alarm."""
    if calm is None or contestant.spec is None or detection_days(record) is None:
        return None
    return calm.play(contestant, contestant.spec)


def without_drift(replay: Replay) -> Replay | None:
    """Return the replay of the same world without its drift, `None` where it has none."""
    scenario = replay.world.scenario
    if scenario.onset_step is None:
        return None
    calm = scenario.model_copy(update={"drift": (), "recipe": replay.beginning.recipe})
    return Replay(World(calm, replay.world.seed, replay.world.population, kept_steps=None))


@dataclass(frozen=True, slots=True)
class Bench:
    """What all contestants of a world are measured against, under one gate profile.

    `by_training` holds what the oracle earns that must learn by one training profile, for each that it may choose.
    """

    best: Plan
    planner: Planner | None
    never: Record
    undrifted: Replay | None
    fresh: Mapping[int, float | None]
    noise: float
    constraints: ConstraintPrices | None
    by_training: Mapping[str, float | None]


def bench_of(
    replay: Replay,
    profile: GateProfile,
    trainings: Sequence[TrainingProfile] = (),
    *,
    with_split: bool = False,
    undrifted: Replay | None = None,
) -> Bench:
    """Return what the lives of a world are measured against; `undrifted` is the same world without its drift.

    The oracle chooses among the `trainings`; it learns by the scenario's profile if there are none.
    """
    scenario = replay.world.scenario
    prices, onset = scenario.prices, scenario.onset_step
    drifted = replay.world.steps[onset:] if onset is not None else range(0)
    asked = tuple(trainings) or (replay.trainings().default,)
    found = planner(replay, profile, prices, asked)
    best = found if isinstance(found, Plan) else found.solve()
    return Bench(
        best=best,
        planner=None if isinstance(found, Plan) else found,
        never=replay.record(Never(), profile, "never"),
        undrifted=undrifted,
        fresh={step: fresh_f1(replay, step) for step in drifted},
        noise=loss_noise(replay, drifted),
        constraints=constraint_prices(replay, profile, prices, asked) if with_split else None,
        by_training={asked[0].name: best.net_value}
        if len(asked) == 1
        else {each.name: plan(replay, profile, prices, (each,)).net_value for each in asked},
    )


@dataclass(slots=True)
class _Judge:
    """Judges the records of one world; settings that acted alike led one life, which is judged once."""

    bench: Bench
    baseline: Record | None
    calm: Arena | None
    lives: list[PlayedLife]
    _judged: dict[Hashable, Judgement] = field(default_factory=dict)

    def judge(self, record: Record, undrifted: Record | None, *, with_needless: bool) -> Judgement:
        """Return what is to be said of a record, and note its life; what its clauses said is its own."""
        false_alarms = None if undrifted is None else alarm_steps(undrifted)
        self.lives.append(PlayedLife(record, false_alarms=false_alarms))
        life = (with_needless, false_alarms, record.training, *(acts(row.decision) for row in record.steps))
        if life not in self._judged:
            self._judged[life] = judged(
                record, self.bench, self.baseline, with_needless=with_needless, undrifted=undrifted
            )
        return replace(self._judged[life], clauses=clause_counts(record))


def judged(
    record: Record, bench: Bench, baseline: Record | None, *, with_needless: bool, undrifted: Record | None = None
) -> Judgement:
    """Return what is to be said of a record; `with_needless` looks for retrainings that it is better off without.

    `undrifted` is the record of the same policy in the world without the drift, which tells detections from false
    alarms.
    """
    beyond = beyond_oracle(record, tuple(bench.by_training))
    scores = {**_scores(record, bench, baseline, bench.best.reason or beyond), **_prices_of(bench.constraints)}
    scores |= response_scores(record, undrifted)
    if with_needless and not beyond and bench.planner is not None:
        found = needless(bench.planner, record)
        scores |= {Score.NEEDLESS_RETRAINS: found.retrains, Score.NEEDLESS_COST: found.cost}
    return Judgement(scores, bench.best.reason or beyond or None, clause_counts(record), monthly(record))


def response_scores(record: Record, undrifted: Record | None) -> dict[Score, ScoreValue | None]:
    """Return the scores that depend on what the same policy did without the drift, as `undrifted` tells."""
    times = response(record, undrifted)
    return {
        Score.DETECTION_DAYS: detection_days(record, undrifted),
        Score.RESPONSE_LABEL_WAIT_DAYS: times.label_wait,
        Score.RESPONSE_TRAINING_DAYS: times.training,
        Score.RESPONSE_VALIDATION_DAYS: times.validation,
        Score.RESPONSE_APPROVAL_DAYS: times.approval,
    }


def _scores(
    record: Record, bench: Bench, baseline: Record | None, regret_missing: str
) -> dict[Score, ScoreValue | None]:
    """Return every score that each record has."""
    summary, recovered = summarise(record), recovery(record, bench.never, bench.fresh, bench.noise)
    estimate, best = summary.roi_estimated, bench.best.net_value
    break_even = money.break_even_retrain_cost(record, baseline, record.scenario.prices) if baseline else None
    return {
        **{score: getattr(summary, score) for score in Score if score.source is Origin.RECORD},
        Score.ROI_ESTIMATED: estimate.value if estimate else None,
        Score.ROI_ESTIMATED_LOW: estimate.low if estimate else None,
        Score.ROI_ESTIMATED_HIGH: estimate.high if estimate else None,
        Score.RECOVERY_GAINED: recovered.gained if recovered else None,
        Score.RECOVERY_ATTAINABLE: recovered.attainable if recovered else None,
        Score.RECOVERY_DAYS: recovered.days if recovered else None,
        Score.DAYS_AFTER_ONSET: _days_after_onset(record),
        Score.REGRET: None if regret_missing or best is None else best - summary.net_value,
        **_regret_parts(record, bench, summary.net_value, is_known=not regret_missing),
        Score.BREAK_EVEN_RETRAIN_COST: break_even,
    }


def _regret_parts(
    record: Record, bench: Bench, net_value: float, *, is_known: bool
) -> dict[Score, ScoreValue | None]:
    """Return the regret in two parts: first *when* is made the best there is, then *on what* as well.

    The first is missing where a record's retrainings learnt by several profiles.
    """
    learnt = set(learnt_from(record).values()) or {record.training}
    own = bench.by_training.get(learnt.pop()) if is_known and len(learnt) == 1 else None
    best = bench.best.net_value
    if own is None or best is None:
        return {Score.REGRET_TIMING: None, Score.REGRET_DATA: None}
    return {Score.REGRET_TIMING: own - net_value, Score.REGRET_DATA: best - own}


def _prices_of(constraints: ConstraintPrices | None) -> dict[Score, ScoreValue | None]:
    """Return what each constraint costs the oracle, nothing where that was not asked for or can't be known."""
    if constraints is None:
        return {}
    return {
        Score.PRICE_OF_GATES: constraints.price_of_gates,
        Score.PRICE_OF_APPROVAL_TIME: constraints.price_of_approval_time,
        Score.PRICE_OF_TRAINING_TIME: constraints.price_of_training_time,
        Score.PRICE_OF_LABEL_DELAY: constraints.price_of_label_delay,
    }


def _days_after_onset(record: Record) -> int | None:
    """Return the days from the onset to the end, at which every time is censored; missing without drift."""
    time, onset = record.scenario.time, record.scenario.onset_step
    return None if onset is None else (time.steps - onset) * time.step_days


def _identity(order: WorldTask, profile: GateProfile, contestant: Contestant) -> CellIdentity:
    return CellIdentity(
        scenario=order.scenario.name,
        gates=profile.name,
        policy=contestant.name,
        of=contestant.of,
        drops=contestant.drops,
        seed=order.seed,
    )


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
