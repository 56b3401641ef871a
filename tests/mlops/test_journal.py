"""The journal: one query traces every promotion, and it agrees with the record."""

from pathlib import Path

import duckdb
import pytest
from lives import TWIN, small

from policies.catalogue import load_policy
from scenarios.injectors import ConceptDrift
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.journal import trace_query
from sim.mlops.live.run import LOG_FILE, LiveSettings, run_live
from sim.mlops.records.jobs import Alias, Status

DRIFT = ConceptDrift(kind="concept", onset_step=2, shifts={"InternetService=DSL": 2.4})
SCENARIO = small(steps=9, customers=300, drift=[DRIFT])


@pytest.fixture(scope="module", params=["none", "telco_churn"])
def played(request, tmp_path_factory):
    """A record, and the answer of a function to the run's log."""
    folder = tmp_path_factory.mktemp("journal") / "run"
    settings = LiveSettings(
        SCENARIO, load_policy("f1_drop > 0 or age_days > 60"), TWIN, load_profile(request.param), 1, 0, folder
    )
    record = run_live(settings, resume=False)
    with duckdb.connect(str(folder / LOG_FILE), read_only=True) as connection:

        def ask(query: str) -> list[dict]:
            found = connection.execute(query)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

        yield record, ask


def test_one_query_traces_every_promotion(played):
    record, ask = played
    promoted = [job for job in record.jobs if job.status is Status.PROMOTED]
    traced = ask(trace_query())
    assert [row["job"] for row in traced] == [job.name for job in promoted]
    assert len(promoted) > 1 or record.gates == "telco_churn"
    rows = {row.job_opened.name: row for row in record.steps if row.job_opened}
    for row, job in zip(traced, promoted, strict=True):
        assert job.meeting is not None
        assert row["now_version"] == job.version
        assert row["promoted_on"] == job.ended_day
        assert (row["reason"], row["cause"]) == (job.reason, job.cause)
        assert row["recent_steps"] == list(job.window.recent_steps)
        assert row["training_rows"] == job.window.n_recent + job.window.n_historical
        assert row["mlflow_run_id"] == record.measured["mlflow_versions"][job.name]["run_id"]
        assert row["mlflow_version"] == record.measured["mlflow_versions"][job.name]["version"]
        assert row["met_on_step"] == job.meeting.step
        assert row["gate_results"] == {result.name: result.value for result in job.meeting.verdict.results}
        asked = rows.get(job.name)
        if asked is not None:
            assert row["decided_on"] == asked.day
            for name in ("f1_drop", "psi_max", "null_rate", "age_days"):
                assert row[name] == getattr(asked.signals, name)


def test_the_query_of_the_readme_runs_and_agrees(played):
    _, ask = played
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = ask(readme.split("```sql")[1].split("```")[0])
    traced = ask(trace_query())
    for name in ("promoted_on", "decided_on", "f1_drop", "reason", "job", "recent_steps", "training_rows"):
        assert [row[name] for row in shown] == [row[name] for row in traced]


def test_the_aliases_moved_are_those_of_the_record(played):
    record, ask = played
    moved = ask("SELECT step, alias, job, model_version FROM alias_changes WHERE step >= 0 ORDER BY step, alias")
    told = sorted(record.alias_changes, key=lambda change: (change.step, str(change.alias)))
    assert [tuple(row.values()) for row in moved] == [(c.step, str(c.alias), c.job, c.version) for c in told]
    traced = {row["promoted_on"]: row["previous_version"] for row in ask(trace_query())}
    previous = {c.day: c.version for c in record.alias_changes if c.alias is Alias.PREVIOUS_CHAMPION}
    assert {day: version for day, version in traced.items() if version is not None} == previous


def test_every_step_has_its_decision_and_figures(played):
    record, ask = played
    decisions = ask("SELECT * FROM decisions ORDER BY step")
    assert [row["action"] for row in decisions] == [str(row.decision.action) for row in record.steps]
    for found, row in zip(decisions, record.steps, strict=True):
        assert {name: found[name] for name in row.signals.scalars()} == row.signals.scalars()
    drift = ask("SELECT step, feature, psi, ks_p FROM drift_metrics ORDER BY step, feature")
    told = sorted((row.step, f.name, f.psi, f.ks_p) for row in record.steps for f in row.drift)
    assert [tuple(row.values()) for row in drift] == told
