"""The study folder: what a comparison was asked and what came of it, as reports read it, at any prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reports.history import told_scenario
from scenarios.files import parse_scenario
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.study.comparison.boards import Board, Leaderboard, read_leaderboard
from sim.study.comparison.compare import LEADERBOARD_FILE, RESAMPLED_FILE, RESULTS_FILE
from sim.study.comparison.leaderboard import leaderboard
from sim.study.comparison.study_file import STUDY_FILE, StudyIdentity, read_identity
from sim.study.scores.monthly import Monthly, from_text
from sim.study.scores.pricing import PriceChange, priced, reprice_cells
from sim.study.surface.words import currency_of


@dataclass(frozen=True)
class StudyFolder:
    """What a comparison left behind: what was asked, every cell (a history's resamples apart), and the leaderboard.

    `scenarios` have the prices that the money is counted at, `played` those that it was played with.
    """

    asked: StudyIdentity
    played: Mapping[str, Scenario]
    scenarios: Mapping[str, Scenario]
    cells: pd.DataFrame
    leaderboard: Leaderboard
    resampled: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def policies(self) -> list[str]:
        """The policies that were compared, ablations left out."""
        return list(dict.fromkeys(row.policy for board in self.leaderboard.boards for row in board.policies))

    @property
    def currency(self) -> str:
        """The currency of the scenarios, nothing where they have several."""
        return currency_of(tuple(self.scenarios.values()))

    @property
    def steps(self) -> int | None:
        """The steps of a life, `None` where scenarios have different ones."""
        found = {scenario.time.steps for scenario in self.scenarios.values()}
        return found.pop() if len(found) == 1 else None


def read_study(folder: Path, change: PriceChange) -> StudyFolder:
    """Return a finished comparison at other prices where `change` gives some; `InputError` if it can't be read."""
    try:
        asked = read_identity(folder / STUDY_FILE)
        found = read_leaderboard(folder / LEADERBOARD_FILE)
        cells = pd.read_parquet(folder / RESULTS_FILE)
        again = folder / RESAMPLED_FILE
        resampled = pd.read_parquet(again) if again.exists() else pd.DataFrame()
        listed = [parse_scenario(text, str(folder / STUDY_FILE)) for text in asked.scenarios]
    except (OSError, ValueError) as error:
        msg = f"{folder} must hold a finished comparison, but it cannot be read: {error}; add --resume to compare."
        raise InputError(msg) from error
    played = {
        scenario.name: told_scenario(scenario, asked.population) if asked.is_history else scenario
        for scenario in listed
    }
    study = StudyFolder(asked, played, played, cells, found, resampled)
    return _repriced(study, change) if change else study


def lives_of(cells: pd.DataFrame, board: Board, policy: str) -> dict[int, Monthly]:
    """Return the lives of a policy in the worlds of a board, step by step, by seed."""
    if "monthly" not in cells:
        return {}
    own = cells[(cells["scenario"] == board.scenario) & (cells["gates"] == board.gates) & (cells["policy"] == policy)]
    return {int(row["seed"]): from_text(row["monthly"]) for row in own.dropna(subset=["monthly"]).to_dict("records")}


def _repriced(study: StudyFolder, change: PriceChange) -> StudyFolder:
    if "monthly" not in study.cells:
        msg = "other prices need a comparison that kept its lives step by step, and this one did not; play it again."
        raise InputError(msg)
    scenarios = {
        name: scenario.model_copy(update={"prices": priced(scenario.prices, change)})
        for name, scenario in study.scenarios.items()
    }
    before, now = ({name: each.prices for name, each in listed.items()} for listed in (study.played, scenarios))
    cells = reprice_cells(study.cells, before, now)
    resampled = reprice_cells(study.resampled, before, now) if len(study.resampled) else study.resampled
    again = leaderboard(pd.concat([cells, resampled], ignore_index=True), study.leaderboard.baseline, study.policies)
    return StudyFolder(study.asked, study.played, scenarios, cells, again, resampled)
