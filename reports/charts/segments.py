"""Customer segments by risk: contract, internet service and tenure."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from reports.caption import record_caption
from reports.log_facts import TENURE_BANDS, Segment
from reports.style import INK, MISSING, PAPER, SMALL_SIZE, chart, sheet
from reports.text import fit
from sim.mlops.records.record import Record

_ROW_INCHES = 0.47
_FEW = 30


@chart
def segments_chart(record: Record, segments: Sequence[Segment]) -> Figure:
    """Draw the share of customers at high risk in every segment, with the share that churned among the labelled."""
    rows = sorted({(segment.contract, segment.internet) for segment in segments})
    columns = [name for _, _, name in TENURE_BANDS]
    place = {(s.contract, s.internet, s.tenure): s for s in segments}
    found = [[place.get((*row, column)) for column in columns] for row in rows]
    shares = np.array([[np.nan if s is None else s.high_risk / s.customers for s in line] for line in found])
    height = max(2.0, len(rows) * _ROW_INCHES + 1.1)
    page = sheet("Who is at high risk", _finding(segments), record_caption(record, _NOTE), height)
    axes = page.body.subplots()
    colours = colormaps["Blues"].with_extremes(bad=MISSING)
    top = max(float(np.nanmax(shares, initial=0.0)), 0.01)
    image = axes.imshow(
        shares if shares.size else np.full((1, len(columns)), np.nan),
        aspect="auto",
        cmap=colours,
        vmin=0,
        vmax=top,
    )
    for y, line in enumerate(found):
        for x, segment in enumerate(line):
            if segment is not None:
                colour = PAPER if shares[y, x] > 0.6 * top else INK
                axes.text(x, y, _cell(segment), ha="center", va="center", fontsize=SMALL_SIZE, color=colour)
    names = [fit(f"{contract}, {_internet(internet)}", 2.6, SMALL_SIZE) for contract, internet in rows]
    axes.set(yticks=range(len(rows)), yticklabels=names, xticks=range(len(columns)), xticklabels=columns)
    axes.set_xlabel("tenure")
    axes.grid(visible=False)
    bar = page.body.colorbar(image, ax=axes, pad=0.01, label="share at high risk")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return page.figure


_NOTE = (
    f"Each cell: share at high risk (score 0.7 or above) of the scored customers; share that churned among those "
    f"whose label has come. n < {_FEW}: too few customers to read much from."
)


def _cell(segment: Segment) -> str:
    risk = f"{segment.high_risk / segment.customers:.0%} of {segment.customers:,}"
    churn = f"churn {segment.churners / segment.labelled:.0%}" if segment.labelled else "no labels"
    return f"{risk}\n{churn}" if segment.customers >= _FEW else f"n = {segment.customers}"


def _internet(service: str) -> str:
    return "no internet" if service == "No" else service


def _finding(segments: Sequence[Segment]) -> str:
    listed = [segment for segment in segments if segment.customers >= _FEW]
    if not listed:
        return "No segment has enough scored customers."
    worst = max(listed, key=lambda segment: segment.high_risk / segment.customers)
    everyone = sum(segment.high_risk for segment in segments)
    share = worst.high_risk / everyone if everyone else 0.0
    return (
        f"Most at risk: {worst.contract}, {_internet(worst.internet)}, {worst.tenure} of tenure, with "
        f"{worst.high_risk / worst.customers:.0%} at high risk; {share:.0%} of all at high risk are there."
    )
