"""The catalogue: what makes each scenario that scenario, on expected values over seeds.

The figures are those stored in the impacts, which a slow test measures anew on the real table.
"""

from dataclasses import asdict
from statistics import fmean

import numpy as np
import pytest
from lives import TWIN, telco_population

from policies.catalogue import load_policy
from policies.never import Never
from reports.story import happenings, losses, sketch
from scenarios.files import catalogue, load_scenario
from scenarios.impacts import impact_of, impacts
from scenarios.injectors import INJECTORS
from sim.mlops.gates.profiles import load_profile
from sim.study.impact import PSI_ALARM, measure_impact, steps_at_work
from sim.study.inference.contests import mean_interval
from sim.study.replay.replay import Replay
from sim.study.scores.judge import expected_f1
from sim.world.world import World

CALM_F1 = 0.582
STILL = 0.02  # of a signal that should not move

QUIET = ("psi_max", "score_psi", "null_rate", "unseen_rate")


def moves(name: str, signal: str) -> float:
    """Return by how much the mean of a signal rises while the drift acts."""
    before, during = impacts()[f"{name}@1"].signals[signal]
    return during - before


def impact(name):
    return impacts()[f"{name}@1"]


def test_every_scenario_has_an_impact_and_a_story_of_one_paragraph():
    assert 14 <= len(catalogue()) <= 20
    assert set(impacts()) == set(catalogue())
    assert all(impact_of(scenario) for scenario in catalogue().values()), "run benchmarks/impacts.py"
    for scenario in catalogue().values():
        assert len(scenario.story.split()) > 40
        assert "\n" not in scenario.story.strip()


def test_steady_raises_no_alarm_and_a_stale_model_is_as_good_as_a_fresh_one():
    found = impact("steady")
    assert (found.late, found.loss, found.psi_alarms) == (None, None, 0)
    assert found.before.mean == pytest.approx(found.fresh.mean, abs=0.01)
    assert found.before.mean == pytest.approx(CALM_F1, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["twin", "telco"])
def test_steady_raises_psi_alarms_in_under_one_month_in_a_hundred(kind, request):
    """By the rule of three, no alarm in 360 months says below 1 % with 95 % confidence."""
    population = TWIN if kind == "twin" else telco_population(request.getfixturevalue("telco"))
    months = alarms = 0
    for seed in range(10):
        replay = Replay(World(load_scenario("steady"), seed, population, kept_steps=None))
        rows = replay.play(Never(), load_profile("none"))[1]
        months += len(rows)
        alarms += sum(row.signals.psi_max > PSI_ALARM for row in rows)
    assert months == 360
    assert alarms == 0


def test_the_proposals_drift_raises_psi_and_the_stale_f1():
    found = impact("proposal")
    assert found.loss.high < -0.05
    assert moves("proposal", "psi_max") > 1
    assert found.late.mean == pytest.approx(found.fresh.mean, abs=0.01)


@pytest.mark.parametrize("name", ["competitor", "late_labels", "weekly_competitor"])
def test_a_competitor_halves_the_stale_f1_at_once_and_moves_no_feature(name):
    found = impact(name)
    assert found.before.mean == pytest.approx(CALM_F1, abs=0.01)
    assert found.late.mean == pytest.approx(0.305, abs=0.015)
    assert found.fresh.mean == pytest.approx(0.643, abs=0.015)
    assert all(abs(moves(name, signal)) < STILL for signal in QUIET)
    assert moves(name, "f1_drop") > 0.15
    assert {injector.profile for injector in load_scenario(name).drift} == {"sudden"}


def test_late_labels_come_later_in_part_and_show_a_smaller_drop_than_the_competitor():
    assert impact("late_labels").signals["unlabelled_rate"][0] > 0.1
    assert moves("late_labels", "f1_drop") < moves("competitor", "f1_drop")
    assert load_scenario("late_labels").labels.horizon_days == 180


def test_erosion_takes_eight_percent_within_a_year_and_moves_no_feature():
    found, (injector,) = impact("erosion"), load_scenario("erosion").drift
    assert 0.06 < found.loss.low < found.loss.high < 0.10
    assert (injector.profile, injector.duration_steps * load_scenario("erosion").time.step_days) == ("ramp", 360)
    assert found.fresh.low > found.late.high + 0.05
    assert all(abs(moves("erosion", signal)) < STILL for signal in QUIET)


def test_recession_moves_the_base_rate_and_hides_from_f1_and_psi():
    found = impact("recession")
    assert abs(found.loss.mean) < 0.06
    assert found.fresh.low > found.late.high + 0.1
    assert all(abs(moves("recession", signal)) < STILL for signal in QUIET)
    world = World(load_scenario("recession"), 1, TWIN)
    rates = [world.propensities.mechanism(step).propensity(TWIN.reference()).mean() for step in (11, 12, 14, 35)]
    np.testing.assert_allclose(rates[2:], 0.42, atol=1e-9)
    assert rates[0] < 0.27 < rates[1] < 0.42


def test_season_comes_every_summer_and_goes():
    found = impact("season")
    assert steps_at_work(load_scenario("season")) == [9, 10, 11, 21, 22, 23, 33, 34, 35]
    assert found.loss.low > 0.04
    assert found.fresh.low > found.late.high + 0.05
    assert all(abs(moves("season", signal)) < STILL for signal in QUIET)


def test_outage_lasts_three_months_and_is_over_when_its_labels_come():
    found, scenario = impact("outage"), load_scenario("outage")
    assert steps_at_work(scenario) == [12, 13, 14]
    assert found.loss.low > 0.3
    assert abs(moves("outage", "f1_drop")) < STILL
    assert scenario.labels.delay_days >= 3 * scenario.time.step_days


@pytest.mark.slow
def test_to_answer_an_outage_hurts(telco):
    """Nine months after it began, who answered the alarm is worse off than who did not."""
    gains = []
    for seed in range(1, 11):
        replay = Replay(World(load_scenario("outage"), seed, telco_population(telco), kept_steps=None))
        policies = (load_policy("f1_drop > 0.1").build(), Never())
        lives = [replay.play(policy, load_profile("none"))[1] for policy in policies]
        assert any(row.job_opened and 12 <= row.step <= 18 for row in lives[0])
        gains.append(
            fmean(
                expected_f1(one.tally) - expected_f1(other.tally)
                for one, other in zip(*lives, strict=True)
                if 16 <= one.step <= 21
            )
        )
    interval = mean_interval(gains)
    assert interval.high < -0.02, interval


def test_harmless_moves_psi_and_not_f1():
    found = impact("harmless")
    assert found.signals["psi_max"][1] > PSI_ALARM
    assert abs(found.late.mean - found.calm.mean) < 0.01
    assert abs(moves("harmless", "score_psi")) < STILL


def test_a_broken_feed_shows_nulls_for_six_months():
    found = impact("broken_feed")
    assert steps_at_work(load_scenario("broken_feed")) == list(range(12, 18))
    assert found.signals["null_rate"][0] < 0.01
    assert found.signals["null_rate"][1] == pytest.approx(0.6, abs=0.03)
    assert found.loss.low > 0.3
    assert found.fresh.mean == pytest.approx(found.calm.mean, abs=0.01)


def test_a_renamed_category_is_unseen_and_leaves_the_stale_model_blind():
    found = impact("renamed_category")
    assert found.signals["unseen_rate"][0] == 0
    assert found.signals["unseen_rate"][1] > 0.4
    assert found.loss.low > 0.5
    assert abs(moves("renamed_category", "null_rate")) < STILL


def test_a_price_rise_frightens_psi_and_hurts_nobody():
    found = impact("price_rise")
    assert found.signals["psi_max"][1] > PSI_ALARM
    assert found.late.mean > found.calm.mean - 0.01


def test_wrong_units_ruin_three_months_and_are_seen_at_once():
    found = impact("wrong_units")
    assert steps_at_work(load_scenario("wrong_units")) == [12, 13, 14]
    assert found.signals["psi_max"][1] > PSI_ALARM
    assert found.loss.low > 0.5
    assert found.fresh.mean == pytest.approx(found.calm.mean, abs=0.01)


def test_a_campaign_looks_like_a_bad_model_and_is_none():
    found = impact("campaign")
    assert found.before.mean == pytest.approx(CALM_F1, abs=0.01)
    assert found.signals["f1"][0] < found.before.mean - 0.2
    assert found.signals["f1_drop"][0] > 0.2


def test_early_labels_make_precision_perfect_and_say_nothing():
    found = impact("early_labels")
    assert found.before.mean == pytest.approx(CALM_F1, abs=0.01)
    assert found.signals["precision"][0] == 1
    assert found.signals["f1"][0] > found.before.mean + 0.05
    assert found.signals["unlabelled_rate"][0] > 0.8


def test_a_migration_is_a_gradual_mixture_that_no_feature_tells():
    found, (injector,) = impact("migration"), load_scenario("migration").drift
    assert injector.profile == "gradual"
    assert found.loss.low > 0.2
    assert found.fresh.low > found.late.high + 0.1
    assert all(abs(moves("migration", signal)) < STILL for signal in QUIET)


def test_an_acquisition_takes_what_no_retraining_gives_back():
    found = impact("acquisition")
    assert found.signals["psi_max"][1] > PSI_ALARM
    assert moves("acquisition", "score_psi") > 0.2
    assert found.loss.low > 0.2
    assert abs(found.fresh.mean - found.late.mean) < 0.02


@pytest.mark.parametrize(
    ("name", "low", "high", "floor"), [("retail", 0.40, 0.50, 0.60), ("fraud", 0.01, 0.05, 0.70)]
)
def test_retail_and_fraud_have_their_base_rates_and_start_above_their_gates(name, low, high, floor):
    found, world = impact(name), World(load_scenario(name), 1, TWIN, kept_steps=None)
    assert low < world.propensities.mechanism(0).propensity(TWIN.reference()).mean() < high
    assert low < fmean(world.truth(step).churns.mean() for step in range(4)) < high
    assert found.before.low > floor
    assert found.loss.low > 0.1
    assert found.fresh.low > found.late.high
    assert found.population == "twin"


@pytest.mark.slow
@pytest.mark.parametrize("name", catalogue())
def test_a_stored_impact_is_what_is_measured(name, telco):
    scenario, stored = catalogue()[name], impacts()[name]
    population = TWIN if scenario.population == "twin" else telco_population(telco)
    measured = measure_impact(scenario, population, range(1, stored.seeds + 1))
    for part in ("before", "at_work", "late", "calm", "fresh", "loss"):
        one, other = (getattr(each, part) for each in (stored, measured))
        assert (one is None) == (other is None)
        if one is not None:
            assert asdict(one) == pytest.approx(asdict(other), abs=1e-3), part
    assert stored.psi_alarms == measured.psi_alarms
    assert {name: list(pair) for name, pair in stored.signals.items()} == {
        name: pytest.approx(list(pair), abs=1e-3) for name, pair in measured.signals.items()
    }


# In words


def test_every_kind_of_injector_can_be_told():
    told = {type(injector) for scenario in catalogue().values() for injector in scenario.drift}
    assert told < set(INJECTORS)
    for scenario in catalogue().values():
        lines = list(happenings(scenario))
        assert len(lines) >= len(scenario.drift)
        assert all(len(sketch(injector, scenario.time.steps)) == scenario.time.steps for injector in scenario.drift)


def test_a_story_says_what_a_stale_model_loses():
    told = " ".join(losses(impact("competitor")))
    assert "it loses 48.1% (47." in told
    assert "of its F1 (5 seeds of telco" in told
    assert "Signals that move, on average before and during: f1_drop 0.02 to 0.26." in told
    assert "it gains" in " ".join(losses(impact("price_rise")))
    assert "is never retrained has an F1 of 0.582" in " ".join(losses(impact("steady")))
    assert "Production sees another: an F1 of 0.32" in " ".join(losses(impact("campaign")))


def test_another_scenario_of_the_same_name_is_not_given_the_impact():
    scenario = load_scenario("competitor")
    assert impact_of(scenario) is impacts()["competitor@1"]
    assert impact_of(scenario.model_copy(update={"story": "Another."})) is not None
    weaker = tuple(each.model_copy(update={"strength": 0.5}) for each in scenario.drift)
    weak = scenario.model_copy(update={"drift": weaker})
    assert impact_of(weak) is None
    assert any("at 50% of it" in line for line in happenings(weak))
