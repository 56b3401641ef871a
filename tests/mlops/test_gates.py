"""The gates: at their thresholds, one at a time, and against broken evidence."""

import itertools
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evidences import (
    BREAK,
    CAUTIOUS,
    GOOD,
    LENIENT,
    NONE,
    ONE_CLASS,
    OUTSIDE,
    TELCO,
    Floats,
    evidence,
    only,
    result,
    rows,
)

from sim.mlops.gates.checks import Outcome, apply_gates
from sim.mlops.gates.evidence import STRESSES, Evidence
from sim.mlops.gates.profiles import GATES, GateProfile
from sim.mlops.statistics.paired_bootstrap import DifferenceBounds, f1_difference_bounds


def test_a_good_challenger_passes_every_gate() -> None:
    verdict = apply_gates(GOOD, only(*GATES))
    assert verdict.passed
    assert verdict.failed == ()
    assert all(result.value is not None for result in verdict.results)
    assert result(verdict, "f1").value == 2 * 70 / (2 * 70 + 70)
    assert verdict.outcome is Outcome.PASSED


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
                "f1_against_best",
                evidence(55, 45, 45, 55, best=rows(57, 43, 43, 57)),
                evidence(55, 45, 45, 55, best=rows(57, 42, 43, 58)),
            ),
            (
                "roc_auc",
                Evidence(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]), 0.5),
                Evidence(np.array([False, True, True]), np.array([0.3, 0.2, 0.9]), 0.5),
            ),
        ],
    )
    def test_a_gate_holds_at_its_threshold_and_not_beyond(self, gate: str, at: Evidence, beyond: Evidence) -> None:
        assert result(apply_gates(at, only(gate)), gate).value == getattr(TELCO, gate)
        assert apply_gates(at, only(gate)).passed
        assert apply_gates(beyond, only(gate)).failed == (gate,)

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
        assert apply_gates(passing, only("robustness")).passed
        assert apply_gates(failing, only("robustness")).failed == (f"robustness_text_{check}",)

    def test_the_standard_deviation_must_be_more_than_its_threshold(self) -> None:
        stressed = dict.fromkeys(STRESSES, halves(0.25, 0.75))
        at = replace(GOOD, stressed=stressed)
        assert apply_gates(at, only("robustness", stressed_sd=0.2499)).passed
        assert apply_gates(at, only("robustness", stressed_sd=0.25)).failed == tuple(
            f"robustness_{s}_sd" for s in STRESSES
        )

    def test_a_prediction_at_the_model_threshold_is_churn(self) -> None:
        at = Evidence(np.array([True, False]), np.array([0.5, np.nextafter(0.5, 0)]), 0.5)
        assert result(apply_gates(at, NONE), "f1").value == 1

    def test_a_threshold_is_not_rounded_to_single_precision(self) -> None:
        threshold = float(np.float32(0.3)) + 1e-12  # between 0.3 in single precision and the next number there
        at = Evidence(np.array([True, False]), np.array([0.3, 0.1], dtype=np.float32), threshold)  # type: ignore[arg-type] # on purpose
        assert result(apply_gates(at, NONE), "recall").value == 0


class TestNonInferiority:
    """Shown to be as good, shown to be worse, or neither: `worse` is 0.1 F1 below its champion on 390 rows."""

    worse = evidence(60, 60, 40, 230, champion=rows(70, 40, 30, 250))

    def bounds(self) -> DifferenceBounds:
        champion = self.worse.champion
        assert champion is not None
        return f1_difference_bounds(self.worse.label, self.worse.challenger >= 0.5, champion >= 0.5, level=0.95)

    @pytest.mark.parametrize(
        ("side", "towards", "rule", "outcome"),
        [
            ("low", 1, "reject", Outcome.PASSED),
            ("low", 0, "reject", Outcome.PASSED),
            ("low", -1, "reject", Outcome.NOT_ENOUGH_EVIDENCE),
            ("low", -1, "promote", Outcome.PASSED),
            ("high", 0, "reject", Outcome.NOT_ENOUGH_EVIDENCE),
            ("high", 0, "promote", Outcome.PASSED),
            ("high", -1, "reject", Outcome.FAILED),
            ("high", -1, "promote", Outcome.FAILED),
        ],
    )
    def test_each_bound_decides_at_the_margin_and_not_beyond(
        self, side: str, towards: int, rule: Any, outcome: Outcome
    ) -> None:
        at = -float(getattr(self.bounds(), side))
        margin = at if not towards else float(np.nextafter(at, towards * np.inf))
        verdict = apply_gates(self.worse, only("non_inferiority", non_inferiority_margin=margin, when_undecided=rule))
        check = result(verdict, "non_inferiority")
        assert verdict.outcome is outcome
        assert (check.value, check.threshold) == (self.bounds().low, -margin)
        assert check.undecided == ((side, towards) in {("low", -1), ("high", 0)})
        assert check.note.startswith("not enough evidence") == check.undecided

    @pytest.mark.parametrize(
        ("least", "outcome"), [(100, Outcome.PASSED), (np.nextafter(100, 101), Outcome.NOT_ENOUGH_EVIDENCE)]
    )
    def test_too_few_churners_show_nothing(self, least: float, outcome: Outcome) -> None:
        verdict = apply_gates(GOOD, only("non_inferiority", least_churners=float(least)))
        assert verdict.outcome is outcome
        assert verdict.failed == (() if outcome is Outcome.PASSED else ("non_inferiority",))

    def test_too_few_churners_may_still_show_harm(self) -> None:
        profile = only("non_inferiority", least_churners=1e6, when_undecided="promote")
        awful = evidence(5, 60, 95, 230, champion=rows(70, 40, 30, 250))
        assert apply_gates(GOOD, profile).passed
        assert apply_gates(awful, profile).outcome is Outcome.FAILED

    def test_another_failed_gate_is_a_failure_whatever_is_undecided(self) -> None:
        profile = only("non_inferiority", "precision", non_inferiority_margin=0.05)
        verdict = apply_gates(self.worse, profile)
        assert verdict.failed == ("precision", "non_inferiority")
        assert verdict.outcome is Outcome.FAILED

    def test_the_noise_of_retraining_makes_it_harder_to_be_sure(self) -> None:
        verdict = apply_gates(GOOD, only("non_inferiority"))
        noisy = apply_gates(GOOD, only("non_inferiority", retraining_sd=0.05))
        assert (verdict.outcome, noisy.outcome) == (Outcome.PASSED, Outcome.NOT_ENOUGH_EVIDENCE)

    def test_a_model_that_answers_like_the_champion_is_no_worse(self) -> None:
        assert result(
            apply_gates(GOOD, only("non_inferiority", non_inferiority_margin=0.0)), "non_inferiority"
        ).passed

    def test_what_looks_back_is_only_computed_where_it_is_enforced(self) -> None:
        names = {check.name for check in apply_gates(GOOD, TELCO).results}
        assert not names & {"non_inferiority", "f1_against_best"}


def test_small_losses_cannot_add_up_against_the_best_so_far() -> None:
    """A chain of challengers, each 0.013 F1 worse than the last: the champion gate passes them all."""
    chain = [rows(70 - 2 * number, 40, 30 + 2 * number, 250) for number in range(5)]
    label = np.arange(len(chain[0])) < 100
    passed = []
    for before, after in itertools.pairwise(chain):
        case = Evidence(label, after, 0.5, before, 0.5, {}, best=chain[0])
        case = replace(case, best_threshold=0.5)
        passed.append([apply_gates(case, only(g)).passed for g in ("f1_against_champion", "f1_against_best")])
    assert [champion for champion, _ in passed] == [True] * 4
    assert [best for _, best in passed] == [True, False, False, False]


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
        verdict = apply_gates(case, TELCO)
        assert verdict.failed == failed
        assert not verdict.passed
        assert apply_gates(case, NONE).passed

    @pytest.mark.parametrize(
        ("gate", "case"),
        [
            ("recall", evidence(45, 10, 55, 300)),
            ("false_negative_rate", evidence(45, 10, 55, 300)),
            ("churn_f1", evidence(49, 50, 51, 300)),
            ("latency_ms", replace(GOOD, latency_ms=50.1)),
            ("f1_against_best", replace(GOOD, best=rows(80, 30, 20, 260))),
            ("non_inferiority", replace(GOOD, champion=rows(90, 10, 10, 280))),
        ],
    )
    def test_stops_a_challenger_where_no_other_gate_implies_it(self, gate: str, case: Evidence) -> None:
        assert apply_gates(case, only(gate)).failed == (gate,)
        assert apply_gates(case, only()).passed

    def test_out_of_range_predictions_under_stress_stop_it(self) -> None:
        outside = GOOD.challenger.copy()
        outside[0] = np.nextafter(1, 2)
        verdict = apply_gates(replace(GOOD, stressed={**GOOD.stressed, "text": outside}), TELCO)
        assert verdict.failed == tuple(
            f"robustness_text_{check}" for check in ("excess", "mean_low", "mean_high", "sd")
        )

    def test_a_stress_of_another_name_is_examined_too(self) -> None:
        verdict = apply_gates(replace(GOOD, stressed={**GOOD.stressed, "noise": halves(0.5, 0.5)}), TELCO)
        assert verdict.failed == ("robustness_noise_sd",)


class TestWhatIsMissing:
    def test_an_unmeasured_latency_fails_only_where_it_is_enforced(self) -> None:
        unmeasured = replace(GOOD, latency_ms=None)
        assert apply_gates(unmeasured, TELCO).passed
        assert apply_gates(unmeasured, only(*GATES)).failed == ("latency_ms",)

    @pytest.mark.parametrize("latency_ms", [float("nan"), float("inf"), -1.0, "3", True])
    def test_a_broken_latency_counts_as_unmeasured(self, latency_ms: Any) -> None:
        assert result(apply_gates(replace(GOOD, latency_ms=latency_ms), TELCO), "latency_ms").value is None
        assert apply_gates(replace(GOOD, latency_ms=latency_ms), only("latency_ms")).failed == ("latency_ms",)

    def test_a_first_model_is_compared_with_nothing(self) -> None:
        first = replace(GOOD, champion=None, champion_threshold=None, best=None, best_threshold=None)
        verdict = apply_gates(first, only(*GATES))
        assert verdict.passed
        for name in ("f1_against_champion", "f1_against_best", "non_inferiority"):
            comparison = result(verdict, name)
            assert (comparison.value, comparison.note) == (None, "no champion to compare with")

    def test_a_best_champion_that_is_missing_fails_where_it_is_asked_for(self) -> None:
        lost = replace(GOOD, best=None, best_threshold=None)
        assert apply_gates(lost, only("f1_against_best")).failed == ("f1_against_best",)
        assert apply_gates(lost, TELCO).passed

    def test_a_stress_that_was_not_tried_fails_robustness(self) -> None:
        untried = replace(GOOD, stressed=dict.fromkeys(STRESSES[1:], GOOD.challenger))
        failed = apply_gates(untried, TELCO).failed
        assert failed == tuple(f"robustness_missing_{check}" for check in ("excess", "mean_low", "mean_high", "sd"))
        assert apply_gates(untried, NONE).passed

    def test_the_f1_lost_under_stress_is_recorded_and_never_enforced(self) -> None:
        stressed = {**GOOD.stressed, "missing": rows(10, 40, 90, 250)}
        verdict = apply_gates(replace(GOOD, stressed=stressed), TELCO)
        lost = result(verdict, "robustness_missing_f1_lost")
        assert verdict.passed
        assert lost.value == pytest.approx(140 / 210 - 20 / 150)
        assert (lost.threshold, lost.enforced) == (None, False)

    def test_a_gate_that_is_not_enforced_still_records_its_value(self) -> None:
        bad = result(apply_gates(evidence(1, 50, 50, 50), NONE), "precision")
        assert (bad.value, bad.passed, bad.enforced) == (1 / 51, True, False)


class TestBrokenEvidence:
    @pytest.mark.parametrize("profile", [TELCO, NONE, CAUTIOUS, LENIENT], ids=lambda profile: profile.name)
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            *(("label", kind) for kind in (*BREAK, *ONE_CLASS)),
            *(("challenger", kind) for kind in (*BREAK, *OUTSIDE)),
            *(("champion", kind) for kind in (*BREAK, *OUTSIDE)),
            *(("best", kind) for kind in (*BREAK, *OUTSIDE) if kind != "none"),
        ],
    )
    def test_never_passes(self, name: str, kind: str, profile: GateProfile) -> None:
        broken = {**BREAK, **OUTSIDE, **ONE_CLASS}[kind](getattr(GOOD, name))
        verdict = apply_gates(replace(GOOD, **{name: broken}), profile)
        assert "evidence" in verdict.failed
        blamed = (
            "challenger" if name == "label" and kind in {"longer", "shorter"} else name
        )  # rows are counted by label
        assert verdict.results[0].note.startswith(f"{blamed} must")

    @pytest.mark.parametrize("profile", [TELCO, NONE, CAUTIOUS, LENIENT], ids=lambda profile: profile.name)
    @pytest.mark.parametrize(
        "kind", ["zero", "float", *(kind for kind in BREAK if kind not in {"none", "integers", "extended"})]
    )
    def test_broken_weights_never_pass(self, kind: str, profile: GateProfile) -> None:
        spoil = {**BREAK, "zero": np.zeros_like, "float": lambda w: w.astype(np.float64)}[kind]
        verdict = apply_gates(replace(GOOD, weight=spoil(np.ones(len(GOOD.label), dtype=np.int64))), profile)
        assert "evidence" in verdict.failed
        assert verdict.results[0].note.startswith("weight must")

    @pytest.mark.parametrize("stress", STRESSES)
    @pytest.mark.parametrize("kind", [*BREAK, *OUTSIDE])
    def test_never_passes_under_stress(self, kind: str, stress: str) -> None:
        broken = {**BREAK, **OUTSIDE}[kind](GOOD.challenger)
        case = replace(GOOD, stressed={**GOOD.stressed, stress: broken})
        assert f"robustness_{stress}_mean_low" in apply_gates(case, TELCO).failed
        assert apply_gates(case, NONE).passed == (kind in OUTSIDE)

    @pytest.mark.parametrize("name", ["challenger_threshold", "champion_threshold", "best_threshold"])
    @pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -0.1, 1.1, None, "0.5", True, 10**400])
    def test_a_broken_threshold_never_passes(self, name: str, threshold: Any) -> None:
        broken = replace(GOOD, **{name: threshold})
        assert apply_gates(broken, NONE).failed == ("evidence",)
        assert not apply_gates(broken, LENIENT).passed

    @pytest.mark.parametrize("lost", ["champion", "champion_threshold"])
    def test_half_a_champion_is_no_first_model(self, lost: str) -> None:
        half = replace(GOOD, **{lost: None})
        assert apply_gates(half, TELCO).failed == ("evidence", "f1_against_champion")
        assert apply_gates(half, LENIENT).failed == ("evidence", "non_inferiority")

    def test_every_fault_is_named(self) -> None:
        verdict = apply_gates(replace(GOOD, label=GOOD.label[:0], champion=None), TELCO)
        assert verdict.results[0].value == 2
        assert verdict.results[0].note == (
            "label must have some rows, got 0; champion must be a numpy array of floats, got NoneType"
        )
        assert all(result.value is None for result in verdict.results[1:])

    def test_one_class_still_records_what_can_be_computed(self) -> None:
        verdict = apply_gates(replace(GOOD, label=np.zeros_like(GOOD.label)), NONE)
        assert result(verdict, "accuracy").value == 280 / 390
        assert result(verdict, "roc_auc").value is None


def test_a_verdict_is_a_value() -> None:
    verdict = apply_gates(GOOD, TELCO)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert verdict == apply_gates(replace(GOOD, label=GOOD.label.copy()), TELCO)
    assert verdict != apply_gates(replace(GOOD, latency_ms=4.0), TELCO)
    assert {verdict: 1}[apply_gates(GOOD, TELCO)] == 1
