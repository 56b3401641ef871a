"""Tuning: a setting chosen on some seeds, and what it is worth on seeds that the search never saw."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.study.lives.box import Setting
from sim.study.surface.answers import Figure, figure
from sim.study.surface.goal import Goal, Limit, Searched, shares_of, yearly

Floats = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True)
class Chosen:
    """A setting, and what is known of it.

    `search` is the number of its surface among those that were searched, from 0 on. `promised` is what the search saw
    of it, `cross_fitted` what choices on the other folds earned on the fold left out, `optimism` how much more than
    that those choices had promised, on average; `against_reference` is the cross-fitted value less that of the
    reference, paired by seed.
    """

    search: int
    setting: Setting
    promised: Figure
    cross_fitted: Figure
    optimism: float
    against_reference: Figure
    folds: int


@dataclass(frozen=True)
class Candidates:
    """The classes of one or several surfaces as a search sees them, surface by surface, as [class, seed].

    `value` is what is made large; `limited` are the scores that have a limit, [limit, scenario, class, seed], and
    `most` the limits.
    """

    value: Floats
    limited: Floats
    most: Floats

    def best(self, seeds: Sequence[int]) -> int:
        """Return the class of the largest mean over seeds, by position, within all limits; -1 if none is."""
        means = self.value[:, seeds].mean(axis=1)
        within = self._is_within(seeds)
        return int(np.where(within, means, -np.inf).argmax()) if within.any() else -1

    def part(self, first: int, end: int) -> "Candidates":
        """Return the classes from `first` to before `end`."""
        return Candidates(self.value[first:end], self.limited[:, :, first:end], self.most)

    def _is_within(self, seeds: Sequence[int]) -> NDArray[np.bool_]:
        held = self.limited[..., seeds].mean(axis=-1) <= self.most[:, np.newaxis, np.newaxis]
        return np.asarray(held.all(axis=(0, 1)))


def candidates(
    surfaces: Sequence[Searched], goal: Goal, weights: Mapping[str, float], limits: Sequence[Limit]
) -> Candidates:
    """Return what a search for a goal sees of surfaces over the same worlds, whose settings compete together.

    The worst regret is the largest over the scenarios of what the best setting of all for that scenario earns more,
    with the sign turned.
    """
    net = np.concatenate([surface.values("net_value") for surface in surfaces], axis=1)
    shares = shares_of(surfaces[0].scenarios, weights)
    if goal is Goal.MEAN:
        value = np.tensordot(shares, net, axes=1)
    else:
        best = net.mean(axis=2, keepdims=True).max(axis=1, keepdims=True)
        value = (net - best).min(axis=0)
    limited = [
        np.nan_to_num(np.concatenate([yearly(surface, limit.score) for surface in surfaces], axis=1))
        for limit in limits
    ]
    shape = (0, *net.shape)
    return Candidates(
        np.asarray(value), np.stack(limited) if limited else np.zeros(shape), np.array([each.most for each in limits])
    )


def reference_value(surfaces: Sequence[Searched], goal: Goal, weights: Mapping[str, float]) -> Floats:
    """Return what the reference of the first surface is worth by a goal, by seed; the counterpart of `candidates`."""
    own = surfaces[0].reference("net_value")
    if goal is Goal.WORST_REGRET:
        best = np.max([surface.values("net_value").mean(axis=2).max(axis=1) for surface in surfaces], axis=0)
        return np.asarray((own - best[:, np.newaxis]).min(axis=0))
    return np.asarray(shares_of(surfaces[0].scenarios, weights) @ own)


@dataclass(frozen=True)
class CrossFit:
    """What choices on the other folds earned on the fold left out.

    `held_out` is by seed, NaN where no class was within the limits; `choices` the class chosen for each fold, -1
    there; `promised` the mean of what each choice earned on the seeds that it was made on.
    """

    held_out: Floats
    choices: tuple[int, ...]
    promised: float


def cross_fit(found: Candidates) -> CrossFit:
    """Choose on all folds but one, judge on that one, and so for each."""
    seeds = np.arange(found.value.shape[1])
    held_out, promised, choices = np.full(len(seeds), np.nan), [], []
    for fold in np.array_split(seeds, min(FOLDS, len(seeds))):
        others = [int(seed) for seed in seeds if seed not in fold]
        choices.append(found.best(others) if others else -1)
        if choices[-1] >= 0:
            held_out[fold] = found.value[choices[-1], fold]
            promised.append(found.value[choices[-1], others].mean())
    return CrossFit(held_out, tuple(choices), float(np.mean(promised)) if promised else math.nan)


def check_seeds(n_seeds: int) -> None:
    """Raise `InputError` unless there are seeds enough to hold some out."""
    if n_seeds < 2:
        raise InputError(f"tuning needs at least 2 seeds to hold some out, got {n_seeds}; raise --seeds.")


def tune(surfaces: Sequence[Searched], found: Candidates, reference: Floats, limits: Sequence[Limit]) -> Chosen:
    """Choose a setting of any surface on all seeds, with evidence that is cross-fitted over them.

    The seeds are cut into `FOLDS` folds. For each, a setting is chosen on the others and judged on it; the mean over
    all seeds estimates what this way of choosing is worth on seeds that it never saw, and the difference to what the
    search promised is its optimism (Efron, The estimation of prediction error, JASA 99, 2004).

    Parameters
    ----------
    surfaces, found
        The surfaces, and what the goal makes of all their settings.
    reference
        What the reference earns, by seed, by the same goal.
    limits
        The limits that were asked for, for the sentence that says that none meets them.

    Raises
    ------
    InputError
        If no setting is within the limits, or there are fewer than two seeds.
    """
    check_seeds(found.value.shape[1])
    best = found.best(range(found.value.shape[1]))
    if best < 0:
        raise InputError(
            f"a limit must leave some setting, but none has {' and '.join(limit.text for limit in limits)} in every "
            f"scenario; raise it, or search another rule."
        )
    fitted = cross_fit(found)
    known = np.isfinite(fitted.held_out)
    if not known.any():
        raise InputError("a limit must leave some setting whatever seeds are held out; raise it, or --seeds.")
    held_out = fitted.held_out[known]
    search, number = _place(surfaces, best)
    return Chosen(
        search=search,
        setting=surfaces[search].setting(number),
        promised=figure(found.value[best]),
        cross_fitted=figure(held_out),
        optimism=fitted.promised - float(held_out.mean()),
        against_reference=figure(held_out - reference[known]),
        folds=len(fitted.choices),
    )


def fitted_alone(surfaces: Sequence[Searched], found: Candidates) -> tuple[Figure | None, ...]:
    """Return for each surface what choosing among its settings alone earns, cross-fitted, or `None`."""
    return tuple(_fitted(found.part(first, end)) for first, end in pairwise(_bounds(surfaces)))


def _fitted(found: Candidates) -> Figure | None:
    held_out = cross_fit(found).held_out
    known = held_out[np.isfinite(held_out)]
    return figure(known) if len(known) else None


def _place(surfaces: Sequence[Searched], number: int) -> tuple[int, int]:
    """Return the surface of a class, and its number there."""
    bounds = _bounds(surfaces)
    search = bisect_right(bounds, number) - 1
    return search, number - bounds[search]


def _bounds(surfaces: Sequence[Searched]) -> list[int]:
    """Return where the classes of each surface begin among those of all, and where the last ends."""
    return list(accumulate((surface.size for surface in surfaces), initial=0))


def is_better(difference: Figure) -> bool:
    """Say whether a paired difference is shown to be above zero."""
    return difference.interval is not None and difference.interval.low > 0
