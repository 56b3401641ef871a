"""Conditions on a leaderboard, such as `proposal.regret > 5000`, that give an automatic check its exit code."""

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sim.errors import InputError, did_you_mean
from sim.study.comparison.boards import Leaderboard
from sim.study.scores.table import Score

_CONDITION = re.compile(
    r"(?P<policy>.+)\.(?P<score>\w+)\s*(?P<relation>>=|<=|>|<)\s*(?P<number>[-+]?[0-9.]+(e[-+]?\d+)?)"
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
        """Say whether the condition holds on a board; a missing score meets nothing."""
        rows = (row for board in leaderboard.boards for row in board.policies if row.policy == self.policy)
        estimates = (row.estimate(self.score) for row in rows)
        return any(each is not None and _RELATIONS[self.relation](each.value, self.number) for each in estimates)


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
