"""Checks of the values that policies take."""

from collections.abc import Collection

from sim.errors import InputError, did_you_mean

MAXIMUM = 1_000_000
"""Days or steps that a policy may be told to wait: more than any simulation has."""


def check_days(name: str, days: float, minimum: float) -> None:
    """Refuse `days` unless it is a number from `minimum` to `MAXIMUM`."""
    if not _is_number(days) or not minimum <= days <= MAXIMUM:
        raise InputError(f"{name} must be a number of days from {minimum:g} to {MAXIMUM:,}, got {days!r}.")


def check_steps(name: str, steps: int) -> None:
    """Refuse `steps` unless it is a whole number from 1 to `MAXIMUM`."""
    if not _is_whole(steps) or not 1 <= steps <= MAXIMUM:
        raise InputError(f"{name} must be a whole number of steps from 1 to {MAXIMUM:,}, got {steps!r}.")


def check_count(name: str, count: int) -> None:
    """Refuse `count` unless it is a whole number from 0 to `MAXIMUM`."""
    check_whole(name, count, 0, MAXIMUM)


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Refuse `value` unless it is a whole number from `low` to `high`."""
    if not _is_whole(value) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low:,} to {high:,}, got {value!r}.")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse `value` unless it is a number from `low` to `high`."""
    if not _is_number(value) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")


def check_flag(name: str, value: bool) -> None:
    """Refuse `value` unless it is true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r}.")


def check_choice(what: str, name: str, known: Collection[str]) -> None:
    """Raise `InputError` unless `name` is one of the known; a file may hold anything in its place."""
    is_text = isinstance(name, str)
    if not is_text or name not in known:
        hint = did_you_mean(name, known) if is_text else ""
        raise InputError(f"{what} must be one of {', '.join(known)}, got {name!r}.{hint}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
