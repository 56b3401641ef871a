"""Ranges: the numbers that are asked for a placeholder, whatever is searched in them."""

from collections.abc import Collection, Iterable
from math import isfinite
from typing import TypeVar

from sim.errors import InputError, did_you_mean

Ends = TypeVar("Ends")


def check_ends(text: str, low: float, high: float) -> None:
    """Raise `InputError` unless a range goes from a number to one that is no smaller."""
    if not isfinite(low) or not isfinite(high) or low > high:
        raise InputError(f"a --range must go from a number to a larger one, got {text!r}; turn it round.")


def ranges_by_name(asked: Iterable[tuple[str, Ends]], names: Collection[str], whose: str) -> dict[str, Ends]:
    """Return the ranges of placeholders by their names; `InputError` if one is of no placeholder, or two of one.

    `whose` placeholders the `names` are: those of a rule, or of a policy.
    """
    found: dict[str, Ends] = {}
    for name, ends in asked:
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(f"a --range must be of a placeholder of the {whose}, got {name!r}.{hint}")
        if name in found:
            raise InputError(f"each placeholder must have one --range, got {name!r} twice; leave one out.")
        found[name] = ends
    return found
