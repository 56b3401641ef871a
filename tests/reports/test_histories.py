"""A recorded past is told as one, on the terminal, in reports and under pictures: nobody knows the truth of it."""

import html
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from lives import TWIN, small
from logs import simulated

from reports.history import told_scenario
from reports.page import scenario_text
from reports.report import write_report
from scenarios.files import load_scenario, to_toml
from scenarios.injectors import ConceptDrift
from scenarios.schema import Recipe
from sim.cli import main

DRIFT = (ConceptDrift(kind="concept", onset_step=6, shifts={"InternetService=DSL": 2.5}),)
OF_A_SIMULATION = re.compile(
    r"drift begins|\bonset\b|true F1|true propensit|under the true|propensit|negative control|a false one|no drift\b|"
    r"nothing (?:changes|drifts)|false retrain|the change\b",
    re.IGNORECASE,
)
TABLE = ["--population", "dated.csv", "--target", "gone", "--id", "customer", "--date", "day"]
LOG = ["--id", "customer", "--date", "day", "--label", "outcome", "--label-date", "outcome_day"]
RULES = ["--policy", "own_table", "--policy", "f1_drop > 0.05", "--policy", "never"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a log of a model whose world drifted, and the same customers as a dated table."""
    home = tmp_path_factory.mktemp("histories")
    _, log = simulated(small(12, customers=400, delay_days=30, drift=DRIFT), TWIN)
    log.to_csv(home / "log.csv", index=False)
    known = log.dropna(subset=["outcome"])
    gone = np.where(known["outcome"] == 1, "Yes", "No")
    dated = known.drop(columns=["score", "decision", "outcome", "outcome_day", "phase"])
    dated.assign(gone=gone, customer=[f"C{at}" for at in range(len(dated))]).to_csv(home / "dated.csv", index=False)
    return home


def said(monkeypatch, capsys, home, *arguments):
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "argv", ["retrainlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr()
    assert not ended.value.code, written.err
    return written.out + written.err


def words_of(page: Path) -> str:
    """Return all that a report says, what stands in and under its pictures too."""
    text = re.sub(r'src="data:[^"]*"', "", page.read_text(encoding="utf-8"))
    text = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    drawn = [
        " ".join(re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8")))
        for picture in sorted(page.parent.glob("*.svg"))
    ]
    assert drawn
    return html.unescape(" ".join([text, *drawn]))


def assert_told_as_recorded(text: str) -> None:
    found = [text[max(match.start() - 60, 0) : match.end() + 60] for match in OF_A_SIMULATION.finditer(text)]
    assert not found, found


@pytest.mark.slow
def test_a_run_on_a_dated_table_says_nothing_that_nobody_knows(monkeypatch, capsys, home):
    asked = ["run", "steady", *TABLE, "--policy", "f1_drop > 0.03", "--trials", "0", "--out", "run"]
    assert_told_as_recorded(said(monkeypatch, capsys, home, *asked))
    assert_told_as_recorded(said(monkeypatch, capsys, home, *asked, "--resume", "--all"))
    text = words_of(home / "run" / "report" / "report.html")
    assert_told_as_recorded(text)
    assert "labels as they were recorded" in text
    assert "F1, recorded labels" in text
    assert "What would f1_drop > 0.03 have done on the history" in text
    assert "First and second half of the history" in text
    assert "The customers, their outcomes and the dates are those of dated" in text


@pytest.mark.slow
def test_a_comparison_on_a_dated_table_says_nothing_that_nobody_knows(monkeypatch, capsys, home):
    asked = ["compare", "steady", *TABLE, *RULES, "--seeds", "3", "--out", "compared"]
    told = said(monkeypatch, capsys, home, *asked)
    assert_told_as_recorded(told)
    assert re.search(r"^f1_drop > 0\.05 .* 0\.\d\d ", told, re.MULTILINE), "its F1 is that on recorded labels"
    assert_told_as_recorded(said(monkeypatch, capsys, home, *asked, "--resume", "--all"))
    page = write_report(home / "compared")
    text = words_of(page)
    assert_told_as_recorded(text)
    assert "would have earned most on the history" in text
    assert "What another past would have brought" in text
    assert "F1, recorded labels" in text


def test_a_history_is_played_again_by_the_scenario_that_lent_its_prices():
    """What is told in place of a scenario's story makes no other scenario of it."""
    shipped = load_scenario("steady")
    assert scenario_text(told_scenario(shipped, "mine")) == shipped.name
    assert scenario_text(shipped.model_copy(update={"recipe": Recipe(rounds=7)})) == f"{shipped.name}.toml"


@pytest.mark.slow
def test_a_backtest_says_nothing_that_nobody_knows(monkeypatch, capsys, home):
    rest = ["--prediction", "decision", "--partition", "phase", "--segment", "Contract", "--seeds", "2"]
    asked = ["backtest", "log.csv", *LOG, *rest, *RULES]
    assert_told_as_recorded(said(monkeypatch, capsys, home, *asked, "--out", "back"))
    text = words_of(home / "back" / "report" / "report.html")
    assert_told_as_recorded(text)
    assert "on the recorded labels of log" in text
    assert "The trigger that spoke first" in text or "So every alarm was one too many" in text
    assert "How often it would speak for nothing" in text or "in this log nothing was said by" in text
    assert_told_as_recorded(words_of(home / "back" / "comparison" / "report" / "report.html"))


@pytest.mark.slow
def test_the_words_are_those_that_a_simulation_uses(monkeypatch, capsys, home):
    """The tests above could fail: a scenario that drifts is told in these words."""
    asked = ["run", "mine.toml", "--population", "twin", "--trials", "0", "--policy", "never", "--out", "simulated"]
    (home / "mine.toml").write_text(to_toml(small(8, drift=DRIFT, delay_days=30)), encoding="utf-8")
    said(monkeypatch, capsys, home, *asked)
    found = {match[0].lower() for match in OF_A_SIMULATION.finditer(words_of(home / "simulated/report/report.html"))}
    assert {"drift begins", "true f1", "under the true", "false retrain", "the change"} <= found
