"""The return on offers: whom they reached, what that was worth, and the usual formula beside what was realised."""

from dataclasses import dataclass
from math import fsum

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.amounts import prices_words, thousands_words
from reports.caption import record_caption
from reports.style import BLUE, GREEN, INK, MISSING, ORANGE, RED, SMALL_SIZE, chart, legend, sheet
from sim.mlops.records.record import Record
from sim.study.scores import money

_HEIGHT = 4.3
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class RoiFacts:
    """The numbers of the breakdown; money is in the scenario's currency, a return is a share of the offers' cost."""

    offers: int
    reached: int
    saved: int
    value: float
    offer_cost: float
    retrain_cost: float
    net_realised: float
    net_expected: float
    realised: float | None
    estimated: money.RoiEstimate | None
    usual: float | None


def roi_facts(record: Record) -> RoiFacts:
    """Return what a record's offers brought at the prices of its scenario."""
    prices = record.scenario.prices
    entries = money.ledger(record, prices)
    sums = {
        kind: fsum(entry.realised for entry in entries if entry.kind == kind)
        for kind in ("value_saved", "offers", "retraining")
    }
    tallies = [row.tally for row in record.steps]
    return RoiFacts(
        offers=sum(tally.offers for tally in tallies),
        reached=sum(tally.offered_churners for tally in tallies),
        saved=sum(money.saved(tally, prices) for tally in tallies),
        value=sums["value_saved"],
        offer_cost=sums["offers"],
        retrain_cost=sums["retraining"],
        net_realised=money.net_value_realised(entries),
        net_expected=money.net_value(entries),
        realised=money.roi_realised(record, prices),
        estimated=money.roi_estimated(record, prices),
        usual=money.roi_proposal(record, prices),
    )


@chart
def roi_chart(record: Record) -> Figure:
    """Draw offers, churners reached and saved; the way from value to net value; and the return by three counts."""
    facts, prices = roi_facts(record), record.scenario.prices
    note = (
        f"Prices: {prices_words(prices)}. The usual formula takes every "
        f"customer of high risk for a churner; held-out: what the company could know, 95 % interval."
    )
    page = sheet("What the offers brought", _finding(facts), record_caption(record, note), _HEIGHT)
    reach, way, returns = page.body.subplots(1, 3, width_ratios=(1.0, 1.35, 1.0))
    _draw_reach(reach, facts)
    _draw_waterfall(way, facts, prices.currency)
    _draw_returns(returns, facts)
    return page.figure


def _finding(facts: RoiFacts) -> str:
    if not facts.offers:
        return "No offer was made, so nothing was earned."
    told = f"{facts.offers:,} offers reached {facts.reached:,} churners and saved {facts.saved:,}"
    usual = "" if facts.usual is None else f", where the usual formula promises {facts.usual:,.0%}"
    return f"{told}: a return of {facts.realised or 0:,.0%}{usual}."


def _draw_reach(axes: Axes, facts: RoiFacts) -> None:
    counts = (facts.offers, facts.reached, facts.saved)
    bars = axes.bar(
        ("offers", "churners\nreached", "churners\nsaved"), counts, color=(BLUE, ORANGE, GREEN), width=0.65
    )
    axes.bar_label(bars, [f"{count:,}" for count in counts], fontsize=SMALL_SIZE, padding=2)
    axes.set_ylabel("customers")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=False, axis="x")
    axes.set_ylim(*_room(axes.get_ylim()))


def _draw_waterfall(axes: Axes, facts: RoiFacts, currency: str) -> None:
    parts = np.array([facts.value, facts.offer_cost, facts.retrain_cost]) / _THOUSAND
    ends = np.cumsum(parts)
    starts = np.concatenate([[0.0], ends[:-1]])
    names = ("value\nsaved", "cost of\noffers", "cost of\nretraining", "net\nvalue")
    heights = [*parts, facts.net_realised / _THOUSAND]
    bottoms = [*starts, 0.0]
    bars = axes.bar(
        names, heights, bottom=bottoms, color=(GREEN, RED, RED, BLUE), hatch=("", "//", "//", ""), width=0.65
    )
    for bar, height in zip(bars, heights, strict=True):
        top = max(bar.get_y(), bar.get_y() + bar.get_height())
        if bar is bars[-1]:
            top = max(top, facts.net_expected / _THOUSAND)
        axes.annotate(
            f"{height:+,.0f}",
            (bar.get_x() + bar.get_width() / 2, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL_SIZE,
        )
    for place, end in enumerate(ends):
        axes.plot([place, place + 1], [end, end], color=INK, linewidth=0.8)
    mark = axes.plot([2.6, 3.4], [facts.net_expected / _THOUSAND] * 2, color=INK, linestyle="--", linewidth=1.6)[0]
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel(f"{thousands_words(currency)}, realised")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=False, axis="x")
    axes.set_ylim(*_room(axes.get_ylim()))
    legend(axes, [mark], ["net value in expectation"], 3.6)


def _room(limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits with room for the numbers above the bars."""
    low, high = limits
    return low, high + 0.12 * (high - low)


def _draw_returns(axes: Axes, facts: RoiFacts) -> None:
    estimate = facts.estimated
    values = (facts.usual, facts.realised, estimate.value if estimate else None)
    shown = [0.0 if value is None else value * 100 for value in values]
    bars = axes.bar(
        ("usual\nformula", "realised", "held-out"),
        shown,
        color=(MISSING, BLUE, ORANGE),
        hatch=("xx", "", "//"),
        width=0.65,
    )
    texts = ["missing" if value is None else f"{value:,.0%}" for value in values]
    tops = [max(value, 0.0) for value in shown]
    if estimate:
        low, high = estimate.low * 100, estimate.high * 100
        axes.plot([2, 2], [low, high], color=INK, linewidth=1.6, marker="_", markersize=9)
        tops[2] = max(tops[2], high)
    for bar, top, text in zip(bars, tops, texts, strict=True):
        axes.annotate(
            text,
            (bar.get_x() + bar.get_width() / 2, top),
            (0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL_SIZE,
        )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel("return on offers (%)")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=False, axis="x")
    axes.set_ylim(*_room(axes.get_ylim()))
    legend(axes, [Line2D([], [], color=INK, marker="_", linewidth=1.6)] if estimate else [], ["95 % interval"], 2.6)
