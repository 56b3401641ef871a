"""What models learnt from, as the report of a run tells it: which rows, why these, and how to make it again."""

import shlex

import pytest
from lives import TWIN, script, small
from matplotlib.text import Text
from runs import CONCEPT

from policies.catalogue import load_policy
from reports.charts.training_data import training_data_chart
from reports.learnt import learnt_tables
from reports.run_report import run_page
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.mlops.records.jobs import Status
from sim.study.replay.replay import Replay
from sim.study.run_folder import write_record
from sim.world.world import World

SCENARIO = small(steps=7, delay_days=30, drift=[CONCEPT])


@pytest.fixture(scope="module")
def replay():
    return Replay(World(SCENARIO, 1, TWIN, kept_steps=None))


def lived(replay, training, text="rrrrrrr"):
    return replay.record(script(text), load_profile("none"), "tested", training=load_training(training))


def test_every_model_stands_with_its_rows_and_its_profile(replay):
    record = lived(replay, "mix_70_30")
    (table,) = learnt_tables(record)
    assert [row["model"] for row in table.rows] == [f"v{job.version}" for job in record.jobs]
    assert table.rows[0]["learns by"] == "all of the warm-up"
    assert {row["learns by"] for row in table.rows[1:]} == {"mix_70_30"}
    for job, row in zip(record.jobs, table.rows, strict=True):
        window = job.window
        assert (row["recent rows"], row["older rows"]) == (f"{window.n_recent:,}", f"{window.n_historical:,}")
        assert row["of steps"] == f"{window.recent_steps[0]} to {window.recent_steps[-1]}"
    assert "change seen at step" not in table.columns, "no profile asked for one"


def test_a_tournament_tells_of_each_challenger_and_why_it_was_not_promoted(replay):
    record = lived(replay, "tournament")
    models, challengers = learnt_tables(record)
    entrants = [each.name for each in load_training("tournament").challengers]
    held = [job for job in record.jobs if job.challengers]
    assert held
    assert [row["challenger"] for row in challengers.rows] == entrants * len(held)
    for number, job in enumerate(held):
        rows = challengers.rows[number * len(entrants) :][: len(entrants)]
        chosen = [row for row in rows if row["came to"] == f"chosen, {job.status}"]
        if job.status is Status.OPEN:
            assert {row["came to"] for row in rows} == {"not chosen yet"}
            continue
        assert [row["challenger"] for row in chosen] == [job.window.profile]
        losses = [float(row["log-loss (lower is better)"]) for row in rows]
        assert float(chosen[0]["log-loss (lower is better)"]) == min(losses)
        assert all(f"{job.window.profile} was chosen" in row["came to"] for row in rows if row not in chosen)
    told = {row["learns by"] for row in models.rows if "the best of" in row["learns by"]}
    assert told
    assert told <= {f"{name}, the best of {len(entrants)} challengers" for name in entrants}


def test_a_change_that_was_seen_stands_beside_the_rows_that_it_chose(replay):
    record = lived(replay, "since_change")
    (table,) = learnt_tables(record)
    found = {row["model"]: row["change seen at step"] for row in table.rows}
    for job in record.jobs:
        change = job.window.change
        told = found[f"v{job.version}"]
        assert told.split()[0] == ("-" if change is None else str(change.step))
        if change is not None and change.low_step < change.high_step:
            assert told.endswith(f"(between {change.low_step} and {change.high_step})")
    assert set(found.values()) - {"-"}, "this world has a change that can be seen"


def test_weighted_rows_are_told_with_what_they_are_worth(replay):
    (table,) = learnt_tables(lived(replay, "decayed"))
    worth = [row["worth as many equal rows as"] for row in table.rows[1:]]
    rows = [int(row["recent rows"].replace(",", "")) + int(row["older rows"].replace(",", "")) for row in table.rows]
    assert all(int(value.replace(",", "")) < whole for value, whole in zip(worth, rows[1:], strict=True))


@pytest.mark.parametrize(("training", "told"), [("newest", ["--training", "newest"]), ("mix_70_30", [])])
def test_the_page_says_what_models_learn_from_and_how_to_play_that_again(replay, tmp_path, training, told):
    record = replay.record(
        load_policy("always").build(),
        load_profile("none"),
        "always",
        load_policy("always").to_toml(),
        load_training(training),
    )
    write_record(record, tmp_path)
    page = run_page(tmp_path, tmp_path, {})
    assert page.asked["Models learn by"] == training
    assert page.first.points["What a new model learns from"].startswith(f"{training}: the newest")
    words = shlex.split(page.commands[0])
    at = words.index("--training") if "--training" in words else len(words)
    assert words[at : at + 2] == told


@pytest.mark.parametrize(
    ("training", "told"),
    [("mix_70_30", "; 70% is asked for"), ("newest", "; 100% is asked for"), ("tournament", ""), ("history", "")],
)
def test_the_chart_says_which_share_was_asked_for_only_where_one_was(replay, training, told):
    figure = training_data_chart(lived(replay, training))
    (finding,) = [text.get_text() for text in figure.findobj(Text) if "of the labels have arrived" in text.get_text()]
    assert finding.count("is asked for") == (told != "")
    assert told in finding
    rows = figure.subfigs[0].axes[0]
    tallest = max(bar.get_y() + bar.get_height() for bars in rows.containers for bar in bars)
    assert rows.get_ylim()[1] == pytest.approx(1.05 * tallest)
