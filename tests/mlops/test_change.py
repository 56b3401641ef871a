"""Change: since when outcomes follow from a model's scores in another way."""

import numpy as np
import pytest
from lives import TWIN

from scenarios.files import load_scenario
from scenarios.injectors import ConceptDrift
from scenarios.schema import Labels, Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.loop.change_finder import ChangeFinder
from sim.mlops.statistics.change import LEAST_ROWS, LEVEL, Change, cohort_scores, newest_change
from sim.study.replay.replay import Replay, ReplayPlatform
from sim.world.world import World

ONES = np.ones(1000, dtype=np.int64)


def scores(step, rng, shift=0.0, n_rows=1000):
    """A cohort of a model that was right, until the log-odds of everybody shifted."""
    log_odds = rng.normal(-1, 1.5, n_rows)
    churns = rng.random(n_rows) < 1 / (1 + np.exp(-log_odds - shift))
    return cohort_scores(step, churns, 1 / (1 + np.exp(-log_odds)), ONES[:n_rows])


def cohorts(rng, n_before, n_after, shift):
    return [scores(step, rng) for step in range(n_before)] + [
        scores(n_before + step, rng, shift) for step in range(n_after)
    ]


def test_a_change_is_found_where_it_is():
    found = newest_change(cohorts(np.random.default_rng(1), 12, 6, 1.0))
    assert found is not None
    assert (found.step, found.low_step, found.high_step) == (12, 12, 12)
    assert found.p_value < 1e-10


def test_a_weak_change_says_how_unsure_it_is():
    rng = np.random.default_rng(3)
    found = [newest_change(cohorts(rng, 12, 12, 0.25)) for _ in range(40)]
    seen = [each for each in found if each is not None]
    assert len(seen) > 20
    assert np.mean([each.low_step <= 12 <= each.high_step for each in seen]) >= 0.85
    assert np.mean([each.sd_steps for each in seen]) > 0.3
    assert all(each.low_step <= each.step <= each.high_step for each in seen)


def test_of_two_changes_the_newest_is_told():
    rng = np.random.default_rng(2)
    both = cohorts(rng, 10, 10, 1.0) + [scores(20 + step, rng, -1.0) for step in range(5)]
    found = newest_change(both)
    assert found is not None
    assert found.step == 20


def test_other_customers_are_no_change():
    rng = np.random.default_rng(4)

    def shifted(step, mean):
        log_odds = rng.normal(mean, 1.0, 1000)
        churns = rng.random(1000) < 1 / (1 + np.exp(-log_odds))
        return cohort_scores(step, churns, 1 / (1 + np.exp(-log_odds)), ONES)

    assert newest_change([shifted(step, -2.0 if step < 6 else 1.0) for step in range(12)]) is None


def test_the_level_holds():
    """At one look; over 600 worlds at level 0.05 at most 5 % are expected; 7.7 % are three standard errors more."""
    rng = np.random.default_rng(5)
    alarms = sum(
        newest_change([scores(step, rng, n_rows=200) for step in range(20)], 0.05) is not None for _ in range(600)
    )
    assert alarms / 600 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_a_row_that_counts_twice_is_two_rows_and_one_that_counts_not_is_none():
    label, probability = np.array([True, False, True]), np.array([0.2, 0.6, 0.9])
    once = cohort_scores(0, label, probability, np.array([2, 1, 0]))
    assert once.n_rows == 2
    expected = 2 * (1 - 0.2) + (0 - 0.6)
    assert once.total[0] == pytest.approx(expected)


@pytest.mark.parametrize("n_rows", [1, LEAST_ROWS // 2])
def test_too_few_rows_show_nothing(n_rows):
    rng = np.random.default_rng(6)
    assert newest_change([scores(0, rng, n_rows=n_rows), scores(1, rng, 3.0, n_rows=n_rows)]) is None
    assert newest_change([]) is None


def test_a_model_that_says_the_same_of_everybody_is_judged_by_its_base_rate():
    rng = np.random.default_rng(7)

    def flat(step, rate):
        return cohort_scores(step, rng.random(1000) < rate, np.full(1000, 0.3), ONES)

    assert newest_change([flat(step, 0.3) for step in range(10)]) is None
    found = newest_change([flat(step, 0.3 if step < 6 else 0.6) for step in range(10)])
    assert found is not None
    assert found.step == 6


# Known answers, in whole worlds

SUDDEN = ConceptDrift(
    kind="concept", onset_step=12, shifts={"InternetService=DSL": 1.9, "InternetService=Fiber optic": -2.5}
)


def changes(scenario: Scenario, seed: int, days: range) -> list[Change | None]:
    """What the labels of a world show on each day, to who keeps the first model."""
    replay = Replay(World(scenario, seed, TWIN, kept_steps=None))
    life = ReplayPlatform(replay, load_profile("none"))
    champion = replay.state(load_profile("none")).champion
    finder: ChangeFinder = life.changes
    found = []
    for step in days:
        while len(life.log.served) <= step:
            life.serve(len(life.log.served), champion)
        life.log.today = replay.world.day(step)
        found.append(finder.newest(step, LEVEL))
    return found


@pytest.mark.slow
def test_a_sudden_change_is_found_within_a_cohort_in_nine_worlds_of_ten_and_none_in_steady_ones():
    """Forty worlds each, on every day of three years; without late labels, and three months late as they are."""
    steady = load_scenario("steady")
    sudden = steady.model_copy(update={"drift": (SUDDEN,)})
    punctual = sudden.model_copy(update={"labels": Labels(delay_days=0, horizon_days=0)})
    found = [changes(punctual, seed, range(18, 19))[0] for seed in range(1, 41)]
    assert sum(each is not None and abs(each.step - 12) <= 1 for each in found) >= 36
    late = [changes(sudden, seed, range(18, 19))[0] for seed in range(1, 41)]
    assert sum(each is not None and abs(each.step - 12) <= 1 for each in late) >= 36
    quiet = [changes(steady, seed, range(36)) for seed in range(1, 41)]
    assert sum(all(each is None for each in days) for days in quiet) >= 38
