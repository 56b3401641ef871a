"""The tables of a Databricks monitor: signals that were measured window by window, without the rows behind them.

`profile_metrics` holds, for each window and column, counts and (for the whole table, column `:table`) scores;
`drift_metrics` how each column moved. From them the triggers are asked as from a log; what needs rows is missing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

from policies.signals import Signals
from policies.spec import PolicySpec
from sim.errors import InputError
from sim.mlops.statistics.metrics import Confusion
from sim.study.backtest.findings import Backtest, Month, loss_step, trigger_report
from sim.study.backtest.watch import Watching

_TABLE = ":table"
_BASELINE_WINDOWS = 3
_NEEDED = {"column_name", "granularity", "log_type"}
_POSITIVE = ("1", "1.0", "true", "True", "yes", "Yes")


def is_metrics(text: str) -> bool:
    """Return whether a file is the profile_metrics of a monitor, by the columns that only it has."""
    path = Path(text)
    if not path.is_file():
        return False
    try:
        names = _column_names(path)
    except (OSError, ValueError):
        return False
    return len(_NEEDED & names) >= 2 and bool({"window", "window_start", "window.start"} & names)


def backtest_of_metrics(
    profile: str, drift: str, specs: Sequence[PolicySpec], baseline_windows: int | None = None
) -> Backtest:
    """Return what each trigger would have said of a monitor's tables.

    Parameters
    ----------
    profile, drift
        The files of profile_metrics and (if there is one) drift_metrics.
    specs
        The triggers.
    baseline_windows
        How many windows the F1 of the reference is the mean of; three by default.

    Raises
    ------
    InputError
        If the tables have no window.
    """
    table = _windows(_frame(Path(profile)), profile)
    moved = _windows(_frame(Path(drift)), drift) if drift else None
    starts = sorted(set(table["start"]))
    if not starts:
        raise InputError(f"a monitor's table must have windows, but {profile} has none: give its profile_metrics.")
    f1 = [_score(table[(table["start"] == start) & (table["column_name"] == _TABLE)], "f1_score") for start in starts]
    first = [value for value in f1[: baseline_windows or _BASELINE_WINDOWS] if value is not None]
    baseline = float(np.mean(first)) if first else None
    step_days = (
        max(int(np.median(np.diff(np.array(starts)).astype("timedelta64[D]").astype(int))), 1) if starts[1:] else 1
    )
    months = tuple(
        _month(place, start, starts[0], table[table["start"] == start], _at(moved, start), value, baseline)
        for place, (start, value) in enumerate(zip(starts, f1, strict=True))
    )
    loss = loss_step(months, baseline, 0.0)
    reports = []
    for spec in specs:
        watch = Watching(spec.build())
        watch.deployed("monitored")
        for month in months:
            watch.decide(month.signals)
        reports.append(trigger_report(spec.name, watch.decisions, months, loss, step_days, None))
    return Backtest(
        name=Path(profile).stem,
        version="monitor",
        baseline_f1=baseline,
        months=months,
        loss_date=None if loss is None else months[loss].date,
        triggers=tuple(reports),
        missing=(
            "what a retraining would have earned: a monitor keeps no rows that a model could learn from",
            "false alarms in a quiet past: a monitor keeps no rows to draw one from",
            "when each label came: the F1 of a window is that of the newest refresh",
        ),
    )


def _frame(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if _is_parquet(path) else pd.read_csv(path)


def _column_names(path: Path) -> set[str]:
    """Return the names of a file's columns, of whose rows none is read."""
    return set(pq.read_schema(path).names if _is_parquet(path) else pd.read_csv(path, nrows=0).columns)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in {".parquet", ".pq"}


def _windows(frame: pd.DataFrame, path: str) -> pd.DataFrame:
    """Return the rows of the finest granularity and of the whole table, with the day on which their window starts."""
    if "window" in frame:
        starts = frame["window"].map(_start)
    else:
        name = next((name for name in ("window_start", "window.start") if name in frame), None)
        if name is None:
            raise InputError(f"a monitor's table must have windows, but {path} has none: give its profile_metrics.")
        starts = frame[name]
    days = pd.to_datetime(starts, utc=True, errors="coerce").dt.tz_localize(None)
    kept = frame.assign(start=days)[days.notna()]
    if "slice_key" in kept:
        kept = kept[kept["slice_key"].isna()]
    if "log_type" in kept and (kept["log_type"] == "INPUT").any():
        kept = kept[kept["log_type"] == "INPUT"]
    if "granularity" in kept and kept["granularity"].nunique() > 1:
        most = kept.groupby("granularity")["start"].nunique().idxmax()
        kept = kept[kept["granularity"] == most]
    return kept.assign(start=kept["start"].to_numpy(dtype="datetime64[D]"))


def _start(window: Any) -> Any:
    if isinstance(window, Mapping):
        return window.get("start")
    return str(window).strip("{}[]() ").split(",")[0].removeprefix("start:").strip(" '\"")


def _at(moved: pd.DataFrame | None, start: Any) -> pd.DataFrame:
    if moved is None:
        return pd.DataFrame()
    rows: pd.DataFrame = moved[moved["start"] == start]
    if "drift_type" in rows and (rows["drift_type"] == "BASELINE").any():
        rows = rows[rows["drift_type"] == "BASELINE"]
    return rows


def _month(
    step: int,
    start: Any,
    first: Any,
    profile: pd.DataFrame,
    moved: pd.DataFrame,
    f1: float | None,
    baseline: float | None,
) -> Month:
    columns = profile[profile["column_name"] != _TABLE]
    whole = profile[profile["column_name"] == _TABLE]
    count = _number(whole["count"].iloc[0]) if len(whole) and "count" in whole else None
    counts = _confusion(whole)
    if counts is not None:
        f1 = counts.f1 if counts.has_both_classes else None
    lost = None if f1 is None or baseline is None else baseline - f1
    day = int(np.datetime64(start, "D").astype(np.int64)) - int(np.datetime64(first, "D").astype(np.int64))
    signals = Signals(
        step=step,
        day=day,
        job_open=False,
        f1=f1,
        precision=_score(whole, "precision"),
        recall=_score(whole, "recall"),
        accuracy=_score(whole, "accuracy_score"),
        f1_drop=lost,
        n_labelled=count,
        psi_max=_most(moved, "population_stability_index"),
        ks_p_min=_least_p(moved),
        null_rate=_null_rate(columns),
        age_days=float(day),
        psi=_psi(moved),
    )
    ends = None if counts is None or f1 is None else counts.f1_interval
    return Month(
        step=step,
        date=str(np.datetime64(start, "D")),
        customers=int(count or 0),
        labelled=int(count or 0) if f1 is not None else 0,
        version="",
        f1=f1,
        f1_low=None if ends is None else ends[0],
        f1_high=None if ends is None else ends[1],
        f1_lost=lost,
        signals=signals,
    )


def _confusion(whole: pd.DataFrame) -> Confusion | None:
    """Return the counts of a window's predictions, where the table has its confusion matrix."""
    if "confusion_matrix" not in whole or not len(whole) or whole["confusion_matrix"].iloc[0] is None:
        return None
    cells = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for cell in whole["confusion_matrix"].iloc[0]:
        if not isinstance(cell, Mapping):
            return None
        key = str(cell.get("prediction")) in _POSITIVE, str(cell.get("label")) in _POSITIVE
        cells[key] += int(_number(cell.get("count")) or 0)
    return Confusion(cells[True, True], cells[True, False], cells[False, True], cells[False, False])


def _score(rows: pd.DataFrame, name: str) -> float | None:
    """Return a score of the whole table; of one that is told by class, that of the churners."""
    if name not in rows or not len(rows):
        return None
    value = rows[name].iloc[0]
    if isinstance(value, Mapping):
        by_class = value.get("one_vs_all")
        pairs = by_class.items() if isinstance(by_class, Mapping) else by_class if by_class is not None else ()
        found = {str(key): score for key, score in pairs}
        value = next((found[key] for key in _POSITIVE if key in found), value.get("weighted"))
    return _number(value)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _most(moved: pd.DataFrame, name: str) -> float | None:
    values = [] if name not in moved else [_number(value) for value in moved[name]]
    return max((value for value in values if value is not None), default=None)


def _psi(moved: pd.DataFrame) -> dict[str, float]:
    if "population_stability_index" not in moved:
        return {}
    pairs = ((str(row.column_name), _number(row.population_stability_index)) for row in moved.itertuples())
    return {name: value for name, value in pairs if value is not None}


def _least_p(moved: pd.DataFrame) -> float | None:
    name = next((name for name in ("ks_test", "ks_test.pvalue", "ks_test_pvalue") if name in moved), None)
    if name is None:
        return None
    values = [value.get("pvalue") if isinstance(value, Mapping) else value for value in moved[name]]
    known = [number for number in map(_number, values) if number is not None]
    return min(known, default=None)


def _null_rate(columns: pd.DataFrame) -> float | None:
    if "num_nulls" not in columns or "count" not in columns:
        return None
    listed = zip(columns["num_nulls"], columns["count"], strict=True)
    pairs = [(_number(nulls), _number(rows)) for nulls, rows in listed]
    known = [(nulls, rows) for nulls, rows in pairs if nulls is not None and rows is not None]
    return max((nulls / (rows + nulls) for nulls, rows in known if rows + nulls), default=None)
