"""A new kind of injector is one file: found by itself, read from a scenario file, told in words, and played."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scenarios.injectors

ROOT = Path(__file__).parents[2]

SURGE = '''
"""Numbers drift: a numeric feature grows by the same amount for everybody."""

from typing import Literal

from scenarios.injectors.base import Chance, Columns, CovariateInjector, Matrix, check_is_number


class Surge(CovariateInjector):
    """A numeric feature grows by `amount`."""

    kind: Literal["surge"]
    column: str
    amount: float

    @property
    def words(self) -> str:
        return f"{self.column} grows by {self.amount:g}"

    def check(self, columns: Columns) -> None:
        check_is_number(self.kind, self.column, columns)

    def move(self, features: Matrix, level: Matrix, columns: Columns, chance: Chance) -> None:
        features[:, columns.place(self.column)] += self.amount * level
'''


SCENARIO = """
id = "surging"
title = "Prices surge"
story = "Everybody pays ten more."
[time]
steps = 8
customers = 150
[[drift]]
kind = "surge"
column = "MonthlyCharges"
amount = 10.0
onset_step = 2
"""
USE = """
from pathlib import Path

import numpy as np

from reports.story import happenings
from scenarios.files import read_scenario, to_toml
from sim.study.conformance import check_scenario
from sim.world.population import load_population
from sim.world.world import World

scenario, twin = read_scenario(Path("surging.toml")), load_population("twin")
assert list(happenings(scenario)) == ["from step 2 on: MonthlyCharges grows by 10"], list(happenings(scenario))
assert "surge" in to_toml(scenario)
moved, calm = World(scenario, 1, twin), World(scenario.model_copy(update={"drift": ()}), 1, twin)
place = moved.schema.position["MonthlyCharges"]
for step in moved.steps:
    grown = moved.batch(step).features[:, place] - calm.batch(step).features[:, place]
    assert np.allclose(grown, 10.0 if step >= 2 else 0.0)
check_scenario(scenario, twin)
print("played")
"""


def test_one_file_is_all_that_a_new_kind_takes(tmp_path):
    for name in ("sim", "reports", "policies"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scenarios" / "injectors" / "surge.py").write_text(SURGE, encoding="utf-8")
    (tmp_path / "surging.toml").write_text(SCENARIO, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", USE]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout == "played\n", ended.stderr


@pytest.mark.parametrize("kind", scenarios.injectors.INJECTORS, ids=lambda kind: kind.known_as())
def test_every_kind_says_what_it_does(kind):
    assert kind.words.fget is not None
    assert not kind.__abstractmethods__
    assert kind.__doc__
