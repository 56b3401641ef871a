"""The gates: what a challenger must show before it may serve.

Gates are pure functions of a frozen `Evidence`, so they can be tested without a model. A prediction is "churn" where
the probability is at least the model's threshold. A gate holds at its own threshold: "at least" is >=, "at most" is
<=. Only the standard deviation on stressed rows must be more (>) than its threshold.

Whatever cannot be computed is missing, and a missing value fails an enforced gate. Evidence that is malformed fails
under every profile, so no accident promotes a challenger. Where the rows are too few to tell, `non_inferiority` says
so instead of guessing, and the profile says what becomes of the challenger then.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sim.mlops.gates.evidence import STRESSES, Evidence, array_fault, evidence_faults, is_number
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.statistics import metrics
from sim.mlops.statistics.metrics import Confusion
from sim.mlops.statistics.paired_bootstrap import DifferenceBounds, f1_difference_bounds

Comparison = Literal[">=", "<=", ">"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """One check: it passes if it is met or not enforced.

    A value is missing (`None`) where it could not be computed; a threshold is `None` for what is only recorded. A
    check is `undecided` where it is neither met nor missed; whether it passes is then a matter of the profile.
    """

    name: str
    value: float | None
    comparison: Comparison
    threshold: float | None
    enforced: bool
    passed: bool
    note: str = ""
    undecided: bool = False


class Outcome(StrEnum):
    """What the gates say of a challenger."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all gates."""

    results: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether the challenger may serve."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the failed checks."""
        return tuple(result.name for result in self.results if not result.passed)

    @property
    def outcome(self) -> Outcome:
        """What the gates say: not enough evidence where nothing else than that speaks against the challenger."""
        if self.passed:
            return Outcome.PASSED
        is_open = all(result.passed or result.undecided for result in self.results)
        return Outcome.NOT_ENOUGH_EVIDENCE if is_open else Outcome.FAILED


def apply_gates(evidence: Evidence, profile: GateProfile) -> Verdict:
    """Put a challenger through the gates of a profile.

    Pure, and independent of the order of rows to the last bit. Malformed evidence (no rows, one class, unequal
    lengths, another dtype or shape, NaN, a probability outside 0 to 1, ...) raises nothing: it fails the gate
    `evidence`, whose note says what is wrong, and every enforced gate that needs it.

    >>> from sim.mlops.gates.profiles import load_profile
    >>> evidence = Evidence(np.array([True, False]), np.array([0.9, np.nan]), challenger_threshold=0.5)
    >>> verdict = apply_gates(evidence, load_profile("none"))
    >>> verdict.failed, verdict.results[0].note
    (('evidence',), 'challenger must be finite, got NaN or infinity')
    """
    faults = dict(evidence_faults(evidence))
    values = _figures(evidence, faults)
    results = tuple(_judge(check, values.get(check.name), profile) for check in _checks(evidence, profile))
    sound = GateResult("evidence", len(faults), "<=", 0, True, not faults, "; ".join(faults.values()))
    tested = (_non_inferiority(evidence, faults, profile),) if profile.enforces("non_inferiority") else ()
    return Verdict((sound, *results, *tested))


@dataclass(frozen=True, slots=True)
class _Check:
    gate: str
    name: str
    comparison: Comparison
    threshold: float | None
    note: str = ""
    may_be_missing: bool = False


_NO_CHAMPION = "no champion to compare with"
_MEETS: Mapping[Comparison, Callable[[float, float], bool]] = {
    ">=": lambda value, threshold: value >= threshold,
    "<=": lambda value, threshold: value <= threshold,
    ">": lambda value, threshold: value > threshold,
}


def _judge(check: _Check, value: float | None, profile: GateProfile) -> GateResult:
    enforced = check.threshold is not None and profile.enforces(check.gate)
    if value is None or check.threshold is None:
        met = check.may_be_missing
    else:
        met = _MEETS[check.comparison](value, check.threshold)
    return GateResult(check.name, value, check.comparison, check.threshold, enforced, met or not enforced, check.note)


def _checks(evidence: Evidence, profile: GateProfile) -> Iterator[_Check]:
    for gate in ("accuracy", "precision", "recall", "f1", "roc_auc", "churn_f1", "minority_share"):
        yield _Check(gate, gate, ">=", getattr(profile, gate))
    for gate in ("false_negative_rate", "latency_ms"):
        yield _Check(gate, gate, "<=", getattr(profile, gate))
    is_first = evidence.is_first
    note = _NO_CHAMPION if is_first else ""
    gate = "f1_against_champion"
    yield _Check(gate, gate, "<=", profile.f1_against_champion, note, may_be_missing=is_first)
    if profile.enforces("f1_against_best"):
        gate = "f1_against_best"
        yield _Check(gate, gate, "<=", profile.f1_against_best, note, may_be_missing=is_first)
    for stress in _stresses(evidence):
        yield from _stress_checks(f"robustness_{stress}", profile)


def _stress_checks(prefix: str, profile: GateProfile) -> Iterator[_Check]:
    gate = "robustness"
    yield _Check(gate, f"{prefix}_excess", "<=", 0.0)
    yield _Check(gate, f"{prefix}_mean_low", ">=", profile.stressed_mean_low)
    yield _Check(gate, f"{prefix}_mean_high", "<=", profile.stressed_mean_high)
    yield _Check(gate, f"{prefix}_sd", ">", profile.stressed_sd)
    yield _Check(gate, f"{prefix}_f1_lost", "<=", None)


def _stresses(evidence: Evidence) -> tuple[str, ...]:
    """Return the expected stresses and any other, whose results are examined alike."""
    return tuple(dict.fromkeys((*STRESSES, *sorted(evidence.stressed))))


def _figures(evidence: Evidence, faults: Mapping[str, str]) -> dict[str, float | None]:
    """Return every value by the name of its check, as far as the faults allow."""
    if array_fault(evidence.label, "b", None) or faults.keys() & {"challenger", "weight"}:
        return {}
    evidence = _repeated(evidence, faults)
    counts = _count(evidence.label, evidence.challenger, evidence.challenger_threshold)
    return {
        "accuracy": counts.accuracy,
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "roc_auc": metrics.roc_auc(evidence.label, evidence.challenger.astype(np.float64)),
        "churn_f1": counts.f1,
        "minority_share": _minority_share(counts),
        "false_negative_rate": counts.false_negative_rate,
        "latency_ms": _latency_ms(evidence.latency_ms),
        "f1_against_champion": None
        if "champion" in faults
        else _f1_against(evidence.label, evidence.champion, evidence.champion_threshold, counts),
        "f1_against_best": None
        if "best" in faults
        else _f1_against(evidence.label, evidence.best, evidence.best_threshold, counts),
        **_stressed_figures(evidence, counts, faults),
    }


def _repeated(evidence: Evidence, faults: Mapping[str, str]) -> Evidence:
    """Return the evidence with each row as often as it counts; what has a fault stays as it is."""
    weight = evidence.weight
    if weight is None:
        return evidence

    def times(name: str, values: NDArray[np.float64] | None) -> Any:
        return values if values is None or name in faults else np.repeat(values, weight)

    return replace(
        evidence,
        weight=None,
        label=np.repeat(evidence.label, weight),
        challenger=times("challenger", evidence.challenger),
        champion=times("champion", evidence.champion),
        best=times("best", evidence.best),
        stressed={name: times(f"stressed {name}", values) for name, values in evidence.stressed.items()},
    )


def _count(label: NDArray[np.bool_], probability: NDArray[np.float64], threshold: float) -> Confusion:
    return metrics.confusion(label, _predictions(probability, threshold))


def _predictions(probability: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Compare in double precision, so that a threshold is not rounded to the precision of an array."""
    return np.asarray(probability.astype(np.float64) >= float(threshold))


def _minority_share(counts: Confusion) -> float:
    predicted = counts.true_positives + counts.false_positives
    return min(predicted, counts.rows - predicted) / counts.rows


def _latency_ms(latency_ms: object) -> float | None:
    return float(latency_ms) if is_number(latency_ms) and 0 <= latency_ms < float("inf") else None


def _f1_against(
    label: NDArray[np.bool_], other: NDArray[np.float64] | None, threshold: float | None, counts: Confusion
) -> float | None:
    """Return another model's F1 less the challenger's, whose predictions are counted; missing without another."""
    if other is None or threshold is None:
        return None
    return _f1_difference(_count(label, other, threshold), counts)


def _non_inferiority(evidence: Evidence, faults: Mapping[str, str], profile: GateProfile) -> GateResult:
    """Return whether the challenger's F1 is shown to be no worse than the champion's by more than the margin.

    The value is the lower bound of its F1 less the champion's.
    """
    worst = 0.0 - profile.non_inferiority_margin  # never -0.0
    bounds = _difference_bounds(evidence, faults, profile)
    if bounds is None:
        note = _NO_CHAMPION if evidence.is_first else ""
        return GateResult("non_inferiority", None, ">=", worst, True, evidence.is_first, note)
    churners = int(np.count_nonzero(evidence.label))
    if bounds.high < worst:
        is_met, doubt = False, ""
    elif churners < profile.least_churners:
        is_met, doubt = False, f"not enough evidence: {churners} churners, {profile.least_churners:g} needed"
    else:
        is_met = bounds.low >= worst
        doubt = "" if is_met else f"not enough evidence: between {bounds.low:+.3f} and {bounds.high:+.3f}"
    passes = is_met or (bool(doubt) and profile.when_undecided == "promote")
    return GateResult("non_inferiority", bounds.low, ">=", worst, True, passes, doubt, undecided=bool(doubt))


def _difference_bounds(
    evidence: Evidence, faults: Mapping[str, str], profile: GateProfile
) -> DifferenceBounds | None:
    """Return the bounds of challenger's F1 less champion's; missing where a part of them is missing or broken."""
    champion, threshold = evidence.champion, evidence.champion_threshold
    if champion is None or threshold is None or faults.keys() & {"label", "challenger", "champion", "weight"}:
        return None
    return f1_difference_bounds(
        evidence.label,
        _predictions(evidence.challenger, evidence.challenger_threshold),
        _predictions(champion, threshold),
        profile.non_inferiority_level,
        profile.retraining_sd,
        evidence.weight,
    )


def _f1_difference(first: Confusion, second: Confusion) -> float:
    """Return first F1 - second F1, rounded once: 0.57 - 0.55 is 0.02, where floats say 0.01999..."""
    return float(_exact_f1(first) - _exact_f1(second))


def _exact_f1(counts: Confusion) -> Fraction:
    whole = 2 * counts.true_positives + counts.false_positives + counts.false_negatives
    return Fraction(2 * counts.true_positives, whole) if whole else Fraction(0)


def _stressed_figures(evidence: Evidence, counts: Confusion, faults: Mapping[str, str]) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for name, probability in evidence.stressed.items():
        if f"stressed {name}" in faults:
            continue
        excess = max(0.0, -float(probability.min()), float(probability.max()) - 1)
        figures[f"robustness_{name}_excess"] = excess
        if not excess:
            values = probability.astype(np.float64)
            mean = metrics.mean(values)
            stressed_counts = _count(evidence.label, values, evidence.challenger_threshold)
            figures[f"robustness_{name}_mean_low"] = mean
            figures[f"robustness_{name}_mean_high"] = mean
            figures[f"robustness_{name}_sd"] = metrics.standard_deviation(values)
            figures[f"robustness_{name}_f1_lost"] = _f1_difference(counts, stressed_counts)
    return figures
