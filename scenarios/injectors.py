"""Injectors: what may happen to a world, when, and how strongly.

Covariate injectors move the customers, concept and prior injectors the outcome mechanism, faults corrupt what is seen
of the customers or of their outcomes and leave the truth alone.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.part import Count, Part, PositiveCount, Rate, Share

LogOdds = Annotated[float, Field(ge=-100, le=100)]


class Injector(Part):
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


class NumberDrift(Injector):
    """A numeric feature is multiplied by up to `factor`; what depends on it follows."""

    kind: Literal["number"]
    column: str
    factor: Annotated[float, Field(gt=0, le=1e6)]


class CategoryDrift(Injector):
    """Up to `share` of the customers in other categories of `column` move to the category `to`."""

    kind: Literal["category"]
    column: str
    to: str
    share: Share

    @property
    def draws_lots(self) -> bool:
        """Whether it chooses the customers that it acts on by lot."""
        return True


class MixDrift(Injector):
    """Other customers come: each is as likely as before times exp(intensity x the sum of tilt x term).

    The tilts are log-odds by term, as `{"InternetService=Fiber optic" = 0.7, "tenure/12" = -0.2}`. Customers are
    replaced by others of the population, so whatever holds for each of them goes on holding.
    """

    kind: Literal["mix"]
    tilt: dict[str, LogOdds] = Field(min_length=1)


class ConceptDrift(Injector):
    """Named coefficients of the outcome mechanism move by up to `shifts`; the base rate is held or follows."""

    kind: Literal["concept"]
    shifts: dict[str, LogOdds] = Field(min_length=1)
    hold_base_rate: bool = True


class PriorDrift(Injector):
    """The base rate moves towards `base_rate`: the log-odds of every customer rise or fall alike."""

    kind: Literal["prior"]
    base_rate: Rate


class Fault(Injector):
    """A quality fault: it befalls `share` x intensity of the customers, and what is seen of them is wrong."""

    share: Share = 1.0

    @property
    def draws_lots(self) -> bool:
        """Whether it chooses the customers that it acts on by lot."""
        return True


class ValueFault(Fault):
    """A fault of the values in a column; `where` names a term, and only customers for whom it is not 0 are hit."""

    where: str = ""


class NullFault(ValueFault):
    """Values of the columns are missing."""

    kind: Literal["nulls"]
    columns: tuple[str, ...] = Field(min_length=1)


class UnitFault(ValueFault):
    """A number comes in another unit: multiplied by `factor`, and nothing that depends on it follows."""

    kind: Literal["unit"]
    column: str
    factor: Annotated[float, Field(gt=0, le=1e6)]


class RenameFault(ValueFault):
    """A category comes under the name `to`: one that nobody knows is unseen, one that is known is mistaken."""

    kind: Literal["rename"]
    column: str
    category: str
    to: str


class StuckFault(ValueFault):
    """A column shows one `value`, written as in a table, whatever the truth is."""

    kind: Literal["stuck"]
    column: str
    value: str


class TextFault(ValueFault):
    """Numbers come as text with a comma for a point or a currency sign, which is read back as a missing value."""

    kind: Literal["text"]
    columns: tuple[str, ...] = Field(min_length=1)
    style: Literal["decimal_comma", "currency"] = "decimal_comma"


class SwapFault(ValueFault):
    """The values of two columns change places; what makes no sense in the other column is unseen or missing."""

    kind: Literal["swap"]
    columns: tuple[str, str]


class DuplicateFault(Fault):
    """Customers come twice in one batch; the first is kept, and the others are counted."""

    kind: Literal["duplicates"]


class DroppedFault(Fault):
    """Customers are missing from the batch and are never scored; with a share of 1 the whole batch is missing."""

    kind: Literal["dropped"]


class LateFault(Fault):
    """Customers come `late_steps` later, with the batch of that step, and are scored then."""

    kind: Literal["late"]
    late_steps: PositiveCount = 1


class MislabelFault(Fault):
    """Outcomes are reported wrong: of all customers, of those who churn, or of those who stay."""

    kind: Literal["mislabelled"]
    of: Literal["all", "churners", "stayers"] = "all"


CovariateInjector = NumberDrift | CategoryDrift
MechanismInjector = ConceptDrift | PriorDrift
ColumnFault = NullFault | UnitFault | RenameFault | StuckFault | TextFault | SwapFault
Drift = Annotated[
    CovariateInjector
    | MixDrift
    | MechanismInjector
    | ColumnFault
    | DuplicateFault
    | DroppedFault
    | LateFault
    | MislabelFault,
    Field(discriminator="kind"),
]

INJECTORS: tuple[type[Injector], ...] = (
    NumberDrift,
    CategoryDrift,
    MixDrift,
    ConceptDrift,
    PriorDrift,
    NullFault,
    UnitFault,
    RenameFault,
    StuckFault,
    TextFault,
    SwapFault,
    DuplicateFault,
    DroppedFault,
    LateFault,
    MislabelFault,
)
"""Every kind of injector."""
