"""How far the estimate of `compare --dry-run` is off, for five studies of different kinds, in processor time."""

import time
from pathlib import Path
from typing import Any

import pytest
from figures import Figure, Tell

from sim.study.comparison import compare as comparing
from sim.study.comparison.compare import Study, compare, expected_seconds
from sim.study.comparison.plan import StudyRequest, plan_study
from sim.world.population_spec import PopulationSpec

STUDIES: dict[str, dict[str, object]] = {
    "two policies, two seeds": {
        "scenarios": ("competitor",),
        "policies": ("proposal", "never"),
        "seeds": (1, 2),
    },
    "65 policies": {
        "scenarios": ("competitor",),
        "policies": ("never", "f1_drop > {a} or psi_max > {b}"),
        "grid": ("a=0.02:0.3:8", "b=0.1:1.1:8"),
    },
    "two scenarios and gates": {
        "scenarios": ("steady", "season"),
        "policies": ("never", "proposal", "f1_drop > 0.05", "adwin_errors"),
        "gates": ("none", "telco_churn"),
    },
    "a search of 20 trials": {"scenarios": ("competitor",), "policies": ("proposal", "never"), "trials": 20},
    "104 weeks": {"scenarios": ("weekly_competitor",), "policies": ("proposal", "never")},
}


def planned(asked: dict[str, object]) -> Study:
    rest = {"gates": ("telco_churn",), "seeds": (1,), "population": PopulationSpec("twin"), "baseline": "never"}
    return plan_study(StudyRequest(**{**rest, **asked}), lambda _: None).study  # type: ignore[arg-type] # of a table


@pytest.mark.parametrize("name", STUDIES)
def test_estimate(benchmark: Any, name: str, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The larger of estimate by time and time by estimate; the aim is within a factor of two."""
    monkeypatch.setattr(comparing, "perf_counter", time.process_time)
    study = planned(STUDIES[name])
    expected = expected_seconds(study, workers=1)
    start = time.process_time()
    benchmark.pedantic(lambda: compare(study, tmp_path / "study"), rounds=1)
    took = time.process_time() - start
    off = max(expected / took, took / expected)
    tell(Figure(f"--dry-run: {name}", f"{expected:.1f} s for {took:.1f} s", off, "what it took, or it to it", 2))
