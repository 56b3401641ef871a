"""The outcome mechanism: what a term means, what moves it, and how well it fits the real table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, roc_auc_score

from sim.errors import InputError
from sim.world.mechanism.outcome import Mechanism, telco_mechanism
from sim.world.schema.columns import UNSEEN, Column, Schema
from sim.world.schema.table import Table
from sim.world.schema.term import design
from sim.world.telco.table import SCHEMA

SMALL = Schema((Column("tenure"), Column("Charges"), Column("Contract", ("Monthly", "One year", "Two year"))))
TERMS = {
    "intercept": 0.4,
    "tenure/12": -0.3,
    "log1p(tenure)": -0.2,
    "hinge(Charges, 70)/10": 0.15,
    "Contract=One year": -1.0,
    "Contract=Two year & tenure/12": -0.4,
}
MECHANISM = Mechanism(SMALL, TERMS)


def matrices(min_rows=0):
    """Matrices of `SMALL`, broken values included."""
    number = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf]))
    code = st.sampled_from([0.0, 1.0, 2.0, UNSEEN, np.nan])
    row = st.tuples(number, number, code)
    return st.lists(row, min_size=min_rows, max_size=30).map(lambda rows: np.array(rows).reshape(-1, 3))


def logit(probability):
    return np.log(probability / (1.0 - probability))


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("intercept", 1.0),
        ("tenure", 24.0),
        ("tenure/12", 2.0),
        ("log1p(tenure)", np.log(25.0)),
        ("log1p(tenure)/2", np.log(25.0) / 2),
        ("hinge(tenure, 18)", 6.0),
        ("hinge(tenure,18)/12", 0.5),
        ("hinge(tenure, 30)", 0.0),
        ("Contract=One year", 1.0),
        ("Contract=Two year", 0.0),
        ("Contract=One year & tenure/12", 2.0),
        ("Contract=One year & tenure/12 & Charges", 160.0),
    ],
)
def test_a_term_means_what_it_says(term, value):
    row = np.array([[24.0, 80.0, 1.0]])
    assert design((term,), row, SMALL)[0, 0] == pytest.approx(value)
    assert logit(Mechanism(SMALL, {term: 0.01}).propensity(row))[0] == pytest.approx(0.01 * value)


@given(matrices())
def test_a_propensity_is_a_probability_whatever_comes(features):
    propensity = MECHANISM.propensity(features)
    assert propensity.shape == (len(features),)
    assert np.all((propensity > 0.0) & (propensity < 1.0))


@given(matrices(min_rows=1), st.randoms(use_true_random=False))
def test_neither_order_nor_company_changes_a_bit(features, random):
    order = list(range(len(features)))
    random.shuffle(order)
    names = list(TERMS)
    random.shuffle(names)
    shuffled = Mechanism(SMALL, {name: TERMS[name] for name in names})
    propensity = MECHANISM.propensity(features)
    np.testing.assert_array_equal(shuffled.propensity(features[order]), propensity[order])
    np.testing.assert_array_equal(MECHANISM.propensity(features[:1]), propensity[:1])


def test_rows_of_several_blocks_are_judged_like_single_rows():
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.integers(0, 72, 9_000), rng.uniform(20, 120, 9_000), rng.integers(0, 3, 9_000)])
    together = MECHANISM.propensity(features)
    for row in (0, 4_095, 4_096, 8_999):
        assert MECHANISM.propensity(features[row : row + 1])[0] == together[row]


def test_a_missing_or_unseen_value_leaves_its_terms_out():
    broken = np.array([[np.nan, np.nan, UNSEEN], [np.inf, 0.0, np.nan]])
    np.testing.assert_allclose(logit(MECHANISM.propensity(broken)), 0.4)


def test_the_row_is_not_changed():
    features = np.array([[np.nan, 80.0, 1.0]])
    MECHANISM.propensity(features)
    np.testing.assert_array_equal(features, [[np.nan, 80.0, 1.0]])


@given(
    matrices(min_rows=1),
    st.sampled_from(["tenure/12", "Contract=Monthly", "intercept", "Contract=Monthly & Charges/10"]),
    st.floats(-3, 3),
)
def test_moved_adds_the_shift_times_the_term(features, term, shift):
    moved = MECHANISM.moved({term: shift})
    expected = design(tuple(TERMS), features, SMALL) @ np.array(list(TERMS.values()))
    expected += shift * design((term,), features, SMALL)[:, 0]
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(moved.propensity(features), 1 / (1 + np.exp(-np.clip(expected, -30, 30))))


def test_moving_there_and_back_is_the_same_mechanism():
    features = np.array([[24.0, 80.0, 1.0], [3.0, 20.0, 0.0]])
    back = MECHANISM.moved({"Contract=Monthly": 2.0}).moved({"Contract=Monthly": -2.0})
    np.testing.assert_array_equal(back.propensity(features), MECHANISM.propensity(features))
    assert MECHANISM.moved({}) == MECHANISM


@given(
    arrays(np.float64, st.tuples(st.integers(1, 40), st.just(1)), elements=st.floats(0, 1e3)),
    st.floats(0.001, 0.999),
)
def test_the_base_rate_is_met_exactly(tenure, rate):
    features = np.column_stack([tenure[:, 0], np.full(len(tenure), 70.0), np.arange(len(tenure)) % 3])
    mechanism = MECHANISM.with_base_rate(features, rate)
    assert mechanism.propensity(features).mean() == pytest.approx(rate, abs=1e-12)
    assert {name: mechanism.coefficients[name] for name in TERMS if name != "intercept"} == {
        name: TERMS[name] for name in TERMS if name != "intercept"
    }


@pytest.mark.parametrize("rate", [1e-12, 1e-6, 1.0 - 1e-12])
def test_extreme_base_rates_are_met_too(rate):
    features = np.array([[1.0, 20.0, 0.0], [72.0, 110.0, 2.0]])
    assert MECHANISM.with_base_rate(features, rate).propensity(features).mean() == pytest.approx(rate, abs=1e-13)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, 1e-15, float("nan")])
def test_a_base_rate_must_be_a_share(rate):
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        MECHANISM.with_base_rate(np.array([[1.0, 1.0, 1.0]]), rate)


def test_a_base_rate_needs_a_customer():
    with pytest.raises(InputError, match="at least 1 customer"):
        MECHANISM.with_base_rate(np.empty((0, 3)), 0.3)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("Contrct=One year", "Did you mean 'Contract'?"),
        ("Contract=One years", "Did you mean 'One year'?"),
        ("tenur", "Did you mean 'tenure'?"),
        ("log1p(tenur)", "Did you mean 'tenure'?"),
        ("Contract", "write Contract=Monthly"),
        ("tenure=3", "is a number and has no category"),
        ("tenure/0", "must be above 0"),
        ("hinge(tenure, x)", "a factor must read like"),
        ("exp(tenure)", "a factor must read like"),
        ("", "a factor must read like"),
        ("tenure & ", "a factor must read like"),
        ("intercept & tenure", "must name a column"),
    ],
)
def test_a_term_that_cannot_be_read_is_refused_in_one_sentence(term, message):
    with pytest.raises(InputError) as refusal:
        MECHANISM.moved({term: 1.0})
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("shift", [float("nan"), float("inf")])
def test_a_shift_must_be_finite(shift):
    with pytest.raises(InputError, match="finite number"):
        MECHANISM.moved({"tenure": shift})


def test_the_telco_mechanism_is_readable():
    mechanism = telco_mechanism()
    assert mechanism is telco_mechanism()
    assert mechanism.schema == SCHEMA
    assert 30 <= len(mechanism.coefficients) <= 60
    assert max(abs(log_odds) for log_odds in mechanism.coefficients.values()) < 2.0
    assert not any("TotalCharges" in name for name in mechanism.coefficients)
    assert mechanism.coefficients["MonthlyCharges/10"] > 0


def test_the_telco_mechanism_is_calibrated_and_discriminates(telco: Table):
    propensity = telco_mechanism().propensity(telco.features)
    assert propensity.mean() == pytest.approx(telco.churned.mean(), abs=1e-5)
    assert roc_auc_score(telco.churned, propensity) > 0.853
    assert brier_score_loss(telco.churned, propensity) < 0.132
    deciles = np.array_split(np.argsort(propensity), 10)
    gaps = [abs(propensity[rows].mean() - telco.churned[rows].mean()) for rows in deciles]
    assert max(gaps) < 0.03  # two standard errors of a decile's churn rate
    assert np.mean(gaps) < 0.012


def test_a_competitor_moves_the_outcome_from_fiber_to_dsl_at_the_same_base_rate(telco: Table):
    internet = telco.features[:, SCHEMA.position["InternetService"]]
    dsl, fiber = (internet == SCHEMA.code("InternetService", name) for name in ("DSL", "Fiber optic"))
    before = telco_mechanism()
    shifts = {"InternetService=DSL": 2.2, "InternetService=Fiber optic": -2.5}
    after = before.moved(shifts).with_base_rate(telco.features, float(telco.churned.mean()))
    change = after.propensity(telco.features) - before.propensity(telco.features)
    assert change.mean() == pytest.approx(0.0, abs=1e-5)
    assert change[dsl].min() > 0.0 > change[fiber].max()
