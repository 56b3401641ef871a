"""The oracle: equal to brute force, to the ledger of the real loop, and never beaten."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import ANCHORED, CHEAP, IMPOSSIBLE, TWIN, profiles, scenarios, script, small

from policies.catalogue import catalogue, load_policy
from policies.decision import Action
from scenarios.injectors import ConceptDrift
from scenarios.schema import Jobs, Labels, Offers, Prices
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.contestants import Contestant, placebo
from sim.study.replay.replay import Replay
from sim.study.replay.schedule import Schedule, coins
from sim.study.scores import money
from sim.study.scores.oracle import MAX_STEPS, MAX_STEPS_WITH_BEST, Planner, plan, planner
from sim.study.scores.regret import at_once, beyond_oracle, constraint_prices, needless
from sim.world.world import World

SEEDS = st.integers(0, 2**40)
DRIFT = ConceptDrift(
    kind="concept", onset_step=1, shifts={"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
)
BACK = DRIFT.model_copy(update={"onset_step": 1, "profile": "blip", "duration_steps": 3})
CHEAP_JOBS = Prices(retrain_cost=20.0)
ACTIONS = (Action.KEEP, Action.RETRAIN, Action.ROLLBACK)
TINY = CHEAP.model_copy(update={"rounds": 3})


def world_of(steps=5, drift=DRIFT, prices=CHEAP_JOBS, **changes):
    scenario = small(steps=steps, customers=100, delay_days=0, drift=[drift], recipe=TINY)
    return scenario.model_copy(update={"prices": prices, **changes})


def replay_of(scenario, seed=1):
    return Replay(World(scenario, seed, TWIN, kept_steps=None))


def worth(replay, profile, actions):
    """Return what a schedule is worth in the real loop, by the ledger."""
    record = replay.record(Schedule(actions, "brute force"), profile, "schedule")
    return money.net_value(money.ledger(record, replay.world.scenario.prices))


SOME = replace(load_profile("none"), name="some", enforced=("f1_against_champion",), f1_against_champion=-0.01)
WORLDS = {
    "no delays": (world_of(6), load_profile("none")),
    "a blip, after which the old model is right again": (world_of(6, BACK), load_profile("none")),
    "gates": (world_of(6), SOME),
    "training time": (world_of(6, jobs=Jobs(train_days=45)), load_profile("none")),
    "training and approval time": (world_of(6, jobs=Jobs(train_days=31, approval_days=10)), load_profile("none")),
    "approval time and gates": (world_of(6, BACK, jobs=Jobs(approval_days=30)), SOME),
    "the best champion so far": (world_of(6, BACK), ANCHORED),
    "the best so far, approval time": (world_of(6, jobs=Jobs(approval_days=30)), ANCHORED),
    "late labels": (world_of(6, labels=Labels(delay_days=30, horizon_days=30)), load_profile("none")),
    "dear retrainings": (world_of(5, prices=Prices(retrain_cost=1e6)), load_profile("none")),
}


@pytest.mark.parametrize(("scenario", "profile"), WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_oracle_is_the_best_of_all_sequences_of_actions(scenario, profile, seed):
    replay = replay_of(scenario, seed)
    steps = range(scenario.time.steps - 1)  # what is asked for at the last step can only cost
    sequences = [dict(zip(steps, actions, strict=True)) for actions in product(ACTIONS, repeat=len(steps))]
    values = [worth(replay, profile, actions) for actions in sequences]
    best = plan(replay, profile, scenario.prices)
    assert best.net_value == pytest.approx(max(values), abs=1e-6)
    assert worth(replay, profile, best.schedule.actions) == pytest.approx(best.net_value, abs=1e-9)


@pytest.mark.parametrize(("seed", "drift"), [(3, BACK), (4, BACK), (4, DRIFT)])
def test_the_planner_follows_the_best_champion_so_far_through_any_sequence(seed, drift):
    """Lesser champions leave the best one alone, and so does a rollback."""
    time, recipe = small(steps=10, customers=200).time, CHEAP.model_copy(update={"rounds": 15})
    scenario = world_of(drift=drift, time=time, recipe=recipe)
    profile = replace(ANCHORED, enforced=("f1_against_best",))
    replay = replay_of(scenario, seed)
    found = planner(replay, profile, scenario.prices)
    chances = [0.3, 0.6, 0.1]
    for actions in np.random.default_rng(seed).choice(np.array(ACTIONS, dtype=object), size=(80, 9), p=chances):
        schedule = dict(enumerate(actions))
        assert found.value(schedule) == pytest.approx(worth(replay, profile, schedule), abs=1e-6)


def test_these_worlds_ask_for_every_action():
    """The worlds above are no formality: their oracles retrain, roll back, wait, and do nothing."""
    taken = {
        name: list(plan(replay_of(scenario, seed), profile, scenario.prices).schedule.actions.values())
        for name, (scenario, profile) in WORLDS.items()
        for seed in (1, 2)
    }
    assert any(Action.RETRAIN in actions for actions in taken.values())
    assert not taken["dear retrainings"]


def test_the_oracle_rolls_back_where_the_old_model_is_right_again():
    replays = (replay_of(world_of(8, BACK, prices=Prices(retrain_cost=20.0, success_rate=1.0)), s) for s in range(2))
    plans = [plan(each, load_profile("none"), each.world.scenario.prices) for each in replays]
    assert any(Action.ROLLBACK in each.schedule.actions.values() for each in plans)


@settings(max_examples=20)
@given(scenarios(may_feed_back=False), SEEDS, profiles(), st.lists(st.sampled_from(ACTIONS), max_size=10))
def test_the_planner_values_any_schedule_as_the_ledger_does(scenario, seed, profile, actions):
    replay = replay_of(scenario, seed)
    schedule = dict(enumerate(actions[: scenario.time.steps]))
    found = planner(replay, profile, scenario.prices)
    assert isinstance(found, Planner)
    value = worth(replay, profile, schedule)
    assert found.value(schedule) == pytest.approx(value, abs=1e-6)
    assert found.solve().net_value >= value - 1e-6


@settings(max_examples=5)
@given(scenarios(may_feed_back=False), SEEDS, profiles())
def test_no_policy_beats_the_oracle(scenario, seed, profile):
    replay = replay_of(scenario, seed)
    best = plan(replay, profile, scenario.prices)
    records = {
        name: replay.record(spec.build(), profile, name)
        for name, spec in {**catalogue(), "noisy": load_policy("psi_max > 0.1 or f1_drop > 0")}.items()
    }
    records = {name: record for name, record in records.items() if not beyond_oracle(record)}
    records["coin"] = placebo(records["always"], replay, profile, Contestant("coin"))
    records["oracle"] = replay.record(best.schedule, profile, "oracle")
    values = {name: money.net_value(money.ledger(each, scenario.prices)) for name, each in records.items()}
    assert values["oracle"] == pytest.approx(best.net_value, abs=1e-6)
    assert max(values.values()) <= best.net_value + 1e-6


def test_there_is_no_oracle_where_labels_depend_on_what_was_served():
    replay = replay_of(world_of(offers=Offers(seen_in_labels=True)))
    found = plan(replay, load_profile("none"), CHEAP_JOBS)
    assert (found.schedule, found.net_value) == (None, None)
    assert "labels depend on what was served" in found.reason
    assert constraint_prices(replay, load_profile("none"), CHEAP_JOBS) is None


def test_there_is_no_oracle_for_a_very_long_life():
    for profile, longest in ((load_profile("none"), MAX_STEPS), (ANCHORED, MAX_STEPS_WITH_BEST)):
        assert str(longest) in plan(replay_of(world_of(longest + 1)), profile, CHEAP_JOBS).reason


# What constraints cost


@settings(max_examples=6)
@given(scenarios(may_feed_back=False), SEEDS, profiles())
def test_gates_never_help_the_oracle(scenario, seed, profile):
    """Lifting a delay may hurt (other models come of it); lifting gates can't: asking for less is always possible."""
    found = constraint_prices(replay_of(scenario, seed), profile, scenario.prices)
    assert found is not None
    assert found.price_of_gates >= -1e-6
    if not (scenario.jobs.train_days or scenario.jobs.approval_days):
        assert (found.price_of_approval_time, found.price_of_training_time) == (0, 0)


def test_the_prices_add_up_to_what_an_unconstrained_oracle_gains():
    scenario = world_of(8, jobs=Jobs(train_days=31, approval_days=30), labels=Labels(delay_days=60, horizon_days=60))
    found = constraint_prices(replay_of(scenario), IMPOSSIBLE, scenario.prices)
    free = scenario.model_copy(update={"jobs": Jobs(), "labels": Labels(delay_days=0, horizon_days=0)})
    bound = plan(replay_of(scenario), IMPOSSIBLE, scenario.prices).net_value
    unbound = plan(replay_of(free), load_profile("none"), scenario.prices).net_value
    prices = [found.price_of_gates, found.price_of_approval_time, found.price_of_training_time]
    assert sum(prices) + found.price_of_label_delay == pytest.approx(unbound - bound, abs=1e-6)
    assert unbound > bound


@pytest.mark.parametrize(
    "labels",
    [
        Labels(delay_days=0, horizon_days=0, never_share=0.5),
        Labels(delay_days=0, horizon_days=0, correction_share=0.4, correction_days=30),
        Labels(delay_days=0, horizon_days=0, cohorts="naive"),
    ],
)
def test_where_labels_come_at_once_their_delay_has_no_price_whatever_else_is_wrong_with_them(labels):
    scenario = world_of(8, labels=labels)
    found = constraint_prices(replay_of(scenario), load_profile("none"), scenario.prices)
    assert found.price_of_label_delay == 0


@pytest.mark.parametrize("delay", ["fixed", "churners_early", "long_tailed"])
def test_lifting_the_delay_loses_the_same_labels_and_reports_the_same_wrong_ones(delay):
    late = Labels(delay=delay, delay_days=60, horizon_days=90, never_share=0.3, correction_share=0.2)
    worlds = [replay_of(world_of(6, labels=labels)).world for labels in (late, at_once(late))]
    first = []
    for world in worlds:
        events = world.labels(2, np.zeros(100, dtype=np.bool_))
        order = np.argsort(events.arrives_at, kind="stable")
        rows, at = np.unique(events.row[order], return_index=True)
        first.append((rows.tolist(), events.label[order][at].tolist()))
        assert world is worlds[0] or set(events.arrives_at.tolist()) <= {60, 60 + late.correction_days}
    assert first[0] == first[1]
    assert len(first[0][0]) < 90


# Needless retrainings


def test_every_retraining_that_nobody_passes_is_needless():
    replay = replay_of(world_of(6))
    record = replay.record(script("rrrr"), IMPOSSIBLE, "p")
    wasted = needless(planner(replay, IMPOSSIBLE, CHEAP_JOBS), record)
    assert (wasted.retrains, wasted.cost) == (4, pytest.approx(4 * 20.0))


def test_nothing_that_the_oracle_does_is_needless():
    replay, profile = replay_of(world_of(8)), load_profile("none")
    found = planner(replay, profile, CHEAP_JOBS)
    record = replay.record(found.solve().schedule, profile, "oracle")
    assert sum(row.job_opened is not None for row in record.steps) >= 1
    assert (needless(found, record).retrains, needless(found, record).cost) == (0, 0)


def test_a_retraining_at_the_last_step_is_needless_and_the_one_that_helped_is_not():
    replay, profile = replay_of(world_of(8)), load_profile("none")
    found = planner(replay, profile, CHEAP_JOBS)
    helpful = next(step for step in range(8) if found.value({step: Action.RETRAIN}) > found.value({}) + 50)
    record = replay.record(Schedule({helpful: Action.RETRAIN, 7: Action.RETRAIN}, "two"), profile, "p")
    wasted = needless(found, record)
    assert (wasted.retrains, wasted.cost) == (1, pytest.approx(20.0))


# The placebo


@settings(max_examples=8)
@given(
    scenarios(may_feed_back=False),
    SEEDS,
    st.sampled_from(("always", "proposal", "every(days=60)", "never")),
    st.sampled_from((load_profile("none"), IMPOSSIBLE, load_profile("telco_churn"))),
    st.sampled_from((Jobs(), Jobs(train_days=31, approval_days=60))),
)
def test_a_coin_retrains_as_often_as_the_policy_that_it_is_like(scenario, seed, policy, profile, jobs):
    replay = replay_of(scenario.model_copy(update={"jobs": jobs}), seed)
    record = replay.record(load_policy(policy).build(), profile, policy)
    found = placebo(record, replay, profile, Contestant("coin"))
    assert len(found.retrainings) == len(record.retrainings)


def test_a_coin_draws_again_where_its_jobs_take_longer_than_those_that_the_gates_ended():
    """Rejected jobs end at their gates, so the model may ask in nearly every step; approved ones take longer."""
    jobs, asked = Jobs(approval_days=60), []
    for seed in range(8):
        replay = replay_of(world_of(24, jobs=jobs), seed)
        record = replay.record(load_policy("always").build(), load_profile("telco_churn"), "always")
        found = placebo(record, replay, load_profile("telco_churn"), Contestant("coin"))
        asked.append((len(record.retrainings), len(found.retrainings)))
    assert all(model == coin for model, coin in asked)
    assert len({model for model, _ in asked}) > 1


def test_coins_of_other_seeds_fall_elsewhere():
    steps = set()
    for seed in range(6):
        replay = replay_of(world_of(12), seed)
        record = replay.record(load_policy("every(days=120)").build(), load_profile("none"), "p")
        steps.add(tuple(next(coins(record)).steps))
    assert len(steps) > 3
