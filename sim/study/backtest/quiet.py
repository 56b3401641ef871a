"""Quiet pasts: months in which nothing ever moved, drawn from the reference of a log."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.world.log_population import OpenedLog
from sim.world.recorded import RecordedPopulation, ServedLog
from sim.world.schema.table import Table


def quiet_past(log: OpenedLog, rng: np.random.Generator) -> RecordedPopulation:
    """Return a past as long as the log, each step of which is drawn with replacement from all rows of the reference.

    So every alarm in it is a false one. The reference itself is drawn anew too: it was a sample like any other month.
    Customers are known by their outcome only where that of the reference's row is; labels take as long as in the log.
    """
    population, warmup = log.population, log.scenario.time.warmup_steps
    pool = np.flatnonzero(population.bins < warmup)
    sizes = np.bincount(population.bins, minlength=population.n_steps)
    rows = rng.choice(pool, size=int(sizes.sum()))
    bins = np.repeat(np.arange(len(sizes)), sizes)
    table = population.table
    labelled = None if population.labelled is None else population.labelled[rows]
    return replace(
        population,
        table=Table(
            table.schema,
            np.array([f"Q{number:08d}" for number in range(len(rows))], dtype=np.str_),
            table.features[rows],
            table.churned[rows],
        ),
        bins=bins,
        labelled=labelled,
        served=_served(log, rows, rng),
    )


def _served(log: OpenedLog, rows: NDArray[np.int64], rng: np.random.Generator) -> ServedLog:
    served = log.population.served
    if served is None:
        raise ValueError("a log has scores")
    drawn = served.take(rows)
    if served.label_days is None:
        return drawn
    known = log.population.bins >= log.scenario.time.warmup_steps
    if log.population.labelled is not None:
        known &= log.population.labelled
    pool = served.label_days[known]
    days = rng.choice(pool, size=len(rows)) if len(pool) else drawn.label_days
    return replace(drawn, label_days=days)
