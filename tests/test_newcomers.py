"""Four newcomers with a question each: an answer within five minutes and on one screen, by the command line alone."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lives import TWIN
from mlflow import MlflowClient
from runs import Server

from scenarios.files import load_scenario
from sim.cli.screen import MOST_LINES
from sim.world.world import World

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 300
WIDTH = 80
POLICY = re.search(
    r"```python\n(# patient\.py\n.*?)```", (ROOT / "docs/policies.md").read_text(encoding="utf-8"), re.DOTALL
)
SCENARIO = """
id = "merger"
title = "Two companies become one, and DSL customers leave"
[time]
steps = 12
customers = 400
[[drift]]
kind = "concept"
onset_step = 4
[drift.shifts]
"InternetService=DSL" = 1.5
"""


@pytest.fixture
def ask(tmp_path):
    """Ask the command line, as from a clean clone; return the lines that it said."""

    def asked(*arguments: str) -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(WIDTH), "OMP_NUM_THREADS": "1"}
        environment["XDG_CACHE_HOME"] = str(tmp_path / "no-cache-of-before")
        begun = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "sim.cli", *arguments],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            cwd=tmp_path,
            env=environment,
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        assert time.monotonic() - begun < LIMIT_SECONDS
        lines = [*ended.stderr.splitlines(), *ended.stdout.splitlines()]
        assert sum(max(-(-len(line) // WIDTH), 1) for line in lines) <= MOST_LINES, "\n".join(lines)
        return lines

    return asked


@pytest.mark.slow
def test_which_threshold_should_be_used(ask):
    grid = ["--policy", "f1_drop > {a}", "--grid", "a=0.02:0.3:15", "--policy", "never", "--policy", "proposal"]
    lines = ask("compare", "competitor", "--population", "twin", *grid, "--seeds", "5", "--out", "threshold")
    text = " ".join(lines)
    found = re.search(r"Retrain when f1_drop > (0\.\d+): over 3 years that earns USD ([\d,]+) more \(", text)
    assert found, text
    assert 0.02 <= float(found[1]) <= 0.3
    assert "Staying with the proposal's setting: " in text


@pytest.mark.slow
def test_what_would_happen_to_my_own_table_on_our_server(ask, tmp_path):
    world = World(load_scenario("steady"), 1, TWIN)
    batch = world.batch(0)
    churned = np.where(world.truth(0).churns, "left", "stayed")
    table = world.schema.decode(batch.features).assign(client=batch.customer_id, fate=churned)
    pd.DataFrame(table).to_csv(tmp_path / "clients.csv", index=False)
    columns = ["--target", "fate", "--churned", "left", "--id", "client"]
    assert any(line.startswith("rows: ") for line in ask("data", "check", "clients.csv", *columns))
    server = Server(tmp_path / "server")
    server.start()
    try:
        places = ["--tracking-uri", server.address, "--model-name", "clients", "--out", "run"]
        lines = ask("run", "competitor", "--population", "clients.csv", *columns, *places, "--trials", "0")
        assert any(re.match(r"Over 3 years it earned a net value of USD [\d,]+ and ", line) for line in lines)
        client = MlflowClient(server.address, server.address)
        champion = client.get_model_version_by_alias("clients", "Champion")
        assert client.get_run(champion.run_id).inputs.dataset_inputs
    finally:
        server.stop()


@pytest.mark.slow
def test_what_do_i_hand_to_the_management(ask, tmp_path):
    ask("compare", "competitor", "steady", "--population", "twin", "--seeds", "5", "--out", "question")
    (path,) = ask("report", "question")
    page = (tmp_path / path).read_text(encoding="utf-8")
    assert len(page) < 5_000_000
    first = re.sub(r"<[^>]+>", " ", page[page.index('<p class="question">') : page.index("</section>")])
    words = " ".join(first.split())
    assert re.search(r"USD [\d,]+ (more|less)", words), words[:2000]
    assert "When should the model be retrained" in words


@pytest.mark.slow
def test_does_my_own_policy_do_better_in_my_own_world(ask, tmp_path):
    (tmp_path / "patient.py").write_text(POLICY[1], encoding="utf-8")
    (tmp_path / "merger.toml").write_text(SCENARIO, encoding="utf-8")
    mine = ["--policy", "patient.py:Patient", "--policy", "patient.py:Patient(level=0.1)"]
    rest = ["--policy", "never", "--gates", "none", "--population", "twin", "--seeds", "6", "--out", "mine"]
    text = " ".join(ask("compare", "merger.toml", *mine, *rest))
    assert re.search(r"Patient.{0,40}: over 12 months that earns USD|Nothing was shown to earn more than never", text)
    assert "merger@1, gates none, over 1 year" in text or "over 12 months" in text
