"""Policies that weigh gain against cost: worked by hand."""

import numpy as np
import pytest

from policies.cara import Cara
from policies.decision import Action, Cause
from policies.expected_value import ExpectedValue
from policies.forecast import Forecast
from policies.reactive import Reactive
from policies.signals import Signals
from sim.errors import InputError


def month(step, job_open=False, **values):
    return Signals(step=step, day=30 * step, job_open=job_open, **values)


def reasons(policy, drops):
    return [policy.decide(month(step, f1_drop=drop)).reason for step, drop in enumerate(drops)]


def test_cara_threshold_looks_at_today_alone():
    policy = Cara("threshold", level=1000, loss_per_point=10_000)
    assert reasons(policy, [0.1, 0.09, None, -0.5, 0.11]) == [
        *("quiet", "quiet", "missing", "quiet", "staleness has cost 1100, more than 1000")
    ]


def test_cara_cumulative_adds_up_until_it_asks_and_a_gain_pays_nothing_back():
    policy = Cara("cumulative", level=1000, loss_per_point=10_000)
    assert reasons(policy, [0.05, -0.5, None, 0.06, 0.05, 0.06]) == [
        *("quiet", "quiet", "missing", "staleness has cost 1100, more than 1000", "quiet"),
        "staleness has cost 1100, more than 1000",
    ]


def test_cara_cumulative_forgets_with_a_new_champion_and_not_while_a_job_is_open():
    policy = Cara("cumulative", level=1000, loss_per_point=10_000)
    policy.decide(month(0, f1_drop=0.09))
    policy.deployed("retrain-000")
    assert policy.decide(month(1, f1_drop=0.09)).reason == "quiet"
    assert policy.decide(month(2, job_open=True, f1_drop=0.09)).reason == "job_open"
    assert policy.decide(month(3, f1_drop=0.0)).reason == "staleness has cost 1800, more than 1000"


def test_cara_periodic_is_a_calendar():
    policy = Cara("periodic", level=60)
    answers = [policy.decide(month(step)) for step in range(5)]
    assert [answer.action is Action.RETRAIN for answer in answers] == [False, False, True, False, True]
    assert answers[2].cause is Cause.SCHEDULE


def test_expected_value_by_hand():
    # (0.10 - 0.02 - 1 x 0.03) x 10,000 x 6 x 0.5 = 1,500
    policy = ExpectedValue(value_per_point=10_000, pass_rate=0.5, bias=0.02)
    answer = policy.decide(month(0, f1_drop=0.10, f1_drop_se=0.03))
    assert answer.reason == "expected gain 1500, cost 1000"
    assert policy.decide(month(1, f1_drop=0.08, f1_drop_se=0.03)).reason == "quiet"
    assert policy.decide(month(2, f1_drop=0.08)).reason == "missing"


def test_expected_value_may_listen_to_the_estimate():
    policy = ExpectedValue("f1_estimated_drop", doubt=2)
    assert policy.wants == {"f1_estimated_drop", "f1_estimated_se"}
    assert policy.decide(month(0, f1_estimated_drop=0.1, f1_estimated_se=0.04)).reason == "quiet"
    assert policy.decide(month(1, f1_estimated_drop=0.1, f1_estimated_se=0.01)).action is Action.RETRAIN
    assert ExpectedValue("two_sample_auc").wants == {"two_sample_auc"}


def seen(policy, f1_values, baseline=0.6, start=0):
    return [policy.decide(month(start + step, f1=f1, f1_drop=baseline - f1)) for step, f1 in enumerate(f1_values)]


def test_a_forecast_by_hand():
    # line 0.60, 0.58, 0.56: over the next two steps 0.54 + 0.52, against 0.60 twice: 0.14 x 10,000
    policy = Forecast(value_per_point=10_000, horizon_steps=2, quantile=0.5)
    answers = seen(policy, [0.60, 0.58, 0.56])
    assert [answer.reason for answer in answers[:2]] == ["quiet", "quiet"]
    assert answers[2].reason == "a gain of 1400 is forecast at quantile 0.5, cost 1000"


def test_the_less_sure_a_forecast_the_more_it_must_promise():
    sure = seen(Forecast(value_per_point=10_000, horizon_steps=2, quantile=0.2), [0.60, 0.58, 0.56])
    assert sure[2].reason == "quiet"
    bold = seen(Forecast(value_per_point=10_000, horizon_steps=2, quantile=0.7), [0.60, 0.58, 0.56])
    assert bold[0].action is Action.KEEP
    assert bold[2].action is Action.RETRAIN


def test_a_steady_champion_is_kept_and_a_new_one_begins_a_new_line():
    policy = Forecast()
    assert {answer.reason for answer in seen(policy, [0.6] * 6)} == {"quiet"}
    policy.deployed("retrain-006")
    assert policy.decide(month(7)).reason == "missing"
    assert seen(policy, [0.6], start=8)[0].reason == "quiet"


def test_an_alarm_is_answered_again_within_its_reactive_time():
    policy = Reactive("psi_max > 0.25", reactive_days=90, repeat_days=60)
    levels = [0.1, 0.3, 0.1, 0.1, 0.1, 0.1]
    answers = [policy.decide(month(step, psi_max=level)) for step, level in enumerate(levels)]
    assert [answer.reason for answer in answers] == [
        *("quiet", "alarm of day 30", "cooldown", "alarm of day 30", "cooldown", "quiet")
    ]


def reign(policy, start, f1_values):
    policy.deployed(f"job-{start:03d}")
    return [policy.decide(month(start + step, psi_max=0.0, f1=f1)) for step, f1 in enumerate(f1_values)]


def test_a_new_champion_that_is_worse_by_its_first_labels_is_taken_back_once():
    policy = Reactive("psi_max > 0.25", margin=0.02)
    assert {answer.action for answer in reign(policy, 0, [None, 0.55, 0.6])} == {Action.KEEP}
    new = reign(policy, 3, [None, 0.5, 0.4])
    assert [answer.action for answer in new] == [Action.KEEP, Action.ROLLBACK, Action.KEEP]
    assert new[1].reason == "f1 = 0.5 after 0.6 of the champion before"
    assert {answer.action for answer in reign(policy, 6, [0.4, 0.3])} == {Action.KEEP}


def test_a_new_champion_that_is_as_good_stays_and_is_the_next_ones_measure():
    policy = Reactive("psi_max > 0.25", margin=0.02)
    reign(policy, 0, [0.6])
    assert {answer.action for answer in reign(policy, 1, [0.59, 0.4])} == {Action.KEEP}
    assert {answer.action for answer in reign(policy, 3, [0.39])} == {Action.KEEP}


def test_nobody_goes_back_to_a_champion_that_was_never_measured():
    policy = Reactive("psi_max > 0.25")
    reign(policy, 0, [0.6])
    reign(policy, 1, [None, None])
    assert reign(policy, 3, [0.3])[0].action is Action.KEEP
    assert reign(policy, 4, [0.2])[0].action is Action.ROLLBACK


def test_a_verdict_waits_for_an_open_job_and_ends_with_the_champion():
    policy = Reactive("psi_max > 0.25")
    reign(policy, 0, [0.6])
    policy.deployed("job-001")
    waiting = [policy.decide(month(step, job_open=True, psi_max=0.0, f1=0.3)).action for step in (1, 2)]
    assert waiting == [Action.KEEP, Action.KEEP]
    assert policy.decide(month(3, psi_max=0.0, f1=0.4)).action is Action.ROLLBACK
    assert policy.decide(month(4, psi_max=0.0, f1=0.4)).action is Action.KEEP
    other = Reactive("psi_max > 0.25")
    reign(other, 0, [0.6])
    other.deployed("job-001")
    other.decide(month(1, job_open=True, psi_max=0.0, f1=0.3))
    other.deployed("job-002")
    assert other.decide(month(2, psi_max=0.0)).action is Action.KEEP


def test_age_alone_is_a_schedule_for_a_reactive_policy_too():
    assert Reactive("age_days > 20").decide(month(1, age_days=30.0)).cause is Cause.SCHEDULE
    assert (
        Reactive("age_days > 20 or psi_max > 0.1").decide(month(1, age_days=30.0, psi_max=0.2)).cause is Cause.ALARM
    )


@pytest.mark.parametrize("n_seen", [1, 2, 3, 4, 6, 12])
def test_a_forecast_knows_how_unsure_its_line_is(n_seen):
    """Its standard deviation against that of 4,000 lines fitted to nothing but noise; the baseline is known well."""
    rng, horizon = np.random.default_rng(n_seen), 6
    steps, ahead = np.arange(n_seen), np.arange(n_seen, n_seen + horizon)
    months = 0.6 + 0.03 * rng.standard_normal((4000, n_seen))
    if n_seen < 3:
        found = horizon * (months.mean(axis=1) - 0.6)
    else:
        found = (np.polyval(np.polyfit(steps, months.T, 1), ahead[:, None]) - 0.6).sum(axis=0)
    policy = Forecast(horizon_steps=horizon)
    policy._seen, policy._baselines = [(step, 0.6) for step in range(n_seen)], [0.6] * 10_000
    policy._squares, policy._freedom = 1e4 * 0.03**2, 10_000
    assert policy._spread(range(n_seen, n_seen + horizon)) == pytest.approx(found.std(), rel=0.05)


def test_the_deviation_of_a_forecast_is_that_of_its_months_however_short_reigns_are():
    rng = np.random.default_rng(3)
    for length in (2, 3, 5):
        policy = Forecast()
        for reign_number in range(300):
            for step, f1 in enumerate(0.6 + 0.05 * rng.standard_normal(length)):
                policy.decide(month(10 * reign_number + step, f1=f1, f1_drop=0.6 - f1))
            policy.deployed("next")
        assert policy._deviation() == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: Cara("treshold"), "Did you mean 'threshold'?"),
        (lambda: Cara(staleness="f1_dorp"), "Did you mean 'f1_drop'?"),
        (lambda: Cara(level=-1), "level must be a number"),
        (lambda: ExpectedValue("f1_dorp"), "Did you mean 'f1_drop'?"),
        (lambda: ExpectedValue(pass_rate=2), "pass_rate must be a number from 0 to 1"),
        (lambda: Forecast("recall"), "f1 must be f1 or f1_estimated"),
        (lambda: Forecast(quantile=1), "quantile must be a number"),
        (lambda: Reactive("psi_mx > 1"), "Did you mean 'psi_max'?"),
        (lambda: Reactive(repeat_days=0), "repeat_days"),
    ],
)
def test_what_cannot_be_weighed_is_refused(build, told):
    with pytest.raises(InputError, match=told):
        build()
