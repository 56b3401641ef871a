"""What every search asks: in which worlds settings are judged, under which gates, and beside which reference."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from policies.spec import PolicySpec
from scenarios.files import to_toml
from scenarios.schema import Scenario
from sim.errors import InputError, did_you_mean
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.profiles import load_training
from sim.study.replay.replay import check_replayable
from sim.study.scores.judge import DAYS_PER_YEAR
from sim.world.population_spec import PopulationSpec


def years_of(scenarios: Sequence[Scenario]) -> tuple[float, ...]:
    """Return how many years a life of each scenario lasts."""
    return tuple(each.time.steps * each.time.step_days / DAYS_PER_YEAR for each in scenarios)


def check_score(lives: pd.DataFrame, score: str) -> None:
    """Raise `InputError` unless lives, a row each, have a score."""
    if score not in lives.columns or not pd.api.types.is_numeric_dtype(lives[score]):
        known = [str(name) for name in lives.columns if pd.api.types.is_numeric_dtype(lives[name])]
        raise InputError(f"a score must be one of the lives, got {score!r}.{did_you_mean(score, known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchIdentity:
    """What must be the same for results to belong to one search.

    `rule` is the policy with its placeholders as it was asked for, `population_arguments` are the words that asked
    for the population; `training` is the training profile of the settings, and `training_name` the name or file that
    it was asked for by, both empty for the scenario's.
    """

    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    rule: str
    gates_name: str
    gates: str
    reference: str
    population: str
    population_arguments: tuple[str, ...]
    trials: int
    training_name: str = ""
    training: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchStudy:
    """In which worlds the settings of a policy are judged, under which gates, and beside which reference.

    The retrainings of the settings learn by the training profile that `training` names, those of the reference by
    the scenario's, as both do if it is empty.
    """

    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]
    profile: GateProfile
    reference: PolicySpec
    population: PopulationSpec = field(default_factory=PopulationSpec)
    trials: int = 0
    training: str = ""

    def __post_init__(self) -> None:
        check_replayable(self.profile)
        names = [scenario.name for scenario in self.scenarios]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"each scenario of a search must be named once, got {name!r} twice; leave one out.")
        if self.reference.kind != "rule":
            raise InputError(
                f"a reference must be a rule, got {self.reference.name!r} of the kind {self.reference.kind}; choose "
                f"one such as proposal."
            )

    def _asked(self, rule: str) -> dict[str, Any]:
        """Return the fields of a `SearchIdentity`, for the identity of a search of a policy as it was asked for."""
        return {
            "scenarios": tuple(to_toml(scenario) for scenario in self.scenarios),
            "seeds": self.seeds,
            "rule": rule,
            "gates_name": self.profile.name,
            "gates": repr(self.profile),
            "reference": self.reference.to_toml(),
            "population": self.population.text,
            "population_arguments": tuple(self.population.arguments),
            "trials": self.trials,
            "training_name": self.training,
            "training": repr(load_training(self.training)) if self.training else "",
        }
