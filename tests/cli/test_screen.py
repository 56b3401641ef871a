"""What a command found fits on a screen of forty lines of eighty characters, and --all shows the rest."""

import re
import sys
from pathlib import Path

import pytest
from lives import TWIN, small
from logs import simulated

from scenarios.files import to_toml
from scenarios.injectors import ConceptDrift
from sim.cli import main, terminal
from sim.cli.screen import MOST_LINES, show_screen

DRIFT = (ConceptDrift(kind="concept", onset_step=3, shifts={"InternetService=DSL": 2.0}),)
GRID = ["--policy", "f1_drop > {a} or psi_max > {b}", "--grid", "a=0.01:0.3:12", "--grid", "b=0.01:1:4"]
ON_TWIN = ["--population", "twin", "--gates", "none"]
WIDTH = 80
COMMANDS = ("retrainlab: ", "retrainlab ", "mlflow ")
MANY_DIGITS = re.compile(r"\d*\.\d{6,}")


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    for name in ("mine", "yours"):
        scenario = small(6, drift=DRIFT, delay_days=30).model_copy(update={"id": name})
        Path(f"{name}.toml").write_text(to_toml(scenario), encoding="utf-8")


def shown(monkeypatch, capsys, *arguments: str) -> list[str]:
    """Return the lines of a command that succeeds, with what it told on the way."""
    monkeypatch.setattr(sys, "argv", ["retrainlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr()
    assert not ended.value.code, written.err
    return [*written.err.splitlines(), *written.out.splitlines()]


def assert_fits(lines: list[str]) -> None:
    taken = sum(max(-(-len(line) // WIDTH), 1) for line in lines)  # a terminal goes on in the next line
    assert 3 < taken <= MOST_LINES, "\n".join(lines)
    wide = [line for line in lines if len(line) > WIDTH and not line.startswith(COMMANDS)]
    assert not wide, wide
    assert not [line for line in lines if MANY_DIGITS.search(line)]


@pytest.mark.slow
def test_a_comparison_of_fifty_settings_fits_on_a_screen(monkeypatch, capsys):
    asked = [
        "compare",
        "mine.toml",
        "yours.toml",
        *ON_TWIN,
        *GRID,
        "--policy",
        "never",
        "--seeds",
        "2",
        "--out",
        "out",
    ]
    lines = shown(monkeypatch, capsys, *asked)
    assert_fits(lines)
    text = "\n".join(lines)
    assert "all scenarios together" in text
    assert "Settings of f1_drop > A or psi_max > B:" in text
    labels = [line[:22] for line in lines if line.startswith("A ")]
    assert 3 <= len(labels) <= 10
    assert len(set(labels)) == len(labels), "labels that are cut differ"
    assert any(line.startswith("never ") for line in lines), "the baseline is always there"
    assert re.search(r"49 policies led \d+ different lives", text)
    for scenario in ("mine@1", "yours@1"):
        assert scenario in text
    whole = shown(monkeypatch, capsys, *asked, "--resume", "--all")
    assert len(whole) > MOST_LINES
    assert "Response (a year's false alarms" in "\n".join(whole)


@pytest.mark.slow
def test_a_surface_and_a_tuning_fit_on_a_screen(monkeypatch, capsys):
    lines = shown(monkeypatch, capsys, "surface", "mine.toml", *ON_TWIN, "--seeds", "2", "--out", "surface")
    assert_fits(lines)
    assert sum("Along {" in line for line in lines) == 2
    assert not any("more lines" in line for line in lines)
    three = "f1_drop > {a} or psi_max > {b} or score_psi > {c}"
    asked = ["surface", "mine.toml", "--rule", three, *ON_TWIN, "--seeds", "1", "--out", "three"]
    lines = shown(monkeypatch, capsys, *asked)
    assert_fits(lines)
    assert sum("Along {" in line for line in lines) == 3
    options = ["--seeds", "2", "--confirm", "2", "--out", "tune"]
    assert_fits(shown(monkeypatch, capsys, "tune", "mine.toml", "yours.toml", *ON_TWIN, *options))


@pytest.mark.slow
def test_a_backtest_of_many_triggers_fits_on_a_screen(monkeypatch, capsys):
    _, log = simulated(small(9, drift=DRIFT, delay_days=30), TWIN)
    log.to_csv("log.csv", index=False)
    triggers = [each for at in range(1, 16) for each in ("--policy", f"f1_drop > 0.{at:02d} or psi_max > 0.2")]
    columns = ["--id", "customer", "--date", "day", "--label", "outcome", "--label-date", "outcome_day"]
    rest = ["--prediction", "decision", "--partition", "phase", "--segment", "Contract", "--seeds", "2"]
    lines = shown(monkeypatch, capsys, "backtest", "log.csv", *columns, *rest, *triggers, "--out", "out")
    assert_fits(lines)
    text = "\n".join(lines)
    assert "and 5 more" in text
    assert text.count("f1_drop > 0.") >= 10
    assert "Contract" in text or "Month-to-month" in text


@pytest.mark.slow
def test_a_run_fits_on_a_screen_and_says_what_happened(monkeypatch, capsys):
    asked = ["run", "mine.toml", *ON_TWIN, "--trials", "0", "--policy", "age_days > 20", "--out", "out"]
    lines = shown(monkeypatch, capsys, *asked)
    assert_fits(lines)
    text = "\n".join(lines)
    assert "drift begins" in text
    assert "promoted" in text
    assert "kept:" not in text
    whole = "\n".join(shown(monkeypatch, capsys, *asked, "--resume", "--all"))
    assert "Step by step" in whole
    assert "Clauses of the rule" in whole


@pytest.mark.parametrize(
    "command", [["policies"], ["signals"], ["gates", "telco_churn"], ["scenarios", "competitor"]]
)
def test_a_catalogue_fits_on_a_screen_and_all_of_it_is_there_on_demand(monkeypatch, capsys, command):
    lines = shown(monkeypatch, capsys, *command)
    assert_fits(lines)
    whole = shown(monkeypatch, capsys, *command, "--all")
    assert len(whole) >= len(lines)
    is_cut = any("--all shows them" in line for line in lines)
    assert is_cut == (len(whole) > MOST_LINES)


def test_what_a_command_says_on_the_way_counts(monkeypatch, capsys):
    terminal.begin_screen()
    for number in range(5):
        terminal.tell(f"warning {number}, in one line.")
    show_screen([f"line {number}" for number in range(100)], ["the end"])
    written = capsys.readouterr()
    lines = [*written.err.splitlines(), *written.out.splitlines()]
    assert len(lines) == MOST_LINES
    assert lines[-1] == "the end"
    assert lines[-2] == "... 67 more lines; --all shows them"
    terminal.begin_screen()
    show_screen([f"line {number}" for number in range(100)], ["the end"], whole=True)
    assert len(capsys.readouterr().out.splitlines()) == 101
