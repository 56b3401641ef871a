"""Sizes: how many customers come at a step."""

from scenarios.schema import Time
from sim.world.schema.streams import Streams

DAYS_PER_YEAR = 365.25


def batch_size(time: Time, step: int, streams: Streams) -> int:
    """Return the number of customers of a step, at least 1, by its growth since step 0 and a number of its own.

    >>> batch_size(Time(customers=1000, customers_growth=0.21, step_days=365), 2, Streams(1))
    1464
    """
    years = step * time.step_days / DAYS_PER_YEAR
    size = float(time.customers * (1 + time.customers_growth) ** years)
    if time.customers_spread:
        luck = streams.generator("size", step).random()
        size *= 1 + time.customers_spread * (2 * luck - 1)
    return max(round(size), 1)
