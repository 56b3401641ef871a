"""The paired bootstrap of an F1 difference: what it counts, and what must hold for a gate to rest on it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from sim.mlops.statistics.metrics import f1
from sim.mlops.statistics.paired_bootstrap import (
    N_DRAWS,
    N_PLACES,
    N_RESAMPLES,
    _draws_below,
    expanded_tail,
    f1_difference_bounds,
)

Booleans = NDArray[np.bool_]
Answers = tuple[Booleans, Booleans, Booleans]


def answers(n_rows: int, seed: int, skills: tuple[float, float], churn_rate: float = 0.27) -> Answers:
    """Return who churned, and what two models of the given shares of right answers say."""
    rng = np.random.default_rng(seed)
    label = rng.random(n_rows) < churn_rate
    challenger, champion = (np.where(rng.random(n_rows) < skill, label, ~label) for skill in skills)
    return label, challenger, champion


def drawn_weights(case: Answers, seed: int) -> NDArray[np.int64]:
    """Return how often each row counts, 1 to 4 times."""
    return np.random.default_rng(seed).integers(1, 5, len(case[0]))


@st.composite
def drawn_answers(draw: st.DrawFn) -> Answers:
    skills = draw(st.tuples(*[st.sampled_from([0.0, 0.5, 0.8, 1.0])] * 2))
    rate = draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    return answers(draw(st.integers(1, 80)), draw(st.integers(0, 2**32)), skills, rate)


def resampled(order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the rows of each resample: every draw counts from each place of the ring of rows."""
    n, rng = len(order), np.random.default_rng((20_260_101, len(order)))
    draws = [rng.integers(n, size=n) for _ in range(N_DRAWS)]
    return [order[(drawn - n * place // N_PLACES) % n] for place in range(N_PLACES) for drawn in draws]


def counted_f1(label: Booleans, predicted: Booleans, weight: NDArray[np.int64]) -> float:
    """Return 2 TP / (churners + predicted), as scikit-learn counts it, and 0 without a true positive."""
    found = weight[label & predicted].sum()
    return float(2 * found / max(weight[label].sum() + weight[predicted].sum(), 1))


def test_f1_is_counted_as_scikit_learn_does() -> None:
    for seed in range(20):
        label, model, _ = case = answers(40, seed, (0.7, 0.5))
        weight = drawn_weights(case, seed)
        wanted = f1_score(label, model, zero_division=0.0, sample_weight=weight)
        assert counted_f1(label, model, weight) == pytest.approx(wanted)


def rank(label: Booleans, level: float) -> int:
    """Return which of the sorted resamples is a bound."""
    return int((N_RESAMPLES + 1) * expanded_tail(level, int(min(label.sum(), (~label).sum()))))


def test_the_bounds_are_those_of_resampled_rows() -> None:
    label, challenger, champion = answers(120, 3, (0.8, 0.7))
    kinds = [label & champion, label & ~champion, ~label & champion, ~label & ~champion]
    order = np.concatenate([np.flatnonzero(k)[np.argsort((challenger != label)[k], kind="stable")] for k in kinds])
    differences = []
    for rows in resampled(order):
        scores = [counted_f1(label[rows], model[rows], np.ones(120, dtype=int)) for model in (challenger, champion)]
        differences.append(scores[0] - scores[1])
    found = f1_difference_bounds(label, challenger, champion, level=0.9)
    differences.sort()
    k = rank(label, 0.9)
    assert 300 < k < 400
    assert found.low == pytest.approx(differences[k - 1])
    assert found.high == pytest.approx(differences[-k])


@pytest.mark.parametrize("n_rows", [1, 2, 7, 600])
def test_a_resample_draws_as_many_rows_as_there_are(n_rows: int) -> None:
    below = _draws_below(n_rows)
    assert below.shape == (n_rows + 1, N_DRAWS)
    np.testing.assert_array_equal(below[0], 0)
    np.testing.assert_array_equal(below[-1], n_rows)


@settings(max_examples=500)
@given(drawn_answers(), st.sampled_from([0.6, 0.9, 0.95, 0.999]), st.sampled_from([0.0, 0.02]), st.data())
def test_setting_a_row_right_lowers_no_bound(
    case: Answers, level: float, retraining_sd: float, data: st.DataObject
) -> None:
    label, challenger, champion = case
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    better = np.where(generator.random(len(label)) < data.draw(st.sampled_from([0.05, 0.5, 1.0])), label, challenger)
    weight = data.draw(st.sampled_from([None, drawn_weights(case, 1)]))
    before, after = (
        f1_difference_bounds(label, model, champion, level, retraining_sd, weight) for model in (challenger, better)
    )
    assert after.low >= before.low
    assert after.high >= before.high


@settings(max_examples=500)
@given(drawn_answers(), st.integers(0, 2**32))
def test_the_order_of_rows_never_matters(case: Answers, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(case[0]))
    for weight in (np.ones(len(order), dtype=np.int64), drawn_weights(case, seed)):
        shuffled = f1_difference_bounds(*(a[order] for a in case), level=0.9, weight=weight[order])
        assert shuffled == f1_difference_bounds(*case, level=0.9, weight=weight)


@settings(max_examples=500)
@given(drawn_answers(), st.sampled_from([0.0, 0.02]))
def test_bounds_are_ordered_and_widen_with_level_and_noise(case: Answers, retraining_sd: float) -> None:
    inner, outer = (f1_difference_bounds(*case, level=level, retraining_sd=retraining_sd) for level in (0.8, 0.99))
    assert -3 < outer.low <= inner.low <= inner.high <= outer.high < 3


def test_a_row_that_counts_for_many_is_drawn_as_one() -> None:
    label, challenger, champion = answers(120, 3, (0.8, 0.7))
    weight = np.random.default_rng(8).choice([1, 5], 120)
    kinds = [
        kind & (weight == each)
        for each in (1, 5)
        for kind in (label & champion, label & ~champion, ~label & champion, ~label & ~champion)
    ]
    order = np.concatenate([np.flatnonzero(k)[np.argsort((challenger != label)[k], kind="stable")] for k in kinds])
    differences = []
    for rows in resampled(order):
        scores = [counted_f1(label[rows], model[rows], weight[rows]) for model in (challenger, champion)]
        differences.append(scores[0] - scores[1])
    found = f1_difference_bounds(label, challenger, champion, level=0.9, weight=weight)
    differences.sort()
    k = rank(label, 0.9)
    assert found.low == pytest.approx(differences[k - 1])
    assert found.high == pytest.approx(differences[-k])


def test_equal_weights_change_nothing_and_copies_drawn_apart_would_be_too_sure() -> None:
    case = answers(300, 4, (0.8, 0.75))
    weight = np.full(300, 5)
    alone, together = (f1_difference_bounds(*case, level=0.95, weight=w) for w in (None, weight))
    apart = f1_difference_bounds(*(np.repeat(a, weight) for a in case), level=0.95)
    assert together == alone
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(np.sqrt(5), rel=0.15)


def test_the_noise_of_retraining_widens_the_bounds_as_much_as_variances_add() -> None:
    case = answers(2000, 5, (0.8, 0.8))
    widths = []
    for sd in (0.0, 0.05):
        bounds = f1_difference_bounds(*case, level=0.95, retraining_sd=sd)
        widths.append((bounds.high - bounds.low) / (2 * 1.645))
    assert widths[1] == pytest.approx(np.sqrt(widths[0] ** 2 + 2 * 0.05**2), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("n_rows", "weights"), [(200, [1]), (600, [1]), (2000, [1]), (600, [1, 5])])
def test_each_bound_holds_about_as_often_as_it_says(n_rows: int, weights: list[int]) -> None:
    """One-sided coverage, from below and above, over 2,000 worlds of two models of equal skill."""
    truth = f1(*answers(2_000_000, 1, (0.85, 0.8))[:2]), f1(*answers(2_000_000, 1, (0.85, 0.8))[::2])
    assert truth[0] is not None
    assert truth[1] is not None
    difference = truth[0] - truth[1]
    bounds = [
        f1_difference_bounds(
            *answers(n_rows, seed, (0.85, 0.8)),
            level=0.95,
            weight=np.random.default_rng(seed).choice(weights, n_rows),
        )
        for seed in range(2, 2002)
    ]
    for share in (np.mean([b.low <= difference for b in bounds]), np.mean([b.high >= difference for b in bounds])):
        assert 0.93 <= share <= 0.97
