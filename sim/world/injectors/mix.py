"""Mix: other customers come, by rejection from an exponentially tilted population."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from math import ceil

import numpy as np

from scenarios.injectors import MixInjector
from sim.errors import InputError
from sim.world.injectors.customers import Chance, Customers, Strangers, alike, join_customers, levels
from sim.world.injectors.view import ColumnView
from sim.world.schema.columns import Matrix

_LEAST_ACCEPTANCE = 1e-3
_SPARE = 16  # strangers asked for beyond what seems needed


class Mix:
    """Replaces customers of a step by others, so that each kind is as frequent as the tilts ask for.

    A customer x is kept with the probability w(x) / max w, where w(x) = exp(sum of tilt x term), and one who is not
    is replaced by another who would be (rejection sampling: the result follows the population's distribution times w,
    normalised). Where the population has no others left, the customer stays.

    Parameters
    ----------
    injectors
        The mix drifts of a scenario.
    columns
        The columns.
    reference
        Gives the features of the whole undrifted population, which the greatest weight is taken from.

    Raises
    ------
    InputError
        If a tilt is no term.
    """

    def __init__(
        self, injectors: Sequence[MixInjector], columns: ColumnView, reference: Callable[[], Matrix]
    ) -> None:
        self._injectors = injectors
        self._columns = columns
        self._reference = reference
        for injector in injectors:
            injector.log_weight(np.empty((0, len(columns.schema.columns))), columns)
        self._relative_weight = lru_cache(maxsize=None)(self._weight)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is ever replaced."""
        return not self._injectors

    def check(self, steps: Iterable[int], customers: int, size: int | None) -> None:
        """Raise `InputError` if a tilt is stronger than the population can follow.

        Parameters
        ----------
        steps
            The steps of the world.
        customers
            The largest batch.
        size
            How many customers the population has; `None` where it has no end.
        """
        for level in sorted({tuple(injector.intensity(step) for injector in self._injectors) for step in steps}):
            if not any(level):
                continue
            acceptance = float(self._relative_weight(level)(self._reference()).mean())
            wanted, offered = customers * (1 - acceptance), None if size is None else (size - customers) * acceptance
            if acceptance < _LEAST_ACCEPTANCE or (offered is not None and wanted > offered):
                msg = (
                    f"a mix must find as many customers as it replaces, but the tilt keeps only {acceptance:.2g} of "
                    f"them, and {'the population' if size is None else f'a table of {size}'} has too few others for "
                    f"batches of {customers}; lower the tilt or time.customers, or use --population twin."
                )
                raise InputError(msg)

    def apply(
        self, step: int, customers: Customers, chance: Chance, strangers: Strangers, luck: np.random.Generator
    ) -> Customers:
        """Return the customers who come instead; the same object where no mix is at work.

        `strangers` hands out who may come, and `luck` decides who of them does.
        """
        if not any(injector.intensity(step) for injector in self._injectors):
            return customers
        at_work = levels(self._injectors, step, chance, len(customers.slot))
        keep = chance("mix")
        has_left = np.zeros(len(keep), dtype=np.bool_)
        come = []
        for level, rows in alike(at_work):
            weight = self._relative_weight(level)
            leaving = np.flatnonzero(rows & (keep >= weight(customers.features)))
            new = _accepted(len(leaving), weight, strangers, luck)
            left = leaving[: len(new.slot)]
            has_left[left] = True
            come.append(replace(new, slot=customers.slot[left]))
        return join_customers(customers.take(~has_left), *come)

    def _weight(self, level: tuple[float, ...]) -> Callable[[Matrix], Matrix]:
        """Return the function that gives w / max w, at most 1, of each row."""
        most = self._log_weight(level, self._reference()).max()
        return lambda features: np.exp(np.minimum(self._log_weight(level, features) - most, 0.0))

    def _log_weight(self, level: tuple[float, ...], features: Matrix) -> Matrix:
        total = np.zeros(len(features))
        for injector, intensity in zip(self._injectors, level, strict=True):
            total += intensity * injector.log_weight(features, self._columns)
        return total


def _accepted(
    n: int, weight: Callable[[Matrix], Matrix], strangers: Strangers, luck: np.random.Generator
) -> Customers:
    """Return n strangers who would be kept; fewer where the population has no more."""
    found = [strangers(0)]
    missing, acceptance = n, 1.0
    while missing > 0:
        offered = strangers(ceil(missing / acceptance) + _SPARE)
        if not len(offered.slot):
            break
        kept = np.flatnonzero(luck.random(len(offered.slot)) < weight(offered.features))
        acceptance = max(len(kept) / len(offered.slot), _LEAST_ACCEPTANCE)
        found.append(offered.take(kept[:missing]))
        missing -= len(found[-1].slot)
    return join_customers(*found)
