"""Training: which rows a model sees, how it is fitted, and how its threshold is set."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import (
    CHEAP,
    TWIN,
    live,
    plain,
    scenarios,
    script,
    scripts,
    small,
    telco_population,
    toy_population,
    toy_table,
)

from scenarios.schema import Offers, Prices, Recipe, Training
from sim.mlops.models.cohort import Cohort, LabelledRows
from sim.mlops.models.model import Model
from sim.mlops.models.training import (
    best_threshold,
    boosted,
    dataset,
    first_training_data,
    fit,
    inner_split,
    mixed_counts,
    training_data,
)
from sim.mlops.models.tuning import EARLY_STOPPING_ROUNDS, MAX_ROUNDS, search_recipe
from sim.mlops.records.log import usable_steps
from sim.mlops.statistics.metrics import f1
from sim.mlops.statistics.overlap import Sample
from sim.world.schema.columns import Column, Schema
from sim.world.telco.table import SCHEMA

COUNTS = st.integers(0, 100_000)


def rows_of(n_rows=400, seed=5):
    table = toy_table(n_rows, seed)
    return LabelledRows.alike(table.customer_id, table.features, table.churned)


def cohort(step, n_rows, label=1.0):
    """A cohort whose customers say where they come from; every fifth is in the holdout."""
    number = np.arange(n_rows)
    return Cohort(
        step=step,
        kept=Sample(
            np.array([f"{step:+03d}/{each:04d}" for each in number]),
            np.column_stack([np.full(n_rows, float(step)), number]),
        ),
        holdout=number % 5 == 0,
        held_out=np.zeros(n_rows, dtype=bool),
        offered=np.zeros(n_rows, dtype=bool),
        probability=np.full(n_rows, np.nan),
        prediction=np.zeros(n_rows, dtype=bool),
        label=np.full(n_rows, label),
    )


@given(COUNTS, COUNTS)
def test_seventy_thirty_is_exact_by_rows(n_recent, n_older):
    recent, older = mixed_counts(n_recent, n_older, 0.7)
    if n_older == 0:
        assert (recent, older) == (n_recent, 0)
    elif n_older >= n_recent * 3 // 7:
        assert (recent, older) == (n_recent, n_recent * 3 // 7)
    else:
        assert (recent, older) == (n_older * 7 // 3, n_older)


@given(COUNTS, COUNTS, st.floats(0.01, 1))
def test_a_mix_never_asks_for_rows_that_are_not_there(n_recent, n_older, share):
    recent, older = mixed_counts(n_recent, n_older, share)
    assert 0 <= recent <= n_recent
    assert 0 <= older <= n_older
    if older and recent:
        assert recent / (recent + older) == pytest.approx(share, abs=1 / (recent + older) + 1e-9)


def test_recent_are_the_newest_complete_cohorts_and_the_rest_is_historical():
    cohorts = [cohort(step, 100) for step in range(-6, 4)]
    data = training_data(cohorts, Training(), Offers(), np.random.default_rng(1))
    assert data.window.recent_steps == (1, 2, 3)
    assert data.window.historical_steps == (-6, -5, -4, -3, -2, -1, 0)
    assert (data.window.n_recent, data.window.n_historical) == (240, 102)
    is_recent = data.rows.features[:, 0] >= 1
    assert (is_recent.sum(), (~is_recent).sum()) == (240, 102)
    assert len(set(data.rows.customer_id)) == 342
    assert np.all(data.rows.features[:, 1] % 5 != 0)
    place = data.rows.features[:, 0] * 1000 + data.rows.features[:, 1]
    assert np.all(np.diff(place) > 0)  # sorted by (scored_at, customer_id)


def test_with_few_historical_rows_the_recent_are_subsampled():
    cohorts = [cohort(0, 50), *(cohort(step, 100) for step in (1, 2, 3))]
    window = training_data(cohorts, Training(), Offers(), np.random.default_rng(1)).window
    assert (window.n_recent, window.n_historical) == (93, 40)


def test_with_no_historical_rows_all_recent_are_used():
    data = training_data([cohort(step, 100) for step in (1, 2, 3)], Training(), Offers(), np.random.default_rng(1))
    assert (data.window.n_recent, data.window.n_historical, data.window.historical_steps) == (240, 0, ())


def test_rows_without_a_label_are_left_out_and_a_cohort_without_rows_is_no_recent_one():
    cohorts = [cohort(0, 100), cohort(1, 100, label=np.nan), cohort(2, 100)]
    data = training_data(cohorts, Training(recent_cohorts=2), Offers(), np.random.default_rng(1))
    assert set(data.rows.features[:, 0]) == {0.0, 2.0}
    assert (data.window.n_recent, data.window.n_historical) == (160, 0)
    assert data.window.recent_steps == (0, 2)


@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_a_model_can_be_trained_on_a_handful_of_rows(n_rows):
    model = fit(rows_of(400).take(np.arange(n_rows)), CHEAP, Prices(), SCHEMA, 1)
    assert np.isfinite(model.probability(toy_table(20).features)).all()


def test_nobody_is_scored_where_nobody_came():
    assert fit(rows_of(400), CHEAP, Prices(), SCHEMA, 1).probability(np.empty((0, 19))).shape == (0,)


def test_a_part_too_small_to_set_a_threshold_on_leaves_it_at_a_half():
    rows = rows_of(400).take(np.arange(12))
    assert fit(rows, CHEAP.model_copy(update={"threshold_rule": "f1"}), Prices(), SCHEMA, 1).threshold == 0.5


def test_the_draw_of_historical_rows_follows_the_stream():
    cohorts = [cohort(step, 100) for step in range(6)]
    drawn = [
        training_data(cohorts, Training(), Offers(), np.random.default_rng(seed)).rows.customer_id
        for seed in (1, 1, 2)
    ]
    assert drawn[0].tolist() == drawn[1].tolist()
    assert drawn[0].tolist() != drawn[2].tolist()


@settings(max_examples=20)
@given(scenarios().map(plain), st.integers(0, 2**32), scripts())
def test_no_training_row_is_ever_in_the_holdout_and_windows_are_as_recorded(scenario, seed, policy):
    life = live(scenario, policy, seed, toy_population(2000), "none")
    check_training(life)


def check_training(life):
    """Rebuild the training data of every job of a life."""
    world, log = life.world, life.log
    judges = holdout_customers(life)
    first = first_training_data(log.cohorts(world.warmup), Offers())
    assert not judges & set(first.rows.customer_id)
    assert first.window == life.state.first.window
    for job in life.retrainings:
        steps = usable_steps(world.scenario, log, job.requested_day)
        rng = world.streams.generator("training_rows", job.requested_step)
        data = training_data(log.cohorts(steps), world.scenario.training, Offers(), rng)
        assert replace(data.window, profile="mix_70_30") == job.window
        assert not judges & set(data.rows.customer_id)
        assert len(data.rows.label) == job.window.n_recent + job.window.n_historical
        assert max(job.window.recent_steps) * world.scenario.time.step_days <= max(
            job.requested_day - world.scenario.labels.horizon_days, -world.scenario.time.step_days
        )


def holdout_customers(life):
    batches = [life.world.batch(step) for step in (*life.world.warmup, *life.world.steps)]
    judges = {customer for batch in batches for customer in batch.customer_id[batch.holdout]}
    others = {customer for batch in batches for customer in batch.customer_id[~batch.holdout]}
    assert not judges & others  # a customer keeps the role on every replay
    return judges


def test_on_the_real_table_the_mix_is_exact_and_the_holdout_is_never_trained_on(telco):
    scenario = small(steps=12, customers=1000, delay_days=90)
    life = live(scenario, script("...r.r.r.r"), 1, telco_population(telco), "none")
    check_training(life)
    for job in life.retrainings[1:]:
        assert job.window.n_historical == job.window.n_recent * 3 // 7
    share = len(holdout_customers(life)) / len(telco.customer_id)
    assert share == pytest.approx(0.2, abs=0.02)


def test_equal_rows_give_equal_trees_and_a_seed_gives_others():
    rows = rows_of()
    trees = [boosted(rows, CHEAP.model_copy(update={"rounds": 10}), SCHEMA, seed) for seed in (1, 1, 2)]
    assert trees[0] == trees[1]
    assert trees[0] != trees[2]


def test_scores_depend_on_no_other_row():
    rows = rows_of()
    model = fit(rows, CHEAP, Prices(), SCHEMA, 1)
    order = np.random.default_rng(1).permutation(len(rows.label))
    together = model.probability(rows.features)
    np.testing.assert_array_equal(model.probability(rows.features[order]), together[order])
    np.testing.assert_array_equal(model.probability(rows.features[:1]), together[:1])


def test_a_month_without_a_category_keeps_the_schema():
    rows = rows_of()
    contract = SCHEMA.position["Contract"]
    kept = rows.take(np.flatnonzero(rows.features[:, contract] != 2))
    model = fit(kept, CHEAP, Prices(), SCHEMA, 1)
    assert model.schema == SCHEMA
    assert np.all(np.isfinite(model.probability(rows.features)))


def test_an_unseen_category_scores_as_a_missing_value():
    rows = rows_of()
    model = fit(rows, CHEAP, Prices(), SCHEMA, 1)
    unseen, missing = rows.features[:50].copy(), rows.features[:50].copy()
    unseen[:, SCHEMA.position["Contract"]] = -1
    missing[:, SCHEMA.position["Contract"]] = np.nan
    np.testing.assert_array_equal(model.probability(unseen), model.probability(missing))


def test_a_saved_model_answers_as_before(tmp_path):
    rows = rows_of()
    model = fit(rows, CHEAP.model_copy(update={"threshold_rule": "f1"}), Prices(), SCHEMA, 1)
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded == model
    answers = loaded.predict(SCHEMA.decode(rows.features))
    np.testing.assert_array_equal(answers["probability"], model.probability(rows.features))
    np.testing.assert_array_equal(answers["prediction"], model.probability(rows.features) >= model.threshold)


PROBABILITIES = st.lists(
    st.tuples(st.booleans(), st.sampled_from((0.1, 0.2, 0.5, 0.7, 0.9))), min_size=1, max_size=30
)


@given(PROBABILITIES)
def test_the_f1_threshold_is_the_best_there_is(pairs):
    label, probability = (np.array(column) for column in zip(*pairs, strict=True))
    tried = {value: f1(label, probability >= value) for value in set(probability.tolist())}
    best = [value for value, score in tried.items() if score == max(tried.values())]
    assert best_threshold(label, probability, "f1", Prices()) == max(best)


@given(PROBABILITIES)
def test_the_profit_threshold_is_the_best_there_is(pairs):
    label, probability = (np.array(column) for column in zip(*pairs, strict=True))
    prices = Prices(customer_value=1000, success_rate=0.5, offer_cost=100)

    def profit(value):
        chosen = probability >= value
        return label[chosen].sum() * 500 - chosen.sum() * 100

    best = [value for value in set(probability.tolist()) if profit(value) == max(map(profit, probability))]
    assert best_threshold(label, probability, "profit", prices) == max(best)


def test_the_half_rule_is_one_half():
    assert fit(rows_of(), CHEAP, Prices(), SCHEMA, 1).threshold == 0.5


def test_the_threshold_is_set_on_customers_whom_the_trial_has_not_seen():
    rows = rows_of(2000)
    twice = LabelledRows.alike(
        *(np.concatenate([part, part]) for part in (rows.customer_id, rows.features, rows.label))
    )
    train, validation = inner_split(twice)
    assert not set(train.customer_id) & set(validation.customer_id)
    assert len(train.label) + len(validation.label) == 4000
    assert len(validation.label) / 4000 == pytest.approx(0.25, abs=0.04)
    recipe = CHEAP.model_copy(update={"threshold_rule": "f1"})
    trial = Model(boosted(train, recipe, SCHEMA, 3), 0.5, SCHEMA)
    threshold = best_threshold(validation.label, trial.probability(validation.features), "f1", Prices())
    model = fit(twice, recipe, Prices(), SCHEMA, 3)
    assert model.threshold == threshold
    assert model.trees == boosted(twice, recipe, SCHEMA, 3)  # the final fit uses all rows


def test_a_search_is_repeatable_and_stays_in_the_space():
    rows = rows_of(600)
    base = Recipe(threshold_rule="f1")
    one, other = (search_recipe(rows, base, Prices(), SCHEMA, trials=3, seed=4) for _ in range(2))
    assert one == other
    assert len(one.losses) == 3
    recipe = one.recipe
    assert recipe.threshold_rule == "f1"
    assert 20 <= recipe.num_leaves <= 150
    assert 0.01 <= recipe.learning_rate <= 0.3
    assert 3 <= recipe.max_depth <= 12
    assert 1 <= recipe.rounds <= MAX_ROUNDS
    assert EARLY_STOPPING_ROUNDS == 30
    Recipe.model_validate(recipe.model_dump())  # the strict schema accepts what was found


def test_the_best_trial_is_the_one_that_is_kept():
    rows = rows_of(600)
    three, one = (search_recipe(rows, Recipe(), Prices(), SCHEMA, trials=trials, seed=4) for trials in (3, 1))
    assert three.losses[:1] == one.losses
    if min(three.losses) == three.losses[0]:
        assert three.recipe == one.recipe
    else:
        assert three.recipe != one.recipe


def test_training_uses_the_champions_recipe():
    life = live(small(), script("r.r."), profile="none")
    assert life.registry.recipe(2) == life.registry.recipe(1) == CHEAP
    assert TWIN.schema == life.registry.model(2).schema


@pytest.mark.parametrize("rule", ["half", "f1"])
def test_a_search_may_seek_f1(rule):
    base = Recipe(search_objective="f1", threshold_rule=rule)
    search = search_recipe(rows_of(600), base, Prices(), SCHEMA, trials=3, seed=4)
    by_log_loss = search_recipe(rows_of(600), Recipe(), Prices(), SCHEMA, trials=3, seed=4)
    assert search.recipe.search_objective == "f1"
    assert all(0 <= loss <= 1 for loss in search.losses)
    assert search.losses[0] != by_log_loss.losses[0]


@pytest.mark.parametrize(
    "name", ["Age (years)", "a,b", "a:b", 'say "a"', "[x]", "{x}", "Größe", "\N{GRINNING FACE}", "a b"]
)
def test_a_model_learns_from_columns_of_any_name(name):
    first, second, *others = SCHEMA.columns
    named = Schema((Column(name, first.categories), Column("a_b", second.categories), *others))
    plain, odd = (boosted(rows_of(), CHEAP, schema, 1) for schema in (SCHEMA, named))
    assert odd.split("Tree=0")[1].split("end of trees")[0] == plain.split("Tree=0")[1].split("end of trees")[0]


def test_ordinary_names_are_kept():
    assert dataset(rows_of(), SCHEMA).feature_name == list(SCHEMA.names)
