"""Make reports/gallery/: the assets of the proposal, drawn from a live run and a comparison on the real table.

`make gallery`, in about five minutes on two cores. `numbers.json` beside the pictures holds what they show and what
they rest on, so that `tests/test_gallery.py` can tell when they are out of date.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib.figure import Figure

from policies.catalogue import load_policy
from reports.charts.before_after import Side, before_after_chart
from reports.comparison_report import board_charts
from reports.log_facts import read_log_facts
from reports.numbers import drawn_numbers
from reports.run_report import run_charts
from reports.save import save
from reports.study_folder import StudyFolder, lives_of, read_study
from scenarios.files import load_scenario
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.study.comparison.grid import parse_grid
from sim.study.run_folder import play_live
from sim.study.scores.table import Score
from sim.world.population import load_population
from sim.world.telco.table import cache_folder

GALLERY = Path(__file__).parents[1] / "reports" / "gallery"
NUMBERS_FILE = "numbers.json"
SCENARIO, POLICY, GATES, SEED = "competitor", "proposal", "telco_churn", 1
BEFORE, AFTER = "manual", "proposal"
POLICIES = ("never", "manual", "proposal", "proposal_without_age", "oracle", "f1_drop > {a}")
GRID = "a=0.02:0.14:7"
SEEDS = tuple(range(1, 11))


def run_figures(folder: Path, population: str = "telco") -> dict[str, Figure]:
    """Play the run of the gallery live into a folder and draw it."""
    settings = LiveSettings(
        scenario=load_scenario(SCENARIO),
        policy=load_policy(POLICY),
        population=load_population(population),
        profile=load_profile(GATES),
        seed=SEED,
        trials=0,
        folder=folder,
    )
    record = play_live(settings, resume=False)
    return dict(run_charts(record, read_log_facts(folder)))


def study_of(seeds: tuple[int, ...], folder: Path) -> StudyFolder:
    """Play the comparison of the gallery into a folder and read it back."""
    chosen = contestants(POLICIES, parse_grid([GRID]))
    study = Study((load_scenario(SCENARIO),), chosen, (load_profile(GATES),), seeds, baseline="never")
    compare(study, folder, workers=2, cache_folder=cache_folder() / "worlds")
    return read_study(folder, {})


def study_figures(study: StudyFolder) -> dict[str, Figure]:
    """Draw the comparison; before and after are the manual and the proposed policy."""
    (board,) = study.leaderboard.boards
    figures = dict(board_charts(study, board))
    sides = [lives_of(study.cells, board, policy) for policy in (BEFORE, AFTER)]
    seeds = sorted(sides[0])
    before, after = (
        Side(policy, tuple(own[seed] for seed in seeds)) for policy, own in zip((BEFORE, AFTER), sides, strict=True)
    )
    scenario = study.scenarios[board.scenario]
    figures["before_after"] = before_after_chart(before, after, scenario, seeds, "telco", GATES)
    return figures


def cell_numbers(study: StudyFolder) -> list[dict[str, Any]]:
    """Return what the pictures of the comparison rest on: a row for each policy and seed."""
    scores = (Score.NET_VALUE, Score.F1_AFTER, Score.RETRAINS, Score.REGRET)
    columns = ["policy", "seed", *(score.value for score in scores)]
    return [
        {name: float(f"{value:.9g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in study.cells[study.cells["of"].isna()][columns].to_dict("records")
    ]


def main() -> None:
    """Play, draw, and write the gallery."""
    with TemporaryDirectory() as space:
        figures = run_figures(Path(space) / "run")
        study = study_of(SEEDS, Path(space) / "study")
    figures |= study_figures(study)
    GALLERY.mkdir(exist_ok=True)
    told: dict[str, Any] = {}
    for name, figure in figures.items():
        picture = save(figure, GALLERY, name)
        told[name] = {"svg_sha256": sha256(picture.svg.encode()).hexdigest(), **drawn_numbers(figure)}
    content = {
        "command": "make gallery",
        "run": {"scenario": SCENARIO, "policy": POLICY, "gates": GATES, "seed": SEED, "trials": 0},
        "comparison": {"policies": list(POLICIES), "grid": GRID, "seeds": list(SEEDS)},
        "cells": cell_numbers(study),
        "pictures": told,
    }
    (GALLERY / NUMBERS_FILE).write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(told)} pictures in {GALLERY}\n")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:  # as where the table is not at hand
        sys.exit(f"make_gallery: {error}")
