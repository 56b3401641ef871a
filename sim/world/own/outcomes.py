"""Who churned: the words of a target column."""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.world.own.cells import Cells

OUTCOMES: tuple[tuple[str, str], ...] = (
    ("1", "0"),
    ("1.0", "0.0"),
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("true.", "false."),
    ("t", "f"),
    ("churned", "stayed"),
    ("churned", "active"),
    ("churned", "retained"),
    ("churned", "not churned"),
    ("churn", "no churn"),
    ("churn", "retained"),
    ("left", "stayed"),
    ("lost", "active"),
    ("lost", "retained"),
    ("cancelled", "active"),
    ("canceled", "active"),
    ("attrited customer", "existing customer"),
    ("attrited", "existing"),
    ("exited", "stayed"),
    ("exited", "retained"),
    ("closed", "open"),
    ("inactive", "active"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
    ("sim", "não"),
)
"""The pairs of values, churner first, that a target may hold, in upper or lower case."""

_BLANKS = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "nat"})
_VALUES_LISTED = 3


def read_outcomes(
    cells: Cells, name: str, where: str, churned: str | None = None, *, may_be_blank: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who churned, and of whom it is known.

    Parameters
    ----------
    cells
        The cells of the target.
    name, where
        What errors call the column and its table.
    churned
        The value of a churner; without one, the values must be a pair of `OUTCOMES`.
    may_be_blank
        Whether a blank is an outcome that has not come yet, as in a table with dates.

    Raises
    ------
    InputError
        If the target does not tell churners from stayers, with the values that it has or the row that is blank.
    """
    folded = [text.casefold() for text in cells.texts]
    is_blank = np.array([text in _BLANKS for text in folded], dtype=np.bool_)
    known = ~is_blank[cells.codes]
    if not may_be_blank and not known.all():
        raise InputError(
            f"the target {name!r} must say of each customer who churned, but row {int(np.argmin(known)) + 1} of "
            f"{where} is blank: fill it in or drop the row."
        )
    values = sorted({text for text, blank in zip(cells.texts, is_blank, strict=True) if not blank})
    found = sorted({text.casefold() for text in values})
    churner = _churner(found, churned)
    if churner is None:
        raise InputError(_wrong(values, len(found), name, where, churned))
    is_churner = np.array([text == churner for text in folded], dtype=np.bool_)
    return is_churner[cells.codes] & known, known


def _churner(found: list[str], churned: str | None) -> str | None:
    """Return the word of a churner, `None` if the values don't tell."""
    if len(found) != 2:
        return None
    if churned is not None:
        word = " ".join(churned.split()).casefold()
        return word if word in found else None
    return next((churner for churner, stayer in OUTCOMES if found == sorted((churner, stayer))), None)


def _wrong(values: list[str], n_found: int, name: str, where: str, churned: str | None) -> str:
    if n_found < 2:
        has = f"all rows of {where} have {values[0]!r}" if values else f"no row of {where} says"
        return f"the target {name!r} must tell churners from stayers, but {has}: name a column with both."
    if n_found > 2:
        listed = ", ".join(repr(value) for value in values[:_VALUES_LISTED])
        return (
            f"the target {name!r} must hold two values, but {where} has {n_found:,} ({listed}, ...): name another "
            f"column with --target, or write 1 for churners and 0 for all others."
        )
    pair = " and ".join(map(repr, values))
    if churned is not None:
        return f"--churned must be a value of the target {name!r}, got {churned!r}: {where} has {pair}."
    return (
        f"the target {name!r} must tell churners from stayers by known words, but {where} has {pair}: say who "
        f"churned "
        f"by --churned {values[0]!r} or --churned {values[1]!r}."
    )
