"""Money: what was earned and spent, entry by entry, from the quantities of a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from scenarios.schema import Prices
from sim.mlops.jobs import FIRST_JOB
from sim.mlops.record import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: money gained (positive) or spent (negative) on a day.

    `expected` is the expectation under the true propensities, `realised` what the draws made of it. Both are counted
    against the same world without offers.
    """

    step: int
    kind: str
    expected: float
    realised: float


def ledger(record: Record, prices: Prices) -> tuple[Entry, ...]:
    """Return every entry of a record at the given prices, in order of time.

    For each step the value saved (offered churners x success rate x customer value; realised: saved customers x
    value) and the cost of the offers; for each retraining asked for, accepted or not, its cost. The first model is
    free: every policy has it.

    Prices may differ from those the record was played with, but for the success rate of the realised value, which
    was drawn.
    """
    entries = []
    for row in record.steps:
        tally = row.tally
        expected = tally.offered_expected_churners * prices.success_rate * prices.customer_value
        entries.append(Entry(row.step, "value_saved", expected, tally.saved * prices.customer_value))
        cost = -tally.offers * prices.offer_cost
        entries.append(Entry(row.step, "offers", cost, cost))
    entries += [
        Entry(job.requested_step, "retraining", -prices.retrain_cost, -prices.retrain_cost)
        for job in record.jobs
        if job.name != FIRST_JOB
    ]
    return tuple(sorted(entries, key=lambda entry: entry.step))


def net_value(entries: Sequence[Entry]) -> float:
    """Return the expected total of a ledger, correctly rounded."""
    return fsum(entry.expected for entry in entries)


def net_value_realised(entries: Sequence[Entry]) -> float:
    """Return the realised total of a ledger, correctly rounded."""
    return fsum(entry.realised for entry in entries)


def roi_realised(record: Record, prices: Prices) -> float | None:
    """Return (value saved - offer cost) / offer cost from the outcomes, `None` where no offer was made."""
    saved = sum(row.tally.saved for row in record.steps) * prices.customer_value
    cost = sum(row.tally.offers for row in record.steps) * prices.offer_cost
    return (saved - cost) / cost if cost else None


def roi_proposal(record: Record, prices: Prices) -> float | None:
    """Return the usual formula, which takes every high-risk customer for a churner who gets an offer.

    (n x success rate x value - n x cost) / (n x cost): the number n of high-risk customers cancels, so that any
    model whatever has the same figure. `None` where nobody is at high risk.
    """
    reached = sum(row.tally.high_risk for row in record.steps)
    cost = reached * prices.offer_cost
    return (reached * prices.success_rate * prices.customer_value - cost) / cost if reached else None
