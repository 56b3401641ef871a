"""The settings that were tried: what each earned, along every placeholder."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter

from reports.amounts import thousands_words
from reports.style import BLUE, INK, ORANGE, SMALL_SIZE, TEXT_SIZE, chart, sheet
from reports.text import fit
from reports.tried_view import TriedView
from sim.study.surface.words import setting_words

_HEIGHT = 3.8
_THOUSAND = 1000
_REFERENCE_INCHES = 3.5
MOST_PANELS = 3


@chart
def tried_settings_chart(view: TriedView, caption: str) -> Figure:
    """Draw the net value of every setting that was tried, beside the chosen one and the reference."""
    names = view.search.names
    means = view.values.mean(axis=1) / _THOUSAND
    drawn = sheet(f"Settings tried of {view.tuned.rule}", _finding(view), caption, _HEIGHT)
    panels = np.atleast_1d(drawn.body.subplots(1, min(len(names), MOST_PANELS), sharey=True))
    handles: list[Any] = []
    for panel, name, text in zip(panels, names, view.search.ranges, strict=False):
        numbers = np.array([setting[name] for setting in view.tried.settings])
        handles = [
            panel.scatter(numbers, means, color=BLUE, s=22, alpha=0.7, linewidth=0),
            *panel.plot(
                [numbers[view.chosen]], [means[view.chosen]], "P", color=ORANGE, markersize=13, linestyle="none"
            ),
            panel.axhline(view.reference.mean() / _THOUSAND, color=INK, linewidth=1, linestyle="--"),
        ]
        panel.set(xlabel=fit(name, 2.5, TEXT_SIZE), xscale="log" if text.endswith(":log") else "linear")
        if text.endswith(":log"):
            panel.xaxis.set_major_locator(_log_locator(float(numbers.max() / numbers.min())))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel(f"net value ({thousands_words(view.currency)})")
    panels[0].yaxis.set_major_formatter("{x:,.0f}")
    told = ["a setting, mean over seeds", "the chosen", fit(view.tuned.reference, _REFERENCE_INCHES, SMALL_SIZE)]
    drawn.body.legend(handles, told, loc="outside upper left", ncols=len(told), borderpad=0.0)
    return drawn.figure


def _log_locator(ratio: float) -> Locator:
    """Return where a logarithmic axis has numbers: every decade, or closer where it has few of these."""
    if ratio < 10:
        return MaxNLocator(4)
    return LogLocator(subs=(1.0, 2.0, 5.0)) if ratio < 100 else LogLocator(numticks=6)


def _finding(view: TriedView) -> str:
    own = view.values[view.chosen].mean() - view.values.mean()
    told = f"Of {view.tried.size:,} settings, {setting_words(view.tuned.setting)} was chosen"
    if view.tried.size == 1:
        return f"{told}."
    return f"{told}; it earned {own / _THOUSAND:,.0f} thousand more than the mean of them."
