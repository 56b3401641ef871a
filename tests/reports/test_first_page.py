"""The first page: what it says is what was found, in words that somebody who decides knows."""

import re
import shutil
from dataclasses import replace

import pytest
from report_lives import RULES, played
from test_report import read

from reports.amounts import money_words
from reports.comparison_first_page import always_true, comparison_first_page
from reports.first_page import FirstPage
from reports.report import write_report
from reports.run_first_page import run_first_page
from reports.study_folder import read_study
from sim.study.comparison.boards import ClauseMeans, Difference
from sim.study.comparison.leaderboard import leaderboard
from sim.study.inference.seeds_needed import SeedsNeeded
from sim.study.inference.verdicts import Verdict
from sim.study.run_folder import read_record
from sim.study.scores.judge import summarise
from sim.study.scores.table import RANKED_BY

STATISTICIANS = re.compile(
    r"can't be told|contest|on both counts|interval|p-value|\bp 0\.|signific|null hypothesis|quantile|confidence|"
    r"variance|standard error|bootstrap|t-test|regret|censored|verdict|propensit|stale|\bROI\b|seeds? \d|onset",
    re.IGNORECASE,
)


def words_of(page: FirstPage) -> str:
    told = [page.question, page.answer, *page.points, *page.points.values(), page.sides_title]
    told += [str(cell) for row in page.sides for pair in row.items() for cell in pair]
    return "\n".join([*told, *page.warnings, *page.not_shown, *page.words])


EARNED = {
    "never": [100.0] * 5,
    RULES[0]: [3013.0, 3022.0, 3031.0, 3044.0, 3057.0],
    RULES[1]: [2004.0, 2011.0, 2060.0, 2037.0, 1995.0],
    RULES[2]: [2901.0, 3052.0, 2800.0, 3014.0, 2990.0],
    "oracle": [4000.0] * 5,
}


def earning(found, **changes):
    """Return the study with given net values, by policy, in each of five lives of every scenario."""
    cells = found.cells.copy()
    for policy, values in {**EARNED, **changes}.items():
        own = cells["policy"] == policy
        cells.loc[own, "net_value"] = cells.loc[own, "seed"].map(dict(zip(range(1, 6), values, strict=True)))
    return replace(found, cells=cells, leaderboard=leaderboard(cells, "never", found.policies))


@pytest.fixture(scope="module")
def played_study(study):
    return read_study(study, {})


@pytest.fixture(scope="module")
def found(played_study):
    return earning(played_study)


def board_of(found, name="drifting@1"):
    return next(board for board in found.leaderboard.boards if board.scenario == name)


def gain_of(board, **changes):
    """Return a board whose best policy, and it alone, has another difference from the baseline."""
    best = max((row for row in board.policies if row.policy != "oracle"), key=lambda row: row.scores[RANKED_BY].mean)
    gain = replace(best.against_baseline[RANKED_BY], **changes)
    row = replace(best, against_baseline={**best.against_baseline, RANKED_BY: gain})
    return replace(board, policies=tuple(row if each is best else each for each in board.policies)), row


def test_no_word_is_the_statisticians(found, played_study, run):
    pages = [
        comparison_first_page(each, board) for each in (found, played_study) for board in each.leaderboard.boards
    ]
    pages += [run_first_page(read_record(run)), run_first_page(read_record(run), read_record(run))]
    for verdict in Verdict:
        pages.append(comparison_first_page(found, gain_of(board_of(found), verdict=verdict)[0]))
    for page in pages:
        assert STATISTICIANS.findall(words_of(page)) == []
        assert page.question
        assert page.not_shown
    assert STATISTICIANS.search("which can't be told from chance"), "the test sees such a word"


def test_what_was_shown_is_said_with_its_range(found):
    board, best = gain_of(board_of(found), mean=4321.0, interval=(1234.0, 7408.0), verdict=Verdict.MORE)
    page = comparison_first_page(found, board)
    assert page.answer == (
        f"Retrain when {best.policy}: over 5 months that earns USD 4,300 more (1,200 to 7,400) than never retraining."
    )
    assert page.points["The setting to choose"] == f"retrain when {best.policy}"
    mean = best.scores[RANKED_BY]
    assert page.points["Its worth over 5 months"] == f"net value {money_words(mean.mean, 'USD', mean.interval)}"
    assert any("95 of 100" in sentence for sentence in page.words)
    assert {"never", best.policy} <= set(page.sides[0])


def test_what_was_not_shown_is_not_claimed(found):
    board, best = gain_of(board_of(found), mean=900.0, interval=(-2000.0, 3800.0), verdict=Verdict.UNTOLD)
    page = comparison_first_page(found, board)
    assert page.answer == (
        f"Nothing was shown to earn more than never: the best, {best.policy}, earned USD 900 more (2,000 less to "
        "3,800 more), which may be luck."
    )
    assert "The setting to choose" not in page.points
    assert any(best.policy in sentence for sentence in page.not_shown if sentence.startswith("Whether these earn"))


def test_the_next_best_is_named_where_it_may_be_as_good(found):
    board = board_of(found)
    closest = board.closest_contest
    needed = SeedsNeeded(93, 18, None)
    told = replace(closest, difference=replace(closest.difference, verdict=Verdict.UNTOLD, seeds_needed=needed))
    page = comparison_first_page(found, replace(board, closest_contest=told))
    first, second = closest.policies
    said = (
        f"That {first} is better than the next best, {second}, was not shown. It would take about 93 lives of each."
    )
    assert said in page.not_shown


def test_below_five_lives_it_says_why_there_is_no_range(found):
    few = replace(found, leaderboard=replace(found.leaderboard, seeds=(1, 2)))
    board, _ = gain_of(board_of(found), interval=None, n=2, verdict=Verdict.NO_INTERVAL)
    page = comparison_first_page(few, board)
    assert "2 lives of each were played, and a range takes 5: raise --seeds" in page.answer
    assert any(sentence.startswith("How much of this is luck: with 2 lives") for sentence in page.not_shown)
    assert not any("95 of 100" in sentence for sentence in page.words)


def test_staying_with_the_proposal_costs_the_difference_of_the_two(found):
    told = comparison_first_page(found, board_of(found)).points["Staying with the proposal's setting"]
    assert re.fullmatch(r"f1_drop > 0\.05 costs USD 1,01\d \(9\d\d to 1,\d{3}\) over 5 months\.", told)
    as_good = earning(found, **{RULES[1]: EARNED[RULES[0]]})
    told = comparison_first_page(as_good, board_of(as_good)).points["Staying with the proposal's setting"]
    assert told in {
        "costs nothing: it is what earned most.",
        "costs nothing: f1_drop > 0.05 did the same in every life.",
    }
    nearly = earning(found, **{RULES[1]: [3061.0, 3003.0, 3055.0, 3014.0, 3020.0]})
    told = comparison_first_page(nearly, board_of(nearly)).points["Staying with the proposal's setting"]
    assert re.fullmatch(r"f1_drop > 0\.05 earned USD \d+ less \(\d+ less to \d+ more\), which may be luck\.", told)
    best = earning(found, **{RULES[1]: [9000.0, 9100.0, 9200.0, 9050.0, 9150.0]})
    told = comparison_first_page(best, board_of(best)).points["Staying with the proposal's setting"]
    assert told == "costs nothing: it is what earned most."


def test_without_the_proposal_it_says_how_to_have_it(found):
    only = replace(found, leaderboard=replace(found.leaderboard, boards=tuple(
        replace(board, policies=tuple(row for row in board.policies if row.policy != RULES[1]))
        for board in found.leaderboard.boards
    )))  # fmt: skip
    page = comparison_first_page(only, board_of(only))
    assert "add --policy proposal" in page.points["Staying with the proposal's setting"]


def test_a_clause_that_was_always_true_is_said(found):
    board = board_of(found)
    always = ClauseMeans("age_days > 30", 5.0, 5.0, 0.0)
    rows = [replace(row, clauses=(always, ClauseMeans("psi_max > 1", 4.9, 4.9, 0.0))) for row in board.policies]
    page = comparison_first_page(found, replace(board, policies=tuple(rows)))
    assert [sentence for sentence in page.warnings if "was true in every step" in sentence] == [
        "`age_days > 30` was true in every step of every life: it works as a calendar, and says nothing of when."
    ]
    assert always_true(board, None) == []


def test_a_failed_comparison_says_so(found):
    board = board_of(found)
    lost = replace(
        board,
        policies=tuple(
            replace(
                row, scores=dict.fromkeys(row.scores), against_baseline={RANKED_BY: Difference(None, None, None, 0)}
            )
            for row in board.policies
        ),
    )
    assert "every cell of the comparison failed" in comparison_first_page(found, lost).answer


def test_a_run_says_what_it_earned_and_spent(run):
    record = read_record(run)
    page, scores = run_first_page(record), summarise(record)
    assert money_words(scores.net_value, "USD") in page.answer
    assert page.points["Spent on retraining"] == f"USD {1000 * scores.retrains:,}"
    assert [set(row) for row in page.sides] == [{"", "before", "after"}] * 3
    euros = replace(record, scenario=record.scenario.model_copy(
        update={"prices": record.scenario.prices.model_copy(update={"currency": "EUR"})}
    ))  # fmt: skip
    assert words_of(run_first_page(euros)) == words_of(page).replace("USD", "EUR")


def test_against_another_run_the_gain_is_said(run, tmp_path):
    record, other = read_record(run), read_record(played(tmp_path / "never", "never"))
    gain = summarise(record).net_value - summarise(other).net_value
    page = run_first_page(record, other)
    assert f"never earned {money_words(abs(gain), 'USD')} {'less' if gain >= 0 else 'more'}" in page.answer
    assert {"never", record.policy} <= set(page.sides[0])


def test_the_page_begins_with_the_answer_and_ends_with_the_machinery(run_page, study_page):
    for path in (run_page, study_page):
        page = read(path)
        headings = ["The answer", "What was not shown", "The evidence", "How it was played", "How to make it again"]
        places = [page.text.index(heading) for heading in headings]
        assert places == sorted(places)


def test_the_report_takes_a_currency(run, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    text = write_report(tmp_path / "run", {"currency": "CHF"}).read_text(encoding="utf-8")
    assert "CHF" in text
    assert "USD" not in re.sub(r"currency = .*", "", text), "only the scenario as it was played has the other"
    assert "All money is at other prices" not in text
    assert "--price currency=CHF" in text
