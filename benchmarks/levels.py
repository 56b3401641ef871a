"""How often a test says that something moved where nothing has: `python benchmarks/levels.py [WORLDS] [SIZES]`.

The first champion of a steady world is watched on the twin, where every customer is new, and on the real table, where
months of a later pass hold customers of the reference and of the gate. One step counts of each world, so that the
worlds are independent: one of the first pass, and one of a later pass. Prints the table of docs/policies.md.
"""

import sys
from collections.abc import Mapping, Sequence

from false_alarms import Watcher, say, steady
from scipy.stats import binomtest

from policies.signals import Signals
from sim.mlops.gates.profiles import load_profile
from sim.study.replay.replay import Replay
from sim.world.population import Population, load_population
from sim.world.world import World

TESTS = ("psi_p", "drift_p", "score_ks_p", "two_sample_p", "f1_drop_p")
"""The signals that are p-values of tests that nothing has moved."""

LEVEL = 0.05
STEPS = {"first pass": 2, "later pass": 11}


def main(worlds: int, sizes: Sequence[int]) -> None:
    """Print the share of worlds in which each test is below its level."""
    say("| population | customers | step | " + " | ".join(f"`{name}`" for name in TESTS) + " |")
    say("|---|---|---|" + "---|" * len(TESTS))
    for name in ("twin", "telco"):
        population = load_population(name)
        for size in sizes:
            seen = [watched(size, seed, population) for seed in range(1, worlds + 1)]
            for words, step in STEPS.items():
                told = [rate([signals[step] for signals in seen], test) for test in TESTS]
                say(f"| {name} | {size} | {words} | " + " | ".join(told) + " |")


def watched(size: int, seed: int, population: Population) -> Mapping[int, Signals]:
    """Return what can be seen of the first champion in a quiet world, by step."""
    scenario = steady(size)
    time = scenario.time.model_copy(update={"steps": max(STEPS.values()) + 1})
    watcher = Watcher(frozenset(TESTS))
    world = World(scenario.model_copy(update={"time": time}), seed, population, kept_steps=None)
    Replay(world).play(watcher, load_profile("none"))
    return {signals.step: signals for signals in watcher.seen}


def rate(seen: Sequence[Signals], test: str) -> str:
    """Return the share of worlds in which a test is below its level, with its 95 % interval (Wilson)."""
    p_values = [p for p in (getattr(signals, test) for signals in seen) if p is not None]
    if not p_values:
        return "-"
    found = sum(p < LEVEL for p in p_values)
    interval = binomtest(found, len(p_values)).proportion_ci(0.95, "wilson")
    return f"{found / len(p_values):.1%} ({interval.low:.1%} to {interval.high:.1%})"


if __name__ == "__main__":
    counts = [int(text) for text in sys.argv[2].split(",")] if len(sys.argv) > 2 else [300, 1000]
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400, counts)
