"""Stream detectors: river's own positions, and what a policy makes of them."""

import importlib
import inspect
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.catalogue import load_policy
from policies.decision import Action, Cause
from policies.detector import DETECTORS, Detector
from policies.signals import Signals
from sim.errors import InputError

ROWS = 50


def choices(seed, n, *parts):
    """Return a stream drawn part by part, as the examples of river's documentation draw theirs."""
    rng = random.Random(seed)
    stream = []
    for values, weights in parts:
        stream += rng.choices(values, k=n, weights=weights)
    return stream


STEP_UP = choices(12345, 1000, ([0, 1], None), (range(4, 8), None))
MORE_ERRORS = choices(42, 1000, ([0, 1], None), ([0, 1], [0.3, 0.7]))
FEWER_ONES = choices(42, 250, ([0, 1], None), ([0, 1], [0.9, 0.1]))
FEWER_RIGHT = [1 - value for value in FEWER_ONES]


def months(stream, watches):
    for step, start in enumerate(range(0, len(stream), ROWS)):
        rows = {watches: tuple(stream[start : start + ROWS])}
        yield Signals(step=step, day=30 * step, job_open=False, **rows)


def first_alarm(policy, stream):
    """Return the position in the stream that the reason of the first alarm names, `None` without one."""
    for signals in months(stream, policy.watches):
        decision = policy.decide(signals)
        if decision.action is Action.RETRAIN:
            row = int(decision.reason.split("row ")[1].split(" of")[0])
            return signals.step * ROWS + row - 1
    return None


@pytest.mark.parametrize(
    ("detector", "watches", "settings", "stream", "position"),
    [
        # positions printed in the docstrings of river 0.26.1; to FHDDM, whose ones mean right, errors go turned round
        ("adwin", "scores", "", STEP_UP, 1023),
        ("page_hinkley", "scores", "", STEP_UP, 1006),
        ("kswin", "scores", "alpha=0.0001, seed=42", STEP_UP, 1016),
        ("ddm", "errors", "", MORE_ERRORS, 1334),
        ("eddm", "errors", "alpha=0.8, beta=0.75", MORE_ERRORS, 1278),
        ("hddm_w", "errors", "", MORE_ERRORS, 1077),
        ("hddm_a", "errors", "", MORE_ERRORS, 1206),
        ("fhddm", "errors", "", FEWER_RIGHT, 315),
        ("fhddm", "errors", "short_window_size=20", FEWER_RIGHT, 279),
    ],
)
def test_alarms_come_where_rivers_documentation_says(detector, watches, settings, stream, position):
    assert first_alarm(Detector(detector, watches, settings), stream) == position


def errors_by_month(*rates):
    """Return months of 1,000 errors, each month with its own rate."""
    rng = random.Random(7)
    for step, rate in enumerate(rates):
        yield month(step, errors=tuple(rng.random() < rate for _ in range(1000)))


def months_with_an_alarm(policy, *rates):
    return [signals.step for signals in errors_by_month(*rates) if policy.decide(signals).action is Action.RETRAIN]


TAMER = {"eddm": "alpha=0.8, beta=0.75"}
"""As in river's documentation: by default EDDM alarms on anything."""


@pytest.mark.parametrize("detector", [name for name, info in DETECTORS.items() if "errors" in info.streams])
def test_every_detector_of_errors_is_roused_by_more_of_them(detector):
    policy = Detector(detector, settings=TAMER.get(detector, ""))
    assert months_with_an_alarm(policy, 0.2, 0.2, 0.9) == [2]


@pytest.mark.parametrize("detector", ["adwin", "ddm", "hddm_a", "fhddm"])
def test_the_quiet_detectors_stay_quiet_while_the_rate_of_errors_stays(detector):
    assert months_with_an_alarm(Detector(detector), *[0.2] * 6) == []


@pytest.mark.parametrize("detector", ["ddm", "eddm", "hddm_a", "hddm_w", "fhddm"])
def test_fewer_errors_are_no_alarm_to_detectors_of_more(detector):
    assert months_with_an_alarm(Detector(detector), 0.9, 0.1) == []


@pytest.mark.parametrize("name", DETECTORS)
def test_the_settings_are_those_of_rivers_classes(name):
    info = DETECTORS[name]
    signature = inspect.signature(getattr(importlib.import_module(info.module), info.name))
    assert set(info.settings) == set(signature.parameters) - {"window"}


def alarmed(**more):
    """Return a policy that has just asked, after fifty right predictions and fifty wrong ones."""
    policy = Detector("ddm", **more)
    policy.decide(month(0, errors=(False,) * 50))
    assert policy.decide(month(1, errors=(True,) * 50)).action is Action.RETRAIN
    return policy


def month(step, job_open=False, **rows):
    return Signals(step=step, day=30 * step, job_open=job_open, **rows)


def test_an_alarm_stands_until_there_is_a_new_champion():
    policy = alarmed()
    assert policy.decide(month(2, job_open=True)).reason == "job_open"
    again = policy.decide(month(3))
    assert (again.action, again.cause) == (Action.RETRAIN, Cause.ALARM)
    policy.deployed("retrain-003")
    assert policy.decide(month(4)).reason == "missing"
    assert policy.decide(month(5, errors=(True,) * 50)).reason == "quiet"


def test_a_cooldown_counts_from_the_last_request():
    policy = alarmed(cooldown_days=60)
    assert policy.decide(month(2)).reason == "cooldown"
    assert policy.decide(month(3)).action is Action.RETRAIN


def test_the_evidence_is_the_mean_of_the_stream():
    policy = Detector("adwin", "scores")
    assert policy.decide(month(0, scores=(0.25, 0.75))).evidence == {"scores_mean": 0.5}
    assert policy.decide(month(1)).evidence == {"scores_mean": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("detector(detector='adwim')", "Did you mean 'adwin'?"),
        ("detector(detector='ddm', watches='scores')", "the stream that ddm watches must be one of errors"),
        ("detector(settings='dleta=1')", "a setting of adwin must be one of .* Did you mean 'delta'?"),
        ("detector(settings='1')", "name=value"),
        ("detector(settings='delta=1) + (2')", "name=value"),
        ("detector(detector='eddm', settings='alpha=0.5, beta=0.9')", "settings that river accepts"),
        ("detector(cooldown_days=-1)", "cooldown_days"),
    ],
)
def test_what_no_detector_can_use_is_refused_before_anything_runs(text, told):
    with pytest.raises(InputError, match=told):
        load_policy(text)


@pytest.mark.parametrize(
    ("detector", "settings", "told"),
    [
        ("adwin", "clock=0", "the setting clock of adwin must be a whole number from 1 to 1,000,000, got 0"),
        ("adwin", "max_buckets=0", "max_buckets of adwin must be a whole number from 1"),
        ("adwin", "delta=0", "delta of adwin must be a number from 1e-12 to 1, got 0"),
        ("adwin", "delta=-1", "got -1"),
        ("page_hinkley", "threshold='x'", "threshold of page_hinkley must be a number from 0 to 100000, got 'x'"),
        ("page_hinkley", "mode='upp'", "mode of page_hinkley must be one of up, down, both, .* mean 'up'"),
        ("kswin", "alpha=-1", "alpha of kswin must be a number from 1e-12 to 1, got -1"),
        ("kswin", "stat_size=99", "window_size of kswin must be at least 2 times stat_size, got 100 and 99"),
        ("kswin", "window_size=31, stat_size=30.5", "stat_size of kswin must be a whole number"),
        ("ddm", "warm_start='a'", "warm_start of ddm must be a whole number from 0"),
        ("eddm", "warm_start='a'", "warm_start of eddm must be a whole number from 0"),
        ("hddm_a", "drift_confidence=0", "drift_confidence of hddm_a must be a number from 1e-12 to 1, got 0"),
        ("hddm_a", "drift_confidence=-1", "got -1"),
        ("hddm_w", "lambda_val=2", "lambda_val of hddm_w must be a number from 1e-12 to 1, got 2"),
        ("hddm_w", "two_sided_test=1", "two_sided_test of hddm_w must be true or false, got 1"),
        ("fhddm", "sliding_window_size=0", "sliding_window_size of fhddm must be a whole number from 1"),
        ("fhddm", "confidence_level=0", "confidence_level of fhddm must be a number from 1e-12 to 1, got 0"),
        ("fhddm", "short_window_size=0", "short_window_size of fhddm must be a whole number from 1"),
        ("fhddm", "short_window_size=101", "must be at least short_window_size, got 100 and 101"),
    ],
)
def test_a_setting_out_of_range_is_refused_before_anything_runs(detector, settings, told):
    with pytest.raises(InputError, match=told):
        load_policy(f'detector(detector={detector!r}, settings="{settings}")')


def settings_of(detector):
    numbers = st.sampled_from([0, 1, 2, 30, 50, 99, 100, 1_000_000, 10**12, -1, 1e-12, 0.001, 0.5, 0.9, 30.5, 1e300])
    value = numbers | st.sampled_from(["true", "false", "'up'", "'a'"])
    return st.tuples(st.just(detector), st.dictionaries(st.sampled_from(list(DETECTORS[detector].settings)), value))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(DETECTORS)).flatmap(settings_of))
def test_settings_that_are_accepted_run(drawn):
    detector, values = drawn
    text = ", ".join(f"{name}={value}" for name, value in values.items())
    try:
        policy = load_policy(f'detector(detector={detector!r}, settings="{text}")').build()
    except InputError:
        return
    for signals in months(MORE_ERRORS[800:1200], "errors"):
        policy.decide(signals)
