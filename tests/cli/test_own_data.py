"""The recipes of docs/own_table.md: each is run as it stands there, on data that the test makes."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lives import CHEAP, TWIN, small
from logs import simulated
from test_cli import call

from sim.world.telco.twin import sample

RECIPES = [
    shlex.split(line)
    for line in re.findall(
        r"```sh\n(retrainlab .*)\n```",
        (Path(__file__).parents[2] / "docs" / "own_table.md").read_text(encoding="utf-8"),
    )
]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Everything that the recipes name, in the folder that they are run in."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    features = sample(rng, 2400)
    frame = TWIN.schema.decode(features)[["tenure", "Contract", "MonthlyCharges"]]
    churned = rng.random(len(frame)) < TWIN.mechanism.propensity(features)
    frame = frame.assign(
        churned=np.where(churned, "yes", "no"), customer=[f"K{row:05d}" for row in range(len(frame))]
    )
    frame.to_csv("customers.csv", index=False)
    days = pd.to_datetime("2024-01-15") + pd.to_timedelta(np.arange(len(frame)) % 12 * 30, unit="D")
    frame.assign(day=days.strftime("%Y-%m-%d")).to_csv("history.csv", index=False)
    log = simulated(small(steps=6).model_copy(update={"recipe": CHEAP}), TWIN)[1]
    log = log.rename(columns={"phase": "partition"})
    log.to_parquet("log.parquet", index=False)
    months = sorted(set(log["day"]))
    window = [{"start": pd.Timestamp(day), "end": pd.Timestamp(day) + pd.DateOffset(months=1)} for day in months]
    told = {"window": window, "granularity": "1 month", "log_type": "INPUT"}
    scores = rng.uniform(0.5, 0.6, len(months))
    pd.DataFrame({**told, "column_name": ":table", "count": 100, "num_nulls": 0, "f1_score": scores}).to_parquet(
        "profile_metrics.parquet"
    )
    pd.DataFrame(
        {**told, "column_name": "tenure", "drift_type": "BASELINE", "population_stability_index": scores / 10}
    ).to_parquet("drift_metrics.parquet")


def test_there_are_five_recipes():
    assert [recipe[1] for recipe in RECIPES] == ["data", "compare", "run", "backtest", "backtest"]


@pytest.mark.slow
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("place", range(5))
def test_a_recipe_runs_as_it_stands(monkeypatch, capsys, place):
    if place == 1:
        assert call(monkeypatch, capsys, *RECIPES[0][1:])[0] == 0
    code, out, err = call(monkeypatch, capsys, *RECIPES[place][1:])
    assert (code, "Traceback" in err) == (0, False)
    assert out
    if place == 0:
        assert "[columns.tenure]" in Path("customers.toml").read_text(encoding="utf-8")
    if RECIPES[place][1] == "backtest":
        assert len(list(Path("runs").glob("*/report/report.html"))) == 1
