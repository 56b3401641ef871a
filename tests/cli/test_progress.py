"""Whoever looks at a terminal sees from early on what a command does and how far it is, in a search too."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lives import small

from scenarios.files import to_toml

ROOT = Path(__file__).parents[2]
PLAIN = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def shown(folder: Path, *arguments: str) -> str:
    """Return what a command wrote to a real terminal that is its stderr."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "sim.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, cwd=folder, env=environment) as process:
        os.close(follower)
        written, until = b"", time.monotonic() + 120
        while time.monotonic() < until:
            try:
                part = os.read(leader, 65536)
            except OSError:  # what Linux says once nobody has the other end
                break
            if not part:
                break
            written += part
        os.close(leader)
        assert process.stdout is not None
        process.stdout.read()
        assert process.wait(timeout=60) == 0, written[-2000:]
    return PLAIN.sub(b"", written).decode(errors="replace")


@pytest.mark.slow
def test_a_run_shows_its_search_trial_by_trial_and_its_steps(tmp_path):
    (tmp_path / "mine.toml").write_text(to_toml(small(6, customers=1500, delay_days=30)), encoding="utf-8")
    asked = ["run", "mine.toml", "--population", "twin", "--gates", "none", "--trials", "30", "--policy", "always"]
    text = shown(tmp_path, *asked, "--out", "out")
    done = {int(found) for found in re.findall(r"(\d+) of 30 trials", text)}
    assert len(done) >= 3, text[-2000:]
    steps = {int(found) for found in re.findall(r"playing .*?(\d+)/6", text)}
    assert len(steps) >= 2, text[-2000:]
    assert "drawing the report" in text


@pytest.mark.slow
def test_a_comparison_shows_how_many_worlds_are_done_and_the_time_that_passes(tmp_path):
    (tmp_path / "mine.toml").write_text(to_toml(small(6, delay_days=30)), encoding="utf-8")
    asked = ["compare", "mine.toml", "--population", "twin", "--gates", "none", "--policy", "always", "--seeds", "3"]
    text = shown(tmp_path, *asked, "--policy", "never", "--out", "out", "--cache", "cache")
    assert {f"{done}/3" for done in range(3)} <= set(re.findall(r"playing worlds .*?(\d/3)", text))
    assert re.search(r"0:00:0\d", text)
