"""Small surfaces, followed for reports and their pictures."""

from collections.abc import Sequence
from pathlib import Path

from report_lives import CALM, DRIFTING

from policies.catalogue import load_policy
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.lives.template import read_template
from sim.study.surface.study import SurfaceStudy, parse_ranges, survey
from sim.world.population_spec import PopulationSpec

RULE = "f1_drop > {a} or psi_max > {b}"
LONG = DRIFTING.model_copy(update={"time": DRIFTING.time.model_copy(update={"steps": 8})})


def surveyed(
    folder: Path,
    rule: str = RULE,
    ranges: Sequence[str] = ("a=-0.2:0.6",),
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5),
    scenarios: tuple[Scenario, ...] = (CALM, LONG),
) -> Path:
    """Follow a rule in small worlds and return the folder of the surface."""
    template = read_template(rule)
    box = parse_ranges(ranges, template)
    gates, proposal = load_profile("none"), load_policy("proposal")
    study = SurfaceStudy(
        scenarios=scenarios,
        seeds=seeds,
        template=template,
        box=box,
        profile=gates,
        reference=proposal,
        population=PopulationSpec("twin"),
    )
    survey(study, folder)
    return folder
