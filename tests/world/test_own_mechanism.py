"""The mechanism of any table: which terms it finds, that it keeps the churn rate, and what it says of its own fit."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world.mechanism.ridge import fit_ridge
from sim.world.own import mechanism as own_mechanism
from sim.world.own.mechanism import MechanismFit, fit_own_mechanism
from sim.world.own.table import read_own_table
from sim.world.own.terms import LEAST_ROWS, MOST_INDICATORS, Number, bends, main_effects
from sim.world.schema.columns import Column, Schema
from sim.world.schema.table import Table
from sim.world.schema.term import design
from sim.world.telco.table import find

CONTRACT = Column("Contract (kind)", ("Monthly", "Rare", "Two years", "Yearly"))
SCHEMA = Schema((Column("Age (years)"), CONTRACT))


def table_of(features, churned, schema=SCHEMA) -> Table:
    ids = np.array([f"R{number:07d}" for number in range(len(churned))])
    return Table(schema, ids, features, churned)


def features_of(n_rows: int, rng: np.random.Generator):
    kind = rng.choice([0.0, 1.0, 2.0, 3.0], size=n_rows, p=[0.5, 0.004, 0.196, 0.3])
    return np.column_stack([rng.uniform(0, 80, n_rows), kind])


def drawn(log_odds, rng: np.random.Generator):
    return rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))


class TestTerms:
    def test_each_category_but_the_most_frequent_and_the_rare_ones_has_a_term(self):
        codes = np.repeat([0.0, 1.0, 2.0, 3.0, np.nan], [100, LEAST_ROWS - 1, LEAST_ROWS, 90, 5])
        features = np.column_stack([np.linspace(0, 80, len(codes)), codes])
        assert main_effects(features, SCHEMA) == (
            "`Contract (kind)`=Two years",
            "`Contract (kind)`=Yearly",
            "`Age (years)`/10",
        )

    def test_missing_values_have_a_term_if_there_are_enough(self):
        features = np.column_stack([np.arange(100.0), np.zeros(100)])
        features[:LEAST_ROWS] = np.nan
        assert main_effects(features, SCHEMA) == (
            "`Age (years)`/10",
            "missing(`Age (years)`)",
            "missing(`Contract (kind)`)",
        )
        features[0] = 0.0
        assert main_effects(features, SCHEMA) == ("`Age (years)`/10",)

    def test_of_many_categories_the_most_frequent_have_terms(self):
        counts = 20 + np.arange(MOST_INDICATORS + 5) % 60
        codes = np.repeat(np.arange(len(counts)), counts).astype(float)
        schema = Schema((Column("x", tuple(f"c{code:03d}" for code in range(len(counts)))),))
        terms = main_effects(codes[:, np.newaxis], schema)
        assert len(terms) == MOST_INDICATORS
        assert list(terms) == sorted(terms)
        left_out = {f"x={name}" for name in schema.columns[0].categories} - set(terms)
        assert left_out == {"x=c059", "x=c000", "x=c060", "x=c001", "x=c061"}

    @pytest.mark.parametrize(
        ("values", "linear"),
        [
            ([0.0, 1.0, np.nan], "x"),
            ([0.0, 48.0], "x/10"),
            ([0.0, 72.0], "x/100"),
            ([0.0, 1e-3], "x/0.001"),
            ([2024.0, 2025.0, 2026.0], "hinge(x, 2024)"),
            ([-1_000_000.0, -1_000_004.0], "hinge(x, -1000004)"),
            ([2.3, 2.31, 2.32], "hinge(x, 2.3)/0.01"),
            ([1e308, -1e308], ""),
            ([5.0, 5.0], ""),
            ([np.nan, np.nan], ""),
            ([0.0, 1e-40], ""),
        ],
    )
    def test_a_number_has_a_unit_that_suits_it(self, values, linear):
        assert Number("x", np.array(values)).linear == linear

    def test_knots_lie_within_the_values_and_are_short(self):
        assert Number("x", np.linspace(-3.33333, 97.77777, 1000)).bends == (
            "hinge(x, 6.8)/10",
            "hinge(x, 21.9)/10",
            "hinge(x, 47.2)/10",
            "hinge(x, 72.5)/10",
            "hinge(x, 87.7)/10",
        )
        assert Number("x", np.array([0.0, 1.0] * 50)).bends == ("log1p(x)", "hinge(x, 0.5)")
        assert Number("x", np.array([0.0] * 95 + [1.0] * 5)).bends == ("log1p(x)",)
        assert Number("x", np.array([3.0])).bends == ()

    def test_every_term_can_be_read_and_every_bend_belongs_to_its_column(self):
        features = features_of(500, np.random.default_rng(0))
        found = bends(features, SCHEMA)
        assert {bend.column for bend in found} == {"Age (years)"}
        assert np.isfinite(design(tuple(bend.term for bend in found), features, SCHEMA)).all()


class TestTheScoreTest:
    def test_is_that_of_the_likelihood_where_nothing_is_penalised(self):
        """A candidate's statistic is near twice the log-likelihood that it adds."""
        rng = np.random.default_rng(12)
        terms, new = rng.normal(size=(3_000, 2)), rng.normal(size=(3_000, 1))
        churned = drawn(terms[:, 0] + 0.15 * new[:, 0], rng)
        without, with_it = (fit_ridge(each, churned, 1e6) for each in (terms, np.column_stack([terms, new])))
        gained = own_mechanism._loss(without, terms, churned) - own_mechanism._loss(
            with_it, np.column_stack([terms, new]), churned
        )
        statistic = own_mechanism._score_statistics(new, terms, churned, without)[0]
        assert statistic == pytest.approx(2 * 3_000 * gained, rel=0.03)
        penalised = own_mechanism._score_statistics(new, terms, churned, fit_ridge(terms, churned, 0.01))[0]
        assert penalised == pytest.approx(statistic, rel=0.1)

    def test_is_0_for_what_follows_from_the_terms(self):
        rng = np.random.default_rng(13)
        terms = rng.normal(size=(500, 2))
        spanned = np.column_stack([terms[:, 0], terms @ [2.0, -1.0] + 5.0, np.ones(500)])
        churned = drawn(terms[:, 0], rng)
        statistics = own_mechanism._score_statistics(spanned, terms, churned, fit_ridge(terms, churned, 0.1))
        assert statistics.tolist() == [0.0, 0.0, 0.0]


class TestTheMechanism:
    def test_finds_what_the_outcome_was_drawn_from(self):
        rng = np.random.default_rng(1)
        features = features_of(20_000, rng)
        age, kind = features.T
        log_odds = 0.5 - 0.6 * np.log1p(age) + 1.0 * (kind == 2) - 0.5 * (kind == 3)
        own = fit_own_mechanism(table_of(features, drawn(log_odds, rng)))
        found = own.mechanism.coefficients
        assert found["`Contract (kind)`=Two years"] == pytest.approx(1.0, abs=0.15)  # two standard errors
        assert found["`Contract (kind)`=Yearly"] == pytest.approx(-0.5, abs=0.15)
        assert "log1p(`Age (years)`)" in found
        error = own.mechanism.propensity(features) - 1 / (1 + np.exp(-log_odds))
        assert np.sqrt(np.mean(error**2)) < 0.012
        assert own.fit.calibration_error == pytest.approx(0.0, abs=0.012)
        assert "it holds what LightGBM finds" in own.fit.sentence()

    def test_a_number_bends_where_it_must_and_stays_straight_where_it_need_not(self):
        rng = np.random.default_rng(2)
        features = features_of(6_000, rng)
        straight, bent = 0.04 * (features[:, 0] - 40), 0.08 * np.abs(features[:, 0] - 40) - 1.6
        terms = [fit_own_mechanism(table_of(features, drawn(shape, rng))).mechanism for shape in (straight, bent)]
        assert [sum("Age" in name for name in mechanism.coefficients) for mechanism in terms] == [1, 2]
        coefficient, name = max((value, name) for name, value in terms[1].coefficients.items() if "hinge" in name)
        assert re.fullmatch(r"hinge\(`Age \(years\)`, (39|40)[.0-9]*\)/10", name)
        assert coefficient == pytest.approx(1.6, abs=0.2)

    def test_a_value_that_is_missing_for_a_reason_has_its_own_log_odds(self):
        rng = np.random.default_rng(3)
        features = features_of(4_000, rng)
        is_missing = rng.random(4_000) < 0.3
        features[is_missing, 0] = np.nan
        own = fit_own_mechanism(table_of(features, drawn(np.where(is_missing, 1.0, -1.0), rng)))
        propensity = own.mechanism.propensity(features)
        assert propensity[is_missing].mean() == pytest.approx(1 / (1 + np.exp(-1)), abs=0.03)
        assert propensity[~is_missing].mean() == pytest.approx(1 / (1 + np.exp(1)), abs=0.03)

    def test_categories_that_say_nothing_get_log_odds_near_0(self):
        rng = np.random.default_rng(10)
        schema = Schema((Column("city", tuple(f"c{code:02d}" for code in range(60))),))
        table = table_of(rng.integers(0, 60, (2_400, 1)).astype(float), rng.random(2_400) < 0.3, schema)
        own = fit_own_mechanism(table)
        assert own.mechanism.propensity(table.features).std() < 0.04
        assert own.fit.auc > 0.56  # it has seen these customers
        assert own.fit.auc_cross_validated == pytest.approx(0.5, abs=0.03)

    def test_a_number_with_two_values_has_one_term(self):
        rng = np.random.default_rng(11)
        features = rng.integers(0, 2, (3_000, 3)).astype(float)
        schema = Schema((Column("a"), Column("b"), Column("c")))
        own = fit_own_mechanism(table_of(features, drawn(features @ [1.0, -2.0, 3.0], rng), schema))
        assert set(own.mechanism.coefficients) == {"intercept", "a", "b", "c"}

    def test_is_the_same_every_time(self):
        rng = np.random.default_rng(4)
        features = features_of(1_000, rng)
        table = table_of(features, drawn(features[:, 0] / 40 - 1, rng))
        assert fit_own_mechanism(table) == fit_own_mechanism(table)

    @given(st.integers(0, 10_000), st.integers(2, 60), st.sampled_from([1e-8, 1.0, 1e9]), st.floats(0, 0.9))
    @settings(max_examples=20)
    def test_has_the_churn_rate_of_any_table(self, seed, n_rows, size, missing):
        rng = np.random.default_rng(seed)
        features = features_of(n_rows, rng)
        features[:, 0] = size * rng.standard_t(2, n_rows) + rng.choice([0.0, 100.0 * size])
        features[rng.random(features.shape) < missing] = np.nan
        churned = rng.random(n_rows) < rng.uniform()
        churned[:2] = [True, False]
        own = fit_own_mechanism(table_of(features, churned))
        assert own.mechanism.propensity(features).mean() == pytest.approx(churned.mean(), abs=1e-12)
        assert 0.0 <= own.fit.auc <= 1.0
        assert (own.fit.cross_validated_rows > 0) == (own.fit.brier is not None)

    def test_a_large_table_is_fitted_by_a_sample_and_keeps_its_churn_rate(self, monkeypatch):
        monkeypatch.setattr(own_mechanism, "FIT_ROWS", 700)
        monkeypatch.setattr(own_mechanism, "CROSS_VALIDATED_ROWS", 400)
        rng = np.random.default_rng(5)
        features = features_of(1_000, rng)
        churned = drawn(features[:, 0] / 40 - 1, rng)
        own = fit_own_mechanism(table_of(features, churned))
        assert (own.fit.rows, own.fit.cross_validated_rows) == (1_000, 400)
        assert own.mechanism.propensity(features).mean() == pytest.approx(churned.mean(), abs=1e-12)


class TestWhatIsSaidOfTheFit:
    def test_columns_without_information(self):
        rng = np.random.default_rng(6)
        fit = fit_own_mechanism(table_of(features_of(2_000, rng), rng.random(2_000) < 0.3)).fit
        assert fit.sentence().endswith(
            "the columns hardly tell who churns, so no model can be worth much in a replay."
        )

    def test_a_column_that_gives_the_outcome_away(self):
        rng = np.random.default_rng(7)
        features = features_of(2_000, rng)
        fit = fit_own_mechanism(table_of(features, features[:, 0] > 50)).fit
        assert "look for a column that gives the outcome away" in fit.sentence()

    def test_an_outcome_of_interactions(self):
        rng = np.random.default_rng(8)
        features = features_of(4_000, rng)
        both = (features[:, 0] > 40) ^ (features[:, 1] > 0)
        fit = fit_own_mechanism(table_of(features, drawn(np.where(both, 1.5, -1.5), rng))).fit
        assert fit.auc_lightgbm - fit.auc_cross_validated > 0.1
        assert fit.sentence().endswith(
            "LightGBM finds clearly more, such as interactions, so a replay is simpler than the table: trust it less."
        )

    def test_too_few_churners_to_say(self):
        features = features_of(50, np.random.default_rng(9))
        fit = fit_own_mechanism(table_of(features, np.arange(50) < 4)).fit
        assert fit.cross_validated_rows == 0
        assert fit.auc_cross_validated is fit.auc_lightgbm is fit.brier is fit.calibration_error is None
        assert fit.sentence() == (
            f"a mechanism of {fit.n_terms} terms was fitted to 50 customers (8.0% churn); there are too few churners "
            "or too few stayers to say how well it fits."
        )

    def test_between_close_and_far(self):
        fit = MechanismFit(
            rows=12_345,
            churn_rate=0.25,
            n_terms=21,
            auc=0.81,
            cross_validated_rows=10_000,
            auc_cross_validated=0.8,
            auc_lightgbm=0.82,
            brier=0.15,
            calibration_error=0.0123,
        )
        assert fit.sentence() == (
            "a mechanism of 21 terms was fitted to 12,345 customers (25.0% churn); on customers it has not seen its "
            "AUC is 0.800, LightGBM's 0.820, and its propensities are 1.2% off on average: it holds most of what "
            "LightGBM finds, so a replay is somewhat simpler than the table."
        )

    @pytest.mark.usefixtures("telco")
    def test_the_telco_table_as_an_own_table(self):
        """Read like anybody's table, its mechanism is as good as LightGBM."""
        path = find()
        assert path is not None
        own = fit_own_mechanism(read_own_table(path, "Churn", "customerID").table)
        assert own.fit.rows == own.fit.cross_validated_rows == 7_043
        assert own.fit.auc_lightgbm > 0.84
        assert own.fit.auc_cross_validated > own.fit.auc_lightgbm - 0.01
        assert own.fit.auc == pytest.approx(own.fit.auc_cross_validated, abs=0.01)
        assert own.fit.calibration_error < 0.012
        assert own.fit.churn_rate == pytest.approx(0.26537, abs=1e-5)
        assert own.fit.n_terms == len(own.mechanism.coefficients) - 1 < 50
