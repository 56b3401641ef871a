"""Step by step: the F1 of a life, its requests, and the quantities that its money is made of."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from math import fsum

from pydantic import TypeAdapter

from scenarios.schema import Prices
from sim.mlops.records.jobs import Status
from sim.mlops.records.record import Record
from sim.study.scores.judge import expected_f1


@dataclass(frozen=True, slots=True)
class Monthly:
    """One life, step by step: expected F1 (`None` where there is none), offers, and churners that they reach.

    `offered_expected_churners` is in expectation, so that net value at any prices follows. `requested` and `promoted`
    hold the steps at which a retraining was asked for, once for each model that it trained, and at which one began to
    serve: what is paid for, as in the ledger.
    """

    f1: tuple[float | None, ...]
    offers: tuple[int, ...]
    offered_expected_churners: tuple[float, ...]
    requested: tuple[int, ...]
    promoted: tuple[int, ...]


_MONTHLY = TypeAdapter(Monthly)
_NAMES = tuple(each.name for each in fields(Monthly))
_LIVES_AT_HAND = 1_000
"""Lives whose text is kept: many settings of a rule lead one."""


def monthly(record: Record) -> Monthly:
    """Return a record step by step."""
    jobs = record.retrainings
    return Monthly(
        f1=tuple(expected_f1(row.tally) for row in record.steps),
        offers=tuple(row.tally.offers for row in record.steps),
        offered_expected_churners=tuple(row.tally.offered_expected_churners for row in record.steps),
        requested=tuple(job.requested_step for job in record.retrainings for _ in range(job.trainings)),
        promoted=tuple(
            job.ended_step for job in jobs if job.status is Status.PROMOTED and job.ended_step is not None
        ),
    )


def net_values(life: Monthly, prices: Prices) -> tuple[float, ...]:
    """Return the expected net value of each step: value saved less the cost of its offers and of its requests.

    >>> life = Monthly((0.5,), (10,), (4.0,), (0,), ())
    >>> net_values(life, Prices(customer_value=100, offer_cost=2, success_rate=0.5, retrain_cost=30))
    (150.0,)
    """
    worth = prices.success_rate * prices.customer_value
    pairs: Sequence[tuple[int, float]] = list(zip(life.offers, life.offered_expected_churners, strict=True))
    return tuple(
        churners * worth - offers * prices.offer_cost - life.requested.count(step) * prices.retrain_cost
        for step, (offers, churners) in enumerate(pairs)
    )


def net_value(life: Monthly, prices: Prices) -> float:
    """Return the expected net value of a life, correctly rounded: to the last bit that of its record's ledger.

    >>> life = Monthly((0.5,), (10,), (4.0,), (0,), ())
    >>> net_value(life, Prices(customer_value=100, offer_cost=2, success_rate=0.5, retrain_cost=30))
    150.0
    """
    return fsum(
        [
            *(churners * prices.success_rate * prices.customer_value for churners in life.offered_expected_churners),
            *(-offers * prices.offer_cost for offers in life.offers),
            *(-prices.retrain_cost for _ in life.requested),
        ]
    )


@lru_cache(maxsize=_LIVES_AT_HAND)
def to_text(life: Monthly) -> str:
    """Return a life as JSON text, for one cell of a table."""
    return json.dumps({name: getattr(life, name) for name in _NAMES}, allow_nan=False)


@lru_cache(maxsize=_LIVES_AT_HAND)
def from_text(text: str) -> Monthly:
    """Return the life that `to_text` wrote."""
    return _MONTHLY.validate_json(text)
