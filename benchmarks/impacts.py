"""Measure what each scenario does to a stale model, and store it: `python benchmarks/impacts.py [ID ...]`.

Five seeds of the scenario's own population. Without ids all scenarios are measured anew; with ids the others keep
what was stored. `retrainlab scenarios NAME` tells the figures, and the tests compare them with new measurements.
"""

import sys
from pathlib import Path

import scenarios
from scenarios.files import catalogue
from scenarios.impacts import Impact, impacts, to_json
from sim.study.impact import measure_impact
from sim.world.population import load_population

SEEDS = range(1, 6)


def main(ids: list[str]) -> None:
    """Measure, print and store."""
    path = Path(scenarios.__file__).parent / "catalogue" / "impacts.json"
    stored: dict[str, Impact] = dict(impacts()) if path.exists() else {}
    for name, scenario in catalogue().items():
        if not ids or scenario.id in ids:
            stored[name] = measure_impact(scenario, load_population(scenario.population), SEEDS)
            print(name, stored[name], flush=True)  # noqa: T201 - a script that prints
            path.write_text(to_json({name: stored[name] for name in catalogue() if name in stored}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
