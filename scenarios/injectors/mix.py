"""The mix drifts: other customers of the population come."""

from typing import Literal

from pydantic import Field

from scenarios.injectors.base import Columns, LogOdds, Matrix, MixInjector, terms_in_words


class MixDrift(MixInjector):
    """Other customers come: each is as likely as before times exp(intensity x the sum of tilt x term).

    The tilts are log-odds by term, as `{"InternetService=Fiber optic" = 0.7, "tenure/12" = -0.2}`. Customers are
    replaced by others of the population, so whatever holds for each of them goes on holding.
    """

    kind: Literal["mix"]
    tilt: dict[str, LogOdds] = Field(min_length=1)

    @property
    def words(self) -> str:
        """What it does."""
        return f"other customers come, by log-odds of {terms_in_words(self.tilt)}"

    def log_weight(self, features: Matrix, columns: Columns) -> Matrix:
        """Return the sum of tilt x term."""
        weight: Matrix = columns.terms(tuple(self.tilt), features) @ list(self.tilt.values())
        return weight
