"""The journal of a live run: each step is one transaction, with all that is needed to explain and to resume it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import duckdb

from policies.signals import CATALOGUE, Signals
from sim.mlops.live.checkpoints import BEFORE_STEP_0, Checkpoints, undamaged
from sim.mlops.loop.platform import State
from sim.mlops.loop.resume import Checkpoint
from sim.mlops.models.model import Model
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Alias, AliasChange, Challenger, Job, why_not
from sim.mlops.records.record import StepRow
from sim.mlops.stores.duckdb_rows import insert
from sim.mlops.stores.mlflow_registry import MlflowRegistry
from sim.world.schema.columns import Schema

_SIGNAL_COLUMNS = ",\n".join(f"    {name} DOUBLE" for name in CATALOGUE)
TABLES = f"""
CREATE TABLE IF NOT EXISTS decisions (
    step INTEGER PRIMARY KEY, day INTEGER, champion VARCHAR, model_version INTEGER,
    action VARCHAR, reason VARCHAR, cause VARCHAR, clauses JSON, training VARCHAR, job VARCHAR,
{_SIGNAL_COLUMNS}
);
CREATE TABLE IF NOT EXISTS feature_metrics (
    step INTEGER, feature VARCHAR, null_rate DOUBLE, unseen_rate DOUBLE, psi DOUBLE, ks_p DOUBLE,
    PRIMARY KEY (step, feature)
);
CREATE VIEW IF NOT EXISTS profile_metrics AS SELECT step, feature, null_rate, unseen_rate FROM feature_metrics;
CREATE VIEW IF NOT EXISTS drift_metrics AS SELECT step, feature, psi, ks_p FROM feature_metrics;
CREATE TABLE IF NOT EXISTS model_versions (
    job VARCHAR PRIMARY KEY, model_version INTEGER, mlflow_model VARCHAR, mlflow_version VARCHAR,
    mlflow_run_id VARCHAR, requested_step INTEGER, requested_day INTEGER, cause VARCHAR, reason VARCHAR,
    recent_steps INTEGER[], historical_steps INTEGER[], n_recent INTEGER, n_historical INTEGER,
    status VARCHAR, gate_step INTEGER, gate_day INTEGER, gates_passed BOOLEAN, failed_gates VARCHAR[],
    f1_challenger DOUBLE, f1_champion DOUBLE, ended_step INTEGER, ended_day INTEGER, latency_ms DOUBLE,
    action VARCHAR, training VARCHAR, change_step INTEGER, change_low_step INTEGER, change_high_step INTEGER,
    effective_rows DOUBLE
);
CREATE TABLE IF NOT EXISTS challengers (
    job VARCHAR, training VARCHAR, recent_steps INTEGER[], historical_steps INTEGER[], n_recent INTEGER,
    n_historical INTEGER, change_step INTEGER, change_low_step INTEGER, change_high_step INTEGER,
    effective_rows DOUBLE, log_loss DOUBLE, chosen BOOLEAN, why_not VARCHAR, PRIMARY KEY (job, training)
);
CREATE TABLE IF NOT EXISTS candidate_models (
    job VARCHAR, number INTEGER, threshold DOUBLE, trees VARCHAR, PRIMARY KEY (job, number)
);
CREATE TABLE IF NOT EXISTS gate_results (
    job VARCHAR, step INTEGER, gate VARCHAR, value DOUBLE, comparison VARCHAR, threshold DOUBLE,
    enforced BOOLEAN, passed BOOLEAN, note VARCHAR, PRIMARY KEY (job, step, gate)
);
CREATE TABLE IF NOT EXISTS alias_changes (
    step INTEGER, day INTEGER, alias VARCHAR, job VARCHAR, model_version INTEGER, PRIMARY KEY (step, alias)
);
CREATE TABLE IF NOT EXISTS signal_rows (step INTEGER PRIMARY KEY, scores DOUBLE[], errors BOOLEAN[]);
"""


def trace_query() -> str:
    """Return the SQL that traces every promotion in a journal, from the signals that asked for it to the alias."""
    return (files("sim.mlops.stores") / "queries" / "trace_promotions.sql").read_text(encoding="utf-8")


class DuckDBJournal:
    """Writes what a step did into the tables beside the inference log, in the same transaction.

    What MLflow is only told waits until the step is committed, so that a step that is repeated tells it once.
    `latency_ms` holds the measured milliseconds of a single row by job.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, registry: MlflowRegistry) -> None:
        self._connection = connection
        self._registry = registry
        self._checkpoints = Checkpoints(connection, registry.ledger)
        noted = "SELECT job, latency_ms FROM model_versions WHERE latency_ms IS NOT NULL ORDER BY model_version"
        with undamaged():
            connection.execute(TABLES)
            self.latency_ms: dict[str, float] = dict(connection.execute(noted).fetchall())

    def begin(self) -> None:
        """Open the transaction of a step."""
        self._connection.begin()

    def commit(self, state: State, row: StepRow | None) -> None:
        """Write the rows of a step and commit all that it did; `row` is `None` for what comes before step 0."""
        if row is None:
            self._write_job(state.first)
            first = (AliasChange(0, 0, Alias.CHAMPION, state.first.name, state.first.version),)
            self._write_aliases(BEFORE_STEP_0, first)
        else:
            self._write_step(row)
        self._checkpoints.write(state, row)
        self._connection.commit()
        self._registry.tell()

    def note_latency(self, job: Job, step: int, latency_ms: float) -> None:
        """Note the measured milliseconds of a job's gate meeting, in the job's row and later on its MLflow run."""
        self.latency_ms[job.name] = latency_ms
        self._connection.execute("UPDATE model_versions SET latency_ms = ? WHERE job = ?", [latency_ms, job.name])
        self._registry.log_latency(job.version, step, latency_ms)

    def note_rows(self, step: int, signals: Signals) -> None:
        """Note the single rows among the signals of a step; a resumed policy is shown them again."""
        if signals is signals.without_rows():
            return
        rows = [None if part is None else list(part) for part in (signals.scores, signals.errors)]
        insert(self._connection, "signal_rows", [(step, *rows)])

    def with_rows(self, signals: Signals) -> Signals:
        """Return the signals of a past step as its policy saw them, single rows included."""
        query = "SELECT scores, errors FROM signal_rows WHERE step = ?"
        found = self._connection.execute(query, [signals.step]).fetchall()  # all: else the connection stays busy
        if not found:
            return signals
        scores, errors = (None if part is None else tuple(part) for part in found[0])
        return replace(signals, scores=scores, errors=errors)

    def keep_candidates(self, job: str, models: Sequence[Model]) -> None:
        """Keep the models of a tournament until one of them is chosen."""
        rows = [(job, number, model.threshold, model.trees) for number, model in enumerate(models)]
        insert(self._connection, "candidate_models", rows)

    def candidates(self, job: str, schema: Schema) -> list[Model]:
        """Return the models of a tournament that were kept, in the same order."""
        query = "SELECT trees, threshold FROM candidate_models WHERE job = ? ORDER BY number"
        found = self._connection.execute(query, [job]).fetchall()
        return [Model(trees, threshold, schema) for trees, threshold in found]

    def drop_candidates(self, job: str) -> None:
        """Forget the models of a tournament, of which one was chosen."""
        self._connection.execute("DELETE FROM candidate_models WHERE job = ?", [job])

    def checkpoint(self) -> Checkpoint | None:
        """Return the life as it was last committed, `None` if nothing was; `InputError` if it is damaged."""
        return self._checkpoints.last()

    def tell_again(self, checkpoint: Checkpoint) -> None:
        """Tell MLflow once more how the jobs of the last committed step ended, and what was measured at it."""
        last = checkpoint.rows[-1] if checkpoint.rows else None
        ended = checkpoint.state.first if last is None else last.job_ended
        if ended is not None:
            self._registry.describe(ended)
        for job in (ended, checkpoint.state.job):  # the latter has met its gates where it waits for an approval
            if job is not None and job.meeting is not None and job.name in self.latency_ms:
                self._registry.log_latency(job.version, job.meeting.step, self.latency_ms[job.name])
        self._registry.tell()

    def _write_step(self, row: StepRow) -> None:
        self._write_decision(row)
        insert(
            self._connection,
            "feature_metrics",
            [(row.step, f.name, f.null_rate, f.unseen_rate, f.psi, f.ks_p) for f in row.drift],
        )
        for job in (row.job_ended, row.job_opened):
            if job is not None:
                self._write_job(job)
        self._write_aliases(row.step, row.alias_changes)

    def _write_decision(self, row: StepRow) -> None:
        decision = row.decision
        clauses = json.dumps({clause: str(truth) for clause, truth in decision.clauses.items()})
        job = row.job_opened.name if row.job_opened else None
        told = (row.step, row.day, row.champion, row.version, str(decision.action), decision.reason)
        values = row.signals.scalars().values()
        insert(
            self._connection, "decisions", [(*told, str(decision.cause), clauses, decision.training, job, *values)]
        )

    def _write_job(self, job: Job) -> None:
        number, run_id = self._registry.address(job.version) if job.version else (None, None)
        window, meeting = job.window, job.meeting
        rows, reasons = _window_values(window)[:4], _window_values(window)[4:]
        values: list[Any] = [
            *(job.name, job.version, self._registry.model_name, number, run_id),
            *(job.requested_step, job.requested_day, str(job.cause), job.reason),
            *rows,
            str(job.status),
            *((meeting.step, meeting.day, meeting.verdict.passed) if meeting else (None, None, None)),
            list(meeting.verdict.failed) if meeting else None,
            meeting.challenger.f1 if meeting else None,
            meeting.champion.f1 if meeting and meeting.champion else None,
            *(job.ended_step, job.ended_day, self.latency_ms.get(job.name), str(job.action)),
            window.profile,
            *reasons,
        ]
        insert(self._connection, "model_versions", [tuple(values)], how="INSERT OR REPLACE")
        for each in job.challengers:
            self._write_challenger(job, each)
        if meeting:
            results = meeting.verdict.results
            insert(
                self._connection,
                "gate_results",
                [
                    (job.name, meeting.step, r.name, r.value, r.comparison, r.threshold, r.enforced, r.passed, r.note)
                    for r in results
                ],
            )

    def _write_challenger(self, job: Job, challenger: Challenger) -> None:
        values = (
            *(job.name, challenger.profile, *_window_values(challenger.window)),
            *(challenger.log_loss, challenger.is_chosen, why_not(job, challenger)),
        )
        insert(self._connection, "challengers", [values], how="INSERT OR REPLACE")

    def _write_aliases(self, step: int, changes: Sequence[AliasChange]) -> None:
        insert(self._connection, "alias_changes", [(step, c.day, str(c.alias), c.job, c.version) for c in changes])


def _window_values(window: TrainingWindow) -> tuple[Any, ...]:
    """Return which rows a model was trained on (four values), and what its profile saw in them (four more)."""
    change = window.change
    return (
        *(list(window.recent_steps), list(window.historical_steps), window.n_recent, window.n_historical),
        *((change.step, change.low_step, change.high_step) if change else (None, None, None)),
        window.effective_rows,
    )
