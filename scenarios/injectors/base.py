"""What all injectors have in common, and what each layer of the world asks of those that act on it.

A kind of injector is one file beside this one: a class of one of these layers with a field `kind`, its numbers, what
it does in `words`, and how it does it. Nothing else has to know of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Protocol, Self, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scenarios.part import Count, Part, PositiveCount, Share
from sim.errors import InputError

LogOdds = Annotated[float, Field(ge=-100, le=100)]
Matrix = NDArray[np.float64]
"""Encoded features: one row a customer, one column a feature; missing values are `nan`."""
Rows = NDArray[np.bool_]
Chance = Callable[..., Matrix]
"""Gives each customer of a step a uniform number of a stream, by the stream's name and keys."""


class Columns(Protocol):
    """The columns of a population and what always holds in them, as an injector may know them."""

    def place(self, column: str) -> int:
        """Return the position of a column in the features."""

    def is_category(self, column: str) -> bool:
        """Tell categories from numbers; `InputError` if there is no such column."""

    def is_whole(self, column: str) -> bool:
        """Tell whether a numeric column holds whole numbers."""

    def decides(self, column: str) -> bool:
        """Tell whether a column decides the values of others."""

    def follows(self, column: str) -> tuple[str, ...]:
        """Return the columns whose product a column is, none if it is none."""

    def check_category(self, column: str, category: str) -> None:
        """Raise `InputError` unless a column has the category."""

    def only_forced(self, column: str) -> frozenset[str]:
        """Return the categories that a column has only where another one makes it so."""

    def is_forced(self, column: str, features: Matrix) -> Rows:
        """Return for which rows another column decides the value of this one."""

    def code(self, column: str, category: str) -> float:
        """Return the code of a category; that of unseen ones if the column does not have it."""

    def value(self, column: str, text: str) -> float:
        """Return the number that stands for a value written as in a table, `nan` if there is none."""

    def through_text(self, values: Matrix, written: Callable[[str], str]) -> Matrix:
        """Return numbers as they are read back from the text that they were written as."""

    def exchanged(self, features: Matrix, columns: tuple[str, str]) -> Matrix:
        """Return two columns of some rows, each with the values of the other as far as it can hold them."""

    def terms(self, names: tuple[str, ...], features: Matrix) -> Matrix:
        """Return a column for each term; `InputError` if one is none."""


class OutcomeModel(Protocol):
    """An outcome mechanism: who churns with which probability."""

    def moved(self, shifts: Mapping[str, float]) -> Self:
        """Return it with log-odds added to its terms; `InputError` if one is none."""

    def with_base_rate(self, reference: Matrix, rate: float) -> Self:
        """Return it with the intercept that gives a reference population a base rate."""

    def propensity(self, features: Matrix) -> Matrix:
        """Return P(churn) of each row."""


M = TypeVar("M", bound=OutcomeModel)


class Injector(Part, ABC):
    """When an injector acts, on how many customers, and how strongly; nothing happens before `onset_step`.

    Every customer is reached, but for `gradual`. `sudden` acts in full from the onset on; `ramp` grows evenly and
    acts in full `duration_steps` after the onset; `gradual` acts in full on a share of the customers that grows
    evenly, a mixture of old and new; `recurring` acts in full for `duration_steps` in every `period_steps`; `blip`
    acts in full
    for `duration_steps` and then never again. (Terms of Gama et al., A survey on concept drift adaptation, 2014.)
    """

    onset_step: Count
    profile: Literal["sudden", "ramp", "gradual", "recurring", "blip"] = "sudden"
    duration_steps: PositiveCount = 1
    period_steps: PositiveCount = 12
    strength: Share = 1.0

    @model_validator(mode="after")
    def _recurring_rests(self) -> Self:
        if self.profile == "recurring" and self.duration_steps >= self.period_steps:
            msg = (
                f"a recurring drift must rest, so duration_steps must be below period_steps, got "
                f"{self.duration_steps} and {self.period_steps}; use profile = 'sudden' for one that stays"
            )
            raise ValueError(msg)
        return self

    @classmethod
    def known_as(cls) -> str:
        """Return the `kind` by which a scenario file names it."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])

    @property
    @abstractmethod
    def words(self) -> str:
        """What it does, in words that follow "from step 12 on: "."""

    @property
    def subject(self) -> str:
        """What it acts on: its words without its numbers, so that a stronger one acts on the same customers."""
        own = {name: getattr(self, name) for name in type(self).model_fields if name not in Injector.model_fields}
        words = (_words(value) for value in own.values())
        return " ".join(word for word in words if word)

    @property
    def draws_lots(self) -> bool:
        """Whether it chooses the customers that it acts on by lot."""
        return self.profile == "gradual"

    def intensity(self, step: int) -> float:
        """Return how strongly it acts at `step` on a customer whom it has reached, from 0 to `strength`."""
        if not self._acts(step):
            return 0.0
        return self.strength * (self._progress(step) if self.profile == "ramp" else 1.0)

    def reach(self, step: int) -> float:
        """Return the share of the customers whom it has reached at `step`, from 0 to 1."""
        if not self._acts(step):
            return 0.0
        return self._progress(step) if self.profile == "gradual" else 1.0

    def _acts(self, step: int) -> bool:
        elapsed = step - self.onset_step
        if self.profile == "recurring":
            return elapsed >= 0 and elapsed % self.period_steps < self.duration_steps
        return elapsed >= 0 and (self.profile != "blip" or elapsed < self.duration_steps)

    def _progress(self, step: int) -> float:
        return min(1.0, (step - self.onset_step + 1) / self.duration_steps)


def _words(value: object) -> str:
    """Return the text of a value, the texts in a tuple or the keys of a mapping; nothing of a number."""
    if isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, tuple | dict) else ""


class CovariateInjector(Injector):
    """Moves a column of the customers, who stay customers that the population could have."""

    @abstractmethod
    def check(self, columns: Columns) -> None:
        """Raise `InputError` if it names what the population has not, or what follows or decides others."""

    @abstractmethod
    def move(self, features: Matrix, level: Matrix, columns: Columns, chance: Chance) -> None:
        """Move the features of a batch in place; `level` says how far each customer is reached, from 0 to 1."""


class MixInjector(Injector):
    """Lets other customers of the population come: each is as likely as before times the exponent of a weight."""

    @abstractmethod
    def log_weight(self, features: Matrix, columns: Columns) -> Matrix:
        """Return the log-weight of each row at full intensity; `InputError` if the columns have not what it names."""


class MechanismInjector(Injector):
    """Moves the outcome mechanism."""

    def check(self, mechanism: OutcomeModel) -> None:
        """Raise `InputError` if it names what the mechanism has not."""

    @abstractmethod
    def moved(self, mechanism: M, intensity: float, reference: Callable[[], Matrix]) -> M:
        """Return the mechanism at an intensity above 0; `reference` gives the whole undrifted population."""


class Fault(Injector):
    """A quality fault: it befalls `share` x intensity of the customers, and what is seen of them is wrong."""

    share: Share = 1.0

    @property
    def draws_lots(self) -> bool:
        """Whether it chooses the customers that it acts on by lot."""
        return True


class ValueFault(Fault):
    """A fault of the values in columns; `where` names a term, and only customers for whom it is not 0 are hit."""

    where: str = ""

    @property
    @abstractmethod
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""

    def check(self, columns: Columns) -> None:
        """Raise `InputError` if the population has not what it names."""
        for column in self.hits:
            columns.is_category(column)

    @abstractmethod
    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Corrupt what is seen of some rows, in place."""

    @property
    def whom(self) -> str:
        """Whom it befalls, in words."""
        where = f" of those with {self.where}" if self.where else " of the customers"
        return f"for {self.share:.0%}{where}" if self.share < 1 or self.where else "for everybody"


class RowFault(Fault):
    """A fault of the delivery: customers come later, never, or twice."""

    @property
    def delay_steps(self) -> int:
        """How many steps later the customers come whom it befalls; -1 for never."""
        return 0

    @property
    def repeats(self) -> bool:
        """Whether they come twice."""
        return False


class LabelFault(Fault):
    """A fault of the news: outcomes are reported wrong."""

    @abstractmethod
    def concerns(self, churns: Rows) -> Rows:
        """Return whose outcome may be reported wrong."""


def check_is_number(kind: str, column: str, columns: Columns) -> None:
    """Raise `InputError` if a column holds categories."""
    if columns.is_category(column):
        raise InputError(f"a {kind} fault must act on a numeric column, got {column!r}; name another.")


def terms_in_words(weights: Mapping[str, float]) -> str:
    """Return terms with their log-odds, as a reader would write them.

    >>> terms_in_words({"tenure/12": -0.2})
    'tenure/12 -0.2'
    """
    return ", ".join(f"{term} {weight:+g}" for term, weight in weights.items())
