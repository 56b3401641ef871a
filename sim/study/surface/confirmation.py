"""The confirmation: what a chosen setting earns more than the reference in worlds that the search never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from policies.spec import PolicySpec
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import Contestant
from sim.study.comparison.study_file import STUDY_FILE
from sim.study.engines.engine import Engine
from sim.study.scores.table import Score
from sim.study.surface.search import SearchStudy

CHOSEN = "chosen"
"""The name of the chosen setting."""


@dataclass(frozen=True, slots=True)
class NewWorlds:
    """Worlds that the search never saw: its own scenarios and those held out, each with new seeds."""

    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rivals:
    """The choice, and the search whose reference it is paired with, each under the gates of its own search."""

    spec: PolicySpec
    search: SearchStudy
    first: SearchStudy


def confirm(
    rivals: Rivals, worlds: NewWorlds, folder: Path, workforce: Engine, cache_folder: Path | None
) -> Mapping[str, NDArray[np.float64]]:
    """Return for each scenario what the choice earns more than the reference, by seed.

    The comparison is left in a folder, and goes on there if it was killed.

    Raises
    ------
    InputError
        If a life failed, or as `compare` says.
    """
    reference, search, first = rivals.first.reference, rivals.search, rivals.first
    study = Study(
        scenarios=worlds.scenarios,
        contestants=(Contestant(CHOSEN, rivals.spec), Contestant(reference.name, reference)),
        profiles=tuple({each.profile.name: each.profile for each in (search, first)}.values()),
        seeds=worlds.seeds,
        baseline=reference.name,
        population=search.population,
        trials=search.trials,
    )
    result = compare(
        study,
        folder,
        workers=workforce.workers,
        engine=workforce.name,
        address=workforce.address,
        resume=(folder / STUDY_FILE).exists(),
        cache_folder=cache_folder,
    )
    for failure in result.failures.to_dict("records"):
        raise InputError(
            f"the choice can't be confirmed: {failure['scenario']} seed {failure['seed']} {failure['error']}"
        )
    mine, theirs = ((CHOSEN, search.profile.name), (reference.name, first.profile.name))
    return {
        scenario.name: _net_values(result.cells, scenario.name, *mine, worlds.seeds)
        - _net_values(result.cells, scenario.name, *theirs, worlds.seeds)
        for scenario in worlds.scenarios
    }


def _net_values(
    cells: pd.DataFrame, scenario: str, policy: str, gates: str, seeds: Sequence[int]
) -> NDArray[np.float64]:
    rows = cells[(cells["scenario"] == scenario) & (cells["policy"] == policy) & (cells["gates"] == gates)]
    return rows.set_index("seed")[Score.NET_VALUE].loc[list(seeds)].to_numpy(dtype=np.float64)
