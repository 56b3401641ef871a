"""Conditions on a leaderboard, such as `proposal.regret > 5000`, that give an automatic check its exit code."""

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sim.errors import InputError, did_you_mean
from sim.study.comparison.boards import BoardRow, Leaderboard
from sim.study.scores.table import Origin, Score

_CONDITION = re.compile(
    r"(?P<policy>.+)\.(?P<score>\w+)\s*(?P<relation>>=|<=|>|<)\s*(?P<number>[-+]?[0-9.]+([eE][-+]?\d+)?)"
)
_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_KNOWN = {score.value: score for score in Score if score.is_on_boards}


@dataclass(frozen=True, slots=True)
class FailCondition:
    """A comparison of a policy's mean score with a number; it is met if it holds on any board."""

    text: str
    policy: str
    score: Score
    relation: str
    number: float

    def is_met(self, leaderboard: Leaderboard) -> bool:
        """Say whether the condition holds on a board; `InputError` if on none, and it can't be told on all.

        A score that is missing is no pass: the error says on which board, and why it is missing.
        """
        rows = [(board, row) for board in leaderboard.boards if (row := board.row(self.policy)) is not None]
        estimates = [(board, row, row.estimate(self.score)) for board, row in rows]
        if any(each is not None and _RELATIONS[self.relation](each.value, self.number) for *_, each in estimates):
            return True
        for board, row, estimate in estimates:
            if estimate is None:
                msg = (
                    f"--fail-if {self.text!r} needs a {self.score} of {self.policy} on every board, got none in "
                    f"{board.scenario} with gates {board.gates}: {_why_missing(row, self.score)}."
                )
                raise InputError(msg)
        return False


def _why_missing(row: BoardRow, score: Score) -> str:
    """Return why a row has no value of a score, as far as it is known."""
    if row.seeds == 0:
        return "no life of it was played to the end"
    if score.against_oracle and row.regret_missing:
        return row.regret_missing
    if score.source is Origin.CONSTRAINTS:
        return "the prices of constraints are computed with --split only"
    if score is Score.F1_RECOVERY and row.f1_recovery is not None and row.f1_recovery.missing:
        return row.f1_recovery.missing
    return f"no seed has one ({score.meaning})"


def parse_condition(text: str, policies: Collection[str]) -> FailCondition:
    """Return the condition that a text says about one of the policies; `InputError` if it says none.

    >>> parse_condition("proposal.regret > 5000", ["proposal"]).score.value
    'regret'
    """
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        msg = f"a condition must read like 'proposal.regret > 5000', got {text!r}."
        raise InputError(msg)
    if match["policy"] not in policies:
        hint = did_you_mean(match["policy"], policies)
        msg = f"a condition must name a policy of the comparison, got {match['policy']!r}.{hint}"
        raise InputError(msg)
    if match["score"] not in _KNOWN:
        hint = did_you_mean(match["score"], _KNOWN)
        msg = f"a condition must name a score of the leaderboard, got {match['score']!r}.{hint}"
        raise InputError(msg)
    try:
        return FailCondition(text, match["policy"], _KNOWN[match["score"]], match["relation"], float(match["number"]))
    except ValueError as error:
        msg = f"a condition must end in a number, got {match['number']!r} in {text!r}."
        raise InputError(msg) from error
