"""Money: what was earned and spent, entry by entry, from the quantities of a record."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from scenarios.schema import Prices
from sim.mlops.records.record import Record, Tally
from sim.mlops.statistics.metrics import NORMAL_QUANTILE


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: money gained (positive) or spent (negative) at a step.

    `expected` is the expectation under the true propensities, `realised` what the draws made of it. Both are counted
    against the same world without offers, on the same random numbers.
    """

    step: int
    kind: str
    expected: float
    realised: float


@dataclass(frozen=True, slots=True)
class RoiEstimate:
    """What a company could know of its return, with a 95 % interval."""

    value: float
    low: float
    high: float


def ledger(record: Record, prices: Prices) -> tuple[Entry, ...]:
    """Return every entry of a record at the given prices, in order of time.

    For each step the value saved (offered churners x success rate x customer value; realised: saved customers x
    value) and the cost of the offers; for each model trained, accepted or not, the cost of a retraining. The first
    model is free, for every policy has it; so are recalibrations, which train nothing. The prices may differ from
    those that the record was played with.
    """
    entries = []
    for row in record.steps:
        entries.append(
            Entry(
                row.step,
                "value_saved",
                row.tally.offered_expected_churners * prices.success_rate * prices.customer_value,
                saved(row.tally, prices) * prices.customer_value,
            )
        )
        cost = -row.tally.offers * prices.offer_cost
        entries.append(Entry(row.step, "offers", cost, cost))
    entries += [
        Entry(job.requested_step, "retraining", -prices.retrain_cost, -prices.retrain_cost)
        for job in record.retrainings
        for _ in range(job.trainings)
    ]
    return tuple(sorted(entries, key=lambda entry: entry.step))


def offer_value(tally: Tally, prices: Prices) -> float:
    """Return the expected worth of the offers of one step: value saved less what they cost."""
    return (
        tally.offered_expected_churners * prices.success_rate * prices.customer_value
        - tally.offers * prices.offer_cost
    )


def saved(tally: Tally, prices: Prices) -> int:
    """Return how many customers the offers of a step saved at a success rate, on the numbers once drawn."""
    return bisect_left(tally.persuasions, prices.success_rate)


def net_value(entries: Sequence[Entry]) -> float:
    """Return the expected total of a ledger, correctly rounded."""
    return fsum(entry.expected for entry in entries)


def net_value_realised(entries: Sequence[Entry]) -> float:
    """Return the realised total of a ledger, correctly rounded."""
    return fsum(entry.realised for entry in entries)


def break_even_retrain_cost(record: Record, baseline: Record, prices: Prices) -> float | None:
    """Return the cost of a retraining at which a record is worth as much as the baseline.

    Below it the policy is worth more, if it retrains more often. `None` where both retrain equally often.
    """
    more = sum(job.trainings for job in record.retrainings) - sum(job.trainings for job in baseline.retrainings)
    gain = fsum(offer_value(row.tally, prices) for row in record.steps) - fsum(
        offer_value(row.tally, prices) for row in baseline.steps
    )
    return gain / more if more else None


def roi_realised(record: Record, prices: Prices) -> float | None:
    """Return (value saved - offer cost) / offer cost from the outcomes, `None` where no offer was made."""
    gained = sum(saved(row.tally, prices) for row in record.steps) * prices.customer_value
    cost = sum(row.tally.offers for row in record.steps) * prices.offer_cost
    return (gained - cost) / cost if cost else None


def roi_estimated(record: Record, prices: Prices) -> RoiEstimate | None:
    """Return the return on offers that the held-out customers tell the company of.

    Saved are taken to be offers x (churn rate of comparable held-out customers - churn rate after an offer), where
    comparable are the held-out who scored at least as high as somebody who got an offer. The interval is that of a
    difference of two independent proportions (Wald). `None` without offers or comparable customers.
    """
    tallies = [row.tally for row in record.steps]
    offers, comparable = sum(t.offers for t in tallies), sum(t.comparable for t in tallies)
    if not offers or not comparable:
        return None
    held_rate = sum(t.comparable_churners for t in tallies) / comparable
    after_rate = (sum(t.offered_churners for t in tallies) - sum(saved(t, prices) for t in tallies)) / offers
    error = sqrt(held_rate * (1 - held_rate) / comparable + after_rate * (1 - after_rate) / offers)
    worth = prices.customer_value / prices.offer_cost
    middle, margin = (held_rate - after_rate) * worth - 1, NORMAL_QUANTILE * error * worth
    return RoiEstimate(middle, middle - margin, middle + margin)


def roi_proposal(record: Record, prices: Prices) -> float | None:
    """Return the usual formula, which takes every high-risk customer for a churner who gets an offer.

    (n x success rate x value - n x cost) / (n x cost): the number n of high-risk customers cancels, so that any
    model whatever has the same figure. `None` where nobody is at high risk.
    """
    reached = sum(row.tally.high_risk for row in record.steps)
    cost = reached * prices.offer_cost
    return (reached * prices.success_rate * prices.customer_value - cost) / cost if reached else None
