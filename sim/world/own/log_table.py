"""An inference log of one's own: scores, predictions, labels and their dates, as a table that can be played.

Columns are named by their owner, or known by the names that logs usually give them: those of Databricks' inference
tables, of NannyML's and Evidently's frames, and of this package's own log. Rows of a reference (a second file, or a
column `partition`) come first and are the warm-up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.errors import InputError
from sim.world.own.cells import Cells
from sim.world.own.dates import read_days
from sim.world.own.source import Source
from sim.world.own.table import Known, OwnTable, Reading, read_own_table
from sim.world.schema.columns import Matrix

USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "score": (
        "prediction_proba",
        "y_pred_proba",
        "score",
        "probability",
        "prediction_probability",
        "prediction_probas",
        "proba",
    ),
    "label": ("ground_truth", "label", "target", "y_true", "outcome", "churned"),
    "prediction": ("prediction", "y_pred", "prediction_labels", "predicted", "predicted_label"),
    "date": (
        "scored_at",
        "timestamp",
        "timestamp_ms",
        "datetime",
        "request_time",
        "request_date",
        "prediction_date",
        "date",
    ),
    "label_date": ("label_arrived_at", "label_date", "label_timestamp"),
    "id": ("customer_id", "identifier", "id", "client_request_id", "request_id", "record_id"),
    "version": ("model_version", "model_id", "version"),
    "partition": ("partition",),
}
"""What the columns of a log are usually called; the first that is there is taken."""

_NO_FEATURES = frozenset(
    [
        "risk_category",
        "offered",
        "held_out",
        "holdout",
        "step",
        "job",
        "request_id",
        "databricks_request_id",
        "client_request_id",
        "execution_time_ms",
        "status_code",
        "sampling_fraction",
        "requester",
        "served_entity_id",
    ]
)
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """Which columns of a log are what; what is empty goes by its usual name, if there is one."""

    score: str = ""
    label: str = ""
    prediction: str = ""
    date: str = ""
    label_date: str = ""
    id: str = ""
    version: str = ""
    segment: str = ""
    partition: str = ""

    def found_in(self, names: Sequence[str]) -> "LogColumns":
        """Return the columns with those filled in that have a usual name."""
        by_folded = {name.casefold(): name for name in reversed(names)}
        taken = {getattr(self, role) for role in ("segment", *USUAL_NAMES)}
        found: dict[str, str] = {}
        for role, usual in USUAL_NAMES.items():
            if not getattr(self, role):
                hit = next((by_folded[name] for name in usual if name in by_folded), "")
                found[role] = "" if hit in taken or hit in found.values() else hit
        return replace(self, **found)


@dataclass(frozen=True, slots=True)
class LogTable:
    """A log as it was read.

    `own` is its table of features and outcomes, `score` and `predicted` what was served for each of its rows,
    `threshold` the score from which on it seems to predict churn. `label_dates` (`NaT` where unknown), `version` and
    `segment` are missing where the log has none. `reference_rows` tells the rows of the reference.
    """

    own: OwnTable
    score: Matrix
    predicted: NDArray[np.bool_]
    threshold: float
    label_dates: NDArray[np.datetime64] | None
    version: NDArray[np.str_] | None
    segment: NDArray[np.str_] | None
    reference_rows: NDArray[np.bool_] | None
    notes: tuple[str, ...]


def read_log(
    text: str, columns: LogColumns, reading: Reading, known: Known | None = None, threshold: float | None = None
) -> LogTable:
    """Read an inference log.

    Parameters
    ----------
    text
        A file, a folder, or a database's URL.
    columns
        Which columns are what.
    reading
        What is said of how it is to be read.
    known
        Which rows the kinds of features are decided by; all by default.
    threshold
        The score from which on churn is predicted, where the log has no predictions; a half by default.

    Raises
    ------
    InputError
        If it is no log: without dates, scores or labels, or with a label that came before its prediction.
    """
    names = Source(text, reading.before).column_names(reading.decisions.text)
    roles = columns.found_in(names)
    _check(roles, names, text)
    others = [name for name in names if name.casefold() in _NO_FEATURES]
    kept = [roles.score, roles.prediction, roles.label_date, roles.version, roles.segment, roles.partition]
    taken = {roles.label, roles.id, roles.date}
    ignored = tuple(dict.fromkeys(name for name in (*reading.ignored, *kept, *others) if name and name not in taken))
    date_format = reading.date_format or ("epoch_ms" if roles.date.casefold().endswith("_ms") else None)
    own = read_own_table(
        text,
        roles.label,
        roles.id or None,
        roles.date,
        replace(reading, ignored=ignored, date_format=date_format),
        known,
        needs_features=False,
    )
    if not roles.score and not columns.prediction and _are_fractions(own, roles.prediction):
        roles = replace(roles, score=roles.prediction, prediction="")
    score = _scores(own.ignored[roles.score], roles.score, text) if roles.score else None
    predicted = _predictions(own, roles, text)
    if score is None and predicted is not None:
        score = predicted.astype(np.float64)
    if score is None:
        raise InputError(f"a log must have scores or predictions, but {text} has none: name them with --score.")
    threshold, predicted, notes = _decided(score, predicted, threshold)
    return LogTable(
        own=own,
        score=score,
        predicted=predicted,
        threshold=threshold,
        label_dates=_label_dates(own, roles, text, reading.date_format),
        version=_texts(own, roles.version),
        segment=_texts(own, roles.segment),
        reference_rows=_references(own, roles),
        notes=notes,
    )


def _check(roles: LogColumns, names: Sequence[str], text: str) -> None:
    listed = ", ".join(names[:12])
    for option, name in (("--label", roles.label), ("--date", roles.date)):
        if not name:
            raise InputError(
                f"a log must have its {option[2:]}s, but {text} has {listed}: name the column with {option}."
            )
    for role in ("score", "prediction", "label_date", "version", "segment"):
        name = getattr(roles, role)
        if name and name not in names:
            raise InputError(
                f"--{role.replace('_', '-')} must name a column of {text}, got {name!r}: it has {listed}."
            )


def _are_fractions(own: OwnTable, name: str) -> bool:
    """Say whether a column that is called a prediction holds probabilities, as those of Evidently may."""
    if not name:
        return False
    values = pd.to_numeric(pd.Series(own.ignored[name].texts, dtype=object), errors="coerce")
    return bool(values.between(0, 1).all() and values.between(0, 1, inclusive="neither").any())


def _scores(cells: Cells, name: str, text: str) -> Matrix:
    values = pd.to_numeric(pd.Series(cells.texts, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~((values >= 0.0) & (values <= 1.0)))
    if len(bad):
        raise InputError(
            f"a score must be a probability, but {text} has {cells.texts[int(bad[0])]!r} in {name!r}: leave such "
            f"rows "
            f"out, or name another column with --score."
        )
    return np.asarray(values[cells.codes])


def _predictions(own: OwnTable, roles: LogColumns, text: str) -> NDArray[np.bool_] | None:
    if not roles.prediction:
        return None
    cells = own.ignored[roles.prediction]
    words = {"1": True, "1.0": True, "true": True, "yes": True, "churned": True}
    words |= {"0": False, "0.0": False, "false": False, "no": False, "stayed": False}
    folded = [each.casefold() for each in cells.texts]
    odd = next((each for each in folded if each not in words), None)
    if odd is not None:
        raise InputError(
            f"a prediction must be 1 or 0, yes or no, or true or false, but {text} has {odd!r} in "
            f"{roles.prediction!r}: "
            f"write 1 for a predicted churner."
        )
    return np.array([words[each] for each in folded], dtype=np.bool_)[cells.codes]


def _decided(
    score: Matrix, predicted: NDArray[np.bool_] | None, threshold: float | None
) -> tuple[float, NDArray[np.bool_], tuple[str, ...]]:
    """Return the threshold, the predictions, and a word where one of them is a guess."""
    if predicted is None:
        used = _HALF if threshold is None else threshold
        note = () if threshold is not None else ("the log has no predictions: churn counts as predicted from 0.5 on",)
        return used, score >= used, note
    if not predicted.any():
        return np.inf, predicted, ()
    lowest = float(score[predicted].min())
    if (score[~predicted] < lowest).all():
        return lowest, predicted, ()
    candidates = np.unique(score[predicted])
    candidates = candidates[:: len(candidates) // 200 + 1]
    wrong = [np.count_nonzero((score >= candidate) != predicted) for candidate in candidates]
    best = float(candidates[int(np.argmin(wrong))])
    said = f"no one threshold explains the predictions of the log; {best:.3g} explains all but {min(wrong):,}"
    return best, predicted, (said,)


def _label_dates(
    own: OwnTable, roles: LogColumns, text: str, date_format: str | None
) -> NDArray[np.datetime64] | None:
    if not roles.label_date:
        return None
    cells = own.ignored[roles.label_date]
    days = np.full(len(cells.codes), np.datetime64("NaT"), dtype="datetime64[D]")
    given = np.array([each.casefold() not in {"", "nat", "nan", "null", "none"} for each in cells.texts])[cells.codes]
    chosen = cells.take(np.flatnonzero(given))
    used = sorted(set(chosen.codes.tolist()))
    place = {code: index for index, code in enumerate(used)}
    tidy = Cells(
        np.array([place[code] for code in chosen.codes.tolist()], dtype=np.int64), [cells.texts[c] for c in used]
    )
    if used:
        days[given] = read_days(tidy, roles.label_date, text, date_format)
    if own.dates is None:
        raise ValueError("a log has dates")
    early = np.flatnonzero(given & (days < own.dates))
    if len(early):
        row = int(early[0])
        raise InputError(
            f"a label must not come before its prediction, but {text} has one of {days[row]} for {own.dates[row]} in "
            f"{roles.label_date!r}: correct it, or name another column with --label-date."
        )
    return days


def _texts(own: OwnTable, name: str) -> NDArray[np.str_] | None:
    if not name:
        return None
    cells = own.ignored[name]
    return np.array(cells.texts, dtype=np.str_)[cells.codes]


def _references(own: OwnTable, roles: LogColumns) -> NDArray[np.bool_] | None:
    if not roles.partition:
        return None
    cells = own.ignored[roles.partition]
    return np.array([each.casefold() == "reference" for each in cells.texts], dtype=np.bool_)[cells.codes]
