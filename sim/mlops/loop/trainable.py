"""Whether a world is large enough for models to be trained in it and to meet their gates."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sim.errors import InputError
from sim.mlops.loop.validator import newest_judged
from sim.mlops.models.cohort import LabelledRows, labelled_rows
from sim.mlops.models.training import LEAST_ROWS, inner_split, training_data
from sim.mlops.records.business import choose_offers
from sim.mlops.records.jobs import FIRST_JOB
from sim.mlops.records.log import MemoryLog, usable_steps
from sim.mlops.records.record import Served
from sim.world.label_queue import LabelQueue
from sim.world.world import Batch, World

_MANY_ROWS = 1_000_000  # of a plain world so large a look at every step takes long, and would find nothing


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
    splits = trials > 0 or world.scenario.recipe.threshold_rule != "half"
    is_large = len(world.steps) * len(world.batch(0).holdout) > _MANY_ROWS
    if is_large and _too_few(world, world.warmup[:1], _warmed_up(world, world.warmup[:1])[0], splits=splits) is None:
        return  # what is enough in the first part of the warm-up is enough in all of it
    log, label_queue = _warmed_up(world, world.warmup)
    n_few = _too_few(world, world.warmup, log, splits=splits)
    if n_few is not None:
        _refuse(world, f"{LEAST_ROWS} trainable rows of both classes", f"{n_few} of the warm-up")
    if not is_large:
        _check_windows(world, log, label_queue, splits=splits)


def _warmed_up(world: World, steps: Sequence[int]) -> tuple[MemoryLog, LabelQueue]:
    """Return a log of some steps of the warm-up, and the labels that are still on their way."""
    log, label_queue = MemoryLog(), LabelQueue()
    for step in steps:
        log.append(_without_features(world.batch(step)), None)
        label_queue.send(world.labels(step, np.zeros(len(world.batch(step).holdout), dtype=np.bool_)))
    log.backfill(label_queue.deliver(0), 0)
    return log, label_queue


def _too_few(world: World, steps: Sequence[int], log: MemoryLog, *, splits: bool) -> int | None:
    """Return how many rows a part has that is too small or of one class for the first model, `None` if none is."""
    first = labelled_rows(log.cohorts(steps), world.scenario.offers, holdout=False)
    parts = (first, *(inner_split(first) if splits else ()))
    return next(
        (len(p.label) for p in parts if len(p.label) < LEAST_ROWS or p.label.all() or not p.label.any()), None
    )


def _check_windows(world: World, log: MemoryLog, label_queue: LabelQueue, *, splits: bool) -> None:
    if not any(len(world.batch(step).holdout) for step in world.steps):
        _refuse(world, "a customer who is scored", "none in any step")
    for step, trainable, n_holdout in _windows(world, log, label_queue):
        parts = inner_split(trainable) if splits else (trainable,)
        if min(len(part.label) for part in parts) < LEAST_ROWS:
            _refuse(world, f"{LEAST_ROWS} trainable rows in each window", f"fewer at step {step}")
        if n_holdout == 0:
            _refuse(world, "a holdout row in each gate window", f"none at step {step}")


def _windows(world: World, log: MemoryLog, label_queue: LabelQueue) -> Iterator[tuple[int, LabelledRows, int]]:
    """Yield each step, the recent rows of a retraining asked for then, and the number of rows of a gate.

    There is no model yet, so offers go out as if all scores were equal: by rank to as many as they really will.
    """
    offers = world.scenario.offers
    only_recent = world.scenario.training.model_copy(update={"recent_share": 1.0})
    rng = np.random.default_rng(0)  # draws nothing, since all recent rows are wanted
    for step in world.steps:
        batch = world.batch(step)
        scores = np.zeros(len(batch.holdout))
        offered = choose_offers(offers, scores, batch.held_out)
        usable = usable_steps(world.scenario, log, world.day(step - 1))
        gate = labelled_rows(newest_judged(log, usable, world.scenario), offers, holdout=True)
        log.append(_without_features(batch), Served(step, FIRST_JOB, 1, scores, offered, offered))
        label_queue.send(world.labels(step, offered))
        log.backfill(label_queue.deliver(world.day(step)), world.day(step))
        cohorts = log.cohorts(usable_steps(world.scenario, log, world.day(step)))
        recent = training_data(cohorts, only_recent, offers, rng)
        yield step, recent.rows, len(gate.label)


def _without_features(batch: Batch) -> Batch:
    """Return a batch without the features, of which a life of many customers would fill the memory."""
    return replace(batch, features=np.empty((len(batch.customer_id), 0)))


def _refuse(world: World, wanted: str, found: str) -> None:
    time = world.scenario.time
    msg = (
        f"a world must have {wanted}, but with time.customers = {time.customers} and time.warmup_steps = "
        f"{time.warmup_steps} it has {found}; raise them."
    )
    raise InputError(msg)
