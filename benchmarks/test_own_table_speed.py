"""Speed of a user's own table: reading it from CSV and Parquet, and fitting its mechanism.

Run by `make bench`. The figures are reported, never asserted: a machine may be busy.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figures import Figure, Tell

from sim.world.own.mechanism import fit_own_mechanism
from sim.world.own.table import read_own_table

_ROWS = 100_000


def written(folder: Path, n_numbers: int, n_categories: int, n_rows: int = _ROWS, kind: str = "csv") -> Path:
    """Write a table with a target, an id and so many columns of numbers and categories."""
    rng = np.random.default_rng(0)
    numbers = {f"number {index}": rng.normal(100, 30, n_rows).round(4) for index in range(n_numbers)}
    categories = {f"category {index}": rng.integers(0, 20 + 8 * index, n_rows) for index in range(n_categories)}
    churned = rng.random(n_rows) < 1 / (1 + np.exp((100 - numbers["number 0"]) / 30))
    frame = pd.DataFrame(numbers | {name: np.char.mod("c%d", codes) for name, codes in categories.items()})
    path = folder / f"customers.{kind}"
    full = frame.assign(id=np.arange(n_rows), churned=churned.astype(int))
    if kind == "parquet":
        full.to_parquet(path, index=False)
    else:
        full.to_csv(path, index=False)
    return path


def test_reading_100_000_rows_of_20_columns(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    path = written(tmp_path, n_numbers=12, n_categories=6)
    benchmark.pedantic(lambda: read_own_table(path, "churned", "id"), rounds=3)
    seconds = benchmark.stats.stats.min
    tell(Figure("reading 100,000 rows of 20 columns (CSV)", f"{seconds:.1f} s", seconds / 2, "2 s", at_most=1))


def test_reading_a_million_rows_of_20_columns_of_parquet(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    path = written(tmp_path, n_numbers=12, n_categories=6, n_rows=1_000_000, kind="parquet")
    benchmark.pedantic(lambda: read_own_table(path, "churned", "id"), rounds=3)
    seconds = benchmark.stats.stats.min
    tell(Figure("reading a million rows of 20 columns (Parquet)", f"{seconds:.1f} s", seconds / 5, "5 s", at_most=1))


@pytest.mark.parametrize(("n_numbers", "n_categories"), [(12, 6), (30, 20)])
def test_fitting_a_mechanism_to_100_000_rows(
    benchmark: Any, tell: Tell, tmp_path: Path, n_numbers: int, n_categories: int
) -> None:
    table = read_own_table(written(tmp_path, n_numbers, n_categories), "churned", "id").table
    benchmark.pedantic(lambda: fit_own_mechanism(table), rounds=1)
    columns = n_numbers + n_categories
    tell(Figure(f"fitting a mechanism to 100,000 rows of {columns}", f"{benchmark.stats.stats.min:.1f} s"))
