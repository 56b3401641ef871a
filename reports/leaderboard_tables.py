"""Leaderboards for the terminal: what each policy is worth, how sure that is, and what it costs."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from reports.tables import rows_table
from sim.study.comparison.boards import Board, BoardRow, Difference, Ends, ScoreMean, ScoreRatio
from sim.study.inference.contests import MIN_SEEDS
from sim.study.scores.table import RANKED_BY, Score

ALPHA = 0.05


def board_tables(board: Board, baseline: str) -> RenderableType:
    """Return a board as sentences and tables: worth, response, and what each clause of a rule is worth."""
    title = f"{board.scenario}, gates {board.gates}"
    parts: list[RenderableType] = [Text(f"\n{title}", style="bold"), *map(Text, sentences(board, baseline))]
    worth = "Worth (money in thousands; ± is half a 95 % interval over seeds)"
    response = "Response (a year's false alarms; days; the share of seeds where it never came)"
    if board.critical_difference is not None:
        worth += f"\nranks less than {board.critical_difference:.1f} apart can't be told apart"
    parts.append(rows_table(worth, [worth_row(row) for row in board.policies]))
    parts.append(rows_table(response, [response_row(row) for row in board.policies]))
    if any(row.clauses for row in board.policies):
        title = "Clauses (steps of a world: true, true alone, missing; rule less rule without, in thousands)"
        parts.append(rows_table(title, list(clause_rows(board))))
    return Group(*parts)


def sentences(board: Board, baseline: str) -> Iterator[str]:
    """Yield what a reader may conclude: for each policy whether it differs from the baseline, and by how much."""
    for row in board.policies:
        contest = row.against_baseline[RANKED_BY]
        if contest.mean is None or contest.interval is None:
            continue
        low, high = contest.interval
        p_value = contest.p_value_holm
        is_clear = p_value is not None and p_value < ALPHA and not low <= 0 <= high
        verdict = "can't be told from" if not is_clear else "earns more than" if low > 0 else "earns less than"
        yield (
            f"{row.policy} {verdict} {baseline}: {contest.mean:+,.0f} in net value "
            f"({low:+,.0f} to {high:+,.0f}, p {p_value:.3g})."
        )
    for reason in dict.fromkeys(row.regret_missing for row in board.policies if row.regret_missing):
        yield f"There is no regret here: {reason}."
    closest = board.closest_contest
    if closest is not None:
        first, second = closest.policies
        needed = closest.seeds_needed
        told = f"about {needed} seeds" if needed else "more seeds than can be told from these"
        yield f"To tell {first} from {second} takes {told}."


def worth_row(row: BoardRow) -> dict[str, Any]:
    """Return what a policy of a board is worth, as words in columns; money in thousands."""
    scores = row.scores
    return {
        "policy": row.policy,
        "rank": "-" if row.mean_rank is None else f"{row.mean_rank:.1f}",
        "net value": _thousands(scores[Score.NET_VALUE]),
        "regret": _thousands(scores[Score.REGRET]),
        "F1 after": _with_margin(scores[Score.F1_AFTER], ".3f"),
        "recovery": _recovery(row.f1_recovery),
        "ROI": _with_margin(scores[Score.ROI_REALISED], ".0%"),
    }


def response_row(row: BoardRow) -> dict[str, Any]:
    """Return how a policy of a board responded, as words in columns."""
    scores = row.scores
    return {
        "policy": row.policy,
        "retrains": _plain(scores[Score.RETRAINS], ".1f"),
        "rejected": _plain(scores[Score.REJECTIONS], ".1f"),
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
    return f"{ratio.estimate:.2f} ({low:.2f} to {high:.2f})"


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
