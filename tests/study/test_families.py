"""Where each family of policies wins and loses, on the real table, by seed: what docs/policies.md says of them."""

from functools import cache

import pytest

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.inference.contests import mean_interval, paired_difference
from sim.study.replay.replay import Replay
from sim.study.scores.judge import Summary, summarise
from sim.world.population import load_population
from sim.world.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("telco"),  # skips where the table is not at hand
]

SEEDS = range(1, 9)
GATES = load_profile("telco_churn")


@cache
def replay(scenario: str, seed: int) -> Replay:
    return Replay(World(load_scenario(scenario), seed, load_population("telco"), kept_steps=None))


@cache
def lives(scenario: str, policy: str) -> tuple[Summary, ...]:
    built = load_policy(policy).build
    return tuple(summarise(replay(scenario, seed).record(built(), GATES, policy)) for seed in SEEDS)


def gains(scenario: str, policy: str, than: str = "never") -> list[float]:
    """Return by how much more a policy is worth than another, by seed."""
    pairs = zip(lives(scenario, policy), lives(scenario, than), strict=True)
    return [one.net_value - other.net_value for one, other in pairs]


def earns(scenario: str, policy: str, than: str = "never") -> bool:
    interval = mean_interval(gains(scenario, policy, than))
    return interval is not None and interval.low > 0


def loses(scenario: str, policy: str, than: str = "never") -> bool:
    interval = mean_interval(gains(scenario, policy, than))
    return interval is not None and interval.high < 0


def alarm_days(scenario: str, policy: str) -> list[float]:
    """Return the days from the onset to the first alarm, by seed; those of a life without one go to its end."""
    time = load_scenario(scenario).time
    end = (time.steps - (load_scenario(scenario).onset_step or 0)) * time.step_days
    return [end if life.detection_days is None else life.detection_days for life in lives(scenario, policy)]


@pytest.mark.parametrize(
    "policy", ["f1_only", "hddm_a", "adwin_errors", "f1_calibrated", "lord_f1", "expected_value", "cara_cumulative"]
)
def test_whatever_hears_of_labels_earns_after_a_concept_drift(policy):
    assert earns("competitor", policy)


@pytest.mark.parametrize("policy", ["psi_only", "nulls_only", "drift_calibrated", "score_shift", "quarantine_only"])
def test_whatever_looks_at_features_and_scores_alone_does_not_hear_of_it(policy):
    assert gains("competitor", policy) == [0.0] * len(SEEDS)


@pytest.mark.parametrize("policy", ["psi_only", "drift_calibrated", "proposal", "always"])
def test_never_is_better_where_features_move_and_nothing_else(policy):
    assert loses("harmless", policy)


@pytest.mark.parametrize("policy", ["lord_f1", "score_shift", "quarantine_only"])
def test_who_asks_whether_it_hurts_loses_nothing_there(policy):
    assert gains("harmless", policy) == [0.0] * len(SEEDS)


@pytest.mark.parametrize("scenario", ["broken_feed", "renamed_category"])
def test_an_estimate_without_labels_sees_a_broken_feed_on_the_day(scenario):
    assert alarm_days(scenario, "f1_estimated") == [0] * len(SEEDS)
    assert min(alarm_days(scenario, "f1_calibrated")) >= load_scenario(scenario).labels.horizon_days


def test_an_estimate_without_labels_sees_other_customers_before_their_labels_come():
    difference = paired_difference(alarm_days("acquisition", "f1_estimated"), alarm_days("acquisition", "f1_only"))
    assert difference.interval is not None
    assert difference.interval.high < 0


@pytest.mark.parametrize("policy", ["f1_estimated", "f1_only", "psi_only"])
def test_an_alarm_is_worth_nothing_where_a_fresh_model_is_no_better(policy):
    assert loses("acquisition", policy)


def test_a_feed_that_stays_broken_is_mended_by_any_retraining_once_its_labels_are_there():
    for policy in ("f1_estimated", "f1_only", "lord_f1"):
        assert earns("renamed_category", policy)


def test_a_quarantine_costs_where_the_fault_is_here_to_stay_and_an_endless_one_learns_nothing():
    assert loses("renamed_category", "guarded", than="f1_only")
    assert earns("renamed_category", "guarded")
    assert not earns("renamed_category", "ladder(patience_steps=99, recalibrate_first=false, cooldown_days=30)")


@pytest.mark.parametrize("policy", ["f1_only", "adwin_errors", "always"])
def test_a_true_alarm_comes_too_late_for_a_drift_that_passes(policy):
    assert loses("outage", policy)


@pytest.mark.parametrize("policy", ["forecast", "cara_cumulative", "page_hinkley_errors"])
def test_who_adds_up_or_looks_ahead_earns_on_slow_drift_and_a_calibrated_alarm_is_deaf_to_it(policy):
    assert earns("erosion", policy)
    assert earns("erosion", policy, than="lord_f1")
    assert gains("erosion", "lord_f1") == [0.0] * len(SEEDS)


def test_a_quarantine_pays_for_who_retrains_all_the_time_through_a_fault():
    guard = "quarantine_when='null_rate > 0.10 or unseen_rate > 0.10 or psi_max > 2', recalibrate_first=false"
    always = f"ladder({guard}, trouble_when='age_days >= 0', cooldown_days=0)"
    assert earns("wrong_units", always, than="always")
    assert gains("wrong_units", "quarantine_only") == [0.0] * len(SEEDS)
