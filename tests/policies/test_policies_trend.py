"""Trends, hysteresis and the yearly budget of rules."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decision import Action, Truth
from policies.expression import Expression
from policies.manual import Manual
from policies.rule import Rule
from policies.signals import Signals
from policies.trend import History, Trend
from sim.errors import InputError


def month(step, job_open=False, **values):
    return Signals(step=step, day=30 * step, job_open=job_open, **values)


def reasons(policy, months):
    return [policy.decide(signals).reason for signals in months]


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20))
def test_a_slope_is_the_least_squares_slope(values):
    wanted = np.polyfit(np.arange(len(values)), values, 1)[0]
    assert Trend("f1", len(values)).slope(values) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, None], [None, 0.5]])
def test_a_slope_is_missing_unless_every_step_is_known(values):
    assert Trend("f1", 2).slope(values) is None


def test_what_is_no_number_is_missing_from_a_history():
    history = History((Trend("f1", 2),))
    seen = [
        history.see(month(step, f1=value))["slope(f1, 2)"] for step, value in enumerate((0.5, float("nan"), 0.5, 1))
    ]
    assert seen == [None, None, None, 0.5]


def test_only_the_last_steps_count():
    assert Trend("f1", 2).slope([9.0, 0.5, 0.25]) == -0.25


def test_one_history_serves_trends_of_any_length_and_forgets():
    history = History((Trend("f1", 2), Trend("f1", 3), Trend("psi_max", 2)))
    seen = [history.see(month(step, f1=value, psi_max=1.0)) for step, value in enumerate((0.75, 0.5, 0.25))]
    assert seen[1] == {"slope(f1, 2)": -0.25, "slope(f1, 3)": None, "slope(psi_max, 2)": 0.0}
    assert seen[2]["slope(f1, 3)"] == -0.25
    history.forget()
    assert set(history.see(month(3, f1=0.5, psi_max=1.0)).values()) == {None}


def test_a_trend_reads_like_a_signal():
    rule = Expression.parse("slope( f1,3 )<-0.02 and psi_max > 0.1 or slope(f1, 3) < -0.02")
    assert rule.text == "(slope(f1, 3) < -0.02 and psi_max > 0.1) or slope(f1, 3) < -0.02"
    assert rule.names == ("psi_max",)
    assert rule.trends == (Trend("f1", 3),)
    assert rule.signals == ("psi_max", "f1")
    assert Expression.parse("slope(f1, 3) < 0").evaluate(month(0, f1=0.1)) is Truth.MISSING
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("slope(f1) < 0", ["slope(signal, steps)", "'slope(f1)'"]),
        ("slope(f1, 1) < 0", ["2 to 1000 steps"]),
        ("slope(f1, 2000) < 0", ["2 to 1000 steps"]),
        ("slope(f1, 2.5) < 0", ["slope(signal, steps)"]),
        ("slope(f1, True) < 0", ["slope(signal, steps)"]),
        ("slope(f1, steps=3) < 0", ["slope(signal, steps)"]),
        ("slope(f1_dorp, 3) < 0", ["Did you mean 'f1_drop'?"]),
        ("slope(slope(f1, 3), 3) < 0", ["slope(signal, steps)"]),
        ("slope(f1, 3)", ["compare 'slope(f1, 3)' with something"]),
        ("f1 > 0 or slope(f1, 3)", ["compare 'slope(f1, 3)' with something"]),
        ("slop(f1, 3) < 0", ["the call 'slop(f1, 3)'"]),
    ],
)
def test_a_trend_that_cannot_be_read_is_refused(text, pieces):
    with pytest.raises(InputError) as error:
        Expression.parse(text)
    assert all(piece in str(error.value) for piece in pieces), str(error.value)


def test_a_rule_acts_on_a_trend_and_starts_it_again_with_a_new_champion():
    rule = Rule("slope(f1, 3) < -0.02")
    falling = [month(step, f1=0.6 - 0.05 * step) for step in range(7)]
    assert reasons(rule, falling[:4]) == ["missing", "missing", "slope(f1, 3) < -0.02", "slope(f1, 3) < -0.02"]
    rule.deployed("retrain-003")
    assert reasons(rule, falling[4:]) == ["missing", "missing", "slope(f1, 3) < -0.02"]
    shown = Rule("slope(f1, 2) < 0 or psi_max > 1")
    shown.decide(month(0, f1=0.75, psi_max=0.5))
    assert shown.decide(month(1, f1=0.5, psi_max=0.5)).evidence == {"slope(f1, 2)": -0.25, "psi_max": 0.5}


def test_somebody_may_look_at_a_trend():
    someone = Manual("slope(f1, 2) < 0", look_days=60, fastest_days=0, slowest_days=0)
    seen = reasons(someone, [month(step, f1=0.6 - 0.1 * step) for step in range(3)])
    assert seen == ["quiet", "quiet", "someone saw slope(f1, 2) < 0 on day 60"]


def test_hysteresis_asks_again_only_after_the_re_arm_level():
    rule = Rule("psi_max > 0.25", rearm_when="psi_max < 0.1")
    levels = [0.3, 0.3, 0.2, 0.3, None, 0.05, 0.2, 0.3]
    seen = reasons(rule, [month(step, psi_max=level) for step, level in enumerate(levels)])
    asked = "psi_max > 0.25"
    assert seen == [asked, "disarmed", "quiet", "disarmed", "missing", "quiet", "quiet", asked]


def test_a_new_champion_does_not_re_arm_and_a_suppressed_request_does_not_disarm():
    rule = Rule("psi_max > 0.25", rearm_when="psi_max < 0.1")
    assert reasons(rule, [month(0, job_open=True, psi_max=0.3)]) == ["job_open"]
    assert reasons(rule, [month(1, psi_max=0.3)]) == ["psi_max > 0.25"]
    rule.deployed("retrain-001")
    assert reasons(rule, [month(2, psi_max=0.3)]) == ["disarmed"]


def test_a_trend_may_re_arm():
    rule = Rule("psi_max > 0.25", rearm_when="slope(psi_max, 2) < 0")
    seen = reasons(rule, [month(step, psi_max=level) for step, level in enumerate((0.9, 0.9, 0.8, 0.8))])
    assert seen == ["psi_max > 0.25", "disarmed", "psi_max > 0.25", "disarmed"]


def test_a_budget_holds_within_any_365_days():
    rule = Rule("f1 < 0.5", budget_per_year=2)
    days = [0, 30, 60, 364, 365, 394, 395]
    signals = [Signals(step=step, day=day, job_open=False, f1=0.1) for step, day in enumerate(days)]
    asked = "f1 < 0.5"
    assert reasons(rule, signals) == [asked, asked, "budget", "budget", asked, "budget", asked]


def test_held_back_requests_take_no_budget():
    rule = Rule("f1 < 0.5", budget_per_year=1)
    assert reasons(rule, [month(0, job_open=True, f1=0.1), month(1, f1=0.1)]) == ["job_open", "f1 < 0.5"]


@pytest.mark.parametrize(
    ("parameters", "pieces"),
    [
        ({"budget_per_year": -1}, ["budget_per_year", "-1"]),
        ({"budget_per_year": 1.5}, ["budget_per_year", "1.5"]),
        ({"rearm_when": "psi_mx < 1"}, ["Did you mean 'psi_max'?"]),
    ],
)
def test_what_a_rule_cannot_use_is_refused(parameters, pieces):
    with pytest.raises(InputError) as error:
        Rule("f1 < 0.5", **parameters)
    assert all(piece in str(error.value) for piece in pieces)


def test_the_work_after_a_look_takes_its_own_time_in_each_world():
    ready = set()
    for seen in range(12):
        someone = Manual(fastest_days=0, slowest_days=90)
        numbers = {"f1_drop": 0.2, "psi_max": 0.01 * seen, "score_psi": 0.02, "f1": 0.5}
        days = []
        for again in (someone, Manual(fastest_days=0, slowest_days=90)):
            decided = [again.decide(Signals(step=s, day=10 * s, job_open=False, **numbers)) for s in range(20)]
            days.append(next(10 * s for s, each in enumerate(decided) if each.action is Action.RETRAIN))
        assert days[0] == days[1]
        ready.add(days[0])
    assert len(ready) > 4
    assert all(90 <= day <= 180 for day in ready)
