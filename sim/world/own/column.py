"""A column of a user's table: which cells are numbers, categories and missing values.

A column is a *number* if each of its cells is a finite number, blank, or one of `NOT_AVAILABLE`; all others are
*categories*. A blank cell is a missing value. In a column of numbers so is one of `NOT_AVAILABLE`; in a column of
categories it is a category like any other, because "None" may be an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.errors import InputError
from sim.world.schema.columns import Column, Matrix

NOT_AVAILABLE = frozenset({"na", "n/a", "nan", "null", "none"})
"""What stands for a missing value in a column of numbers, in upper or lower case."""

MOST_CATEGORIES = 1_000
"""The most categories that a column may have."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of a schema, its value in each row (`nan` where it is missing), and whether all are whole numbers."""

    column: Column
    values: Matrix
    is_whole: bool


def read_column(name: str, cells: Sequence[str], path: Path) -> Feature:
    """Return the feature in cells without white space around them.

    Raises
    ------
    InputError
        If there is no value in it, too many categories, or one that can't be named.
    """
    codes, texts = factorized(cells)
    if not any(texts):
        raise InputError(f"a column must have values, but {name!r} of {path} is blank in all rows: drop it.")
    numbers = {text: _number(text) for text in texts}
    if _are_numbers(numbers):
        values = np.array([np.nan if (number := numbers[text]) is None else number for text in texts])
        known = values[np.isfinite(values)]
        return Feature(Column(name), values[codes], is_whole=bool(np.all(known == np.floor(known))))
    categories = sorted(text for text in texts if text)
    _check_categories(name, categories, cells, numbers, path)
    column = Column(name, tuple(categories))
    values = np.array([column.code_of.get(text, np.nan) for text in texts], dtype=np.float64)
    return Feature(column, values[codes], is_whole=False)


def factorized(cells: Sequence[str]) -> tuple[NDArray[np.intp], list[str]]:
    """Return a code for each cell, and the text of each code.

    >>> factorized(["b", "a", "b"])
    (array([0, 1, 0]), ['b', 'a'])
    """
    codes, texts = pd.factorize(np.array(cells, dtype=object))
    return codes, texts.tolist()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and "_" not in text else None


def _are_numbers(numbers: Mapping[str, float | None]) -> bool:
    others = (text for text, number in numbers.items() if number is None and text)
    return any(number is not None for number in numbers.values()) and all(
        text.casefold() in NOT_AVAILABLE for text in others
    )


def _check_categories(
    name: str, categories: Sequence[str], cells: Sequence[str], numbers: Mapping[str, float | None], path: Path
) -> None:
    if len(categories) > MOST_CATEGORIES:
        text = next(cell for cell in cells if cell and numbers[cell] is None)
        raise InputError(
            f"a column must hold numbers or at most {MOST_CATEGORIES:,} categories, but {name!r} of {path} has "
            f"{len(categories):,} different values, and {text!r} in row {cells.index(text) + 1} is no number: name "
            f"it with --id or --date if it holds ids or dates, write plain numbers if it holds numbers, or drop it."
        )
    for category in categories:
        if "`" in category or category == "unseen":
            reason = "have no backquote" if "`" in category else 'not be "unseen", which stands for new categories'
            raise InputError(
                f"a category must {reason}, but row {cells.index(category) + 1} of {path} has {category!r} in "
                f"{name!r}: write it otherwise."
            )
