"""The gates: at their thresholds, one at a time, and against broken evidence."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sim.mlops.gate_profiles import GATES, GateProfile, load_profile
from sim.mlops.gates import STRESSES, Evidence, GateResult, Verdict, examine

TELCO = load_profile("telco_churn")
NONE = load_profile("none")

Floats = NDArray[np.float64]


def only(*gates: str, **thresholds: float) -> GateProfile:
    return replace(TELCO, enforced=gates, **thresholds)


def rows(
    tp: int, fp: int, fn: int, tn: int, order: tuple[float, float, float, float] = (0.9, 0.6, 0.4, 0.1)
) -> Floats:
    """Probabilities of the four kinds of rows, churners first; the threshold is 0.5."""
    true_positive, false_positive, false_negative, true_negative = order
    return np.repeat([true_positive, false_negative, false_positive, true_negative], [tp, fn, fp, tn])


def evidence(tp: int, fp: int, fn: int, tn: int, **changes: Any) -> Evidence:
    challenger = rows(tp, fp, fn, tn)
    base = Evidence(
        label=np.arange(len(challenger)) < tp + fn,
        challenger=challenger,
        challenger_threshold=0.5,
        champion=challenger.copy(),
        champion_threshold=0.5,
        stressed={stress: challenger.copy() for stress in STRESSES},
        latency_ms=3.0,
    )
    return replace(base, **changes)


GOOD = evidence(70, 40, 30, 250)


def result(verdict: Verdict, name: str) -> GateResult:
    return next(result for result in verdict.results if result.name == name)


def test_a_good_challenger_passes_every_gate() -> None:
    verdict = examine(GOOD, only(*GATES))
    assert verdict.passed
    assert verdict.failed == ()
    assert all(result.value is not None for result in verdict.results)
    assert result(verdict, "f1").value == 2 * 70 / (2 * 70 + 70)


class TestAtTheThreshold:
    @pytest.mark.parametrize(
        ("gate", "at", "beyond"),
        [
            ("accuracy", evidence(4, 1, 2, 3), evidence(4, 2, 2, 3)),
            ("precision", evidence(11, 9, 1, 5), evidence(11, 10, 1, 5)),
            ("recall", evidence(5, 1, 5, 5), evidence(5, 1, 6, 5)),
            ("f1", evidence(11, 9, 9, 5), evidence(11, 9, 10, 5)),
            ("false_negative_rate", evidence(5, 1, 5, 5), evidence(5, 1, 6, 5)),
            ("churn_f1", evidence(5, 5, 5, 5), evidence(5, 6, 5, 5)),
            ("minority_share", evidence(1, 1, 1, 17), evidence(1, 1, 1, 18)),
            ("minority_share", evidence(1, 17, 1, 1), evidence(1, 18, 1, 1)),
            ("latency_ms", replace(GOOD, latency_ms=50.0), replace(GOOD, latency_ms=np.nextafter(50, 51))),
            (
                "f1_against_champion",  # F1 0.57 and 0.55; their float difference is not 0.02
                evidence(55, 45, 45, 55, champion=rows(57, 43, 43, 57)),
                evidence(55, 45, 45, 55, champion=rows(57, 42, 43, 58)),
            ),
            (
                "roc_auc",
                Evidence(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]), 0.5),
                Evidence(np.array([False, True, True]), np.array([0.3, 0.2, 0.9]), 0.5),
            ),
        ],
    )
    def test_a_gate_holds_at_its_threshold_and_not_beyond(self, gate: str, at: Evidence, beyond: Evidence) -> None:
        assert result(examine(at, only(gate)), gate).value == getattr(TELCO, gate)
        assert examine(at, only(gate)).passed
        assert examine(beyond, only(gate)).failed == (gate,)

    @pytest.mark.parametrize(
        ("check", "at", "beyond"),
        [
            ("mean_low", (0.0, 0.1), (0.0, 0.09)),
            ("mean_high", (0.9, 1.0), (0.91, 1.0)),
            ("sd", (0.5, 0.525), (0.5, 0.5)),
        ],
    )
    def test_stressed_predictions_have_bounds(
        self, check: str, at: tuple[float, float], beyond: tuple[float, float]
    ) -> None:
        passing, failing = (replace(GOOD, stressed={**GOOD.stressed, "text": halves(*pair)}) for pair in (at, beyond))
        assert examine(passing, only("robustness")).passed
        assert examine(failing, only("robustness")).failed == (f"robustness_text_{check}",)

    def test_the_standard_deviation_must_be_more_than_its_threshold(self) -> None:
        stressed = dict.fromkeys(STRESSES, halves(0.25, 0.75))
        at = replace(GOOD, stressed=stressed)
        assert examine(at, only("robustness", stressed_sd=0.2499)).passed
        assert examine(at, only("robustness", stressed_sd=0.25)).failed == tuple(
            f"robustness_{s}_sd" for s in STRESSES
        )

    def test_a_prediction_at_the_model_threshold_is_churn(self) -> None:
        at = Evidence(np.array([True, False]), np.array([0.5, np.nextafter(0.5, 0)]), 0.5)
        assert result(examine(at, NONE), "f1").value == 1

    def test_a_threshold_is_not_rounded_to_single_precision(self) -> None:
        threshold = float(np.float32(0.3)) + 1e-12  # between 0.3 in single precision and the next number there
        at = Evidence(np.array([True, False]), np.array([0.3, 0.1], dtype=np.float32), threshold)  # type: ignore[arg-type] # on purpose
        assert result(examine(at, NONE), "recall").value == 0


def halves(first: float, second: float) -> Floats:
    return np.where(np.arange(len(GOOD.label)) % 2 == 0, first, second)


class TestOneGateAlone:
    @pytest.mark.parametrize(
        ("failed", "case"),
        [
            (("accuracy",), evidence(60, 45, 40, 60)),
            (("precision",), evidence(70, 70, 30, 230)),
            (("recall", "false_negative_rate"), evidence(45, 10, 55, 300)),
            (("f1",), evidence(50, 40, 50, 310)),
            (("roc_auc",), evidence(60, 40, 40, 300, challenger=rows(60, 40, 40, 300, (0.7, 0.9, 0.1, 0.2)))),
            (("minority_share",), evidence(8, 2, 2, 190)),
            (("f1_against_champion",), replace(GOOD, champion=rows(80, 30, 20, 260))),
            (("robustness_missing_mean_low",), replace(GOOD, stressed={**GOOD.stressed, "missing": halves(0, 0.06)})),
            (("robustness_text_mean_high",), replace(GOOD, stressed={**GOOD.stressed, "text": halves(0.94, 1)})),
            (("robustness_float32_sd",), replace(GOOD, stressed={**GOOD.stressed, "float32": halves(0.5, 0.5)})),
        ],
    )
    def test_stops_a_challenger(self, failed: tuple[str, ...], case: Evidence) -> None:
        verdict = examine(case, TELCO)
        assert verdict.failed == failed
        assert not verdict.passed
        assert examine(case, NONE).passed

    @pytest.mark.parametrize(
        ("gate", "case"),
        [
            ("recall", evidence(45, 10, 55, 300)),
            ("false_negative_rate", evidence(45, 10, 55, 300)),
            ("churn_f1", evidence(49, 50, 51, 300)),
            ("latency_ms", replace(GOOD, latency_ms=50.1)),
        ],
    )
    def test_stops_a_challenger_where_no_other_gate_implies_it(self, gate: str, case: Evidence) -> None:
        assert examine(case, only(gate)).failed == (gate,)
        assert examine(case, only()).passed

    def test_out_of_range_predictions_under_stress_stop_it(self) -> None:
        outside = GOOD.challenger.copy()
        outside[0] = np.nextafter(1, 2)
        verdict = examine(replace(GOOD, stressed={**GOOD.stressed, "text": outside}), TELCO)
        assert verdict.failed == tuple(
            f"robustness_text_{check}" for check in ("excess", "mean_low", "mean_high", "sd")
        )

    def test_a_stress_of_another_name_is_examined_too(self) -> None:
        verdict = examine(replace(GOOD, stressed={**GOOD.stressed, "noise": halves(0.5, 0.5)}), TELCO)
        assert verdict.failed == ("robustness_noise_sd",)


class TestWhatIsMissing:
    def test_an_unmeasured_latency_fails_only_where_it_is_enforced(self) -> None:
        unmeasured = replace(GOOD, latency_ms=None)
        assert examine(unmeasured, TELCO).passed
        assert examine(unmeasured, only(*GATES)).failed == ("latency_ms",)

    @pytest.mark.parametrize("latency_ms", [float("nan"), float("inf"), -1.0, "3", True])
    def test_a_broken_latency_counts_as_unmeasured(self, latency_ms: Any) -> None:
        assert result(examine(replace(GOOD, latency_ms=latency_ms), TELCO), "latency_ms").value is None
        assert examine(replace(GOOD, latency_ms=latency_ms), only("latency_ms")).failed == ("latency_ms",)

    def test_a_first_model_is_compared_with_nothing(self) -> None:
        verdict = examine(replace(GOOD, champion=None, champion_threshold=None), TELCO)
        comparison = result(verdict, "f1_against_champion")
        assert verdict.passed
        assert (comparison.value, comparison.note) == (None, "no champion to compare with")

    def test_a_stress_that_was_not_tried_fails_robustness(self) -> None:
        untried = replace(GOOD, stressed=dict.fromkeys(STRESSES[1:], GOOD.challenger))
        failed = examine(untried, TELCO).failed
        assert failed == tuple(f"robustness_missing_{check}" for check in ("excess", "mean_low", "mean_high", "sd"))
        assert examine(untried, NONE).passed

    def test_the_f1_lost_under_stress_is_recorded_and_never_enforced(self) -> None:
        stressed = {**GOOD.stressed, "missing": rows(10, 40, 90, 250)}
        verdict = examine(replace(GOOD, stressed=stressed), TELCO)
        lost = result(verdict, "robustness_missing_f1_lost")
        assert verdict.passed
        assert lost.value == pytest.approx(140 / 210 - 20 / 150)
        assert (lost.threshold, lost.enforced) == (None, False)

    def test_a_gate_that_is_not_enforced_still_records_its_value(self) -> None:
        bad = result(examine(evidence(1, 50, 50, 50), NONE), "precision")
        assert (bad.value, bad.passed, bad.enforced) == (1 / 51, True, False)


def spoil(values: NDArray[Any], value: float) -> NDArray[Any]:
    spoilt = values.astype(np.float64)
    spoilt[len(values) // 2] = value
    return spoilt


BREAK: dict[str, Callable[[NDArray[Any]], Any]] = {
    "nan": lambda v: spoil(v, float("nan")),
    "inf": lambda v: spoil(v, float("inf")),
    "-inf": lambda v: spoil(v, float("-inf")),
    "empty": lambda v: v[:0],
    "longer": lambda v: np.append(v, v[:1]),
    "shorter": lambda v: v[1:],
    "two-dimensional": lambda v: v.reshape(1, -1),
    "column": lambda v: v.reshape(-1, 1),
    "scalar": lambda v: v.sum(),
    "zero-dimensional": lambda v: np.array(v[0]),
    "list": lambda v: v.tolist(),
    "none": lambda _: None,
    "objects": lambda v: v.astype(object),
    "text": lambda v: v.astype(str),
    "bytes": lambda v: v.astype("S5"),
    "integers": lambda v: (v > 0.5).astype(np.int64),
    "complex": lambda v: v.astype(np.complex128),
    "extended": lambda v: v.astype(np.longdouble) * np.longdouble("1e4000"),
    "dates": lambda v: v.astype(np.int64).astype("datetime64[D]"),
    "masked": lambda v: np.ma.MaskedArray(v, mask=v > 0.5),
}
OUTSIDE: dict[str, Callable[[NDArray[Any]], Any]] = {
    "above 1": lambda v: spoil(v, 1.0000001),
    "below 0": lambda v: spoil(v, -1e-300),
    "huge": lambda v: spoil(v, 1e308),
}
ONE_CLASS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "no churner": np.zeros_like,
    "no stayer": np.ones_like,
}


class TestBrokenEvidence:
    @pytest.mark.parametrize("profile", [TELCO, NONE], ids=lambda profile: profile.name)
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            *(("label", kind) for kind in (*BREAK, *ONE_CLASS)),
            *(("challenger", kind) for kind in (*BREAK, *OUTSIDE)),
            *(("champion", kind) for kind in (*BREAK, *OUTSIDE)),
        ],
    )
    def test_never_passes(self, name: str, kind: str, profile: GateProfile) -> None:
        broken = {**BREAK, **OUTSIDE, **ONE_CLASS}[kind](getattr(GOOD, name))
        verdict = examine(replace(GOOD, **{name: broken}), profile)
        assert "evidence" in verdict.failed
        blamed = (
            "challenger" if name == "label" and kind in {"longer", "shorter"} else name
        )  # rows are counted by label
        assert verdict.results[0].note.startswith(f"{blamed} must")

    @pytest.mark.parametrize("stress", STRESSES)
    @pytest.mark.parametrize("kind", [*BREAK, *OUTSIDE])
    def test_never_passes_under_stress(self, kind: str, stress: str) -> None:
        broken = {**BREAK, **OUTSIDE}[kind](GOOD.challenger)
        case = replace(GOOD, stressed={**GOOD.stressed, stress: broken})
        assert f"robustness_{stress}_mean_low" in examine(case, TELCO).failed
        assert examine(case, NONE).passed == (kind in OUTSIDE)

    @pytest.mark.parametrize("name", ["challenger_threshold", "champion_threshold"])
    @pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -0.1, 1.1, None, "0.5", True, 10**400])
    def test_a_broken_threshold_never_passes(self, name: str, threshold: Any) -> None:
        assert examine(replace(GOOD, **{name: threshold}), NONE).failed == ("evidence",)

    @pytest.mark.parametrize("lost", ["champion", "champion_threshold"])
    def test_half_a_champion_is_no_first_model(self, lost: str) -> None:
        verdict = examine(replace(GOOD, **{lost: None}), TELCO)
        assert verdict.failed == ("evidence", "f1_against_champion")

    def test_every_fault_is_named(self) -> None:
        verdict = examine(replace(GOOD, label=GOOD.label[:0], champion=None), TELCO)
        assert verdict.results[0].value == 2
        assert verdict.results[0].note == (
            "label must have some rows, got 0; champion must be a numpy array of floats, got NoneType"
        )
        assert all(result.value is None for result in verdict.results[1:])

    def test_one_class_still_records_what_can_be_computed(self) -> None:
        verdict = examine(replace(GOOD, label=np.zeros_like(GOOD.label)), NONE)
        assert result(verdict, "accuracy").value == 280 / 390
        assert result(verdict, "roc_auc").value is None

    @settings(max_examples=500)
    @given(st.data())
    def test_several_faults_at_once_never_pass_and_never_raise(self, data: st.DataObject) -> None:
        kinds = {**BREAK, **OUTSIDE}
        names = data.draw(st.sets(st.sampled_from(["label", "challenger", "champion"]), min_size=1))
        changes = {name: kinds[data.draw(st.sampled_from(sorted(kinds)))](getattr(GOOD, name)) for name in names}
        assert "evidence" in examine(replace(GOOD, **changes), NONE).failed


GENERATORS = st.integers(0, 2**32).map(np.random.default_rng)  # many rows from one draw: far faster than a draw a row
GRID = np.array([0.0, 0.1, 0.3, 0.5, 0.9, 1.0])  # ties, and probabilities at a threshold


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    generator = draw(GENERATORS)
    size = draw(st.integers(2, 60))
    skill = draw(st.sampled_from([0.0, 0.5, 0.8, 1.0]))  # some challengers must be good, or nothing ever passes
    label = generator.random(size) < 0.4
    label[:2] = True, False

    def probabilities() -> Floats:
        drawn = np.where(generator.random(size) < 0.5, generator.choice(GRID, size), generator.random(size))
        return np.where(generator.random(size) < skill, 0.8 * label + 0.1 * drawn, drawn)

    champion = draw(st.sampled_from([None, 0.5]))
    return Evidence(
        label=label,
        challenger=probabilities(),
        challenger_threshold=draw(st.sampled_from([0.1, 0.3, 0.5, 0.9])),
        champion=None if champion is None else probabilities(),
        champion_threshold=champion,
        stressed={stress: probabilities() for stress in STRESSES},
        latency_ms=draw(st.sampled_from([None, 3.0, 50.0, 70.0])),
    )


PROFILES = st.sampled_from([TELCO, NONE, only(*GATES)])


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
        stressed={stress: values[order] for stress, values in reversed(case.stressed.items())},
    )
    assert repr(examine(shuffled, profile)) == repr(examine(case, profile))


@settings(max_examples=500)
@given(case=evidences(), profile=PROFILES, generator=GENERATORS)
def test_setting_wrong_predictions_right_never_fails_a_gate(
    case: Evidence, profile: GateProfile, generator: np.random.Generator
) -> None:
    wrong = np.flatnonzero((case.challenger >= case.challenger_threshold) != case.label)
    corrected = wrong[generator.random(len(wrong)) < generator.random()]
    challenger = case.challenger.copy()
    challenger[corrected] = case.label[corrected]
    before, after = examine(case, profile), examine(replace(case, challenger=challenger), profile)
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
    verdict = examine(case, only(*enforced))
    names = [result.name for result in verdict.results]
    assert len(set(names)) == len(names)
    assert verdict.passed == (not verdict.failed)
    for check in verdict.results:
        gate = "robustness" if check.name.startswith("robustness") else check.name
        assert check.enforced == (gate == "evidence" or (gate in enforced and check.threshold is not None))
        assert (check.name in verdict.failed) == (check.enforced and not _is_met(check))


def _is_met(check: GateResult) -> bool:
    if check.value is None:
        return check.note == "no champion to compare with"
    assert check.threshold is not None
    difference = check.value - check.threshold
    return {">=": difference >= 0, "<=": difference <= 0, ">": difference > 0}[check.comparison]


@settings(max_examples=500)
@given(evidences())
def test_two_gates_never_fail_alone(case: Evidence) -> None:
    failed = examine(case, TELCO).failed
    assert "false_negative_rate" not in failed or "recall" in failed
    assert "churn_f1" not in failed or "f1" in failed


@pytest.mark.parametrize("outcome", [True, False])
def test_the_properties_see_challengers_that_pass_and_that_fail(outcome: bool) -> None:
    find(evidences(), lambda case: examine(case, TELCO).passed == outcome)


def test_a_verdict_is_a_value() -> None:
    verdict = examine(GOOD, TELCO)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert verdict == examine(replace(GOOD, label=GOOD.label.copy()), TELCO)
    assert verdict != examine(replace(GOOD, latency_ms=4.0), TELCO)
    assert {verdict: 1}[examine(GOOD, TELCO)] == 1
