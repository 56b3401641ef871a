"""The ladder: which rung it takes, and that its guard changes nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.catalogue import load_policy
from policies.decision import Action, Cause
from policies.ladder import Ladder
from policies.rule import Rule
from policies.signals import Signals
from sim.errors import InputError


def seen(step, *, null_rate=0.0, unseen_rate=0.0, f1_drop=None, job_open=False):
    return Signals(
        step=step, day=30 * step, job_open=job_open, null_rate=null_rate, unseen_rate=unseen_rate, f1_drop=f1_drop
    )


lives = st.lists(
    st.tuples(
        st.sampled_from([None, 0.0, 0.0, 0.0, 0.2]),
        st.sampled_from([None, 0.0, 0.1, 0.1]),
        st.sampled_from([False, False, True]),
    ),
    max_size=30,
).map(lambda days: [seen(step, null_rate=n, f1_drop=d, job_open=j) for step, (n, d, j) in enumerate(days)])


def actions(policy, life):
    return [policy.decide(signals).action for signals in life]


def test_it_climbs_from_recalibration_to_retraining_and_begins_again_once_trouble_is_over():
    drops = [0.1, 0.1, 0.1, 0.0, 0.1, None, 0.1]
    life = [seen(step, f1_drop=drop) for step, drop in enumerate(drops)]
    assert actions(Ladder(cooldown_days=0), life) == [
        *(Action.RECALIBRATE, Action.RETRAIN, Action.RETRAIN, Action.KEEP),
        *(Action.RECALIBRATE, Action.KEEP, Action.RETRAIN),  # a missing drop is no proof that the trouble is over
    ]


def test_a_rung_that_was_held_back_is_still_to_be_taken():
    life = [seen(0, f1_drop=0.1, job_open=True), seen(1, f1_drop=0.1), seen(2, f1_drop=0.1), seen(3, f1_drop=0.1)]
    assert actions(Ladder(cooldown_days=60), life) == [Action.KEEP, Action.RECALIBRATE, Action.KEEP, Action.RETRAIN]


@pytest.mark.parametrize("fault", [{"null_rate": 0.2}, {"unseen_rate": 0.2}])
def test_a_broken_batch_is_set_apart_before_all_else(fault):
    decision = Ladder().decide(seen(0, f1_drop=0.1, job_open=True, **fault))
    assert decision.action is Action.QUARANTINE
    assert decision.reason == f"{next(iter(fault))} > 0.1"


def test_what_stays_broken_is_how_things_are_until_a_batch_is_sound():
    rates = [0.2, 0.2, 0.2, None, 0.2, 0.0, 0.2, None, 0.2, 0.2]
    life = [seen(step, null_rate=rate, unseen_rate=rate, f1_drop=0.1) for step, rate in enumerate(rates)]
    ladder = Ladder(patience_steps=2, recalibrate_first=False, cooldown_days=0)
    assert actions(ladder, life) == [
        *(Action.QUARANTINE, Action.QUARANTINE, Action.RETRAIN, Action.RETRAIN, Action.RETRAIN),
        *(Action.RETRAIN, Action.QUARANTINE, Action.RETRAIN, Action.QUARANTINE, Action.RETRAIN),
    ]


@settings(max_examples=200)
@given(lives)
def test_without_recalibration_it_is_the_rule_with_a_guard(life):
    ladder, rule = (
        Ladder(patience_steps=99, recalibrate_first=False, cooldown_days=45),
        Rule("f1_drop > 0.05", cooldown_days=45),
    )
    for signals in life:
        decision = ladder.decide(signals)
        if (signals.null_rate or 0) > 0.10:
            assert decision.action is Action.QUARANTINE
        else:
            expected = rule.decide(signals)
            assert (decision.action, decision.reason, decision.cause) == (
                expected.action,
                expected.reason,
                expected.cause,
            )


@settings(max_examples=200)
@given(lives)
def test_without_a_rule_for_trouble_it_only_sets_apart(life):
    apart, in_a_row = [], 0
    for signals in life:
        if signals.null_rate is not None:
            in_a_row = in_a_row + 1 if signals.null_rate > 0.10 else 0
        apart.append(signals.null_rate == 0.2 and in_a_row <= 2)
    chosen = actions(Ladder(patience_steps=2, trouble_when=""), life)
    assert chosen == [Action.QUARANTINE if each else Action.KEEP for each in apart]


def test_a_calendar_with_a_guard_is_a_schedule():
    ladder = Ladder(trouble_when="age_days > 20", recalibrate_first=False)
    decision = ladder.decide(Signals(step=1, day=30, job_open=False, null_rate=0.0, unseen_rate=0.0, age_days=30.0))
    assert (decision.action, decision.cause) == (Action.RETRAIN, Cause.SCHEDULE)


def test_the_guard_of_the_catalogue_differs_from_the_trigger_by_the_guard_alone():
    guarded, trigger = (load_policy(name).parameters for name in ("guarded", "f1_only"))
    assert not guarded["recalibrate_first"]
    assert (guarded["trouble_when"], guarded["cooldown_days"]) == (trigger["retrain_when"], trigger["cooldown_days"])


@pytest.mark.parametrize(
    "parameters",
    [
        {"quarantine_when": ""},
        {"trouble_when": "f1 >"},
        {"cooldown_days": -1},
        {"patience_steps": 0},
        {"trouble_when": False},
        {"trouble_when": 0},
    ],
)
def test_bad_parameters_are_refused(parameters):
    with pytest.raises(InputError):
        Ladder(**parameters)
