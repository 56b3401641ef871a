"""The run folder: what a run leaves behind, written at once and read back as equal."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from sim.errors import InputError
from sim.json_file import read_json
from sim.mlops.live.run import Listener, LiveSettings, check_settings, run_live
from sim.mlops.records.record import Record
from sim.study.scores.judge import clause_counts, expected_f1, keep_reasons, summarise
from sim.study.scores.response import response
from sim.whole_file import write_table, write_whole

RECORD_FILE = "record.json"
STEPS_FILE = "steps.parquet"
_RECORD = TypeAdapter(Record)
_LARGE = "persuasions"
_LARGE_APART = 2  # the schema version from which on it lies apart


def play_live(settings: LiveSettings, *, resume: bool, listener: Listener | None = None) -> Record:
    """Play a scenario live and leave its record in the run folder; a finished run is only read back on `resume`."""
    if resume and (settings.folder / RECORD_FILE).exists():
        check_settings(settings)
        return read_record(settings.folder)
    record = run_live(settings, resume=resume, listener=listener)
    write_record(record, settings.folder)
    return record


def run_folder(parent: Path, title: str, *, resume: bool) -> Path:
    """Return the folder of a run that was given none: a new one, or the newest of this title on `resume`."""
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", title).strip("-")[:80]
    number = 1
    while (parent / _numbered(stem, number)).exists():
        number += 1
    return parent / _numbered(stem, max(number - 1, 1) if resume else number)


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"


def to_json(record: Record) -> dict[str, Any]:
    """Return a record as plain values: what happened, its `summary`, and what was `measured` on the way.

    What grows with the customers, the `persuasions` of each step, is left out: it lies in `steps.parquet`.
    """
    content: dict[str, Any] = _RECORD.dump_python(record, mode="json")
    for step in content["steps"]:
        del step["tally"][_LARGE]
    return {
        "schema_version": content.pop("schema_version"),
        "summary": {
            **asdict(summarise(record)),
            "latency_days": asdict(response(record)),
            "clauses": [asdict(count) for count in clause_counts(record)],
            "keep_reasons": keep_reasons(record),
        },
        **content,
    }


def write_record(record: Record, folder: Path) -> None:
    """Write `record.json` and `steps.parquet` into a run folder; each appears whole or not at all."""
    write_table(folder / STEPS_FILE, steps_frame(record))
    write_whole(folder / RECORD_FILE, json.dumps(to_json(record), indent=1, allow_nan=False))


def read_record(folder: Path) -> Record:
    """Return the record of a run folder; `InputError` if it holds none, or one of another schema."""
    try:
        content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        del content["summary"]
        if content["schema_version"] >= _LARGE_APART:
            _put_back(content["steps"], folder / STEPS_FILE)
        return read_json(_RECORD, json.dumps(content))
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        msg = f"{folder} must hold the record of a run, but it cannot be read: {error}."
        raise InputError(msg) from error


def _put_back(steps: list[dict[str, Any]], path: Path) -> None:
    """Put what lies apart back into the steps of a record."""
    apart = pd.read_parquet(path, columns=["step", _LARGE]).set_index("step")[_LARGE]
    if list(apart.index) != [step["step"] for step in steps]:
        msg = f"{path.name} must hold the steps of {RECORD_FILE}, and holds others"
        raise ValueError(msg)
    for step in steps:
        step["tally"][_LARGE] = apart[step["step"]].tolist()


def steps_frame(record: Record) -> pd.DataFrame:
    """Return one row a step: quantities, truth, signals and decision."""
    return pd.DataFrame(
        [
            {
                "step": row.step,
                "day": row.day,
                "champion": row.champion,
                "model_version": row.version,
                "f1_expected": expected_f1(row.tally),
                "labels_arrived": row.labels_arrived,
                **asdict(row.tally),
                **{f"signal_{name}": value for name, value in row.signals.scalars().items()},
                "action": str(row.decision.action),
                "reason": row.decision.reason,
                "cause": str(row.decision.cause),
            }
            for row in record.steps
        ]
    )
