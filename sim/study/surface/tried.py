"""Settings that are tried one by one, of a policy of any kind: what is asked, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from policies.spec import PolicySpec, policies_from_toml
from scenarios.files import parse_scenario
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.study.lives.box import Setting
from sim.study.lives.policy_template import PolicyTemplate
from sim.study.surface.search import SearchIdentity, SearchStudy, check_score, years_of
from sim.whole_file import write_table
from sim.work_size import BATCH

TRIED_FILE = "tried.parquet"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedIdentity(SearchIdentity):
    """What must be the same for tried settings to belong to one search.

    `policy` is one of some setting, as TOML: all that is no number to try, and for a class of one's own its code.
    """

    ranges: tuple[str, ...]
    tries: int
    policy: str

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders, in order of appearance."""
        return tuple(text.partition("=")[0] for text in self.ranges)


@dataclass(frozen=True, kw_only=True)
class TriedStudy(SearchStudy):
    """What is searched: a policy of any kind with placeholders, how many of its settings, and in which worlds."""

    template: PolicyTemplate
    tries: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tries < 1:
            raise InputError(f"--tries must be a whole number from 1 on, got {self.tries}; give another.")

    @property
    def n_batches(self) -> int:
        """In how many batches the settings are played."""
        return -(-self.tries // BATCH)

    @property
    def n_worlds(self) -> int:
        """How many worlds are played, each once for every batch."""
        return self.n_batches * len(self.scenarios) * len(self.seeds)

    def spec(self, setting: Setting, name: str) -> PolicySpec:
        """Return the policy of a setting, under a name and with the training profile of this search."""
        filled = self.template.fill(setting)
        return replace(filled, name=name, training=filled.training or self.training)

    def identity(self) -> TriedIdentity:
        """Return what must be the same for settings to belong to this search."""
        return TriedIdentity(
            **self._asked(self.template.text),
            ranges=tuple(each.text for each in self.template.bounds),
            tries=self.tries,
            policy=self.template.some().to_toml(),
        )


@dataclass(frozen=True)
class Tried:
    """The settings that were tried, each judged in every world.

    `cells` has a row for each setting in each world, with the setting's number in the column `policy`, and one for
    the reference there; `years` is how long a life of each scenario lasts.
    """

    settings: tuple[Setting, ...]
    cells: pd.DataFrame
    scenarios: tuple[str, ...]
    years: tuple[float, ...]
    seeds: tuple[int, ...]
    reference_name: str

    @property
    def size(self) -> int:
        """How many settings there are."""
        return len(self.settings)

    def setting(self, number: int) -> Setting:
        """Return a setting by its number."""
        return self.settings[number]

    def values(self, score: str) -> Floats:
        """Return a score of every setting: [scenario, setting, seed]; NaN where it is missing.

        Raises
        ------
        InputError
            If no life has the score.
        """
        return self._table(score, [str(number) for number in range(self.size)])

    def reference(self, score: str) -> Floats:
        """Return a score of the reference: [scenario, seed]; NaN where it is missing."""
        return np.asarray(self._table(score, [self.reference_name])[:, 0])

    def _table(self, score: str, names: Sequence[str]) -> Floats:
        check_score(self.cells, score)
        found = self.cells.set_index(["scenario", "policy", "seed"])[score].astype(np.float64)
        wanted = pd.MultiIndex.from_product([self.scenarios, names, self.seeds])
        shape = len(self.scenarios), len(names), len(self.seeds)
        return np.asarray(found.reindex(wanted).to_numpy(dtype=np.float64).reshape(shape))


def write_tried(tried: Tried, folder: Path) -> None:
    """Write the settings with their cells into the folder of a search: a row for each life, the reference's too.

    The numbers of a setting stand in columns called as its placeholders are written, `{a}`.
    """
    numbers = pd.DataFrame(tried.settings, index=[str(number) for number in range(tried.size)])
    frame = tried.cells.join(numbers.rename(columns=lambda name: f"{{{name}}}"), on="policy")
    write_table(folder / TRIED_FILE, frame)


def read_tried(folder: Path, asked: TriedIdentity) -> Tried:
    """Return the settings of a finished search; `InputError` if its folder holds none."""
    try:
        cells = pd.read_parquet(folder / TRIED_FILE)
        scenarios = tuple(parse_scenario(text, str(folder)) for text in asked.scenarios)
        (reference,) = policies_from_toml(asked.reference, str(folder))
        own = cells[cells["policy"] != reference].drop_duplicates("policy")
        columns = [own[f"{{{name}}}"].astype(np.float64) for name in asked.names]
        settings = tuple(dict(zip(asked.names, map(float, row), strict=True)) for row in zip(*columns, strict=True))
    except (OSError, ValueError, LookupError) as error:
        raise InputError(
            f"{folder} must hold the settings of a finished search, but they cannot be read: {error}; add --resume "
            f"to tune."
        ) from error
    return Tried(settings, cells, *_worlds(scenarios), asked.seeds, reference)


def _worlds(scenarios: Sequence[Scenario]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the names of scenarios, and how many years a life of each lasts."""
    return tuple(scenario.name for scenario in scenarios), years_of(scenarios)


def tried_settings(study: TriedStudy, settings: tuple[Setting, ...], cells: pd.DataFrame) -> Tried:
    """Return settings of a search with their cells, whose policies are the settings' numbers and the reference."""
    return Tried(settings, cells, *_worlds(study.scenarios), study.seeds, study.reference.name)
