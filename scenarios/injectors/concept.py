"""The concept drifts: reasons to leave change."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from scenarios.injectors.base import LogOdds, M, Matrix, MechanismInjector, OutcomeModel, terms_in_words


class ConceptDrift(MechanismInjector):
    """Named coefficients of the outcome mechanism move by up to `shifts`; the base rate is held or follows."""

    kind: Literal["concept"]
    shifts: dict[str, LogOdds] = Field(min_length=1)
    hold_base_rate: bool = True

    @property
    def words(self) -> str:
        """What it does."""
        held = "the base rate is held" if self.hold_base_rate else "the base rate follows"
        return f"reasons to leave change, by log-odds of {terms_in_words(self.shifts)}; {held}"

    def check(self, mechanism: OutcomeModel) -> None:
        """Refuse a term that the mechanism can't have."""
        mechanism.moved(self.shifts)

    def moved(self, mechanism: M, intensity: float, reference: Callable[[], Matrix]) -> M:
        """Add the shifts; the base rate held is that of the whole undrifted population before them."""
        shifted = mechanism.moved({term: intensity * shift for term, shift in self.shifts.items()})
        if not self.hold_base_rate:
            return shifted
        return shifted.with_base_rate(reference(), float(mechanism.propensity(reference()).mean()))
