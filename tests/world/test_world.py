"""The world: replay, coupling, holdout, drift, labels and the real table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import TWIN, drifts, injectors, live, scenarios, small, telco_population, toy_population
from scipy import stats

from policies.catalogue import load_policy
from policies.never import Never
from scenarios.files import load_scenario
from scenarios.injectors import CategoryDrift, ConceptDrift, NumberDrift
from scenarios.schema import Labels, Offers, Prices, Recipe, Scenario, Time
from sim.errors import InputError
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.training import fit
from sim.mlops.statistics.metrics import expected_f1, f1
from sim.study.scores.judge import expected_f1 as expected_f1_of
from sim.world.injectors.covariates import Covariates
from sim.world.injectors.view import ColumnView
from sim.world.label_queue import LabelQueue
from sim.world.labels import LabelEvents
from sim.world.schema.streams import Streams
from sim.world.telco.structure import TELCO_STRUCTURE
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import FORCED
from sim.world.world import World

TENURE, MONTHLY, TOTAL, CONTRACT = (
    SCHEMA.position[name] for name in ("tenure", "MonthlyCharges", "TotalCharges", "Contract")
)


def everyone(world):
    return [*world.warmup, *world.steps]


def first_pass(world, n_rows):
    """Return id, features and outcome of the customers in the whole batches among the first `n_rows`."""
    steps = everyone(world)[: n_rows // world.scenario.time.customers]
    batches, truths = [world.batch(step) for step in steps], [world.truth(step) for step in steps]
    return (
        np.concatenate([batch.customer_id for batch in batches]),
        np.concatenate([batch.features for batch in batches]),
        np.concatenate([truth.churns for truth in truths]),
    )


# Replay


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 12), st.integers(0, 2**40))
def test_each_pass_is_a_permutation_and_no_customer_comes_twice_in_a_step(n_rows, customers, steps, seed):
    customers = min(customers, n_rows)
    population = toy_population(n_rows)
    timeline = population.timeline(Streams(seed), [customers] * steps)
    draws = [timeline.draw(index) for index in range(steps)]
    for draw in draws:
        assert len(set(draw.customer_id)) == customers
        assert draw.customer_id.tolist() == sorted(draw.customer_id)
    seen = np.concatenate([draw.customer_id for draw in draws])
    real = np.concatenate([draw.has_real_label for draw in draws])
    first = seen[real]
    assert len(first) == min(n_rows, customers * steps)
    assert len(set(first)) == len(first)
    times = np.unique(seen, return_counts=True)[1]
    assert times.max() <= -(-customers * steps // n_rows)


def test_a_customer_of_the_first_pass_keeps_row_and_label_together():
    table = toy_population(50).table
    draw = toy_population(50).timeline(Streams(3), [20] * 5).draw(1)
    rows = [table.customer_id.tolist().index(customer) for customer in draw.customer_id]
    np.testing.assert_array_equal(draw.features, table.features[rows])
    np.testing.assert_array_equal(draw.real_label, table.churned[rows])


def test_a_batch_larger_than_the_table_is_refused_and_the_twin_named():
    with pytest.raises(InputError, match=r"\(100 rows\), got 150 customers.*twin"):
        World(small(customers=150), 1, toy_population(100))


def test_the_twin_never_runs_out_and_numbers_its_customers():
    world = World(small(customers=80, steps=4), 1, TWIN)
    ids = np.concatenate([world.batch(step).customer_id for step in everyone(world)])
    assert len(set(ids)) == len(ids) == 7 * 80


def test_seeds_are_different_worlds():
    one, other = (World(small(), seed, toy_population(300)).batch(0) for seed in (1, 2))
    assert one.customer_id.tolist() != other.customer_id.tolist()


# Outcomes


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.integers(20, 200))
def test_without_drift_the_first_pass_is_the_table(seed, customers):
    table = toy_population(200).table
    scenario = Scenario(id="x", title="x", time=Time(steps=200 // customers + 2, customers=customers, warmup_steps=1))
    world = World(scenario, seed, toy_population(200))
    ids, features, churns = first_pass(world, 200)
    rows = np.searchsorted(table.customer_id, ids)
    np.testing.assert_array_equal(features, table.features[rows])
    np.testing.assert_array_equal(churns, table.churned[rows])


def test_the_first_pass_through_the_real_table_is_the_real_table(telco):
    scenario = Scenario(id="x", title="x", time=Time(steps=1, warmup_steps=1, customers=len(telco.churned)))
    ids, features, churns = first_pass(World(scenario, 1, telco_population(telco)), len(telco.churned))
    np.testing.assert_array_equal(ids, telco.customer_id)
    np.testing.assert_array_equal(features, telco.features)
    np.testing.assert_array_equal(churns, telco.churned)


def test_the_real_first_pass_in_batches_ends_within_a_step(telco):
    world = World(Scenario(id="x", title="x", time=Time(steps=4)), 3, telco_population(telco))
    found = {}
    for step in range(-6, 2):
        batch, truth = world.batch(step), world.truth(step)
        for customer, row, churns in zip(batch.customer_id, batch.features, truth.churns, strict=True):
            found.setdefault(customer, (row, churns))  # the first time that a customer comes
    assert sorted(found) == telco.customer_id.tolist()
    np.testing.assert_array_equal(np.array([found[each][0] for each in telco.customer_id]), telco.features)
    np.testing.assert_array_equal(np.array([found[each][1] for each in telco.customer_id]), telco.churned)


def test_later_passes_draw_afresh():
    scenario = Scenario(id="x", title="x", time=Time(steps=40, warmup_steps=1, customers=300))
    world = World(scenario, 1, toy_population(300))
    table = toy_population(300)
    later = np.array([world.truth(step).churns for step in world.steps])
    assert 0.05 < np.mean(later != table.table.churned) < 0.6
    rate = later.mean(axis=0)
    error = (rate - world.truth(0).propensity) / np.sqrt(world.truth(0).propensity * (1 - rate.clip(0.01, 0.99)) / 40)
    assert abs(error.mean()) < 0.25


@settings(max_examples=20)
@given(st.integers(0, 2**40), injectors(1, 1))
def test_drift_flips_the_fewest_labels(seed, injector):
    """A label flips only where the propensity crosses the customer's own number, and only in its direction."""
    if injector.kind != "concept":
        return
    calm, moved = small(steps=3, customers=300), small(steps=3, customers=300, drift=[injector])
    before, after = (World(scenario, seed, toy_population(400)) for scenario in (calm, moved))
    for step in (0, 1, 2):
        p, q = before.truth(step).propensity, after.truth(step).propensity
        was, now = before.truth(step).churns, after.truth(step).churns
        assert np.all(q[now & ~was] > p[now & ~was])
        assert np.all(q[was & ~now] < p[was & ~now])
        assert (step < 1) <= (not np.any(was != now))


def test_a_held_base_rate_is_held_on_the_whole_population_and_a_free_one_follows():
    shifts = {"InternetService=DSL": 2.4}
    rates = {}
    for held in (True, False):
        drift = ConceptDrift(kind="concept", shifts=shifts, onset_step=1, hold_base_rate=held)
        world = World(small(drift=[drift], steps=3), 1, toy_population(500))
        reference = world.population.reference()
        rates[held] = [world.propensities.mechanism(step).propensity(reference).mean() for step in (0, 1)]
    assert rates[True][1] == pytest.approx(rates[True][0], abs=1e-12)
    assert abs(rates[False][1] - rates[False][0]) > 0.01


def test_persuasion_has_the_success_rate():
    world = World(small(customers=4000, steps=2), 1, TWIN)
    truth = world.truth(0)
    assert truth.persuadable.mean() == pytest.approx(0.3, abs=0.03)
    sure = World(small(customers=100, steps=2).model_copy(update={"prices": Prices(success_rate=1.0)}), 1, TWIN)
    assert sure.truth(0).persuadable.all()


# Roles


def test_the_holdout_is_a_fifth_kept_on_every_replay_and_another_for_another_seed():
    roles = []
    for seed in (1, 2):
        world = World(Scenario(id="x", title="x", time=Time(steps=5, customers=1000)), seed, toy_population(2000))
        role = {}
        for step in everyone(world):
            batch = world.batch(step)
            for customer, is_holdout in zip(batch.customer_id, batch.holdout, strict=True):
                assert role.setdefault(customer, is_holdout) == is_holdout
        roles.append(role)
    for role in roles:
        assert np.mean(list(role.values())) == pytest.approx(0.2, abs=0.03)
    both = [roles[0][customer] and roles[1][customer] for customer in roles[0]]
    assert np.mean(both) == pytest.approx(0.04, abs=0.02)


def test_a_twentieth_is_held_out_from_offers():
    world = World(small(customers=4000, steps=2), 1, TWIN)
    assert world.batch(0).held_out.mean() == pytest.approx(0.05, abs=0.015)
    nobody = World(small(offers=Offers(held_out_share=0)), 1, TWIN)
    assert not nobody.batch(0).held_out.any()


# Streams


def test_streams_are_independent_of_each_other_and_of_the_order_of_asking():
    streams = Streams(1)
    later, first = streams.generator("outcomes", 3).random(4), streams.generator("outcomes", 2).random(4)
    again = Streams(1)
    np.testing.assert_array_equal(again.generator("outcomes", 2).random(4), first)
    np.testing.assert_array_equal(again.generator("outcomes", 3).random(4), later)
    names = [("outcomes", 2), ("outcomes", -2), ("held_out", 2), ("outcomes", 2, 1), ("outcomes", 1, 2)]
    draws = {tuple(Streams(1).generator(name, *keys).random(4)) for name, *keys in names}
    assert len(draws) == len(names)


# Drift


def under(drift, step, features, seed=1):
    """Return the features under covariate drift at a step."""
    streams = Streams(seed)

    def chance(name, *keys):
        return streams.generator(name, *keys, step).random(len(features))

    return Covariates(drift, ColumnView(SCHEMA, TELCO_STRUCTURE)).apply(step, features, chance)


def drifted(injector, features=None, step=1):
    features = TWIN.reference()[:2000] if features is None else features
    return features, under([injector], step, features)


def check_structure(features):
    """Check the structural rules in words of their own, not in those of the code that keeps them."""
    for column, (deciding, forced) in FORCED.items():
        for category, value in forced.items():
            is_forced = features[:, SCHEMA.position[deciding]] == SCHEMA.code(deciding, category)
            is_value = features[:, SCHEMA.position[column]] == SCHEMA.code(column, value)
            assert np.all(is_value[is_forced])
            if value.startswith("No "):
                assert np.array_equal(is_value, is_forced)
    tenure, total = features[:, TENURE], features[:, TOTAL]
    assert np.array_equal(np.isnan(total), tenure == 0)
    assert np.all(tenure == np.rint(tenure))
    assert not list(TELCO_STRUCTURE.broken_rules(features, SCHEMA))


@settings(max_examples=50)
@given(drifts(0, 3, max_size=4, min_size=1), st.integers(0, 6), st.sampled_from((TWIN, toy_population(900))))
def test_a_drifted_customer_keeps_the_structural_rules_whatever_is_seen_of_him(drift, step, population):
    world = World(small(steps=8, drift=drift), 1, population)
    check_structure(world.truth(step).features)


@pytest.mark.parametrize(
    ("position", "value", "rule"),
    [
        (TENURE, 1.5, "tenure must hold whole numbers"),
        (TENURE, 0.0, "TotalCharges must be missing where tenure is 0"),
        (SCHEMA.position["TechSupport"], 1.0, "TechSupport must be 'No internet service' only where"),
        (SCHEMA.position["PhoneService"], 0.0, "MultipleLines must be 'No phone service' where PhoneService is 'No'"),
    ],
)
def test_a_broken_rule_is_told(position, value, rule):
    features = TWIN.reference()[:500].copy()
    features[:, position] = value
    assert any(rule in told for told in TELCO_STRUCTURE.broken_rules(features, SCHEMA))


def test_a_drifted_real_customer_keeps_the_structural_rules(telco):
    for scenario in (load_scenario("proposal"), load_scenario("competitor")):
        world = World(scenario, 1, telco_population(telco))
        for step in (0, 10, 35):
            check_structure(world.batch(step).features)
    features, moved = drifted(
        NumberDrift(kind="number", column="MonthlyCharges", factor=1.6, onset_step=0), telco.features
    )
    present = features[:, TENURE] > 0
    np.testing.assert_allclose(moved[present, TOTAL], features[present, TOTAL] * 1.6, rtol=2e-3)


@pytest.mark.parametrize(("column", "factor"), [("MonthlyCharges", 1.6), ("tenure", 0.5), ("tenure", 2.0)])
def test_total_charges_follow(column, factor):
    features, moved = drifted(NumberDrift(kind="number", column=column, factor=factor, onset_step=0))
    before, after = (each[:, TENURE] * each[:, MONTHLY] for each in (features, moved))
    present = before > 0
    ratio_before, ratio_after = features[present, TOTAL] / before[present], moved[present, TOTAL] / after[present]
    np.testing.assert_allclose(ratio_after, ratio_before, rtol=1e-3)
    assert np.all(moved[present, TENURE] >= 1)
    untouched = [index for index in range(19) if index not in {TOTAL, SCHEMA.position[column]}]
    np.testing.assert_array_equal(moved[:, untouched], features[:, untouched])


def test_monthly_charges_are_multiplied_to_the_cent():
    features, moved = drifted(NumberDrift(kind="number", column="MonthlyCharges", factor=1.6, onset_step=0))
    np.testing.assert_allclose(moved[:, MONTHLY], features[:, MONTHLY] * 1.6, atol=0.0051)


def test_a_share_of_the_others_moves_and_nobody_else():
    features, moved = drifted(
        CategoryDrift(kind="category", column="Contract", to="Two year", share=0.4, onset_step=0)
    )
    others = features[:, CONTRACT] != 2
    assert np.mean(moved[others, CONTRACT] == 2) == pytest.approx(0.4, abs=0.04)
    stayed = moved[:, CONTRACT] != 2
    np.testing.assert_array_equal(moved[stayed], features[stayed])


def test_before_the_onset_nothing_moves():
    injector = NumberDrift(kind="number", column="tenure", factor=0.5, onset_step=3)
    features, moved = drifted(injector, step=2)
    assert moved is features
    assert drifted(injector, step=3)[1] is not features


@pytest.mark.parametrize(
    ("profile", "intensities"),
    [
        ("sudden", [0, 0, 0.8, 0.8, 0.8, 0.8]),
        ("ramp", [0, 0, 0.4, 0.8, 0.8, 0.8]),
        ("blip", [0, 0, 0.8, 0.8, 0, 0]),
        ("gradual", [0, 0, 0.8, 0.8, 0.8, 0.8]),
        ("recurring", [0, 0, 0.8, 0.8, 0, 0.8]),
    ],
)
def test_a_profile_says_how_much_of_a_drift_acts(profile, intensities):
    injector = NumberDrift(
        kind="number",
        column="tenure",
        factor=0.5,
        onset_step=2,
        profile=profile,
        duration_steps=2,
        period_steps=3,
        strength=0.8,
    )
    assert [injector.intensity(step) for step in range(6)] == intensities
    reach = {"gradual": [0, 0, 0.5, 1, 1, 1], "blip": [0, 0, 1, 1, 0, 0], "recurring": [0, 0, 1, 1, 0, 1]}
    assert [injector.reach(step) for step in range(6)] == reach.get(profile, [0, 0, 1, 1, 1, 1])


def test_a_recurring_drift_must_rest():
    with pytest.raises(ValueError, match="must rest, so duration_steps must be below period_steps, got 3 and 3"):
        NumberDrift(
            kind="number",
            column="tenure",
            factor=2,
            onset_step=0,
            profile="recurring",
            duration_steps=3,
            period_steps=3,
        )


@pytest.mark.parametrize(
    ("injector", "message"),
    [
        (NumberDrift(kind="number", column="Tenure", factor=2, onset_step=0), "Did you mean 'tenure'"),
        (NumberDrift(kind="number", column="Contract", factor=2, onset_step=0), "kind = 'category'"),
        (NumberDrift(kind="number", column="TotalCharges", factor=2, onset_step=0), "MonthlyCharges"),
        (CategoryDrift(kind="category", column="tenure", to="1", share=1, onset_step=0), "kind = 'number'"),
        (CategoryDrift(kind="category", column="Contract", to="Two years", share=1, onset_step=0), "'Two year'"),
        (CategoryDrift(kind="category", column="InternetService", to="No", share=1, onset_step=0), "structural"),
        (ConceptDrift(kind="concept", shifts={"InternetServce=DSL": 1.0}, onset_step=0), "InternetServ"),
        (ConceptDrift(kind="concept", shifts={"InternetService=Cable": 1.0}, onset_step=0), "Cable"),
    ],
)
def test_a_drift_that_the_population_cannot_have_is_refused(injector, message):
    with pytest.raises(InputError, match=message):
        World(small(drift=[injector]), 1, TWIN)


# Labels


def events_of(step, arrives_at):
    number = len(arrives_at)
    return LabelEvents(
        step,
        step * 30,
        np.array([f"C{each}" for each in range(number)]),
        np.arange(number),
        np.ones(number, bool),
        np.array(arrives_at),
    )


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), max_size=5), st.lists(st.integers(0, 60)))
def test_the_mail_delivers_each_letter_once_and_never_early(arrivals, days):
    label_queue, delivered, last = LabelQueue(), [], -1
    for step, arrives_at in enumerate(arrivals):
        label_queue.send(events_of(step, arrives_at))
    for day in sorted(set(days)):
        for event in label_queue.deliver(day):
            assert np.all((event.arrives_at <= day) & (event.arrives_at > last))
            delivered += [(event.step, customer) for customer in event.customer_id]
        last = day
    due = {(step, f"C{i}") for step, dates in enumerate(arrivals) for i, date in enumerate(dates) if date <= last}
    assert len(delivered) == len(set(delivered))
    assert set(delivered) == due


@given(
    scenarios().filter(lambda drawn: not any(each.kind == "mislabelled" for each in drawn.drift)),
    st.integers(0, 2**32),
)
@settings(max_examples=15)
def test_labels_say_what_happened_and_a_saved_customer_only_where_the_scenario_says_so(scenario, seed):
    world = World(scenario, seed, TWIN)
    everybody = np.ones(len(world.batch(1).holdout), dtype=bool)
    truth, events = world.truth(1), world.labels(1, everybody)
    saved = truth.persuadable if scenario.offers.seen_in_labels else np.zeros_like(everybody)
    np.testing.assert_array_equal(events.newest().label, (truth.churns & ~saved)[events.newest().row])
    nobody = world.labels(1, ~everybody).newest()
    np.testing.assert_array_equal(nobody.label, truth.churns[nobody.row])
    assert set(world.labels(-1, np.zeros(len(world.batch(-1).holdout), dtype=bool)).arrives_at) == {0}


def test_step_days_and_delay_decide_which_step_a_label_meets():
    scenario = small(step_days=7, steps=6).model_copy(update={"labels": Labels(delay_days=10, horizon_days=10)})
    life = live(scenario, Never())
    assert [row.labels_arrived for row in life.rows] == [0, 0, 150, 150, 150, 150]


# The scenarios, on the real table


def interval(values):
    """Return the mean and its 95 % interval over seeds."""
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return np.mean(values), low, high


@pytest.mark.slow
def test_the_hand_over_from_real_to_drawn_labels_shifts_f1_by_at_most_two_points(telco):
    """The same customers, none of them trained on: once with their real labels, once with drawn ones."""
    scenario = Scenario(id="x", title="x", time=Time(steps=12, warmup_steps=3))
    shifts = []
    for seed in range(20):
        life = live(scenario, Never(), seed, telco_population(telco))
        model, world = life.registry.model(1), life.world
        trained = set(life.platform.trainer.first_data().rows.customer_id)
        real, drawn = ({}, {})
        for step in everyone(world):
            for customer, churns in zip(world.batch(step).customer_id, world.truth(step).churns, strict=True):
                (drawn if customer in real else real).setdefault(customer, churns)
        judged = sorted(drawn.keys() - trained)
        rows = np.searchsorted(telco.customer_id, judged)
        predicted = model.decide(model.probability(telco.features[rows]))
        first, second = (np.array([labels[each] for each in judged]) for labels in (real, drawn))
        np.testing.assert_array_equal(first, telco.churned[rows])
        shifts.append(f1(second, predicted) - f1(first, predicted))
    mean, low, high = interval(shifts)
    assert -0.02 <= low <= high <= 0.02, f"drawn - real: {mean:+.4f} ({low:+.4f} to {high:+.4f})"


def fresh_f1(world, step, seed):
    """Return the expected F1 on a batch of a model trained on the day's own customers and outcomes."""
    fresh = world.fresh_rows(step, 3400, 0)
    ids = np.array([f"F{number:04d}" for number in range(3400)])
    model = fit(LabelledRows.alike(ids, fresh.features, fresh.churns), Recipe(), Prices(), SCHEMA, seed)
    batch, truth = world.batch(step), world.truth(step)
    return expected_f1(truth.propensity, model.decide(model.probability(batch.features)))


@pytest.mark.slow
def test_a_competitor_halves_the_f1_of_a_stale_model_and_not_of_a_fresh_one(telco):
    before, after, fresh = [], [], []
    for seed in range(10):
        life = live(load_scenario("competitor"), Never(), seed, telco_population(telco))
        scores = [expected_f1_of(row.tally) for row in life.rows]
        before.append(np.mean(scores[:12]))
        after.append(np.mean(scores[12:]))
        fresh.append(np.mean([fresh_f1(life.world, step, seed) for step in (12, 20, 30)]))
    assert np.mean(before) == pytest.approx(0.59, abs=0.03)
    assert np.mean(after) == pytest.approx(0.30, abs=0.03)
    assert np.mean(fresh) == pytest.approx(0.65, abs=0.03)


@pytest.mark.slow
def test_the_proposals_drift_raises_the_stale_f1(telco):
    rises = []
    for seed in range(10):
        rows = live(load_scenario("proposal"), Never(), seed, telco_population(telco)).rows
        scores = [expected_f1_of(row.tally) for row in rows]
        rises.append(np.mean(scores[-6:]) - np.mean(scores[:6]))
    mean, low, high = interval(rises)
    assert low > 0.02, f"rise of the stale F1: {mean:+.3f} ({low:+.3f} to {high:+.3f})"


@pytest.mark.slow
def test_retraining_on_a_drop_recovers_over_twenty_seeds(telco):
    gains = []
    for seed in range(20):
        ends = []
        for policy in (load_policy("f1_drop > 0.05").build(), Never()):
            rows = live(load_scenario("competitor"), policy, seed, telco_population(telco)).rows
            ends.append(np.mean([expected_f1_of(row.tally) for row in rows[-6:]]))
        gains.append(ends[0] - ends[1])
    mean, low, high = interval(gains)
    assert low > 0.1, f"gain over never: {mean:+.3f} ({low:+.3f} to {high:+.3f})"
