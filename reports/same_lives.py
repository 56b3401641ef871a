"""Settings of one rule that led the same lives, as one row with the range of settings that it stands for."""

import re
from collections.abc import Sequence
from dataclasses import replace

from policies.expression import number_text
from sim.study.comparison.boards import Board, BoardRow
from sim.study.scores.table import RANKED_BY

MANY = 20
"""Policies of a board from which on it is condensed."""
MOST_ROWS = 8
"""Different lives of one rule that a condensed board shows: those of the highest net value."""
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


def condensed(board: Board) -> tuple[Board, list[str]]:
    """Return a board with a row for each life that settings of one rule led, and what is to be said of that.

    Rows are of one rule if their names differ by numbers alone, and of one life if all scores are equal. A board of
    fewer than `MANY` policies stays as it is. Clauses and ablations, which differ from setting to setting, are left
    out of one that does not.
    """
    if len(board.policies) < MANY:
        return board, []
    by_form: dict[str, list[BoardRow]] = {}
    for row in board.policies:
        by_form.setdefault(_NUMBER.sub("#", row.policy), []).append(row)
    rows, said = [], []
    for form in by_form.values():
        lives: dict[str, list[BoardRow]] = {}
        for row in form:
            told = (row.seeds, dict(row.scores), row.f1_recovery, dict(row.never_share))
            lives.setdefault(repr(told), []).append(row)
        merged = sorted((_merged(group) for group in lives.values()), key=_net_value, reverse=True)
        rows += merged[:MOST_ROWS]
        if len(form) > len(merged):
            shown = f"; the {MOST_ROWS} of the highest net value are shown" if len(merged) > MOST_ROWS else ""
            said.append(f"{len(form)} settings of one rule led {len(merged)} different lives{shown}.")
    return replace(board, policies=tuple(rows), ablations=()), said


def _net_value(row: BoardRow) -> float:
    mean = row.scores[RANKED_BY]
    return float("-inf") if mean is None else mean.mean


def _merged(group: Sequence[BoardRow]) -> BoardRow:
    return replace(group[0], policy=range_name([row.policy for row in group]), clauses=())


def range_name(names: Sequence[str]) -> str:
    """Return names that differ by numbers alone as one, with the range of each number.

    >>> range_name(["f1_drop > 0.02 or psi_max > 0.1", "f1_drop > 0.05 or psi_max > 0.1"])
    'f1_drop > 0.02 to 0.05 or psi_max > 0.1 (2 settings)'
    """
    if len(names) == 1:
        return names[0]
    columns = zip(*(map(float, _NUMBER.findall(name)) for name in names), strict=True)
    ranges = iter(
        [
            number_text(min(column))
            if min(column) == max(column)
            else f"{number_text(min(column))} to {number_text(max(column))}"
            for column in columns
        ]
    )
    return f"{_NUMBER.sub(lambda _: next(ranges), names[0])} ({len(names)} settings)"
