"""The work that peers are measured by: `python peer_work.py NAME`, in an environment that has only the peer.

Prints what was done and its seconds as JSON. The rows are those of `test_monitor_speed.py`: 36 batches of 600
customers with 19 columns, against 5,000 rows of reference; random numbers will do where only the time counts.
What a peer brings is imported by its text, since it is found in no environment but its own.
"""

import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

_COLUMNS, _REFERENCE, _BATCH, _BATCHES = 19, 5000, 600, 36
_VERSIONS = 5


def rows(count: int) -> Any:
    """Return so many rows as a frame."""
    pd = import_module("pandas")

    values = np.random.default_rng(0).random((count, _COLUMNS))
    return pd.DataFrame(values, columns=[f"f{index}" for index in range(_COLUMNS)])


def river() -> tuple[str, float]:
    """Watch each column by ADWIN, as a stream."""
    peer = import_module("river.drift")
    values = np.random.default_rng(0).random((_BATCHES * _BATCH, _COLUMNS)).tolist()
    detectors = [peer.ADWIN() for _ in range(_COLUMNS)]
    start = perf_counter()
    for row in values:
        for detector, value in zip(detectors, row, strict=True):
            detector.update(value)
    return "ADWIN of 19 columns, 36 batches of 600", perf_counter() - start


def evidently() -> tuple[str, float]:
    """Measure the drift of each column by PSI."""
    peer, presets = import_module("evidently"), import_module("evidently.presets")
    reference, batch = rows(_REFERENCE), rows(_BATCH)
    peer.Report([presets.DataDriftPreset(method="psi")]).run(batch, reference)
    start = perf_counter()
    for _ in range(_BATCHES):
        peer.Report([presets.DataDriftPreset(method="psi")]).run(batch, reference)
    return "PSI of 19 columns, 36 batches of 600", perf_counter() - start


def nannyml() -> tuple[str, float]:
    """Measure the drift of each column by two methods."""
    peer = import_module("nannyml")
    reference, batches = rows(_REFERENCE), rows(_BATCHES * _BATCH)
    start = perf_counter()
    calculator = peer.UnivariateDriftCalculator(
        column_names=list(reference.columns),
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
        chunk_size=_BATCH,
    )
    calculator.fit(reference).calculate(batches)
    return "KS and Jensen-Shannon of 19 columns, 36 batches of 600", perf_counter() - start


def lfmm() -> tuple[str, float]:
    """Train a bank of models, one a month, and look what policies would have made of it."""
    pd, peer, streams = (import_module(name) for name in ("pandas", "lfmm.retrain", "lfmm.streams.base"))
    rng, months, customers = np.random.default_rng(0), 42, 1000
    n_rows = months * customers
    time = pd.Series(np.repeat(pd.date_range("2020-01-01", periods=months, freq="MS"), customers))
    features = rows(n_rows)
    churns = pd.Series((rng.random(n_rows) < features["f0"]).astype(int))
    labelled = time + pd.Timedelta(days=90)
    stream = streams.Stream("churn", features, churns.to_numpy(), time.to_numpy(), labelled.to_numpy())
    start = perf_counter()
    bank = peer.build_bank(stream, "2020-07-01", "M", verbose=False)
    peer.evaluate_policies(bank, [peer.Never(), peer.Always(), *(peer.Every(n) for n in range(2, 12))])
    return "a bank of monthly models over 36 months of 1,000 customers, 12 policies", perf_counter() - start


def mlflow() -> tuple[str, float]:
    """Log, register and name a version by MLflow's own defaults."""
    lgb, peer = import_module("lightgbm"), import_module("mlflow")
    rng = np.random.default_rng(0)
    booster = lgb.train({"verbosity": -1}, lgb.Dataset(rng.random((2000, _COLUMNS)), rng.integers(0, 2, 2000)), 100)
    with tempfile.TemporaryDirectory() as folder:
        peer.set_tracking_uri(f"sqlite:///{Path(folder) / 'mlflow.db'}")
        peer.set_experiment("peer")
        seconds = 0.0
        for number in range(_VERSIONS + 1):
            start = perf_counter()
            with peer.start_run():
                logged = peer.lightgbm.log_model(booster, name="model", registered_model_name="peer")
            version = logged.registered_model_version
            peer.MlflowClient().set_registered_model_alias("peer", "Champion", str(version))
            seconds += perf_counter() - start if number else 0.0  # the first one also makes the store
    return "default logging of a version, with its alias", seconds / _VERSIONS


if __name__ == "__main__":
    work = {each.__name__: each for each in (river, evidently, nannyml, lfmm, mlflow)}
    print(json.dumps(work[sys.argv[1]]()))  # noqa: T201 - a script that prints
