"""Speed of a report: of a run of 36 months, and of 12 policies in 12 scenarios.

Run by `make bench`. The comparison's cells are made up, in the format of `compare`; no picture of them is kept. The
figures are reported, never asserted: a machine may be busy. The aims are 20 s and 60 s.
"""

import json
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figures import Figure, Tell

from policies.catalogue import load_policy
from reports.report import write_report
from scenarios.files import load_scenario, to_toml
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings
from sim.study.comparison.boards import write_leaderboard
from sim.study.comparison.leaderboard import leaderboard
from sim.study.comparison.study_file import StudyIdentity, write_identity
from sim.study.run_folder import play_live
from sim.study.scores.monthly import Monthly, to_text
from sim.study.scores.table import Score
from sim.world.population import load_population

_STEPS, _SEEDS = 36, 20
_POLICIES = ["never", "proposal", "manual", "oracle", *(f"f1_drop > 0.{number:02d}" for number in range(2, 18, 2))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Path:
    """Return the folder of a live run of 36 months on the twin."""
    folder = Path(tmp_path_factory.mktemp("report") / "run")
    scenario, policy = load_scenario("competitor"), load_policy("proposal")
    profile = load_profile("telco_churn")
    play_live(LiveSettings(scenario, policy, load_population("twin"), profile, 1, 0, folder), resume=False)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: Any) -> Path:
    """Return the folder of a made-up comparison of 12 policies, 12 scenarios and 20 seeds."""
    folder = Path(tmp_path_factory.mktemp("report") / "study")
    folder.mkdir()
    base, rng = load_scenario("competitor"), np.random.default_rng(1)
    scenarios = [base.model_copy(update={"id": f"{base.id}-{letter}"}) for letter in "abcdefghijkl"]
    cells = pd.DataFrame(
        [
            cell(scenario.name, policy, seed, rng)
            for scenario in scenarios
            for policy in _POLICIES
            for seed in range(1, _SEEDS + 1)
        ]
    )
    asked = StudyIdentity(
        scenarios=tuple(to_toml(each) for each in scenarios),
        policies=tuple((policy, None) for policy in _POLICIES),
        gates=("telco_churn",),
        seeds=tuple(range(1, _SEEDS + 1)),
        baseline="never",
        population="twin",
        population_arguments=("--population", "twin"),
        trials=0,
        split=False,
    )
    write_identity(asked, folder / "study.json")
    write_leaderboard(leaderboard(cells, "never", _POLICIES), folder / "leaderboard.json")
    cells.to_parquet(folder / "results.parquet", index=False)
    return folder


def cell(scenario: str, policy: str, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    f1 = tuple((0.5 + 0.1 * rng.random(_STEPS)).tolist())
    reached = tuple((40 + 20 * rng.random(_STEPS)).tolist())
    return {
        "scenario": scenario,
        "gates": "telco_churn",
        "policy": policy,
        "of": None,
        "drops": None,
        "seed": seed,
        "error": None,
        "days_after_onset": 720,
        "recovery_gained": 1 + rng.random(),
        "recovery_attainable": 4 + rng.random(),
        "regret_missing": None,
        "clauses": json.dumps([{"clause": policy, "true": 3, "true_alone": 2, "missing": 1}]),
        "monthly": to_text(Monthly(f1, (100,) * _STEPS, reached, (12, 13), (14,))),
        **{score.value: 100 * (1 + _POLICIES.index(policy)) + rng.random() for score in Score if score.is_averaged},
    }


def measured(benchmark: Any, tell: Tell, folder: Path, what: str, aim_seconds: float) -> None:
    """Write a report and tell its seconds, its processor seconds, and what it holds."""
    start = process_time()
    benchmark.pedantic(lambda: write_report(folder), rounds=1)
    spent = process_time() - start
    pictures = list((folder / "report").glob("*.svg"))
    megabytes = (folder / "report" / "report.html").stat().st_size / 1e6
    seconds = benchmark.stats.stats.min
    size = f"{len(pictures)} pictures, {megabytes:.1f} MB, {spent:.1f} s of processor"
    tell(
        Figure(f"report: {what} ({size})", f"{seconds:.1f} s", seconds / aim_seconds, f"{aim_seconds:g} s", at_most=1)
    )


def test_a_run_of_36_months(benchmark: Any, tell: Tell, run: Path) -> None:
    """The aim is 20 s."""
    measured(benchmark, tell, run, "36 months", 20)


def test_12_policies_in_12_scenarios(benchmark: Any, tell: Tell, study: Path) -> None:
    """The aim is 60 s."""
    measured(benchmark, tell, study, "12 policies in 12 scenarios", 60)
