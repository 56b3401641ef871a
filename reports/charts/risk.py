"""Risk categories: where the scores lie, and how many of each band really churned."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.caption import record_caption
from reports.steps import mark_onset, step_axis
from reports.style import BLUE, INK, ORANGE, RED, chart, legend, sheet
from sim.mlops.records.business import HIGH_RISK, MEDIUM_RISK
from sim.mlops.records.record import N_CALIBRATION_BINS, Record, Tally

_HEIGHT = 4.0
_BANDS = ((BLUE, "", "low"), (ORANGE, "//", "medium"), (RED, "..", "high"))


def band_counts(tally: Tally) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return (customers, churners) of the low, the medium and the high band of one step."""
    medium = (tally.medium_risk, tally.medium_risk_churners)
    high = (tally.high_risk, tally.high_risk_churners)
    low = (tally.customers - medium[0] - high[0], tally.churners - medium[1] - high[1])
    return low, medium, high


@chart
def risk_chart(record: Record) -> Figure:
    """Draw the histogram of all scores with the limits of the bands, and each band's real churn rate by step."""
    page = sheet("Risk categories, and who really churned", _finding(record), record_caption(record, _NOTE), _HEIGHT)
    scores, rates = page.body.subplots(1, 2, width_ratios=(1.0, 1.3))
    counts = np.array([row.tally.bin_customers for row in record.steps], dtype=np.int64).sum(axis=0)
    edges = np.arange(N_CALIBRATION_BINS) / N_CALIBRATION_BINS
    bands = [2 if edge >= HIGH_RISK - 1e-9 else 1 if edge >= MEDIUM_RISK - 1e-9 else 0 for edge in edges]
    bars = scores.bar(
        edges,
        counts,
        1 / N_CALIBRATION_BINS,
        align="edge",
        color=[_BANDS[band][0] for band in bands],
        edgecolor="white",
    )
    for bar, band in zip(bars, bands, strict=True):
        bar.set_hatch(_BANDS[band][1])
    for limit in (MEDIUM_RISK, HIGH_RISK):
        scores.axvline(limit, color=INK, linestyle="--", linewidth=1.3)
    scores.set(xlim=(0, 1), xlabel=f"score (limits at {MEDIUM_RISK} and {HIGH_RISK})", ylabel="scored customers")
    scores.yaxis.set_major_formatter("{x:,.0f}")
    patches = [Patch(facecolor=colour, hatch=hatch, edgecolor="white") for colour, hatch, _ in _BANDS]
    legend(scores, patches, [f"{name} risk" for *_, name in _BANDS], 4.2)
    lines = []
    for index, (colour, marker) in enumerate(zip((BLUE, ORANGE, RED), "os^", strict=True)):
        pairs = [band_counts(row.tally)[index] for row in record.steps]
        values = [churners / customers if customers else np.nan for customers, churners in pairs]
        lines.append(
            rates.plot([row.step for row in record.steps], values, marker=marker, color=colour, linewidth=1.5)[0]
        )
    rates.set(ylim=(-0.02, 1.02), ylabel="share who churned")
    onset = mark_onset(rates, record.scenario)
    step_axis(rates, record.scenario, len(record.steps))
    legend(rates, [*lines, *(h for h, _ in onset)], ["low", "medium", "high", *(n for _, n in onset)], 5.4)
    return page.figure


_NOTE = "Churn is what happened without an offer."


def _finding(record: Record) -> str:
    totals = np.array([band_counts(row.tally) for row in record.steps], dtype=np.int64).reshape(-1, 3, 2).sum(axis=0)
    told = [
        f"{name} {churners / customers:.0%} of {customers:,}" if customers else f"{name} nobody"
        for (*_, name), (customers, churners) in zip(_BANDS, totals.tolist(), strict=True)
    ]
    return f"Share who churned by band, over all steps: {', '.join(told)}."
