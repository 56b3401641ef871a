"""Tests for which no time is left are skipped, and the others run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ONE = "tests/world/test_labels.py::test_weights_by_hand"


@pytest.mark.parametrize(("minutes", "ending"), [("60", "1 passed"), ("1e-9", "1 skipped")])
def test_a_test_that_would_begin_too_late_is_skipped(minutes, ending):
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--minutes", minutes, ONE)
    told = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ending in told.stdout.splitlines()[-1], told.stdout + told.stderr
    assert ("minutes of these tests are over" in told.stdout) == ("skipped" in ending)
