"""Measure what bad labels cost and what each cure costs: `python benchmarks/contamination.py [SEEDS]`.

Each world is played by a policy that retrains every 90 days, without gates, and by one that never does. Printed is
what the first gains over the second: in true F1 over the second half of the life, and in net value, with 95 %
intervals over seeds.
"""

import sys
from statistics import fmean
from typing import Any

from policies.every import Every
from policies.never import Never
from scenarios.files import load_scenario
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.record import Record
from sim.study.inference.contests import mean_interval
from sim.study.replay.replay import Replay
from sim.study.scores.judge import expected_f1, summarise
from sim.world.population import Population, load_population
from sim.world.world import World

Gain = tuple[float, float]


def main(seeds: int) -> None:
    """Print a line for each variant of the three worlds in which labels mislead."""
    population = load_population("telco")
    for name, scenario in variants().items():
        gains = [gain(scenario, seed, population) for seed in range(1, seeds + 1)]
        tell(name, [f1 for f1, _ in gains], [value for _, value in gains])


def variants() -> dict[str, Scenario]:
    """Return the worlds: offers in the labels with each cure, early labels with each choice of cohorts, an outage."""
    campaign, early = load_scenario("campaign"), load_scenario("early_labels")
    return {
        "campaign, labels do not show offers": changed(campaign, "offers", seen_in_labels=False),
        **{
            f"campaign, {rule}": changed(campaign, "offers", learn_from=rule)
            for rule in ("all", "held_out", "weighted")
        },
        **{f"early_labels, {rule}": changed(early, "labels", cohorts=rule) for rule in ("complete", "naive")},
        "steady": load_scenario("steady"),
        "outage": load_scenario("outage"),
    }


def changed(scenario: Scenario, part: str, **update: Any) -> Scenario:
    """Return a scenario with some settings of one part changed."""
    return scenario.model_copy(update={part: getattr(scenario, part).model_copy(update=update)})


def gain(scenario: Scenario, seed: int, population: Population) -> Gain:
    """Return what retraining adds to the F1 of the second half of a life, and to its net value."""
    replay, gates = Replay(World(scenario, seed, population, kept_steps=None)), load_profile("none")
    never, every = (replay.record(policy, gates, "") for policy in (Never(), Every(days=90)))
    return late_f1(every) - late_f1(never), summarise(every).net_value - summarise(never).net_value


def late_f1(record: Record) -> float:
    """Return the mean true F1 over the second half of a life."""
    scores = [expected_f1(row.tally) for row in record.steps[len(record.steps) // 2 :]]
    return fmean(score for score in scores if score is not None)


def tell(name: str, f1: list[float], value: list[float]) -> None:
    """Print the gains of one variant."""
    parts = []
    for values, form in ((f1, "+.3f"), (value, "+,.0f")):
        interval = mean_interval(values)
        ends = f" ({interval.low:{form}} to {interval.high:{form}})" if interval else ""
        parts.append(f"{fmean(values):{form}}{ends}")
    print(f"{name}: F1 {parts[0]}, net value {parts[1]}, {len(f1)} seeds", flush=True)  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
