"""What a training profile earns where behaviour jumps, and costs where it does not: paired over seeds.

    python benchmarks/training_profiles.py [SEEDS]

plays `f1_only` without gates on the real table. Told are the net values in thousands less those of `mix_70_30`, with
95 % t-intervals over seeds, and how the gain (on competitor) or loss (elsewhere) compares with that of `newest`: by
the ratio of means, and by the paired difference from the share of it that is asked for.
"""

import sys
from collections.abc import Sequence
from statistics import fmean, stdev

from scipy.stats import t as student

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.study.replay.replay import Replay
from sim.study.scores.judge import summarise
from sim.world.population import load_population
from sim.world.world import World

WORLDS = ("competitor", "steady", "season")
PROFILES = ("newest", "since_change", "tournament", "recent", "history", "decayed")
SHARES = {"competitor": 0.8, "steady": 0.25, "season": 0.25}
"""The share of what `newest` gains that is asked for, and of what it loses that is allowed."""


def main(seeds: int) -> None:
    """Print a line for each world and profile."""
    for name in WORLDS:
        values = [net_values(name, seed) for seed in range(1, seeds + 1)]
        gains = {profile: [each[profile] - each["mix_70_30"] for each in values] for profile in PROFILES}
        for profile in PROFILES:
            beyond = [own - SHARES[name] * best for own, best in zip(gains[profile], gains["newest"], strict=True)]
            ratio = fmean(gains[profile]) / fmean(gains["newest"])
            print(  # noqa: T201 - a script that prints
                f"{name:11} {profile:13} less mix_70_30 {told(gains[profile])}; of newest {ratio:+.2f}; "
                f"less {SHARES[name]:g} of newest {told(beyond)}",
                flush=True,
            )


def net_values(scenario: str, seed: int) -> dict[str, float]:
    """Return the net value under each profile in one world, in thousands."""
    replay = Replay(World(load_scenario(scenario), seed, load_population("telco"), kept_steps=None))
    free, policy = load_profile("none"), load_policy("f1_only")
    return {
        name: summarise(replay.record(policy.build(), free, name, training=load_training(name))).net_value / 1000
        for name in ("mix_70_30", *PROFILES)
    }


def told(values: Sequence[float]) -> str:
    """Return a mean with its 95 % interval."""
    mean, n = fmean(values), len(values)
    half = student.ppf(0.975, n - 1) * stdev(values) / n**0.5
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
