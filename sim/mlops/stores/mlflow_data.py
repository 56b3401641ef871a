"""The data of a life as MLflow's data sets: which rows a model was trained on, met its gates on, and scored."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Dataset, DatasetInput, InputTag

from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Job
from sim.mlops.stores.mlflow_files import input_schema
from sim.world.schema.columns import Schema

_CONTEXT_TAG = "mlflow.data.context"
_DIGEST_LETTERS = 16
_LONGEST_SCHEMA = 65_000  # what MLflow's table has room for


@dataclass(frozen=True, slots=True)
class DataOrigin:
    """Where the rows of a life come from.

    `source` is where they lie, the inference log of the run, and `fingerprint` the digest of all that decides which
    rows they are: the table, the scenario, the seed, the policy and the gates. Two windows of equal digest hold equal
    rows.
    """

    name: str = "customers"
    source: str = ""
    fingerprint: str = ""


NO_ORIGIN = DataOrigin()
"""Of rows of which nobody says where they come from."""


def fingerprint(*parts: str) -> str:
    """Return the digest of all that decides which rows a life meets."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class DataSets:
    """Makes the data sets of a life: each has the name of its origin, a digest, its rows and its window of steps."""

    def __init__(self, origin: DataOrigin, schema: Schema) -> None:
        self._origin = origin
        told = json.dumps({"mlflow_colspec": input_schema(schema).to_dict()})
        self._schema = told if len(told) <= _LONGEST_SCHEMA else None

    def training(self, job: Job) -> DatasetInput:
        """Return the rows that a job's model learned from."""
        window = job.window
        rows = window.n_recent + window.n_historical
        steps = {"recent_steps": _span(window.recent_steps), "historical_steps": _span(window.historical_steps)}
        return self._input("training", rows, {**steps, **_profile(window)}, job.requested_step)

    def gate(self, job: Job) -> DatasetInput | None:
        """Return the holdout rows on which a job's model met its gates, `None` before it has."""
        meeting = job.meeting
        if meeting is None:
            return None
        return self._input("gate", meeting.challenger.rows, {"steps": _span(meeting.gate_steps)}, meeting.step)

    def scored(self, steps: Sequence[int], rows: int) -> DatasetInput:
        """Return all customers whom a life has scored."""
        return self._input("scored", rows, {"steps": _span(steps)}, steps[-1] if steps else 0)

    def _input(self, context: str, rows: int, window: dict[str, str], step: int) -> DatasetInput:
        told = {"rows": rows, **window}
        digest = fingerprint(self._origin.fingerprint, context, str(step), json.dumps(told, sort_keys=True))
        data = Dataset(
            name=f"{self._origin.name} ({context})",
            digest=digest[:_DIGEST_LETTERS],
            source_type="local",
            source=json.dumps({"uri": self._origin.source}),
            schema=self._schema,
            profile=json.dumps({"num_rows": rows, **window}),
        )
        tags = {_CONTEXT_TAG: context, "rows": str(rows), **window}
        return DatasetInput(data, [InputTag(key, value) for key, value in tags.items()])


def _profile(window: TrainingWindow) -> dict[str, str]:
    return {"training": window.profile} if window.profile else {}


def _span(steps: Sequence[int]) -> str:
    return f"{steps[0]} to {steps[-1]}" if steps else "none"
