"""Gate profiles: which gates are enforced, at which thresholds, and what each of them means."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from sim.errors import InputError, did_you_mean

GATES = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "false_negative_rate",
    "churn_f1",
    "minority_share",
    "latency_ms",
    "f1_against_champion",
    "robustness",
)
"""The gates that a profile may enforce. The gate `evidence` is always enforced."""

_TELCO_CHURN_RATE = 1869 / 7043


def _number(low: float, high: float) -> Any:
    return field(metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateProfile:
    """Named thresholds, and the gates that are enforced.

    A gate that is not enforced is recorded with its value, and always passes. `robustness` has three thresholds for
    each stress: the bounds of the mean prediction, and its least standard deviation.

    Raises
    ------
    InputError
        If a threshold is not a number in its range, or `enforced` names no gate.
    """

    name: str
    description: str
    enforced: tuple[str, ...]
    accuracy: float = _number(0, 1)
    precision: float = _number(0, 1)
    recall: float = _number(0, 1)
    f1: float = _number(0, 1)
    roc_auc: float = _number(0, 1)
    false_negative_rate: float = _number(0, 1)
    churn_f1: float = _number(0, 1)
    minority_share: float = _number(0, 0.5)
    latency_ms: float = _number(0, 1e6)
    f1_against_champion: float = _number(-1, 1)
    stressed_mean_low: float = _number(0, 1)
    stressed_mean_high: float = _number(0, 1)
    stressed_sd: float = _number(0, 0.5)

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check_number(f"profile {self.name}: {name}", getattr(self, name), low, high)
        for gate in self.enforced:
            if gate not in GATES:
                known = ", ".join(GATES)
                hint = did_you_mean(gate, GATES)
                raise InputError(f"profile {self.name}: enforced must name gates ({known}), got {gate!r}.{hint}")
        if self.stressed_mean_low > self.stressed_mean_high:
            raise InputError(
                f"profile {self.name}: stressed_mean_low must be at most stressed_mean_high, got"
                f" {self.stressed_mean_low:g} and {self.stressed_mean_high:g}: swap them."
            )

    def enforces(self, gate: str) -> bool:
        """Whether a challenger that fails `gate` is rejected."""
        return gate == "evidence" or gate in self.enforced


_RANGES: Mapping[str, tuple[float, float]] = {
    f.name: (f.metadata["low"], f.metadata["high"]) for f in fields(GateProfile) if "low" in f.metadata
}


def _check_number(what: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator] # a number here; NaN is refused too
        raise InputError(f"{what} must be a number from {low:g} to {high:g}, got {value!r}: correct it.")


def profiles() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package."""
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_profile(name_or_path: str) -> GateProfile:
    """Return a profile by name, or from a TOML file (anything that ends in ``.toml``).

    Raises
    ------
    InputError
        If there is no such profile, or the file is not a complete and valid one.

    >>> load_profile("telco_churn").f1
    0.55
    """
    if name_or_path.endswith(".toml"):
        return _read_profile(Path(name_or_path))
    if name_or_path not in profiles():
        hint = did_you_mean(name_or_path, profiles())
        raise InputError(f"gates must be one of {', '.join(profiles())} or a .toml file, got {name_or_path!r}.{hint}")
    return _to_profile(name_or_path, (_folder() / f"{name_or_path}.toml").read_text(encoding="utf-8"))


def _folder() -> Any:
    return files("sim.mlops") / "profiles"


def _read_profile(path: Path) -> GateProfile:
    try:
        return _to_profile(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"a gate profile must be a readable UTF-8 file, but {path} is not: {error}.") from error


def _to_profile(name: str, text: str) -> GateProfile:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"profile {name} must be TOML, but it is not: {error}.") from error
    _check_keys(f"profile {name}", content, ("description", "enforced", "thresholds"))
    _check_type(name, "description", content["description"], str, "text")
    _check_type(name, "thresholds", content["thresholds"], dict, "a table")
    _check_type(name, "enforced", content["enforced"], list, "a list of gates")
    _check_keys(f"profile {name}: thresholds", content["thresholds"], tuple(_RANGES))
    for gate in content["enforced"]:
        _check_type(name, "an enforced gate", gate, str, "a name in quotes")
    return GateProfile(
        name=name,
        description=content["description"],
        enforced=tuple(content["enforced"]),
        **content["thresholds"],
    )


def _check_type(profile: str, key: str, value: object, wanted: type, noun: str) -> None:
    if not isinstance(value, wanted):
        raise InputError(f"profile {profile}: {key} must be {noun}, got {value!r}: correct it.")


def _check_keys(what: str, content: Mapping[str, object], wanted: Sequence[str]) -> None:
    for key in content:
        if key not in wanted:
            hint = did_you_mean(key, wanted)
            raise InputError(f"{what} must have the keys {', '.join(wanted)}, got {key!r}: remove it.{hint}")
    missing = [key for key in wanted if key not in content]
    if missing:
        raise InputError(f"{what} must have the keys {', '.join(wanted)}, but lacks {', '.join(missing)}: add them.")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line of `retrainlab gates NAME`."""

    gate: str
    threshold: str
    enforced: bool
    sentence: str


def explain(profile: GateProfile) -> list[Explanation]:
    """Explain each gate in words, and say which can never be the only one to fail.

    >>> line = explain(load_profile("telco_churn"))[6]
    >>> line.gate, line.threshold, line.enforced
    ('false_negative_rate', '<= 0.5', True)
    >>> line.sentence
    'Share of churners who are missed. Never fails alone: it is the recall gate (1 - recall).'
    """
    lines = (Explanation("evidence", "sound", True, _EVIDENCE), *(_explain_gate(gate, profile) for gate in GATES))
    return list(lines)


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
}


def _explain_gate(gate: str, profile: GateProfile) -> Explanation:
    if gate == "robustness":
        return Explanation(gate, _robustness_bounds(profile), profile.enforces(gate), _robustness_sentence(profile))
    comparison, meaning = _SENTENCES[gate]
    remark = _REMARKS[gate](profile) if gate in _REMARKS else ""
    recorded = "" if profile.enforces(gate) else "Recorded, not enforced."
    sentence = " ".join(part for part in (meaning, remark, recorded) if part)
    return Explanation(gate, f"{comparison} {getattr(profile, gate):g}", profile.enforces(gate), sentence)


def _robustness_bounds(profile: GateProfile) -> str:
    low, high, sd = profile.stressed_mean_low, profile.stressed_mean_high, profile.stressed_sd
    return f"mean {low:g} to {high:g}, sd > {sd:g}"


def _robustness_sentence(profile: GateProfile) -> str:
    recorded = "" if profile.enforces("robustness") else " Recorded, not enforced."
    return (
        "Predictions stay in 0 to 1, and neither collapse nor freeze, with 10 % of the values missing, with numbers"
        f" as text and in single precision; the F1 lost is recorded.{recorded}"
    )


def _accuracy_remark(profile: GateProfile) -> str:
    majority = 1 - _TELCO_CHURN_RATE
    weak = f"Always saying 'stays' reaches {majority:.3f} on the Telco table." if profile.accuracy <= majority else ""
    alone = _implied_on_telco(profile, _least_accuracy, profile.accuracy)
    return " ".join(part for part in (weak, alone) if part)


def _f1_remark(profile: GateProfile) -> str:
    precision, recall = profile.precision, profile.recall
    least = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    is_implied = profile.enforces("precision") and profile.enforces("recall") and least >= profile.f1
    return "Never fails alone: the precision and recall gates imply it." if is_implied else ""


def _false_negative_remark(profile: GateProfile) -> str:
    is_implied = profile.enforces("recall") and profile.recall >= 1 - profile.false_negative_rate
    return "Never fails alone: it is the recall gate (1 - recall)." if is_implied else "It is 1 - recall."


def _churn_f1_remark(profile: GateProfile) -> str:
    is_implied = profile.enforces("f1") and profile.f1 >= profile.churn_f1
    return f"Never fails alone: F1 >= {profile.f1:g} implies it." if is_implied else "It is the value of the gate f1."


def _minority_remark(profile: GateProfile) -> str:
    alone = _implied_on_telco(profile, _least_minority_share, profile.minority_share)
    return " ".join(part for part in ("Even a perfect model fails it where churners are rarer.", alone) if part)


def _implied_on_telco(profile: GateProfile, least: Callable[[float, float], float], threshold: float) -> str:
    """Remark whether precision and recall at their thresholds imply a gate at the churn rate of the Telco table."""
    if not (profile.enforces("precision") and profile.enforces("recall") and profile.precision):
        return ""
    if least(profile.precision, profile.recall) < threshold:
        return ""
    return "Never fails alone at Telco's churn rate of 0.265: the precision and recall gates imply it."


def _least_accuracy(precision: float, recall: float) -> float:
    """Return the least accuracy: t true positives come with churners - t missed and t / precision - t false ones."""
    found = _TELCO_CHURN_RATE * (recall if precision > 0.5 else 1)
    return 1 - (_TELCO_CHURN_RATE + found * (1 / precision - 2))


def _least_minority_share(precision: float, recall: float) -> float:
    return min(recall * _TELCO_CHURN_RATE, 1 - _TELCO_CHURN_RATE / precision)


_REMARKS: Mapping[str, Callable[[GateProfile], str]] = {
    "accuracy": _accuracy_remark,
    "f1": _f1_remark,
    "false_negative_rate": _false_negative_remark,
    "churn_f1": _churn_f1_remark,
    "minority_share": _minority_remark,
}
