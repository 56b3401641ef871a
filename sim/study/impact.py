"""Impact: measure what a scenario does to a model that is never retrained."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

from policies.never import Never
from policies.signals import CATALOGUE
from scenarios.impacts import Impact, ImpactMean, digest_of
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.record import StepRow
from sim.study.inference.contests import mean_interval
from sim.study.replay.replay import Replay
from sim.study.scores.fresh import fresh_f1
from sim.study.scores.judge import expected_f1
from sim.world.population import Population
from sim.world.world import World

PSI_ALARM = 0.25
_LATE_STEPS = 6
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class _Sitting:
    """What one seed tells."""

    before: float
    fresh: float
    at_work: float | None
    late: float | None
    calm: float | None
    psi_alarms: float
    signals: dict[str, tuple[float | None, float | None]]


def measure_impact(scenario: Scenario, population: Population, seeds: Sequence[int]) -> Impact:
    """Return what a scenario does to a model that is never retrained, measured over the worlds of some seeds."""
    sittings = [_sit(scenario, population, seed) for seed in seeds]
    signals = {name: _pair([sitting.signals[name] for sitting in sittings]) for name in CATALOGUE}
    return Impact(
        digest=digest_of(scenario),
        population=population.name,
        seeds=len(seeds),
        before=_span([sitting.before for sitting in sittings]) or ImpactMean(0.0),
        fresh=_span([sitting.fresh for sitting in sittings]) or ImpactMean(0.0),
        at_work=_span([sitting.at_work for sitting in sittings]),
        late=_span([sitting.late for sitting in sittings]),
        calm=_span([sitting.calm for sitting in sittings]),
        loss=_span([1 - each.late / each.calm for each in sittings if each.late is not None and each.calm]),
        psi_alarms=round(_mean(sitting.psi_alarms for sitting in sittings) or 0.0, _DIGITS),
        signals={name: pair for name, pair in signals.items() if pair != (None, None)},
    )


def steps_at_work(scenario: Scenario) -> list[int]:
    """Return the scored steps in which any injector acts."""
    return [
        step
        for step in range(scenario.time.steps)
        if any(injector.intensity(step) * injector.reach(step) for injector in scenario.drift)
    ]


def _sit(scenario: Scenario, population: Population, seed: int) -> _Sitting:
    replay = Replay(World(scenario, seed, population, kept_steps=None))
    rows = _never(replay)
    onset = scenario.onset_step
    at_work = [rows[step] for step in steps_at_work(scenario)]
    before = [row for row in rows if onset is None or row.step < onset]
    late = at_work[-_LATE_STEPS:] or before[-_LATE_STEPS:]
    calm = [row.signals.psi_max for row in before if row.signals.psi_max is not None]
    return _Sitting(
        before=_f1(before) or 0.0,
        fresh=_mean(fresh_f1(replay, row.step) for row in late) or 0.0,
        at_work=_f1(at_work),
        late=_f1(at_work[-_LATE_STEPS:]),
        calm=_calm_f1(scenario, population, seed, [row.step for row in at_work[-_LATE_STEPS:]]),
        psi_alarms=sum(psi > PSI_ALARM for psi in calm) / max(len(calm), 1),
        signals={name: (_signal(before, name), _signal(at_work, name)) for name in CATALOGUE},
    )


def _never(replay: Replay) -> tuple[StepRow, ...]:
    return replay.record(Never(), load_profile("none"), "never").steps


def _calm_f1(scenario: Scenario, population: Population, seed: int, steps: Sequence[int]) -> float | None:
    """Return the stale model's F1 in some steps if nothing were injected; missing for no steps."""
    if not steps:
        return None
    calm = _never(Replay(World(scenario.model_copy(update={"drift": ()}), seed, population, kept_steps=None)))
    return _f1(calm[step] for step in steps)


def _f1(rows: Iterable[StepRow]) -> float | None:
    return _mean(expected_f1(row.tally) for row in rows)


def _signal(rows: Iterable[StepRow], name: str) -> float | None:
    return _mean(row.signals.scalars()[name] for row in rows)


def _pair(pairs: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    before, at_work = (_mean(pair[index] for pair in pairs) for index in (0, 1))
    return _rounded(before), _rounded(at_work)


def _span(values: Sequence[float | None]) -> ImpactMean | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    interval = mean_interval(known)
    mean = round(fsum(known) / len(known), _DIGITS)
    return (
        ImpactMean(mean, round(interval.low, _DIGITS), round(interval.high, _DIGITS))
        if interval
        else ImpactMean(mean)
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
