"""Options: what the commands share, and how a frozen object of options becomes the arguments of a command."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from sim.errors import InputError

Options = TypeVar("Options")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]
Trials = Annotated[int, typer.Option(min=0, help="Trials of a search for each first model; 0: as stored.")]
WorldsCache = Annotated[Path | None, typer.Option(help="Where worlds are kept for the next comparison.")]
EntryName = Annotated[str | None, typer.Argument(help="One entry; all are listed without it.")]
RUNS_FOLDER = Path("runs")
"""Where runs and studies go that were given no folder."""


def command(
    app: typer.Typer, options: type[Options], name: str | None = None
) -> Callable[[Callable[[Options], None]], Callable[[Options], None]]:
    """Make a function of one frozen object of options a command of `app`.

    Each field of the dataclass `options` is an argument or an option, as its `Annotated` says; a field that is itself
    a dataclass stands for all of its fields. So no command has an order of arguments to remember.
    """

    def register(function: Callable[[Options], None]) -> Callable[[Options], None]:
        @wraps(function)
        def call(**values: Any) -> None:
            function(_built(options, values))

        call.__signature__ = inspect.Signature(list(_parameters(options)))  # type: ignore[attr-defined] # read by typer
        call.__annotations__ = {}
        del call.__wrapped__
        app.command(name)(call)
        return function

    return register


def _parameters(options: type[Any]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(options, include_extras=True)
    for each in fields(options):
        if is_dataclass(hints[each.name]):
            yield from _parameters(hints[each.name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            yield inspect.Parameter(each.name, kind, default=_default(each), annotation=hints[each.name])


def _default(each: Field[Any]) -> Any:
    if each.default_factory is not MISSING:
        return each.default_factory()
    return inspect.Parameter.empty if each.default is MISSING else each.default


def _built(options: type[Options], values: dict[str, Any]) -> Options:
    hints = get_type_hints(options)
    return options(
        **{
            each.name: _built(hints[each.name], values) if is_dataclass(hints[each.name]) else values[each.name]
            for each in fields(options)  # type: ignore[arg-type] # only dataclasses come here
        }
    )


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Which columns of a table of one's own are what."""

    target: Annotated[str, typer.Option(help="The column of your own table that says who churned.")] = ""
    id_column: Annotated[str, typer.Option("--id", help="The column of your own table that names the customer.")] = ""
    date_column: Annotated[
        str,
        typer.Option("--date", help="The column of dates in your own table, which is then replayed as it happened."),
    ] = ""
    churned: Annotated[
        str, typer.Option(help="The value of the target that a churner has, as 'Attrited Customer'.")
    ] = ""
    ignore: Annotated[list[str], typer.Option(help="A column that is no feature (repeatable).")] = field(
        default_factory=list
    )
    date_format: Annotated[
        str, typer.Option(help="How dates are written where that is not clear: %d/%m/%Y, epoch, epoch_ms ...")
    ] = ""
    schema: Annotated[
        Path | None,
        typer.Option(help="A TOML file of what columns are; `data check` writes one where there is none."),
    ] = None

    def reading(self, *, writes_schema: bool = False) -> Any:
        """Return the `Reading` that is asked for; with `writes_schema` a file that is not there yet is left out."""
        from sim.world.own.table import Reading

        is_new = writes_schema and self.schema is not None and not self.schema.exists()
        return Reading(
            churned=self.churned or None,
            ignored=tuple(self.ignore),
            date_format=self.date_format or None,
            schema=None if is_new else self.schema,
        )

    def spec(self, population: str, *, writes_schema: bool = False) -> Any:
        """Return the `PopulationSpec` of a population whose columns are these.

        With `writes_schema` a file of decisions that is not there yet is left for the caller to write.
        """
        from sim.world.population_spec import PopulationSpec

        reading = self.reading(writes_schema=writes_schema)
        return PopulationSpec(population, self.target, self.id_column, self.date_column, reading)


@dataclass(frozen=True, kw_only=True)
class PopulationOptions:
    """Where customers come from."""

    population: Annotated[
        str,
        typer.Option(
            help="telco, twin, a file, folder or database of your own (with --target), or the path of Telco's table; "
            "the scenario's if left out."
        ),
    ] = ""
    table: TableOptions = field(default_factory=TableOptions)

    def spec(self) -> Any:
        """Return the `PopulationSpec` that is asked for."""
        return self.table.spec(self.population)

    def defaults(self) -> "Defaults":
        """Return the policy and gates that fit the population."""
        return _OWN if self.is_own else _TELCO

    @property
    def is_own(self) -> bool:
        """Whether it is a table of one's own."""
        return bool(self.table.target)

    @property
    def is_history(self) -> bool:
        """Whether it is played as it happened."""
        return bool(self.table.date_column)

    def tell_defaults(self, tell: Callable[[str], None], *, is_policy_open: bool, is_gates_open: bool) -> None:
        """Say which of the defaults an own table is played with."""
        taken = [f"policy {_OWN.policy}"] * is_policy_open + [f"gates {_OWN.gates}"] * is_gates_open
        if taken and self.is_own:
            tell(f"your own table is played with {' and '.join(taken)}, which assume no base rate; ask for others.")


@dataclass(frozen=True, kw_only=True)
class PlayedOptions(PopulationOptions):
    """Where the customers of a comparison come from; they may be those of an inference log."""

    score: Annotated[
        str, typer.Option(help="The column of scores of an inference log, which is then played as it was served.")
    ] = ""
    label_date: Annotated[str, typer.Option(help="The column of a log with the day on which the label came.")] = ""

    def spec(self) -> Any:
        """Return the `PopulationSpec` that is asked for."""
        if not self.score and not self.label_date:
            return super().spec()
        from sim.world.log_population import LogOptions
        from sim.world.own.log_table import LogColumns
        from sim.world.population_spec import PopulationSpec

        columns = LogColumns(
            score=self.score,
            label_date=self.label_date,
            label=self.table.target,
            id=self.table.id_column,
            date=self.table.date_column,
        )
        return PopulationSpec(self.population, reading=self.table.reading(), log=LogOptions(columns=columns))

    @property
    def is_own(self) -> bool:
        """Whether it is a table or a log of one's own."""
        return bool(self.table.target or self.score)

    @property
    def is_history(self) -> bool:
        """Whether it is played as it happened."""
        return bool(self.table.date_column or self.score)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is played unless something else is asked for."""

    policy: str
    gates: str


_TELCO, _OWN = Defaults("proposal", "telco_churn"), Defaults("own_table", "non_inferiority")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where independent work is done."""

    engine: Annotated[str, typer.Option(help="processes of this machine, or dask or spark (extras).")] = "processes"
    address: Annotated[
        str,
        typer.Option(help="A running cluster: tcp://host:8786 for dask, spark://host:7077 for spark; else one here."),
    ] = ""
    workers: Annotated[
        int, typer.Option(min=1, help="Worlds played at once on this machine; a cluster has its own number.")
    ] = 1

    def spec(self) -> Any:
        """Return the `Engine` that is asked for."""
        from sim.study.engines.engine import Engine

        return Engine(self.engine, self.address, self.workers)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """In which worlds settings are searched, and where that is done."""

    seeds: Annotated[int, typer.Option(help="How many lives of each scenario the search sees, from seed 1 on.")] = 10
    population: PlayedOptions = field(default_factory=PlayedOptions)
    trials: Trials = 0
    place: EngineOptions = field(default_factory=EngineOptions)
    out: Annotated[Path | None, typer.Option(help="The folder; a new one under runs/ by default.")] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted search.")] = False
    cache: WorldsCache = None

    def played(self, scenarios: Sequence[Any], training: str, tell: Callable[[str], None]) -> tuple[Any, ...]:
        """Return scenarios as they are played with the population asked for and, where one is named, a training."""
        from sim.study.comparison.plan import OF_ITS_LUCK, as_played, learning_by

        asked = tuple(learning_by(scenario, training) for scenario in scenarios)
        return tuple(as_played(asked, self.population.spec(), tell, OF_ITS_LUCK))

    def profile(self, gates: str) -> Any:
        """Return a gate profile by name, the one that fits the population if none is named."""
        from sim.mlops.gates.profiles import load_profile

        return load_profile(gates or self.population.defaults().gates)

    def folder(self, title: str) -> Path:
        """Return the folder that is asked for, else one under `runs/` by a title."""
        from sim.study.run_folder import run_folder

        return self.out or run_folder(RUNS_FOLDER, title, resume=self.resume)

    def worlds_folder(self) -> Path:
        """Return where worlds are kept for the next comparison."""
        return self.cache or cache_folder()


def numbers(option: str, text: str) -> list[float]:
    """Return the numbers of a text with commas between them; `InputError` names the option if it holds others."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} must be numbers with commas between them, got {text!r}.") from error


def whole_numbers(option: str, text: str) -> list[int]:
    """Return the whole numbers of a text with commas between them; `InputError` names the option."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} must be whole numbers with commas between them, got {text!r}.") from error


def check_count(option: str, value: int) -> None:
    """Raise `InputError` for a count below zero."""
    if value < 0:
        raise InputError(f"{option} must be a whole number from 0 on, got {value}; give another.")


def seeds(count: int) -> tuple[int, ...]:
    """Return the seeds from 1 to `count`."""
    if count < 1:
        raise InputError(f"--seeds must be a whole number from 1 on, got {count}; give another.")
    return tuple(range(1, count + 1))


def cache_folder() -> Path:
    """Return where worlds are kept between comparisons; only its user writes there."""
    from sim.world.telco.table import cache_folder as of_telco

    return of_telco() / "worlds"
