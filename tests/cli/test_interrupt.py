"""Ctrl-C ends the work soon, wherever it is, with exit code 130 and how to go on; what it left is gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
