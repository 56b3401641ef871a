"""Which population is asked for, and how it comes to be played."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Scenario, Time
from sim.errors import InputError
from sim.world.log_population import LogOptions, open_log
from sim.world.own.column import ColumnReport
from sim.world.own.log_table import LogColumns
from sim.world.own.schema_file import write_decisions
from sim.world.own.source import Source
from sim.world.own.table import Known, OwnTable, Reading, inspect_own_table, read_own_table
from sim.world.population import Population, TablePopulation, load_population
from sim.world.recorded import RecordedPopulation, check_bins, time_bins
from sim.world.rhythm import rhythm
from sim.world.telco.structure import Structure
from sim.world.telco.table import PATH_VARIABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """What is to be known of a table of one's own.

    `columns` says what became of each, `notes` what to look at, `refusals` why it can't be read as it is. `fit` says
    how well a mechanism fits a table without dates; `first_date` and `last_date` belong to one with dates.
    """

    name: str
    sha256: str
    rows: int
    customers: int
    churn_rate: float | None
    features: int
    missing_values: int
    unlabelled: int
    columns: tuple[ColumnReport, ...]
    notes: tuple[str, ...]
    refusals: tuple[str, ...] = ()
    fit: str | None = None
    first_date: str | None = None
    last_date: str | None = None


@dataclass(frozen=True, slots=True)
class PopulationSpec:
    """A population as it is asked for.

    Parameters
    ----------
    text
        `telco`, `twin`, the path of a file or folder, a database's URL, or nothing: the scenario's own.
    target, id_column, date_column
        The columns of a table of one's own; without a target a file must be the Telco table.
    reading
        What is said of how the table is to be read.
    log
        What is said of an inference log, if it is one; it names its own columns.

    Raises
    ------
    InputError
        If columns are named and no file.
    """

    text: str = ""
    target: str = ""
    id_column: str = ""
    date_column: str = ""
    reading: Reading = field(default_factory=Reading)
    log: LogOptions | None = None

    def __post_init__(self) -> None:
        if self.log is not None:
            if self.text in {"", "telco", "twin"}:
                raise InputError("a log must be a file, a folder or a database's table; add --population PATH.")
            return
        if (self.id_column or self.date_column or self.reading != Reading()) and not self.target:
            msg = "a table of one's own needs its target, got only other options of it; add --target COLUMN."
            raise InputError(msg)
        if self.target and self.text in {"", "telco", "twin"}:
            msg = (
                f"--target names a column of a file, got --population {self.text or '(none)'}; give the path of one."
            )
            raise InputError(msg)
        if self.reading.date_format and not self.date_column:
            msg = f"--date-format needs a date, got {self.reading.date_format!r} alone; add --date COLUMN."
            raise InputError(msg)

    @property
    def is_history(self) -> bool:
        """Whether what is played happened: a table with dates, or a log."""
        return bool(self.date_column) or self.log is not None

    @property
    def arguments(self) -> list[str]:
        """The words of a command that asks for it; none for the scenario's own."""
        columns = LogColumns() if self.log is None else self.log.columns
        named = [
            ("--population", self.text),
            ("--target", self.target or columns.label),
            ("--id", self.id_column or columns.id),
            ("--date", self.date_column or columns.date),
            ("--score", columns.score),
            ("--label-date", columns.label_date),
            ("--churned", self.reading.churned),
            *(("--ignore", name) for name in self.reading.ignored),
            ("--date-format", self.reading.date_format),
            ("--schema", str(self.reading.schema) if self.reading.schema else ""),
        ]
        return [word for option, value in named if value for word in (option, value)]

    @classmethod
    def of_arguments(cls, words: Sequence[str]) -> "PopulationSpec":
        """Return the population that such words ask for.

        >>> spec = PopulationSpec("customers.csv", "churned", reading=Reading(ignored=("a", "b")))
        >>> PopulationSpec.of_arguments(spec.arguments) == spec
        True
        """
        found: dict[str, list[str]] = {}
        for option, value in zip(words[::2], words[1::2], strict=True):
            found.setdefault(option, []).append(value)
        named = {option: values[-1] for option, values in found.items()}
        reading = Reading(
            churned=named.get("--churned"),
            ignored=tuple(found.get("--ignore", ())),
            date_format=named.get("--date-format"),
            schema=Path(named["--schema"]) if "--schema" in named else None,
        )
        text, target, id_column, date_column = (
            named.get(option, "") for option in ("--population", "--target", "--id", "--date")
        )
        return cls(text, target, id_column, date_column, reading)

    def load(self, scenario: Scenario, tell: Callable[[str], None] = lambda _: None) -> tuple[Population, Scenario]:
        """Return the population, and the scenario as it can be played with it.

        A table with dates sets the number of steps and allows no drift: what happened, happened. `tell` hears how
        well a mechanism fits a table without dates.

        Raises
        ------
        InputError
            If the population can't be had, or can't play the scenario.
        """
        if self.log is not None:
            opened = open_log(self.text, self.log, self.reading, scenario, tell)
            identity = hashlib.sha256(
                f"{opened.population.file_sha256}{self.log!r}{self.reading!r}".encode()
            ).hexdigest()
            return replace(opened.population, file_sha256=identity), opened.scenario
        if not self.target:
            return self._known(scenario), scenario
        if self.date_column:
            return self._recorded(scenario, tell)
        own = self._read(None)
        population, sentence = self._replayed(own)
        for told in (*own.notes, sentence):
            tell(told)
        return population, scenario

    def _known(self, scenario: Scenario) -> Population:
        """Return a population that needs no target; a file that is not Telco's may be one's own."""
        try:
            return _known(self.text or scenario.population, os.environ.get(PATH_VARIABLE))
        except InputError as error:
            if not Path(self.text).is_file():
                raise
            raise InputError(f"{error} A table of your own needs --target COLUMN.") from error

    def describe(self, schema: Path | None = None) -> TableReport:
        """Return what is to be known of a table of one's own, also of one with columns that are refused.

        Kinds of a history are those that the first six months give. Decisions are written to `schema`, if given.
        """
        known = _known_at_first(Time().step_days, Time().warmup_steps) if self.date_column else None
        own, refusals = inspect_own_table(self.text, *self._roles, self.reading, known)
        if schema is not None:
            write_decisions(schema, own.columns, own.settings, own.name)
        labelled = np.ones(len(own.table.churned), dtype=np.bool_) if own.labelled is None else own.labelled
        report = TableReport(
            name=own.name,
            sha256=own.sha256,
            rows=len(labelled),
            customers=len(np.unique(own.table.customer_id)),
            churn_rate=float(own.table.churned[labelled].mean()) if labelled.any() else None,
            features=len(own.table.schema.columns),
            missing_values=int(np.isnan(own.table.features).sum()),
            unlabelled=int(np.count_nonzero(~labelled)),
            columns=own.columns,
            notes=own.notes,
            refusals=tuple(str(refusal) for refusal in refusals),
        )
        if own.dates is not None:
            bins = time_bins(own.dates, Time().step_days)
            return replace(
                report,
                notes=(*own.notes, *rhythm(own.dates, bins, Time().step_days, own.name)),
                first_date=str(own.dates.min()),
                last_date=str(own.dates.max()),
            )
        return report if refusals or not report.features else replace(report, fit=self._replayed(own)[1])

    @property
    def _roles(self) -> tuple[str, str | None, str | None]:
        return self.target, self.id_column or None, self.date_column or None

    def _read(self, time: Time | None) -> OwnTable:
        """Return the table; of a history, kinds are those that the warm-up of `time` gives."""
        first = None if time is None else (time.step_days, time.warmup_steps)
        schema = self.reading.schema
        stamp = Source(self.text).stamp + (Source(str(schema)).stamp if schema else "")
        return _own_table(self.text, stamp, self._roles, self.reading, first)

    def _title(self, own: OwnTable) -> str:
        """Return what a record calls the table: its name and which of its columns are what."""
        roles = {"target": self.target, "id": self.id_column, "date": self.date_column}
        return ", ".join([own.name, *(f"{role} {column}" for role, column in roles.items() if column)])

    def _identity(self, own: OwnTable) -> str:
        """Return a hash of the file and of which of its columns are what: another target is another population."""
        reading = self.reading
        schema = reading.schema.read_text(encoding="utf-8") if reading.schema else ""
        said = [reading.churned or "", *reading.ignored, reading.date_format or "", schema]
        told = "\0".join((own.sha256, self.target, self.id_column, self.date_column, *(said if any(said) else ())))
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

    def _recorded(self, scenario: Scenario, tell: Callable[[str], None]) -> tuple[RecordedPopulation, Scenario]:
        asked = scenario.time
        own = self._read(asked)
        dates = _dates(own)
        bins = time_bins(dates, asked.step_days)
        check_bins(own, bins)
        population = RecordedPopulation(self._title(own), own.table, bins, self._identity(own), own.labelled)
        steps = population.n_steps - asked.warmup_steps
        if steps < 1:
            msg = (
                f"a history must be longer than the warm-up, but {own.name} has {population.n_steps} steps of "
                f"{asked.step_days} days and time.warmup_steps is {asked.warmup_steps}; lower it."
            )
            raise InputError(msg)
        _check_warmup(own, bins < asked.warmup_steps, asked.warmup_steps)
        for told in (*own.notes, *rhythm(dates, bins, asked.step_days, own.name)):
            tell(told)
        time = Time(
            steps=steps,
            step_days=asked.step_days,
            warmup_steps=asked.warmup_steps,
            customers=max(round(float(np.bincount(bins)[: asked.warmup_steps].mean())), 1),
        )
        return population, scenario.model_copy(update={"time": time})


def _known_at_first(step_days: int, warmup_steps: int) -> Known:
    """Return what tells the rows of the warm-up, by which kinds of columns are decided."""

    def known(dates: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        return np.asarray(time_bins(dates, step_days) < warmup_steps)

    return known


def _check_warmup(own: OwnTable, is_warmup: NDArray[np.bool_], warmup_steps: int) -> None:
    """Raise `InputError` unless churners and stayers are known of the warm-up, and an outcome after it."""
    labelled = np.ones(len(is_warmup), dtype=np.bool_) if own.labelled is None else own.labelled
    known = own.table.churned[is_warmup & labelled]
    for name, is_there in (("churner", known.any()), ("stayer", not known.all())):
        if not is_there:
            raise InputError(
                f"a history must begin with churners and stayers, but the first {warmup_steps} steps of {own.name} "
                f"have "
                f"no {name}: play a scenario with more time.warmup_steps."
            )
    if not (labelled & ~is_warmup).any():
        raise InputError(
            f"a history must have outcomes after its warm-up, but {own.name} has none after the first {warmup_steps} "
            f"steps: play a scenario with fewer time.warmup_steps."
        )


@cache
def _known(text: str, path_of_telco: str | None) -> Population:  # noqa: ARG001 - which table `telco` is depends on it
    return load_population(text)


@lru_cache(maxsize=4)
def _own_table(
    text: str,
    stamp: str,  # noqa: ARG001 - a file that was written anew is read anew
    roles: tuple[str, str | None, str | None],
    reading: Reading,
    first: tuple[int, int] | None,
) -> OwnTable:
    return read_own_table(text, *roles, reading, None if first is None else _known_at_first(*first))


_FITTED: dict[str, tuple[TablePopulation, str]] = {}
"""The tables whose mechanism has been fitted in this process, by their identity."""


def _dates(own: OwnTable) -> NDArray[np.datetime64]:
    if own.dates is None:
        raise ValueError("a table without dates has no history")
    return own.dates
