"""How often the intervals of a history hold what they promise: 200 histories of one world, each compared by itself.

`python benchmarks/history_coverage.py [GATES [HISTORIES]]` prints a table, in a quarter of an hour of one core
(WORKERS=2 takes two). Each history is what really came of a small world with a sudden drift, customers, outcomes and
all, as a table with dates has it. It is compared as a user would compare it, and its 95 % intervals are held against
the truth: the mean over all histories, each with all its lives. Beside it is the interval over seeds alone, which
speaks of luck. In brackets are 95 % intervals (Clopper and Pearson). The truth is known up to 1 / sqrt(200) of what
one history strays by, which changes coverage by less than 0.1 points.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from scenarios.files import load_scenario
from scenarios.schema import Recipe, Scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.cells import RESAMPLES, WorldTask, play_world
from sim.study.comparison.contestants import Contestant, contestants
from sim.study.comparison.leaderboard import RESAMPLE, leaderboard
from sim.study.comparison.results import to_frame
from sim.study.inference.contests import clopper_pearson, mean_interval
from sim.study.replay.cache import ReplayCache
from sim.study.scores.table import Score
from sim.world.population import load_population
from sim.world.recorded import RecordedPopulation
from sim.world.schema.table import Table
from sim.world.world import World

HISTORIES = 200
SEEDS = tuple(range(1, 6))
POLICIES = ("never", "every(days=90)", "f1_drop > 0.05")
BASELINE = "never"
SCORES = (Score.NET_VALUE, Score.F1_OBSERVED, Score.RETRAINS)
_CHEAP = Recipe(rounds=20, num_leaves=7, min_child_samples=10, learning_rate=0.15)


def small_world() -> Scenario:
    """Return a world of 300 customers a month, four months of warm-up and ten scored ones; it drifts in month 3."""
    scenario = load_scenario("competitor")
    time = scenario.time.model_copy(update={"customers": 300, "steps": 10, "warmup_steps": 4})
    drift = tuple(each.model_copy(update={"onset_step": 3}) for each in scenario.drift)
    return scenario.model_copy(update={"time": time, "drift": drift, "recipe": _CHEAP})


def history(scenario: Scenario, number: int) -> RecordedPopulation:
    """Return what came of one life of a world, as a table with dates."""
    world = World(scenario, 1_000 + number, load_population("twin"), kept_steps=None)
    steps = [*world.warmup, *world.steps]
    batches, truths = [world.batch(step) for step in steps], [world.truth(step) for step in steps]
    table = Table(
        world.schema,
        np.concatenate([batch.customer_id for batch in batches]),
        np.concatenate([batch.features for batch in batches]),
        np.concatenate([truth.churns for truth in truths]),
    )
    bins = np.repeat(np.arange(len(steps)), [len(truth.churns) for truth in truths])
    return RecordedPopulation("history", table, bins, f"{number:064d}")


def compared(gates: str, number: int) -> pd.DataFrame:
    """Return the values of every contest of one history: the mean, both intervals, and whose they are."""
    scenario = small_world()
    recorded, played = history(scenario, number), scenario.model_copy(update={"drift": ()})
    who = contestants(POLICIES, {}, ())
    cells = pd.concat([_cells(played, recorded, who, gates, seed, n) for seed in SEEDS for n in (0, *RESAMPLES)])
    board = leaderboard(cells, BASELINE, POLICIES).boards[0]
    past = cells[cells[RESAMPLE] == 0]
    lives = {
        str(policy): each.set_index("seed").astype(dict.fromkeys(SCORES, float))
        for policy, each in past.groupby("policy")
    }
    rows = []
    for row in board.policies:
        for score in SCORES:
            own, mean = lives[row.policy][score], row.scores[score]
            told = {"policy": row.policy, "score": score.value, "history": number}
            rows.append(told | {"less": "", "mean": own.mean()} | _ends(mean.interval if mean else None, own))
            found = row.against_baseline.get(score)
            if found is not None and row.policy != BASELINE:
                apart = own - lives[BASELINE][score]
                rows.append(told | {"less": BASELINE, "mean": apart.mean()} | _ends(found.interval, apart))
    return pd.DataFrame(rows)


def _cells(
    played: Scenario, past: RecordedPopulation, who: tuple[Contestant, ...], gates: str, seed: int, resample: int
) -> pd.DataFrame:
    task = WorldTask(played, seed, who, (load_profile(gates),), BASELINE, 0, with_split=False, resample=resample)
    return to_frame(play_world(task, past, ReplayCache(None)).cells).assign(**{RESAMPLE: resample})


def _ends(interval: tuple[float, float] | None, over_seeds: pd.Series) -> dict[str, float]:
    """Return the ends of a board's interval and of the one over seeds alone; missing where there is none."""
    low, high = interval or (np.nan, np.nan)
    alone = mean_interval(over_seeds.to_numpy(dtype=np.float64))
    return {
        "low": low,
        "high": high,
        "low_alone": np.nan if alone is None else alone.low,
        "high_alone": np.nan if alone is None else alone.high,
    }


def coverage(found: pd.DataFrame, low: str, high: str) -> str:
    """Return the share of intervals that hold the truth, in words."""
    given = found.dropna(subset=[low, high])
    truth = found["mean"].mean()
    n, k = len(given), int(((given[low] <= truth) & (truth <= given[high])).sum())
    ends = clopper_pearson(k, n)
    return f"{100 * k / n:.1f} ({100 * ends.low:.0f} to {100 * ends.high:.0f}), n {n}" if n else "none given"


def main(gates: str = "non_inferiority", histories: int = HISTORIES) -> None:
    """Print the coverage of each score of each policy, and of each difference from the baseline."""
    with ProcessPoolExecutor(int(os.environ.get("WORKERS", "1"))) as executor:
        found = pd.concat(executor.map(partial(compared, gates), range(histories)), ignore_index=True)
    lines = [f"gates {gates}, {histories} histories, {len(SEEDS)} seeds each", ""]
    lines += ["| score | policy | less | mean | covers, % | over seeds alone, % |", "|---|---|---|---|---|---|"]
    for (score, policy, less), own in found.groupby(["score", "policy", "less"], sort=False):
        told = coverage(own, "low", "high"), coverage(own, "low_alone", "high_alone")
        lines.append(f"| {score} | {policy} | {less} | {own['mean'].mean():,.3f} | {told[0]} | {told[1]} |")
    print("\n".join(lines))  # noqa: T201 - a script that prints


if __name__ == "__main__":
    asked = sys.argv[1:]
    main(asked[0] if asked else "non_inferiority", int(asked[1]) if len(asked) > 1 else HISTORIES)
