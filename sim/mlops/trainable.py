"""Whether a world is large enough for models to be trained in it and to meet their gates."""

import numpy as np

from sim.errors import InputError
from sim.mlops.cohort import LabelledRows, join_rows
from sim.mlops.log import complete_steps
from sim.mlops.training import inner_split
from sim.world.world import World

_LEAST_ROWS = 10  # LightGBM's bagging draws a share of the rows, and cannot train on none
_SAFE_CUSTOMERS = 200  # a batch of so many lacks rows of either role with a probability below 1e-13


def check_trainable(world: World, *, trials: int = 0) -> None:
    """Raise `InputError` if the world is too small for its models; nothing is written.

    Parameters
    ----------
    world
        The world that a life is to be played in.
    trials
        The number of trials of the search for the first recipe; a search splits the rows once more.

    Raises
    ------
    InputError
        If the rows that the first champion is trained on (or a part that they are split into) are fewer than ten or
        of one class, or if a retraining or a gate of a small world would find no row.
    """
    training = world.scenario.training
    warmup = {step: _rows(world, step) for step in world.warmup}
    first = join_rows(trainable for trainable, _ in warmup.values())
    splits = trials > 0 or world.scenario.recipe.threshold_rule != "half"
    for part in (first, *(inner_split(first) if splits else ())):
        if len(part.label) < _LEAST_ROWS or part.label.all() or not part.label.any():
            _refuse(world, f"{_LEAST_ROWS} trainable rows of both classes", f"{len(part.label)} of the warm-up")
    if sum(n for _, n in list(warmup.values())[-training.gate_window_steps :]) == 0:
        _refuse(world, "a holdout row in each gate window", "none at the first gate")
    if world.scenario.time.customers < _SAFE_CUSTOMERS:
        _check_windows(world, splits=splits)


def _check_windows(world: World, *, splits: bool) -> None:
    """Look at each window that a retraining may be trained on or judged by."""
    training = world.scenario.training
    complete = complete_steps(world.scenario, world.day(world.steps[-1]))
    found = [_rows(world, step) for step in complete]
    for end in range(len(world.warmup), len(found) + 1):
        rows = join_rows(trainable for trainable, _ in found[max(end - training.recent_cohorts, 0) : end])
        parts = inner_split(rows) if splits else (rows,)
        if min(len(part.label) for part in parts) < 2:
            _refuse(world, "2 trainable rows in each window", f"fewer up to step {complete[end - 1]}")
        if sum(n for _, n in found[max(end - training.gate_window_steps, 0) : end]) == 0:
            _refuse(world, "a holdout row in each gate window", f"none up to step {complete[end - 1]}")


def _rows(world: World, step: int) -> tuple[LabelledRows, int]:
    """Return the trainable rows of a step, as if nobody got an offer, and the number of its holdout rows."""
    batch = world.batch(step)
    kept = np.flatnonzero(~batch.holdout)
    rows = LabelledRows(batch.customer_id, batch.features, world.truth(step).churns)
    return rows.take(kept), int(batch.holdout.sum())


def _refuse(world: World, wanted: str, found: str) -> None:
    time = world.scenario.time
    msg = (
        f"a world must have {wanted}, but with time.customers = {time.customers} and time.warmup_steps = "
        f"{time.warmup_steps} it has {found}; raise them."
    )
    raise InputError(msg)
