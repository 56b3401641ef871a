"""Families: the contests of a board that are told together, each pair of its policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sim.study.comparison.boards import NOTHING, Difference, Rank, ends_of
from sim.study.inference.contests import MIN_SEEDS, Floats
from sim.study.inference.verdicts import Family, Told, Verdict, all_pairs, common_seeds

MOST_COMPARED = 60
"""Beyond as many different lives a board's policies are told from the baseline alone, and have no ranks."""


@dataclass(frozen=True, slots=True, eq=False)
class BoardFamily:
    """Every pair of the different lives of a board, told as one family.

    Policies that lived the same life in every seed are one contestant. `life` gives that of each policy, -1 for one
    without a score.
    """

    means: Floats
    life: NDArray[np.intp]
    places: Mapping[tuple[int, int], int]
    family: Family

    @classmethod
    def of(cls, values: Floats, baseline: int | None, resampled: Floats | None = None) -> "BoardFamily":
        """Return the family of the policies of a board, whose scores are columns, with a row for each seed.

        `resampled` are their scores in resamples of one past, as `Family.of` takes them.
        """
        stack = values[np.newaxis] if resampled is None else np.concatenate([values[np.newaxis], resampled])
        present = np.flatnonzero(~np.isnan(stack).all(axis=1).any(axis=0))
        seeds = np.logical_and.reduce([common_seeds(each[:, present]) for each in stack])
        rows = stack[:, seeds][:, :, present]
        life = np.full(values.shape[1], -1, dtype=np.intp)
        if not rows.size:
            return cls(np.full(values.shape[1], np.nan), life, {}, Family.of(np.empty((0, 0)), []))
        n_lives, n_seeds, _ = rows.shape
        lives, inverse = np.unique(rows.reshape(n_lives * n_seeds, -1), axis=1, return_inverse=True)
        life[present] = inverse.ravel()
        count = lives.shape[1]
        reference = -1 if baseline is None else int(life[baseline])
        pairs = all_pairs(count) if count <= MOST_COMPARED else [(own, reference) for own in range(count)]
        pairs = [pair for pair in pairs if reference >= 0 or count <= MOST_COMPARED]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        means = np.full(values.shape[1], np.nan)
        means[present] = rows[0].mean(axis=0)
        apart = lives.reshape(n_lives, n_seeds, count)
        family = Family.of(apart[0], pairs, resampled=None if resampled is None else apart[1:])
        return cls(means, life, {pair: place for place, pair in enumerate(pairs)}, family)

    def difference(self, one: int, other: int) -> Difference:
        """Return what may be said of a policy less another, nothing of a policy less itself."""
        first, second = int(self.life[one]), int(self.life[other])
        if one == other or first < 0 or second < 0:
            return NOTHING
        if first == second:
            return Difference(0.0, None, None, self.family.n, Verdict.SAME, "the same value in every seed")
        if (first, second) in self.places:
            return as_difference(self.family.told(self.places[first, second]))
        if (second, first) in self.places:
            return _turned(as_difference(self.family.told(self.places[second, first])))
        return NOTHING

    def ranks(self) -> tuple[Rank | None, ...]:
        """Return the place of each policy by its mean, with the range that the verdicts leave."""
        known = np.flatnonzero(self.life >= 0)
        count = int(self.life.max(initial=-1)) + 1
        if self.family.n < MIN_SEEDS or count > MOST_COMPARED or len(known) < 2:
            return (None,) * len(self.life)
        beaten = np.zeros((count, count), dtype=np.bool_)  # [one, other]: one is shown to earn more
        for (one, other), place in self.places.items():
            verdict = self.family.verdict(place)
            beaten[one, other], beaten[other, one] = verdict is Verdict.MORE, verdict is Verdict.LESS
        table = beaten[np.ix_(self.life[known], self.life[known])]
        places = rankdata(-self.means[known])
        found: list[Rank | None] = [None] * len(self.life)
        for index, policy in enumerate(known):
            best, worst = 1 + int(table[:, index].sum()), len(known) - int(table[index].sum())
            found[int(policy)] = Rank(float(places[index]), best, worst)
        return tuple(found)

    def closest(self, among: Sequence[int]) -> tuple[int, int] | None:
        """Return the two policies of the highest means."""
        best = sorted((policy for policy in among if self.life[policy] >= 0), key=lambda policy: -self.means[policy])
        return (best[0], best[1]) if len(best) > 1 else None


def as_difference(told: Told) -> Difference:
    """Return what was told of a contest as a board has it."""
    ends = ends_of(told.interval)
    return Difference(told.mean, ends, told.p_value, told.n, told.verdict, told.reason, told.seeds_needed)


def _turned(found: Difference) -> Difference:
    """Return a difference the other way round."""
    opposite = {Verdict.MORE: Verdict.LESS, Verdict.LESS: Verdict.MORE}
    return Difference(
        None if found.mean is None else -found.mean,
        None if found.interval is None else (-found.interval[1], -found.interval[0]),
        found.p_value,
        found.n,
        opposite.get(found.verdict, found.verdict) if found.verdict else None,
        found.reason,
        found.seeds_needed,
    )
