"""CARA's offline part: the best level of each of its strategies, from the staleness of models in a known past.

Mahadevan and Mathioudakis, Cost-aware retraining for machine learning (Knowledge-Based Systems 293, 2024). Time is
steps 0 to n - 1. `staleness[s][t]` is what it costs at step t to be served by the model of step s <= t, in money; at
step 0 there is a model that costs no retraining. A retraining at step t serves from step t on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import fsum

from policies.decision import Cause
from sim.errors import InputError, did_you_mean
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.jobs import Deployed, Job
from sim.study.replay.replay import Replay, ReplayPlatform
from sim.study.scores.money import offer_value

Staleness = Sequence[Sequence[float]]
"""n rows of n numbers; only those with s <= t are read."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The best level of a strategy, the steps at which it retrains, and what it costs in all.

    A level is money for `threshold` and `cumulative`, and steps for `periodic`.
    """

    strategy: str
    level: float
    steps: tuple[int, ...]
    cost: float


def staleness_of(replay: Replay) -> Staleness:
    """Return what staleness costs in a replayed world, in money of its prices.

    The model of a step is trained on the labels visible then, that of step 0 is the first champion. Its staleness at
    a later step is what the offers of the model of that step are worth more than its own, in expectation; it is below
    0 where the older model is the better one. Nothing passes gates, as in the paper.

    Raises
    ------
    InputError
        If labels depend on what was served: then no model is known by its step alone.
    """
    if replay.has_feedback:
        raise InputError(
            "a level can only be fitted where labels do not depend on what was served; play it as a policy instead."
        )
    world, first = replay.world, replay.state(load_profile("none")).champion
    life = ReplayPlatform(replay, load_profile("none"))
    models = [first]
    for step in world.steps:
        life.serve(step, first)
        life.receive(world.day(step))
        if step > 0:
            job = life.train(Job(f"model-{step}", step, world.day(step), Cause.SCHEDULE, "staleness"), first)
            models.append(replace(first, job=job.name, version=job.version))
    worth = [[_worth(life, model, step) for step in world.steps] for model in models]
    return [[worth[now][now] - own[now] for now in world.steps] for own in worth]


def _worth(life: ReplayPlatform, model: Deployed, step: int) -> float:
    return offer_value(life.settle(life.would_serve(step, model)), life.world.scenario.prices)


def total_cost(staleness: Staleness, retrain_cost: float, steps: Sequence[int]) -> float:
    """Return the cost of retraining at these steps: staleness of whatever serves, and a price for each retraining.

    >>> total_cost([[0, 5, 9], [0, 0, 3], [0, 0, 0]], retrain_cost=4, steps=[1])
    7.0
    """
    served, parts = 0, [retrain_cost * len(steps)]
    for step in range(len(staleness)):
        served = step if step in steps else served
        parts.append(staleness[served][step])
    return fsum(parts)


def best_schedule(staleness: Staleness, retrain_cost: float) -> Fit:
    """Return the oracle of this problem by dynamic programming: no strategy costs less.

    >>> best_schedule([[0, 5, 9], [0, 0, 3], [0, 0, 0]], retrain_cost=4).steps
    (1,)
    """
    n_steps = len(staleness)
    ahead: list[tuple[float, tuple[int, ...]]] = [(0.0, ())] * (n_steps + 1)
    for start in reversed(range(n_steps)):  # the model of `start` serves until the next retraining
        options = []
        for end in range(start + 1, n_steps + 1):
            kept = fsum(staleness[start][start:end])
            price = retrain_cost if end < n_steps else 0.0
            later, steps = ahead[end]
            options.append((kept + price + later, (end, *steps) if end < n_steps else ()))
        ahead[start] = min(options)
    cost, steps = ahead[0]
    return Fit("oracle", 0.0, steps, cost)


def fit_cara(strategy: str, staleness: Staleness, retrain_cost: float) -> Fit:
    """Return the level of a strategy that would have cost least; of equal ones the one that retrains least.

    Every level that can make a difference is tried: the staleness costs themselves, their sums, or the periods.

    Raises
    ------
    InputError
        If there is no such strategy, or no step.

    Examples
    --------
    >>> fit_cara("threshold", [[0, 5, 9], [0, 0, 3], [0, 0, 0]], retrain_cost=4)
    Fit(strategy='threshold', level=3, steps=(1,), cost=7.0)
    """
    if strategy not in _STRATEGIES:
        hint = did_you_mean(strategy, _STRATEGIES)
        raise InputError(f"a strategy must be one of {', '.join(_STRATEGIES)}, got {strategy!r}.{hint}")
    if len(staleness) == 0:
        raise InputError(
            "the past that a level is fitted to must have at least one step, got none; give a longer one."
        )
    levels, steps_at = _STRATEGIES[strategy]
    fits = []
    for level in levels(staleness):
        steps = steps_at(staleness, level)
        fits.append(Fit(strategy, level, steps, total_cost(staleness, retrain_cost, steps)))
    return min(fits, key=lambda fit: (fit.cost, len(fit.steps), -fit.level))


def _threshold_steps(staleness: Staleness, level: float) -> tuple[int, ...]:
    """Return when today's staleness costs more than the level."""
    served, steps = 0, []
    for step in range(len(staleness)):
        if staleness[served][step] > level:
            steps.append(step)
            served = step
    return tuple(steps)


def _cumulative_steps(staleness: Staleness, level: float) -> tuple[int, ...]:
    """Return when the staleness since the last retraining has cost more than the level."""
    served, lost, steps = 0, 0.0, []
    for step in range(len(staleness)):
        lost += staleness[served][step]
        if lost > level:
            steps.append(step)
            served, lost = step, 0.0
    return tuple(steps)


def _periodic_steps(staleness: Staleness, level: float) -> tuple[int, ...]:
    return tuple(range(int(level), len(staleness), int(level)))


def _costs(staleness: Staleness) -> list[float]:
    return sorted({0.0, *(value for at, row in enumerate(staleness) for value in row[at:])})


def _sums(staleness: Staleness) -> list[float]:
    """Return the sums that can be reached: from step 0, or from the step after a retraining; added up in order."""
    sums = {0.0, *accumulate(staleness[0])}
    for start, row in enumerate(staleness):
        sums.update(accumulate(row[start + 1 :]))
    return sorted(sums)


def _periods(staleness: Staleness) -> list[float]:
    return [float(period) for period in range(1, len(staleness) + 1)]


_STRATEGIES: dict[str, tuple[Callable[[Staleness], list[float]], Callable[[Staleness, float], tuple[int, ...]]]] = {
    "threshold": (_costs, _threshold_steps),
    "cumulative": (_sums, _cumulative_steps),
    "periodic": (_periods, _periodic_steps),
}
