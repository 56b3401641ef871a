"""Populations as they are asked for: a table of one's own, replayed or as it happened."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lives import TWIN, live, small
from test_cli import call, refused

from policies.catalogue import load_policy
from policies.never import Never
from scenarios.files import load_scenario, to_toml
from scenarios.schema import Labels, Offers
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.study.replay.cache import _name as replay_file
from sim.study.replay.replay import Replay
from sim.study.scores.judge import expected_f1, observed_f1, summarise
from sim.world.population_spec import PopulationSpec
from sim.world.telco.twin import sample
from sim.world.world import World

HISTORY = small(steps=99).model_copy(update={"labels": Labels(delay_days=60, horizon_days=60)})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def frame_of(n_rows=900, seed=3):
    rng = np.random.default_rng(seed)
    features = sample(rng, n_rows)
    frame = TWIN.schema.decode(features)[["tenure", "Contract", "InternetService", "MonthlyCharges"]]
    churned = rng.random(n_rows) < TWIN.mechanism.propensity(features)
    return frame.assign(gone=np.where(churned, "yes", "no"), customer=[f"K{row:04d}" for row in range(n_rows)])


def written(frame, name="customers.csv"):
    frame.to_csv(name, index=False)
    return name


def dated(frame, months=9, seed=4):
    days = pd.to_datetime("2025-01-01") + pd.to_timedelta(
        np.random.default_rng(seed).integers(0, 30 * months, len(frame)), unit="D"
    )
    return frame.assign(day=days.strftime("%Y-%m-%d"))


def spec(**columns):
    return PopulationSpec("customers.csv", "gone", "customer", **columns)


# Without dates


def test_a_table_of_ones_own_is_replayed_with_its_real_labels_first():
    frame = frame_of()
    written(frame)
    told = []
    population, scenario = spec().load(small(customers=300), told.append)
    assert scenario == small(customers=300)
    assert "a mechanism of" in told[0]
    world = World(scenario, 1, population)
    ids = np.concatenate([world.batch(step).customer_id for step in (-3, -2, -1)])
    churns = np.concatenate([world.truth(step).churns for step in (-3, -2, -1)])
    assert sorted(ids) == frame["customer"].tolist()
    wanted = dict(zip(frame["customer"], frame["gone"] == "yes", strict=True))
    assert all(wanted[customer] == label for customer, label in zip(ids, churns, strict=True))


def test_its_whole_numbers_stay_whole_under_drift_and_its_categories_can_drift():
    written(frame_of())
    drift = load_scenario("proposal").drift
    population, scenario = spec().load(small(drift=drift, steps=36), lambda _: None)
    world = World(scenario, 1, population)
    moved, true = world.batch(35).features, world.population.schema
    assert set(moved[:, true.position["tenure"]] % 1) == {0.0}
    assert np.mean(moved[:, true.position["Contract"]] == true.code("Contract", "Month-to-month")) > 0.7


def test_another_target_of_the_same_file_is_another_population():
    written(frame_of().assign(bought=np.where(np.arange(900) % 3, "no", "yes")))
    one, _ = spec().load(small(), lambda _: None)
    other, _ = PopulationSpec("customers.csv", "bought", "customer").load(small(), lambda _: None)
    renamed, _ = PopulationSpec("customers.csv", "gone").load(small(), lambda _: None)
    assert len({one.version, other.version, renamed.version}) == 3
    assert len({one.name, other.name, renamed.name}) == 3
    assert other.table.churned.mean() == pytest.approx(1 / 3)
    assert spec().load(small(), lambda _: None)[0] is one
    replays = [Replay(World(small(customers=100), 1, each, kept_steps=None)) for each in (one, other)]
    assert len({replay_file(replay) for replay in replays}) == 2


# With dates


def test_a_history_is_replayed_exactly_in_counts_order_and_labels():
    frame = dated(frame_of())
    written(frame)
    population, scenario = spec(date_column="day").load(HISTORY)
    world = World(scenario, 1, population)
    months = frame.assign(month=frame["day"].str[:7])
    groups = [group.sort_values("customer") for _, group in months.groupby("month")]
    assert (scenario.time.steps, len(groups)) == (len(groups) - 3, 9)
    for step, group in zip((*world.warmup, *world.steps), groups, strict=True):
        batch, truth = world.batch(step), world.truth(step)
        assert batch.customer_id.tolist() == group["customer"].tolist()
        assert truth.churns.tolist() == (group["gone"] == "yes").tolist()
        assert truth.propensity.tolist() == [float(label) for label in truth.churns]
        np.testing.assert_array_equal(batch.features[:, 0], group["tenure"])
        assert world.labels(step, np.zeros(len(group), dtype=bool)).label.tolist() == truth.churns.tolist()


def test_a_month_without_customers_is_a_step_without_customers():
    frame = dated(frame_of())
    written(frame[~frame["day"].str.startswith("2025-06")])
    population, scenario = spec(date_column="day").load(HISTORY)
    world = World(scenario, 1, population, kept_steps=None)
    sizes = [len(world.batch(step).customer_id) for step in (*world.warmup, *world.steps)]
    assert sizes[5] == 0
    assert min(sizes[:5] + sizes[6:]) > 50
    record = Replay(world).record(load_policy("every(days=30)").build(), load_profile("none"), "every")
    assert expected_f1(record.steps[2].tally) is None
    assert record.steps[2].signals.psi_max is None


def test_a_backtest_scores_what_happened_and_calls_no_retraining_false():
    written(dated(frame_of()))
    population, scenario = spec(date_column="day").load(HISTORY)
    life = live(scenario, load_policy("age_days > 40").build(), population=population, profile="none")
    assert len(life.retrainings) > 1
    for row in life.rows:
        assert expected_f1(row.tally) == pytest.approx(observed_f1(row.tally))
    world = World(scenario, 1, population, kept_steps=None)
    record = Replay(world).record(Never(), load_profile("none"), "never")
    assert record.is_recorded
    summary = summarise(record)
    assert (summary.false_retrains_alarm, summary.false_alarms_per_year) == (None, None)
    assert summary.net_value == pytest.approx(
        sum(row.tally.offered_churners * 600 - row.tally.offers * 50 for row in record.steps)
    )


@pytest.mark.parametrize("part", ["offers", "labels"])
def test_a_history_keeps_its_labels(part):
    written(dated(frame_of()))
    changed = {"offers": Offers(seen_in_labels=True), "labels": Labels(correction_share=0.1)}[part]
    scenario = HISTORY.model_copy(update={part: changed})
    with pytest.raises(InputError, match="a history has its own labels"):
        World(scenario, 1, spec(date_column="day").load(scenario)[0])


def test_a_history_allows_no_drift_and_must_outlast_the_warm_up():
    written(dated(frame_of()))
    with pytest.raises(InputError, match="a history is replayed as it happened, without drift, but competitor@1"):
        World(load_scenario("competitor"), 1, spec(date_column="day").load(load_scenario("competitor"))[0])
    long = HISTORY.model_copy(update={"time": HISTORY.time.model_copy(update={"warmup_steps": 9})})
    with pytest.raises(InputError, match="must be longer than the warm-up, but customers has 9 steps"):
        spec(date_column="day").load(long)


# On the command line

WRONG = {
    "no such target": (("--target", "gon"), frame_of(60), "Did you mean 'gone'"),
    "one class": (("--target", "gone"), frame_of(60).assign(gone="no"), "'gone'"),
    "three values": (("--target", "Contract"), frame_of(60), "Contract"),
    "repeated id": (("--target", "gone", "--id", "customer"), frame_of(60).assign(customer="K1"), "'K1'"),
    "repeated id in a day": (
        ("--target", "gone", "--id", "customer", "--date", "day"),
        frame_of(60).assign(customer="K1", day="2025-01-05"),
        "'K1'",
    ),
    "no dates": (("--target", "gone", "--date", "day"), frame_of(60).assign(day="spring"), "'spring'"),
    "too many categories": (
        ("--target", "gone"),
        frame_of(1100).assign(name=[f"N{max(row, 1)}" for row in range(1100)]),
        "1,000",
    ),
    "a dirty cell": (
        ("--target", "gone", "--id", "customer"),
        frame_of(60).assign(tenure=[*["12"] * 40, "1o", *["3"] * 19]),
        "row 41 of ./customers.csv has '1o' in 'tenure'",
    ),
    "no such churner": (("--target", "gone", "--churned", "maybe"), frame_of(60), "has 'no' and 'yes'"),
    "a format without dates": (("--target", "gone", "--date-format", "%d"), frame_of(60), "add --date COLUMN"),
    "no rows": (("--target", "gone"), frame_of(60)[:0], "rows"),
    "id without target": (("--id", "customer"), frame_of(60), "--target"),
    "a batch larger than the table": (("--target", "gone", "--id", "customer"), frame_of(60), "60 rows"),
}


@pytest.mark.parametrize("command", [("run", "steady"), ("compare", "steady", "--dry-run")], ids=lambda each: each[0])
@pytest.mark.parametrize(("arguments", "frame", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_table_is_refused_in_one_sentence(monkeypatch, capsys, command, arguments, frame, said):
    if said == "60 rows" and "--dry-run" in command:
        pytest.skip("a dry run opens no world")
    told = refused_after(monkeypatch, capsys, frame, *command, "--population", "./customers.csv", *arguments)
    assert said in told


def refused_after(monkeypatch, capsys, frame, *arguments):
    written(frame)
    code, out, err = call(monkeypatch, capsys, *arguments)
    lines = [line for line in err.splitlines() if "a mechanism of" not in line and not line.startswith("column ")]
    assert (code, out, len(lines)) == (2, "", 1)
    assert "Traceback" not in err
    assert sorted(path.name for path in Path().rglob("*")) == ["customers.csv"]
    return lines[0]


def test_a_target_of_no_file_is_refused(monkeypatch, capsys):
    assert "path of one" in refused(monkeypatch, capsys, "run", "steady", "--population", "twin", "--target", "gone")


def test_a_table_is_described(monkeypatch, capsys):
    written(dated(frame_of()))
    arguments = ("data", "check", "customers.csv", "--target", "gone", "--id", "customer")
    code, out, _ = call(monkeypatch, capsys, *arguments, "--date", "day", "--json")
    told = json.loads(out)
    assert (code, told["rows"], told["customers"], told["features"]) == (0, 900, 900, 4)
    assert told["first_date"].startswith("2025-01")
    code, out, _ = call(monkeypatch, capsys, *arguments, "--json")
    assert "its AUC is" in json.loads(out)["fit"]


@pytest.mark.slow
@pytest.mark.parametrize("dates", [False, True], ids=["replayed", "as it happened"])
def test_a_table_is_played_live_and_compared(monkeypatch, capsys, dates):
    written(dated(frame_of(3000), months=18))
    Path("mine.toml").write_text(to_toml(small(customers=150, delay_days=30)), encoding="utf-8")
    table = (
        "--population",
        "customers.csv",
        "--target",
        "gone",
        "--id",
        "customer",
        *(("--date", "day") if dates else ()),
    )
    code, out, _ = call(
        monkeypatch, capsys, "run", "mine.toml", *table, "--trials", "0", "--policy", "age_days > 30", "--json"
    )
    told = json.loads(out)
    name = "customers, target gone, id customer" + (", date day" if dates else "")
    assert (code, told["is_recorded"], told["population"]) == (0, dates, name)
    assert told["summary"]["retrains"] > 2
    assert len(told["steps"]) == (15 if dates else 8)
    code, out, err = call(
        monkeypatch,
        capsys,
        "compare",
        "mine.toml",
        *table,
        "--seeds",
        "2",
        "--policy",
        "every(days=30)",
        "--policy",
        "never",
        "--cache",
        "cache",
        "--workers",
        "2",
        "--json",
    )
    boards = json.loads(out)["boards"]
    assert code == 0
    assert ("of its customers, who are drawn again for each seed, but not of another past" in err) == dates
    assert {row["policy"] for row in boards[0]["policies"]} == {"every(days=30)", "never"}
    with Path("customers.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 3001


def test_a_file_that_is_not_telcos_may_want_a_target(monkeypatch, capsys):
    written(frame_of(60))
    told = refused(monkeypatch, capsys, "run", "steady", "--population", "./customers.csv")
    assert "must have all of its 21 columns" in told
    assert "A table of your own needs --target COLUMN." in told
