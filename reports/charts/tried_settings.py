"""The settings that were tried: what each earned, along every placeholder."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from reports.amounts import thousands_words
from reports.style import BLUE, INK, ORANGE, TEXT_SIZE, chart, legend, sheet
from reports.text import fit
from reports.tried_view import TriedView
from sim.study.surface.words import setting_words

_HEIGHT = 3.8
_THOUSAND = 1000
_MOST_PANELS = 3


@chart
def tried_settings_chart(view: TriedView, caption: str) -> Figure:
    """Draw the net value of every setting that was tried, beside the chosen one and the reference."""
    names = [text.partition("=")[0] for text in view.search.ranges]
    means = view.values.mean(axis=1) / _THOUSAND
    drawn = sheet(f"Settings tried of {view.tuned.rule}", _finding(view), caption, _HEIGHT)
    panels = np.atleast_1d(drawn.body.subplots(1, min(len(names), _MOST_PANELS), sharey=True))
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
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel(f"net value ({thousands_words(view.currency)})")
    panels[0].yaxis.set_major_formatter("{x:,.0f}")
    legend(panels[0], handles, ["a setting, mean over seeds", "the chosen", view.tuned.reference])
    return drawn.figure


def _finding(view: TriedView) -> str:
    own = view.values[view.chosen].mean() - view.values.mean()
    told = f"Of {view.tried.size:,} settings, {setting_words(view.tuned.setting)} was chosen"
    if view.tried.size == 1:
        return f"{told}."
    return f"{told}; it earned {own / _THOUSAND:,.0f} thousand more than the mean of them."
