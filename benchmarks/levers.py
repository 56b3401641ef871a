"""When, on what, and through which gate: how much each lever is worth, over all scenarios.

    python benchmarks/levers.py FOLDER 1-10

plays every combination of the three levers in every world of these seeds and writes a file each into FOLDER; those
that are there already are not played again. `python benchmarks/levers.py FOLDER` says what comes of it, as the tables
of docs/training.md, and draws docs/levers.svg.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from policies.catalogue import load_policy
from scenarios.files import catalogue
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.study.replay.replay import Replay
from sim.study.scores.judge import summarise
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

WHEN = ("f1_only", "every")
WHAT = ("mix_70_30", "newest", "history", "since_change", "tournament")
GATES = ("none", "telco_churn", "non_inferiority")
PROPOSAL = ("proposal", "mix_70_30", "telco_churn")
OWN_GATES = {"fraud": "fraud", "retail": "retail_churn"}
"""The seven gates of worlds whose base rate is not Telco's."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The net value of one combination in one world, in thousands and against never retraining."""

    scenario: str
    seed: int
    when: str
    what: str
    gates: str
    gain: float
    retrains: int
    promotions: int


def combinations() -> list[tuple[str, str, str]]:
    """Return every combination, and the proposal's own."""
    return [(when, what, gates) for when in WHEN for what in WHAT for gates in GATES] + [PROPOSAL]


def play(scenario: Scenario, seed: int, population: str) -> list[Cell]:
    """Play every combination in one world."""
    replay = Replay(World(scenario, seed, PopulationSpec(population).load(scenario)[0], kept_steps=None))
    free = load_profile("none")
    never = summarise(replay.record(load_policy("never").build(), free, "never")).net_value
    cells = []
    for when, what, gates in combinations():
        profile = load_profile(OWN_GATES.get(scenario.id, gates) if gates == "telco_churn" else gates)
        record = replay.record(load_policy(when).build(), profile, when, training=load_training(what))
        told = summarise(record)
        gain = (told.net_value - never) / 1000
        cells.append(Cell(scenario.id, seed, when, what, gates, gain, told.retrains, told.promotions))
    return cells


def campaign(folder: Path, seeds: range) -> None:
    """Play every world that the folder does not hold yet, one file a world."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for scenario in catalogue().values():
            path = folder / f"{scenario.id}-{seed}.json"
            if path.exists():
                continue
            cells = play(scenario, seed, scenario.population)
            part = path.with_suffix(".part")
            part.write_text(json.dumps([asdict(cell) for cell in cells]), encoding="utf-8")
            part.replace(path)
            print(path.name, flush=True)  # noqa: T201 - a script that prints


if __name__ == "__main__":
    first, last = (int(text) for text in sys.argv[2].split("-"))
    campaign(Path(sys.argv[1]), range(first, last + 1))
