"""CARA offline: levels and costs worked by hand, and never below the oracle."""

from itertools import chain, combinations
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lives import TWIN, script, small

from policies.cara import STRATEGIES, Cara
from policies.catalogue import load_policy
from policies.decision import Action
from policies.signals import Signals
from scenarios.injectors import ConceptDrift
from scenarios.schema import Offers, Prices
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.study.cara import best_schedule, fit_cara, staleness_of, total_cost
from sim.study.replay.replay import Replay
from sim.study.scores.money import offer_value
from sim.world.world import World

# a shift at step 2 costs the first model 6 a step, a second one at step 4 costs all older ones 6 more
SHIFTS = [[0 if t < 2 else 6 if t < 4 or s >= 2 else 12 for t in range(6)] for s in range(2)]
SHIFTS += [[0 if t < 4 else 6 for t in range(6)] for _ in range(2)]
SHIFTS += [[0] * 6 for _ in range(2)]
# every model grows stale by 2 a step
SLOW = [[max(2 * (t - s), 0) for t in range(7)] for s in range(7)]


def test_two_shifts_by_hand():
    # never: 0 + 0 + 6 + 6 + 12 + 12 = 36; at 2 and 4: two retrainings and nothing else
    assert total_cost(SHIFTS, 5, []) == 36
    assert total_cost(SHIFTS, 5, [2]) == 5 + 12
    assert total_cost(SHIFTS, 5, [2, 4]) == 10
    assert best_schedule(SHIFTS, 5).steps == (2, 4)
    threshold = fit_cara("threshold", SHIFTS, 5)
    assert (threshold.steps, threshold.cost, threshold.level) == ((2, 4), 10, 0)
    assert fit_cara("cumulative", SHIFTS, 5).cost == 10
    assert fit_cara("periodic", SHIFTS, 5).steps == (2, 4)


def test_dear_retrainings_are_left_out():
    # one retraining at 4 costs 20 + 12; at 2: 20 + 12; none: 36
    assert best_schedule(SHIFTS, 20).cost == 32
    assert best_schedule(SHIFTS, 40).steps == ()
    assert fit_cara("threshold", SHIFTS, 40).steps == ()
    # above 6 and not above 12: it waits for the second shift
    assert fit_cara("threshold", SHIFTS, 20).steps in ((2,), (4,))
    assert fit_cara("threshold", SHIFTS, 20).cost == 32


def test_slow_staleness_by_hand():
    # without a retraining 0 + 2 + ... + 12 = 42; at 3 (0 + 2 + 4) + 7 + (0 + 2 + 4 + 6) = 25; at 4 it is the same;
    # at 2 and 5 (2) + 14 + (2 + 4) + (2) = 24, and so are 3 and 5
    assert total_cost(SLOW, 7, [3]) == 25
    assert total_cost(SLOW, 7, [2, 5]) == 24
    assert best_schedule(SLOW, 7).cost == 24
    # every second step: 2 + 7 + 2 + 7 + 2 + 7 + 0; every third: 6 + 7 + 6 + 7 + 0; every fourth: 12 + 7 + 6
    assert fit_cara("periodic", SLOW, 7).cost == 25
    # above 2, that is at a staleness of 4: steps 2, 4, 6; above 4, at 6: steps 3 and 6; above 6, at 8: step 4
    assert fit_cara("threshold", SLOW, 7).cost == 25
    # a sum above 2 is reached with 2 + 4, at steps 2, 4 and 6; above 6 with 2 + 4 + 6, at steps 3 and 6
    assert fit_cara("cumulative", SLOW, 7).cost == 25


matrices = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)
)


@given(matrices, st.integers(0, 12))
def test_the_oracle_is_the_best_of_all_schedules_and_no_strategy_beats_it(staleness, retrain_cost):
    steps = range(1, len(staleness))
    every = chain.from_iterable(combinations(steps, n) for n in range(len(staleness)))
    best = best_schedule(staleness, retrain_cost)
    assert best.cost == min(total_cost(staleness, retrain_cost, each) for each in every)
    assert total_cost(staleness, retrain_cost, best.steps) == best.cost
    for strategy in STRATEGIES:
        found = fit_cara(strategy, staleness, retrain_cost)
        assert found.cost >= best.cost
        assert found.cost == total_cost(staleness, retrain_cost, found.steps)
        assert found.cost <= total_cost(staleness, retrain_cost, [])


def test_a_sum_begins_with_the_step_after_a_retraining():
    # 1 + 7 at step 1 is above the level, and 5 of the model of step 1 at step 2 is not; it costs 1 + 3 + 4 + 5
    fit = fit_cara("cumulative", [[1, 7, 9], [9, 4, 5], [7, 9, 4]], 3)
    assert 5 <= fit.level < 8
    assert (fit.steps, fit.cost) == ((1,), 13)


def reachable(strategy, staleness, step=0, served=0, lost=0.0, low=0.0, high=inf):
    """Yield the schedules of all levels from `low` to below `high`, by both answers of every step."""
    if step == len(staleness):
        yield ()
        return
    cost = staleness[served][step] + (lost if strategy == "cumulative" else 0)
    if low < cost:
        for later in reachable(strategy, staleness, step + 1, step, 0.0, low, min(high, cost)):
            yield (step, *later)
    if max(low, cost) < high:
        yield from reachable(strategy, staleness, step + 1, served, cost, max(low, cost), high)


def tenths(staleness):
    """Return numbers whose sums depend on their order."""
    return [[value / 10 for value in row] for row in staleness]


@given(matrices | matrices.map(tenths), st.integers(0, 12), st.sampled_from(["threshold", "cumulative"]))
@example([[1, 7, 9], [9, 4, 5], [7, 9, 4]], 3, "cumulative")
@example([[5, 3], [0, 0]], 1, "cumulative")
def test_every_level_that_can_make_a_difference_is_tried(staleness, retrain_cost, strategy):
    best = min(total_cost(staleness, retrain_cost, steps) for steps in reachable(strategy, staleness))
    assert fit_cara(strategy, staleness, retrain_cost).cost == best


def played(strategy, level, staleness):
    """Return when the policy asks, where a retraining serves in the same step; a step lasts a day."""
    policy, served, steps = Cara(strategy, level, loss_per_point=1), 0, []
    for step in range(len(staleness)):
        signals = Signals(step=step, day=step, job_open=False, f1_drop=staleness[served][step])
        if policy.decide(signals).action is Action.RETRAIN:
            served = step
            steps.append(step)
    return tuple(steps)


@given(matrices | matrices.map(tenths), st.integers(0, 12), st.sampled_from(STRATEGIES))
def test_the_policy_does_with_a_level_what_was_found_for_it(staleness, retrain_cost, strategy):
    fit = fit_cara(strategy, staleness, retrain_cost)
    assert played(strategy, fit.level, staleness) == fit.steps


def orderly(rows):
    """Return staleness of models that cost nothing when fresh, and at no step more than an older one."""
    steps = range(len(rows))
    return [[sum(rows[u][t] for u in range(s, t)) for t in steps] for s in steps]


@given(matrices.map(orderly), st.integers(0, 30))
def test_the_cumulative_strategy_pays_at_most_twice_what_hindsight_pays(staleness, price):
    """Ski rental: where it retrains, hindsight has paid a price or as much staleness since the last time."""
    paid = total_cost(staleness, price, played("cumulative", price, staleness))
    assert paid <= 2 * best_schedule(staleness, price).cost


@pytest.mark.parametrize(
    ("staleness", "level", "paid"),
    [
        ([[0, 5, 0, 0], [0, 6, 6, 6], [0] * 4, [0] * 4], 4, 14),  # a fresh model costs something
        ([[0, 5, 0, 0], [0, 0, 5, 5], [0, 0, 0, 5], [0] * 4], 4, 12),  # a newer model is staler than an older one
        ([[0, 2, 2, 2, 2, 2], *([0] * 6 for _ in range(5))], 9, 12),  # the level is not the price
    ],
)
def test_without_its_conditions_there_is_no_such_promise(staleness, level, paid):
    assert total_cost(staleness, 4, played("cumulative", level, staleness)) == paid
    assert paid > 2 * best_schedule(staleness, 4).cost


def test_an_unknown_strategy_is_no_strategy():
    with pytest.raises(InputError, match="Did you mean 'threshold'"):
        fit_cara("treshold", SLOW, 1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_level_fits_a_past_without_steps(strategy):
    with pytest.raises(InputError, match="must have at least one step, got none"):
        fit_cara(strategy, [], 1.0)


# In a replayed world

CONCEPT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 2.4, "InternetService=Fiber optic": -2.5}
)
WORLD = small(steps=6, customers=200, delay_days=30, drift=[CONCEPT]).model_copy(
    update={"prices": Prices(retrain_cost=300.0)}
)


def test_staleness_is_what_the_offers_of_a_newer_model_are_worth_more():
    replay = Replay(World(WORLD, 1, TWIN, kept_steps=None))
    staleness = staleness_of(replay)
    assert [staleness[step][step] for step in range(6)] == [0] * 6
    never = replay.record(load_policy("never").build(), load_profile("none"), "never")
    once = replay.record(script("kkr"), load_profile("none"), "once")
    for step in range(3, 6):  # asked for at step 2, it serves from step 3 on
        gain = offer_value(once.steps[step].tally, WORLD.prices) - offer_value(never.steps[step].tally, WORLD.prices)
        assert staleness[0][step] - staleness[2][step] == pytest.approx(gain)


@pytest.mark.parametrize("strategy", ["threshold", "cumulative", "periodic"])
def test_a_level_is_fitted_to_a_replayed_world(strategy):
    staleness = staleness_of(Replay(World(WORLD, 1, TWIN, kept_steps=None)))
    price = WORLD.prices.retrain_cost
    fit, best = fit_cara(strategy, staleness, price), best_schedule(staleness, price)
    assert fit.cost == total_cost(staleness, price, fit.steps)
    assert best.cost <= fit.cost <= total_cost(staleness, price, ())


def test_where_labels_depend_on_what_was_served_no_level_is_fitted():
    contaminated = WORLD.model_copy(update={"offers": Offers(seen_in_labels=True)})
    with pytest.raises(InputError, match="do not depend on what was served"):
        staleness_of(Replay(World(contaminated, 1, TWIN, kept_steps=None)))
