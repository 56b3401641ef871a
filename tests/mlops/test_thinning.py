"""Thinning: at most so many rows are trained on, drawn from a stream of their own, and recorded."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import live, script, small

from scenarios.files import parse_scenario, to_toml
from scenarios.schema import Training
from sim.errors import InputError
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.thinning import thinned
from sim.mlops.models.training import TrainingData, TrainingWindow

ALWAYS = "rrrr"


def data_of(n_historical: int, n_recent: int, emphasis=None) -> TrainingData:
    n_rows = n_historical + n_recent
    rows = LabelledRows.alike(
        np.arange(n_rows).astype(str), np.arange(n_rows, dtype=float)[:, None], np.arange(n_rows) % 3 == 0
    )
    return TrainingData(replace(rows, emphasis=emphasis), TrainingWindow((1,), (0,), n_recent, n_historical))


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 700), st.integers(0, 2**32))
def test_the_rows_that_are_drawn_are_some_of_all_in_their_order_and_counted(n_historical, n_recent, most, seed):
    data = data_of(n_historical, n_recent)
    few = thinned(data, most, np.random.default_rng(seed))
    numbers = few.rows.features[:, 0]
    assert len(numbers) == min(most, n_historical + n_recent)
    assert (np.diff(numbers) > 0).all()
    assert few.rows.customer_id.astype(float).tolist() == numbers.tolist()
    assert few.window.n_historical == np.count_nonzero(numbers < n_historical)
    assert few.window.n_recent == np.count_nonzero(numbers >= n_historical)


def test_every_row_is_as_likely_to_be_drawn():
    counts = np.zeros(50)
    for seed in range(2000):
        counts[thinned(data_of(20, 30), 10, np.random.default_rng(seed)).rows.features[:, 0].astype(int)] += 1
    assert abs(counts - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)


def test_the_worth_of_weighted_rows_is_that_of_those_drawn():
    few = thinned(data_of(100, 100, emphasis=np.ones(200)), 50, np.random.default_rng(0))
    assert few.window.effective_rows == pytest.approx(50)


def test_room_for_all_changes_nothing():
    scenario = small(steps=5, customers=300, delay_days=30)
    roomy = scenario.model_copy(update={"training": Training(max_rows=1_000_000)})
    one, other = (live(each, script(ALWAYS)).record for each in (scenario, roomy))
    assert one.steps == other.steps
    assert "max_rows" not in to_toml(scenario)


def test_a_life_trains_on_no_more_than_it_is_let_and_says_so():
    scenario = small(steps=5, customers=300, delay_days=30).model_copy(update={"training": Training(max_rows=150)})
    record = live(scenario, script(ALWAYS)).record
    assert len(record.jobs) > 2
    assert {job.window.n_recent + job.window.n_historical for job in record.jobs} == {150}
    assert record.steps == live(scenario, script(ALWAYS)).record.steps
    assert parse_scenario(to_toml(scenario), "test") == scenario


def test_too_few_rows_are_refused():
    text = to_toml(small()) + "\n"
    with pytest.raises(InputError, match="max_rows"):
        parse_scenario(text.replace("[training]\n", "[training]\nmax_rows = 5\n"), "test")
