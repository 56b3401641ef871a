"""Gate profiles: which gates are enforced, at which thresholds, and for which customers. Profiles are data."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

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
    "non_inferiority",
    "f1_against_best",
)
"""The gates that a profile may enforce. The gate `evidence` is always enforced."""

_ONLY_ENFORCED = ("non_inferiority", "f1_against_best")  # they ask for more than the figures of two models

WhenUndecided = Literal["reject", "promote"]
"""What becomes of a challenger of whom too little is known."""

TELCO_CHURN_RATE = 1869 / 7043
"""The share of churners in the Telco table; a profile is meant for unless it says otherwise."""

_KEYS = ("description", "enforced", "thresholds")
_OPTIONAL_KEYS = ("base_rate", "when_undecided")


def _number(low: float, high: float, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateProfile:
    """Named thresholds, and the gates that are enforced.

    A gate that is not enforced is recorded with its value, and always passes. `robustness` has three thresholds for
    each stress: the bounds of the mean prediction, and its least standard deviation.

    Attributes
    ----------
    base_rate
        Bounds of the share of churners among the customers that the thresholds are meant for; they only explain.
    non_inferiority_margin, non_inferiority_level
        `non_inferiority` is met where the lower bound of challenger's F1 less champion's, of this one-sided level,
        is at least minus the margin, and missed where the upper bound is below that. Between them nothing is shown.
    least_churners
        With fewer churners in the gate's rows `non_inferiority` is not met, and missed only as above.
    retraining_sd
        The standard deviation of the F1 of models trained on the same rows with other seeds; it widens the bounds.
    f1_against_best
        At most this much F1 may be lost against the best champion so far, on the same rows.
    when_undecided
        What becomes of a challenger where `non_inferiority` is neither met nor missed.

    Raises
    ------
    InputError
        If a threshold is not a number in its range, `enforced` names no gate, the base rate is no range, or
        `when_undecided` is no rule.
    """

    name: str
    description: str
    enforced: tuple[str, ...]
    base_rate: tuple[float, float] = (TELCO_CHURN_RATE, TELCO_CHURN_RATE)
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
    non_inferiority_margin: float = _number(0, 1, 0.05)
    non_inferiority_level: float = _number(0.5, 0.999, 0.95)
    least_churners: float = _number(0, 1e9, 0)
    retraining_sd: float = _number(0, 0.5, 0)
    f1_against_best: float = _number(-1, 1, 0.02)
    when_undecided: WhenUndecided = "reject"

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check_number(f"profile {self.name}: {name}", getattr(self, name), low, high)
        for gate in self.enforced:
            if gate not in GATES:
                known = ", ".join(GATES)
                hint = did_you_mean(gate, GATES)
                raise InputError(f"profile {self.name}: enforced must name gates ({known}), got {gate!r}.{hint}")
        if self.when_undecided not in get_args(WhenUndecided):
            known = " or ".join(get_args(WhenUndecided))
            raise InputError(f"profile {self.name}: when_undecided must be {known}, got {self.when_undecided!r}.")
        _check_order(f"profile {self.name}: base_rate", *self.base_rate)
        _check_order(
            f"profile {self.name}: stressed_mean_low to stressed_mean_high",
            self.stressed_mean_low,
            self.stressed_mean_high,
        )

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates that are computed, enforced or not."""
        return tuple(gate for gate in GATES if gate not in _ONLY_ENFORCED or gate in self.enforced)

    def enforces(self, gate: str) -> bool:
        """Whether a challenger that fails `gate` is rejected."""
        return gate == "evidence" or gate in self.enforced


_RANGES: Mapping[str, tuple[float, float]] = {
    f.name: (f.metadata["low"], f.metadata["high"]) for f in fields(GateProfile) if "low" in f.metadata
}
_REQUIRED = tuple(f.name for f in fields(GateProfile) if f.name in _RANGES and f.default is MISSING)


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
    return files("sim.mlops.gates") / "catalogue"


def _read_profile(path: Path) -> GateProfile:
    try:
        return _to_profile(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"a gate profile must be a readable UTF-8 file, but {path} is not: {error}.") from error


def _to_profile(name: str, text: str) -> GateProfile:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is no TOMLDecodeError
        raise InputError(f"profile {name} must be TOML, but it is not: {error}.") from error
    _check_keys(f"profile {name}", content, _KEYS, _OPTIONAL_KEYS)
    _check_type(name, "description", content["description"], str, "text")
    _check_type(name, "thresholds", content["thresholds"], dict, "a table")
    _check_type(name, "enforced", content["enforced"], list, "a list of gates")
    optional = [key for key in _RANGES if key not in _REQUIRED]
    _check_keys(f"profile {name}: thresholds", content["thresholds"], _REQUIRED, optional)
    for gate in content["enforced"]:
        _check_type(name, "an enforced gate", gate, str, "a name in quotes")
    return GateProfile(
        name=name,
        description=content["description"],
        enforced=tuple(content["enforced"]),
        **_options(name, content),
        **content["thresholds"],
    )


def _options(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optional keys that a profile has, as arguments."""
    options = {key: content[key] for key in _OPTIONAL_KEYS if key in content}
    if "base_rate" not in options:
        return options
    bounds = content["base_rate"]
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise InputError(
            f"profile {name}: base_rate must be two numbers like [0.2, 0.3], got {bounds!r}: correct it."
        )
    for bound in bounds:
        _check_number(f"profile {name}: base_rate", bound, 0, 1)
    return {**options, "base_rate": tuple(bounds)}


def _check_number(what: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator] # a number here; NaN is refused too
        raise InputError(f"{what} must be a number from {low:g} to {high:g}, got {value!r}: correct it.")


def _check_order(what: str, low: float, high: float) -> None:
    if low > high:
        raise InputError(f"{what} must not fall, got {low:g} to {high:g}: swap them.")


def _check_type(profile: str, key: str, value: object, wanted: type, noun: str) -> None:
    if not isinstance(value, wanted):
        raise InputError(f"profile {profile}: {key} must be {noun}, got {value!r}: correct it.")


def _check_keys(
    what: str, content: Mapping[str, object], wanted: Sequence[str], optional: Sequence[str] = ()
) -> None:
    for key in content:
        if key not in wanted and key not in optional:
            known = (*wanted, *optional)
            raise InputError(
                f"{what} must have the keys {', '.join(known)}, got {key!r}: remove it.{did_you_mean(key, known)}"
            )
    missing = [key for key in wanted if key not in content]
    if missing:
        raise InputError(f"{what} must have the keys {', '.join(wanted)}, but lacks {', '.join(missing)}: add them.")
