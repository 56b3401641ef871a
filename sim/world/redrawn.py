"""A history whose customers are drawn again: what else the same past might have brought, had others come."""

import hashlib
from dataclasses import replace

import numpy as np

from sim.world.recorded import RecordedPopulation
from sim.world.schema.lots import copy_names
from sim.world.schema.streams import Streams
from sim.world.schema.table import Table


def redrawn(history: RecordedPopulation, draw: int) -> RecordedPopulation:
    """Return a history of as many customers, drawn from its own with replacement; the same `draw` gives the same.

    A customer comes with all rows, in the steps in which they were (resampling by cluster: Davison and Hinkley,
    Bootstrap Methods and their Application, 1997, section 3.8), or not at all; who is drawn several times is there as
    as many customers, whose lots are the same. Each is replaced by one who was first seen in the same step, so that
    about as many come in each step as did.
    """
    ids, customer = np.unique(history.table.customer_id, return_inverse=True)
    first = np.full(len(ids), history.n_steps)
    np.minimum.at(first, customer, history.bins)
    rng = Streams(draw).generator("customers of a history")
    came = [np.flatnonzero(first == step) for step in np.unique(first)]
    drawn = np.concatenate([rng.choice(those, size=len(those)) for those in came])
    times = np.bincount(drawn, minlength=len(ids))[customer]
    rows = np.repeat(np.arange(len(times)), times)
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    table = history.table
    return replace(
        history,
        table=Table(
            table.schema, copy_names(table.customer_id[rows], copy), table.features[rows], table.churned[rows]
        ),
        bins=history.bins[rows],
        file_sha256=hashlib.sha256(f"{history.file_sha256} redrawn {draw}".encode()).hexdigest(),
        labelled=None if history.labelled is None else history.labelled[rows],
        served=None if history.served is None else history.served.take(rows),
        first_seen=history.first_seen or history.category_steps,
    )
