"""The steps of a comparison: its scores follow from them, for somebody who has nothing but the folder."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from test_compare import CALM, DRIFTING, NONE, RULE, TELCO, Broken, broken_study, study

from policies.catalogue import load_policy
from sim.study.comparison.compare import compare
from sim.study.comparison.steps import STEPS_FILE

SCRIPT = Path(__file__).parents[2] / "examples" / "rederive.py"
POLICIES = ("never", "every(days=60)", RULE, "ladder", "reactive", "oracle", "coin(like=every(days=60))")
N_STEPS = 8
WORLD = ["scenario", "gates", "seed"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A comparison of seven policies in a calm and in a drifting world, under two gate profiles, over five seeds."""
    found = tmp_path_factory.mktemp("study") / "out"
    drifting = DRIFTING.model_copy(update={"time": DRIFTING.time.model_copy(update={"steps": N_STEPS})})
    asked = study(*POLICIES, scenarios=(CALM, drifting), profiles=(NONE, TELCO), seeds=(1, 2, 3, 4, 5))
    assert compare(asked, found).failures.empty
    return found


def rederived(folder):
    """What the script says of a folder, in a process that can't import the project, and its exit code."""
    command = [sys.executable, "-I", str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr, done.returncode


def test_every_score_follows_from_the_steps(folder):
    said, code = rederived(folder)
    assert code == 0, said
    told = {line.split("cells")[0].strip() for line in said.splitlines()[1:]}
    assert {"net_value", "f1_after", "regret", "recovery_gained", "recovery_days", "retrains", "rollbacks"} <= told
    assert {"detection_days", "f1_recovery", "net value, paired"} <= told


def test_the_script_is_short_and_imports_nothing_of_the_project():
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 150
    nodes = list(ast.walk(ast.parse(text)))
    names = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names <= {"json", "sys", "tomllib", "pathlib", "numpy", "pandas", "duckdb", "scipy"}


@pytest.mark.parametrize(
    ("column", "score"),
    [
        ("offers", "net_value"),
        ("predicted_expected_churners", "f1_after"),
        ("models_trained", "retrains"),
        ("fresh_f1", "recovery_attainable"),
    ],
)
def test_steps_that_are_others_are_found_out(folder, tmp_path, column, score):
    shutil.copytree(folder, tmp_path / "other")
    steps = pd.read_parquet(folder / STEPS_FILE)
    where = steps[column].notna() & (steps["scenario"] == "drifting@1") & (steps["step"] == 3)
    steps.loc[where, column] += 1
    steps.to_parquet(tmp_path / "other" / STEPS_FILE)
    said, code = rederived(tmp_path / "other")
    assert code == 1
    (line,) = (line for line in said.splitlines() if line.split()[0] == score)
    assert "0.0e+00" not in line.split("board")[0]


def test_a_mean_that_is_another_is_found_out(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    board = json.loads((folder / "leaderboard.json").read_text())
    board["boards"][0]["policies"][1]["scores"]["net_value"]["mean"] += 1
    (tmp_path / "other" / "leaderboard.json").write_text(json.dumps(board))
    assert rederived(tmp_path / "other")[1] == 1


def test_each_world_has_its_contestants_and_the_two_that_they_are_measured_against(folder):
    steps, cells = pd.read_parquet(folder / STEPS_FILE), pd.read_parquet(folder / "results.parquet")
    lives = steps.groupby([*WORLD, "role", "policy"])["step"].apply(list)
    assert len(lives) == len(cells) + 2 * len(cells.groupby(WORLD))
    assert all(found == list(range(N_STEPS if "drifting" in key[0] else 5)) for key, found in lives.items())
    assert {"keep", "retrain", "rollback", "recalibrate"} <= set(steps["action"])
    assert set(steps.loc[steps["role"] != "policy", "policy"]) == {"never", "oracle"}
    own = steps[steps["policy"] == "never"].drop(columns=["fresh_f1", "fresh_noise", "is_false_alarm"])
    asked, kept = (own[own["role"] == role].drop(columns="role") for role in ("policy", "never"))
    pd.testing.assert_frame_equal(asked.reset_index(drop=True), kept.reset_index(drop=True))
    fresh = steps["fresh_f1"].notna()
    assert (fresh == ((steps["role"] == "never") & (steps["scenario"] != "calm@1") & (steps["step"] >= 2))).all()


def test_worlds_that_are_played_again_take_the_place_of_their_steps(tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    compare(broken_study(monkeypatch), out)
    failed = pd.read_parquet(out / STEPS_FILE)
    assert "broken" not in set(failed["policy"])
    (out / "cells" / "calm@1-seed1.json").unlink()
    monkeypatch.setattr(Broken, "decide", lambda _, signals: load_policy("never").build().decide(signals))
    assert compare(broken_study(monkeypatch), out, resume=True).failures.empty
    compare(broken_study(monkeypatch), whole)
    assert (out / STEPS_FILE).read_bytes() == (whole / STEPS_FILE).read_bytes()
    assert not list((out / "cells").glob("*.parquet"))


def test_a_study_that_is_resumed_ends_with_the_same_steps(tmp_path):
    asked, out = study("never", "always"), tmp_path / "out"
    compare(asked, out)
    before = (out / STEPS_FILE).read_bytes()
    compare(asked, out, resume=True)
    assert (out / STEPS_FILE).read_bytes() == before
    (out / "cells" / "drifting@1-seed2.json").unlink()
    compare(asked, out, resume=True)
    assert (out / STEPS_FILE).read_bytes() == before


def test_a_folder_of_an_older_version_opens_and_goes_on_without_the_steps_that_it_has_not(tmp_path):
    asked, out = study("never", "always"), tmp_path / "out"
    compare(asked, out)
    (out / STEPS_FILE).unlink()
    cells = out / "cells" / "calm@1-seed1.json"
    cells.write_text(json.dumps(json.loads(cells.read_text()), indent=1))
    (out / "cells" / "drifting@1-seed2.json").unlink()
    assert compare(asked, out, resume=True).failures.empty
    found = pd.read_parquet(out / STEPS_FILE)
    assert set(zip(found["scenario"], found["seed"], strict=True)) == {("drifting@1", 2)}


def test_the_page_of_files_explains_every_column(folder):
    page = (SCRIPT.parents[1] / "docs" / "files.md").read_text(encoding="utf-8")
    assert [name for name in pd.read_parquet(folder / STEPS_FILE) if f"`{name}`" not in page] == []
