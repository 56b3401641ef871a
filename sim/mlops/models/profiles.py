"""Training profiles: what a retraining learns from. Profiles are data, like gate profiles."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sim.errors import InputError, did_you_mean
from sim.mlops.statistics.change import LEVEL

DEFAULT = "mix_70_30"

MOST_CHALLENGERS = 12
_MOST_DAYS = 1_000_000
_MOST_ROWS = 1_000_000_000

KINDS: Mapping[str, tuple[str, ...]] = {
    "mix": ("window_days", "recent_share", "least_rows"),
    "all": (),
    "decayed": ("half_life_days",),
    "since_change": ("change_level", "least_rows"),
    "matched": (),
    "tournament": ("challengers", "choosing_share"),
}
"""The kinds of profiles, and the parameters that each takes."""

MEANINGS: Mapping[str, str] = {
    "window_days": "recent are the cohorts scored within so many days, rounded to whole ones, at least the newest; "
    "where it is left out, as many as training.recent_cohorts of the scenario says",
    "recent_share": "the share of recent rows, older ones drawn to go with them; where it is left out, "
    "training.recent_share of the scenario",
    "least_rows": "older cohorts are added to the window one by one until it has as many rows",
    "half_life_days": "a row scored so many days before the newest counts one half, twice as many a quarter",
    "change_level": "the chance, on one day, of seeing a change where there is none",
    "challengers": "the profiles that a challenger is trained for, each paid for; at most one of them is promoted",
    "choosing_share": "the share of the customers of the gate's rows on whom the best challenger (lowest log-loss) "
    "is chosen; it meets the gates on the others, so choosing costs no gate its level and no baseline its honesty",
}
"""What each parameter does."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "window_days": (1, _MOST_DAYS),
    "recent_share": (0.01, 1),
    "least_rows": (0, _MOST_ROWS),
    "half_life_days": (0.01, _MOST_DAYS),
    "change_level": (1e-9, 0.5),
    "choosing_share": (0.05, 0.95),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProfile:
    """Which of the rows known on the day of a request a model learns from, and how much each counts.

    `kind` says how: `mix` takes the recent cohorts and a share of older rows, `all` every row, `decayed` every row
    with a weight by its age, `since_change` the cohorts since the newest change that the labels show (every row where
    they show none), `matched` every row weighted until the customers look like today's. A `tournament` trains a
    challenger for each of several profiles. `MEANINGS` explains the parameters; those of other kinds keep defaults.

    Raises
    ------
    InputError
        If the kind is unknown, a parameter is out of range, or a tournament names a profile twice or fewer than one.
    """

    name: str
    description: str
    kind: str
    window_days: float | None = None
    recent_share: float | None = None
    least_rows: float = 0
    half_life_days: float = 90
    change_level: float = LEVEL
    challengers: tuple["TrainingProfile", ...] = ()
    choosing_share: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"training profile {self.name}: kind must be one of {', '.join(KINDS)}, got {self.kind!r}."
                f"{did_you_mean(str(self.kind), KINDS)}"
            )
        for parameter, (low, high) in _RANGES.items():
            _check_number(self.name, parameter, getattr(self, parameter), low, high)
        names = [each.name for each in self.challengers]
        if (self.kind == "tournament") != bool(names) or len(names) > MOST_CHALLENGERS:
            raise InputError(
                f"training profile {self.name}: a tournament must have 1 to {MOST_CHALLENGERS} challengers and any "
                f"other kind none, got {len(names)}."
            )
        for each in self.challengers:
            if names.count(each.name) > 1 or each.challengers:
                raise InputError(
                    f"training profile {self.name}: challengers must be profiles of their own and no tournaments, "
                    f"got {each.name!r}: leave it out."
                )

    @property
    def entrants(self) -> tuple["TrainingProfile", ...]:
        """The profiles that a model is trained for: itself, or a tournament's challengers."""
        return self.challengers or (self,)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of its kind by name, `None` where they are left to the scenario."""
        values = {name: getattr(self, name) for name in KINDS[self.kind]}
        if "challengers" in values:
            values["challengers"] = [each.name for each in self.challengers]
        return values


@dataclass(frozen=True)
class Trainings:
    """The profiles of one life: the one that is used unless a decision names another, and those named.

    Profiles that a policy did not announce are looked up when they are asked for.
    """

    default: TrainingProfile
    named: Mapping[str, TrainingProfile]

    @classmethod
    def of(cls, default: TrainingProfile, names: Collection[str] = ()) -> "Trainings":
        """Return a default with the profiles of these names."""
        return cls(default, {name: load_training(name) for name in sorted(names)})

    def find(self, name: str) -> TrainingProfile:
        """Return the profile of a decision, the default where it names none."""
        if not name:
            return self.default
        return self.named.get(name) or load_training(name)


@cache
def training_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package.

    >>> DEFAULT in training_profiles()
    True
    """
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_training(name_or_path: str) -> TrainingProfile:
    """Return a training profile by name, or from a TOML file (anything that ends in ``.toml``).

    Raises
    ------
    InputError
        If there is no such profile, or the file is not a complete and valid one.

    >>> load_training("newest").recent_share
    1.0
    """
    return _load(name_or_path, frozenset())


def _load(name_or_path: str, within: frozenset[str]) -> TrainingProfile:
    if name_or_path in within:
        raise InputError(f"a tournament must not be a challenger of its own, got {name_or_path!r}: leave it out.")
    if name_or_path.endswith(".toml"):
        return _read(Path(name_or_path), within | {name_or_path})
    if name_or_path not in training_profiles():
        known = training_profiles()
        raise InputError(
            f"a training profile must be one of {', '.join(known)} or a .toml file, got {name_or_path!r}."
            f"{did_you_mean(name_or_path, known)}"
        )
    return _shipped(name_or_path)


@cache
def _shipped(name: str) -> TrainingProfile:
    return _to_profile(name, (_folder() / f"{name}.toml").read_text(encoding="utf-8"), frozenset({name}))


def _folder() -> Any:
    return files("sim.mlops.models") / "catalogue"


def _read(path: Path, within: frozenset[str]) -> TrainingProfile:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"a training profile must be a readable UTF-8 file, but {path} is not: {error}.") from error
    return _to_profile(path.stem, text, within)


def _to_profile(name: str, text: str, within: frozenset[str]) -> TrainingProfile:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"training profile {name} must be TOML, but it is not: {error}.") from error
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
        raise InputError(f"training profile {name}: kind must be one of {', '.join(KINDS)}, got {kind!r}.{hint}")
    known = ("description", "kind", *KINDS[kind])
    for key in content:
        if key not in known:
            raise InputError(
                f"training profile {name}: the kind {kind} takes {', '.join(known)}, got {key!r}: remove it."
                f"{did_you_mean(key, known)}"
            )
    description = content.get("description", "")
    if not isinstance(description, str):
        raise InputError(f"training profile {name}: description must be text, got {description!r}: correct it.")
    values = {key: content[key] for key in KINDS[kind] if key in content}
    if "challengers" in values:
        values["challengers"] = _challengers(name, values["challengers"], within)
    return TrainingProfile(name=name, description=description, kind=kind, **values)


def _challengers(name: str, given: object, within: frozenset[str]) -> tuple[TrainingProfile, ...]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InputError(
            f'training profile {name}: challengers must be a list of profiles like ["newest", "history"], '
            f"got {given!r}: correct it."
        )
    return tuple(_load(each, within) for each in given)


def _check_number(profile: str, parameter: str, value: object, low: float, high: float) -> None:
    if value is None and parameter in ("window_days", "recent_share"):
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator] # a number here; NaN is refused too
        raise InputError(
            f"training profile {profile}: {parameter} must be a number from {low:g} to {high:,.12g}, got {value!r}: "
            f"correct it."
        )
