"""Conditions: what they say, when they hold, and which are refused."""

import re
from dataclasses import replace

import pytest

from sim.errors import InputError
from sim.study.comparison.boards import Board, BoardRow, Leaderboard, ScoreMean, ScoreRatio
from sim.study.comparison.conditions import parse_condition
from sim.study.scores.table import Score

POLICIES = ["proposal", "f1_drop > 0.05", "never"]


def board(policy, regret=None, recovery=None, net_value=0.0):
    means = {Score.REGRET: regret, Score.NET_VALUE: net_value}
    scores = {score: None if value is None else ScoreMean(value, None, 1) for score, value in means.items()}
    row = BoardRow(policy, 1, scores, ScoreRatio(recovery, None, 1, None), {}, None, (), {})
    return Board("a@1", "none", (row,), (), None)


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("proposal.regret > 5000", True),
        ("proposal.regret>=6000", True),
        ("proposal.regret > 6000", False),
        ("proposal.regret <= 6000", True),
        ("proposal.regret < 1e3", False),
        ("proposal.regret > 5E3", True),
        ("proposal.net_value < -1", True),
        ("proposal.f1_recovery < 0.5", True),
        ("f1_drop > 0.05.net_value >= 0", True),
    ],
)
def test_a_condition_holds_if_it_does_on_any_board(text, is_met):
    boards = (
        board("proposal", 2000.0, 0.9),
        board("proposal", 6000.0, 0.4, -2.0),
        board("f1_drop > 0.05", None, None),
    )
    leaderboard = Leaderboard(1, "never", (1,), 3, 0, boards)
    assert parse_condition(text, POLICIES).is_met(leaderboard) is is_met


@pytest.mark.parametrize(
    ("row", "condition", "said"),
    [
        ({}, "regret > 9e9", "needs a regret of p on every board, got none in a@1 with gates none"),
        ({"regret_missing": "recalibrate in play"}, "regret > 9e9", "with gates none: recalibrate in play"),
        ({}, "price_of_gates > 1", "computed with --split only"),
        ({"f1_recovery": ScoreRatio(None, None, 5, "within noise")}, "f1_recovery < 0", "none: within noise"),
        ({"seeds": 0}, "net_value < 0", "no life of it was played to the end"),
    ],
)
def test_a_score_that_is_missing_is_no_pass(row, condition, said):
    known = replace(board("p", 5.0, 0.5, 1.0).policies[0], scores={})
    lacking = replace(board("p"), policies=(replace(known, **row),))
    boards = Leaderboard(1, "never", (1,), 3, 0, (board("p", 5.0, 0.5, 1.0), lacking))
    with pytest.raises(InputError, match=re.escape(said)):
        parse_condition(f"p.{condition}", ["p"]).is_met(boards)


def test_a_condition_that_is_met_on_one_board_is_met_whatever_others_lack():
    boards = Leaderboard(1, "never", (1,), 3, 0, (board("p"), board("p", 6000.0, 0.5)))
    assert parse_condition("p.regret > 5000", ["p"]).is_met(boards)


WRONG = {
    "proposal": "must read like",
    "proposal.regret": "must read like",
    "proposal.regret = 5": "must read like",
    "proposal.regret > lots": "must read like",
    "proposal.regret > 1.2.3": "must end in a number",
    "proposal.rgret > 5": "Did you mean 'regret'",
    "propsal.regret > 5": "Did you mean 'proposal'",
    "": "must read like",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_condition_that_says_nothing_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        parse_condition(text, POLICIES)
