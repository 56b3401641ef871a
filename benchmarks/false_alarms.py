"""Count false alarms by world: `python benchmarks/false_alarms.py [WORLDS] [SIZES] [POPULATIONS]`.

Each policy of a list watches the first champion of a steady world for 36 months; a world counts if it asks for a
retraining at least once. On the twin every customer is new; on the real table, `telco`, months of a later pass hold
customers of the champion's reference. For the policies that promise a rate, the hypothesis that they keep it is
tested one-sided at 99 %, with Holm's correction over policies, and their power is shown beside: the share of worlds
with an alarm within a year of two sudden drifts.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scipy.stats import binomtest

from policies.catalogue import catalogue, load_policy
from policies.decision import Action, Decision, Policy
from policies.signals import Signals
from scenarios.files import load_scenario
from scenarios.injectors import Drift, NumberDrift
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.inference.contests import holm
from sim.study.replay.replay import Replay
from sim.world.population import Population, load_population
from sim.world.world import World

PROMISED = 0.05
CALIBRATED = (
    *("psi_calibrated", "drift_calibrated", "f1_calibrated", "lord_features", "saffron_features", "lord_f1"),
)
FIXED = (
    *("psi_max > 0.1", "psi_max > 0.25", "score_psi > 0.1", "score_psi > 0.25", "ks_p_min < 0.01"),
    *("f1_drop > 0.03", "f1_drop > 0.05", "f1_drop > 0.1", "f1_estimated_drop > 0.05"),
)
MOVING = (*("psi_quantile", "psi_rolling", "f1_falling", "cara_cumulative", "expected_value", "forecast"),)
DETECTORS = tuple(
    name for name, spec in catalogue().items() if spec.kind == "detector" and not name.startswith("kswin")
)
DETECTOR_WORLDS = 50
ONSET = 12
SHIFT = NumberDrift(kind="number", column="MonthlyCharges", factor=1.1, onset_step=ONSET)


@dataclass
class Watcher:
    """Looks at everything that the policies want, acts never, and keeps what it saw."""

    wants: frozenset[str]
    seen: list[Signals] = field(default_factory=list)

    def decide(self, signals: Signals) -> Decision:
        """Keep the champion."""
        self.seen.append(signals)
        return Decision(Action.KEEP, "quiet")

    def deployed(self, version: str) -> None:
        """Take no notice."""


def main(worlds: int, sizes: Sequence[int], population: Population) -> None:
    """Print the tables that docs/policies.md shows of a population."""
    say(f"\n{population.name}")
    for size in sizes:
        alarms = count((*FIXED, *MOVING, *CALIBRATED), steady(size), worlds, population)
        tell(f"no drift, {size} customers a month", alarms, worlds)
        promised({name: alarms[name] for name in CALIBRATED}, worlds)
        for words, drift in (("charges up by a tenth", (SHIFT,)), ("competitor", load_scenario("competitor").drift)):
            few = max(worlds // 5, 1)
            found = count(CALIBRATED, steady(size, drift), few, population, since=ONSET)
            tell(f"power within a year: {words}, {size} customers a month", found, few)
    detectors = count(DETECTORS, steady(1000), DETECTOR_WORLDS, population)
    tell("no drift, detectors, 1000 customers a month", detectors, DETECTOR_WORLDS)


def promised(alarms: Mapping[str, int], worlds: int) -> None:
    """Test whether the policies that promise a rate keep it."""
    p_values = [binomtest(found, worlds, PROMISED, alternative="greater").pvalue for found in alarms.values()]
    for name, p_value in zip(alarms, holm(p_values), strict=True):
        verdict = "broken" if p_value is not None and p_value < 0.01 else "kept"
        say(f"  {name} promises {PROMISED:.0%}: {verdict} (p {p_value:.3g} after Holm)")


def steady(customers: int, drift: Sequence[Drift] = ()) -> Scenario:
    """Return the steady scenario with so many customers a month, and a drift if one is given."""
    scenario = load_scenario("steady")
    time = scenario.time.model_copy(update={"customers": customers})
    return scenario.model_copy(update={"time": time, "drift": tuple(drift)})


def count(
    names: Sequence[str], scenario: Scenario, worlds: int, population: Population, since: int = 0
) -> Mapping[str, int]:
    """Return for each policy in how many worlds it asked, from a step on; with one given, within 12 steps of it."""
    specs = {name: load_policy(name) for name in names}
    wants = frozenset[str]().union(*(getattr(spec.build(), "wants", frozenset()) for spec in specs.values()))
    alarms = dict.fromkeys(names, 0)
    for seed in range(1, worlds + 1):
        seen = watched(scenario, seed, population, wants)
        until = since + 12 if since else len(seen)
        for name, spec in specs.items():
            asked = set(asking_steps(spec.build(), seen))
            alarms[name] += any(since <= step <= until for step in asked)
    return alarms


def watched(scenario: Scenario, seed: int, population: Population, wants: frozenset[str]) -> list[Signals]:
    """Return what can be seen of the first champion in a world."""
    watcher = Watcher(wants)
    Replay(World(scenario, seed, population, kept_steps=None)).play(watcher, load_profile("none"))
    return watcher.seen


def asking_steps(policy: Policy, seen: Iterable[Signals]) -> Iterable[int]:
    """Yield the steps at which a policy asks for something, as long as nobody answers."""
    policy.deployed("first")
    for signals in seen:
        if policy.decide(signals).action is not Action.KEEP:
            yield signals.step


def tell(what: str, alarms: Mapping[str, int], worlds: int) -> None:
    """Print the share of worlds with an alarm, with its 95 % interval (Wilson)."""
    say(f"\n{what} ({worlds} worlds)")
    for name, found in alarms.items():
        interval = binomtest(found, worlds).proportion_ci(0.95, "wilson")
        say(f"  {name}: {found / worlds:.1%} ({interval.low:.1%} to {interval.high:.1%})")


def say(text: str) -> None:
    """Print at once, for the tables take minutes."""
    print(text, flush=True)  # noqa: T201 - a script that prints


if __name__ == "__main__":
    counts = [int(text) for text in sys.argv[2].split(",")] if len(sys.argv) > 2 else [300, 1000, 3000]
    for each in sys.argv[3].split(",") if len(sys.argv) > 3 else ["twin", "telco"]:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, counts, load_population(each))
