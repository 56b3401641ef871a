"""A recorded table is replayed exactly: counts, order and labels."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.errors import InputError
from sim.world.own.table import OwnTable, read_own_table
from sim.world.recorded import RecordedTimeline, check_bins, time_bins
from sim.world.schema.columns import Column, Schema
from sim.world.schema.table import Table

DATES = arrays("M8[D]", st.integers(1, 40), elements=st.dates().map(np.datetime64))
STEP_DAYS = st.sampled_from([1, 7, 28, 30, 31, 90])


def days(*texts: str):
    return np.array(texts, dtype="M8[D]")


def read(tmp_path: Path, *rows: str) -> OwnTable:
    path = tmp_path / "history.csv"
    path.write_text("\n".join(["id,day,price,churn", *rows]) + "\n")
    return read_own_table(path, "churn", "id", "day")


@given(DATES, STEP_DAYS)
def test_steps_are_a_partition_in_order_of_time(dates, step_days):
    bins = time_bins(dates, step_days)
    assert bins.dtype == np.int64
    assert bins.min() == 0
    order = np.argsort(dates, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    for step in np.unique(bins):
        within = dates[bins == step]
        if step_days == 30:
            assert len(np.unique(within.astype("M8[M]"))) == 1
        else:
            first = dates.min() + np.timedelta64(int(step) * step_days)
            assert first <= within.min() <= within.max() < first + np.timedelta64(step_days)


@given(DATES, STEP_DAYS)
def test_the_order_of_rows_changes_no_step(dates, step_days):
    np.testing.assert_array_equal(time_bins(dates[::-1], step_days), time_bins(dates, step_days)[::-1])


def test_thirty_days_are_a_calendar_month():
    month_ends = days("2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31", "2026-05-31")
    assert time_bins(month_ends, 30).tolist() == [0, 1, 2, 3, 4, 6]
    assert time_bins(days("2026-01-31", "2026-02-01"), 30).tolist() == [0, 1]
    assert time_bins(days("1969-12-31", "1970-01-01"), 30).tolist() == [0, 1]


def test_other_steps_are_counted_from_the_first_date():
    assert time_bins(days("2026-01-01", "2026-01-07", "2026-01-08", "2026-01-29"), 7).tolist() == [0, 0, 1, 4]
    assert time_bins(days(), 7).tolist() == []


def test_a_step_needs_a_day():
    with pytest.raises(InputError, match=r"^a step must have at least 1 day, got 0; raise time.step_days\.$"):
        time_bins(days("2026-01-01"), 0)


def test_the_history_is_replayed_as_it_happened(tmp_path):
    rows = ("b,2026-02-03,5,1", "a,2026-01-31,1,0", "c,2026-01-02,2,1", "a,2026-02-28,3,1", "b,2026-05-01,4,0")
    own = read(tmp_path, *rows)
    assert own.dates is not None
    bins = time_bins(own.dates, 30)
    check_bins(own, bins)
    timeline = RecordedTimeline(own.table, bins)
    assert timeline.n_steps == 5
    draws = [timeline.draw(step) for step in range(timeline.n_steps)]
    assert [draw.customer_id.tolist() for draw in draws] == [["a", "c"], ["a", "b"], [], [], ["b"]]
    assert [draw.features[:, 0].tolist() for draw in draws] == [[1.0, 2.0], [3.0, 5.0], [], [], [4.0]]
    assert [draw.real_label.tolist() for draw in draws] == [[False, True], [True, True], [], [], [False]]
    assert all(draw.has_real_label.all() for draw in draws)
    assert draws[2].features.shape == (0, 1)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), unique=True, min_size=1, max_size=60), STEP_DAYS)
def test_no_row_is_invented_repeated_or_left_out(rows, step_days):
    ids, ages = (np.array(column) for column in zip(*rows, strict=True))
    dates = np.datetime64("2026-01-01") + ages
    features = np.arange(len(rows), dtype=np.float64)[:, np.newaxis]
    table = Table(Schema((Column("x"),)), ids.astype(str), features, features[:, 0] % 2 == 1)
    bins = time_bins(dates, step_days)
    own = OwnTable("history", "", table, frozenset(), dates)
    repeats = max(Counter(zip(bins.tolist(), ids.tolist(), strict=True)).values()) > 1
    if repeats:
        with pytest.raises(InputError, match="at most once in a step"):
            check_bins(own, bins)
        return
    check_bins(own, bins)
    timeline = RecordedTimeline(table, bins)
    draws = [timeline.draw(step) for step in range(timeline.n_steps)]
    seen = np.concatenate([draw.features[:, 0] for draw in draws]).astype(int)
    assert sorted(seen) == list(range(len(rows)))
    for step, draw in enumerate(draws):
        of_step = draw.features[:, 0].astype(int)
        assert (bins[of_step] == step).all()
        assert draw.customer_id.tolist() == sorted(ids[of_step].astype(str))
        np.testing.assert_array_equal(draw.real_label, of_step % 2 == 1)


def test_a_customer_who_occurs_twice_in_a_step_is_refused(tmp_path):
    own = read(tmp_path, "a,2026-01-02,1,0", "b,2026-02-01,1,1", "b,2026-02-28,2,0", "a,2026-02-02,1,0")
    assert own.dates is not None
    with pytest.raises(InputError) as refusal:
        check_bins(own, time_bins(own.dates, 30))
    assert str(refusal.value) == (
        "a customer must occur at most once in a step, but 'b' of history occurs on 2026-02-01 and 2026-02-28, in "
        "one step: choose a scenario with smaller time.step_days."
    )
    check_bins(own, time_bins(own.dates, 7))


def test_a_scenario_longer_than_the_history_is_refused(tmp_path):
    own = read(tmp_path, "a,2026-01-02,1,0", "b,2026-02-01,1,1")
    assert own.dates is not None
    timeline = RecordedTimeline(own.table, time_bins(own.dates, 30))
    assert timeline.draw(1).customer_id.tolist() == ["b"]
    with pytest.raises(InputError) as refusal:
        timeline.draw(2)
    assert str(refusal.value) == (
        "a recorded table must reach as far as the scenario, but it has 2 steps and step 3 was asked for: lower "
        "time.steps or time.warmup_steps."
    )


def test_a_table_without_dates_has_no_steps(tmp_path):
    (tmp_path / "x.csv").write_text("x,y\n1,0\n2,1\n")
    own = read_own_table(tmp_path / "x.csv", "y")
    with pytest.raises(ValueError, match="without dates"):
        check_bins(own, np.zeros(2, dtype=np.int64))
