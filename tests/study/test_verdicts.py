"""Verdict, interval, p-value and seeds needed come of one procedure, and never contradict each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.errors import InputError
from sim.study.inference.seeds_needed import seeds_needed
from sim.study.inference.verdicts import Verdict, all_pairs, not_worse, tell

TOLD = {Verdict.MORE, Verdict.LESS}


def study(seed: int, seeds: int, policies: int, effect: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(seeds, policies)) + 3 * rng.normal(size=(seeds, 1))
    return values + effect * np.arange(policies)


@given(
    st.integers(0, 10_000),
    st.sampled_from([5, 6, 8, 20, 33]),
    st.integers(2, 6),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_verdict_interval_p_value_and_seeds_needed_agree(seed: int, seeds: int, policies: int, effect: float):
    for told in tell(study(seed, seeds, policies, effect), all_pairs(policies)):
        assert told.n == seeds
        assert told.interval is not None
        assert told.mean is not None
        assert told.p_value is not None
        assert (0 not in told.interval) == (told.verdict in TOLD) == (told.p_value <= 0.05)
        assert (told.seeds_needed is None) == (told.verdict in TOLD)
        if told.verdict in TOLD:
            assert (told.mean > 0) == (told.verdict is Verdict.MORE)
        else:
            needed = told.seeds_needed
            assert needed is not None
            assert needed.seeds is None or needed.seeds > seeds
            assert needed.least is None or needed.seeds is None or needed.least <= needed.seeds
            assert needed.most is None or needed.seeds is None or needed.seeds <= needed.most


@given(st.integers(0, 10_000), st.sampled_from([5, 9, 20]), st.permutations(range(4)))
def test_the_order_of_seeds_and_of_policies_changes_nothing(seed: int, seeds: int, order: list[int]):
    values = study(seed, seeds, 4, 0.5)
    contests = [(1, 0), (2, 0), (3, 0)]
    found = tell(values, contests)
    shuffled = values[np.random.default_rng(seed).permutation(seeds)]
    assert tell(shuffled, contests) == found
    place = {policy: position for position, policy in enumerate(order)}
    again = tell(values[:, order], [(place[one], place[other]) for one, other in contests])
    assert [each.verdict for each in again] == [each.verdict for each in found]
    assert [each.p_value for each in again] == pytest.approx([each.p_value for each in found])


@pytest.mark.parametrize("seeds", [5, 10, 40])
def test_one_contest_is_students_paired_t_test(seeds: int):
    values = study(seeds, seeds, 2, 0.4)
    (told,) = tell(values, [(1, 0)])
    expected = stats.ttest_rel(values[:, 1], values[:, 0])
    assert told.p_value == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert told.interval is not None
    assert (told.interval.low, told.interval.high) == pytest.approx((low, high))


def test_five_seeds_are_enough_for_what_is_plain():
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.normal(900, 1, 5), rng.normal(1_300, 20, 5), rng.normal(1_310, 20, 5)])
    better, best, close = tell(values, [(1, 0), (2, 0), (2, 1)])
    assert (better.verdict, best.verdict, close.verdict) == (Verdict.MORE, Verdict.MORE, Verdict.UNTOLD)


def test_many_settings_of_one_rule_cost_little_and_many_different_policies_much():
    rng = np.random.default_rng(2)
    gain = rng.normal(1.0, 1.0, size=(20, 1))
    alone = tell(np.hstack([np.zeros((20, 1)), gain]), [(1, 0)])[0]
    alike = gain + 0.01 * rng.normal(size=(20, 400))
    different = np.hstack([gain, rng.normal(size=(20, 399))])
    contests = [(setting, 0) for setting in range(1, 401)]
    among_alike, among_others = (
        tell(np.hstack([np.zeros((20, 1)), family]), contests)[0] for family in (alike, different)
    )
    assert alone.verdict is Verdict.MORE
    assert among_alike.verdict is Verdict.MORE
    assert among_alike.p_value is not None
    assert among_others.p_value is not None
    assert among_alike.p_value < 3 * 0.002 < among_others.p_value


def test_lives_that_are_the_same_did_the_same_and_neither_help_nor_harm_the_others():
    values = study(3, 8, 3, 1.0)
    found = tell(np.column_stack([values, values[:, 1]]), [(1, 0), (2, 0), (3, 1)])
    assert (found[2].verdict, found[2].mean, found[2].interval, found[2].p_value) == (Verdict.SAME, 0.0, None, None)
    assert found[:2] == tell(values, [(1, 0), (2, 0)])


@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("common", [0.0, -1000.0])
def test_what_rests_on_a_few_seeds_has_no_interval(others: int, common: float):
    values = np.full(20, common)
    values[:others] += 50_000.0 * np.arange(1, others + 1)
    (told,) = tell(np.column_stack([values, np.zeros(20)]), [(0, 1)])
    assert (told.verdict, told.interval, told.p_value) == (Verdict.NO_INTERVAL, None, None)
    assert told.reason == f"it rests on {others} of 20 seeds, in the others the difference is the same"


def test_the_same_difference_in_all_seeds_says_nothing_of_rarer_ones():
    (told,) = tell(np.column_stack([np.full(10, 0.3), np.full(10, 0.2)]), [(0, 1)])
    assert told.verdict is Verdict.NO_INTERVAL
    assert told.reason is not None
    assert "same difference in all 10 seeds" in told.reason


def test_all_contests_are_told_on_the_seeds_that_all_policies_share():
    values = study(4, 12, 3, 1.0)
    values[7, 2] = np.nan
    gone = np.full((12, 1), np.nan)
    found = tell(np.hstack([values, gone]), [(1, 0), (2, 0), (3, 0)])
    assert [each.n for each in found] == [11, 11, 11]
    assert found[:2] == tell(np.delete(values, 7, axis=0), [(1, 0), (2, 0)])
    assert found[2].verdict is Verdict.NO_INTERVAL
    assert found[2].mean is None


def test_below_five_seeds_nothing_is_told():
    (told,) = tell(study(5, 4, 2, 9.0), [(1, 0)])
    assert told.verdict is Verdict.NO_INTERVAL
    assert told.reason == "4 seeds in which all have a value; at least 5 are needed"


@given(st.integers(0, 10_000), st.sampled_from([5, 10, 20]), st.sampled_from([0.0, 0.3, 1.0]))
def test_the_leader_is_never_shown_to_be_worse_and_copies_share_its_lot(seed: int, seeds: int, effect: float):
    values = study(seed, seeds, 6, effect)
    values[:, 5] = values[:, 4]
    kept = not_worse(values)
    assert int(values.mean(axis=0).argmax()) in kept
    assert (4 in kept) == (5 in kept)
    assert not_worse(-values, higher_is_better=False) == kept


def test_policies_far_behind_are_shown_to_be_worse():
    assert not_worse(study(6, 10, 5, 4.0)) == (4,)


@pytest.mark.parametrize(("effect", "expected"), [(0.2, 199), (0.5, 34), (0.8, 15), (-1.0, 10)])
def test_seeds_needed_are_those_of_the_power_tables(effect: float, expected: int):
    found = seeds_needed(effect * np.sqrt(12), 12, alpha=0.05)
    assert found.seeds == expected


def test_the_range_of_seeds_needed_is_open_where_there_may_be_no_effect():
    assert seeds_needed(0.5, 10, alpha=0.05).most is None
    assert seeds_needed(0.0, 10, alpha=0.05).seeds is None
    told = seeds_needed(1.9, 10, alpha=0.05)
    assert told.least is not None
    assert told.seeds is not None
    assert told.most is not None
    assert told.least < told.seeds < told.most


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        (np.zeros(3), 0.95, "a matrix of seeds x policies, got 1 dimension"),
        (np.array([[1.0, np.inf]]), 0.95, "finite or missing, got an infinite one"),
        (np.zeros((5, 2)), 95.0, "level must lie between 0 and 1, got 95.0; 95 % is 0.95"),
    ],
)
def test_mistakes_are_named(values: np.ndarray, level: float, message: str):
    with pytest.raises(InputError, match=message):
        tell(values, [(0, 1)], level)
