"""Pictures: a figure as SVG and PNG, the same for the same figure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.hover import Spot, spots
from reports.style import STYLE
from sim.shown_text import visible

_PNG_DPI = 150
_RANDOM_ID = re.compile(r'id="([a-z][0-9a-f]{10})"')
_RANDOM_NAME = re.compile(r"\b[a-z][0-9a-f]{10}\b")
_PLACES = re.compile(r'\s(?:d|x|y|width|height|points|transform|viewBox)="[^"]*"')
_LONG_NUMBER = re.compile(r"\d+\.\d{4,}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure that was drawn: its file name without ending, alternative text, size in pixels, SVG and values."""

    name: str
    alt: str
    width: int
    height: int
    svg: str
    spots: Sequence[Spot] = ()


def save(figure: Figure, folder: Path, name: str) -> Picture:
    """Write `name.svg` and `name.png` into a folder, which is made if need be, and return the picture.

    No date and no random id goes into the files. The figure's label becomes the title of both.
    """
    alt = visible(str(figure.get_label()))
    for text in figure.findobj(Text):
        text.set_text(visible(text.get_text()))
    drawn = BytesIO()
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        # savefig would draw each figure twice, for a layout that stands already
        vector, raster = FigureCanvasSVG(figure), FigureCanvasAgg(figure)
        told = {"Date": None, "Creator": None, "Title": alt}
        vector.print_svg(drawn, metadata=told)  # type: ignore[no-untyped-call] # Matplotlib's stubs have no types here
        figure.set_dpi(_PNG_DPI)
        told = {"Software": None, "Title": alt}
        raster.print_png(folder / f"{name}.png", metadata=told)  # type: ignore[no-untyped-call] # nor here
        figure.set_dpi(STYLE["figure.dpi"])
        values = spots(figure)
    svg = _steady(drawn.getvalue().decode("utf-8"))
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    width, height = figure.get_size_inches() * 96
    return Picture(name, alt, round(width), round(height), svg, values)


def _steady(svg: str) -> str:
    """Return an SVG without what differs from one drawing to the next.

    Matplotlib names some clip paths after places in memory, so they are numbered; and the last digits of what the
    layout's solver finds vary, so places are rounded to a thousandth of a point.
    """
    found = dict.fromkeys(_RANDOM_ID.findall(svg))
    numbers = {name: f"n{number}" for number, name in enumerate(found)}
    named = _RANDOM_NAME.sub(lambda match: numbers.get(match[0], match[0]), svg)
    return _PLACES.sub(lambda match: _LONG_NUMBER.sub(_rounded, match[0]), named)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.3f}".rstrip("0").rstrip(".")


def file_name(*words: str) -> str:
    """Return the words as one file name: small letters, digits, underscores and hyphens.

    >>> file_name("leaderboard", "competitor@1", "telco_churn")
    'leaderboard-competitor-1-telco_churn'
    """
    return re.sub(r"[^a-z0-9_]+", "-", "-".join(words).lower()).strip("-")[:120]
