"""What went wrong is said in words: each finding where it is true, and nowhere else."""

from dataclasses import replace

import pytest
from test_judge import job, record, row

from policies.decision import Cause, Truth
from reports.findings import findings
from sim.mlops.gates.checks import GateResult, Verdict
from sim.mlops.records.jobs import FIRST_JOB, Status, Validation
from sim.mlops.statistics.metrics import Confusion

COUNTS = Confusion(5, 5, 5, 5)


def gated(made, *failed):
    results = tuple(GateResult(name, 0.1, ">=", 0.5, True, False) for name in failed)
    return replace(made, meeting=Validation(1, 30, (0,), Verdict(results), COUNTS, None))


def told(played):
    return "\n".join(findings(played))


def test_a_life_without_a_fault_has_no_finding():
    promoted = job("a", 1, status=Status.PROMOTED)
    assert told(record(row(0), row(1, opened=promoted), row(2, ended=promoted))) == ""


def test_gates_that_let_nobody_by_are_named_with_how_often():
    first, second = (
        gated(job(name, 1, status=Status.REJECTED), *gates)
        for name, gates in (("a", ["recall", "f1"]), ("b", ["recall"]))
    )
    life = record(row(0, opened=first), row(1, ended=first, opened=second), row(2, ended=second))
    assert "rejected all 2 retrained models (recall stopped 2 of them; f1 stopped 1 of them)" in told(life)
    passed = replace(second, status=Status.PROMOTED)
    assert "No new model" not in told(
        record(row(0, opened=first), row(1, ended=first, opened=passed), row(2, ended=passed))
    )


def test_a_first_model_that_fails_its_gates_is_said():
    life = record(row(0))
    assert "first model itself" not in told(life)
    weak = replace(life, first=gated(job(FIRST_JOB, 0, Cause.NONE), "precision"))
    assert "The first model itself does not meet the gates none (precision)" in told(weak)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([Truth.TRUE, Truth.TRUE], "`null_rate > 0.1` was true in every step"),
        ([Truth.MISSING, Truth.MISSING], "`null_rate > 0.1` never had a number"),
        ([Truth.TRUE, Truth.FALSE], ""),
        ([Truth.MISSING, Truth.FALSE], "Nothing was ever asked for"),
    ],
)
def test_a_clause_that_decides_nothing_is_said(seen, said):
    life = record(*(row(step, clauses={"null_rate > 0.1": each}) for step, each in enumerate(seen)))
    assert said in told(life)
    assert said or told(life) == ""


def test_a_threshold_that_does_not_fit_is_said_with_both_numbers():
    life = record(row(0))
    few = replace(life.steps[0].tally, predicted=10, expected_churners=210.0, customers=1000)
    weak = replace(life, steps=(replace(life.steps[0], tally=few),))
    assert "threshold of 0.5 does not fit a base rate of 21%" in told(weak)
    assert "calls 10 customers churners where 210 are" in told(weak)
    recipe = weak.scenario.recipe.model_copy(update={"threshold_rule": "f1"})
    fitted = replace(weak, scenario=weak.scenario.model_copy(update={"recipe": recipe}))
    assert "threshold" not in told(fitted)
