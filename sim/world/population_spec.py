"""Which population is asked for, and how it comes to be played."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Scenario, Time
from sim.errors import InputError
from sim.world.own.table import OwnTable, read_own_table
from sim.world.population import Population, TablePopulation, load_population
from sim.world.recorded import RecordedPopulation, check_bins, time_bins
from sim.world.telco.structure import Structure
from sim.world.telco.table import PATH_VARIABLE


@dataclass(frozen=True, slots=True)
class PopulationSpec:
    """A population as it is asked for.

    Parameters
    ----------
    text
        `telco`, `twin`, the path of a CSV file, or nothing: the scenario's own.
    target, id_column, date_column
        The columns of a table of one's own; without a target a file must be the Telco table.

    Raises
    ------
    InputError
        If columns are named and no file.
    """

    text: str = ""
    target: str = ""
    id_column: str = ""
    date_column: str = ""

    def __post_init__(self) -> None:
        if (self.id_column or self.date_column) and not self.target:
            msg = "a table of one's own needs its target, got only --id or --date; add --target COLUMN."
            raise InputError(msg)
        if self.target and self.text in {"", "telco", "twin"}:
            msg = (
                f"--target names a column of a file, got --population {self.text or '(none)'}; give the path of one."
            )
            raise InputError(msg)

    @property
    def arguments(self) -> list[str]:
        """The words of a command that asks for it; none for the scenario's own."""
        named = {
            "--population": self.text,
            "--target": self.target,
            "--id": self.id_column,
            "--date": self.date_column,
        }
        return [word for option, value in named.items() if value for word in (option, value)]

    def load(self, scenario: Scenario, tell: Callable[[str], None] = lambda _: None) -> tuple[Population, Scenario]:
        """Return the population, and the scenario as it can be played with it.

        A table with dates sets the number of steps and allows no drift: what happened, happened. `tell` hears how
        well a mechanism fits a table without dates.

        Raises
        ------
        InputError
            If the population can't be had, or can't play the scenario.
        """
        if not self.target:
            return self._known(scenario), scenario
        own = self._read()
        if own.dates is not None:
            return self._recorded(own, scenario)
        population, sentence = self._replayed(own)
        tell(sentence)
        return population, scenario

    def _known(self, scenario: Scenario) -> Population:
        """Return a population that needs no target; a file that is not Telco's may be one's own."""
        try:
            return _known(self.text or scenario.population, os.environ.get(PATH_VARIABLE))
        except InputError as error:
            if not Path(self.text).is_file():
                raise
            raise InputError(f"{error} A table of your own needs --target COLUMN.") from error

    def describe(self) -> dict[str, Any]:
        """Return what is to be known of a table of one's own, and how well a mechanism fits it if it has no dates."""
        own = self._read()
        told = {
            "name": own.name,
            "sha256": own.sha256,
            "rows": len(own.table.churned),
            "customers": len(np.unique(own.table.customer_id)),
            "churn_rate": float(own.table.churned.mean()),
            "features": len(own.table.schema.columns),
            "missing_values": int(np.isnan(own.table.features).sum()),
        }
        if own.dates is None:
            return {**told, "fit": self._replayed(own)[1]}
        return {**told, "first_date": str(own.dates.min()), "last_date": str(own.dates.max())}

    def _read(self) -> OwnTable:
        path = Path(self.text)
        stamp = path.stat().st_mtime_ns if path.exists() else 0
        return _own_table(path.absolute(), stamp, self.target, self.id_column or None, self.date_column or None)

    def _title(self, own: OwnTable) -> str:
        """Return what a record calls the table: its name and which of its columns are what."""
        roles = {"target": self.target, "id": self.id_column, "date": self.date_column}
        return ", ".join([own.name, *(f"{role} {column}" for role, column in roles.items() if column)])

    def _identity(self, own: OwnTable) -> str:
        """Return a hash of the file and of which of its columns are what: another target is another population."""
        told = "\0".join((own.sha256, self.target, self.id_column, self.date_column))
        return hashlib.sha256(told.encode()).hexdigest()

    def _replayed(self, own: OwnTable) -> tuple[TablePopulation, str]:
        """Return a table without dates as a population, and how well its mechanism fits."""
        identity = self._identity(own)
        if identity not in _FITTED:
            from sim.world.own.mechanism import fit_own_mechanism  # noqa: PLC0415 - needs LightGBM and scikit-learn

            fitted = fit_own_mechanism(own.table)
            structure = Structure(whole_numbers=own.whole_numbers)
            population = TablePopulation(self._title(own), own.table, fitted.mechanism, identity, structure)
            _FITTED[identity] = (population, fitted.fit.sentence())
        return _FITTED[identity]

    def _recorded(self, own: OwnTable, scenario: Scenario) -> tuple[RecordedPopulation, Scenario]:
        bins = time_bins(_dates(own), scenario.time.step_days)
        check_bins(own, bins)
        population = RecordedPopulation(self._title(own), own.table, bins, self._identity(own))
        steps = population.n_steps - scenario.time.warmup_steps
        if steps < 1:
            msg = (
                f"a history must be longer than the warm-up, but {own.name} has {population.n_steps} steps of "
                f"{scenario.time.step_days} days and time.warmup_steps is {scenario.time.warmup_steps}; lower it."
            )
            raise InputError(msg)
        time = Time(
            steps=steps,
            step_days=scenario.time.step_days,
            warmup_steps=scenario.time.warmup_steps,
            customers=max(round(float(np.bincount(bins).mean())), 1),
        )
        return population, scenario.model_copy(update={"time": time})


@cache
def _known(text: str, path_of_telco: str | None) -> Population:  # noqa: ARG001 - which table `telco` is depends on it
    return load_population(text)


@lru_cache(maxsize=4)
def _own_table(path: Path, stamp: int, target: str, id_column: str | None, date_column: str | None) -> OwnTable:  # noqa: ARG001 - a file that was written anew is read anew
    return read_own_table(path, target, id_column, date_column)


_FITTED: dict[str, tuple[TablePopulation, str]] = {}
"""The tables whose mechanism has been fitted in this process, by their identity."""


def _dates(own: OwnTable) -> NDArray[np.datetime64]:
    if own.dates is None:
        raise ValueError("a table without dates has no history")
    return own.dates
