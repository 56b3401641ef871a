"""The file of a tuning: what it chose, on which surface, and what held on seeds that the search never saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from sim.errors import InputError
from sim.json_file import read_json, write_json
from sim.study.inference.contests import Interval
from sim.study.surface.surface import SurfaceIdentity
from sim.study.surface.tried import TriedIdentity

TUNED_FILE = "tuned.json"
TUNING_FILE = "tuning.json"


@dataclass(frozen=True, slots=True)
class TuningIdentity:
    """What must be the same for surfaces and a confirmation to belong to one tuning.

    `hold_out` are the scenarios held out, as TOML.
    """

    searches: tuple[SurfaceIdentity | TriedIdentity, ...]
    goal: str
    weights: Mapping[str, float]
    limits: tuple[str, ...]
    confirm_seeds: tuple[int, ...]
    hold_out: tuple[str, ...]


TUNING_KIND = TypeAdapter(TuningIdentity)
"""How it is written."""


@dataclass(frozen=True, slots=True)
class TunedFigure:
    """A mean over seeds, missing where none is known, with its interval, missing below 5 seeds."""

    mean: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Combination:
    """A rule, a training profile and gates, and what choosing among the settings of these alone earns.

    `training` is empty where retrainings learnt as the scenario says; there is no mean where no setting is within the
    limits.
    """

    rule: str
    training: str
    gates: str
    cross_fitted: TunedFigure


@dataclass(frozen=True, slots=True)
class TunedFile:
    """What a tuning chose.

    `search` is the folder of the search that it chose on, beside this file, a surface or a study of Optuna, which
    tried `tries` settings, 0 for a surface; `weights` are those that differ from 1. `rule`, `training` and `gates`
    were chosen together with the setting, among the `combinations`; the reference learnt and met gates as in the
    first of these. `confirmed` is what the choice earns more than the reference on seeds that the search never saw,
    `by_scenario` the same for each scenario; `optimism` what the search promised more than held out.
    """

    search: str
    rule: str
    training: str
    gates: str
    combinations: tuple[Combination, ...]
    setting: Mapping[str, float]
    reference: str
    goal: str
    weights: Mapping[str, float]
    limits: tuple[str, ...]
    confirm_seeds: int
    hold_out: tuple[str, ...]
    promised: TunedFigure
    cross_fitted: TunedFigure
    optimism: float | None
    confirmed: TunedFigure
    by_scenario: Mapping[str, TunedFigure]
    is_shown: bool
    tries: int = 0


_KIND = TypeAdapter(TunedFile)


def read_tuning(folder: Path) -> TuningIdentity:
    """Return what a tuning was asked for; `InputError` if its folder holds none."""
    try:
        return read_json(TUNING_KIND, (folder / TUNING_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} must hold a tuning, but it cannot be read: {error}; tune anew.") from error


def write_tuned(tuned: TunedFile, folder: Path) -> None:
    """Write what a tuning chose into its folder."""
    write_json(_KIND, tuned, folder / TUNED_FILE)


def read_tuned(folder: Path) -> TunedFile:
    """Return what a tuning chose; `InputError` if its folder holds none."""
    try:
        return read_json(_KIND, (folder / TUNED_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} must hold a finished tuning, but it cannot be read: {error}; add --resume to tune."
        ) from error
