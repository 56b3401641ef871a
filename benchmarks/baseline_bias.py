"""Measure how much too good a champion's F1 at its own gate is: `python benchmarks/baseline_bias.py [SEEDS]`.

A champion is one because it did well at its gate, so that its F1 there is selected and biased upwards, and `f1_drop`,
which is counted from it, with it. Played on the real table without drift, where nothing else can move F1.
"""

import sys
from statistics import fmean

from policies.always import Always
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.jobs import FIRST_JOB, Status
from sim.mlops.records.record import Record
from sim.study.inference.contests import mean_interval
from sim.study.replay.replay import Replay
from sim.study.scores.judge import expected_f1
from sim.world.population import Population, load_population
from sim.world.world import World


def main(seeds: int) -> None:
    """Print the bias and the share of challengers that pass, with 95 % intervals over seeds."""
    population = load_population("telco")
    records = [play(seed, population) for seed in range(1, seeds + 1)]
    tell("F1 at the gate less true F1 while serving", [bias(record) for record in records])
    tell("share of challengers promoted", [promoted_share(record) for record in records])


def play(seed: int, population: Population) -> Record:
    """Return the record of a life that retrains at every step of a world without drift."""
    world = World(load_scenario("steady"), seed, population, kept_steps=None)
    return Replay(world).record(Always(), load_profile("telco_churn"), "always")


def bias(record: Record) -> float:
    """Return the mean difference over the models that were promoted and served."""
    gaps = []
    for job in record.jobs:
        months = [expected_f1(row.tally) for row in record.steps if row.champion == job.name]
        served = [f1 for f1 in months if f1 is not None]
        if job.name != FIRST_JOB and job.meeting is not None and served:
            gaps.append((job.meeting.challenger.f1 or 0.0) - fmean(served))
    return fmean(gaps)


def promoted_share(record: Record) -> float:
    """Return the share of retrained models that passed the gates."""
    return fmean(job.status is Status.PROMOTED for job in record.jobs if job.meeting and job.name != FIRST_JOB)


def tell(what: str, values: list[float]) -> None:
    """Print a mean with its interval."""
    interval = mean_interval(values)
    ends = f" ({interval.low:+.3f} to {interval.high:+.3f})" if interval else ""
    print(f"{what}: {fmean(values):+.3f}{ends}, {len(values)} seeds")  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
