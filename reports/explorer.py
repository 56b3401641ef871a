"""The explorer: every life of a surface inside the page, so that it can tell the scores of any setting by itself."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.shown_text import redacted, visible
from sim.study.comparison.leaderboard import BOOTSTRAP_SEED
from sim.study.inference.contests import MIN_SEEDS, N_RESAMPLES, Missing, ratio_interval, t_quantile
from sim.study.lives.box import Box, Setting
from sim.study.scores.table import Score
from sim.study.surface.overlay import Overlay
from sim.study.surface.surface import SurfaceFolder, boxes_by_world
from sim.study.surface.worlds import REFERENCE

MOST_CHARACTERS = 20_000_000
"""How long the lives of a surface may be inside a page."""
_SCORES = (
    Score.NET_VALUE,
    Score.RETRAINS,
    Score.FALSE_ALARMS_PER_YEAR,
    Score.DETECTION_DAYS,
    Score.DAYS_AFTER_ONSET,
    Score.RECOVERY_GAINED,
    Score.RECOVERY_ATTAINABLE,
)
_LEVEL = 0.95
_DIGITS = 10
_DIGITS_OF_DRAWS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LOST = (Missing.WITHIN_NOISE, Missing.NEGATIVE)


@dataclass(frozen=True, slots=True)
class Slider:
    """One threshold of the explorer: its name, and how many spans of numbers it has."""

    name: str
    spans: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A setting that a button leads to, such as the best."""

    name: str
    setting: Setting


@dataclass(frozen=True, slots=True)
class Explorer:
    """What the page needs to tell the scores of any setting; `data` is JSON that is safe inside a script element."""

    rule: str
    scenarios: tuple[str, ...]
    reference: str
    sliders: tuple[Slider, ...]
    marks: tuple[Mark, ...]
    data: str


def explorer(folder: SurfaceFolder, marks: Sequence[Mark], alike: Sequence[Box] | None) -> Explorer | None:
    """Return the explorer of a surface, which begins at its first mark; `None` if its lives are too many for a page.

    Parameters
    ----------
    folder
        The surface.
    marks
        The settings that buttons lead to.
    alike
        The settings that are not shown to be worse than the best, as boxes; `None` where that is not known.
    """
    laid, names = folder.surface.overlay, folder.surface.scenarios
    content = {
        "rule": _shown(folder.template.text),
        "axes": [_axis(laid, place) for place in range(len(laid.axes))],
        "scenarios": list(_scenarios(folder)),
        "reference": _shown(folder.reference.name),
        "marks": [[_shown(mark.name), [mark.setting[axis.name] for axis in laid.axes]] for mark in marks],
        "alike": None if alike is None else [_numbered(laid, box) for box in alike],
        "scores": [str(score) for score in _SCORES],
        "t": [None if n < MIN_SEEDS else t_quantile(n, _LEVEL) for n in range(len(folder.surface.seeds) + 1)],
        "draws": _draws(len(folder.surface.seeds)),
    }
    data = json.dumps(content, allow_nan=False, separators=(",", ":"))
    if len(data) > MOST_CHARACTERS:
        return None
    return Explorer(
        rule=folder.template.text,
        scenarios=names if len(names) == 1 else (*names, "all scenarios"),
        reference=folder.reference.name,
        sliders=tuple(Slider(axis.name, laid.codes.shape[place]) for place, axis in enumerate(laid.axes)),
        marks=tuple(marks),
        data=_inside_script(data),
    )


def _inside_script(text: str) -> str:
    """Return JSON that no parser of HTML takes for markup."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _axis(laid: Overlay, place: int) -> dict[str, Any]:
    """Return the cuts of an axis, unbounded ends as `None`, and for each span its words and a number of it."""
    axis, spans = laid.axes[place], list(laid.spans(place))
    return {
        "name": _shown(axis.name),
        "cuts": [
            [float(cut.value) if np.isfinite(cut.value) else None, int(cut.is_after)] for cut in laid.cuts[place]
        ],
        "words": [axis.text(numbers) for numbers in spans],
        "samples": [axis.sample(numbers) for numbers in spans],
    }


def _scenarios(folder: SurfaceFolder) -> Iterator[dict[str, Any]]:
    surface = folder.surface
    boxes = boxes_by_world(surface.overlay.axes, folder.regions)
    lives = dict(iter(surface.lives.groupby(["scenario", "seed"])))
    for name, years in zip(surface.scenarios, surface.years, strict=True):
        own = surface.reference(Score.RECOVERY_ATTAINABLE)[surface.scenarios.index(name)].tolist()
        reason = ratio_interval(own, own, np.random.default_rng(0)).reason
        yield {
            "name": _shown(name),
            "years": years,
            "recovery": "none" if reason in _LOST else "few" if reason else "told",
            "worlds": [_world(surface.overlay, boxes[name, seed], lives[name, seed]) for seed in surface.seeds],
        }


def _world(laid: Overlay, boxes: Sequence[Sequence[Box]], lives: pd.DataFrame) -> dict[str, Any]:
    """Return the boxes of a world, each as a life and the ends of its spans, and the scores of its lives."""
    table = lives.reindex(columns=[str(score) for score in _SCORES]).astype(np.float64).to_numpy()
    rows = dict(zip(lives["policy"], table, strict=True))
    numbered = [[life, *_numbered(laid, box)] for life, parts in enumerate(boxes) for box in parts]
    return {
        "boxes": [number for box in numbered for number in box],
        "lives": [_plain(rows[str(life)]) for life in range(len(boxes))],
        "reference": _plain(rows[REFERENCE]),
    }


def _numbered(laid: Overlay, box: Box) -> list[int]:
    """Return for each axis the first span of a box, and the first beyond it."""
    return [laid.span_after(axis, end) for axis, numbers in enumerate(box) for end in numbers]


def _plain(row: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in row]


def _draws(n: int) -> str:
    """Return the resamples of `ratio_interval` for so many seeds, a character for each; empty if too few or many.

    So the page tells the very interval that a comparison would.
    """
    if not MIN_SEEDS <= n <= len(_DIGITS_OF_DRAWS):
        return ""
    drawn = np.random.default_rng(BOOTSTRAP_SEED).integers(n, size=(N_RESAMPLES, n))
    return "".join(_DIGITS_OF_DRAWS[seed] for seed in drawn.ravel())


def _shown(text: str) -> str:
    return visible(redacted(text))
