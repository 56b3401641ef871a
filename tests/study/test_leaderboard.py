"""The leaderboard of tiny tables of cells, worked out by hand."""

import json
from io import StringIO
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from reports.leaderboard_tables import board_tables, sentences
from sim.study.comparison.boards import NOTHING, ClauseMeans, Rank, plain_leaderboard
from sim.study.comparison.families import MOST_COMPARED, BoardFamily
from sim.study.comparison.leaderboard import leaderboard
from sim.study.inference.verdicts import Verdict, all_pairs, tell

SEEDS = (1, 2, 3, 4, 5, 6)
NEVER = (10.0, 11.0, 12.0, 10.0, 11.0, 12.0)
GOOD = (14.0, 15.0, 17.0, 15.1, 15.3, 16.8)
BAD = (8.0, 10.0, 11.0, 8.1, 10.2, 10.9)


def cells(policy, values, scenario="a@1", gates="none", **more):
    """Return a row for each seed; a value of `None` is a failed cell, a list holds a value for each seed."""
    rows = []
    for index, value in enumerate(values):
        row = {"scenario": scenario, "gates": gates, "policy": policy, "of": None, "drops": None, "seed": index + 1}
        if value is None:
            rows.append({**row, "error": "RuntimeError: broken"})
            continue
        extra = {name: of[index] if isinstance(of, list) else of for name, of in more.items()}
        rows.append({**row, "error": None, "net_value": value, **extra})
    return rows


def boards_of(*rows, policies=("never", "good", "bad")):
    found = leaderboard(pd.DataFrame([row for part in rows for row in part]), "never", policies)
    json.dumps(plain_leaderboard(found), allow_nan=False)
    for board in found.boards:  # no table may choke on what is missing
        Console(file=StringIO(), width=80).print(board_tables(board, "never"))
    return found


def rows_of(board):
    return {row.policy: row for row in board.policies}


def test_means_intervals_differences_and_ranks_by_hand():
    found = boards_of(cells("never", NEVER), cells("good", GOOD), cells("bad", BAD))
    (board,) = found.boards
    rows = rows_of(board)
    assert (found.baseline, found.seeds, found.cells, found.failed_cells) == ("never", SEEDS, 18, 0)
    mean, sd = np.mean(GOOD), np.std(GOOD, ddof=1)
    margin = stats.t.ppf(0.975, 5) * sd / sqrt(6)
    score = rows["good"].scores["net_value"]
    assert score.mean == pytest.approx(mean)
    assert score.interval == pytest.approx((mean - margin, mean + margin))
    against = rows["good"].against_baseline["net_value"]
    assert against.mean == pytest.approx(np.mean(np.subtract(GOOD, NEVER)))
    assert against.verdict is Verdict.MORE
    assert [rows[name].rank for name in ("good", "never", "bad")] == [Rank(1, 1, 1), Rank(2, 2, 2), Rank(3, 3, 3)]
    assert rows["never"].against_baseline["net_value"] == NOTHING
    assert board.closest_contest.policies == ("good", "never")
    assert board.closest_contest.difference == against


def test_all_pairs_of_a_board_are_one_family_and_its_ablations_another():
    ablation = [{**row, "of": "good", "drops": "x"} for row in cells("good without x", BAD)]
    found = boards_of(cells("never", NEVER), cells("good", GOOD), cells("bad", BAD), ablation)
    rows = rows_of(found.boards[0])
    expected = tell(np.column_stack([NEVER, GOOD, BAD]), all_pairs(3))
    for name, told in zip(("good", "bad"), expected[:2], strict=True):
        assert rows[name].against_baseline["net_value"].p_value == pytest.approx(told.p_value)
    (worth,) = found.boards[0].ablations
    assert (worth.policy, worth.clause) == ("good", "x")
    assert worth.worth["net_value"].mean == pytest.approx(np.mean(np.subtract(GOOD, BAD)))
    assert worth.worth["net_value"].p_value == pytest.approx(stats.ttest_rel(GOOD, BAD).pvalue)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([5, 6, 10, 20]), st.sampled_from([0.0, 0.4, 1.0]))
def test_no_sentence_contradicts_an_interval_a_p_value_or_a_rank(seed, seeds, effect):
    rng = np.random.default_rng(seed)
    values = 1_000 * (3 * rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, 5)) + effect * np.arange(5))
    values[:, 3] = values[:, 2]  # the same life twice
    names = ["never", *"abcd"]
    rare = np.where(rng.random(seeds) < 0.1, values[:, 0] + 500, values[:, 0])
    parts = [cells(name, column) for name, column in zip([*names, "rare"], [*values.T, rare], strict=True)]
    (board,) = boards_of(*parts, policies=(*names, "rare")).boards
    told = list(sentences(board, "never"))
    for row in board.policies[1:]:
        found = row.against_baseline["net_value"]
        sentence = next(each for each in told if each.startswith(f"{row.policy} "))
        is_told = found.verdict in {Verdict.MORE, Verdict.LESS}
        assert ("earns" in sentence) == is_told
        assert ("did the same" in sentence) == (found.verdict is Verdict.SAME)
        if found.interval is None:
            assert "+0 to +0" not in sentence
            assert not is_told
            continue
        low, high = found.interval
        assert (low > 0 or high < 0) == is_told == (found.p_value <= 0.05)
        reference = board.row("never").rank
        if is_told:  # whoever is shown to earn more has at least one place behind it, and the other one before it
            better, worse = (row.rank, reference) if found.mean > 0 else (reference, row.rank)
            assert better.worst < len(board.policies)
            assert worse.best > 1
            assert better.place < worse.place
    first, second = board.closest_contest.policies
    best, runner_up = board.row(first).rank, board.row(second).rank
    assert best.place <= runner_up.place
    if board.closest_contest.difference.verdict is Verdict.MORE:
        assert told[-1] == f"These {seeds} seeds tell {first} from {second}."
        assert best.worst < len(board.policies)
    elif board.closest_contest.difference.verdict is Verdict.UNTOLD:
        assert best.worst > 1
        needed = board.closest_contest.difference.seeds_needed
        assert needed.seeds is None or needed.seeds > seeds


def test_many_settings_are_told_from_the_baseline_alone_and_in_little_time():
    rng = np.random.default_rng(3)
    settings_of_one_rule = 440_000 + 60_000 * rng.normal(size=(10, 1)) + 100 * rng.normal(size=(10, 400))
    values = np.column_stack([np.zeros(10), settings_of_one_rule])
    family = BoardFamily.of(values, 0)
    found = [family.difference(setting, 0) for setting in range(1, 401)]
    assert {each.verdict for each in found} == {Verdict.MORE}
    assert max(each.p_value for each in found) <= 0.002
    assert len(family.places) == 400 > MOST_COMPARED
    assert family.ranks() == (None,) * 401


def test_a_failed_seed_counts_for_nobody():
    failed = (None, *GOOD[1:])
    (board,) = boards_of(cells("never", NEVER), cells("good", failed), cells("bad", BAD)).boards
    rows = rows_of(board)
    assert board.seeds_left_out == (1,)
    assert [rows[name].scores["net_value"].n for name in ("never", "good", "bad")] == [5, 5, 5]
    assert rows["bad"].scores["net_value"].mean == pytest.approx(np.mean(BAD[1:]))
    assert rows["bad"].against_baseline["net_value"].n == 5
    assert [rows[name].seeds for name in ("never", "good", "bad")] == [6, 5, 6]
    assert "Seeds in which a policy failed count for none: 1." in list(sentences(board, "never"))


def test_below_five_seeds_there_is_neither_interval_nor_rank():
    found = boards_of(cells("never", NEVER[:4]), cells("good", GOOD[:4]), policies=("never", "good"))
    for row in found.boards[0].policies:
        assert row.rank is None
        assert row.scores["net_value"].interval is None
        assert row.against_baseline["net_value"].interval is None
        assert row.against_baseline["net_value"].p_value is None
    reason = "4 seeds in which all have a value; at least 5 are needed"
    assert list(sentences(found.boards[0], "never")) == [
        f"good can't be told from never: +5 in net value, no interval can be given ({reason}).",
        f"good can't be told from never, nor how many seeds would do: {reason}.",
    ]


def test_times_that_never_came_count_as_the_days_to_the_end():
    days = [30.0, None, 60.0, None, 30.0, 30.0]
    found = boards_of(
        cells("never", NEVER, detection_days=None, days_after_onset=300),
        cells("good", GOOD, detection_days=days, days_after_onset=300),
        cells("bad", BAD, detection_days=0, days_after_onset=300),
    )
    rows = rows_of(found.boards[0])
    assert rows["good"].scores["detection_days"].mean == pytest.approx((30 + 300 + 60 + 300 + 30 + 30) / 6)
    shares = [rows[name].never_share["detection_days"] for name in ("never", "good", "bad")]
    assert shares == [1, pytest.approx(1 / 3), 0]
    calm = boards_of(cells("never", NEVER, detection_days=None, days_after_onset=None), policies=("never",))
    assert rows_of(calm.boards[0])["never"].never_share["detection_days"] is None


def test_recovery_is_a_ratio_of_sums_and_missing_for_all_alike():
    attainable = [4.0, 5.0, 6.0, 5.0, 4.0, 6.0]
    found = boards_of(
        cells("never", NEVER, recovery_gained=0.0, recovery_attainable=attainable),
        cells("good", GOOD, recovery_gained=[2.0, 2.5, 3.0, 2.5, 2.0, 3.5], recovery_attainable=attainable),
        policies=("never", "good"),
    )
    rows = rows_of(found.boards[0])
    assert rows["never"].f1_recovery.estimate == 0
    assert rows["good"].f1_recovery.estimate == pytest.approx(15.5 / 30)
    low, high = rows["good"].f1_recovery.interval
    assert low < 15.5 / 30 < high
    noise = [0.1, -0.1, 0.2, -0.2, 0.0, 0.1]
    noisy = boards_of(
        cells("never", NEVER, recovery_gained=0.0, recovery_attainable=noise),
        cells("good", GOOD, recovery_gained=5.0, recovery_attainable=noise),
        policies=("never", "good"),
    )
    assert all("includes 0" in row.f1_recovery.missing for row in noisy.boards[0].policies)


def test_overall_averages_scenarios_within_a_seed_first():
    parts = [
        cells("never", NEVER, "a@1", f1_after=None),
        cells("good", GOOD, "a@1", f1_after=None),
        cells("never", BAD, "b@1", f1_after=0.5),
        cells("good", BAD, "b@1", f1_after=0.6),
    ]
    found = boards_of(*parts, policies=("never", "good"))
    assert [board.scenario for board in found.boards] == ["a@1", "b@1", "overall"]
    rows = rows_of(found.boards[2])
    both = np.add(GOOD, BAD) / 2
    assert rows["good"].scores["net_value"].mean == pytest.approx(both.mean())
    assert rows["good"].scores["net_value"].n == 6
    assert rows["good"].scores["f1_after"].mean == pytest.approx(0.6)
    expected = stats.ttest_rel(both, np.add(NEVER, BAD) / 2)
    assert rows["good"].against_baseline["net_value"].p_value == pytest.approx(expected.pvalue)


def test_scores_that_no_scenario_has_are_missing_overall():
    parts = [cells(name, NEVER, scenario, f1_after=None) for name in ("never", "good") for scenario in ("a@1", "b@1")]
    rows = rows_of(boards_of(*parts, policies=("never", "good")).boards[2])
    assert rows["good"].scores["f1_after"] is None


def test_a_seed_that_failed_in_one_scenario_has_no_score_overall():
    failed = (None, *GOOD[1:])
    parts = [
        cells("never", NEVER, "a@1"),
        cells("good", failed, "a@1"),
        cells("never", [100.0] * 6, "b@1"),
        cells("good", [100.0] * 6, "b@1"),
    ]
    found = boards_of(*parts, policies=("never", "good"))
    rows = rows_of(found.boards[2])
    assert found.failed_cells == 1
    assert rows["good"].seeds == 5
    assert rows["good"].scores["net_value"].n == 5
    assert rows["good"].scores["net_value"].mean == pytest.approx(np.mean(np.add(GOOD[1:], 100) / 2))
    assert rows["good"].against_baseline["net_value"].n == 5


def test_a_policy_that_failed_everywhere_takes_no_rank_from_the_others():
    parts = [cells("never", NEVER), cells("good", GOOD), cells("bad", [None] * 6)]
    rows = rows_of(boards_of(*parts).boards[0])
    assert [rows[name].rank for name in ("good", "never", "bad")] == [Rank(1, 1, 1), Rank(2, 2, 2), None]
    assert rows["bad"].seeds == 0
    assert rows["bad"].scores["net_value"] is None


@pytest.mark.parametrize("scenarios", [("a@1",), ("a@1", "b@1")])
def test_failed_cells_alone_make_a_board_of_nothing(scenarios):
    parts = [cells(name, [None] * 3, scenario) for name in ("never", "good") for scenario in scenarios]
    found = boards_of(*parts, policies=("never", "good"))
    assert found.failed_cells == 6 * len(scenarios)
    assert all(row.scores["net_value"] is None for board in found.boards for row in board.policies)


def test_each_gate_profile_has_its_boards():
    parts = [cells("never", NEVER, gates=gates) for gates in ("none", "strict")]
    boards = boards_of(*parts, policies=("never",)).boards
    assert [board.gates for board in boards] == ["none", "strict"]


def test_clauses_are_counted_beside_each_rule():
    counts = [json.dumps([{"clause": "x > 1", "true": n, "true_alone": 0, "missing": 6 - n}]) for n in range(6)]
    rows = rows_of(boards_of(cells("never", NEVER, clauses="[]"), cells("good", GOOD, clauses=counts)).boards[0])
    assert rows["never"].clauses == ()
    assert rows["good"].clauses == (ClauseMeans("x > 1", true=2.5, true_alone=0.0, missing=3.5),)


def test_five_seeds_tell_what_is_plain():
    found = boards_of(cells("never", NEVER[:5]), cells("good", GOOD[:5]), cells("bad", NEVER[:5]))
    told = list(sentences(found.boards[0], "never"))
    assert told[0].startswith("good earns more than never: +")
    assert told[1] == "bad did the same as never, in all 5 seeds."


def test_a_scenario_whose_recovery_is_noise_enters_no_overall_recovery_and_has_no_days():
    kept = {"recovery_gained": [4.0, 4.5, 5.0, 4.4, 4.6, 4.5], "recovery_attainable": [8.0, 8.2, 8.4, 8.1, 8.3, 8.2]}
    lost = {
        "recovery_gained": [0.1, 0.2, 0.1, 0.3, 0.2, 0.1],
        "recovery_attainable": [-0.3, 0.2, -0.1, 0.3, -0.2, 0.1],
    }
    more = {"recovery_days": 30.0, "days_after_onset": 100.0}
    rows = [
        cells(policy, values, scenario=scenario, **sums, **more)
        for scenario, sums in (("a@1", kept), ("b@1", lost))
        for policy, values in (("never", NEVER), ("good", GOOD))
    ]
    found = {board.scenario: rows_of(board)["good"] for board in boards_of(*rows).boards}
    alone = sum(kept["recovery_gained"]) / sum(kept["recovery_attainable"])
    assert found["a@1"].f1_recovery.estimate == pytest.approx(alone)
    assert found["b@1"].f1_recovery.missing is not None
    assert found["overall"].f1_recovery.estimate == pytest.approx(alone)
    assert found["a@1"].scores["recovery_days"].mean == 30
    assert found["b@1"].scores["recovery_days"] is None
    assert found["b@1"].never_share["recovery_days"] is None


def test_policies_that_can_not_be_told_apart_share_their_places():
    close = [value + shift for value, shift in zip(NEVER, (0.5, -0.4, 0.2, -0.3, 0.4, 0.1), strict=True)]
    (board,) = boards_of(cells("never", NEVER), cells("good", GOOD), cells("bad", close)).boards
    rows = rows_of(board)
    assert [rows[name].rank for name in ("good", "bad", "never")] == [Rank(1, 1, 1), Rank(2, 2, 3), Rank(3, 2, 3)]


def test_the_reason_for_missing_regret_is_told():
    reason = "labels depend on what was served"
    rows = (cells("never", NEVER, regret_missing=reason), cells("good", GOOD, regret_missing=reason))
    (board,) = boards_of(*rows, policies=("never", "good")).boards
    assert rows_of(board)["good"].regret_missing == reason
    assert any(reason in sentence for sentence in sentences(board, "never"))


def test_a_part_of_a_response_is_averaged_where_it_ended_with_the_share_where_not():
    waits = [30.0, None, 60.0, None, None, 30.0]
    (board,) = boards_of(
        cells("never", NEVER),
        cells("good", GOOD, response_label_wait_days=waits, days_after_onset=100.0),
        policies=("never", "good"),
    ).boards
    row = rows_of(board)["good"]
    assert row.scores["response_label_wait_days"].mean == 40
    assert row.never_share["response_label_wait_days"] == 0.5
