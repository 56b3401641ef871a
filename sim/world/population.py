"""Populations: where customers come from, batch after batch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.injectors import MechanismInjector
from scenarios.schema import Scenario, Twin
from sim.errors import InputError, did_you_mean
from sim.world.injectors.customers import Customers, Draw, Strangers, numbered
from sim.world.injectors.propensities import DriftingPropensities, Propensities, adjusted
from sim.world.mechanism.outcome import Mechanism, telco_mechanism
from sim.world.schema.columns import Matrix, Schema
from sim.world.schema.streams import Streams
from sim.world.schema.table import Table
from sim.world.telco import table as telco
from sim.world.telco import twin
from sim.world.telco.structure import TELCO_STRUCTURE, Structure

_TWIN_REFERENCE_ROWS = 20_000
_TWIN_REFERENCE_SEED = 20_250_101


class Timeline(Protocol):
    """The customers of a population in order of time, for one seed."""

    def draw(self, index: int) -> Draw:
        """Return the customers of the batch at position `index`, counted from the first of the warm-up."""
        ...


class Population(Protocol):
    """A source of customers and the mechanism that decides their outcome."""

    @property
    def name(self) -> str:
        """What the record calls it."""
        ...

    @property
    def version(self) -> str:
        """The version of its data, "sha256:" and 12 hexadecimal digits; equal data have equal versions."""
        ...

    @property
    def schema(self) -> Schema:
        """The features of its customers."""
        ...

    @property
    def structure(self) -> Structure:
        """What always holds for a customer."""
        ...

    @property
    def size(self) -> int | None:
        """How many customers it has; `None` where it has no end."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether it is a history, of which nobody knows when or whether anything drifted."""
        ...

    def known_schema(self, index: int) -> Schema:
        """Return the features with the categories that are known by the batch at position `index`."""
        ...

    def propensities(self, scenario: Scenario) -> Propensities:
        """Return what decides who churns; `InputError` if a scenario asks for what this population can't have."""
        ...

    def reference(self) -> Matrix:
        """Return the features of the whole undrifted population (or a fixed sample where it has no end)."""
        ...

    def timeline(self, streams: Streams, sizes: Sequence[int]) -> Timeline:
        """Return the customers of batches of these sizes; equal streams give equal customers."""
        ...

    def sample(self, rng: np.random.Generator, n_rows: int, without: NDArray[np.str_]) -> Matrix:
        """Return the features of `n_rows` random customers, none of whom is in `without`."""
        ...

    def strangers(self, rng: np.random.Generator, without: NDArray[np.str_], prefix: str = "S") -> Strangers:
        """Return what hands out further customers, none of whom is in `without`; new ids begin with `prefix`."""
        ...


@dataclass(frozen=True)
class TablePopulation:
    """Replays a table: each pass is a permutation of its rows drawn from the seed.

    `file_sha256` is the hash of the file that the table was read from, if there is one.
    """

    name: str
    table: Table
    mechanism: Mechanism
    file_sha256: str = ""
    structure: Structure = TELCO_STRUCTURE
    is_recorded: bool = False

    @property
    def version(self) -> str:
        """The hash of the file, or of the contents of a table that comes from none."""
        return _version(self.file_sha256 or _table_sha256(self.table))

    @property
    def schema(self) -> Schema:
        """The features of the table."""
        return self.table.schema

    def known_schema(self, index: int) -> Schema:  # noqa: ARG002 - it is known from the beginning
        """Return the features of the table."""
        return self.schema

    @property
    def size(self) -> int:
        """The number of rows of the table."""
        return len(self.table.customer_id)

    def reference(self) -> Matrix:
        """Return the features of all rows of the table."""
        return self.table.features

    def propensities(self, scenario: Scenario) -> Propensities:
        """Return the mechanism under the scenario's drift."""
        if scenario.twin != Twin():
            msg = (
                f"[twin] shapes the synthetic population, but {scenario.name} is to be played with {self.name}; use "
                f"--population twin."
            )
            raise InputError(msg)
        return DriftingPropensities(_moving(scenario), self.mechanism, self.reference)

    def timeline(self, streams: Streams, sizes: Sequence[int]) -> Timeline:
        """Return the replayed table; `InputError` if a batch is larger than the table."""
        n_rows = len(self.table.customer_id)
        if max(sizes) > n_rows:
            msg = (
                f"a batch must not be larger than the table ({n_rows} rows), got {max(sizes)} customers; lower "
                f"time.customers or use --population twin."
            )
            raise InputError(msg)
        return _TableTimeline(self.table, _replay_order(streams, n_rows, sizes), sizes)

    def sample(self, rng: np.random.Generator, n_rows: int, without: NDArray[np.str_]) -> Matrix:
        """Return random rows of the table; none twice, unless there are too few; `InputError` if there is none."""
        others = np.flatnonzero(~np.isin(self.table.customer_id, without))
        if not len(others):
            msg = (
                f"a model without delay must learn from customers who are not in the batch, but the table has "
                f"{len(without):,} rows and all are in it; lower time.customers, or bring more rows."
            )
            raise InputError(msg)
        rows: NDArray[np.int64] = rng.choice(others, size=n_rows, replace=n_rows > len(others))
        return self.table.features[rows]

    def strangers(self, rng: np.random.Generator, without: NDArray[np.str_], prefix: str = "S") -> Strangers:  # noqa: ARG002 - they have ids
        """Return what hands out the other rows of the table in random order, as on a later pass."""
        order: list[int] = []
        is_shuffled = False

        def take(n: int) -> Customers:
            nonlocal is_shuffled
            if n and not is_shuffled:
                order.extend(rng.permutation(np.flatnonzero(~np.isin(self.table.customer_id, without))).tolist())
                is_shuffled = True
            rows = np.array(order[:n], dtype=np.int64)
            del order[:n]
            nothing = np.zeros(len(rows), dtype=np.bool_)
            return Customers(self.table.customer_id[rows], self.table.features[rows], nothing, nothing, rows)

        return take


@dataclass(frozen=True)
class TwinPopulation:
    """The embedded synthetic Telco: every customer is new, and it never runs out."""

    mechanism: Mechanism
    schema: Schema
    name: str = "twin"
    structure: Structure = TELCO_STRUCTURE
    is_recorded: bool = False
    size: None = None

    @property
    def version(self) -> str:
        """The hash of the parameters of customers and outcomes."""
        parameters = {"twin": twin.load_parameters().to_json(), "mechanism": dict(self.mechanism.coefficients)}
        return _version(hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest())

    def known_schema(self, index: int) -> Schema:  # noqa: ARG002 - it is known from the beginning
        """Return the features of the twin."""
        return self.schema

    def reference(self) -> Matrix:
        """Return a fixed sample of 20,000 synthetic customers."""
        return _twin_reference()

    def propensities(self, scenario: Scenario) -> Propensities:
        """Return the mechanism, as easy to tell as the scenario wants it, under the scenario's drift."""
        mechanism = adjusted(self.mechanism, scenario.twin, self.reference)
        return DriftingPropensities(_moving(scenario), mechanism, self.reference)

    def timeline(self, streams: Streams, sizes: Sequence[int]) -> Timeline:
        """Return fresh customers, numbered in order of time."""
        return _TwinTimeline(streams, sizes)

    def sample(self, rng: np.random.Generator, n_rows: int, without: NDArray[np.str_]) -> Matrix:  # noqa: ARG002 - all are new
        """Return new customers."""
        return twin.sample(rng, n_rows)

    def strangers(self, rng: np.random.Generator, without: NDArray[np.str_], prefix: str = "S") -> Strangers:  # noqa: ARG002 - all are new
        """Return what hands out new customers without end."""
        handed_out = 0

        def take(n: int) -> Customers:
            nonlocal handed_out
            ids = numbered(prefix, np.arange(handed_out, handed_out + n), 6)
            handed_out += n
            nothing = np.zeros(n, dtype=np.bool_)
            return Customers(ids, twin.sample(rng, n), nothing, nothing, np.arange(n))

        return take


class _TableTimeline:
    """A replayed table; `order` holds the row of every customer in order of time."""

    def __init__(self, table: Table, order: NDArray[np.int64], sizes: Sequence[int]) -> None:
        self._table = table
        self._order = order
        self._starts = np.concatenate([[0], np.cumsum(sizes)])

    def draw(self, index: int) -> Draw:
        start, end = int(self._starts[index]), int(self._starts[index + 1])
        by_id = np.argsort(self._order[start:end])  # the table is sorted by customer_id
        rows = self._order[start:end][by_id]
        first_pass = by_id + start < len(self._table.customer_id)
        return Draw(
            self._table.customer_id[rows],
            self._table.features[rows],
            first_pass,
            self._table.churned[rows] & first_pass,
        )


class _TwinTimeline:
    def __init__(self, streams: Streams, sizes: Sequence[int]) -> None:
        self._streams = streams
        self._sizes = sizes
        self._starts = np.concatenate([[0], np.cumsum(sizes)])

    def draw(self, index: int) -> Draw:
        size = self._sizes[index]
        numbers = np.arange(self._starts[index], self._starts[index + 1])
        nothing = np.zeros(size, dtype=np.bool_)
        features = twin.sample(self._streams.generator("customers", index), size)
        return Draw(numbered("T", numbers, 10), features, nothing, nothing)


def _replay_order(streams: Streams, n_rows: int, sizes: Sequence[int]) -> NDArray[np.int64]:
    """Return the row of each customer in order of time, so that no row occurs twice in one batch.

    Where a batch runs over the end of a pass, the rows it has already taken move behind the part of the next pass
    that it still needs; each pass stays a permutation.
    """
    total = int(np.sum(sizes))
    ends = np.cumsum(sizes)
    order = np.empty(0, dtype=np.int64)
    for number in range(-(-total // n_rows)):
        rows = streams.generator("pass", number).permutation(n_rows)
        batch = int(np.searchsorted(ends, len(order), side="right"))
        taken = order[int(ends[batch]) - sizes[batch] :]
        needed = int(ends[batch]) - len(order)
        order = np.concatenate([order, _deferred(rows, taken, needed) if len(taken) else rows])
    return order[:total]


def _deferred(rows: NDArray[np.int64], taken: NDArray[np.int64], needed: int) -> NDArray[np.int64]:
    """Return the permutation `rows` with no member of `taken` among its first `needed` rows."""
    is_free = ~np.isin(rows, taken)
    first = np.flatnonzero(is_free)[:needed]
    rest = np.setdiff1d(np.arange(len(rows)), first)
    return np.concatenate([rows[first], rows[rest]])


@cache
def _twin_reference() -> Matrix:
    reference = twin.sample(np.random.default_rng(_TWIN_REFERENCE_SEED), _TWIN_REFERENCE_ROWS)
    reference.flags.writeable = False
    return reference


def _moving(scenario: Scenario) -> tuple[MechanismInjector, ...]:
    return tuple(injector for injector in scenario.drift if isinstance(injector, MechanismInjector))


def _version(sha256: str) -> str:
    return f"sha256:{sha256[:12]}"


def _table_sha256(table: Table) -> str:
    digest = hashlib.sha256("\0".join((*table.schema.names, *table.customer_id)).encode())
    digest.update(table.features.tobytes())
    digest.update(table.churned.tobytes())
    return digest.hexdigest()


def load_population(text: str) -> Population:
    """Return the population that `text` names: `telco`, `twin`, or the path of a file that holds the Telco table.

    Raises
    ------
    InputError
        If there is no such population, or the table can't be had or is not the Telco table.
    """
    if text == "twin":
        return TwinPopulation(telco_mechanism(), telco.SCHEMA)
    if text == "telco":
        return TablePopulation("telco", telco.load(), telco_mechanism(), telco.SHA256)
    if text.endswith(".csv") or "/" in text:
        return TablePopulation("telco", telco.load(Path(text)), telco_mechanism(), telco.SHA256)
    hint = did_you_mean(text, ["telco", "twin"])
    msg = f"a population must be telco, twin or the path of the Telco table, got {text!r}.{hint}"
    raise InputError(msg)
