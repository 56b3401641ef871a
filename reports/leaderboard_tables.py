"""Leaderboards for the terminal: what each policy is worth, how sure that is, and what it costs."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from reports.amounts import number_words, signed_words
from reports.same_lives import condensed
from reports.tables import rows_table
from sim.study.comparison.boards import Board, BoardRow, Difference, Ends, Rank, ScoreMean, ScoreRatio
from sim.study.inference.contests import MIN_SEEDS
from sim.study.inference.verdicts import Verdict
from sim.study.scores.table import RANKED_BY, Score

_UNTOLD = "can't be told from"


def board_tables(board: Board, baseline: str, *, is_history: bool = False) -> RenderableType:
    """Return a board as sentences and tables: worth, response, and what each clause of a rule is worth.

    Policies that led the same life are one row.
    """
    title = f"{board.scenario}, gates {board.gates}"
    board, said = condensed(board, baseline)
    told = [*said, *sentences(board, baseline)]
    parts: list[RenderableType] = [Text(f"\n{title}", style="bold"), *map(Text, told)]
    worth = "Worth (money in thousands; ± is half a 95 % interval over seeds)"
    response = "Response (a year's false alarms; days; the share of seeds where it never came)"
    if any(row.rank for row in board.policies):
        worth += "\nrank: by mean net value, with the places that the verdicts leave"
    parts.append(rows_table(worth, [worth_row(row, is_history=is_history) for row in board.policies]))
    parts.append(rows_table(response, [response_row(row, is_history=is_history) for row in board.policies]))
    if any(row.clauses for row in board.policies):
        title = "Clauses (steps of a world: true, true alone, missing; rule less rule without, in thousands)"
        parts.append(rows_table(title, list(clause_rows(board))))
    return Group(*parts)


def sentences(board: Board, baseline: str) -> Iterator[str]:
    """Yield what a reader may conclude: for each policy whether it differs from the baseline, and by how much."""
    for row in board.policies:
        told = contest_words(row.against_baseline[RANKED_BY])
        if told:
            yield f"{row.policy} {told[0]} {baseline}{told[1]}."
    for reason in dict.fromkeys(row.regret_missing for row in board.policies if row.regret_missing):
        yield f"There is no regret here: {reason}."
    if board.seeds_left_out:
        seeds = ", ".join(map(str, board.seeds_left_out))
        yield f"Seeds in which a policy failed count for none: {seeds}."
    closest = board.closest_contest
    if closest is not None and closest.difference.verdict is not None:
        yield _closest_words(*closest.policies, closest.difference)


def contest_words(found: Difference) -> tuple[str, str] | None:
    """Return what may be said of a policy less another in net value, to stand before and behind the other's name.

    >>> contest_words(Difference(12.0, (4.0, 20.0), 0.01, 9, Verdict.MORE))
    ('earns more than', ': +12 in net value (+4 to +20, p 0.01)')
    """
    if found.verdict is None or found.mean is None:
        return None
    if found.verdict is Verdict.SAME:
        return "did the same as", f", in all {found.n} seeds"
    if found.interval is None:
        told = f": {signed_words(found.mean)} in net value, no interval can be given ({found.reason})"
        return _UNTOLD, told
    mean, ends = signed_words(found.mean, found.interval).split(" (")
    said = {Verdict.MORE: "earns more than", Verdict.LESS: "earns less than"}.get(found.verdict, _UNTOLD)
    return said, f": {mean} in net value ({ends.rstrip(')')}, p {found.p_value:.3g})"


def verdict_words(board: Board) -> Iterator[str]:
    """Yield in plain words what the verdicts of a board mean, where it has any."""
    found = [row.against_baseline[RANKED_BY] for row in board.policies]
    if any(each.p_value is not None and each.interval is not None for each in found):
        yield "p: how often luck alone would make a difference as large as this; below 0.05 it counts as shown."
    if any((told := contest_words(each)) and told[0] == _UNTOLD for each in found):
        yield "Can't be told from: the difference may be luck."


def _closest_words(first: str, second: str, found: Difference) -> str:
    if found.verdict is Verdict.SAME:
        return f"{first} and {second} did the same, in all {found.n} seeds."
    if found.verdict in {Verdict.MORE, Verdict.LESS}:
        return f"These {found.n} seeds tell {first} from {second}."
    needed = found.seeds_needed
    if needed is None:
        return f"{first} can't be told from {second}, nor how many seeds would do: {found.reason}."
    if needed.seeds is None:
        return f"To tell {first} from {second} takes more seeds than can be told from these."
    least = number_words(needed.least or 0, 2)
    reach = f"{least} to {number_words(needed.most, 2)}" if needed.most else f"{least} or more, without an upper end"
    return f"To tell {first} from {second} takes about {number_words(needed.seeds, 2)} seeds ({reach})."


def worth_row(row: BoardRow, *, is_history: bool = False) -> dict[str, Any]:
    """Return what a policy of a board is worth, as words in columns; money in thousands.

    A history has no drift to recover from, and its F1 is that on recorded labels.
    """
    scores = row.scores
    quality = (
        {"F1, recorded labels": _with_margin(scores[Score.F1_OBSERVED], ".3f")}
        if is_history
        else {
            "F1 after": _with_margin(scores[Score.F1_AFTER], ".3f"),
            "recovery": _recovery(row.f1_recovery),
        }
    )
    return {
        "policy": row.policy,
        "rank": rank_words(row.rank),
        "net value": _thousands(scores[Score.NET_VALUE]),
        "regret": _thousands(scores[Score.REGRET]),
        **quality,
        "ROI": _with_margin(scores[Score.ROI_REALISED], ".0%"),
    }


def rank_words(rank: Rank | None) -> str:
    """Return a place with its range.

    >>> rank_words(Rank(1.5, 1, 3))
    '1.5 (1 to 3)'
    """
    return "-" if rank is None else f"{rank.place:g} ({rank.best} to {rank.worst})"


def response_row(row: BoardRow, *, is_history: bool = False) -> dict[str, Any]:
    """Return how a policy of a board responded, as words in columns; of a history only what can be known of one."""
    scores = row.scores
    done = {
        "policy": row.policy,
        "retrains": _plain(scores[Score.RETRAINS], ".1f"),
        "rejected": _plain(scores[Score.REJECTIONS], ".1f"),
    }
    if is_history:
        return {**done, "stale": _plain(scores[Score.STALENESS_DAYS], ".0f")}
    return {
        **done,
        "needless": _plain(scores[Score.NEEDLESS_RETRAINS], ".1f"),
        "alarms/y": _plain(scores[Score.FALSE_ALARMS_PER_YEAR], ".2f"),
        "detected": _censored(row, Score.DETECTION_DAYS),
        "recovered": _censored(row, Score.RECOVERY_DAYS),
        "stale": _plain(scores[Score.STALENESS_DAYS], ".0f"),
    }


def clause_rows(board: Board) -> Iterator[dict[str, Any]]:
    """Yield what each clause of each rule of a board is worth, as words in columns."""
    worth = {(each.policy, each.clause): each.worth[RANKED_BY] for each in board.ablations}
    for row in board.policies:
        for counts in row.clauses:
            yield {
                "policy": row.policy,
                "clause": counts.clause,
                "true": f"{counts.true:.1f}",
                "alone": f"{counts.true_alone:.1f}",
                "missing": f"{counts.missing:.1f}",
                "net value": _thousands(worth.get((row.policy, counts.clause))),
            }


def _recovery(ratio: ScoreRatio | None) -> str:
    if ratio is None:
        return "-"
    if ratio.missing is not None or ratio.interval is None:
        return "within noise" if ratio.n >= MIN_SEEDS else "-"
    low, high = ratio.interval
    return f"{ratio.estimate:.2f} ({_unsigned(low):.2f} to {high:.2f})"


def _unsigned(value: float) -> float:
    """Return a number that two places tell from nothing, or nothing without a sign."""
    return round(value, 2) + 0.0


def _thousands(found: ScoreMean | Difference | None) -> str:
    """Return a mean and its margin in thousands."""
    if found is None or found.mean is None:
        return "-"
    ends = None if found.interval is None else (found.interval[0] / 1000, found.interval[1] / 1000)
    return _margin(found.mean / 1000, ends, ",.0f")


def _with_margin(mean: ScoreMean | None, style: str) -> str:
    return "-" if mean is None else _margin(mean.mean, mean.interval, style)


def _margin(mean: float, interval: Ends | None, style: str) -> str:
    """Return a mean with half the width of its interval, or alone where the seeds are too few for one."""
    if interval is None:
        return f"{mean:{style}}"
    low, high = interval
    return f"{mean:{style}} ± {(high - low) / 2:{style}}"


def _plain(mean: ScoreMean | None, style: str) -> str:
    return "-" if mean is None else f"{mean.mean:{style}}"


def _censored(row: BoardRow, score: Score) -> str:
    """Return a restricted mean and the share of seeds in which it is the limit."""
    mean, never = row.scores[score], row.never_share[score]
    if mean is None:
        return "-"
    if never == 1:
        return "never"
    return f"{mean.mean:.0f}" + (f", {never:.0%} never" if never else "")
