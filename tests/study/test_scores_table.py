"""The table of scores: every score is computed, read, explained and can't be misspelt."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from test_leaderboard import GOOD, NEVER, cells

from reports.scores_page import scores_page
from sim.errors import InputError
from sim.study.comparison.boards import leaderboard_schema, plain_leaderboard, read_leaderboard, write_leaderboard
from sim.study.comparison.conditions import parse_condition
from sim.study.comparison.leaderboard import leaderboard
from sim.study.comparison.results import Cell, CellIdentity, Judgement, from_row, to_frame, to_row
from sim.study.scores.judge import ClauseCount, Summary
from sim.study.scores.monthly import Monthly
from sim.study.scores.table import Origin, Score

ROOT = Path(__file__).parents[2]
IDENTITY = CellIdentity("a@1", "none", "proposal", None, None, 1)


def judged(**words):
    scores = {score: 7 if score.source is Origin.RESPONSE else 0.5 for score in Score if score.is_in_cells}
    life = Monthly((0.5, None), (1, 2), (0.5, 0.7), (1,), ())
    return Judgement(scores, None, (ClauseCount("x > 1", 3, 2, 1),), life, **words)


def board_file(folder):
    frame = pd.DataFrame([*cells("never", NEVER, f1_after=0.5), *cells("good", GOOD, f1_after=0.6)])
    found = leaderboard(frame, "never", ("never", "good"))
    write_leaderboard(found, folder / "leaderboard.json")
    return found, folder / "leaderboard.json"


def test_the_docs_page_is_what_the_table_says():
    page = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
    assert page == scores_page(), "run `python -m reports.scores_page > docs/scores.md`"
    assert all(f"`{score}`" in page for score in Score)


def test_what_comes_from_the_record_alone_is_its_summary():
    """`roi_estimated` is an estimate with an interval there, and three columns in the results."""
    of_record = {score.value for score in Score if score.source is Origin.RECORD}
    assert of_record == {each.name for each in fields(Summary)} - {"roi_estimated"}


def test_a_condition_may_name_every_score_of_a_board_and_no_other():
    for score in Score:
        text = f"proposal.{score} > 1"
        if score.is_on_boards:
            assert parse_condition(text, ["proposal"]).score is score
        else:
            with pytest.raises(InputError, match="a score of the leaderboard"):
                parse_condition(text, ["proposal"])


def test_the_json_schema_names_every_score():
    assert set(leaderboard_schema()["$defs"]["Score"]["enum"]) == {score.value for score in Score}


def test_a_cell_is_its_row():
    for cell in (
        Cell(IDENTITY, judgement=judged()),
        Cell(IDENTITY, error="RuntimeError: broken"),
        Cell(IDENTITY, missing="labels depend on what was served"),
    ):
        row = to_row(cell)
        assert from_row(json.loads(json.dumps(row))) == cell
        assert to_frame([cell]).columns.tolist() == list(row)


def test_a_whole_number_stays_whole_in_the_results():
    row = to_row(from_row(json.loads(json.dumps(to_row(Cell(IDENTITY, judgement=judged()))))))
    assert type(row["response_training_days"]) is int
    assert type(row["net_value"]) is float


def test_what_was_not_asked_for_is_no_column():
    few = {score: value for score, value in judged().scores.items() if score.source is not Origin.CONSTRAINTS}
    row = to_row(Cell(IDENTITY, judgement=Judgement(few, None, (), None)))
    assert "price_of_gates" not in row
    assert "monthly" not in row
    assert row["regret"] == 0.5


def test_a_cell_of_another_version_is_read():
    row = to_row(Cell(IDENTITY, judgement=judged()))
    del row["lift_at_capacity"], row["clauses"], row["monthly"]
    found = from_row({**row, "a_score_of_tomorrow": 1.0})
    assert Score.LIFT_AT_CAPACITY not in found.judgement.scores
    assert found.judgement.scores[Score.NET_VALUE] == 0.5
    assert (found.judgement.clauses, found.judgement.monthly) == ((), None)


def test_a_leaderboard_of_another_version_is_read(tmp_path):
    found, path = board_file(tmp_path)
    assert read_leaderboard(path) == found
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == plain_leaderboard(found)
    for row in content["boards"][0]["policies"]:
        del row["scores"]["f1_after"], row["never_share"]["recovery_days"]
        row["scores"]["a_score_of_tomorrow"] = row["scores"]["net_value"]
    path.write_text(json.dumps(content), encoding="utf-8")
    row = read_leaderboard(path).boards[0].policies[1]
    assert row.estimate(Score.F1_AFTER) is row.never_share[Score.RECOVERY_DAYS] is None
    assert row.scores[Score.NET_VALUE] == found.boards[0].policies[1].scores[Score.NET_VALUE]


def test_what_is_no_leaderboard_is_told_in_one_line(tmp_path):
    _, path = board_file(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["boards"][0]["policies"][0]["seeds"] = "many"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"^boards: 0: policies: 0: seeds: [^\n]+$"):
        read_leaderboard(path)


MISSPELT = """
from sim.study.comparison.boards import BoardRow
from sim.study.comparison.results import Judgement
from sim.study.scores.table import Score


def read(row: BoardRow, judgement: Judgement) -> None:
    row.scores[Score.NET_VALUE]
    row.scores[Score.NET_VALU]
    row.scores["net_value"]
    row.never_share.get("detection_days")
    row.estimate("regret")
    row.net_value
    judgement.scores["regret"]
"""


@pytest.mark.slow
def test_a_misspelt_score_fails_mypy(tmp_path):
    """So does one that is read by its text, which mypy could not tell from a misspelt one."""
    (tmp_path / "misspelt.py").write_text(MISSPELT, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path / "misspelt.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if "misspelt.py" in line and "error" in line]
    assert sorted({int(line.split(":")[1]) for line in errors}) == [9, 10, 11, 12, 13, 14], done.stdout
