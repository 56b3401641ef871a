"""Backtests of logs: a log that the simulator wrote gives back the simulator's record, step by step, exactly."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from lives import CHEAP, TWIN, small
from logs import day_of, simulated, written
from test_cli import call

from policies.catalogue import load_policy
from policies.decision import Action
from policies.never import Never
from scenarios.files import catalogue, load_scenario
from scenarios.injectors import ConceptDrift
from scenarios.schema import Scenario, Twin
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.record import Record
from sim.study.backtest.findings import backtest
from sim.study.backtest.watch import Watching, asked_steps, without_features
from sim.study.replay.replay import Replay
from sim.study.scores.judge import observed_f1
from sim.world.log_population import LogOptions, OpenedLog, open_log
from sim.world.own.log_table import LogColumns, read_log
from sim.world.own.table import Reading
from sim.world.world import World

COLUMNS = LogColumns(
    score="score",
    label="outcome",
    prediction="decision",
    date="day",
    id="customer",
    label_date="outcome_day",
    partition="phase",
)


def opened(path: Path, scenario: Scenario, features: bool = True, **options) -> OpenedLog:
    options = {"step_days": scenario.time.step_days, **options}
    schema = path.with_suffix(".toml")
    schema.write_text('[columns.SeniorCitizen]\nkind = "category"\n', encoding="utf-8")
    reading = Reading(schema=schema) if features else Reading(ignored=TWIN.schema.names)
    return open_log(str(path), LogOptions(columns=COLUMNS, **options), reading, scenario, lambda _: None)


def never_in(log: OpenedLog, seed: int = 1) -> Record:
    world = World(log.scenario, seed, log.population, kept_steps=None)
    return Replay(world).record(Never(), load_profile("none"), "never")


TURNED = (ConceptDrift(kind="concept", onset_step=4, shifts={"InternetService=DSL": 2.5}),)
NAMES = sorted(spec.id for spec in catalogue().values() if spec.time.step_days == 30)


def shortened(name: str) -> Scenario:
    """Return a scenario of the catalogue with few customers, up to some months after its onset."""
    scenario = load_scenario(name)
    steps = min((scenario.onset_step or 3) + 6, scenario.time.steps)
    time = scenario.time.model_copy(update={"customers": 120, "steps": steps, "warmup_steps": 4})
    labels = scenario.labels.model_copy(update={"correction_share": 0.0})  # a log has one label a row
    return scenario.model_copy(update={"time": time, "recipe": CHEAP, "labels": labels})


def without_drift(scenario: Scenario) -> Scenario:
    """Return the scenario that a log of it is played with: what happened is in the log."""
    return scenario.model_copy(
        update={
            "drift": (),
            "twin": Twin(),
            "offers": scenario.offers.model_copy(update={"seen_in_labels": False}),
            "labels": scenario.labels.model_copy(update={"correction_share": 0.0, "never_share": 0.0}),
        }
    )


AT_ONCE = ("campaign", "renamed_category", "steady")


@pytest.mark.parametrize(
    "name", [name if name in AT_ONCE else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_a_log_of_the_simulator_gives_its_record_back(tmp_path, name):
    scenario = shortened(name)
    record, frame = simulated(scenario, TWIN)
    log = opened(
        written(frame, tmp_path / "log.csv"), without_drift(scenario), horizon_days=scenario.labels.horizon_days
    )
    assert log.has_features
    again = never_in(log)
    assert [row.signals for row in again.steps] == [row.signals for row in record.steps]
    assert [row.drift for row in again.steps] == [row.drift for row in record.steps]
    assert again.first.meeting.challenger == record.first.meeting.challenger


def weekly() -> Scenario:
    """Return the shipped scenario of weeks, some weeks long, whose labels come within a few of them."""
    scenario = load_scenario("weekly_competitor")
    time = scenario.time.model_copy(update={"steps": 14, "warmup_steps": 5, "customers": 150})
    drift = (scenario.drift[0].model_copy(update={"onset_step": 4}),)
    return quick(scenario, drift, time, delay_days=24)


def daily() -> Scenario:
    """Return a competitor whose customers are scored every day, and whose labels come within days."""
    scenario = load_scenario("competitor")
    time = scenario.time.model_copy(update={"steps": 12, "warmup_steps": 6, "customers": 150, "step_days": 1})
    drift = (scenario.drift[0].model_copy(update={"onset_step": 4}),)
    return quick(scenario, drift, time, delay_days=3)


def quick(scenario: Scenario, drift, time, delay_days: int) -> Scenario:
    """Return a scenario of short steps, a fast recipe and late labels, a tenth of them later still."""
    labels = scenario.labels.model_copy(update={"delay_days": delay_days, "horizon_days": delay_days})
    more = {"time": time, "drift": drift, "labels": labels, "recipe": CHEAP}
    return scenario.model_copy(update=more)


@pytest.mark.parametrize("scenario", [weekly(), daily()], ids=["weeks", "days"])
def test_short_steps_give_back_signals_alarms_and_f1_step_by_step(tmp_path, scenario):
    record, frame = simulated(scenario, TWIN)
    path, horizon = written(frame, tmp_path / "log.csv"), scenario.labels.horizon_days
    log = opened(path, without_drift(scenario), horizon_days=horizon)
    again = never_in(log)
    assert [row.signals for row in again.steps] == [row.signals for row in record.steps]
    assert sum(row.signals.f1 is not None for row in record.steps) >= 5
    texts = ("f1_drop > 0.05", "f1_drop_p < 0.05", "score_psi > 0.05")
    found = backtest(log, [load_policy(text) for text in texts], 1)
    assert [month.f1 for month in found.months] == [observed_f1(row.tally) for row in record.steps]
    first = scenario.time.warmup_steps
    assert [month.date for month in found.months] == [day_of(scenario, first + row.step) for row in record.steps]
    for text, report in zip(texts, found.triggers, strict=True):
        watch = Watching(load_policy(text).build())
        Replay(World(scenario, 1, TWIN, kept_steps=None)).play(watch, load_profile("none"))
        assert list(report.dates) == [day_of(scenario, first + step) for step in asked_steps(watch.decisions)]
    assert any(report.dates for report in found.triggers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["competitor", "early_labels", "outage"])
def test_without_features_what_can_be_said_is_the_same_and_the_rest_is_missing(tmp_path, name):
    scenario = shortened(name)
    record, frame = simulated(scenario, TWIN)
    path, horizon = written(frame, tmp_path / "log.parquet"), scenario.labels.horizon_days
    log = opened(path, without_drift(scenario), features=False, horizon_days=horizon)
    assert not log.has_features
    found = backtest(log, [load_policy(text) for text in ("f1_drop > 0.05", "psi_max > 0.25")], 1)
    for month, row in zip(found.months, record.steps, strict=True):
        assert month.signals == without_features(row.signals)
        assert month.f1 == observed_f1(row.tally)
    assert found.triggers[1].dates == ()
    assert found.triggers[1].unknown_steps == len(record.steps)
    assert "a model learns from features" in found.missing[0]


@pytest.mark.slow
def test_alarms_are_those_that_the_policy_would_raise_on_the_record(tmp_path):
    scenario = shortened("competitor")
    record, frame = simulated(scenario, TWIN)
    log = opened(written(frame, tmp_path / "log.csv"), without_drift(scenario))
    assert log.scenario.labels.horizon_days == scenario.labels.horizon_days  # from the dates of the labels
    texts = ("f1_drop > 0.05", "score_psi > 0.2", "f1_drop_p < 0.01", "every(days=60)")
    found = backtest(log, [load_policy(text) for text in texts], 1)
    months = [day_of(scenario, scenario.time.warmup_steps + row.step) for row in record.steps]
    for text, report in zip(texts[:2], found.triggers, strict=False):
        policy = load_policy(text).build()
        decisions = [policy.decide(row.signals) for row in record.steps]
        wanted = [month for month, each in zip(months, decisions, strict=True) if each.action is not Action.KEEP]
        assert list(report.dates) == wanted
    assert (found.triggers[3].dates, found.triggers[3].scheduled > 5) == ((), True)
    onset = scenario.onset_step
    assert onset is not None
    assert found.loss_date is not None
    assert found.loss_date >= months[onset]
    late = found.triggers[2]
    assert late.late_days is not None
    assert late.late_days >= 60  # labels take 90 days, and the loss is seen with them
    for report in found.triggers[:3]:
        assert report.false_alarms_low <= report.false_alarms_per_year <= report.false_alarms_high
    assert found.triggers[0].false_alarms_per_year > found.triggers[2].false_alarms_per_year


def test_nothing_is_found_in_a_calm_past(tmp_path):
    scenario = shortened("steady").model_copy(
        update={"time": shortened("steady").time.model_copy(update={"customers": 400, "steps": 9})}
    )
    _, frame = simulated(scenario, TWIN)
    log = opened(written(frame, tmp_path / "log.csv"), scenario)
    found = backtest(log, [load_policy("f1_drop_p < 0.001")], 1)
    assert found.loss_date is None
    assert found.triggers[0].dates == ()
    assert found.triggers[0].late_days is None


def test_real_label_dates_decide_when_an_outcome_is_known(tmp_path):
    scenario = shortened("steady")
    record, frame = simulated(scenario, TWIN)
    slow = frame.assign(outcome_day=[str(np.datetime64(day) + 200) for day in frame["day"]])
    log = opened(written(slow, tmp_path / "log.csv"), scenario)
    assert log.scenario.labels.horizon_days == 180
    assert all(row.signals.f1 is None for row in never_in(log).steps[:6])
    assert record.steps[3].signals.f1 is not None
    early = frame.assign(outcome_day=[str(np.datetime64(day) - 1) for day in frame["day"]])
    with pytest.raises(InputError, match="a label must not come before its prediction"):
        opened(written(early, tmp_path / "early.csv"), scenario)


@pytest.mark.slow
def test_with_features_a_comparison_on_the_log_agrees_with_the_world(tmp_path):
    scenario = shortened("competitor")
    lives = {"world": [], "log": []}
    for seed in range(1, 9):
        _, frame = simulated(scenario, TWIN, seed)
        log = opened(written(frame, tmp_path / f"log{seed}.csv"), without_drift(scenario))
        for kind, world in (
            ("world", World(scenario, seed, TWIN, kept_steps=None)),
            ("log", World(log.scenario, seed, log.population, kept_steps=None)),
        ):
            replay, profile = Replay(world), load_profile("none")
            records = [
                replay.record(load_policy(text).build(), profile, text) for text in ("every(days=60)", "never")
            ]
            f1 = [
                np.mean([each for row in record.steps[-4:] if (each := observed_f1(row.tally)) is not None])
                for record in records
            ]
            lives[kind].append(f1[0] - f1[1])
    gaps = np.array(lives["log"]) - np.array(lives["world"])
    half = 2.36 * gaps.std(ddof=1) / np.sqrt(len(gaps))
    assert abs(gaps.mean()) <= half + 1e-12


# Layouts that teams have, from file to report with one command each


def nannyml(frame: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write a reference and an analysis frame as NannyML has them."""
    named = frame.rename(
        columns={
            "customer": "identifier",
            "day": "timestamp",
            "score": "y_pred_proba",
            "decision": "y_pred",
            "outcome": "y_true",
        }
    ).drop(columns=["outcome_day"])
    is_reference = named.pop("phase") == "reference"
    paths = folder / "reference.csv", folder / "analysis.parquet"
    named[is_reference].to_csv(paths[0], index=False)
    named[~is_reference].to_parquet(paths[1], index=False)
    return paths


def evidently(frame: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write reference and current data under the names that Evidently takes where none are given.

    There `prediction` is the probability of the positive class.
    """
    named = frame.rename(columns={"customer": "id", "day": "datetime", "score": "prediction", "outcome": "target"})
    is_reference = named.pop("phase") == "reference"
    paths = folder / "reference.parquet", folder / "current.csv"
    named = named.drop(columns=["outcome_day", "decision"])
    named[is_reference].to_parquet(paths[0], index=False)
    named[~is_reference].to_csv(paths[1], index=False)
    return paths


def monitor(frame: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write the tables of a Databricks monitor on a log: profile_metrics and drift_metrics."""
    profile, drift = [], []
    columns = ["tenure", "MonthlyCharges"]
    reference = frame[frame["phase"] == "reference"]
    for day, rows in frame.groupby("day"):
        start = pd.Timestamp(day)
        window = {"start": start, "end": start + pd.DateOffset(months=1)}
        common = {"window": window, "granularity": "1 month", "log_type": "INPUT", "slice_key": None}
        known = rows[rows["outcome"].notna()]
        matrix = known.groupby(["decision", "outcome"]).size()
        cells = [{"prediction": str(p), "label": str(int(o)), "count": int(n)} for (p, o), n in matrix.items()]
        profile.append(
            {**common, "column_name": ":table", "count": len(rows), "num_nulls": None, "confusion_matrix": cells}
        )
        for column in columns:
            missing = int(rows[column].isna().sum())
            profile.append(
                {
                    **common,
                    "column_name": column,
                    "count": len(rows) - missing,
                    "num_nulls": missing,
                    "confusion_matrix": None,
                }
            )
            edges = np.unique(np.quantile(reference[column].dropna(), np.linspace(0.1, 0.9, 9)))
            shares = [
                (np.bincount(np.searchsorted(edges, part[column].dropna()), minlength=len(edges) + 1) + 0.5)
                / (len(part) + 5)
                for part in (rows, reference)
            ]
            psi = float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())
            drift.append(
                {
                    **common,
                    "column_name": column,
                    "drift_type": "BASELINE",
                    "population_stability_index": psi,
                    "ks_test": {"statistic": 0.1, "pvalue": 0.5},
                }
            )
    paths = folder / "profile_metrics.parquet", folder / "drift_metrics.parquet"
    pd.DataFrame(profile).to_parquet(paths[0], index=False)
    pd.DataFrame(drift).to_parquet(paths[1], index=False)
    return paths


@pytest.fixture(scope="module")
def log_of_a_drift():
    return simulated(shortened("competitor"), TWIN)


@pytest.mark.slow
def test_a_frame_of_nannyml_goes_from_file_to_report(monkeypatch, capsys, tmp_path, log_of_a_drift):
    monkeypatch.chdir(tmp_path)
    record, frame = log_of_a_drift
    reference, analysis = nannyml(frame, tmp_path)
    code, out, _ = call(
        monkeypatch,
        capsys,
        "backtest",
        str(analysis),
        "--reference",
        str(reference),
        "--out",
        "out",
        "--seeds",
        "0",
        "--json",
    )
    told = json.loads(out)
    assert code == 0
    assert len(told["months"]) == len(record.steps)
    assert told["baseline_f1"] == record.first.meeting.challenger.f1
    assert [month["f1"] for month in told["months"]] == [observed_f1(row.tally) for row in record.steps]
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert "f1_drop" in page
    assert "data:image/svg+xml" in page
    assert {path.name for path in Path("out/report").iterdir()} == {"report.html", "alarms.svg", "alarms.png"}


@pytest.mark.slow
def test_data_of_evidently_go_from_file_to_report(monkeypatch, capsys, tmp_path, log_of_a_drift):
    monkeypatch.chdir(tmp_path)
    record, frame = log_of_a_drift
    reference, current = evidently(frame, tmp_path)
    asked = ("backtest", str(current), "--reference", str(reference), "--seeds", "0", "--out", "out", "--json")
    code, out, err = call(monkeypatch, capsys, *asked)
    told = json.loads(out)
    assert code == 0
    assert "churn counts as predicted from 0.5 on" in err
    assert len(told["months"]) == len(record.steps)
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert "f1_drop" in page
    own = frame[frame["phase"] != "reference"].dropna(subset=["outcome"])
    for month, (_, rows) in zip(told["months"], own.groupby("day"), strict=False):
        right = ((rows["score"] >= 0.5) & (rows["outcome"] == 1)).sum()
        f1 = 2 * right / ((rows["score"] >= 0.5).sum() + (rows["outcome"] == 1).sum())
        assert month["f1"] == pytest.approx(f1)


def test_a_prediction_may_be_a_probability_unless_it_is_said_to_be_one_of_two_words(tmp_path, log_of_a_drift):
    _, frame = log_of_a_drift
    named = frame.drop(columns="decision").rename(columns={"score": "prediction"})
    path = written(named, tmp_path / "log.csv")
    columns = LogColumns(label="outcome", date="day", id="customer", label_date="outcome_day", partition="phase")
    read = read_log(str(path), columns, Reading(ignored=TWIN.schema.names))
    assert read.score.tolist() == pytest.approx(frame["score"].tolist())
    assert read.predicted.tolist() == (frame["score"] >= 0.5).tolist()
    with pytest.raises(InputError, match="a prediction must be 1 or 0"):
        read_log(str(path), replace(columns, prediction="prediction"), Reading(ignored=TWIN.schema.names))


@pytest.mark.slow
def test_a_databricks_monitor_goes_from_file_to_report(monkeypatch, capsys, tmp_path, log_of_a_drift):
    monkeypatch.chdir(tmp_path)
    record, frame = log_of_a_drift
    profile, drift = monitor(frame, tmp_path)
    code, out, _ = call(
        monkeypatch,
        capsys,
        "backtest",
        str(profile),
        "--drift",
        str(drift),
        "--warmup-steps",
        "4",
        "--out",
        "out",
        "--json",
    )
    told = json.loads(out)
    assert code == 0
    assert [month["f1"] for month in told["months"]][4:] == [observed_f1(row.tally) for row in record.steps]
    assert all(month["signals"]["psi_max"] > 0 for month in told["months"])
    assert told["triggers"][0]["false_alarms_per_year"] is None
    assert any("keeps no rows" in reason for reason in told["missing"])
    assert Path(told["report"]).exists()
    assert "Backtest of profile_metrics" in Path(told["report"]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_inference_table_is_known_by_its_names(monkeypatch, capsys, tmp_path, log_of_a_drift):
    monkeypatch.chdir(tmp_path)
    frame = log_of_a_drift[1]
    ticks = pd.to_datetime(frame["day"]).to_numpy(dtype="M8[ms]").astype(np.int64) + 3_600_000
    frame.assign(timestamp_ms=ticks).drop(columns=["day", "outcome_day", "phase"]).rename(
        columns={
            "customer": "client_request_id",
            "score": "prediction_proba",
            "decision": "prediction",
            "outcome": "label",
        }
    ).assign(model_id=np.where(frame["day"] < "2022-01-01", "1", "2"), status_code=200).to_parquet("payload.parquet")
    code, out, err = call(
        monkeypatch,
        capsys,
        "backtest",
        "payload.parquet",
        "--warmup-steps",
        "4",
        "--seeds",
        "0",
        "--segment",
        "Contract",
        "--policy",
        "score_psi > 0.2",
        "--json",
        "--out",
        "out",
    )
    told = json.loads(out)
    assert code == 0
    assert {month["version"] for month in told["months"]} == {"1", "2"}
    assert {segment["segment"] for segment in told["segments"]} == {"Month-to-month", "One year", "Two year"}
    assert "does not say when labels came" in err


def test_a_log_in_a_database_is_that_in_a_file(tmp_path):
    """Its dates are those of the database there, no texts."""
    scenario = small(6, customers=80, delay_days=30)
    _, frame = simulated(scenario, TWIN)
    dated = frame.assign(**{name: pd.to_datetime(frame[name]) for name in ("day", "outcome_day")})
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.register("frame", dated)
        days = "* REPLACE (day::DATE AS day, outcome_day::DATE AS outcome_day)"
        connection.execute(f"CREATE TABLE served AS SELECT {days} FROM frame")
    own = opened(written(frame, tmp_path / "log.csv"), scenario)
    schema = Reading(schema=tmp_path / "log.toml")
    url = f"duckdb:///{tmp_path}/warehouse.duckdb#served"
    stored = open_log(url, LogOptions(columns=COLUMNS), schema, scenario, lambda _: None)
    assert never_in(stored).steps == never_in(own).steps
    assert stored.table.label_dates.tolist() == own.table.label_dates.tolist()


@pytest.mark.slow
def test_a_log_with_features_is_compared_surveyed_and_tuned_as_it_was_served(monkeypatch, capsys, tmp_path):
    """The surface of a rule on a log promises what a comparison finds; the log's own scores are those of never."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _, frame = simulated(small(10, customers=300, delay_days=30, drift=TURNED), TWIN)
    written(frame.drop(columns="phase").rename(columns={"decision": "prediction"}), tmp_path / "log.csv")
    (tmp_path / "log.toml").write_text('[columns.SeniorCitizen]\nkind = "category"\n', encoding="utf-8")
    log = ["--population", "log.csv", "--score", "score", "--target", "outcome", "--id", "customer", "--date", "day"]
    log += ["--label-date", "outcome_day", "--schema", "log.toml", "--trials", "0"]
    rule, gates = "f1_drop > {a}", ["--gates", "none"]

    def told(*words):
        code, out, err = call(monkeypatch, capsys, *words, *log, "--json")
        assert code == 0, err
        return json.loads(out), err

    surface, said = told(
        "surface", "steady", "--rule", rule, "--reference", "proposal", *gates, "--seeds", "3", "--out", "s"
    )
    assert "on a history differ by its holdout and by the luck of training only" in said
    setting = surface["best"]["setting"]["a"]
    chosen = f"f1_drop > {setting!r}"
    policies = ["--policy", "never", "--policy", chosen]
    compared, _ = told("compare", "steady", *policies, *gates, "--seeds", "3", "--out", "c")
    rows = {row["policy"]: row for row in compared["boards"][0]["policies"]}
    assert rows[chosen]["scores"]["net_value"]["mean"] == pytest.approx(surface["best"]["net_value"]["mean"])
    cells = pd.read_parquet("c/results.parquet")
    own = frame[frame["day"] >= sorted(frame["day"].unique())[6]].dropna(subset=["outcome"])
    months = own.assign(right=own["decision"] * own["outcome"]).groupby("day")[["decision", "outcome", "right"]].sum()
    f1 = (2 * months["right"] / (months["decision"] + months["outcome"])).mean()
    served = cells.loc[cells["policy"] == "never", "f1_observed"]
    assert served.tolist() == pytest.approx([f1] * 3)
    tuned, _ = told(
        "tune",
        "steady",
        "--rule",
        rule,
        "--reference",
        "proposal",
        *gates,
        "--seeds",
        "3",
        "--confirm",
        "3",
        "--out",
        "t",
    )
    assert tuned["setting"].keys() == {"a"}
    assert set(pd.read_parquet("t/confirmation/resampled.parquet")["resample"]) == {1, 2}
    for folder in ("s", "c", "t"):
        code, _, err = call(monkeypatch, capsys, "report", folder)
        assert code == 0, err
        page = Path(folder, "report", "report.html").read_text(encoding="utf-8")
        assert "--score score --label-date outcome_day" in page, (
            "the command that plays it again names the log's columns"
        )


def test_a_log_to_be_compared_needs_its_file(monkeypatch, capsys):
    code, _, err = call(monkeypatch, capsys, "compare", "steady", "--score", "score", "--dry-run")
    assert (code, err) == (
        2,
        "retrainlab: a log must be a file, a folder or a database's table; add --population PATH.\n",
    )


WRONG = {
    "no label": (lambda frame: frame.drop(columns="outcome"), "name the column with --label"),
    "no score": (lambda frame: frame.drop(columns=["score", "decision"]), "name them with --score"),
    "a score of 2": (lambda frame: frame.assign(score=2.0), "a score must be a probability"),
    "words as predictions": (lambda frame: frame.assign(decision="perhaps"), "a prediction must be 1 or 0"),
    "reference after": (lambda frame: frame.assign(phase="analysis"), "must come before the rest"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_log_is_refused_in_one_sentence(tmp_path, log_of_a_drift, change, said):
    changed = change(log_of_a_drift[1])
    named = {role: getattr(COLUMNS, role) for role in LogColumns.__slots__}
    columns = LogColumns(**{role: name if name in changed else "" for role, name in named.items()})
    path = written(changed, tmp_path / "log.csv")
    with pytest.raises(InputError) as refusal:
        open_log(str(path), LogOptions(columns=columns), Reading(), shortened("steady"), lambda _: None)
    assert said in str(refusal.value)
