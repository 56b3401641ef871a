"""Labels: when they arrive, which never do, which are corrected, and which cohorts count."""

import numpy as np
import pytest
from lives import TWIN, live, script, small

from policies.never import Never
from scenarios.schema import Labels, Offers
from sim.mlops.models.cohort import KnownOutcomes, weights
from sim.mlops.records.log import MemoryLog, usable_steps
from sim.study.scores.judge import observed_f1
from sim.world.world import World


def world_of(**labels):
    scenario = small(steps=4, customers=3000).model_copy(update={"labels": Labels(**labels)})
    return World(scenario, 1, TWIN)


def told(world, step=1):
    return world.labels(step, np.zeros(len(world.batch(step).holdout), dtype=bool))


def delays(world, step=1):
    events = told(world, step)
    return events.arrives_at - events.scored_at


def test_churners_come_on_any_day_and_stayers_at_the_horizon():
    world = world_of(delay="churners_early", horizon_days=90)
    churns, days = world.truth(1).churns, delays(world)
    assert set(days[~churns]) == {90}
    assert (days[churns].min(), days[churns].max()) == (1, 90)
    assert np.median(days[churns]) == pytest.approx(45.5, abs=4)


def test_a_long_tail_has_its_median_and_passes_the_horizon():
    days = delays(world_of(delay="long_tailed", delay_days=60, delay_spread=0.75, horizon_days=180))
    assert np.median(days) == pytest.approx(60, abs=3)
    assert np.std(np.log(days)) == pytest.approx(0.75, abs=0.03)
    assert 0.03 < np.mean(days > 180) < 0.12
    assert days.min() >= 0


def test_a_share_never_arrives_and_the_rest_as_it_would():
    some, everybody = told(world_of(never_share=0.2)), told(world_of())
    assert len(some.label) == pytest.approx(2400, abs=90)
    np.testing.assert_array_equal(some.label, everybody.label[some.row])
    np.testing.assert_array_equal(some.customer_id, everybody.customer_id[some.row])


def test_a_corrected_label_is_wrong_first_and_right_later():
    world = world_of(correction_share=0.1, correction_days=45)
    events, churns = told(world), world.truth(1).churns
    day = events.scored_at + 90
    first, later = events.known(day, 3000), events.known(day + 45, 3000)
    wrong = first != churns
    assert np.mean(wrong) == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(later, churns)
    np.testing.assert_array_equal(events.known(day + 44, 3000), first)
    assert np.isnan(events.known(day - 1, 3000)).all()
    newest = events.newest()
    np.testing.assert_array_equal(np.sort(newest.row), np.arange(3000))
    np.testing.assert_array_equal(newest.label, churns[newest.row])


def test_the_log_shows_the_newest_label_also_where_both_come_on_one_day():
    labels = Labels(delay_days=30, horizon_days=30, correction_share=0.5, correction_days=10)
    life = live(small(steps=4).model_copy(update={"labels": labels}), Never())
    for step in (0, 1):
        np.testing.assert_array_equal(life.log.cohorts([step])[0].label, life.world.truth(step).churns)
    arrived = [row.labels_arrived for row in life.rows]
    assert arrived[0] == 0
    assert arrived[1] == 150
    assert arrived[2] > 150


def test_only_complete_cohorts_count_unless_naive_ones_do():
    labels = Labels(delay="churners_early", delay_days=60, horizon_days=60)
    log, lives = MemoryLog(), {}
    for cohorts in ("complete", "naive"):
        scenario = small(steps=5).model_copy(update={"labels": labels.model_copy(update={"cohorts": cohorts})})
        lives[cohorts] = live(scenario, script("...r"), profile="none")
    complete, naive = lives["complete"], lives["naive"]
    assert usable_steps(complete.world.scenario, log, 120) == range(-3, 3)
    assert usable_steps(naive.world.scenario, naive.log, 120) == range(-3, 4)
    assert [job.window.recent_steps for job in complete.retrainings] == [(-1, 0, 1)]
    assert [job.window.recent_steps for job in naive.retrainings] == [(0, 1, 2)]
    assert [row.signals.f1 is None for row in complete.rows] == [True, True, False, False, True]
    assert [row.signals.f1 is None for row in naive.rows] == [True, False, False, False, True]
    assert {row.signals.precision for row in naive.rows[1:4]} == {1.0}
    assert naive.rows[2].signals.unlabelled_rate > 0.5
    assert complete.rows[2].signals.unlabelled_rate == 0


# Offers in the labels, and their cures


def outcomes(held_out, offered, probability, label):
    return KnownOutcomes(
        np.array(held_out, bool), np.array(offered, bool), np.array(probability), np.zeros(4, bool), np.array(label)
    )


def test_weights_by_hand():
    known = outcomes([1, 0, 0, 1], [0, 1, 0, 0], [0.9, 0.8, 0.3, 0.2], [1.0, 0.0, np.nan, 0.0])
    assert weights(known, Offers()).tolist() == [1, 1, 0, 1]
    assert weights(known, Offers(learn_from="held_out")).tolist() == [1, 0, 0, 1]
    assert weights(known, Offers(learn_from="weighted", held_out_share=0.05)).tolist() == [20, 0, 0, 1]
    warmup = outcomes([1, 0, 0, 0], [0, 0, 0, 0], [np.nan] * 4, [1.0, 0.0, 0.0, np.nan])
    assert weights(warmup, Offers(learn_from="held_out")).tolist() == [1, 1, 1, 0]
    assert weights(warmup, Offers(learn_from="weighted")).tolist() == [1, 1, 1, 0]


@pytest.mark.slow
def test_weighted_labels_tell_the_f1_that_raw_ones_hide():
    """Over many customers the weighted F1 is that of a world without offers; the raw one is far below."""
    found = {}
    for learn_from in ("all", "weighted", "held_out"):
        offers = Offers(capacity=0.3, held_out_share=0.2, seen_in_labels=True, learn_from=learn_from)
        scenario = small(steps=4, customers=20_000, offers=offers, delay_days=30)
        life = live(scenario, Never())
        found[learn_from] = np.mean([row.signals.f1 for row in life.rows[1:]])
        true = np.mean([observed_f1(row.tally) for row in life.rows])
    assert found["all"] < true - 0.04
    assert found["weighted"] == pytest.approx(true, abs=0.02)
    assert found["held_out"] == pytest.approx(true, abs=0.02)


def test_without_held_out_customers_there_is_no_cure():
    with pytest.raises(ValueError, match="needs held-out customers"):
        Offers(learn_from="weighted", held_out_share=0.0)
