"""Figures: what a benchmark measured, as one line of the table that `make bench` prints."""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes
    ----------
    what
        What was measured.
    measured
        How much, with its unit.
    ratio
        How many times as much as something else that was measured in the same run; ratios move less with the machine.
    to
        What the ratio is to.
    at_most, at_least
        The aim for the ratio.
    """

    what: str
    measured: str
    ratio: float | None = None
    to: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def aim(self) -> str:
        """The aim, and whether it is met."""
        if self.ratio is None:
            return ""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}: {'met' if self.ratio <= self.at_most else 'missed'}"
        if self.at_least is not None:
            return f"≥ {self.at_least:g}: {'met' if self.ratio >= self.at_least else 'missed'}"
        return ""


Tell = Callable[[Figure], None]
"""Takes a figure down for the table."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure, and how busy the machine was."""

    figure: Figure
    load: float


def machine() -> str:
    """Return what the figures were measured on."""
    return f"{os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}"


def table(measured: Sequence[Measured]) -> Table:
    """Return the table of figures; the load is that of the last minute, on which seconds depend more than ratios."""
    drawn = Table(title=f"Measured on {machine()}")
    for heading in ("figure", "measured", "ratio", "to", "aim", "machine's load"):
        drawn.add_column(heading)
    for row in _rows(measured):
        drawn.add_row(*row)
    return drawn


def _rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    for each in measured:
        figure = each.figure
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        yield figure.what, figure.measured, ratio, figure.to, figure.aim, f"{each.load:.1f}"


def _processor() -> str:
    """Return the name of the processor, as far as the machine tells it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
