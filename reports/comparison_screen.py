"""The screen of a comparison: its answer, what was not shown, and ten policies, in lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from reports.amounts import number_words
from reports.board import ORACLE
from reports.comparison_first_page import comparison_first_page, quality_of, span_of
from reports.labels import by_numbers
from reports.same_lives import by_worth, condensed
from reports.study_folder import StudyFolder
from reports.text_table import table_lines
from sim.study.comparison.boards import Board, BoardRow, Difference
from sim.study.inference.contests import MIN_SEEDS
from sim.study.inference.verdicts import Verdict
from sim.study.scores.table import RANKED_BY, Score

MOST_ROWS = 10
_MOST_BOARDS = 8
_THOUSANDS_FROM = 20_000
_STAYING = "Staying with the proposal's setting"
_NONE = "-"


def comparison_screen(study: StudyFolder, width: int, *, is_beside: bool = False) -> Iterator[str]:
    """Yield the lines of a comparison, unwrapped where they are sentences; at most thirty or so.

    The overall board is shown where there is one, and a line for each other board. What stands beside something else
    on the screen is the answer and the table alone, of half as many rows.
    """
    boards = sorted(study.leaderboard.boards, key=lambda board: not board.is_overall)
    if not boards:
        return
    first = boards[0]
    page = comparison_first_page(study, first)
    yield page.answer
    short, said = condensed(first, study.leaderboard.baseline)
    if not is_beside:
        yield from page.warnings[:3]
        if _STAYING in page.points and not study.asked.is_history:
            yield f"{_STAYING}: {page.points[_STAYING]}"
        yield from page.not_shown[:2]
        yield from said
        yield ""
    yield from _table(study, by_worth(short), width, MOST_ROWS // 2 if is_beside else MOST_ROWS)
    others = boards[1:]
    if others:
        yield ""
        yield "Board by board, the policy of the highest net value:"
        yield from table_lines([_best(study, board) for board in others], width, _MOST_BOARDS)


def _table(study: StudyFolder, board: Board, width: int, most: int) -> Iterator[str]:
    currency, unit, told = study.currency, 1, ""
    if any(abs(mean.mean) >= _THOUSANDS_FROM for row in board.policies if (mean := row.scores[RANKED_BY])):
        unit, told = 1000, "thousands of "
    money = f"{told}{currency}" if currency else f"{told}money"
    of = study.asked.population if study.asked.is_history else board.scenario
    where = "all scenarios together" if board.is_overall else of
    yield f"{where}, gates {board.gates}, over {span_of(study)}; net value in {money}"
    baseline = study.leaderboard.baseline
    rows = _kept(board.policies, baseline, most)
    f1 = quality_of(study)
    labels, rules = by_numbers([row.policy for row in rows])
    yield from (f"Settings of {rule}:" for rule in rules)
    yield from table_lines([{**_row(row, labels, baseline, unit), **_did(row, f1)} for row in rows], width)
    if len(board.policies) > len(rows):
        yield f"and {len(board.policies) - len(rows):,} more (--all)"
    if len(study.leaderboard.seeds) >= MIN_SEEDS:
        yield "* shown to differ from the baseline; of 100 studies like this, 95 have the true figure in the range"


def _kept(rows: Sequence[BoardRow], baseline: str, most: int) -> Sequence[BoardRow]:
    """Return the best rows, and the baseline among them in any case."""
    if len(rows) <= most:
        return rows
    left = [row for row in rows[most:] if row.policy == baseline]
    return [*rows[: most - len(left)], *left]


def _row(row: BoardRow, labels: Mapping[str, str], baseline: str, unit: int) -> Mapping[str, str]:
    worth = row.estimate(RANKED_BY)
    return {
        "policy": labels.get(row.policy, row.policy),
        "net value": _NONE if worth is None else f"{worth.value / unit:,.0f}",
        f"against {baseline}"[:24]: _gain(row.against_baseline[RANKED_BY], unit),
    }


def _did(row: BoardRow, score: Score) -> Mapping[str, str]:
    f1, asked, served = (row.estimate(each) for each in (score, Score.RETRAINS, Score.PROMOTIONS))
    return {
        "F1": _NONE if f1 is None else f"{f1.value:.2f}",
        "retrained": _NONE if asked is None else number_words(round(asked.value, 1)),
        "served": _NONE if served is None else number_words(round(served.value, 1)),
    }


def _gain(found: Difference, unit: int) -> str:
    if found.mean is None:
        return _NONE
    told = f"{found.mean / unit:+,.0f}" if found.mean else "0"
    if found.verdict is Verdict.SAME:
        return "the same"
    if found.interval is None:
        return told
    mark = "*" if found.verdict in {Verdict.MORE, Verdict.LESS} else ""
    return f"{told} ({found.interval[0] / unit:+,.0f} to {found.interval[1] / unit:+,.0f}){mark}"


def _best(study: StudyFolder, board: Board) -> Mapping[str, str]:
    rows = [row for row in by_worth(board).policies if row.policy != ORACLE and row.scores[RANKED_BY] is not None]
    best = rows[0] if rows else None
    return {
        "scenario": f"{'all scenarios' if board.is_overall else board.scenario}, gates {board.gates}",
        "best policy": _NONE if best is None else best.policy[:30],
        f"against {study.leaderboard.baseline}"[:24]: _NONE
        if best is None
        else _gain(best.against_baseline[RANKED_BY], 1),
    }
