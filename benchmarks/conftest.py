"""What the benchmarks share: a way to take figures down, and the table of all of them at the end of a run."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))  # benchmarks are no package

from figures import Figure, Measured, Tell, table
from peers import peer_figures

_MEASURED = pytest.StashKey[list[Measured]]()
_WIDTH = 150


@pytest.fixture
def tell(request: pytest.FixtureRequest, benchmark: Any) -> Tell:
    """Return what takes a figure down, for the table and for pytest-benchmark's JSON."""

    def take(figure: Figure) -> None:
        request.config.stash.setdefault(_MEASURED, []).append(Measured(figure, os.getloadavg()[0]))
        benchmark.extra_info.setdefault("figures", []).append(asdict(figure))

    return take


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    measured = config.stash.get(_MEASURED, [])
    if measured:
        told = [*measured, *(Measured(figure, load) for figure, load in peer_figures())]
        terminalreporter.write_line("")
        Console(file=terminalreporter._tw._file, width=_WIDTH).print(table(told))
