"""The conformance suite for anybody's scenario: what the loop, replay and judge rely on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scenarios.files import parse_scenario, to_toml
from scenarios.injectors import Fault, Injector, RowFault
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.mlops.loop.trainable import check_trainable
from sim.mlops.models.cohort import weights
from sim.mlops.records.log import MemoryLog, usable_steps
from sim.world.label_queue import LabelQueue
from sim.world.population import Population
from sim.world.schema.columns import UNSEEN
from sim.world.world import World

Facts = Mapping[str, Any]
"""What is to be known of one step, by name."""


def check_scenario(scenario: Scenario, population: Population, seeds: Sequence[int] = (1, 2)) -> None:
    """Refuse a scenario that breaks the contract; return quietly for one that keeps it.

    A scenario keeps the contract if

    - its TOML file says all of it;
    - its worlds can be opened, and are large enough for models to be trained and judged in them;
    - the same seed gives the same world, and another seed another one;
    - each batch names its customers once, in order, and shows values that its columns can have;
    - propensities are probabilities, and every customer keeps the structural rules of the population;
    - no injector touches a step before its onset, and none of strength 0 touches anything;
    - each injector changes something that is seen, happens or is told;
    - a quality fault leaves the truth alone (a fault of whole rows decides who is scored, and nothing else);
    - no label arrives before its customer was scored, and the first champion's performance is known before the end.

    Parameters
    ----------
    scenario
        What is checked; its injectors may be of one's own subclasses.
    population
        The population that it is for.
    seeds
        The worlds that are looked at, at least two.

    Raises
    ------
    InputError
        If it does not; the message says what must hold, and what it did.

    Examples
    --------
    >>> from scenarios.files import load_scenario
    >>> from sim.world.population import load_population
    >>> check_scenario(load_scenario("steady"), load_population("twin"))
    """
    name = scenario.name
    if len(seeds) < 2:
        raise InputError(f"a check needs at least two seeds, got {len(seeds)}; give another.")
    if parse_scenario(to_toml(scenario), name) != scenario and not _has_own_injectors(scenario):
        raise InputError(f"a scenario must be what its TOML file says, but {name} is read back as another.")
    worlds = [_world(scenario, seed, population) for seed in seeds]
    check_trainable(worlds[0])
    _check_repeatable(worlds, name)
    for world in worlds:
        for step in (*world.warmup, *world.steps):
            _check_step(world, step)
    for injector in scenario.drift:
        _check_injector(worlds[0], injector)
    _check_labels(worlds[0])


def _world(scenario: Scenario, seed: int, population: Population) -> World:
    return World(scenario, seed, population, kept_steps=None)


def _has_own_injectors(scenario: Scenario) -> bool:
    return any(not type(injector).__module__.startswith("scenarios.injectors.") for injector in scenario.drift)


def _truth(world: World, step: int) -> Facts:
    truth = world.truth(step)
    return {name: getattr(truth, name) for name in truth.__slots__}


def _seen(world: World, step: int) -> Facts:
    batch = world.batch(step)
    return {name: getattr(batch, name) for name in batch.__slots__}


def _told(world: World, step: int) -> Facts:
    events = world.labels(step, np.zeros(len(world.batch(step).holdout), dtype=np.bool_))
    return {name: getattr(events, name) for name in events.__slots__}


def _all_facts(world: World, step: int) -> Facts:
    return {**_truth(world, step), **_seen(world, step), **_told(world, step)}


def _differs(one: Facts, other: Facts) -> bool:
    return any(not _equal(one[name], other[name]) for name in one)


def _equal(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray):
        return bool(one == other)
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _check_repeatable(worlds: Sequence[World], name: str) -> None:
    first = worlds[0]
    again = _world(first.scenario, first.seed, first.population)
    for step in (*first.warmup, *first.steps):
        if _differs(_all_facts(first, step), _all_facts(again, step)):
            raise InputError(
                f"a scenario must give the same world for the same seed, but {name} did not at step {step}."
            )
    if not first.population.is_recorded and all(
        not _differs(_truth(first, step), _truth(worlds[1], step)) for step in first.steps
    ):
        raise InputError(f"a scenario must give another world for another seed, but {name} gave the same.")


def _check_step(world: World, step: int) -> None:
    batch, truth, name = world.batch(step), world.truth(step), f"{world.scenario.name} at step {step}"
    ids = batch.customer_id
    if np.any(ids[1:] <= ids[:-1]):
        raise InputError(f"a batch must name each customer once, in order, but {name} does not.")
    for index, column in enumerate(world.schema.columns):
        values = batch.features[:, index]
        known = values[~np.isnan(values)]
        if column.is_category and not np.isin(known, [UNSEEN, *column.code_of.values()]).all():
            raise InputError(
                f"a batch must show categories of its columns, but {name} shows others in {column.name}."
            )
    if not np.all((truth.propensity >= 0) & (truth.propensity <= 1)):
        raise InputError(f"a propensity must be a probability, but {name} has others.")
    for rule in world.population.structure.broken_rules(truth.features, world.schema):
        raise InputError(f"a customer must keep the structural rules, but in {name} one breaks this: {rule}.")


def _check_injector(world: World, injector: Injector) -> None:
    scenario, told = world.scenario, f"{injector.subject!r} of {world.scenario.name}"
    others = tuple(other for other in scenario.drift if other is not injector)
    without = _changed(world, others)
    touched = [step for step in _steps(world) if _differs(_all_facts(world, step), _all_facts(without, step))]
    if touched and touched[0] < injector.onset_step:
        raise InputError(
            f"an injector must touch nothing before step {injector.onset_step}, its onset, but {told} touches step "
            f"{touched[0]}."
        )
    if not touched:
        raise InputError(f"an injector must change something, but {told} acts on nobody.")
    idle = tuple(_of_no_strength(other) if other is injector else other for other in scenario.drift)
    still = _changed(world, idle)
    for step in _steps(world):
        if _differs(_all_facts(still, step), _all_facts(without, step)):
            raise InputError(f"an injector of strength 0 must change nothing, but {told} changes step {step}.")
    if isinstance(injector, Fault) and not (isinstance(injector, RowFault) and injector.delay_steps):
        for step in _steps(world):
            if _differs(_truth(world, step), _truth(without, step)):
                raise InputError(f"a quality fault must leave the truth alone, but {told} changes it at step {step}.")


def _of_no_strength(injector: Injector) -> Injector:
    return injector.model_copy(update={"strength": 0.0})


def _changed(world: World, drift: Iterable[Injector]) -> World:
    return _world(world.scenario.model_copy(update={"drift": tuple(drift)}), world.seed, world.population)


def _steps(world: World) -> Iterator[int]:
    yield from world.warmup
    yield from world.steps


def _check_labels(world: World) -> None:
    name, log, label_queue = world.scenario.name, MemoryLog(), LabelQueue()
    for step in _steps(world):
        batch = world.batch(step)
        events = world.labels(step, np.zeros(len(batch.holdout), dtype=np.bool_))
        if step >= 0 and np.any(events.arrives_at < batch.scored_at):
            raise InputError(f"a label must not arrive before its customer was scored, but one of {name} does.")
        log.append(batch, None)
        label_queue.send(events)
        log.backfill(label_queue.deliver(max(world.day(step), 0)), 0)
    last = usable_steps(world.scenario, log, world.day(world.steps[-1]))
    scored = [step for step in last if step >= 0]
    if not any(weights(cohort.outcomes, world.scenario.offers).any() for cohort in log.cohorts(scored)):
        raise InputError(
            f"a scenario must last until its first labels count, but no cohort of {name} has any by the end; raise "
            f"time.steps or lower labels.horizon_days."
        )
