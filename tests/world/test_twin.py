"""The twin: its rules without the table, and what it owes to the real table."""

import dataclasses
import json

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split

from sim.world.mechanism.fit_twin import fit, fit_mechanism
from sim.world.mechanism.outcome import telco_mechanism
from sim.world.schema.table import Table
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import (
    INTERNET_EXTRAS,
    PRICE_STEP,
    TOTAL_DEVIATION_LIMIT,
    Stage,
    TwinParameters,
    load_parameters,
    sample,
)

CATEGORIES = [*SCHEMA.category_positions]


def column(features, name):
    return features[:, SCHEMA.position[name]]


def outcomes(mechanism, features, rng):
    return rng.random(len(features)) < mechanism.propensity(features)


def model(**changes):
    """The fixed model of the comparisons with the real table."""
    fixed = {"n_estimators": 100, "learning_rate": 0.05, "num_leaves": 15, "min_child_samples": 20}
    return lgb.LGBMClassifier(**fixed | changes, n_jobs=1, random_state=0, verbose=-1)


def auc_of_model_trained_on(features, churned, test):
    fitted = model().fit(features, churned, categorical_feature=CATEGORIES)
    return roc_auc_score(test.churned, fitted.predict_proba(test.features)[:, 1])


def part(table, rows):
    return Table(table.schema, table.customer_id[rows], table.features[rows], table.churned[rows])


def check_structure(features, deviation_limit=TOTAL_DEVIATION_LIMIT):
    """Every rule that holds for every customer of the real table."""
    internet_is_no = column(features, "InternetService") == SCHEMA.code("InternetService", "No")
    for extra in INTERNET_EXTRAS:
        says_no_internet = column(features, extra) == SCHEMA.code(extra, "No internet service")
        np.testing.assert_array_equal(says_no_internet, internet_is_no)
    phone_is_no = column(features, "PhoneService") == SCHEMA.code("PhoneService", "No")
    says_no_phone = column(features, "MultipleLines") == SCHEMA.code("MultipleLines", "No phone service")
    np.testing.assert_array_equal(says_no_phone, phone_is_no)
    assert not np.any(phone_is_no & (column(features, "InternetService") != SCHEMA.code("InternetService", "DSL")))
    check_charges(features, deviation_limit)


def check_charges(features, deviation_limit):
    tenure, monthly, total = (column(features, name) for name in ("tenure", "MonthlyCharges", "TotalCharges"))
    np.testing.assert_array_equal(np.isnan(total), tenure == 0)
    np.testing.assert_array_equal(total[tenure == 1], monthly[tenure == 1])
    paid = tenure > 0
    spread = 1.5 * np.sqrt((tenure - 1)[paid] * monthly[paid])
    assert np.all(np.abs(total - tenure * monthly)[paid] <= deviation_limit * spread + PRICE_STEP)
    for charges in (monthly, total[paid]):
        np.testing.assert_array_equal(charges, np.round(charges * 20) / 20)


# Without the real table


@pytest.mark.parametrize("seed", range(3))
def test_every_customer_keeps_the_structural_rules(seed):
    check_structure(sample(np.random.default_rng(seed), 20_000))


def test_values_stay_in_range():
    features = sample(np.random.default_rng(7), 20_000)
    for index in SCHEMA.category_positions:
        codes = np.unique(features[:, index])
        np.testing.assert_array_equal(codes, np.arange(len(SCHEMA.columns[index].categories)))
    assert set(np.unique(column(features, "tenure"))) == set(range(73))
    assert column(features, "MonthlyCharges").min() > 15.0
    assert column(features, "MonthlyCharges").max() < 125.0
    assert np.nanmin(column(features, "TotalCharges")) > 0.0


def test_the_same_stream_gives_the_same_customers():
    first, second = (sample(np.random.default_rng(3), 500) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, sample(np.random.default_rng(4), 500), equal_nan=True)


@given(st.integers(0, 9_000), st.integers(0, 300))
def test_the_first_customers_of_a_larger_draw_are_a_smaller_draw(n, more):
    larger = sample(np.random.default_rng(5), n + more)
    np.testing.assert_array_equal(larger[:n], sample(np.random.default_rng(5), n))


def test_no_customers_can_be_drawn():
    assert sample(np.random.default_rng(0), 0).shape == (0, 19)


def test_parameters_survive_json():
    parameters = load_parameters()
    again = TwinParameters.from_json(json.loads(json.dumps(parameters.to_json())))
    assert again == parameters
    np.testing.assert_array_equal(sample(np.random.default_rng(1), 200, again), sample(np.random.default_rng(1), 200))


def test_other_parameters_make_other_customers():
    contract = Stage("Contract", "Two year", {"One year": {"intercept": 0.0}, "Month-to-month": {"intercept": -50.0}})
    _, *stages = load_parameters().stages
    changed = dataclasses.replace(
        load_parameters(), tenure_share=(0.0, 1.0), stages=(contract, *stages), total_spread=0.0
    )
    features = sample(np.random.default_rng(2), 4_000, changed)
    assert np.all(column(features, "tenure") == 1)
    assert np.all(column(features, "Contract") != SCHEMA.code("Contract", "Month-to-month"))
    assert np.mean(column(features, "Contract") == SCHEMA.code("Contract", "One year")) == pytest.approx(
        0.5, abs=0.04
    )


def test_a_stage_cannot_look_ahead():
    looking_ahead = Stage("Contract", "Two year", {"One year": {"PaymentMethod=Mailed check": 1.0}})
    _, *stages = load_parameters().stages
    changed = dataclasses.replace(load_parameters(), stages=(looking_ahead, *stages))
    with pytest.raises(IndexError):
        sample(np.random.default_rng(2), 10, changed)


def test_the_data_file_is_small():
    content = {"mechanism": dict(telco_mechanism().coefficients), "twin": load_parameters().to_json()}
    assert len(json.dumps(content, indent=1)) < 100_000


# Against the real table


def test_the_real_table_keeps_the_same_rules(telco: Table):
    check_structure(telco.features, deviation_limit=4.5)  # its widest of 7,032 lies at 4.0


def test_the_churn_rate_is_that_of_the_table(telco: Table):
    features = sample(np.random.default_rng(11), 100_000)
    churned = outcomes(telco_mechanism(), features, np.random.default_rng(12))
    assert churned.mean() == pytest.approx(telco.churned.mean(), abs=0.01)


def bins(index, real):
    """Bin numbers of any values of a column: its categories, or 20 quantile bins of the real table; missing last."""
    if SCHEMA.columns[index].is_category:
        return lambda values: values.astype(np.int64)
    edges = np.unique(np.nanquantile(real, np.linspace(0, 1, 21)[1:-1]))
    return lambda values: np.searchsorted(edges, np.where(np.isnan(values), np.inf, values), side="right")


@pytest.mark.parametrize("index", range(len(SCHEMA.columns)), ids=SCHEMA.names)
def test_each_column_is_distributed_as_in_the_table(telco: Table, index):
    twin, real = sample(np.random.default_rng(11), 100_000)[:, index], telco.features[:, index]
    bin_of = bins(index, real)
    shares = [np.bincount(bin_of(values), minlength=25) / len(values) for values in (twin, real)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 <= 0.02


def auc_of_two_sample_test(real, twin):
    """Cross-validated AUC of a model that tells two samples of 5,000 rows apart by features and outcome.

    The model is LightGBM as it comes: 100 rounds, learning rate 0.1, 31 leaves, at least 20 rows a leaf.
    """
    rows = np.concatenate([real, twin])
    is_twin = np.repeat([0, 1], [len(real), len(twin)])
    score = np.empty(len(rows))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(rows, is_twin):
        judge = model(learning_rate=0.1, num_leaves=31)
        judge.fit(rows[train], is_twin[train], categorical_feature=[*CATEGORIES, rows.shape[1] - 1])
        score[test] = judge.predict_proba(rows[test])[:, 1]
    return roc_auc_score(is_twin, score)


def five_thousand(table, rng):
    rows = rng.choice(len(table.churned), 5_000, replace=False)
    return np.column_stack([table.features[rows], table.churned[rows]])


@pytest.mark.slow
def test_a_model_hardly_tells_the_twin_from_the_table(telco: Table):
    rng = np.random.default_rng(21)
    features = sample(rng, 5_000)
    twin = np.column_stack([features, outcomes(telco_mechanism(), features, rng)])
    assert auc_of_two_sample_test(five_thousand(telco, rng), twin) <= 0.60


@pytest.mark.slow
def test_the_two_sample_test_can_fail(telco: Table):
    rng = np.random.default_rng(22)
    broken = five_thousand(telco, rng)
    total = SCHEMA.position["TotalCharges"]
    broken[:, total] = rng.permutation(broken[:, total])
    assert auc_of_two_sample_test(five_thousand(telco, rng), broken) > 0.8


@pytest.mark.slow
def test_a_model_trained_on_the_twin_serves_real_customers(telco: Table):
    rows = np.arange(len(telco.churned))
    train_rows, test_rows = train_test_split(rows, test_size=0.2, random_state=0, stratify=telco.churned)
    train, test = part(telco, train_rows), part(telco, test_rows)
    parameters, mechanism = fit(train), fit_mechanism(train)
    twin_aucs = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        features = sample(rng, len(train_rows), parameters)
        twin_aucs.append(auc_of_model_trained_on(features, outcomes(mechanism, features, rng), test))
    assert np.mean(twin_aucs) == pytest.approx(auc_of_model_trained_on(train.features, train.churned, test), abs=0.01)


@pytest.mark.slow
def test_fitting_again_gives_the_shipped_numbers(telco: Table):
    mechanism, parameters = fit_mechanism(telco), fit(telco)
    assert dict(mechanism.coefficients) == pytest.approx(dict(telco_mechanism().coefficients), abs=2e-5)
    shipped = load_parameters()
    assert parameters.tenure_share == pytest.approx(shipped.tenure_share)
    assert parameters.price_list == pytest.approx(shipped.price_list, abs=2e-3)
    assert parameters.total_spread == pytest.approx(shipped.total_spread, abs=2e-4)
    for name, quantiles in shipped.price_deviations.items():
        assert parameters.price_deviations[name] == pytest.approx(quantiles, abs=2e-3)
    for fitted, stage in zip(parameters.stages, shipped.stages, strict=True):
        assert (fitted.column, fitted.reference) == (stage.column, stage.reference)
        for category, coefficients in stage.log_odds.items():
            assert fitted.log_odds[category] == pytest.approx(coefficients, abs=2e-3)
