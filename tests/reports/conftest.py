"""A run and a comparison, played once for all tests of reports in a process."""

from pathlib import Path

import pytest
from report_lives import ATTACK, CALM, DRIFTING, RULES, played

from reports.report import write_report
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.world.population_spec import PopulationSpec


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played(tmp_path_factory.mktemp("run"), "f1_drop > 0.02 or age_days > 40", ATTACK)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "study"
    chosen = contestants(["never", *RULES, "oracle"], {})
    asked = Study(
        (CALM, DRIFTING), chosen, (load_profile("none"),), (1, 2, 3, 4, 5), "never", population=PopulationSpec("twin")
    )
    compare(asked, folder)
    return folder


@pytest.fixture(scope="session")
def run_page(run: Path) -> Path:
    return write_report(run)


@pytest.fixture(scope="session")
def study_page(study: Path) -> Path:
    return write_report(study)
