"""The chain ladder: F1 from early labels without their bias, in simulation, in logs and in lives."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from lives import TWIN, live, script, small

from policies.decision import Action, Decision
from scenarios.schema import Labels, Offers, Prices
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.log import MemoryLog
from sim.mlops.records.record import Served
from sim.mlops.statistics.chain_ladder import Arrivals, Development, delay_adjusted_f1, development
from sim.mlops.statistics.metrics import confusion
from sim.mlops.stores.duckdb_log import DuckDBLog, connect
from sim.study.replay.replay import Replay
from sim.world.labels import LabelEvents
from sim.world.world import World

DELAYED = frozenset({"f1_delay_adjusted", "f1_delay_adjusted_drop"})


def cohort(rng, n=4000, today=90.0, ever=1.0):
    """Draw a cohort in which churners are known after 0 to 90 days, evenly, and stayers after 90."""
    churns = rng.random(n) < 0.3
    prediction = np.where(churns, rng.random(n) < 0.6, rng.random(n) < 0.2)
    age = np.where(churns, rng.uniform(0, 90, n), 90.0)
    known = (age <= today) & (rng.random(n) < ever)
    whole = Arrivals(prediction, np.where(known, churns, np.nan), np.where(known, age, np.nan), np.ones(n, dtype=int))
    return whole, confusion(churns, prediction).f1


@pytest.mark.parametrize("ever", [1.0, 0.7])
def test_early_labels_tell_the_final_f1_without_their_bias(ever):
    rng = np.random.default_rng(1)
    known = development([cohort(rng, ever=ever)[0] for _ in range(4)])
    errors, naive_errors = [], []
    for _ in range(60):
        early, final = cohort(rng, today=45, ever=ever)
        errors.append(delay_adjusted_f1(early, 45, known) - final)
        there = ~np.isnan(early.label)
        naive_errors.append(confusion(early.label[there] == 1, early.prediction[there]).f1 - final)
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.03
    assert np.mean(naive_errors) > 0.1, "labels that are there are churners', whose F1 is too good"


def test_a_complete_cohort_has_its_observed_f1():
    rng = np.random.default_rng(2)
    whole, final = cohort(rng)
    assert delay_adjusted_f1(whole, 90, development([whole])) == pytest.approx(final)


def test_nothing_is_known_before_a_churner_can_be():
    rows = Arrivals(np.array([True]), np.array([np.nan]), np.array([np.nan]), np.array([1]))
    assert delay_adjusted_f1(rows, 10, Development(np.array([30.0, 60.0]), 1.0)) is None
    assert delay_adjusted_f1(rows, 90, Development(np.empty(0), 1.0)) is None
    stayers = Arrivals(np.array([False]), np.array([0.0]), np.array([5.0]), np.array([1]))
    assert delay_adjusted_f1(stayers, 90, Development(np.array([30.0]), 1.0)) == 0


def events_of(world, step, rows, day):
    batch, truth = world.batch(step), world.truth(step)
    due = np.full(len(rows), day)
    return LabelEvents(step, batch.scored_at, batch.customer_id[rows], rows, truth.churns[rows], due)


def test_logs_know_when_labels_came(tmp_path):
    world = World(small(steps=2), 1, TWIN)
    with connect(tmp_path / "loop.duckdb") as connection:
        for log in (MemoryLog(), DuckDBLog(connection, world.schema)):
            batch = world.batch(0)
            scores = np.linspace(0, 1, len(batch.customer_id))
            log.append(batch, Served(0, "first", 1, scores, scores > 0.5, np.zeros(len(scores), dtype=bool)))
            assert np.isnan(log.arrived_at(0)).all()
            log.backfill([events_of(world, 0, np.array([0, 3]), 30)], 30)
            log.backfill([events_of(world, 0, np.array([1]), 60)], 60)
            np.testing.assert_array_equal(log.arrived_at(0)[:5], [30, 60, np.nan, 30, np.nan])


@dataclass
class Watcher:
    wants: frozenset[str] = DELAYED
    retrain_at: int = -1
    seen: list = field(default_factory=list)

    def decide(self, signals):
        self.seen.append(signals)
        return Decision(Action.RETRAIN if signals.step == self.retrain_at else Action.KEEP, "quiet")

    def deployed(self, version):
        pass


def test_labels_that_come_before_the_horizon_are_used_at_once():
    scenario = small(steps=8).model_copy(update={"labels": Labels(delay_days=30, horizon_days=90)})
    watcher = Watcher()
    life = live(scenario, watcher)
    # the first cohort is complete at step 3; from then on the ladder knows that labels come after a month
    assert [signals.f1_delay_adjusted is None for signals in watcher.seen] == [True] * 3 + [False] * 5
    for signals in watcher.seen[3:]:
        newest = life.log.cohorts([signals.step - 1])[0]
        f1 = confusion(newest.label == 1, newest.prediction).f1
        assert signals.f1_delay_adjusted == pytest.approx(f1)
        assert signals.f1_delay_adjusted_drop == life.state.first.meeting.challenger.f1 - signals.f1_delay_adjusted


@pytest.mark.parametrize("learn_from", ["all", "held_out", "weighted"])
def test_labels_that_come_at_the_horizon_say_what_f1_says(learn_from):
    """Whatever is learnt from: a row that an offer has contaminated counts in neither."""
    offers = Offers(capacity=0.2, held_out_share=0.1, seen_in_labels=True, learn_from=learn_from)
    prices = Prices(success_rate=0.6)
    scenario = small(steps=8, customers=600, delay_days=60, offers=offers).model_copy(update={"prices": prices})
    watcher = Watcher(retrain_at=3)
    live(scenario, watcher, profile="none")
    assert sum(signals.f1 is not None for signals in watcher.seen) >= 4
    for signals in watcher.seen:
        assert signals.f1_delay_adjusted == signals.f1
        assert signals.f1_delay_adjusted_drop == signals.f1_drop


def test_a_cohort_of_which_no_row_counts_is_passed_over():
    """A few customers a month, of whom one in twenty is held out: some months have none."""
    offers = Offers(capacity=0.2, held_out_share=0.05, seen_in_labels=True, learn_from="held_out")
    watcher = Watcher()
    life = live(small(steps=30, customers=40, delay_days=30, offers=offers), watcher)
    empty = [not life.log.outcomes(step).held_out.any() for step in range(29)]
    assert any(empty)
    for signals in watcher.seen:
        assert signals.f1_delay_adjusted is None or signals.f1_delay_adjusted == signals.f1
    assert sum(signals.f1_delay_adjusted is not None for signals in watcher.seen) > 5


def test_early_labels_tell_what_the_rows_that_count_will_say():
    """Churners predicted got offers and stayed; those held out, who count ten times, tell what would have been."""
    rng = np.random.default_rng(3)
    whole, final = zip(*(cohort(rng) for _ in range(5)), strict=True)
    known = development(whole[:4])
    held_out = rng.random(4000) < 0.1
    late = whole[4]
    offered = late.prediction & ~held_out
    weight = np.where(offered, 0, np.where(late.prediction, 10, 1))
    seen = replace(late, label=np.where(offered, 0.0, late.label), weight=weight)
    assert delay_adjusted_f1(seen, 90, known) == pytest.approx(final[4], abs=0.05)
    counted = confusion(seen.label[weight > 0] == 1, seen.prediction[weight > 0], weight[weight > 0]).f1
    assert delay_adjusted_f1(seen, 90, development([seen])) == counted


def test_how_labels_arrive_is_told_by_the_rows_that_count():
    label, age = np.array([1.0, 1.0, 0.0, np.nan]), np.array([10.0, 50.0, 90.0, np.nan])
    found = development([Arrivals(label == 1, label, age, np.array([0, 2, 1, 3]))])
    assert found.churner_ages.tolist() == [50.0, 50.0]
    assert found.labelled_share == 0.5


@pytest.mark.parametrize("days", [(30, 90), (45, 60), (60, 60)])
def test_replay_says_what_memory_says(days):
    labels = Labels(delay_days=days[0], horizon_days=days[1])
    scenario = small(steps=9).model_copy(update={"labels": labels})
    one, other = Watcher(retrain_at=4), Watcher(retrain_at=4)
    rows = live(scenario, one, profile="none").rows
    replay = Replay(World(scenario, 1, TWIN, kept_steps=None))
    replay.play(script("k"), load_profile("none"))
    assert replay.play(other, load_profile("none"))[1] == rows
    assert other.seen == one.seen
    assert len({row.version for row in rows}) == 2
