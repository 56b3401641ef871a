"""Thinning: the most rows that a model is trained on, however many customers there are."""

from dataclasses import replace

import numpy as np

from sim.mlops.models.training import TrainingData


def thinned(data: TrainingData, max_rows: int | None, rng: np.random.Generator) -> TrainingData:
    """Return the data with at most `max_rows` rows, drawn at random from all of them and kept in their order.

    Recent and historical rows keep their shares but for chance; the window counts those that were drawn. `None`, or
    room for all, draws nothing.

    >>> from sim.mlops.models.cohort import LabelledRows
    >>> from sim.mlops.models.training import TrainingWindow
    >>> rows = LabelledRows.alike(np.arange(1000).astype(str), np.zeros((1000, 1)), np.arange(1000) < 300)
    >>> data = TrainingData(rows, TrainingWindow((1,), (0,), 700, 300))
    >>> few = thinned(data, 100, np.random.default_rng(1))
    >>> len(few.rows.label), few.window.n_recent + few.window.n_historical
    (100, 100)
    """
    n_rows = len(data.rows.label)
    if max_rows is None or n_rows <= max_rows:
        return data
    drawn = np.sort(rng.choice(n_rows, size=max_rows, replace=False))
    rows = data.rows.take(drawn)
    n_historical = int(np.searchsorted(drawn, data.window.n_historical))  # these come first
    window = replace(data.window, n_historical=n_historical, n_recent=max_rows - n_historical)
    if rows.emphasis is not None:
        weight = rows.weight * rows.emphasis
        window = replace(window, effective_rows=float(weight.sum() ** 2 / (weight**2).sum()))
    return TrainingData(rows, window)
