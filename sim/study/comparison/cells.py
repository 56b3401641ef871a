"""Cells: one world of a comparison, played by every contestant under every gate profile, and judged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from policies.never import Never
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.records.record import Record
from sim.study.comparison.contestants import Contestant, play_contestant
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.scores import money
from sim.study.scores.fresh import fresh_f1
from sim.study.scores.judge import clause_counts, summarise
from sim.study.scores.monthly import monthly, to_text
from sim.study.scores.oracle import Plan, Planner, planner
from sim.study.scores.recovery import recovery
from sim.study.scores.regret import ConstraintPrices, beyond_oracle, constraint_prices, needless
from sim.study.scores.response import response
from sim.world.population import Population
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class WorldTask:
    """What is to be played in one world."""

    scenario: Scenario
    seed: int
    contestants: tuple[Contestant, ...]
    profiles: tuple[GateProfile, ...]
    baseline: str
    trials: int
    with_split: bool


Cell = dict[str, Any]
"""One row of the results: what was played, its scores, or its `error`."""


def play_world(order: WorldTask, population: Population, cache: ReplayCache) -> list[Cell]:
    """Play and judge all cells of a world; a cell that fails is a row with its error, and the rest goes on."""
    replay = Replay(World(order.scenario, order.seed, population, kept_steps=None), order.trials)
    cache.load(replay)
    cells = [cell for profile in order.profiles for cell in _play_profile(order, replay, profile)]
    cache.save(replay)
    return cells


def failed_cells(order: WorldTask, error: Exception) -> list[Cell]:
    """Return the rows of a world that could not be opened."""
    return [cell for profile in order.profiles for cell in _failed_profile(order, profile, error)]


def _failed_profile(order: WorldTask, profile: GateProfile, error: Exception) -> list[Cell]:
    return [{**_identity(order, profile, contestant), "error": _told(error)} for contestant in order.contestants]


def _play_profile(order: WorldTask, replay: Replay, profile: GateProfile) -> list[Cell]:
    try:
        bench = _bench(order, replay, profile)
    except Exception as error:  # noqa: BLE001 - the other profiles are still worth having
        return _failed_profile(order, profile, error)
    known: dict[str, Record] = {}
    played = {contestant: _attempt(contestant, replay, profile, known, bench) for contestant in _in_turn(order)}
    return [_cell(order, profile, contestant, played[contestant], bench, known) for contestant in order.contestants]


def _in_turn(order: WorldTask) -> Sequence[Contestant]:
    """Return the contestants with each coin after those that it may be like."""
    return sorted(order.contestants, key=lambda contestant: contestant.like is not None)


def _attempt(
    contestant: Contestant, replay: Replay, profile: GateProfile, known: dict[str, Record], bench: "_Bench"
) -> Record | Exception | None:
    """Return a contestant's record and note it; the error where it failed, and `None` where there is none."""
    try:
        record = play_contestant(contestant, replay, profile, known, bench.best)
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
    bench: "_Bench",
    known: Mapping[str, Record],
) -> Cell:
    identity = _identity(order, profile, contestant)
    if played is None:
        return {**identity, "error": None, "missing": bench.best.reason}
    if isinstance(played, Exception):
        return {**identity, "error": _told(played)}
    try:
        waste = {} if contestant.is_ablation or beyond_oracle(played) else _waste(played, bench)
        return {**identity, "error": None, **_scores(played, bench, known.get(order.baseline)), **waste}
    except Exception as error:  # noqa: BLE001 - as above
        return {**identity, "error": _told(error)}


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all contestants of a world are measured against, under one gate profile."""

    best: Plan
    planner: Planner | None
    never: Record
    fresh: Mapping[int, float | None]
    constraints: ConstraintPrices | None


def _bench(order: WorldTask, replay: Replay, profile: GateProfile) -> _Bench:
    prices, onset = order.scenario.prices, order.scenario.onset_step
    drifted = replay.world.steps[onset:] if onset is not None else range(0)
    found = planner(replay, profile, prices)
    return _Bench(
        best=found if isinstance(found, Plan) else found.solve(),
        planner=None if isinstance(found, Plan) else found,
        never=replay.record(Never(), profile, "never"),
        fresh={step: fresh_f1(replay, step) for step in drifted},
        constraints=constraint_prices(replay, profile, prices) if order.with_split else None,
    )


def _scores(record: Record, bench: _Bench, baseline: Record | None) -> dict[str, Any]:
    """Return every score of a record as plain values."""
    prices = record.scenario.prices
    summary = asdict(summarise(record))
    estimate = summary.pop("roi_estimated") or {}
    recovered = recovery(record, bench.never, bench.fresh)
    missing, best = bench.best.reason or beyond_oracle(record), bench.best.net_value
    break_even = money.break_even_retrain_cost(record, baseline, prices) if baseline else None
    return {
        **summary,
        "roi_estimated": estimate.get("value"),
        "roi_estimated_low": estimate.get("low"),
        "roi_estimated_high": estimate.get("high"),
        "recovery_gained": recovered.gained if recovered else None,
        "recovery_attainable": recovered.attainable if recovered else None,
        "recovery_days": recovered.days if recovered else None,
        "days_after_onset": _days_after_onset(record),
        **{f"response_{part}_days": days for part, days in asdict(response(record)).items() if part != "detection"},
        "regret_missing": missing or None,
        "regret": None if missing or best is None else best - summary["net_value"],
        "break_even_retrain_cost": break_even,
        "clauses": json.dumps([asdict(count) for count in clause_counts(record)]),
        "monthly": to_text(monthly(record)),
        **(asdict(bench.constraints) if bench.constraints else {}),
    }


def _days_after_onset(record: Record) -> int | None:
    """Return the days from the onset to the end, at which every time is censored; missing without drift."""
    time, onset = record.scenario.time, record.scenario.onset_step
    return None if onset is None else (time.steps - onset) * time.step_days


def _waste(record: Record, bench: _Bench) -> dict[str, Any]:
    if bench.planner is None:
        return {}
    found = needless(bench.planner, record)
    return {"needless_retrains": found.retrains, "needless_cost": found.cost}


def _identity(order: WorldTask, profile: GateProfile, contestant: Contestant) -> Cell:
    return {
        "scenario": order.scenario.name,
        "gates": profile.name,
        "policy": contestant.name,
        "of": contestant.of,
        "drops": contestant.drops,
        "seed": order.seed,
    }


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
