"""Ctrl-C ends the work soon, wherever it is, with exit code 130 and how to go on; what it left is gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lives import TWIN, small
from logs import simulated, written

SCENARIO = 'id = "mine"\ntitle = "Mine"\n[time]\nsteps = 20\ncustomers = 200\n'
RUN = ["run", "mine.toml", "--population", "twin", "--trials", "0", "--gates", "none", "--out", "out"]
PATIENCE = 10.0  # a busy machine; on a quiet one it takes less than two seconds


START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored
from sim.cli import main
main()
"""


def started(*arguments):
    command = [sys.executable, "-c", START, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def interrupted(process):
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert time.monotonic() - begun < PATIENCE
    assert process.returncode == 130, told
    return told


@pytest.mark.slow
def test_a_command_that_has_hardly_begun_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = started("gates", "power", "--seeds", "50")
    time.sleep(1.5)
    assert "retrainlab: interrupted." in interrupted(process)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_is_interrupted_says_how_to_go_on_and_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(SCENARIO, encoding="utf-8")
    process = started(*RUN)
    until = time.monotonic() + 60
    while not any(Path("out/mlartifacts").glob("**/MLmodel")) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    told = interrupted(process)
    assert "retrainlab: interrupted; add --resume --out out." in told
    again = started(*RUN, "--resume")
    _, told = again.communicate(timeout=300)
    assert again.returncode == 0, told
    assert Path("out/record.json").exists()


@pytest.mark.parametrize("what", ["duckdb.Error('Interrupted')", "WorkError('the store was cut short.')"])
def test_what_a_library_makes_of_an_interruption_ends_like_one(what):
    code = f"""
import os, signal
from pathlib import Path
import duckdb
from sim.cli import app, main
from sim.cli.interrupt import resumable
from sim.errors import WorkError
app.app = lambda **_: cut_short()
def cut_short():
    signal.signal(signal.SIGINT, lambda *_: None)
    with resumable(Path("out")):
        os.kill(os.getpid(), signal.SIGINT)
        raise {what}
main()
"""
    told = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert (told.returncode, told.stderr) == (130, "retrainlab: interrupted; add --resume --out out.\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compare", "surface", "tune"])
def test_a_search_or_comparison_that_is_interrupted_goes_on_and_tells_what_an_undisturbed_one_does(
    tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(SCENARIO, encoding="utf-8")
    work = [command, "mine.toml", "--population", "twin", "--gates", "none", "--seeds", "4", "--json"]
    work += ["--confirm", "2"] if command == "tune" else []
    kept = interrupted_after_a_world(*work)
    ways = (["--out", "out", "--resume"], ["--out", "whole"])
    answers = [json.loads(answered(*work, *options).replace("whole", "out")) for options in ways]
    assert answers[0] == answers[1]
    assert times_of(kept) == kept, "what was done is not done again"


@pytest.mark.slow
def test_a_backtest_that_is_interrupted_goes_on_and_tells_what_an_undisturbed_one_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, frame = simulated(small(steps=8, customers=200, delay_days=30), TWIN)
    written(frame.drop(columns="phase"), Path("log.parquet"))
    columns = ["--score", "score", "--label", "outcome", "--date", "day", "--id", "customer", "--warmup-steps", "4"]
    columns += ["--label-date", "outcome_day", "--prediction", "decision"]
    work = ["backtest", "log.parquet", *columns, "--policy", "f1_drop > 0.05", "--seeds", "3", "--json"]
    kept = interrupted_after_a_world(*work)
    boards = []
    for options in (["--out", "out", "--resume"], ["--out", "whole"]):
        assert json.loads(answered(*work, *options))["compared"]
        boards.append((Path(options[1]) / "comparison/leaderboard.json").read_text(encoding="utf-8"))
    assert boards[0] == boards[1]
    assert Path("out/backtest.json").read_bytes() == Path("whole/backtest.json").read_bytes()
    assert times_of(kept) == kept, "what was done is not done again"
    process = started(*work, "--out", "out", "--resume", "--policy", "psi_max > 0.3")
    assert "holds another backtest; use another --out" in process.communicate(timeout=300)[1]
    assert process.returncode == 2


def interrupted_after_a_world(*work):
    """Interrupt a command once it has played a world, and return the worlds that it has left, with their times."""
    process = started(*work, "--out", "out")
    until = time.monotonic() + 60
    while not done_worlds() and time.monotonic() < until:
        time.sleep(0.02)
    told = interrupted(process)
    assert "retrainlab: interrupted; add --resume --out out." in told
    kept = times_of(done_worlds())
    assert kept
    return kept


def answered(*work):
    """Return what a command that nobody disturbs prints."""
    process = started(*work)
    answer, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return answer


def times_of(paths):
    return {path: path.stat().st_mtime_ns for path in paths}


def done_worlds():
    """Return a file of each world that is played whole, of the study in the folder `out`."""
    regions = Path("out").glob("**/worlds/*.regions.parquet")
    whole = [path for path in regions if path.with_name(path.name.replace(".regions.", ".lives.")).exists()]
    return [*whole, *Path("out").glob("**/cells/*.json")]


@pytest.mark.slow
def test_a_library_that_hears_nothing_is_not_waited_for():
    code = """
import signal, time
from sim.cli.interrupt import INTERRUPTION
signal.signal(signal.SIGINT, lambda *_: None)
INTERRUPTION.watch()
INTERRUPTION.advice = "add --resume"
print("ready", flush=True)
time.sleep(30)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as deaf:
        assert deaf.stdout.readline() == "ready\n"
        begun = time.monotonic()
        deaf.send_signal(signal.SIGINT)
        _, told = deaf.communicate(timeout=30)
        assert time.monotonic() - begun < PATIENCE
        assert (deaf.returncode, told) == (130, "retrainlab: interrupted; add --resume.\n")
