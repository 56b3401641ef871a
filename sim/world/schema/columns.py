"""The columns of a population, and the numbers that stand for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.errors import InputError, did_you_mean

Matrix = NDArray[np.float64]
"""Encoded features: one row a customer, one column a feature. Numbers as they are, categories as codes of the
fixed vocabulary, `nan` for a missing value and `UNSEEN` for a category outside the vocabulary."""

UNSEEN = -1.0

BLOCK_ROWS = 100_000
"""What is computed row by row is computed for so many rows at once: a batch of millions takes no more memory."""


def row_blocks(n_rows: int, size: int | None = None) -> Iterator[slice]:
    """Yield slices of at most `size` rows (`BLOCK_ROWS` if left out) that cover `n_rows`; an empty one for none.

    >>> [(block.start, block.stop) for block in row_blocks(5, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    step = size or BLOCK_ROWS
    for start in range(0, max(n_rows, 1), step):
        yield slice(start, min(start + step, n_rows))


@dataclass(frozen=True)
class Column:
    """A feature: a number, or a category with a fixed vocabulary (`categories` is empty for a number)."""

    name: str
    categories: tuple[str, ...] = ()

    @property
    def is_category(self) -> bool:
        """Whether the column holds categories rather than numbers."""
        return bool(self.categories)

    @cached_property
    def code_of(self) -> Mapping[str, int]:
        """The code of each category."""
        return {category: code for code, category in enumerate(self.categories)}

    @cached_property
    def readable(self) -> pd.CategoricalDtype:
        """What a frame of readable values has for its categories: their words, and then "unseen"."""
        return pd.CategoricalDtype([*self.categories, "unseen"])


@dataclass(frozen=True)
class Schema:
    """The features of a population, in the fixed order in which models see them.

    >>> schema = Schema((Column("tenure"), Column("Contract", ("Monthly", "Yearly"))))
    >>> frame = pd.DataFrame({"tenure": ["3", None], "Contract": ["Yearly", "Daily"]})
    >>> schema.encode(frame)
    array([[ 3.,  1.],
           [nan, -1.]])
    """

    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The feature names in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """The position of each feature by name."""
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def category_positions(self) -> tuple[int, ...]:
        """The positions of the categorical features."""
        return tuple(index for index, column in enumerate(self.columns) if column.is_category)

    @cached_property
    def number_positions(self) -> tuple[int, ...]:
        """The positions of the numeric features."""
        return tuple(index for index, column in enumerate(self.columns) if not column.is_category)

    def column(self, name: str) -> Column:
        """Return a column by name; `InputError` if there is none."""
        if name not in self.position:
            msg = f"a drift must name a column of the population, got {name!r}.{did_you_mean(name, self.names)}"
            raise InputError(msg)
        return self.columns[self.position[name]]

    def check_category(self, column: str, category: str) -> None:
        """Raise `InputError` unless `column` has the category."""
        known = self.column(column).categories
        if not known:
            msg = f"a category is named, {category!r}, but {column!r} holds numbers; name a categorical column."
            raise InputError(msg)
        if category not in known:
            hint = did_you_mean(category, known)
            msg = f"a category of {column!r} must be one of {list(known)}, got {category!r}; name one of them.{hint}"
            raise InputError(msg)

    def code(self, column: str, category: str) -> int:
        """Return the code of `category` in `column`; `KeyError` if either is unknown."""
        return self.columns[self.position[column]].code_of[category]

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Return the matrix of a frame with readable values; numbers may come as text.

        Text that is not a number becomes a missing value, as a blank TotalCharges does.

        Raises
        ------
        KeyError
            If a column is not there.
        ValueError
            If one is there more than once.
        """
        matrix = np.empty((len(frame), len(self.columns)))
        for index, column in enumerate(self.columns):
            values = frame[column.name]
            if np.ndim(values) > 1:
                msg = f"a frame must have each column once, but has {column.name!r} {np.shape(values)[1]} times"
                raise ValueError(msg)
            matrix[:, index] = _encode(column, values)
        return matrix

    def decode(self, matrix: Matrix) -> pd.DataFrame:
        """Return the frame of readable values; an unseen category reads "unseen", a missing value is missing."""
        return pd.DataFrame(
            {column.name: _decode(column, matrix[:, index]) for index, column in enumerate(self.columns)}
        )


def without_unseen(features: Matrix) -> Matrix:
    """Return the features with unseen categories as missing values, which is how models see them."""
    return np.where(features == UNSEEN, np.nan, features)


def read_back(values: Matrix, written: Callable[[str], str] = lambda text: text) -> Matrix:
    """Return numbers as they are read back from the text that they were written as; what is no number is missing.

    >>> read_back(np.array([0.1, np.nan]), lambda text: text.replace(".", ","))
    array([nan, nan])
    """
    texts = np.array([written(repr(value)) for value in values.tolist()], dtype=object)
    return np.asarray(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)


def _encode(column: Column, values: "pd.Series[Any]") -> Matrix:
    if not column.is_category:
        if isinstance(values.dtype, np.dtype) and values.dtype.kind == "f":
            return values.to_numpy(dtype=np.float64)
        return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    held = values.array
    if isinstance(held, pd.Categorical):  # each word is looked up once, not once a row
        found = [column.code_of.get(word, UNSEEN) for word in held.categories.tolist()]
        known = np.array([*found, np.nan], dtype=np.float64)
        return np.asarray(known[held.codes])  # a missing value has the code -1, which is the last
    codes = pd.Index(column.categories, dtype=object).get_indexer(pd.Index(values, dtype=object)).astype(np.float64)
    return np.where(values.isna().to_numpy(), np.nan, codes)


def _decode(column: Column, values: Matrix) -> Any:
    if not column.is_category:
        return values
    known = np.where(values == UNSEEN, len(column.categories), np.nan_to_num(values, nan=-1)).astype(np.int64)
    return pd.Categorical.from_codes(known, dtype=column.readable)
