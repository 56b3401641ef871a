"""How often a verdict is wrong, how often an interval covers, and how often a difference is found: a simulation.

`python -m benchmarks.verdicts` prints the tables of docs/verdicts.md, in about five minutes of one core, and
`python -m benchmarks.verdicts surfaces` one of them. A study is a
table of seeds x policies, drawn anew each time: a baseline, and others that differ from it by draws of one kind.
Rates have exact 95 % intervals (Clopper and Pearson).
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.study.inference.contests import Floats, clopper_pearson
from sim.study.inference.verdicts import Told, Verdict, all_pairs, not_worse, tell
from sim.study.surface.confidence import confidence_set

SEEDS = (5, 10, 20)
POLICIES = 5
GRID = 100
SETTINGS = 25
_ALARMS = frozenset({Verdict.MORE, Verdict.LESS})

Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def _rare(share_of_zeros: float, draw: Draw) -> Draw:
    def rare(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return np.asarray(np.where(rng.random(shape) < share_of_zeros, 0.0, draw(rng, shape)))

    return rare


def _lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    mean, variance = math.exp(0.5), (math.e - 1) * math.e
    return np.asarray((rng.lognormal(size=shape) - mean) / np.sqrt(variance))


def _exponential(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.exponential(size=shape) - 1


KINDS: Mapping[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, size=shape) / np.sqrt(3),
    "skewness 1 (gamma)": lambda rng, shape: rng.gamma(4.0, size=shape) / 2 - 2,
    "skewness 2 (exponential)": _exponential,
    "skewness 6 (lognormal)": _lognormal,
    "70 % zeros": _rare(0.7, lambda rng, shape: rng.standard_normal(shape)),
    "90 % zeros": _rare(0.9, lambda rng, shape: rng.standard_normal(shape)),
    "70 % zeros, skewed": _rare(0.7, _exponential),
    "90 % zeros, skewed": _rare(0.9, _exponential),
}
"""Differences of mean 0; those without zeros have a standard deviation of 1."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Events among trials."""

    events: int
    trials: int

    def __str__(self) -> str:
        if not self.trials:
            return "-"
        interval = clopper_pearson(self.events, self.trials)
        return f"{self.events / self.trials:.1%} ({interval.low:.1%} to {interval.high:.1%})"


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of many studies of one kind.

    `wrong` counts studies with any wrong "more" or "less"; `covered` the intervals that hold the true difference, of
    those that were given; `given` the contests that got one.
    """

    wrong: Rate
    covered: Rate
    given: Rate


def one_family(draw: Draw, n_seeds: int, n_policies: int, n_studies: int, shift: float = 0.0) -> Kept:
    """Return what becomes of studies in which all pairs are contests; policies differ from the baseline by `shift`.

    A "more" or "less" of two policies that do not differ is wrong, and so is one of the wrong sign.
    """
    rng = np.random.default_rng([n_seeds, n_policies, n_studies])
    contests = all_pairs(n_policies)
    truth = np.append(0.0, np.full(n_policies - 1, shift))
    wrong = covered = given = 0
    for _ in range(n_studies):
        values = rng.standard_normal((n_seeds, 1)) * 3 + np.zeros(n_policies)
        values[:, 1:] += draw(rng, (n_seeds, n_policies - 1)) + shift
        told = tell(values, contests)
        trues = [float(truth[one] - truth[other]) for one, other in contests]
        wrong += any(is_wrong(each, true) for each, true in zip(told, trues, strict=True))
        intervals = [(each.interval, true) for each, true in zip(told, trues, strict=True) if each.interval]
        given += len(intervals)
        covered += sum(true in interval for interval, true in intervals)
    return Kept(Rate(wrong, n_studies), Rate(covered, given), Rate(given, n_studies * len(contests)))


def is_wrong(told: Told, true: float) -> bool:
    """Say whether a verdict claims what is not so."""
    return told.verdict in _ALARMS and (true == 0 or (true > 0) != (told.verdict is Verdict.MORE))


def power(draw: Draw, n_seeds: int, n_policies: int, n_studies: int, effect: float) -> Rate:
    """Return how often a policy that is better by `effect` is told from the baseline, in a family of all pairs."""
    rng = np.random.default_rng([n_seeds, n_policies, n_studies, 1])
    found = 0
    for _ in range(n_studies):
        values = rng.standard_normal((n_seeds, 1)) * 3 + np.zeros(n_policies)
        values[:, 1:] += draw(rng, (n_seeds, n_policies - 1))
        values[:, 1] += effect
        found += tell(values, [(1, 0), *(pair for pair in all_pairs(n_policies) if pair != (0, 1))])[0].verdict is (
            Verdict.MORE
        )
    return Rate(found, n_studies)


def grid(draw: Draw, n_seeds: int, n_studies: int) -> Rate:
    """Return how often any of many settings of one rule, none of which differs from the baseline, is told from it.

    Neighbours differ by little: each setting is the one before it plus a tenth of a step.
    """
    rng = np.random.default_rng([n_seeds, n_studies, 2])
    wrong = 0
    for _ in range(n_studies):
        steps = draw(rng, (n_seeds, GRID)) * np.append(1.0, np.full(GRID - 1, 0.1))
        values = np.hstack([np.zeros((n_seeds, 1)), steps.cumsum(axis=1)])
        told = tell(values, [(setting, 0) for setting in range(1, GRID + 1)])
        wrong += any(each.verdict in _ALARMS for each in told)
    return Rate(wrong, n_studies)


def best_kept(draw: Draw, n_seeds: int, n_policies: int, n_studies: int) -> tuple[Rate, float]:
    """Return how often the best policy stays in the set of those not shown to be worse, and the size of the set."""
    rng = np.random.default_rng([n_seeds, n_policies, n_studies, 3])
    kept, size = 0, 0
    worth = -(np.linspace(0, 2, n_policies) ** 2)
    for _ in range(n_studies):
        found = not_worse(worth + draw(rng, (n_seeds, n_policies)))
        kept += 0 in found
        size += len(found)
    return Rate(kept, n_studies), size / n_studies


SURFACES: Mapping[str, Floats] = {
    "all settings equal": np.zeros(SETTINGS),
    "nine equal, the rest 0.4 less": np.where(abs(np.arange(SETTINGS) - SETTINGS // 2) < 5, 0.0, -0.4),
    "a flat valley": -0.002 * np.square(np.arange(SETTINGS) - SETTINGS // 2),
    "a steep valley": -0.02 * np.square(np.arange(SETTINGS) - SETTINGS // 2),
}
"""What each setting of a rule is worth, in standard deviations of what a life is worth beside its neighbour's."""


def surface_kept(draw: Draw, worth: Floats, n_seeds: int, n_surfaces: int) -> tuple[Rate, Rate, float]:
    """Return how often a best setting is in the confidence set of a surface, how often others are, and its size.

    Neighbours are alike: a seed's luck is a walk along the settings, beside what all settings share of it. The
    setting that is looked for is the middle one, which none is better than.
    """
    rng = np.random.default_rng([n_seeds, n_surfaces, 5])
    kept, worse, size = 0, 0, 0
    for _ in range(n_surfaces):
        walk = np.cumsum(draw(rng, (SETTINGS, n_seeds)), axis=0) / 5
        inside = confidence_set(worth[:, np.newaxis] + walk + 3 * rng.standard_normal(n_seeds), rng)
        if inside is None:
            raise ValueError("a confidence set needs more seeds")
        kept += bool(inside[SETTINGS // 2])
        worse += int(inside[worth < worth.max()].sum())
        size += int(inside.sum())
    n_worse = int((worth < worth.max()).sum())
    return Rate(kept, n_surfaces), Rate(worse, n_worse * n_surfaces), size / n_surfaces


def planned(n_seeds: int, effect: float, n_studies: int) -> tuple[Rate, Rate]:
    """Return how often the range of the seeds needed holds the true number, and how often it has an upper end."""
    rng = np.random.default_rng([n_seeds, n_studies, 4])
    truth = next(n for n in range(5, 10_000) if _t_power(effect, n) >= 0.8)
    held = closed = asked = 0
    for _ in range(n_studies):
        differences = rng.standard_normal(n_seeds) + effect
        needed = tell(np.column_stack([differences, np.zeros(n_seeds)]), [(0, 1)])[0].seeds_needed
        if needed is None:
            continue
        asked += 1
        held += (needed.least or truth) <= truth <= (needed.most or truth)
        closed += needed.most is not None
    return Rate(held, asked), Rate(closed, asked)


def _t_power(effect: float, n: int) -> float:
    from scipy import special  # noqa: PLC0415 - here alone

    return float(1 - special.nctdtr(n - 1, effect * np.sqrt(n), special.stdtrit(n - 1, 0.975)))


def main(names: Sequence[str]) -> None:
    """Print the tables of these names, all if there are none."""
    tables = {"errors": errors, "powers": powers, "grids": grids, "sets": sets, "surfaces": surfaces, "plans": plans}
    for name in names or tables:
        for cells in tables[name]():
            sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
        sys.stdout.write("\n")


def errors() -> Iterator[Sequence[object]]:
    """Yield what is wrong, covered and given, by kind and number of seeds."""
    yield "differences", "seeds", "one contest: wrong", "covers", "has an interval", "10 contests: wrong", "covers"
    for name, draw in KINDS.items():
        for n_seeds in SEEDS:
            one, many = one_family(draw, n_seeds, 2, 3_000), one_family(draw, n_seeds, POLICIES, 1_000)
            given = f"{one.given.events / one.given.trials:.0%}"
            yield name, n_seeds, one.wrong, one.covered, given, many.wrong, many.covered


def powers() -> Iterator[Sequence[object]]:
    """Yield how often a difference is found."""
    yield "differences", "seeds", "1 sd, one contest", "1 sd, 10 contests", "2 sd, 10 contests"
    for name in ("normal", "skewness 2 (exponential)", "70 % zeros", "90 % zeros"):
        for n_seeds in SEEDS:
            found = [power(KINDS[name], n_seeds, POLICIES, 500, effect) for effect in (1.0, 2.0)]
            yield name, n_seeds, power(KINDS[name], n_seeds, 2, 800, 1.0), *found


def grids() -> Iterator[Sequence[object]]:
    """Yield how often any setting of a rule is told wrongly."""
    yield "differences", "seeds", f"any of {GRID} settings told wrongly"
    for name in ("normal", "skewness 2 (exponential)"):
        for n_seeds in SEEDS:
            yield name, n_seeds, grid(KINDS[name], n_seeds, 400)


def sets() -> Iterator[Sequence[object]]:
    """Yield how often the best is among those not shown to be worse, and how many these are."""
    yield "policies", "seeds", "the best is kept", "policies in the set"
    for n_policies in (5, 50):
        for n_seeds in SEEDS:
            kept, size = best_kept(KINDS["normal"], n_seeds, n_policies, 400)
            yield n_policies, n_seeds, kept, f"{size:.1f}"


def surfaces() -> Iterator[Sequence[object]]:
    """Yield how often a truly best setting of a surface is among those not shown to be worse."""
    yield "surface", "luck", "seeds", "a best setting is kept", "each worse setting is kept", "settings in the set"
    for name, worth in SURFACES.items():
        for luck in ("normal", "skewness 2 (exponential)", "70 % zeros"):
            for n_seeds in SEEDS:
                kept, worse, size = surface_kept(KINDS[luck], worth, n_seeds, 400)
                share = f"{worse.events / worse.trials:.0%}" if worse.trials else "-"
                yield name, luck, n_seeds, kept, share, f"{size:.1f} of {SETTINGS}"


def plans() -> Iterator[Sequence[object]]:
    """Yield how far the seeds needed can be trusted."""
    yield "seeds", "effect (sd)", "the range holds the true number", "has an upper end"
    for n_seeds, effect in ((5, 0.5), (10, 0.3), (10, 0.5), (20, 0.3)):
        yield n_seeds, effect, *planned(n_seeds, effect, 1_000)


if __name__ == "__main__":
    main(sys.argv[1:])
