"""Policies that led the same lives, as one row, and the numbers of a rule that make no difference."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from policies.expression import number_text
from reports.amounts import number_words
from reports.board import ORACLE
from sim.study.comparison.boards import Board, BoardRow
from sim.study.comparison.rule_form import NUMBER, rule_form
from sim.study.scores.table import RANKED_BY

_ASKED = re.compile(r"([A-Za-z_][\w ]*?)\s*[<>=(,]*\s*$")


def condensed(board: Board, baseline: str) -> tuple[Board, list[str]]:
    """Return a board with a row for each life that was led, and what is to be said of that.

    Two lives are one if all scores are equal. Settings of one rule become one row with the range of each number;
    other policies of the same life are named beside each other. The baseline and the oracle keep rows of their own.
    Clauses and ablations, which differ from setting to setting, are left out of a row that stands for several.
    """
    lives: dict[str, list[BoardRow]] = {}
    for row in board.policies:
        told = (row.seeds, dict(row.scores), row.f1_recovery, dict(row.never_share))
        is_alone = row.policy in {baseline, ORACLE}
        lives.setdefault(row.policy if is_alone else repr(told), []).append(row)
    if len(lives) == len(board.policies):
        return board, []
    rows = [group[0] if len(group) == 1 else _merged(group) for group in lives.values()]
    alike = {row.policy for group in lives.values() if len(group) > 1 for row in group}
    said = [f"{len(board.policies)} policies led {len(lives)} different lives; those that did the same are one row."]
    kept = tuple(each for each in board.ablations if each.policy not in alike)
    return replace(board, policies=tuple(rows), ablations=kept), said


def by_worth(board: Board) -> Board:
    """Return a board with the policies of the highest net value first; those without one come last."""
    return replace(board, policies=tuple(sorted(board.policies, key=_net_value, reverse=True)))


def idle_numbers(board: Board) -> Iterator[str]:
    """Yield a sentence for each number of a rule that was varied and made no difference to any life."""
    scores = {row.policy: repr(dict(row.scores)) for row in board.policies}
    for form, members in _forms(scores).items():
        if len(members) < 2:
            continue
        settings = {tuple(NUMBER.findall(name)): scores[name] for name in members}
        for place in range(form.count("#")):
            values = {setting[place] for setting in settings}
            groups: dict[tuple[str, ...], set[str]] = {}
            for setting, life in settings.items():
                groups.setdefault(setting[:place] + setting[place + 1 :], set()).add(life)
            if len(values) > 1 and len(groups) < len(settings) and all(len(each) == 1 for each in groups.values()):
                low, high = min(map(float, values)), max(map(float, values))
                yield (
                    f"{_asked(form, place)} makes no difference here: from {number_words(low)} to "
                    f"{number_words(high)} every life is the same."
                )


def range_name(names: Sequence[str]) -> str:
    """Return names that differ by numbers alone as one, with the range of each number.

    >>> range_name(["f1_drop > 0.02 or psi_max > 0.1", "f1_drop > 0.05 or psi_max > 0.1"])
    'f1_drop > 0.02 to 0.05 or psi_max > 0.1 (2 settings)'
    """
    if len(names) == 1:
        return names[0]
    columns = zip(*(map(float, NUMBER.findall(name)) for name in names), strict=True)
    ranges = iter(
        [
            number_text(min(column))
            if min(column) == max(column)
            else f"{number_words(min(column))} to {number_words(max(column))}"
            for column in columns
        ]
    )
    return f"{NUMBER.sub(lambda _: next(ranges), names[0])} ({len(names)} settings)"


def are_one_rule(one: str, other: str) -> bool:
    """Whether two names differ by numbers alone.

    >>> are_one_rule("f1 < 0.4", "f1 < 0.5"), are_one_rule("f1 < 0.4", "never")
    (True, False)
    """
    return len(_forms([one, other])) == 1


def _forms(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names by what they are without numbers."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(rule_form(name), []).append(name)
    return found


def _asked(form: str, place: int) -> str:
    """Return what the number at a place of a form is held against, as `the number of psi_max`."""
    before = "#".join(form.split("#")[: place + 1])
    found = _ASKED.search(before)
    name = found[1].split()[-1] if found else form
    return f"The number of {name} in {form.replace('#', '...')}"


def _net_value(row: BoardRow) -> float:
    mean = row.scores[RANKED_BY]
    return float("-inf") if mean is None else mean.mean


def _merged(group: Sequence[BoardRow]) -> BoardRow:
    name = " = ".join(range_name(names) for names in _forms(row.policy for row in group).values())
    return replace(group[0], policy=name, clauses=())
