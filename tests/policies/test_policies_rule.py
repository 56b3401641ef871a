"""The policies as state machines, against plain references."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.always import Always
from policies.decision import Action, Cause, Truth
from policies.every import Every
from policies.never import Never
from policies.rule import Rule
from policies.signals import Signals
from sim.errors import InputError


@dataclass(frozen=True)
class Day:
    """What one step brings: days since the last one, the signal, the open job and a new champion before it."""

    days: int
    f1_drop: float | None
    job_open: bool
    deployed: bool


lives = st.lists(
    st.builds(
        Day,
        days=st.sampled_from([1, 7, 30]),
        f1_drop=st.sampled_from([None, float("nan"), 0.0, 0.1, 0.1, 0.1]),
        job_open=st.sampled_from([False, False, True]),
        deployed=st.sampled_from([False, False, False, True]),
    ),
    max_size=30,
)


def decisions(policy, life):
    today = 0
    for step, day in enumerate(life):
        today += day.days
        if day.deployed:
            policy.deployed(f"job-{step}")
        yield policy.decide(Signals(step=step, day=today, job_open=day.job_open, f1_drop=day.f1_drop))


def reference(life, cooldown_days, for_steps):
    """The answers of `f1_drop > 0.05`, from the whole history at every step."""
    today, answers, requests = 0, [], []
    for step, day in enumerate(life):
        today += day.days
        since = max((index for index in range(step + 1) if life[index].deployed), default=0)
        recent = [life[index].f1_drop for index in range(since, step + 1)][-for_steps:]
        if day.f1_drop is None or day.f1_drop != day.f1_drop:
            answers.append("missing")
        elif not day.f1_drop > 0.05:
            answers.append("quiet")
        elif len(recent) < for_steps or not all(value is not None and value > 0.05 for value in recent):
            answers.append("waiting")
        elif requests and today - requests[-1] < cooldown_days:
            answers.append("cooldown")
        elif day.job_open:
            answers.append("job_open")
        else:
            answers.append("f1_drop > 0.05")
            requests.append(today)
    return answers


@settings(deadline=None)
@given(lives, st.sampled_from([0, 7, 30, 45.5]), st.integers(1, 4))
def test_a_rule_answers_as_the_definitions_say(life, cooldown_days, for_steps):
    policy = Rule("f1_drop > 0.05", cooldown_days=cooldown_days, for_steps=for_steps)
    assert [decision.reason for decision in decisions(policy, life)] == reference(life, cooldown_days, for_steps)


@settings(deadline=None)
@given(lives, st.integers(1, 3))
def test_the_same_signals_get_the_same_decisions(life, for_steps):
    rule = "not (f1_drop <= 0.05) or age_days > 30"
    one, other = (list(decisions(Rule(rule, 30, for_steps), life)) for _ in range(2))
    assert repr(one) == repr(other)


@settings(deadline=None)
@given(lives)
def test_a_rule_shows_its_evidence_and_clauses_also_when_it_keeps(life):
    for day, decision in zip(life, decisions(Rule("f1_drop > 0.05 or psi_max > 1"), life), strict=True):
        known = day.f1_drop is not None and day.f1_drop == day.f1_drop
        assert decision.evidence == {"f1_drop": day.f1_drop if known else None, "psi_max": None}
        assert list(decision.clauses) == ["f1_drop > 0.05", "psi_max > 1"]
        assert decision.clauses["psi_max > 1"] is Truth.MISSING


def test_cooldown_ends_on_the_day_itself_and_wins_over_an_open_job():
    policy = Rule("f1 < 0.5", cooldown_days=30)
    answers = [
        policy.decide(Signals(step=step, day=day, job_open=job_open, f1=0.1)).reason
        for step, (day, job_open) in enumerate(
            [(0, True), (1, False), (30, True), (31, True), (40, False), (69, False)]
        )
    ]
    assert answers == ["job_open", "f1 < 0.5", "cooldown", "job_open", "f1 < 0.5", "cooldown"]


@pytest.mark.parametrize(
    ("rule", "values", "reason", "cause"),
    [
        ("f1_drop > 0.05 or age_days > 30", {"f1_drop": 0.1, "age_days": 1}, "f1_drop > 0.05", Cause.ALARM),
        ("f1_drop > 0.05 or age_days > 30", {"f1_drop": 0.0, "age_days": 31}, "age_days > 30", Cause.SCHEDULE),
        ("f1_drop > 0.05 or age_days > 30", {"age_days": 31}, "age_days > 30", Cause.SCHEDULE),
        ("f1_drop > 0.1 or age_days > 3", {"f1_drop": 1, "age_days": 4}, "f1_drop > 0.1, age_days > 3", Cause.ALARM),
        (
            "f1 < 0.5 and psi_max > 1 or age_days > 3",
            {"f1": 0, "psi_max": 0, "age_days": 4},
            "age_days > 3",
            "schedule",
        ),
        ("not (age_days <= 30)", {"age_days": 31}, "not (age_days <= 30)", Cause.SCHEDULE),
        ("not (f1 >= 0.5)", {"f1": 0.4}, "not (f1 >= 0.5)", Cause.ALARM),
    ],
)
def test_a_request_says_which_clauses_asked_and_whether_they_monitor(rule, values, reason, cause):
    decision = Rule(rule).decide(Signals(step=0, day=0, job_open=False, **values))
    assert (decision.action, decision.reason, decision.cause) == (Action.RETRAIN, reason, cause)


@pytest.mark.parametrize(
    "parameters",
    [
        {"retrain_when": "f1"},
        {"retrain_when": None},
        *({"cooldown_days": bad} for bad in (-1, float("nan"), float("inf"), "30", None, True, [30], 10**400)),
        *({"for_steps": bad} for bad in (0, -1, 1.0, "1", None, True, 10**400)),
    ],
)
def test_a_rule_refuses_bad_parameters(parameters):
    with pytest.raises(InputError):
        Rule(**{"retrain_when": "f1 > 0.5", **parameters})


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), "90", None, False])
def test_every_refuses_bad_days(days):
    with pytest.raises(InputError, match="days must be"):
        Every(days=days)


def calendar(policy, days, *, open_on=(), age_days=None):
    signals = (Signals(step=i, day=day, job_open=day in open_on, age_days=age_days) for i, day in enumerate(days))
    return [policy.decide(today).reason for today in signals]


def test_every_counts_from_the_request_of_the_first_champion():
    policy = Every(days=90)
    decision = policy.decide(Signals(step=0, day=60, job_open=False, age_days=90))
    assert (decision.action, decision.cause) == (Action.RETRAIN, Cause.SCHEDULE)
    assert calendar(policy, [90, 120, 149, 150]) == ["quiet", "quiet", "quiet", "90 days since the last request"]


def test_every_counts_from_its_first_day_where_the_age_is_missing():
    assert calendar(Every(days=30), [10, 39, 40]) == ["quiet", "quiet", "30 days since the last request"]


def test_every_makes_up_for_a_request_that_an_open_job_held_back():
    answers = calendar(Every(days=30), [0, 30, 37, 60, 67], open_on={30}, age_days=0)
    assert answers == [
        "quiet",
        "job_open",
        "37 days since the last request",
        "quiet",
        "30 days since the last request",
    ]


def test_always_asks_whenever_no_job_is_open_and_never_never_does():
    assert calendar(Always(), [0, 30, 60], open_on={30}) == ["every step", "job_open", "every step"]
    assert calendar(Never(), [0, 30, 60], open_on={30}) == ["quiet"] * 3
