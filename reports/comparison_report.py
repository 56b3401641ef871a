"""The report of a comparison: the answer with its interval, a part for each board, and what each policy did."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from policies.catalogue import load_policy
from reports.amounts import other_prices_words, thousands_words
from reports.board import ORACLE, ordered
from reports.caption import board_caption, seeds_words, source
from reports.charts.before_after import Side, before_after_chart
from reports.charts.leaderboard import leaderboard_chart
from reports.charts.ranks import rank_chart
from reports.charts.recovery_cost import recovery_cost_chart
from reports.charts.response_split import response_split_chart
from reports.charts.threshold import threshold_chart
from reports.charts.trigger_roc import trigger_roc_chart
from reports.comparison_first_page import comparison_first_page
from reports.families import families
from reports.leaderboard_tables import clause_rows, response_row, sentences, verdict_words, worth_row
from reports.page import Page, PageTable, Section, report_command, scenario_text
from reports.same_lives import by_worth
from reports.save import Picture, file_name, save
from reports.study_folder import StudyFolder, lives_of, read_study
from scenarios.files import to_toml
from sim.errors import InputError
from sim.study.comparison.boards import NOTHING, Board, BoardRow, Difference
from sim.study.comparison.leaderboard import RESAMPLE
from sim.study.scores.monthly import Monthly
from sim.study.scores.pricing import PriceChange
from sim.study.scores.table import RANKED_BY, Score

_OPENINGS = ("before_after", "leaderboard")
_MOST_FAMILIES = 2


def comparison_page(folder: Path, pictures: Path, change: PriceChange) -> Page:
    """Draw the pictures of a comparison into a folder and return its page."""
    study = read_study(folder, change)
    boards = sorted(study.leaderboard.boards, key=lambda board: not board.is_overall)
    if not boards:
        msg = f"a report needs a comparison with at least one cell, but {folder} holds none; play it first."
        raise InputError(msg)
    sections = [_section(study, board, pictures) for board in boards]
    opening = min(sections[0].pictures, key=_opens, default=None)
    return Page(
        title=_title(study),
        first=comparison_first_page(study, boards[0]),
        asked=_asked(study),
        opening=opening,
        sections=[_without(sections[0], opening), *sections[1:]],
        log=[PageTable("How often each policy acted, as means over seeds", list(_log(study, boards)))],
        commands=_commands(study, folder, change),
        notes=list(_notes(study, change)),
        texts={f"{name}.toml": to_toml(scenario) for name, scenario in study.played.items()},
        scenarios=list(dict.fromkeys(board.scenario for board in boards)),
        policies=study.policies,
    )


def _without(section: Section, opening: Picture | None) -> Section:
    return replace(section, pictures=[picture for picture in section.pictures if picture is not opening])


def _opens(picture: Picture) -> int:
    """Return how well a picture opens a report, less is better."""
    return next((place for place, name in enumerate(_OPENINGS) if picture.name.startswith(name)), len(_OPENINGS))


def _title(study: StudyFolder) -> str:
    what = study.asked.population if study.asked.is_history else ", ".join(study.scenarios)
    return f"{'Backtest' if study.asked.is_history else 'Which policy?'} {what}"


def _section(study: StudyFolder, board: Board, pictures: Path) -> Section:
    scenario, gates, baseline = board.scenario, board.gates, study.leaderboard.baseline
    charts = dict(board_charts(study, board))
    best_first = by_worth(board)
    drawn: list[Picture] = [
        save(figure, pictures, file_name(name, scenario, gates)) for name, figure in charts.items()
    ]
    told = [(_policy_of(sentence, study.policies), sentence) for sentence in sentences(best_first, baseline)]
    told += [("", sentence) for sentence in verdict_words(board)]
    of = {"is_history": study.asked.is_history}
    thousands = thousands_words(study.currency)
    tables = [
        PageTable(f"Worth (money in {thousands})", [worth_row(row, **of) for row in best_first.policies]),
        PageTable("Response (days; false alarms a year)", [response_row(row, **of) for row in best_first.policies]),
        PageTable(f"Clauses (steps of a world; net value in {thousands})", list(clause_rows(best_first))),
    ]
    one = f"The history {study.asked.population}" if study.asked.is_history else scenario
    title = "All scenarios together" if board.is_overall else one
    return Section(f"{title}, gates {gates}", scenario, told, drawn, [table for table in tables if table.rows])


def board_charts(study: StudyFolder, board: Board) -> Iterator[tuple[str, Figure]]:
    """Yield every chart of one board by name."""
    baseline, population = study.leaderboard.baseline, study.asked.population
    caption = board_caption(board, study.leaderboard.seeds, population, is_of_one_past=not study.resampled.empty)
    yield "leaderboard", leaderboard_chart(board, baseline, caption, study.currency)
    sides = _sides(study, board)
    if sides is not None:
        before, after, seeds = sides
        what = (study.scenarios[board.scenario], seeds, population, board.gates, _gain(board, after.policy))
        yield "before_after", before_after_chart(before, after, *what, is_history=study.asked.is_history)
    rows = board.policies
    if any(row.estimate(Score.F1_RECOVERY) for row in rows):
        yield "recovery_cost", recovery_cost_chart(board, caption)
    if any(row.estimate(Score.DETECTION_DAYS) for row in rows):
        yield "response_split", response_split_chart(board, caption)
    for number, family in enumerate(families([row.policy for row in rows])[:_MOST_FAMILIES], start=1):
        yield f"threshold_{number}", threshold_chart(family, board, caption, study.currency)
        if any(row.estimate(Score.DETECTION_DAYS) for row in rows):
            yield f"trigger_roc_{number}", trigger_roc_chart(family, board, caption)
    if any(row.rank is not None for row in rows) and len(rows) > 1:
        yield "ranks", rank_chart(board, caption)


def _gain(board: Board, policy: str) -> Difference:
    """Return what a board says of a policy less the baseline in net value."""
    row = board.row(policy)
    return NOTHING if row is None else row.against_baseline[RANKED_BY]


def _sides(study: StudyFolder, board: Board) -> tuple[Side, Side, list[int]] | None:
    """Return the baseline and the policy of the highest net value, oracle aside, over the seeds that both lived."""
    baseline = study.leaderboard.baseline
    best = [row.policy for row in ordered(board, RANKED_BY) if row.policy not in {baseline, ORACLE}]
    if not best or board.is_overall:
        return None
    again = [] if study.resampled.empty else [cells for _, cells in study.resampled.groupby(RESAMPLE)]
    lives = [[lives_of(cells, board, policy) for cells in (study.cells, *again)] for policy in (baseline, best[0])]
    seeds = sorted(set.intersection(*(set(by_seed) for each in lives for by_seed in each)))
    if not seeds:
        return None
    before, after = (
        Side(policy, _by_seed(each[0], seeds), tuple(_by_seed(again, seeds) for again in each[1:]))
        for policy, each in zip((baseline, best[0]), lives, strict=True)
    )
    return before, after, seeds


def _by_seed(lives: Mapping[int, Monthly], seeds: Sequence[int]) -> tuple[Monthly, ...]:
    return tuple(lives[seed] for seed in seeds)


def _asked(study: StudyFolder) -> dict[str, str]:
    stories = [f"{scenario.name}: {scenario.title}" for scenario in study.scenarios.values()]
    gates = dict.fromkeys(board.gates for board in study.leaderboard.boards)
    return {
        "Question": "Which policy is worth most, and how sure is that?",
        "History" if study.asked.is_history else "Scenarios": "; ".join(stories),
        "Policies": "; ".join(study.policies),
        "Baseline": study.leaderboard.baseline,
        "Gates": ", ".join(gates),
        "Customers": source(study.asked.population),
        "Seeds": seeds_words(study.leaderboard.seeds, is_of_one_past=not study.resampled.empty),
        "Cells": f"{study.leaderboard.cells:,}, of which {study.leaderboard.failed_cells:,} failed",
    }


def _log(study: StudyFolder, boards: Sequence[Board]) -> Iterator[dict[str, Any]]:
    first = min(study.leaderboard.seeds)
    for board in boards:
        if board.is_overall:
            continue
        for row in by_worth(board).policies:
            life = lives_of(study.cells, board, row.policy).get(first)
            yield {
                "policy": row.policy,
                "scenario": board.scenario,
                "gates": board.gates,
                "asked for": _told_mean(row, Score.RETRAINS),
                "promoted": _told_mean(row, Score.PROMOTIONS),
                "rejected": _told_mean(row, Score.REJECTIONS),
                "needless": _told_mean(row, Score.NEEDLESS_RETRAINS),
                f"steps of its requests (seed {first})": _steps(life),
            }


def _told_mean(row: BoardRow, score: Score) -> str:
    estimate = row.estimate(score)
    return "-" if estimate is None else f"{estimate.value:.1f}"


def _steps(life: Monthly | None) -> str:
    if life is None:
        return "-"
    return ", ".join(map(str, dict.fromkeys(life.requested))) or "none"


def _commands(study: StudyFolder, folder: Path, change: PriceChange) -> list[str]:
    """Return the commands that play the comparison again and report it."""
    asked = study.asked
    words = ["retrainlab", "compare", *(scenario_text(scenario) for scenario in study.played.values())]
    for policy in study.policies:
        words += ["--policy", policy]
    for gates in dict.fromkeys(board.gates for board in study.leaderboard.boards):
        words += ["--gates", gates]
    words += ["--baseline", study.leaderboard.baseline, "--seeds", str(len(study.leaderboard.seeds))]
    words += [*asked.population_arguments, "--trials", str(asked.trials)]
    words += ["--split"] if asked.split else []
    return [shlex.join(words), report_command(folder, change)]


def _notes(study: StudyFolder, change: PriceChange) -> Iterator[str]:
    if told := other_prices_words(change, "comparison"):
        yield f"{told} There is no regret then."
    unknown = [policy for policy in study.policies if not _is_loadable(policy)]
    if unknown:
        yield f"These policies came from files and are not in the catalogue: {', '.join(unknown)}."


def _is_loadable(policy: str) -> bool:
    if policy == ORACLE or policy.startswith("coin("):
        return True
    try:
        load_policy(policy)
    except InputError:
        return False
    return True


def _policy_of(sentence: str, policies: Sequence[str]) -> str:
    """Return the policy that a sentence begins with, the longest where several do; nothing if it is none."""
    return max((policy for policy in policies if sentence.startswith(f"{policy} ")), key=len, default="")
