"""The inference log in DuckDB keeps exactly what the log in memory keeps."""

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.mlops.models.cohort import Cohort, KnownOutcomes
from sim.mlops.records.log import InferenceLog, MemoryLog
from sim.mlops.records.record import Served
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.world.labels import LabelEvents
from sim.world.schema.columns import UNSEEN, Column, Schema
from sim.world.world import Batch

SCHEMA = Schema((Column("tenure"), Column('odd "name"', ("it's", "DSL", "naïve")), Column("a.b")))
IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=6)
NUMBERS = st.one_of(st.just(float("nan")), st.floats(allow_nan=False))
CODES = st.sampled_from((float("nan"), UNSEEN, 0.0, 1.0, 2.0))


def batch_of(step: int, ids: list[str], features: np.ndarray, flags: np.ndarray) -> Batch:
    return Batch(step, step * 30, np.array(ids, dtype=np.str_), features, flags[:, 0], flags[:, 1])


@st.composite
def batches(draw, step: int) -> Batch:
    ids = sorted(draw(st.sets(IDS, min_size=min(step + 1, 1), max_size=8)))
    rows = [draw(st.tuples(NUMBERS, CODES, NUMBERS)) for _ in ids]
    flags = [draw(st.tuples(st.booleans(), st.booleans())) for _ in ids]
    return batch_of(step, ids, np.array(rows).reshape(-1, 3), np.array(flags, dtype=bool).reshape(-1, 2))


@st.composite
def answers(draw, batch: Batch) -> Served:
    size = len(batch.customer_id)
    probability = np.array(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    flags = np.array(
        draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=size, max_size=size)), dtype=bool
    )
    flags = flags.reshape(-1, 2)
    job = draw(st.sampled_from(("first", "retrain-001")))
    return Served(batch.step, job, 1 + (job != "first"), probability, flags[:, 0], flags[:, 1])


@st.composite
def histories(draw) -> list[tuple]:
    """Draw a warm-up batch and scored ones, and news of labels in parts, some corrected later."""
    events: list[tuple] = []
    for step in range(-1, draw(st.integers(0, 3))):
        batch = draw(batches(step))
        events.append(("append", batch, None if step < 0 else draw(answers(batch))))
        for _ in range(draw(st.integers(0, 2))):
            chosen = np.array(draw(st.lists(st.booleans(), min_size=len(batch.customer_id))))[
                : len(batch.customer_id)
            ]
            label = np.array(draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen))))
            events.append(("backfill", labels_of(batch, chosen.astype(bool), label.astype(bool)), step * 30 + 90))
    return events


def labels_of(batch: Batch, chosen: np.ndarray, label: np.ndarray) -> LabelEvents:
    ids = batch.customer_id[chosen]
    arrives = np.full(len(ids), batch.scored_at + 90, dtype=np.int64)
    return LabelEvents(batch.step, batch.scored_at, ids, np.flatnonzero(chosen), label[chosen], arrives)


def tell(log: InferenceLog, history: list[tuple]) -> list[int]:
    counts = []
    for kind, what, more in history:
        if kind == "append":
            log.append(what, more)
        else:
            counts.append(log.backfill([what], more))
    return counts


def assert_equal_cohorts(wanted: Cohort, found: Cohort) -> None:
    for name in ("customer_id", "features", *Cohort.__slots__[2:]):
        np.testing.assert_array_equal(getattr(wanted, name), getattr(found, name), err_msg=name)
    for rows in (wanted.holdout, np.flatnonzero(~wanted.holdout), slice(1, 3)):
        parts = wanted.kept.take(rows), found.kept.take(rows)
        np.testing.assert_array_equal(*(part.customer_id for part in parts))
        np.testing.assert_array_equal(*(part.features for part in parts))


@settings(max_examples=40)
@given(histories())
def test_it_keeps_what_the_log_in_memory_keeps(history):
    memory, real = MemoryLog(), DuckDBLog(duckdb.connect(), SCHEMA)
    assert tell(memory, history) == tell(real, history)
    steps = [what.step for kind, what, _ in history if kind == "append"]
    for wanted, found in zip(memory.cohorts(steps[::-1]), real.cohorts(steps[::-1]), strict=True):
        assert wanted.step == found.step
        assert_equal_cohorts(wanted, found)
    for job in ("first", "retrain-001", "nobody"):
        for newest in (-1, 0, 1, 1000):
            assert memory.newest_step_scored_by(job, newest) == real.newest_step_scored_by(job, newest)
    for step in steps[1:]:
        np.testing.assert_array_equal(memory.offered(step), real.offered(step))
        for name in KnownOutcomes.__slots__:
            pair = (getattr(log.outcomes(step), name) for log in (memory, real))
            np.testing.assert_array_equal(*pair, err_msg=name)
    if any(kind == "backfill" and len(what.label) for kind, what, _ in history):
        assert memory.newest_labelled_step() == real.newest_labelled_step()


@pytest.fixture
def scored():
    """A connection and log with one scored batch of three customers."""
    connection = duckdb.connect()
    log = DuckDBLog(connection, SCHEMA)
    features = np.array([[1.0, np.nan, 2.0], [2.0, UNSEEN, 3.0], [np.nan, 0.0, 4.0]])
    batch = batch_of(0, ["a", "b", "o'c"], features, np.zeros((3, 2), dtype=bool))
    served = Served(0, "first", 1, np.array([0.1, 0.5, 0.9]), np.array([False, True, True]), np.zeros(3, dtype=bool))
    log.append(batch, served)
    return connection, log, batch


def events(ids: list[str], scored_at: int = 0) -> LabelEvents:
    row = np.arange(len(ids))
    return LabelEvents(0, scored_at, np.array(ids), row, np.ones(len(ids), dtype=bool), np.full(len(ids), 90))


@pytest.mark.parametrize(
    "news",
    [[events(["a", "stranger"])], [events(["a"]), events(["b"], scored_at=30)], [events(["a", "b", "a"])]],
    ids=["a stranger", "another day", "the same prediction twice"],
)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_label_that_does_not_meet_exactly_one_prediction_is_refused_and_nothing_is_half_joined(
    scored, news, in_transaction
):
    connection, log, _ = scored
    if in_transaction:
        connection.begin()
    with pytest.raises(RuntimeError, match="own prediction"):
        log.backfill(news, 90)
    if in_transaction:
        connection.rollback()
    assert connection.execute(
        "SELECT count(ground_truth), count(label_arrived_at) FROM inference_log"
    ).fetchone() == (
        0,
        0,
    )


def test_the_same_customer_is_scored_once_a_day(scored):
    connection, log, batch = scored
    with pytest.raises(RuntimeError, match="scored once a day, but of day 0"):
        log.append(batch, None)
    assert connection.execute("SELECT count(*) FROM inference_log").fetchone() == (3,)


def test_the_table_reads_in_plain_words(scored):
    connection, log, _ = scored
    log.backfill([events(["o'c"])], 90)
    rows = connection.execute(
        'SELECT customer_id, "odd ""name""", prediction, prediction_proba, risk_category, model_version, '
        "ground_truth, label_arrived_at FROM inference_log ORDER BY customer_id"
    ).fetchall()
    assert rows == [
        ("a", None, 0, 0.1, "low", 1, None, None),
        ("b", "unseen", 1, 0.5, "medium", 1, None, None),
        ("o'c", "it's", 1, 0.9, "high", 1, 1, 90),
    ]


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "loop.duckdb").write_text("not a database, but long enough to look like a file " * 200)
    with pytest.raises(InputError, match=r"loop\.duckdb must be a readable DuckDB file"):
        connect(tmp_path / "loop.duckdb")
