"""The power of gates: true differences as wanted, the real gates asked, and figures that mean what they say."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from lives import CHEAP, small

from reports.gate_power import check_chart_path, draw_power, power_sentences, power_tables
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.statistics.metrics import expected_f1
from sim.study.gate_power import ALL, PowerResult, PowerStudy, _bench, _drawn, _pair, gate_power

SCENARIO = small(steps=1, customers=1000, recipe=CHEAP.model_copy(update={"rounds": 20}))
TELCO, NONE, HARM = (load_profile(name) for name in ("telco_churn", "none", "do_no_harm"))
STUDY = PowerStudy(
    SCENARIO, (TELCO, load_profile("non_inferiority"), HARM), (60, 500), (-0.1, 0.0, 0.1), 5, holdouts_per_world=12
)


@pytest.fixture(scope="module")
def result() -> PowerResult:
    return gate_power(STUDY)


def passed(result: PowerResult, profile: str, gate: str, holdout: int, difference: float) -> float:
    (found,) = (
        p
        for p in result.powers
        if (p.profile, p.gate, p.holdout, p.difference) == (profile, gate, holdout, difference)
    )
    return found.passed


@pytest.mark.parametrize("difference", [-0.1, -0.02, 0.0, 0.05])
def test_the_true_difference_is_as_wanted(difference):
    bench = _bench(SCENARIO, 3)
    champion, challenger = _pair(bench, difference, np.random.default_rng(1))
    scores = [expected_f1(bench.propensity, p >= 0.5) for p in (champion, challenger)]
    assert scores[1] - scores[0] == pytest.approx(difference, abs=1e-3)
    unblurred = bench.answers[0] if difference < 0 else bench.answers[1]
    if difference:
        np.testing.assert_array_equal(champion if difference < 0 else challenger, unblurred)
    for before, after in zip(bench.answers, (champion, challenger), strict=True):
        np.testing.assert_array_equal(np.sort(before), np.sort(after))  # as sure of itself as before


def test_a_holdout_is_drawn_from_the_truth():
    bench = _bench(SCENARIO, 3)
    case = _drawn(bench, *bench.answers, 10_000, np.random.default_rng(2))
    assert case.label.mean() == pytest.approx(bench.propensity.mean(), abs=0.015)
    assert len(np.unique(case.challenger)) > 500


def test_better_models_pass_more_often_and_larger_holdouts_tell_better(result):
    for profile in ("telco_churn", "non_inferiority"):
        shares = [passed(result, profile, ALL, 500, difference) for difference in STUDY.differences]
        assert shares == sorted(shares)
        assert shares[0] < 0.1
        assert shares[2] > 0.5
    assert passed(result, "do_no_harm", ALL, 60, -0.1) > passed(result, "do_no_harm", ALL, 500, -0.1)
    assert passed(result, "do_no_harm", "non_inferiority", 500, 0.1) == 1.0


def test_all_gates_pass_no_more_often_than_each(result):
    alls = {(p.profile, p.holdout, p.difference): p.passed for p in result.powers if p.gate == ALL}
    for power in result.powers:
        assert 0 <= power.interval.low <= power.passed <= power.interval.high <= 1
        assert power.interval.low < power.interval.high
        assert alls[power.profile, power.holdout, power.difference] <= power.passed + 1e-12
    gates = {p.gate for p in result.powers if p.profile == "telco_churn"}
    assert gates == {*TELCO.enforced, ALL}


def test_too_little_evidence_is_told_apart(result):
    open_shares = {p.profile: p.undecided for p in result.powers if (p.gate, p.holdout, p.difference) == (ALL, 60, 0)}
    assert open_shares["telco_churn"] == 0
    assert open_shares["non_inferiority"] > 0.5
    assert open_shares["do_no_harm"] > 0.5


def test_the_noise_of_retraining_is_measured_and_small(result):
    assert 0 < result.retraining_sd < 0.03
    assert 0.4 < result.true_f1 < 0.7


def test_no_gates_let_everybody_pass():
    result = gate_power(replace(STUDY, profiles=(NONE,), holdouts=(200,), differences=(-0.1,), holdouts_per_world=4))
    assert [(p.gate, p.passed) for p in result.powers] == [(ALL, 1.0)]
    assert result.powers[0].interval.low > 0.8  # and no more sure than 20 meetings allow


def test_the_same_question_has_the_same_answer():
    short = replace(STUDY, profiles=(TELCO,), holdouts=(100,), differences=(0.0,), holdouts_per_world=3)
    assert gate_power(short) == gate_power(short)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"holdouts": ()}, "holdout sizes must be from 10 to 10000, got none"),
        ({"holdouts": (9,)}, "got 9"),
        ({"differences": (float("nan"),)}, "differences of F1 must be from -0.5 to 0.5, got nan"),
        ({"seeds": 4}, "at least 5 seeds"),
        ({"holdouts_per_world": 0}, "and 0; raise them"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        replace(STUDY, **changes)


def test_a_difference_that_no_model_can_have_is_refused():
    with pytest.raises(InputError, match="less than chance gives here"):
        gate_power(replace(STUDY, differences=(-0.5,)))


def test_the_tables_say_what_was_found(result):
    sentences = list(power_sentences(result))
    assert sentences[0].startswith("True F1 of the models: 0.")
    assert sum("of equal models are rejected" in sentence for sentence in sentences) == 6
    assert any("too little evidence" in sentence for sentence in sentences)
    assert power_tables(result)[-1].row_count == len(HARM.enforced) + 1


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_chart_is_drawn(tmp_path, result, suffix):
    draw_power(result, tmp_path / f"power{suffix}")
    assert (tmp_path / f"power{suffix}").stat().st_size > 5000
    draw_power(result, tmp_path / f"again{suffix}")
    assert (tmp_path / f"again{suffix}").read_bytes() == (tmp_path / f"power{suffix}").read_bytes()
    for wrong in (tmp_path / "power.html", tmp_path / "nowhere" / "power.svg"):
        with pytest.raises(InputError, match="a chart must"):
            check_chart_path(wrong)


@pytest.mark.slow
def test_the_command_prints_one_json_object(tmp_path):
    options = ["--holdout", "50", "--difference", "0,-0.05", "--seeds", "5", "--holdouts", "2", "--json"]
    command = [sys.executable, "-m", "sim.cli", "gates", "power", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True, cwd=tmp_path)
    told = json.loads(ended.stdout)
    assert told["scenario"] == "steady@1"
    assert {power["difference"] for power in told["powers"]} == {0.0, -0.05}
