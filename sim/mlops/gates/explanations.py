"""What each gate of a profile means in words, and which of them can never be the only one to fail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.mlops.gates.profiles import TELCO_CHURN_RATE, GateProfile


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line of `retrainlab gates NAME`; `implied_by` names enforced gates that it never fails without."""

    gate: str
    threshold: str
    enforced: bool
    implied_by: str
    sentence: str


def explain(profile: GateProfile) -> list[Explanation]:
    """Explain each gate in words, and say which can never be the only one to fail.

    >>> from sim.mlops.gates.profiles import load_profile
    >>> line = explain(load_profile("telco_churn"))[6]
    >>> line.gate, line.threshold, line.enforced, line.implied_by
    ('false_negative_rate', '<= 0.5', True, 'recall')
    >>> line.sentence
    'Share of churners who are missed. Never fails alone: it is the recall gate (1 - recall).'
    """
    evidence = Explanation("evidence", "sound", True, "", _EVIDENCE)
    return [evidence, *(_explain_gate(gate, profile) for gate in profile.gates)]


_EVIDENCE = (
    "Holdout rows of both classes and finite probabilities from 0 to 1, all of one length; always enforced, so no"
    " accident promotes a model."
)

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "accuracy": (">=", "Share of right predictions."),
    "precision": (">=", "Share of churners among those predicted to churn."),
    "recall": (">=", "Share of churners who are predicted."),
    "f1": (">=", "Harmonic mean of precision and recall of the churn class."),
    "roc_auc": (">=", "Probability that a churner outranks a stayer; a tie counts one half."),
    "false_negative_rate": ("<=", "Share of churners who are missed."),
    "churn_f1": (">=", "F1 of the churn class."),
    "minority_share": (">=", "Share of the rarer of the two predictions."),
    "latency_ms": ("<=", "Mean milliseconds of a single-row prediction."),
    "f1_against_champion": ("<=", "Champion's F1 minus challenger's, on the same rows."),
    "f1_against_best": (
        "<=",
        "Best champion's F1 so far minus challenger's, on the same rows: small losses can't add up, as they can"
        " where only the last champion is asked.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Remark:
    """What is to be said of a gate beyond its meaning, and the gates that imply it, if any do."""

    text: str = ""
    implied_by: tuple[str, ...] = ()


def _explain_gate(gate: str, profile: GateProfile) -> Explanation:
    if gate == "robustness":
        return Explanation(
            gate, _robustness_bounds(profile), profile.enforces(gate), "", _robustness_sentence(profile)
        )
    if gate == "non_inferiority":
        return Explanation(
            gate, _non_inferiority_bound(profile), profile.enforces(gate), "", _non_inferiority(profile)
        )
    comparison, meaning = _SENTENCES[gate]
    remark = _REMARKS[gate](profile) if gate in _REMARKS else _Remark()
    recorded = "" if profile.enforces(gate) else "Recorded, not enforced."
    sentence = " ".join(part for part in (meaning, remark.text, recorded) if part)
    threshold = f"{comparison} {getattr(profile, gate):g}"
    return Explanation(gate, threshold, profile.enforces(gate), " and ".join(remark.implied_by), sentence)


def _robustness_bounds(profile: GateProfile) -> str:
    low, high, sd = profile.stressed_mean_low, profile.stressed_mean_high, profile.stressed_sd
    return f"mean {low:g} to {high:g}, sd > {sd:g}"


def _robustness_sentence(profile: GateProfile) -> str:
    recorded = "" if profile.enforces("robustness") else " Recorded, not enforced."
    return (
        "Predictions stay in 0 to 1, and neither collapse nor freeze, with 10 % of the values missing, with numbers"
        f" as text and in single precision; the F1 lost is recorded.{recorded}"
    )


def _non_inferiority_bound(profile: GateProfile) -> str:
    return f">= {0.0 - profile.non_inferiority_margin:g}, level {profile.non_inferiority_level:g}"


def _non_inferiority(profile: GateProfile) -> str:
    becomes = {"reject": "rejected", "promote": "promoted if no other gate fails"}[profile.when_undecided]
    parts = [
        "Lower bound of challenger's F1 minus champion's, by a paired bootstrap. Where the upper bound lies below the"
        " threshold the challenger is shown to be worse; where only the lower one does there is not enough evidence,"
        f" and it is {becomes}.",
        f"With fewer than {profile.least_churners:g} churners nothing is shown." if profile.least_churners else "",
        f"Retraining itself moves F1 by {profile.retraining_sd:g} (standard deviation over seeds), which widens both"
        " bounds."
        if profile.retraining_sd
        else "",
    ]
    return " ".join(part for part in parts if part)


def _accuracy_remark(profile: GateProfile) -> _Remark:
    majority = 1 - profile.base_rate[0]
    weak = f"Always saying 'stays' reaches {majority:.3f} at a churn rate of {profile.base_rate[0]:.3g}."
    return _implied(profile, "accuracy", _least_accuracies, weak if profile.accuracy <= majority else "")


def _f1_remark(profile: GateProfile) -> _Remark:
    precision, recall = profile.precision, profile.recall
    least = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    if profile.enforces("precision") and profile.enforces("recall") and least >= profile.f1:
        return _Remark("Never fails alone: the precision and recall gates imply it.", ("precision", "recall"))
    return _Remark()


def _false_negative_remark(profile: GateProfile) -> _Remark:
    if profile.enforces("recall") and profile.recall >= 1 - profile.false_negative_rate:
        return _Remark("Never fails alone: it is the recall gate (1 - recall).", ("recall",))
    return _Remark("It is 1 - recall.")


def _churn_f1_remark(profile: GateProfile) -> _Remark:
    if profile.enforces("f1") and profile.f1 >= profile.churn_f1:
        return _Remark(f"Never fails alone: F1 >= {profile.f1:g} implies it.", ("f1",))
    return _Remark("It is the value of the gate f1.")


def _minority_remark(profile: GateProfile) -> _Remark:
    return _implied(
        profile, "minority_share", _least_minority_shares, "Even a perfect model fails it where churners are rarer."
    )


_Leasts = Callable[[GateProfile, float], Mapping[tuple[str, ...], float]]
"""The least value that a figure can have at a churn rate, by the enforced gates that guarantee it."""


def _implied(profile: GateProfile, gate: str, leasts: _Leasts, text: str) -> _Remark:
    """Remark whether other gates imply one at all base rates; the figure is linear in the rate, so its ends do."""
    low, high = profile.base_rate
    for gates, least in leasts(profile, low).items():
        if min(least, leasts(profile, high)[gates]) >= getattr(profile, gate):
            noun = f"the {' and '.join(gates)} gates imply" if len(gates) > 1 else f"the {gates[0]} gate implies"
            alone = f"Never fails alone {_at_base_rates(profile)}: {noun} it."
            return _Remark(" ".join(part for part in (text, alone) if part), gates)
    return _Remark(text)


def _at_base_rates(profile: GateProfile) -> str:
    low, high = profile.base_rate
    if low == high:
        whose = "Telco's" if low == TELCO_CHURN_RATE else "a"
        return f"at {whose} churn rate of {low:.3g}"
    return f"at churn rates of {low:.3g} to {high:.3g}"


def _least_accuracies(profile: GateProfile, churn_rate: float) -> dict[tuple[str, ...], float]:
    """Return the least accuracy. With t true positives among c churners, c - t are missed.

    A precision p allows t (1 / p - 1) false alarms. With what is missed that is most at the lowest recall where p is
    above one half, and at the highest below. An F1 f allows 2 t (1 - f) / f mistakes in all, most where t = c.
    """
    found: dict[tuple[str, ...], float] = {}
    if profile.enforces("precision") and profile.enforces("recall") and profile.precision:
        share = churn_rate * (profile.recall if profile.precision > 0.5 else 1)
        found["precision", "recall"] = 1 - (churn_rate + share * (1 / profile.precision - 2))
    if profile.enforces("f1") and profile.f1:
        found["f1",] = 1 - 2 * churn_rate * (1 - profile.f1) / profile.f1
    return found


def _least_minority_shares(profile: GateProfile, churn_rate: float) -> dict[tuple[str, ...], float]:
    """Return the least share of the rarer prediction: recall alone bounds the churners, precision the others."""
    if not (profile.enforces("precision") and profile.enforces("recall") and profile.precision):
        return {}
    least = min(profile.recall * churn_rate, 1 - churn_rate / profile.precision)
    return {("precision", "recall"): least}


_REMARKS: Mapping[str, Callable[[GateProfile], _Remark]] = {
    "accuracy": _accuracy_remark,
    "f1": _f1_remark,
    "false_negative_rate": _false_negative_remark,
    "churn_f1": _churn_f1_remark,
    "minority_share": _minority_remark,
}
