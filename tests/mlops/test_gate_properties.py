"""What is always true of gates (property 6): improving a challenger never fails it, the order of
rows never matters, and no input, however broken, promotes one by accident."""

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
from evidences import (
    BREAK,
    CAUTIOUS,
    GENERATORS,
    GOOD,
    LENIENT,
    NONE,
    OUTSIDE,
    PROFILES,
    TELCO,
    BrokenTable,
    broken_evidences,
    broken_tables,
    evidences,
    only,
    result,
    small_model,
)
from hypothesis import find, given, settings
from hypothesis import strategies as st

from sim.mlops.gates.checks import GateResult, Outcome, Verdict, apply_gates
from sim.mlops.gates.evidence import STRESSES, Evidence
from sim.mlops.gates.profiles import GATES, GateProfile
from sim.mlops.statistics.paired_bootstrap import f1_difference_bounds


@settings(max_examples=500)
@given(st.data())
def test_several_faults_at_once_never_pass_and_never_raise(data: st.DataObject) -> None:
    kinds = {**BREAK, **OUTSIDE}
    names = data.draw(st.sets(st.sampled_from(["label", "challenger", "champion", "best"]), min_size=1))
    changes = {name: kinds[data.draw(st.sampled_from(sorted(kinds)))](getattr(GOOD, name)) for name in names}
    changes |= data.draw(st.sampled_from([{}, {"best_threshold": None}, {"champion_threshold": -1.0}]))
    if changes.get("best", ()) is None and "best_threshold" in changes and len(names) == 1:
        return  # no best champion at all is no fault
    for profile in (NONE, CAUTIOUS, LENIENT):
        assert "evidence" in apply_gates(replace(GOOD, **changes), profile).failed


@settings(max_examples=500)
@given(case=evidences(), profile=PROFILES, generator=GENERATORS)
def test_the_order_of_rows_never_matters(
    case: Evidence, profile: GateProfile, generator: np.random.Generator
) -> None:
    order = generator.permutation(len(case.label))
    shuffled = replace(
        case,
        label=case.label[order],
        challenger=case.challenger[order],
        champion=None if case.champion is None else case.champion[order],
        best=None if case.best is None else case.best[order],
        stressed={stress: values[order] for stress, values in reversed(case.stressed.items())},
        weight=None if case.weight is None else case.weight[order],
    )
    assert repr(apply_gates(shuffled, profile)) == repr(apply_gates(case, profile))


@settings(max_examples=500)
@given(case=evidences(), profile=PROFILES)
def test_a_row_that_counts_for_many_has_their_figures_and_its_own_doubt(case: Evidence, profile: GateProfile) -> None:
    if case.weight is None:
        return
    repeated = replace(
        case,
        label=np.repeat(case.label, case.weight),
        challenger=np.repeat(case.challenger, case.weight),
        champion=None if case.champion is None else np.repeat(case.champion, case.weight),
        best=None if case.best is None else np.repeat(case.best, case.weight),
        stressed={stress: np.repeat(values, case.weight) for stress, values in case.stressed.items()},
        weight=None,
    )
    one, many = (apply_gates(each, profile).results for each in (case, repeated))
    assert [r for r in one if r.name != "non_inferiority"] == [r for r in many if r.name != "non_inferiority"]


@settings(max_examples=500)
@given(case=evidences(), profile=PROFILES, generator=GENERATORS)
def test_setting_wrong_predictions_right_never_fails_a_gate(
    case: Evidence, profile: GateProfile, generator: np.random.Generator
) -> None:
    wrong = np.flatnonzero((case.challenger >= case.challenger_threshold) != case.label)
    corrected = wrong[generator.random(len(wrong)) < generator.random()]
    challenger = case.challenger.copy()
    challenger[corrected] = case.label[corrected]
    before, after = apply_gates(case, profile), apply_gates(replace(case, challenger=challenger), profile)
    newly_failed = set(after.failed) - set(before.failed)
    if _value(after, "minority_share") < _value(before, "minority_share"):
        newly_failed -= {"minority_share"}  # that figure became worse: a share, not a score
    assert not newly_failed


def _value(verdict: Verdict, name: str) -> float:
    value = result(verdict, name).value
    assert value is not None
    return value


@settings(max_examples=500)
@given(evidences(), st.sets(st.sampled_from(GATES)))
def test_every_failed_check_is_named_and_only_enforced_ones_fail(case: Evidence, enforced: set[str]) -> None:
    verdict = apply_gates(case, only(*enforced))
    names = [result.name for result in verdict.results]
    assert len(set(names)) == len(names)
    assert verdict.passed == (not verdict.failed)
    for check in verdict.results:
        gate = "robustness" if check.name.startswith("robustness") else check.name
        assert check.enforced == (gate == "evidence" or (gate in enforced and check.threshold is not None))
        assert (check.name in verdict.failed) == (check.enforced and not _is_met(check))
        assert not check.undecided or (check.name == "non_inferiority" and not check.passed)
    only_open = {check.name for check in verdict.results if check.undecided} == set(verdict.failed) != set()
    assert (verdict.outcome is Outcome.NOT_ENOUGH_EVIDENCE) == only_open


def _is_met(check: GateResult) -> bool:
    if check.value is None:
        return check.note == "no champion to compare with"
    assert check.threshold is not None
    difference = check.value - check.threshold
    return {">=": difference >= 0, "<=": difference <= 0, ">": difference > 0}[check.comparison]


@settings(max_examples=500)
@given(evidences())
def test_two_gates_never_fail_alone(case: Evidence) -> None:
    failed = apply_gates(case, TELCO).failed
    assert "false_negative_rate" not in failed or "recall" in failed
    assert "churn_f1" not in failed or "f1" in failed


@settings(max_examples=500)
@given(case=evidences(), profile=PROFILES, generator=GENERATORS)
def test_no_worse_in_every_figure_never_fails_where_the_other_passes(
    case: Evidence, profile: GateProfile, generator: np.random.Generator
) -> None:
    """Two challengers on the same rows, the second a little better or worse here and there."""
    size = len(case.label)
    moves = generator.random(size) < generator.choice([0.05, 0.3, 1.0])
    towards = np.where(generator.random(size) < 0.8, case.label, ~case.label)
    other = replace(case, challenger=np.where(moves, 0.1 + 0.8 * towards, case.challenger))
    first, second = (apply_gates(each, profile) for each in (case, other))
    if first.passed and _is_no_worse(case, other, profile):
        assert second.passed, (first, second)


def _is_no_worse(case: Evidence, other: Evidence, profile: GateProfile) -> bool:
    pairs = [
        (before.value or 0.0, after.value or 0.0, before.comparison)
        for before, after in zip(*(apply_gates(each, profile).results for each in (case, other)), strict=True)
        if before.threshold is not None
    ]
    pairs += [(_upper_bound(case), _upper_bound(other), ">=")]
    return all(after <= before if comparison == "<=" else after >= before for before, after, comparison in pairs)


def _upper_bound(case: Evidence) -> float:
    """Return what `non_inferiority` goes by beside its value."""
    if case.champion is None or case.champion_threshold is None:
        return 0.0
    answers = (case.challenger >= case.challenger_threshold, case.champion >= case.champion_threshold)
    return f1_difference_bounds(case.label, *answers, level=0.95, retraining_sd=0.002, weight=case.weight).high


@settings(max_examples=500)
@given(case=st.one_of(evidences(), broken_evidences()), profile=PROFILES)
def test_whatever_passes_meets_every_enforced_threshold_by_another_count(
    case: Evidence, profile: GateProfile
) -> None:
    """scikit-learn counts again what the gates say; what it cannot count must not pass."""
    if not apply_gates(case, profile).passed:
        return
    label, probability, weight = case.label, case.challenger, case.weight
    answers = probability >= case.challenger_threshold
    assert label.any()
    assert not label.all()
    assert np.isfinite(probability).all()
    least = {
        "accuracy": sklearn.metrics.accuracy_score(label, answers, sample_weight=weight),
        "precision": sklearn.metrics.precision_score(label, answers, zero_division=0.0, sample_weight=weight),
        "recall": sklearn.metrics.recall_score(label, answers, sample_weight=weight),
        "f1": sklearn.metrics.f1_score(label, answers, sample_weight=weight),
        "churn_f1": sklearn.metrics.f1_score(label, answers, sample_weight=weight),
        "roc_auc": sklearn.metrics.roc_auc_score(label, probability, sample_weight=weight),
        "minority_share": min(share := np.average(answers, weights=weight), 1 - share),
    }
    for gate, value in least.items():
        assert not profile.enforces(gate) or value >= getattr(profile, gate) - 1e-12
    for gate, other, threshold in (
        ("f1_against_champion", case.champion, case.champion_threshold),
        ("f1_against_best", case.best, case.best_threshold),
    ):
        if profile.enforces(gate) and other is not None:
            lost = sklearn.metrics.f1_score(label, other >= threshold, sample_weight=weight) - least["f1"]
            assert lost <= getattr(profile, gate) + 1e-12


@settings(max_examples=500)
@given(case=evidences(), profile=PROFILES, level=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_a_constant_score_is_never_promoted(case: Evidence, profile: GateProfile, level: float) -> None:
    """It ranks nobody and does not move under stress: only a profile without gates lets it pass."""
    constant = np.full(len(case.label), level)
    verdict = apply_gates(replace(case, challenger=constant, stressed=dict.fromkeys(STRESSES, constant)), profile)
    assert verdict.passed == (profile is NONE)


@settings(max_examples=500)
@given(table=broken_tables(), profile=PROFILES)
def test_a_broken_table_promotes_nobody_by_accident(table: BrokenTable, profile: GateProfile) -> None:
    """Either reading it fails, or the verdict is the one that the answers deserve."""
    model, frame, label = small_model(), table.frame, table.label
    try:
        answers = model.predict(frame)["probability"].to_numpy()
    except (KeyError, ValueError, TypeError):
        return  # a job that fails promotes nobody
    case = Evidence(label, answers, 0.5, stressed=dict.fromkeys(STRESSES, answers), latency_ms=1.0)
    verdict = apply_gates(case, profile)
    assert len(answers) == len(frame)
    if len(answers) != len(label):
        assert verdict.failed[0] == "evidence"
    elif verdict.passed and profile.enforces("f1"):
        assert sklearn.metrics.f1_score(label, answers >= 0.5) >= profile.f1


@pytest.mark.parametrize("outcome", [True, False])
def test_the_properties_see_challengers_that_pass_and_that_fail(outcome: bool) -> None:
    find(evidences(), lambda case: apply_gates(case, TELCO).passed == outcome)
