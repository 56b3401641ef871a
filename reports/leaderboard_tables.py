"""Leaderboards for the terminal: what each policy is worth, how sure that is, and what it costs."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from reports.tables import rows_table
from sim.study.inference.contests import MIN_SEEDS

ALPHA = 0.05


def board_tables(board: Mapping[str, Any], baseline: str) -> RenderableType:
    """Return a board as sentences and tables: worth, response, and what each clause of a rule is worth."""
    title = f"{board['scenario']}, gates {board['gates']}"
    parts: list[RenderableType] = [Text(f"\n{title}", style="bold"), *map(Text, sentences(board, baseline))]
    worth = "Worth (money in thousands; ± is half a 95 % interval over seeds)"
    response = "Response (a year's false alarms; days; the share of seeds where it never came)"
    if board["critical_difference"] is not None:
        worth += f"\nranks less than {board['critical_difference']:.1f} apart can't be told apart"
    parts.append(rows_table(worth, [worth_row(row) for row in board["policies"]]))
    parts.append(rows_table(response, [response_row(row) for row in board["policies"]]))
    if any(row["clauses"] for row in board["policies"]):
        title = "Clauses (steps of a world: true, true alone, missing; rule less rule without, in thousands)"
        parts.append(rows_table(title, list(clause_rows(board))))
    return Group(*parts)


def sentences(board: Mapping[str, Any], baseline: str) -> Iterator[str]:
    """Yield what a reader may conclude: for each policy whether it differs from the baseline, and by how much."""
    for row in board["policies"]:
        found = row["against_baseline"]["net_value"]
        if found["interval"] is None:
            continue
        low, high = found["interval"]
        p_value = found["p_value_holm"]
        is_clear = p_value is not None and p_value < ALPHA and not low <= 0 <= high
        verdict = "can't be told from" if not is_clear else "earns more than" if low > 0 else "earns less than"
        yield (
            f"{row['policy']} {verdict} {baseline}: {found['mean']:+,.0f} in net value "
            f"({low:+,.0f} to {high:+,.0f}, p {p_value:.3g})."
        )
    for reason in dict.fromkeys(row["regret_missing"] for row in board["policies"] if row["regret_missing"]):
        yield f"There is no regret here: {reason}."
    contest = board["closest_contest"]
    if contest is not None:
        first, second = contest["policies"]
        needed = contest["seeds_needed"]
        told = f"about {needed} seeds" if needed else "more seeds than can be told from these"
        yield f"To tell {first} from {second} takes {told}."


def worth_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a policy of a board is worth, as words in columns; money in thousands."""
    scores = row["scores"]
    return {
        "policy": row["policy"],
        "rank": "-" if row["mean_rank"] is None else f"{row['mean_rank']:.1f}",
        "net value": _thousands(scores["net_value"]),
        "regret": _thousands(scores["regret"]),
        "F1 after": _with_margin(scores["f1_after"], ".3f"),
        "recovery": _recovery(row["f1_recovery"]),
        "ROI": _with_margin(scores["roi_realised"], ".0%"),
    }


def response_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a policy of a board responded, as words in columns."""
    scores, never = row["scores"], row["never_share"]
    return {
        "policy": row["policy"],
        "retrains": _plain(scores["retrains"], ".1f"),
        "rejected": _plain(scores["rejections"], ".1f"),
        "needless": _plain(scores["needless_retrains"], ".1f"),
        "alarms/y": _plain(scores["false_alarms_per_year"], ".2f"),
        "detected": _censored(scores["detection_days"], never["detection_days"]),
        "recovered": _censored(scores["recovery_days"], never["recovery_days"]),
        "stale": _plain(scores["staleness_days"], ".0f"),
    }


def clause_rows(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what each clause of each rule of a board is worth, as words in columns."""
    worth = {(each["policy"], each["clause"]): each["worth"]["net_value"] for each in board["ablations"]}
    for row in board["policies"]:
        for counts in row["clauses"]:
            yield {
                "policy": row["policy"],
                "clause": counts["clause"],
                "true": f"{counts['true']:.1f}",
                "alone": f"{counts['true_alone']:.1f}",
                "missing": f"{counts['missing']:.1f}",
                "net value": _thousands(worth.get((row["policy"], counts["clause"]))),
            }


def _recovery(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    if score["missing"] is not None:
        return "within noise" if score["n"] >= MIN_SEEDS else "-"
    low, high = score["interval"]
    return f"{score['estimate']:.2f} ({low:.2f} to {high:.2f})"


def _thousands(score: Mapping[str, Any] | None) -> str:
    """Return a mean and its margin in thousands."""
    if score is None or score["mean"] is None:
        return "-"
    interval = [end / 1000 for end in score["interval"]] if score["interval"] else None
    return _with_margin({"mean": score["mean"] / 1000, "interval": interval}, ",.0f")


def _with_margin(score: Mapping[str, Any] | None, style: str) -> str:
    """Return a mean with half the width of its interval, or alone where the seeds are too few for one."""
    if score is None:
        return "-"
    if score["interval"] is None:
        return f"{score['mean']:{style}}"
    low, high = score["interval"]
    return f"{score['mean']:{style}} ± {(high - low) / 2:{style}}"


def _plain(score: Mapping[str, Any] | None, style: str) -> str:
    return "-" if score is None else f"{score['mean']:{style}}"


def _censored(score: Mapping[str, Any] | None, never: float | None) -> str:
    """Return a restricted mean and the share of seeds in which it is the limit."""
    if score is None:
        return "-"
    if never == 1:
        return "never"
    return f"{score['mean']:.0f}" + (f", {never:.0%} never" if never else "")
