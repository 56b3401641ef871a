"""Settings of one rule that led the same lives are one row, and no setting is lost."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from lives import small
from rich.console import Console

from reports.leaderboard_tables import board_tables
from reports.same_lives import condensed, range_name
from scenarios.injectors import ConceptDrift
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.world.population_spec import PopulationSpec

DRIFT = (ConceptDrift(kind="concept", onset_step=3, shifts={"InternetService=DSL": 2.0}),)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    study = Study(
        scenarios=(small(6, drift=DRIFT, delay_days=30),),
        contestants=contestants(["never", "f1_drop > {a}"], {"a": tuple(at / 50 for at in range(25))}),
        profiles=(load_profile("none"),),
        seeds=(1, 2),
        baseline="never",
        population=PopulationSpec("twin"),
    )
    return compare(study, tmp_path_factory.mktemp("grid") / "study")


def test_each_life_is_one_row_and_no_setting_is_lost(result):
    (board,) = result.leaderboard.boards
    short, said = condensed(board)
    cells = result.cells[result.cells["policy"] != "never"]
    told = cells.pivot(index="policy", columns="seed", values=["net_value", "detection_days"])
    lives = told.fillna(-1).drop_duplicates()
    rows = [row for row in short.policies if row.policy != "never"]
    assert said == [f"25 settings of one rule led {len(lives)} different lives."]
    assert len(rows) == len(lives) < 10
    counts = [int(found[1]) if (found := re.search(r"\((\d+) settings\)", row.policy)) else 1 for row in rows]
    assert sum(counts) == 25


def test_the_board_of_a_grid_fits_on_a_screen(result):
    (board,) = result.leaderboard.boards
    told = StringIO()
    Console(width=160, file=told).print(board_tables(board, "never"))
    assert "25 settings of one rule" in told.getvalue()
    assert len(told.getvalue().splitlines()) <= 40


def test_a_board_of_few_policies_stays_as_it_is(result):
    (board,) = result.leaderboard.boards
    few = replace(board, policies=board.policies[:3])
    assert condensed(few) == (few, [])


def test_a_range_is_that_of_each_number():
    assert range_name(["psi_max > 1", "psi_max > 2.5", "psi_max > 1.5"]) == "psi_max > 1 to 2.5 (3 settings)"
    assert range_name(["f1 < 0.5"]) == "f1 < 0.5"
