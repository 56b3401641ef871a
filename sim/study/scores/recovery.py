"""Recovery: how much of what drift took a policy gave back, and how soon."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum

from sim.mlops.records.record import Record
from sim.study.scores.judge import expected_f1

SHARE_RECOVERED = 0.9
STEPS_HELD = 2


@dataclass(frozen=True, slots=True)
class Recovery:
    """The terms of `f1_recovery` in one world, from the onset on.

    `gained` is the sum of F1 policy - F1 never, `attainable` that of F1 fresh - F1 never. Over worlds, f1_recovery is
    the sum of the first divided by the sum of the second: 0 is no better than doing nothing, 1 is no delay at all,
    and it may exceed 1. `days` is the time to 90 % of what was attainable, held for two steps; missing where that
    never came. It can't come before the first step at which the loss is beyond its noise: until then nothing was lost
    that could come back. A step without customers plays no part.
    """

    gained: float
    attainable: float
    days: int | None


def share_of_life(gained: float, attainable: float, noise: float, fresh: Mapping[int, float | None]) -> float | None:
    """Return the share of its loss that a single life got back; missing where the loss is within noise.

    `noise` and `fresh` are as in `recovery`.

    >>> share_of_life(0.3, 0.6, 0.1, {3: 0.7, 4: 0.7}), share_of_life(0.1, 0.2, 0.1, {3: 0.7, 4: 0.7})
    (0.5, None)
    """
    n_steps = sum(each is not None for each in fresh.values())
    return None if attainable <= noise * n_steps else gained / attainable


def recovery(record: Record, never: Record, fresh: Mapping[int, float | None], noise: float = 0.0) -> Recovery | None:
    """Return the recovery of a record; missing in a world without drift.

    Parameters
    ----------
    record
        The policy's record.
    never
        The record of the first champion kept, in the same world.
    fresh
        The F1 of a model without delay, for every step from the onset on; missing where nobody came.
    noise
        How large fresh - never may be where nothing is lost, as in `fresh.loss_noise`.
    """
    onset = record.scenario.onset_step
    if onset is None:
        return None
    gains: dict[int, float] = {}
    attainable: dict[int, float] = {}
    for row, stale in zip(record.steps[onset:], never.steps[onset:], strict=True):
        own, least, most = expected_f1(row.tally), expected_f1(stale.tally), fresh[row.step]
        if own is not None and least is not None and most is not None:
            gains[row.step], attainable[row.step] = own - least, most - least
    begin = min((step for step in gains if attainable[step] > noise), default=len(record.steps))
    losing = [step for step in gains if step >= begin and attainable[step] > 0]  # else there is nothing to give back
    recovered = [step for step in losing if gains[step] >= SHARE_RECOVERED * attainable[step]]
    peopled = sorted(gains)
    held = [
        step
        for place, step in enumerate(peopled)
        if len(window := peopled[place : place + STEPS_HELD]) == STEPS_HELD and set(window) <= set(recovered)
    ]
    days = (held[0] - onset) * record.scenario.time.step_days if held else None
    return Recovery(fsum(gains.values()), fsum(attainable.values()), days)
