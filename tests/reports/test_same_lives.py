"""Policies that led the same lives are one row, none is lost, and a number that does nothing is said to."""

import re
from dataclasses import replace
from itertools import product

import pytest
from lives import small
from mlflow import MlflowClient

from reports.labels import by_numbers, cut_labels
from reports.same_lives import condensed, idle_numbers, range_name
from scenarios.injectors import ConceptDrift
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.study.comparison.tracking import EXPERIMENT, own_store, track
from sim.study.scores.table import RANKED_BY
from sim.world.population_spec import PopulationSpec

DRIFT = (ConceptDrift(kind="concept", onset_step=3, shifts={"InternetService=DSL": 2.0}),)
RULE = "f1_drop > {a} or n_labelled < {b}"


STUDY = Study(
    scenarios=(small(6, drift=DRIFT, delay_days=30),),
    contestants=contestants(["never", RULE], {"a": tuple(at / 50 for at in range(12)), "b": (-2.0, -1.0)}),
    profiles=(load_profile("none"),),
    seeds=(1, 2),
    baseline="never",
    population=PopulationSpec("twin"),
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return compare(STUDY, tmp_path_factory.mktemp("grid") / "study")


def test_each_life_is_one_row_and_no_setting_is_lost(result):
    (board,) = result.leaderboard.boards
    short, said = condensed(board, "never")
    cells = result.cells[result.cells["policy"] != "never"]
    told = cells.pivot(index="policy", columns="seed", values=["net_value", "detection_days", "f1_after"])
    lives = told.fillna(-1).drop_duplicates()
    rows = [row for row in short.policies if row.policy != "never"]
    assert said == [f"25 policies led {len(lives) + 1} different lives; those that did the same are one row."]
    assert len(rows) == len(lives) < 12
    counts = [int(found[1]) if (found := re.search(r"\((\d+) settings\)", row.policy)) else 1 for row in rows]
    assert sum(counts) == 24


def test_mlflow_has_a_run_for_each_life_that_settings_led_and_names_every_setting(tmp_path, result):
    store = own_store(tmp_path)
    track(STUDY, result, store, tmp_path)
    client = MlflowClient(store)
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (board,) = result.leaderboard.boards
    assert len(children) == len(condensed(board, "never")[0].policies) < len(board.policies)
    means = {row.policy: row.scores[RANKED_BY].mean for row in board.policies}
    named = {}
    for run in children:
        names = run.data.tags.get("policies", run.data.tags["policy"]).split("; ")
        assert names[0] == run.data.tags["policy"]
        assert len(names) == int(run.data.tags.get("settings", 1))
        named |= dict.fromkeys(names, run.data.metrics["net_value"])
    assert named == means
    late = "f1_drop > 0.22 or n_labelled < -1"
    assert len(client.search_runs([runs[0].info.experiment_id], f"tags.policies LIKE '%{late}%'")) == 1


def test_a_number_that_does_nothing_is_said_to_do_nothing_and_one_that_does_is_not(result):
    (board,) = result.leaderboard.boards
    (sentence,) = idle_numbers(board)
    assert sentence.startswith("The number of n_labelled in f1_drop > ... or n_labelled < ... makes no difference")
    assert "from -2 to -1" in sentence


def test_a_board_of_different_lives_stays_as_it_is(result):
    (board,) = result.leaderboard.boards
    alone = {repr(dict(row.scores)): row for row in board.policies}
    few = replace(board, policies=tuple(alone.values()))
    assert condensed(few, "never") == (few, [])


def test_other_policies_of_the_same_life_are_named_beside_each_other(result):
    (board,) = result.leaderboard.boards
    row = board.policies[1]
    alike = replace(board, policies=(board.policies[0], replace(row, policy="mine"), replace(row, policy="yours")))
    short, _ = condensed(alike, "never")
    assert [each.policy for each in short.policies] == ["never", "mine = yours"]
    short, _ = condensed(replace(alike, policies=alike.policies[1:]), "mine")
    assert [each.policy for each in short.policies] == ["mine", "yours"], "the baseline has a row of its own"


def test_a_range_is_that_of_each_number():
    assert range_name(["psi_max > 1", "psi_max > 2.5", "psi_max > 1.5"]) == "psi_max > 1 to 2.5 (3 settings)"
    assert range_name(["f1 < 0.5"]) == "f1 < 0.5"
    assert range_name(["f1 < 0.121052631579", "f1 < 0.9"]) == "f1 < 0.121 to 0.9 (2 settings)"


def test_settings_of_one_rule_are_told_by_their_numbers():
    names = ["f1 < 0.4 or psi_max > 0.1 to 1,200 (3 settings)", "f1 < 0.5 or psi_max > 0.2 (2 settings)", "always"]
    labels, rules = by_numbers(names)
    assert labels == {names[0]: "A 0.4, B 0.1 to 1,200", names[1]: "A 0.5, B 0.2"}
    assert rules == ["f1 < A or psi_max > B"]


@pytest.mark.parametrize("width", [8, 12, 20, 33])
def test_cut_labels_fit_and_differ(width):
    numbers = product(range(5), range(4), range(1, 3))
    names = [f"f1_drop > 0.0{a} or psi_max > 0.{b} and age_days > {c}0" for a, b, c in numbers]
    told = cut_labels([*names, "never"], width)
    assert len(set(told)) == len(names) + 1
    assert max(map(len, told)) <= width
