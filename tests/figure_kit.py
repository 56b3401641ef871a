"""What every chart must keep: no two texts overlap, and none leaves the canvas. Only texts that are drawn count."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.table import Table
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

_SLACK = 1.0  # pixels: what antialiasing may add to a glyph


class _Listening(RendererAgg):
    """Draws as ever, and notes the names of the texts that are drawn."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)  # type: ignore[no-untyped-call] # matplotlib has no types here
        self.drawn: list[str] = []

    def open_group(self, s: str, gid: str | None = None) -> None:
        if s == "text" and gid:
            self.drawn.append(gid)


@dataclass(frozen=True)
class Drawn:
    """A figure as it was drawn: its texts with the box each takes in pixels, and the picture."""

    texts: list[tuple[str, Bbox]]
    pixels: NDArray[np.uint8]


def drawn(figure: Figure) -> Drawn:
    """Draw a figure and return what came of it."""
    cells = [cell.get_text() for table in figure.findobj(Table) for cell in table.get_celld().values()]
    texts = {f"text {number}": text for number, text in enumerate([*figure.findobj(Text), *cells])}
    for name, text in texts.items():
        text.set_gid(name)
    renderer = _Listening(*figure.bbox.size, figure.dpi)
    figure.draw(renderer)
    for text in texts.values():
        text.set_gid(None)
    shown = [texts[name] for name in dict.fromkeys(renderer.drawn)]
    boxes = [(text.get_text(), Text.get_window_extent(text, renderer)) for text in shown if text.get_text().strip()]
    pixels = np.asarray(renderer.buffer_rgba())  # type: ignore[no-untyped-call] # as above
    return Drawn(boxes, pixels)


def check(figure: Figure) -> None:
    """Fail if a text is clipped or covered, or the picture is blank."""
    found = drawn(figure)
    faults = _problems(figure, found.texts)
    assert not faults, faults
    assert (found.pixels != found.pixels[0, 0]).any(), "the picture shows nothing"


def problems(figure: Figure) -> list[str]:
    """Return a sentence for every text that leaves the canvas or overlaps another."""
    return _problems(figure, drawn(figure).texts)


def words(figure: Figure) -> str:
    """Return all that is written on a figure, a text a line, lines joined."""
    return "\n".join(text.replace("\n", " ") for text, _ in drawn(figure).texts)


def _problems(figure: Figure, texts: list[tuple[str, Bbox]]) -> list[str]:
    canvas = figure.bbox
    found = [
        f"{text!r} leaves the canvas"
        for text, box in texts
        if min(box.x0 - canvas.x0, box.y0 - canvas.y0, canvas.x1 - box.x1, canvas.y1 - box.y1) < -_SLACK
    ]
    found += [
        f"{one!r} overlaps {other!r}"
        for (one, first), (other, second) in combinations(texts, 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > _SLACK
        and min(first.y1, second.y1) - max(first.y0, second.y0) > _SLACK
    ]
    return found
