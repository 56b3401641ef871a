"""What holds of money, scores and verdicts for every policy and every scenario of the catalogue."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lives import TWIN

from policies.catalogue import catalogue as policies
from scenarios.files import catalogue as scenarios
from scenarios.schema import Prices, Scenario, Time
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.boards import Leaderboard
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.conditions import parse_condition
from sim.study.comparison.contestants import contestants
from sim.study.scores.pricing import reprice_cells
from sim.study.scores.regret import at_once
from sim.study.scores.table import Score
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

OTHER = Prices(customer_value=3000, offer_cost=10, success_rate=0.5, retrain_cost=7)
NAMES = tuple(name for name in policies() if not name.startswith("kswin"))  # half a second a step: the same kind
COINS = {f"coin(like={name})": name for name in NAMES if policies()[name].kind != "never"}
ONSET = 3


def smaller(name: str) -> Scenario:
    """A scenario of the catalogue that is over in twelve steps of 300 customers, on the twin."""
    scenario = scenarios()[name]
    early = tuple(
        each.model_copy(
            update={"onset_step": min(each.onset_step, ONSET), "duration_steps": min(each.duration_steps, 6)}
        )
        for each in scenario.drift
    )
    time = Time(**{**scenario.time.model_dump(), "steps": 12, "customers": 300})
    return scenario.model_copy(update={"time": time, "drift": early, "population": "twin"})


@dataclass(frozen=True)
class Played:
    """A comparison of all policies, a coin for each, and the oracle in all scenarios, and its folder."""

    folder: Path
    cells: pd.DataFrame
    steps: pd.DataFrame
    leaderboard: Leaderboard
    prices: dict[str, Prices]


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Played:
    folder = tmp_path_factory.mktemp("catalogue") / "study"
    worlds = tuple(smaller(name) for name in scenarios())
    asked = Study(
        worlds,
        contestants((*NAMES, *COINS, "oracle"), {}),
        (load_profile("none"),),
        (5,),
        "never",
        PopulationSpec("twin"),
    )
    found = compare(asked, folder)
    assert found.failures.empty
    steps = pd.read_parquet(folder / "steps.parquet")
    return Played(folder, found.cells, steps, found.leaderboard, {each.name: each.prices for each in worlds})


@pytest.mark.slow
def test_pricing_a_comparison_again_at_the_prices_it_was_played_at_changes_nothing(played):
    """For every policy with every action: it is computed anew because other prices are said to have held."""
    assert set(played.steps["action"]) == {"keep", "retrain", "rollback", "recalibrate", "quarantine"}
    others = dict.fromkeys(played.prices, OTHER)
    again = reprice_cells(played.cells, others, played.prices)
    for score in ("net_value", "roi_proposal", "retrains", "f1_after"):
        pd.testing.assert_series_equal(again[score], played.cells[score], check_exact=score != "roi_proposal")
    there_and_back = reprice_cells(reprice_cells(played.cells, played.prices, others), others, played.prices)
    pd.testing.assert_series_equal(there_and_back["net_value"], played.cells["net_value"])
    assert reprice_cells(played.cells, played.prices, played.prices) is played.cells


@pytest.mark.slow
def test_nobody_recovers_before_something_is_lost_and_never_never_does(played):
    never = played.steps[played.steps["role"] == "never"].set_index(["scenario", "step"])
    stale = 2 * never["predicted_expected_churners"] / (never["predicted"] + never["expected_churners"])
    lost = (never["fresh_f1"] - stale)[lambda loss: loss > never["fresh_noise"].reindex(loss.index)]
    first = lost.reset_index().groupby("scenario")["step"].min()
    timed = played.cells[played.cells["recovery_days"].notna()]
    assert len(timed) > 0
    for row in timed.itertuples():
        scenario = smaller(row.scenario)
        assert row.recovery_days >= (first[row.scenario] - scenario.onset_step) * scenario.time.step_days
    assert not (timed["policy"] == "never").any()


@pytest.mark.slow
def test_every_detection_is_an_alarm_that_does_not_come_without_the_drift(played):
    asked = played.steps[(played.steps["cause"] == "alarm") & (played.steps["models_trained"] > 0)]
    onsets = {name: smaller(name).onset_step for name in scenarios()}
    after = asked[asked["step"] >= asked["scenario"].map(onsets).fillna(np.inf)]
    assert after["is_false_alarm"].notna().all()
    assert after["is_false_alarm"].any(), "some alarm comes by chance"
    caused = after[~after["is_false_alarm"].astype(bool)].groupby(["scenario", "policy"])["step"].min()
    days = played.cells.set_index(["scenario", "policy"])["detection_days"].dropna()
    assert set(days.index) == set(caused.index)
    for key, found in days.items():
        step_days = smaller(key[0]).time.step_days
        assert found == (caused[key] - onsets[key[0]]) * step_days


@pytest.mark.slow
def test_every_coin_asks_as_often_as_its_model(played):
    retrains = played.cells.set_index(["scenario", "policy"])["retrains"]
    for scenario in played.prices:
        for coin, model in COINS.items():
            assert retrains[scenario, coin] == retrains[scenario, model], (scenario, coin)
    assert retrains.max() > 8


@pytest.mark.slow
def test_no_score_of_any_policy_passes_a_condition_silently(played):
    """It holds, or does not hold and is known on every board, or ends with the reason why it can't be told."""
    reasons = set()
    for name in (*NAMES, "oracle"):
        rows = [row for board in played.leaderboard.boards if (row := board.row(name)) is not None]
        for score in Score:
            if not score.is_on_boards:
                continue
            known = [row.estimate(score) for row in rows]
            never_met = parse_condition(f"{name}.{score} > 1e300", [name])
            if all(each is not None for each in known):
                assert never_met.is_met(played.leaderboard) is False
            else:
                with pytest.raises(InputError, match=f"needs a {score} of ") as told:
                    never_met.is_met(played.leaderboard)
                reasons.add(str(told.value).rsplit(": ", 1)[1])
            always_met = parse_condition(f"{name}.{score} < 1e300", [name])
            if any(each is not None for each in known):
                assert always_met.is_met(played.leaderboard) is True
    assert len(reasons) > 5
    assert all(len(reason) > 10 and not reason.startswith("None") for reason in reasons)


@pytest.mark.slow
def test_all_of_it_follows_from_the_steps(played):
    script = Path(__file__).parents[2] / "examples" / "rederive.py"
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(played.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", scenarios())
def test_lifting_the_label_delay_of_a_scenario_changes_nothing_but_when_labels_come(name):
    scenario = smaller(name)
    prompt = scenario.model_copy(update={"labels": at_once(scenario.labels)})
    kept = ("never_share", "correction_share", "correction_days", "cohorts")
    assert all(getattr(scenario.labels, each) == getattr(prompt.labels, each) for each in kept)
    told = []
    for each in (scenario, prompt):
        world = World(each, 5, TWIN)
        nobody = np.zeros(len(world.batch(2).customer_id), dtype=np.bool_)
        events = world.labels(2, nobody)
        order = np.argsort(events.arrives_at, kind="stable")
        rows, first = np.unique(events.row[order], return_index=True)
        told.append((rows.tolist(), events.label[order][first].tolist()))
        assert world.truth(2).churns.tolist() == World(scenario, 5, TWIN).truth(2).churns.tolist()
    assert told[0] == told[1]
