"""The rhythm of a history: whether its rows come as often as steps do."""

import numpy as np
from numpy.typing import NDArray

MONTH_DAYS = 30
"""A step of so many days is a calendar month in a history."""

_REGULAR_SHARE = 0.8  # of the gaps between steps with rows
_MANY_TIMES = 5
_A_QUARTER = (3, 91)  # months, days


def rhythm(dates: NDArray[np.datetime64], bins: NDArray[np.int64], step_days: int, name: str) -> tuple[str, ...]:
    """Return a sentence for each way in which the rows of a history don't fit its steps.

    >>> days = np.array(["2026-01-31", "2026-04-30", "2026-07-31"], dtype="datetime64[D]")
    >>> rhythm(days, np.array([0, 3, 6]), 30, "history")[0][:70]
    'the rows of history come every 3 steps of a month, so that 4 of 7 step'
    """
    counts = np.bincount(bins)
    filled, empty = np.flatnonzero(counts), np.flatnonzero(counts == 0)
    said = []
    if len(empty):
        gaps = np.diff(filled)
        usual = int(np.median(gaps))
        step = "a month" if step_days == MONTH_DAYS else f"{step_days} days"
        share = f"{len(empty):,} of {len(counts):,} steps are empty"
        if usual > 1 and np.mean(gaps == usual) >= _REGULAR_SHARE:
            days = _A_QUARTER[1] if (usual, step_days) == (_A_QUARTER[0], MONTH_DAYS) else usual * step_days
            said.append(
                f"the rows of {name} come every {usual} steps of {step}, so that {share}: play a scenario with "
                f"time.step_days = {days}"
            )
        else:
            before = dates[bins < empty[0]].max()
            said.append(
                f"{share}, because {name} has no rows for some time after {before}: whatever is measured of such a "
                f"step "
                f"is missing"
            )
    typical = float(np.median(counts[filled]))
    largest = int(np.argmax(counts))
    if counts[largest] > _MANY_TIMES * typical:
        said.append(
            f"the step from {dates[bins == largest].min()} on has {int(counts[largest]):,} rows, while others of "
            f"{name} "
            f"have about {typical:,.0f}"
        )
    return tuple(said)
