"""How often a tournament lets a worse model by, and how often it chooses the best.

`python benchmarks/tournament_level.py` prints two tables. Customers have a true log-odds of churning; a model knows
it with noise, as much as makes its F1 what it is said to be. The challengers are `k` of one kind, each with noise of
its own, all 0.05 F1 below the champion. On one half of the rows the one with the lowest log-loss is chosen, on the
other it meets the paired test (margin 0.05, level 0.95). Beside it the same for who chooses by F1 on all rows and
tests on the same rows, without a correction: what the split is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from sim.mlops.gates.checks import apply_gates
from sim.mlops.gates.evidence import Evidence
from sim.mlops.gates.profiles import load_profile
from sim.mlops.statistics.metrics import f1, log_loss

CHALLENGERS = range(1, 7)
ROWS = (200, 600, 2000)
REPEATS = 2000
WORSE = 0.05
PROFILE = replace(load_profile("non_inferiority"), enforced=("non_inferiority",), retraining_sd=0.0)
_CHAMPION_NOISE = 0.5
_MEAN, _SD = -1.35, 1.6  # of the log-odds of customers
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows and what each model says of them, the champion first; more than it knows is nobody's to say."""

    label: NDArray[np.bool_]
    probability: list[Floats]

    def take(self, rows: slice) -> "Rows":
        """Return some of the rows."""
        return Rows(self.label[rows], [each[rows] for each in self.probability])


def drawn(rng: np.random.Generator, n_rows: int, noises: Sequence[float]) -> Rows:
    """Draw rows, and models with so much noise each, shrunk as a fitted model's scores are."""
    log_odds = rng.normal(_MEAN, _SD, n_rows)
    label = rng.random(n_rows) < 1 / (1 + np.exp(-log_odds))
    scores = []
    for noise in noises:
        seen = log_odds + rng.normal(0, noise, n_rows)
        shrunk = _MEAN + (seen - _MEAN) * _SD**2 / (_SD**2 + noise**2)
        scores.append(1 / (1 + np.exp(-shrunk)))
    return Rows(label, scores)


def true_f1(noise: float) -> float:
    """Return the F1 over all customers of a model with so much noise, by quadrature over their log-odds."""
    log_odds = np.linspace(_MEAN - 8 * _SD, _MEAN + 8 * _SD, 20_001)
    density = np.exp(-(((log_odds - _MEAN) / _SD) ** 2) / 2)
    share = density / density.sum()
    kept = _SD**2 / (_SD**2 + noise**2)
    predicted = ndtr((log_odds - (_MEAN - _MEAN / kept)) / noise)
    churns = 1 / (1 + np.exp(-log_odds))
    return float(2 * (share @ (churns * predicted)) / (share @ (churns + predicted)))


@cache
def noise_of(worse: float) -> float:
    """Return the noise at which the true F1 is so much below the champion's."""
    return float(brentq(lambda noise: true_f1(_CHAMPION_NOISE) - true_f1(noise) - worse, 0.01, 20.0))


def passes(rows: Rows, challenger: int) -> bool:
    """Say whether a challenger passes the paired test on some rows."""
    return apply_gates(
        Evidence(rows.label, rows.probability[challenger], 0.5, rows.probability[0], 0.5), PROFILE
    ).passed


def split(rows: Rows) -> bool:
    """Say whether any challenger gets by where one half chooses and the other judges."""
    half = len(rows.label) // 2
    choosing, judging = rows.take(slice(half)), rows.take(slice(half, None))
    losses = [log_loss(choosing.label, each) or 0.0 for each in choosing.probability[1:]]
    return passes(judging, 1 + int(np.argmin(losses)))


def unsplit(rows: Rows) -> bool:
    """Say whether any challenger gets by where the rows that chose also judge."""
    scores = [f1(rows.label, each >= 0.5) or 0.0 for each in rows.probability[1:]]
    return passes(rows, 1 + int(np.argmax(scores)))


def rates(n_challengers: int, n_rows: int, repeats: int = REPEATS) -> tuple[float, float]:
    """Return how often a worse challenger gets by: with the rows split, and with the same rows for both."""
    rng = np.random.default_rng((n_challengers, n_rows))
    noises = (_CHAMPION_NOISE, *[noise_of(WORSE)] * n_challengers)
    drawings = [drawn(rng, n_rows, noises) for _ in range(repeats)]
    return float(np.mean([split(each) for each in drawings])), float(np.mean([unsplit(each) for each in drawings]))


def best_chosen(n_challengers: int, n_rows: int, better: float, repeats: int = REPEATS) -> tuple[float, float]:
    """Return how often the one challenger that is better than the others is chosen: by log-loss, and by F1."""
    rng = np.random.default_rng((n_challengers, n_rows, 1))
    noises = (noise_of(WORSE - better), *[noise_of(WORSE)] * (n_challengers - 1))
    by_loss = by_f1 = 0
    for _ in range(repeats):
        rows = drawn(rng, n_rows // 2, noises)
        by_loss += int(np.argmin([log_loss(rows.label, each) or 0.0 for each in rows.probability]) == 0)
        by_f1 += int(np.argmax([f1(rows.label, each >= 0.5) or 0.0 for each in rows.probability]) == 0)
    return by_loss / repeats, by_f1 / repeats


def main() -> None:
    """Print both tables."""
    print("| challengers | rows | gets by | without the split |\n|---|---|---|---|")  # noqa: T201 - a script that prints
    for n_challengers in CHALLENGERS:
        for n_rows in ROWS:
            with_split, without = rates(n_challengers, n_rows)
            print(f"| {n_challengers} | {n_rows:,} | {with_split:.3f} | {without:.3f} |", flush=True)  # noqa: T201
    print("\n| better by | rows | chosen by log-loss | by F1 |\n|---|---|---|---|")  # noqa: T201
    for better in (0.01, 0.02, 0.05):
        for n_rows in ROWS:
            by_loss, by_f1 = best_chosen(4, n_rows, better)
            print(f"| {better:g} | {n_rows:,} | {by_loss:.2f} | {by_f1:.2f} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
