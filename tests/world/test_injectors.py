"""Injectors: what each does, when it does nothing, and what it leaves alone."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import TWIN, drifts, injectors, small, toy_population

from scenarios.injectors import (
    CategoryDrift,
    ConceptDrift,
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
from scenarios.schema import Time, Twin
from sim.errors import InputError
from sim.world.schema.columns import UNSEEN, read_back
from sim.world.telco.table import SCHEMA
from sim.world.world import World

ONSET = 2
POPULATIONS = {"twin": TWIN, "table": toy_population(900)}
POSITION = SCHEMA.position
KINDS = st.sampled_from(sorted(POPULATIONS))


def world_of(*drift, population=TWIN, customers=400, steps=6, seed=1, **parts):
    scenario = small(steps=steps, customers=customers, drift=drift).model_copy(update=parts)
    return World(scenario, seed, population, kept_steps=None)


def facts(world, step):
    """Return everything that is to be known of a step, in one list of arrays."""
    batch, truth = world.batch(step), world.truth(step)
    events = world.labels(step, np.zeros(len(batch.holdout), dtype=bool))
    return [getattr(each, field.name) for each in (batch, truth, events) for field in fields(each)]


def same(one, other, step):
    pairs = zip(facts(one, step), facts(other, step), strict=True)
    return all(np.array_equal(mine, yours, equal_nan=np.asarray(mine).dtype.kind == "f") for mine, yours in pairs)


@settings(max_examples=60)
@given(drifts(ONSET, 4, max_size=3, min_size=1), KINDS, st.integers(0, 99))
def test_zero_strength_is_no_injector_bit_for_bit_and_nothing_happens_before_the_onset(drift, kind, seed):
    idle = [injector.model_copy(update={"strength": 0.0}) for injector in drift]
    calm, still, moved = (world_of(*each, population=POPULATIONS[kind], seed=seed) for each in ([], idle, drift))
    for step in (*calm.warmup, *calm.steps):
        assert same(still, calm, step)
        if step < min(injector.onset_step for injector in drift):
            assert same(moved, calm, step)


@settings(max_examples=40)
@given(injectors(ONSET, ONSET), KINDS)
def test_a_fault_never_touches_the_truth(injector, kind):
    if injector.kind not in {"nulls", "unit", "rename", "stuck", "text", "swap", "duplicates", "mislabelled"}:
        return
    calm, moved = (world_of(*each, population=POPULATIONS[kind]) for each in ([], [injector]))
    for step in calm.steps:
        for field in fields(calm.truth(step)):
            np.testing.assert_array_equal(
                getattr(calm.truth(step), field.name), getattr(moved.truth(step), field.name)
            )
        np.testing.assert_array_equal(calm.batch(step).customer_id, moved.batch(step).customer_id)


@pytest.mark.parametrize(
    "injector",
    [
        ConceptDrift(kind="concept", shifts={"InternetService=DSL": 2.0, "tenure/12": 0.3}, onset_step=ONSET),
        PriorDrift(kind="prior", base_rate=0.6, onset_step=ONSET),
        NumberDrift(kind="number", column="tenure", factor=0.3, onset_step=ONSET),
        CategoryDrift(kind="category", column="Contract", to="Month-to-month", share=1.0, onset_step=ONSET),
    ],
    ids=lambda injector: injector.kind,
)
@pytest.mark.parametrize("profile", ["sudden", "gradual"])
def test_a_stronger_drift_flips_more_labels_and_each_only_where_its_propensity_crossed_its_own_number(
    injector, profile
):
    shares = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        when = {"strength": strength, "profile": profile, "duration_steps": 2}
        calm, moved = (world_of(*each, customers=4000, steps=4) for each in ([], [injector.model_copy(update=when)]))
        p, q = calm.truth(ONSET).propensity, moved.truth(ONSET).propensity
        was, now = calm.truth(ONSET).churns, moved.truth(ONSET).churns
        assert np.all(q[now & ~was] > p[now & ~was])
        assert np.all(q[was & ~now] < p[was & ~now])
        shares.append(np.mean(was != now))
    assert shares[0] == 0
    assert np.all(np.diff(shares) > 0), shares


def test_a_gradual_drift_reaches_one_customer_after_another_and_each_in_full():
    drift = PriorDrift(kind="prior", base_rate=0.6, onset_step=ONSET, profile="gradual", duration_steps=4)
    full = drift.model_copy(update={"profile": "sudden"})
    calm, gradual, sudden = (world_of(*each, customers=2000, steps=8) for each in ([], [drift], [full]))
    for step, reach in [(1, 0.0), (2, 0.25), (3, 0.5), (5, 1.0), (7, 1.0)]:
        p = gradual.truth(step).propensity
        is_old, is_new = p == calm.truth(step).propensity, p == sudden.truth(step).propensity
        assert np.all(is_old | is_new)
        assert np.mean(is_new & ~is_old) == pytest.approx(reach, abs=0.04)


def test_a_prior_drift_moves_everybodys_log_odds_alike_to_the_new_rate():
    world = world_of(PriorDrift(kind="prior", base_rate=0.5, onset_step=ONSET))
    before, after = (world.propensities.mechanism(step).propensity(TWIN.reference()) for step in (0, ONSET))
    assert after.mean() == pytest.approx(0.5, abs=1e-9)
    shift = np.log(after / (1 - after)) - np.log(before / (1 - before))
    np.testing.assert_allclose(shift, shift[0], rtol=1e-9)


@pytest.mark.parametrize("kind", POPULATIONS)
def test_a_mix_brings_other_customers_in_the_proportion_of_its_tilt(kind):
    drift = MixDrift(kind="mix", tilt={"InternetService=Fiber optic": 1.0}, onset_step=0)
    population = POPULATIONS[kind]
    calm, mixed = (world_of(*each, population=population, steps=20, customers=300) for each in ([], [drift]))
    share = np.mean(population.reference()[:, POSITION["InternetService"]] == 1)
    expected = share * np.e / (share * np.e + 1 - share)
    found = np.concatenate([mixed.batch(step).features for step in mixed.steps])
    assert np.mean(found[:, POSITION["InternetService"]] == 1) == pytest.approx(expected, abs=0.02)
    others = found[found[:, POSITION["InternetService"]] != 1]
    plain = np.concatenate([calm.batch(step).features for step in calm.steps])
    plain = plain[plain[:, POSITION["InternetService"]] != 1]
    assert np.nanmean(others[:, POSITION["tenure"]]) == pytest.approx(np.nanmean(plain[:, POSITION["tenure"]]), abs=2)
    for step in mixed.steps:
        batch = mixed.batch(step)
        assert len(set(batch.customer_id)) == 300
        stayed = np.isin(batch.customer_id, calm.batch(step).customer_id)
        ids = batch.customer_id[stayed]
        rows = np.searchsorted(calm.batch(step).customer_id, ids)
        np.testing.assert_array_equal(mixed.truth(step).churns[stayed], calm.truth(step).churns[rows])


def test_two_mixes_multiply():
    tilts = ({"InternetService=Fiber optic": 0.8}, {"Contract=Month-to-month": -1.0})
    both = [MixDrift(kind="mix", tilt=tilt, onset_step=0) for tilt in tilts]
    one = MixDrift(kind="mix", tilt={**tilts[0], **tilts[1]}, onset_step=0)
    worlds = [world_of(*each, customers=3000, steps=2) for each in (both, [one])]
    places = [POSITION["InternetService"], POSITION["Contract"]]
    shares = [world.batch(0).features[:, places].mean(axis=0) for world in worlds]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.03)


@pytest.mark.parametrize("kind", POPULATIONS)
def test_fresh_customers_have_the_mix_of_the_world(kind):
    """Also on a table, where a fresh sample takes a large part of all customers."""
    drift = MixDrift(kind="mix", tilt={"InternetService=Fiber optic": 1.0}, onset_step=0)
    world = world_of(drift, population=POPULATIONS[kind], steps=20, customers=150)
    fresh = [world.fresh_rows(step, 400, 0) for step in world.steps]
    place = POSITION["InternetService"]
    own = np.concatenate([world.truth(step).features[:, place] for step in world.steps])
    found = np.concatenate([rows.features[:, place] for rows in fresh])
    assert np.mean(found == 1) == pytest.approx(np.mean(own == 1), abs=0.03)
    rate = np.mean(np.concatenate([world.truth(step).propensity for step in world.steps]))
    assert np.mean(np.concatenate([rows.propensity for rows in fresh])) == pytest.approx(rate, abs=0.02)
    assert np.mean(np.concatenate([rows.churns for rows in fresh])) == pytest.approx(rate, abs=0.02)


def test_a_mix_that_a_table_has_too_few_customers_for_is_refused():
    drift = MixDrift(kind="mix", tilt={"InternetService=Fiber optic": 2.0}, onset_step=0)
    with pytest.raises(InputError, match="a table of 900 has too few others for batches of 700"):
        world_of(drift, population=toy_population(900), customers=700, steps=2)
    world_of(drift, customers=700, steps=2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            DroppedFault(kind="dropped", share=0.3, onset_step=1),
            DroppedFault(kind="dropped", share=0.5, onset_step=1),
        ),
        (
            NullFault(kind="nulls", columns=("tenure",), share=0.3, onset_step=1),
            NullFault(kind="nulls", columns=("tenure",), share=0.3, onset_step=1),
        ),
    ],
)
def test_two_faults_that_would_draw_the_same_lots_are_refused(one, other):
    with pytest.raises(ValueError, match="must not act by lot on the same from the same step"):
        small(drift=[one, other])
    small(drift=[one, other.model_copy(update={"onset_step": 2})])


def test_outcomes_that_two_faults_tell_wrong_are_wrong():
    faults = [MislabelFault(kind="mislabelled", share=0.4, onset_step=step) for step in (0, 1)]
    world = world_of(*faults, customers=2000)
    told = world.labels(ONSET, np.zeros(2000, dtype=bool)).label
    assert np.mean(told != world.truth(ONSET).churns) == pytest.approx(1 - 0.6**2, abs=0.04)


def test_a_mix_that_keeps_almost_nobody_is_refused():
    drift = MixDrift(kind="mix", tilt={"MonthlyCharges": 9.0}, onset_step=0)
    with pytest.raises(InputError, match="must find as many customers as it replaces"):
        world_of(drift)


# What is seen


def seen(fault, population=TWIN, **more):
    """Return what is seen and what is true of a step with a fault."""
    world = world_of(fault, population=population, customers=1000, **more)
    return world.batch(ONSET).features, world.truth(ONSET).features


def column(features, name):
    return features[:, POSITION[name]]


def test_nulls_befall_a_share_of_a_segment_and_nobody_else():
    fault = NullFault(
        kind="nulls", columns=("tenure", "Contract"), share=0.4, where="InternetService=DSL", onset_step=ONSET
    )
    found, true = seen(fault)
    is_dsl = column(true, "InternetService") == 0
    is_null = np.isnan(column(found, "tenure"))
    np.testing.assert_array_equal(is_null, np.isnan(column(found, "Contract")))
    assert not np.any(is_null & ~is_dsl)
    assert np.mean(is_null[is_dsl]) == pytest.approx(0.4, abs=0.06)
    untouched = [POSITION[name] for name in SCHEMA.names if name not in {"tenure", "Contract"}]
    np.testing.assert_array_equal(found[:, untouched], true[:, untouched])


def test_cents_for_dollars_and_the_total_does_not_follow():
    found, true = seen(UnitFault(kind="unit", column="MonthlyCharges", factor=100.0, onset_step=ONSET))
    np.testing.assert_allclose(column(found, "MonthlyCharges"), 100 * column(true, "MonthlyCharges"))
    np.testing.assert_array_equal(column(found, "TotalCharges"), column(true, "TotalCharges"))


@pytest.mark.parametrize(("to", "code"), [("24 months", UNSEEN), ("One year", 1.0)])
def test_a_renamed_category_is_unseen_or_mistaken(to, code):
    found, true = seen(RenameFault(kind="rename", column="Contract", category="Two year", to=to, onset_step=ONSET))
    was = column(true, "Contract") == 2
    assert set(column(found, "Contract")[was]) == {code}
    np.testing.assert_array_equal(column(found, "Contract")[~was], column(true, "Contract")[~was])


@pytest.mark.parametrize(("name", "value", "code"), [("tenure", "12", 12.0), ("Contract", "One year", 1.0)])
def test_a_stuck_column_shows_one_value(name, value, code):
    found, _ = seen(StuckFault(kind="stuck", column=name, value=value, onset_step=ONSET))
    assert set(column(found, name)) == {code}


def test_text_that_is_no_number_is_missing_and_other_text_is_read():
    for style in ("decimal_comma", "currency"):
        found, _ = seen(TextFault(kind="text", columns=("MonthlyCharges",), style=style, onset_step=ONSET))
        assert np.isnan(column(found, "MonthlyCharges")).all()
    np.testing.assert_array_equal(read_back(np.array([0.1, np.nan, -2e300])), [0.1, np.nan, -2e300])


def test_swapped_numbers_change_places_and_swapped_categories_make_no_sense():
    found, true = seen(SwapFault(kind="swap", columns=("tenure", "MonthlyCharges"), onset_step=ONSET))
    np.testing.assert_array_equal(column(found, "tenure"), column(true, "MonthlyCharges"))
    np.testing.assert_array_equal(column(found, "MonthlyCharges"), column(true, "tenure"))
    found, true = seen(SwapFault(kind="swap", columns=("Partner", "Dependents"), onset_step=ONSET))
    np.testing.assert_array_equal(column(found, "Partner"), column(true, "Dependents"))
    found, _ = seen(SwapFault(kind="swap", columns=("tenure", "Contract"), onset_step=ONSET))
    assert np.isnan(column(found, "tenure")).all()
    assert set(column(found, "Contract")) == {UNSEEN}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (NullFault(kind="nulls", columns=("Tenure",), onset_step=0), "Did you mean 'tenure'"),
        (NullFault(kind="nulls", columns=("tenure",), where="Contract=Daily", onset_step=0), "Daily"),
        (UnitFault(kind="unit", column="Contract", factor=2, onset_step=0), "must act on a numeric column"),
        (RenameFault(kind="rename", column="Contract", category="Daily", to="x", onset_step=0), "'Daily'"),
        (RenameFault(kind="rename", column="tenure", category="1", to="x", onset_step=0), "'tenure' holds numbers"),
        (StuckFault(kind="stuck", column="tenure", value="long", onset_step=0), "give a number"),
        (TextFault(kind="text", columns=("Contract",), onset_step=0), "must act on a numeric column"),
        (SwapFault(kind="swap", columns=("tenure", "tenure"), onset_step=0), "must have two columns"),
        (CategoryDrift(kind="category", column="InternetService", to="No", share=1, onset_step=0), "kind = 'mix'"),
        (
            CategoryDrift(kind="category", column="TechSupport", to="No internet service", share=1, onset_step=0),
            "only where another column makes it so",
        ),
        (MixDrift(kind="mix", tilt={"Contract=Daily": 1.0}, onset_step=0), "Daily"),
    ],
)
def test_what_the_population_cannot_have_is_refused(fault, message):
    with pytest.raises(InputError, match=message):
        world_of(fault)


# Who is scored, and how often


def test_a_missing_batch_has_nobody_and_the_next_is_whole():
    world = world_of(DroppedFault(kind="dropped", onset_step=ONSET, profile="blip"))
    assert [len(world.batch(step).customer_id) for step in range(5)] == [400, 400, 0, 400, 400]
    assert world.truth(ONSET).propensity.shape == (0,)
    assert world.labels(ONSET, np.zeros(0, dtype=bool)).label.shape == (0,)


def test_dropped_customers_are_never_scored_and_the_others_keep_their_luck():
    calm, world = world_of(), world_of(DroppedFault(kind="dropped", share=0.3, onset_step=ONSET))
    ids = world.batch(ONSET).customer_id
    assert len(ids) == pytest.approx(280, abs=40)
    rows = np.searchsorted(calm.batch(ONSET).customer_id, ids)
    np.testing.assert_array_equal(world.truth(ONSET).churns, calm.truth(ONSET).churns[rows])
    np.testing.assert_array_equal(world.batch(ONSET).held_out, calm.batch(ONSET).held_out[rows])


@pytest.mark.parametrize("kind", POPULATIONS)
def test_late_customers_come_once_later(kind):
    fault = LateFault(kind="late", share=0.5, late_steps=2, onset_step=ONSET, profile="blip")
    calm, world = (world_of(*each, population=POPULATIONS[kind]) for each in ([], [fault]))
    here, there = set(world.batch(ONSET).customer_id), set(world.batch(ONSET + 2).customer_id)
    late = set(calm.batch(ONSET).customer_id) - here
    assert len(late) == pytest.approx(200, abs=40)
    assert late <= there
    assert there - late == set(calm.batch(ONSET + 2).customer_id) - late
    assert world.batch(ONSET + 2).duplicates == len(late & set(calm.batch(ONSET + 2).customer_id))
    rows = np.searchsorted(world.batch(ONSET + 2).customer_id, sorted(there - late))
    before = np.searchsorted(calm.batch(ONSET + 2).customer_id, sorted(there - late))
    np.testing.assert_array_equal(world.truth(ONSET + 2).churns[rows], calm.truth(ONSET + 2).churns[before])


def test_duplicates_are_counted_and_left_out():
    world = world_of(DuplicateFault(kind="duplicates", share=0.2, onset_step=ONSET), customers=1000)
    assert world.batch(ONSET).duplicates == pytest.approx(200, abs=45)
    assert len(set(world.batch(ONSET).customer_id)) == 1000
    assert world.batch(0).duplicates == 0


@pytest.mark.parametrize("of", ["all", "churners", "stayers"])
def test_mislabelled_outcomes_are_told_wrong_of_whom_it_says(of):
    fault = MislabelFault(kind="mislabelled", share=0.25, of=of, onset_step=ONSET)
    world = world_of(fault, customers=2000)
    nobody = np.zeros(2000, dtype=bool)
    churns, told = world.truth(ONSET).churns, world.labels(ONSET, nobody).label
    concerned = {"all": ~nobody, "churners": churns, "stayers": ~churns}[of]
    assert np.mean((churns != told)[concerned]) == pytest.approx(0.25, abs=0.06)
    assert not np.any((churns != told) & ~concerned)
    np.testing.assert_array_equal(world.labels(0, nobody).label, world.truth(0).churns)


# Time and the twin


def test_customers_grow_and_vary_and_the_future_changes_no_size():
    time = Time(steps=37, customers=1000, customers_growth=0.5, customers_spread=0.1, warmup_steps=3, step_days=10)
    world = World(small().model_copy(update={"time": time}), 1, TWIN)
    sizes = [len(world.batch(step).customer_id) for step in (0, 36)]
    assert sizes[0] == pytest.approx(1000, abs=101)
    assert sizes[1] == pytest.approx(1000 * 1.5 ** (360 / 365.25), rel=0.11)
    longer = World(small().model_copy(update={"time": time.model_copy(update={"steps": 50})}), 1, TWIN)
    assert [len(longer.batch(step).customer_id) for step in range(10)] == [
        len(world.batch(step).customer_id) for step in range(10)
    ]
    assert len({len(world.batch(step).customer_id) for step in range(10)}) > 5


def test_the_twin_has_the_base_rate_and_the_signal_that_are_asked_for():
    signals = []
    for strength in (0.0, 0.5, 1.0, 3.0):
        world = world_of(twin=Twin(base_rate=0.45, signal_strength=strength))
        p = world.propensities.mechanism(0).propensity(TWIN.reference())
        assert p.mean() == pytest.approx(0.45, abs=1e-9)
        signals.append(p.std())
    assert signals[0] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(signals) > 0.03)
    own = world_of(twin=Twin(signal_strength=2.0)).propensities.mechanism(0).propensity(TWIN.reference())
    assert own.mean() == pytest.approx(TWIN.mechanism.propensity(TWIN.reference()).mean(), abs=1e-9)
    with pytest.raises(InputError, match="use --population twin"):
        world_of(twin=Twin(base_rate=0.45), population=toy_population(500))
