"""Online false discovery rates and moving thresholds, against plain references."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.catalogue import catalogue
from policies.decision import Action
from policies.dynamic import Dynamic
from policies.online_fdr import OnlineFdr, lord_level, saffron_level
from policies.signals import Signals
from sim.errors import InputError


def month(step, job_open=False, **values):
    return Signals(step=step, day=30 * step, job_open=job_open, **values)


def played(policy, name, values):
    return [policy.decide(month(step, **{name: value})) for step, value in enumerate(values)]


p_lists = st.lists(st.sampled_from([1e-9, 1e-4, 0.01, 0.2, 0.4, 0.6, 0.9]), min_size=1, max_size=30)


def lord_gamma(j):
    return 0.07720838 * np.log(max(j, 2)) / (j * np.exp(np.sqrt(np.log(j))))


def saffron_gamma(j):
    return j**-1.6 / 2.2857656  # zeta(1.6)


@given(p_lists, st.sampled_from([0.05, 0.2]))
def test_lord_spends_as_the_paper_says(p_values, alpha):
    """Ramdas and others (2017), LORD++, with the initial wealth alpha / 2."""
    w0, rejected = alpha / 2, []
    for t, p_value in enumerate(p_values, start=1):
        level = lord_gamma(t) * w0
        for order, tau in enumerate(rejected):
            level += (alpha - w0 if order == 0 else alpha) * lord_gamma(t - tau)
        assert lord_level(alpha, p_values[: t - 1], rejected) == pytest.approx(level, rel=1e-9)
        if p_value <= level:
            rejected.append(t)


@given(p_lists, st.sampled_from([0.05, 0.2]))
def test_saffron_spends_as_the_paper_says(p_values, alpha):
    """Ramdas and others (2018), with the initial wealth alpha / 2 and candidates up to 0.5."""
    w0, rejected = alpha / 2, []
    for t, p_value in enumerate(p_values, start=1):
        before = p_values[: t - 1]

        def candidates(since, until=t, before=before):
            return sum(before[i - 1] <= 0.5 for i in range(since + 1, until))

        level = w0 * saffron_gamma(t - candidates(0))
        for order, tau in enumerate(rejected):
            level += (alpha - w0 if order == 0 else alpha) * saffron_gamma(t - tau - candidates(tau))
        assert saffron_level(alpha, before, rejected) == pytest.approx(min(0.5, 0.5 * level), rel=1e-6)
        if p_value <= level / 2:
            rejected.append(t)


def test_the_levels_until_a_first_alarm_sum_to_no_more_than_the_rate():
    quiet = [1.0] * 5000
    assert sum(lord_level(0.05, quiet[:t], []) for t in range(5000)) < 0.025


@pytest.mark.parametrize("method", ["lord", "saffron"])
def test_over_many_quiet_lives_an_alarm_is_as_rare_as_promised(method):
    """At 10 %, 1,000 lives of 36 independent months: more than 13 % has a chance below 1 %."""
    rng = random.Random(4)
    alarms = 0
    for _ in range(1000):
        policy = OnlineFdr("drift_p", level=0.1, method=method)
        alarms += any(
            d.action is Action.RETRAIN for d in played(policy, "drift_p", [rng.random() for _ in range(36)])
        )
    assert 5 < alarms <= 130


def test_a_missing_p_value_is_no_test():
    one, other = OnlineFdr(level=0.1), OnlineFdr(level=0.1)
    answers = played(one, "drift_p", [None, float("nan"), 0.5, 1e-9])
    assert [answer.reason for answer in answers[:3]] == ["missing", "missing", "quiet"]
    assert answers[3].reason == played(other, "drift_p", [0.5, 1e-9])[1].reason


def test_a_finding_earns_also_while_a_job_is_open():
    policy = OnlineFdr()
    assert policy.decide(month(0, job_open=True, drift_p=1e-9)).reason == "job_open"
    assert policy.decide(month(1, drift_p=0.0015)).action is Action.RETRAIN
    assert OnlineFdr().decide(month(1, drift_p=0.0015)).reason == "quiet"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"p_value": "f1_drop"}, "p_value must be one of"),
        ({"p_value": "drfit_p"}, "Did you mean 'drift_p'?"),
        ({"method": "lrod"}, "Did you mean 'lord'?"),
        ({"level": 0}, "level must be a number"),
        ({"cooldown_days": -1}, "cooldown_days"),
    ],
)
def test_what_cannot_be_promised_is_refused(parameters, told):
    with pytest.raises(InputError, match=told):
        OnlineFdr(**parameters)


values = st.lists(st.floats(0, 10), min_size=5, max_size=5)


@given(values, st.floats(0, 1), st.floats(0, 10))
def test_a_quantile_is_numpys(past, level, today):
    answer = played(Dynamic("psi_max", "quantile", level, window_steps=5), "psi_max", [*past, today])[-1]
    threshold = np.quantile(past, level)
    if abs(today - threshold) > 1e-9:
        assert (answer.action is Action.RETRAIN) == (today > threshold)


def test_the_window_moves_on_and_leaves_today_out():
    policy = Dynamic("psi_max", "mean", level=0.5, window_steps=2)
    answers = played(policy, "psi_max", [1, 1, 1.6, 1.6, 2.5, None, 2.5])
    assert [answer.reason.split(" ")[0] for answer in answers] == [
        *("missing", "missing", "psi_max", "quiet", "psi_max", "missing", "quiet")
    ]


def test_a_month_no_worse_than_a_negative_mean_is_quiet():
    """F1 above its baseline has a negative drop; the threshold lies half a mean's size above, at -0.01."""
    policy = Dynamic("f1_drop", "mean", level=0.5, window_steps=2)
    answers = played(policy, "f1_drop", [-0.02, -0.02, -0.025, -0.005])
    assert [answer.reason for answer in answers[2:]] == [
        *("quiet", "f1_drop = -0.005 above -0.0112, the mean of 2 steps and 0.5 times its size")
    ]


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3), st.floats(0, 10), st.floats(-10, 10))
def test_no_value_at_or_below_the_mean_is_an_alarm(past, level, today):
    answer = played(Dynamic("psi_max", "mean", level, window_steps=3), "psi_max", [*past, today])[-1]
    mean = float(np.mean(past))
    if abs(today - mean) > 1e-9 and today <= mean:
        assert answer.action is Action.KEEP


@pytest.mark.parametrize(("law", "numbers"), [("random", ()), ("gauss", (0, 1)), ("expovariate", (1,))])
def test_of_months_alike_one_in_nine_is_above_the_quantile_of_the_twelve_before(law, numbers):
    """Today is the largest of 13 with a chance of 1/13, as often the second largest, and then half the time above.

    10,000 lives of a year and a month: three standard errors are 0.9 %.
    """
    draw, alarms = getattr(random.Random(5), law), 0
    for _ in range(10_000):
        months = [draw(*numbers) for _ in range(13)]
        alarms += played(catalogue()["psi_quantile"].build(), "psi_max", months)[-1].action is Action.RETRAIN
    assert alarms / 10_000 == pytest.approx(1 / 9, abs=0.015)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"signal": "psi_mx"}, "Did you mean 'psi_max'?"),
        ({"method": "quantil"}, "Did you mean 'quantile'?"),
        ({"level": 1.1}, "level must be a number from 0 to 1"),
        ({"window_steps": 0}, "window_steps"),
    ],
)
def test_what_no_threshold_can_be_drawn_from_is_refused(parameters, told):
    with pytest.raises(InputError, match=told):
        Dynamic(**parameters)
