"""The charts of one life: what is drawn equals the record, and the odd cases are drawn without a clipped word."""

from collections import Counter
from dataclasses import replace
from functools import cache
from math import fsum

import duckdb
import numpy as np
import pytest
from figure_kit import check, words
from lives import CHEAP, TWIN, live, script, small
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure

from policies.decision import Action, Truth
from policies.never import Never
from policies.rule import Rule
from reports.charts import accuracy, architecture, champion, drift, label_timeline, loop, risk, roi, segments, trigger
from reports.charts import training_data as training
from reports.log_facts import Arrival, Segment, read_log_facts
from reports.steps import events, spans
from scenarios.injectors import ConceptDrift
from scenarios.schema import Jobs
from sim.errors import InputError
from sim.mlops.records.record import Served
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.study.scores import money
from sim.study.scores.judge import expected_f1, observed_f1
from sim.world.label_queue import LabelQueue
from sim.world.world import World

DRIFT = ConceptDrift(
    kind="concept", onset_step=4, shifts={"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
)
RULE = "f1_drop > 0.02 or psi_max > 0.25 or age_days > 100"
LONG = "a name that is sixty characters long, or even a little longer"
ARRIVALS = (Arrival(0, 60, 150), Arrival(30, 90, 100), Arrival(30, 120, 50), Arrival(60, None, 150))
SEGMENTS = (
    Segment("Month-to-month", "DSL", "1st year", 200, 80, 100, 40),
    Segment("Month-to-month", "No", "later", 40, 0, 0, 0),
    Segment("Two year", "Fiber optic", "2nd year", 5, 1, 5, 1),
)


@pytest.fixture(scope="module")
def record():
    recipe = CHEAP.model_copy(update={"rounds": 25})
    scenario = small(steps=14, drift=(DRIFT,), jobs=Jobs(train_days=20, approval_days=10), recipe=recipe)
    return replace(live(scenario, Rule(RULE, cooldown_days=60), profile="none").record, policy=RULE)


def wordy_life():
    clauses = " or ".join(f"f1_drop > 0.{number:02d}" for number in range(1, 15))
    rule = f"({clauses}) and age_days > 123456789.125 or psi_max > 0.000000000123"
    return replace(
        live(small(steps=5), Rule(rule)).record,
        policy=LONG.replace(" ", "_"),
        gates=LONG,
        population="$a_b$ <script> \N{SNOWMAN} \N{CJK UNIFIED IDEOGRAPH-4E00}\n" + LONG,
    )


def long_life():
    recipe = CHEAP.model_copy(update={"rounds": 1})
    return live(small(steps=104, customers=60, recipe=recipe), script("r" * 104), profile="none").record


ODD = {
    "no retraining": lambda: live(small(steps=8), Never()).record,
    "one step": lambda: live(small(steps=1), Rule(RULE)).record,
    "no labels yet": lambda: live(small(steps=3, delay_days=90), script("rr")).record,
    "a hundred versions": long_life,
    "long names": wordy_life,
    "a rejected challenger": lambda: live(small(steps=6), script("krk"), profile="telco_churn").record,
    "a rollback": lambda: live(small(steps=6), script("rkbk"), profile="none").record,
}


@cache
def odd_life(odd):
    """Return a record that a chart may not trip over."""
    return ODD[odd]()


CHARTS = {
    "loop": loop.loop_chart,
    "architecture": lambda record: architecture.architecture_chart(record, {"inference_log": 42_000, LONG: 1}),
    "architecture in memory": architecture.architecture_chart,
    "trigger": trigger.trigger_chart,
    "training data": training.training_data_chart,
    "champion": champion.champion_chart,
    "labels": lambda record: label_timeline.label_timeline_chart(record, ARRIVALS),
    "no labels": lambda record: label_timeline.label_timeline_chart(record, (Arrival(0, None, 9),)),
    "accuracy": accuracy.accuracy_chart,
    "psi": drift.drift_chart,
    "ks": lambda record: drift.drift_chart(record, "ks_p"),
    "roi": roi.roi_chart,
    "risk": risk.risk_chart,
    "segments": lambda record: segments.segments_chart(record, SEGMENTS),
    "no segments": lambda record: segments.segments_chart(record, ()),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", CHARTS)
def test_no_word_is_clipped_or_covered(name, odd):
    figure = CHARTS[name](odd_life(odd))
    assert isinstance(figure, Figure)
    check(figure)


@pytest.mark.parametrize("name", CHARTS)
def test_a_caption_names_source_seed_interval_and_scenario(name, record):
    figure = CHARTS[name](record)
    check(figure)
    told = words(figure)
    for word in (
        "synthetic twin",
        "small@1",
        "seed 1 alone, so there is no interval",
        "gates none",
        "f1_drop > 0.02",
    ):
        assert word in told
    assert figure.get_label().endswith(".")


def lines(axes):
    """Return the y values of each drawn line of an axes, missing values included."""
    return [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]


def holds(axes, values):
    """Say whether some line of an axes shows exactly these values."""
    wanted = np.array([np.nan if value is None else value for value in values], dtype=float)
    return any(len(line) == len(wanted) and np.array_equal(line, wanted, equal_nan=True) for line in lines(axes))


def test_the_loop_counts_what_happened(record):
    facts, figure = loop.loop_facts(record), loop.loop_chart(record)
    jobs = record.jobs[1:]
    told = words(figure)
    promoted = [job for job in jobs if str(job.status) == "promoted"]
    assert facts.requested == len(jobs) > 0
    assert facts.promoted == len(promoted) > 0
    assert facts.days_to_serve == np.mean([job.ended_day - job.requested_day for job in promoted]) == 60
    assert facts.labels_arrived == sum(row.labels_arrived for row in record.steps)
    for text in (
        f"{14 * 150:,} customers",
        f"{sum(row.tally.offers for row in record.steps):,} offers",
        f"{facts.labels_arrived:,} arrived",
        f"{len(jobs)} jobs",
        f"{len(promoted)} promoted",
        "serves 60 days after",
        f"F1 known in {sum(row.signals.f1 is not None for row in record.steps)}",
    ):
        assert text in told


def test_the_architecture_shows_rows_versions_and_aliases(record):
    told = words(architecture.architecture_chart(record, {"inference_log": 1234, "decisions": 14}))
    served = record.steps[-1].version
    assert "inference_log: 1,234 rows" in told
    assert f"Champion: v{served}" in told
    assert f"{len(record.jobs)} versions" in told
    assert f"Challenger: v{max(job.version for job in record.jobs)}" in told
    rolled = odd_life("a rollback")
    assert architecture.current_aliases(rolled)["Champion"] == rolled.steps[-1].version == 1


def test_the_flowchart_counts_every_decision_once(record):
    facts, told = trigger.trigger_facts(record), words(trigger.trigger_chart(record))
    assert facts.quiet + facts.missing + facts.asked == facts.steps == 14
    reasons = Counter(row.decision.reason for row in record.steps if row.decision.action is Action.KEEP)
    assert facts.missing == reasons["missing"]
    assert sum(facts.held_back.values()) == reasons["cooldown"] + reasons["job_open"] > 0
    for clause in record.steps[0].decision.clauses:
        values = [row.decision.clauses[clause] for row in record.steps]
        assert f"true {values.count(Truth.TRUE)} / alone" in told
        assert f"missing {values.count(Truth.MISSING)}" in told
        assert clause in told
    asked = sum(row.decision.action is Action.RETRAIN for row in record.steps)
    assert f"Act: {asked}\nretrain {asked}\n" in told
    assert f"asks {facts.asked} times" in told


def test_bars_of_training_rows_are_those_of_the_jobs(record):
    figure = training.training_data_chart(record)
    rows, mix, labels = figure.subfigs[0].axes
    older, recent = rows.containers
    assert [bar.get_height() for bar in recent] == [job.window.n_recent for job in record.jobs]
    assert [bar.get_height() for bar in older] == [job.window.n_historical for job in record.jobs]
    assert [bar.get_y() for bar in older] == [job.window.n_recent for job in record.jobs]
    highest = max(job.window.n_recent + job.window.n_historical for job in record.jobs)
    assert rows.get_ylim() == pytest.approx((0, 1.05 * highest))
    middles = [bar.get_x() + bar.get_width() / 2 for bar in recent]
    assert middles == pytest.approx([-1, *(job.requested_step for job in record.jobs[1:])])
    shares = [job.window.n_recent / (job.window.n_recent + job.window.n_historical) for job in record.jobs]
    assert holds(mix, shares)
    assert holds(mix, [record.scenario.training.recent_share] * 2)
    assert holds(labels, np.cumsum([row.tally.customers for row in record.steps]))
    assert holds(labels, np.cumsum([row.labels_arrived for row in record.steps]))


def test_champion_and_challenger_stand_on_the_gate_counts(record):
    job = champion.newest_contest(record)
    figure = champion.champion_chart(record)
    left, right = figure.subfigs[0].axes
    for counts in (job.meeting.challenger, job.meeting.champion):
        wanted = [counts.accuracy, counts.precision, counts.recall, counts.f1]
        assert any(np.array_equal(np.asarray(line.get_xdata(), dtype=float), wanted) for line in left.lines)
        for score in champion.scores(counts):
            assert any(list(line.get_xdata()) == [score.low, score.high] for line in left.lines)
            assert score.low <= score.value <= score.high
    told = words(figure)
    assert f"v{job.version}" in told
    assert str(job.status) in told
    assert "No gate is enforced." not in told
    assert right.tables[0][1, 0].get_text().get_text() == "evidence"


def test_without_a_challenger_the_first_model_is_shown():
    told = words(champion.champion_chart(odd_life("no retraining")))
    assert "The first model at the gates" in told
    assert "no champion to beat" in told


def test_the_gates_are_a_table_that_says_which_failed():
    record = odd_life("a rejected challenger")
    job = record.jobs[-1]
    table = champion.champion_chart(record).subfigs[0].axes[1].tables[0]
    cells = {place: cell.get_text().get_text() for place, cell in table.get_celld().items()}
    enforced = [result for result in job.meeting.verdict.results if result.enforced]
    assert len(cells) == 4 * (len(enforced) + 1)
    for row, result in enumerate(enforced, start=1):
        assert cells[row, 0] == result.name.replace("_", " ")
        assert cells[row, 1] == ("missing" if result.value is None else f"{result.value:.3g}")
        assert cells[row, 2] == f"{result.comparison} {result.threshold:g}"
        assert cells[row, 3] == ("passed" if result.passed else "failed")
    assert "failed" in {cells[row, 3] for row in range(1, len(enforced) + 1)}


def test_labels_are_drawn_from_score_day_to_label_day(record):
    figure = label_timeline.label_timeline_chart(record, ARRIVALS)
    left, right = figure.subfigs[0].axes
    segments = [tuple(map(tuple, part)) for lines in left.collections for part in lines.get_segments()]
    last = record.steps[-1].day
    assert sorted(segments) == sorted(
        [((0, 0), (60, 0)), ((30, 30), (90, 30)), ((30, 30), (120, 30)), ((60, 60), (last, 60))]
    )
    ages = label_timeline.share_labelled_by_age(ARRIVALS, last, 30)
    assert ages[:4] == [(0, 0), (30, 0), (60, 250 / 450), (90, 300 / 450)]
    assert ages[-1] == (last, 1.0)  # only the first batch is as old as that
    assert holds(right, [share for _, share in ages])


def test_the_share_labelled_counts_only_rows_that_are_old_enough():
    found = label_timeline.share_labelled_by_age((Arrival(0, 30, 10), Arrival(30, None, 90)), 30, 30)
    assert found == [(0, 0.0), (30, 1.0)]


def test_the_dashboard_shows_true_known_and_monitored(record):
    f1, precision, recall, counts = accuracy.accuracy_chart(record).subfigs[0].axes
    tallies = [row.tally for row in record.steps]
    assert holds(f1, [expected_f1(tally) for tally in tallies])
    assert holds(f1, [observed_f1(tally) for tally in tallies])
    assert holds(f1, [row.signals.f1 for row in record.steps])
    assert holds(precision, [t.predicted_expected_churners / t.predicted if t.predicted else None for t in tallies])
    assert holds(precision, [row.signals.precision for row in record.steps])
    assert holds(recall, [tally.predicted_expected_churners / tally.expected_churners for tally in tallies])
    assert holds(recall, [row.signals.recall for row in record.steps])
    found, false, missed = ([bar.get_height() for bar in bars] for bars in counts.containers)
    assert found == [tally.predicted_churners for tally in tallies]
    assert false == [tally.predicted - tally.predicted_churners for tally in tallies]
    assert missed == [tally.churners - tally.predicted_churners for tally in tallies]


def test_versions_are_shaded_where_they_served(record):
    f1 = accuracy.accuracy_chart(record).subfigs[0].axes[0]
    listed = spans(record)
    assert [step for span in listed for step in range(span.first, span.last + 1)] == list(range(14))
    shaded = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in f1.patches]
    assert shaded == [(span.first - 0.5, span.last + 0.5) for span in listed[1::2]]
    assert len(shaded) > 0


@pytest.mark.parametrize("measure", ["psi", "ks_p"])
def test_the_heat_map_is_the_drift_of_the_record(record, measure):
    strip, cells = drift.drift_chart(record, measure).subfigs[0].axes[:2]
    (image,) = cells.images
    names = [label.get_text() for label in cells.get_yticklabels()]
    drawn = np.ma.filled(image.get_array().astype(float), np.nan)
    assert len(names) == (19 if measure == "psi" else 3)
    for column, row in enumerate(record.steps):
        values = {feature.name: getattr(feature, measure) for feature in row.drift}
        assert drawn[:, column].tolist() == [values[name] for name in names]
    found = events(record)
    marks = [set(map(int, line.get_xdata())) for line in strip.lines]
    assert set(found.requested) in marks
    assert set(found.promoted) in marks
    assert found.requested == tuple(row.step for row in record.steps if row.job_opened)


def test_the_waterfall_is_the_ledger(record):
    reach, way, returns = roi.roi_chart(record).subfigs[0].axes
    prices, entries = record.scenario.prices, money.ledger(record, record.scenario.prices)
    sums = [
        fsum(e.realised for e in entries if e.kind == kind) / 1000 for kind in ("value_saved", "offers", "retraining")
    ]
    heights = [bar.get_height() for bar in way.containers[0]]
    assert heights == pytest.approx([*sums, money.net_value_realised(entries) / 1000])
    assert fsum(heights[:3]) == pytest.approx(heights[3])
    assert [bar.get_y() for bar in way.containers[0]] == pytest.approx([0, sums[0], sums[0] + sums[1], 0])
    tallies = [row.tally for row in record.steps]
    assert [bar.get_height() for bar in reach.containers[0]] == [
        sum(tally.offers for tally in tallies),
        sum(tally.offered_churners for tally in tallies),
        sum(money.saved(tally, prices) for tally in tallies),
    ]
    estimate = money.roi_estimated(record, prices)
    values = [money.roi_proposal(record, prices), money.roi_realised(record, prices), estimate.value]
    assert [bar.get_height() for bar in returns.containers[0]] == pytest.approx([100 * value for value in values])
    assert holds(returns, [100 * estimate.low, 100 * estimate.high])
    assert holds(way, [money.net_value(entries) / 1000] * 2)


def test_risk_bands_are_those_of_the_record(record):
    scores, rates = risk.risk_chart(record).subfigs[0].axes
    tallies = [row.tally for row in record.steps]
    assert [bar.get_height() for bar in scores.containers[0]] == [
        sum(tally.bin_customers[index] for tally in tallies) for index in range(10)
    ]
    assert [line.get_xdata()[0] for line in scores.lines] == [0.4, 0.7]
    assert holds(rates, [t.high_risk_churners / t.high_risk if t.high_risk else None for t in tallies])
    assert holds(rates, [t.medium_risk_churners / t.medium_risk if t.medium_risk else None for t in tallies])
    low = [
        (t.churners - t.high_risk_churners - t.medium_risk_churners) / (t.customers - t.high_risk - t.medium_risk)
        for t in tallies
    ]
    assert holds(rates, low)


def test_segments_are_shares_of_the_scored(record):
    axes = segments.segments_chart(record, SEGMENTS).subfigs[0].axes[0]
    drawn = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "Month-to-month, DSL",
        "Month-to-month, no internet",
        "Two year, Fiber optic",
    ]
    wanted = np.full((3, 4), np.nan)
    wanted[0, 0], wanted[1, 3], wanted[2, 1] = 80 / 200, 0, 1 / 5
    assert np.array_equal(drawn, wanted, equal_nan=True)
    assert [text.get_text() for text in axes.texts] == ["40% of 200\nchurn 40%", "0% of 40\nno labels", "n = 5"]


# The facts of single customers


def test_facts_are_counted_in_the_log(tmp_path):
    scenario = small(steps=3, customers=200, delay_days=30)
    world, label_queue = World(scenario, 1, TWIN), LabelQueue()
    connection = connect(tmp_path / "loop.duckdb")
    log = DuckDBLog(connection, world.schema)
    rng = np.random.default_rng(1)
    served = {}
    for step in (*world.warmup, *world.steps):
        batch = world.batch(step)
        size = len(batch.customer_id)
        chance, nobody = rng.random(size), np.zeros(size, dtype=np.bool_)
        log.append(batch, Served(step, "first", 1, chance, chance > 0.5, nobody) if step >= 0 else None)
        served[step] = chance
        label_queue.send(world.labels(step, nobody))
        if step >= 0:
            log.backfill(label_queue.deliver(world.day(step)), world.day(step))
    connection.close()
    facts = read_log_facts(tmp_path)
    assert facts.tables == {"inference_log": 200 * (3 + 3), "quarantine": 0}
    assert facts.arrivals == (Arrival(0, 30, 200), Arrival(30, 60, 200), Arrival(60, None, 200))
    assert sum(segment.customers for segment in facts.segments) == 600
    assert sum(segment.high_risk for segment in facts.segments) == sum(
        int((served[step] >= 0.7).sum()) for step in world.steps
    )
    assert sum(segment.labelled for segment in facts.segments) == 400
    assert sum(segment.churners for segment in facts.segments) == sum(
        int(world.truth(step).churns.sum()) for step in (0, 1)
    )
    frame = world.schema.decode(world.batch(0).features)
    assert {segment.contract for segment in facts.segments} == set(frame["Contract"].astype(str))


def test_a_folder_without_a_log_has_no_facts_and_a_broken_one_is_refused(tmp_path):
    assert read_log_facts(tmp_path) is None
    (tmp_path / "loop.duckdb").write_text("no database")
    with pytest.raises(InputError, match="cannot be read"):
        read_log_facts(tmp_path)


def test_a_log_of_other_columns_has_no_segments(tmp_path):
    with duckdb.connect(str(tmp_path / "loop.duckdb")) as connection:
        connection.execute("CREATE TABLE inference_log (step INTEGER, scored_at INTEGER, label_arrived_at INTEGER)")
    assert read_log_facts(tmp_path).segments == ()


# The kit itself


def test_the_kit_sees_what_is_covered_or_clipped():
    figure = Figure(figsize=(4, 3))
    figure.text(0.1, 0.5, "first words")
    figure.text(0.12, 0.51, "second words")
    with pytest.raises(AssertionError, match="overlaps"):
        check(figure)
    figure = Figure(figsize=(4, 3))
    figure.text(0.9, 0.5, "these words are too long")
    with pytest.raises(AssertionError, match="leaves the canvas"):
        check(figure)
    with pytest.raises(AssertionError, match="shows nothing"):
        check(Figure(figsize=(4, 3)))


def test_words_stay_inside_their_boxes():
    figure = trigger.trigger_chart(odd_life("long names"))
    axes = figure.subfigs[0].axes[0]
    renderer = RendererAgg(*figure.bbox.size, figure.dpi)
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if hasattr(patch, "get_boxstyle")]
    for text in axes.texts:
        own = text.get_window_extent(renderer)
        if text.get_bbox_patch() is None:
            assert any(
                box.x0 <= own.x0 and own.x1 <= box.x1 and box.y0 <= own.y0 and own.y1 <= box.y1 for box in boxes
            )
