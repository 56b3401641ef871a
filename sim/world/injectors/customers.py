"""Customers of one step on their way through the world, and the random numbers that belong to them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.injectors import Injector
from sim.world.schema.columns import Matrix


@dataclass(frozen=True, slots=True)
class Draw:
    """The customers of one batch before any drift, sorted by `customer_id`, which is unique in it.

    `has_real_label` tells the rows on their first pass, whose `real_label` is the table's; elsewhere it is False.
    `label_days` says after how many days each label really came, where a history knows it.
    """

    customer_id: NDArray[np.str_]
    features: Matrix
    has_real_label: NDArray[np.bool_]
    real_label: NDArray[np.bool_]
    label_days: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Customers:
    """The customers of one step, sorted by `customer_id`, which is unique.

    `slot` is the place of each in the order in which the step's random numbers are drawn: it stays the same when
    others leave or join, so that no injector changes the luck of a customer whom it does not touch.
    """

    customer_id: NDArray[np.str_]
    features: Matrix
    has_real_label: NDArray[np.bool_]
    real_label: NDArray[np.bool_]
    slot: NDArray[np.int64]

    @classmethod
    def of(cls, draw: Draw) -> "Customers":
        """Return the customers of a draw, each in the slot of its row."""
        slot = np.arange(len(draw.customer_id))
        return cls(draw.customer_id, draw.features, draw.has_real_label, draw.real_label, slot)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Customers":
        """Return some of them, in the order given."""
        return Customers(
            self.customer_id[rows],
            self.features[rows],
            self.has_real_label[rows],
            self.real_label[rows],
            self.slot[rows],
        )


def join_customers(*parts: Customers) -> Customers:
    """Return the customers of all parts, sorted by `customer_id`."""
    joined = Customers(
        np.concatenate([part.customer_id for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.has_real_label for part in parts]),
        np.concatenate([part.real_label for part in parts]),
        np.concatenate([part.slot for part in parts]),
    )
    return joined.take(np.argsort(joined.customer_id, kind="stable"))


class Chance(Protocol):
    """Gives each of the customers of a step a number in [0, 1)."""

    def __call__(self, name: str, *keys: int) -> Matrix:
        """Return the numbers of the stream of this name and keys."""
        ...


def reached(injector: Injector, step: int, chance: Chance, n_rows: int) -> NDArray[np.bool_]:
    """Return which of the customers a drift has reached at a step; a `gradual` one reaches some before others."""
    reach = injector.reach(step)
    if reach in {0.0, 1.0}:
        return np.full(n_rows, reach == 1.0)
    return chance(f"reach {injector.subject}", injector.onset_step) < reach


def levels(injectors: Sequence[Injector], step: int, chance: Chance, n_rows: int) -> Matrix:
    """Return how strongly each injector acts on each customer at a step, an n x len(injectors) matrix."""
    found = np.zeros((n_rows, len(injectors)))
    for index, injector in enumerate(injectors):
        if intensity := injector.intensity(step):
            found[:, index] = intensity * reached(injector, step, chance, n_rows)
    return found


def alike(matrix: Matrix) -> Iterator[tuple[tuple[float, ...], NDArray[np.bool_]]]:
    """Yield each distinct row of a matrix, and which rows are equal to it."""
    if not len(matrix):
        return
    if (matrix == matrix[0]).all():  # all but gradual drifts act on everybody alike
        yield tuple(matrix[0].tolist()), np.ones(len(matrix), dtype=np.bool_)
        return
    for row in np.unique(matrix, axis=0):
        yield tuple(row.tolist()), (matrix == row).all(axis=1)


def numbered(prefix: str, numbers: NDArray[np.int64], digits: int) -> NDArray[np.str_]:
    """Return ids made of a prefix and numbers with leading zeros, many times faster than text formatting.

    >>> numbered("T", np.array([7, 42]), 4).tolist()
    ['T0007', 'T0042']
    """
    letters = np.empty((len(numbers), len(prefix) + digits), dtype=np.uint32)
    letters[:, : len(prefix)] = [ord(letter) for letter in prefix]
    rest = numbers
    for place in range(digits - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        letters[:, len(prefix) + place] = digit + ord("0")
    return letters.view(f"U{letters.shape[1]}")[:, 0]


Strangers = Callable[[int], Customers]
"""Hands out so many further customers of a population, none twice; fewer where it has no more."""
