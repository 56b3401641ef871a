"""Scores: against scikit-learn, by simulation, and for any order of rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from sim.mlops.statistics import metrics

Rows = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]

# few distinct values, so that ties and bin edges are common, and arbitrary ones
PROBABILITY = st.one_of(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0]), st.floats(0, 1))


@st.composite
def rows(draw: st.DrawFn, min_size: int = 1) -> Rows:
    drawn = draw(st.lists(st.tuples(st.booleans(), st.booleans(), PROBABILITY), min_size=min_size, max_size=60))
    label, prediction, probability = zip(*drawn, strict=True) if drawn else ((), (), ())
    return (
        np.array(label, dtype=np.bool_),
        np.array(prediction, dtype=np.bool_),
        np.array(probability, dtype=np.float64),
    )


SCORES: dict[str, Callable[[Rows], float | None]] = {
    "accuracy": lambda r: metrics.accuracy(r[0], r[1]),
    "precision": lambda r: metrics.precision(r[0], r[1]),
    "recall": lambda r: metrics.recall(r[0], r[1]),
    "f1": lambda r: metrics.f1(r[0], r[1]),
    "roc_auc": lambda r: metrics.roc_auc(r[0], r[2]),
    "expected_f1": lambda r: metrics.expected_f1(r[2], r[1]),
    "mean": lambda r: metrics.mean(r[2]),
    "standard_deviation": lambda r: metrics.standard_deviation(r[2]),
}


@settings(max_examples=200)
@given(rows())
def test_counted_scores_are_those_of_scikit_learn(sample: Rows) -> None:
    label, prediction, _ = sample
    zero = {"zero_division": 0}
    assert metrics.accuracy(label, prediction) == sklearn_metrics.accuracy_score(label, prediction)
    assert metrics.precision(label, prediction) == sklearn_metrics.precision_score(label, prediction, **zero)
    assert metrics.recall(label, prediction) == sklearn_metrics.recall_score(label, prediction, **zero)
    assert metrics.f1(label, prediction) == pytest.approx(sklearn_metrics.f1_score(label, prediction, **zero))


@settings(max_examples=200)
@given(rows())
def test_ranked_and_probability_scores_are_those_of_scikit_learn(sample: Rows) -> None:
    label, _, probability = sample
    if label.all() or not label.any():
        assert metrics.roc_auc(label, probability) is None
    else:
        assert metrics.roc_auc(label, probability) == pytest.approx(sklearn_metrics.roc_auc_score(label, probability))


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=100)
@given(sample=rows(min_size=0), data=st.data())
def test_no_score_depends_on_the_order_of_rows(name: str, sample: Rows, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(sample[0])))), dtype=np.int64)
    shuffled = (sample[0][order], sample[1][order], sample[2][order])
    assert SCORES[name](sample) == SCORES[name](shuffled)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_of_no_rows_is_missing(name: str) -> None:
    assert SCORES[name]((np.zeros(0, np.bool_), np.zeros(0, np.bool_), np.zeros(0))) is None


@given(rows())
def test_a_confusion_counts_every_row_once(sample: Rows) -> None:
    label, prediction, _ = sample
    counts = metrics.confusion(label, prediction)
    assert counts.rows == len(label)
    assert counts.true_negatives == np.count_nonzero(~label & ~prediction)
    assert counts.false_positives == np.count_nonzero(~label & prediction)
    assert counts.recall is not None
    assert counts.false_negative_rate == pytest.approx(1 - counts.recall)


@given(rows())
def test_expected_f1_of_certain_propensities_is_f1_and_missing_for_one_class(sample: Rows) -> None:
    label, prediction, _ = sample
    wanted = metrics.f1(label, prediction) if label.any() and not label.all() else None
    assert metrics.expected_f1(label.astype(np.float64), prediction) == wanted


def test_expected_f1_is_what_f1_is_on_average() -> None:
    generator = np.random.default_rng(5)
    propensity = generator.beta(1, 3, 4000)
    prediction = propensity > 0.3
    observed = [metrics.f1(generator.random(4000) < propensity, prediction) for _ in range(200)]
    assert metrics.expected_f1(propensity, prediction) == pytest.approx(np.mean(np.array(observed)), abs=0.003)


@pytest.mark.parametrize("counts", [(150, 100, 110, 640), (30, 90, 20, 860), (700, 100, 100, 100)])
def test_the_standard_error_of_f1_is_its_spread_over_samples(counts: tuple[int, int, int, int]) -> None:
    draws = np.random.default_rng(7).multinomial(sum(counts), np.array(counts) / sum(counts), size=20_000)
    spread = np.std(2 * draws[:, 0] / (2 * draws[:, 0] + draws[:, 1] + draws[:, 2]))
    hits, mistakes = counts[0], counts[1] + counts[2]
    assert metrics.f1_standard_error(hits, mistakes, hits, mistakes) == pytest.approx(spread, rel=0.04)
    assert metrics.Confusion(*counts).f1_standard_error == metrics.f1_standard_error(hits, mistakes, hits, mistakes)


def test_the_standard_error_of_a_weighted_f1_is_its_spread_over_samples() -> None:
    generator, scores = np.random.default_rng(8), []
    for _ in range(4000):
        label, prediction = generator.random(600) < 0.3, generator.random(600) < 0.4
        weight = np.where(generator.random(600) < 0.05, 20, 1)
        scores.append(metrics.confusion(label, prediction, weight))
    spread = np.std([counts.f1 for counts in scores])
    assert np.mean([counts.f1_standard_error for counts in scores]) == pytest.approx(spread, rel=0.1)
    plain = replace(scores[0], squared_true_positives=None, squared_mistakes=None)
    assert plain.f1_standard_error < spread / 2


@given(rows(), st.data())
def test_a_weighted_row_counts_as_if_it_came_as_often(sample: Rows, data: st.DataObject) -> None:
    label, prediction, _ = sample
    weight = np.array(data.draw(st.lists(st.integers(1, 5), min_size=len(label), max_size=len(label))), dtype=int)
    weighted = metrics.confusion(label, prediction, weight)
    repeated = metrics.confusion(np.repeat(label, weight), np.repeat(prediction, weight))
    assert replace(weighted, squared_true_positives=None, squared_mistakes=None) == repeated


def test_the_standard_error_without_positives_is_0() -> None:
    assert metrics.f1_standard_error(0, 0, 0, 0) == 0
    assert metrics.f1_standard_error(0, 10, 0, 10) == 0


def test_sums_are_exact_where_naive_ones_are_not() -> None:
    values = np.array([0.1] * 10)
    assert metrics.mean(values) == 0.1
    assert metrics.standard_deviation(values) == 0


def test_auc_counts_millions_of_pairs_without_overflow() -> None:
    label = np.arange(200_000) % 2 == 0
    assert metrics.roc_auc(label, label.astype(np.float64)) == 1
    assert metrics.roc_auc(label, np.full(200_000, 0.5)) == 0.5


def test_a_rate_that_is_a_short_decimal_is_exactly_that_decimal() -> None:
    counts = metrics.Confusion(true_positives=7, false_positives=0, false_negatives=3, true_negatives=0)
    assert counts.false_negative_rate == 0.3  # 1 - 0.7 would be more


def test_no_churners_means_nothing_found() -> None:
    counts = metrics.Confusion(true_positives=0, false_positives=0, false_negatives=0, true_negatives=4)
    assert (counts.recall, counts.precision, counts.f1, counts.false_negative_rate) == (0, 0, 0, 1)
