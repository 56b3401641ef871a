"""Settings tried by Optuna: each is judged as if it lived alone, and a killed search ends as it would have."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from figure_kit import check
from lives import TWIN, small
from test_policy_template import PATIENT
from typer.testing import CliRunner

from policies.catalogue import load_policy
from reports.charts.tried_settings import tried_settings_chart
from reports.report import write_report
from reports.surface_report import surface_page
from reports.tried_view import read_tried_view
from reports.tuning import filled
from scenarios.files import to_toml
from scenarios.injectors import ConceptDrift
from sim.cli.app import app
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.cells import WorldTask, play_world
from sim.study.comparison.contestants import Contestant
from sim.study.comparison.results import to_row
from sim.study.replay.cache import ReplayCache
from sim.study.surface.optuna_search import STUDY_NAME
from sim.study.surface.tried import TRIED_FILE, read_tried
from sim.study.surface.tuned_file import read_tuned, read_tuning

pytestmark = pytest.mark.slow
DRIFT = (ConceptDrift(kind="concept", onset_step=3, shifts={"InternetService=DSL": 3.0, "tenure/12": 0.4}),)
DRIFTING = small(8, customers=200, drift=DRIFT, delay_days=30)
QUIET = small(8, customers=200, delay_days=30).model_copy(update={"id": "quiet"})
OFTEN = ("--rule", "every(days={d})", "--range", "d=30:360")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, scenario in (("drifting", DRIFTING), ("quiet", QUIET)):
        (tmp_path / f"{name}.toml").write_text(to_toml(scenario))


def asked(*more, tries=20):
    own = ["tune", "drifting.toml", "--population", "twin", "--gates", "none", "--seeds", "3", "--confirm", "2"]
    return [*own, "--reference", "f1_drop > 0.95", "--tries", str(tries), "--cache", "cache", *more]


def tuned(out, *more, tries=20):
    told = CliRunner().invoke(app, asked("--out", out, *more, tries=tries))
    assert told.exit_code == 0, told.output or told.exception
    return told


def tried_in(folder):
    return read_tried(folder, read_tuning(folder.parent).searches[int(folder.name.removeprefix("search-")) - 1])


def test_a_setting_of_a_herd_is_judged_as_if_it_lived_alone(tmp_path):
    text = 'detector(detector="page_hinkley", settings="threshold={t}", watches="scores", cooldown_days={c})'
    tuned("out", "--rule", text, "--range", "t=0.5:50:log", "--range", "c=0:90")
    found, kept = tried_in(tmp_path / "out/search-1"), read_tuned(tmp_path / "out")
    assert found.size == kept.tries == 20
    retrains = found.values("retrains")[0]
    assert len(np.unique(retrains, axis=0)) > 2, "these settings live alike: search others"
    for number in (0, 7, 19, int(found.values("net_value")[0].mean(axis=1).argmax())):
        spec = load_policy(text.format(**{name: repr(value) for name, value in found.setting(number).items()}))
        contestants = (Contestant("mine", spec), Contestant("theirs", load_policy("f1_drop > 0.95")))
        order = WorldTask(DRIFTING, 2, contestants, (load_profile("none"),), "theirs", 0, with_split=False)
        cells = {cell.identity.policy: to_row(cell) for cell in play_world(order, TWIN, ReplayCache(None)).cells}
        for score in ("net_value", "retrains", "f1_end", "regret"):
            assert cells["mine"].get(score) == pytest.approx(found.values(score)[0, number, 1], nan_ok=True, rel=0)
        assert cells["theirs"]["net_value"] == found.reference("net_value")[0, 1]
    best = found.values("net_value")[0].mean(axis=1).argmax()
    assert kept.setting == found.setting(int(best))
    assert kept.promised.mean == pytest.approx(found.values("net_value")[0, best].mean())


def test_optunas_own_study_is_left_with_its_objectives_and_its_limits(tmp_path):
    tuned("out", *OFTEN, "--limit", "retrains_per_year <= 4", "--weight", f"{DRIFTING.id}=2")
    found = tried_in(tmp_path / "out/search-1")
    study = optuna.load_study(study_name=STUDY_NAME, storage="sqlite:///out/search-1/optuna.db")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.params for trial in study.trials] == list(found.settings)
    assert all(30 <= trial.params["d"] <= 360 for trial in study.trials)
    (years,) = found.years
    for number, trial in enumerate(study.trials):
        yearly = found.values("retrains")[0, number].mean() / years
        assert trial.values == pytest.approx([found.values("net_value")[0, number].mean(), yearly])
        (over,) = trial.constraints.values()
        assert over == pytest.approx(yearly - 4)
    assert {over > 0 for trial in study.trials for over in trial.constraints.values()} == {False, True}
    kept = read_tuned(tmp_path / "out")
    assert found.values("retrains")[0, found.settings.index(kept.setting)].mean() / years <= 4


def test_a_search_that_was_killed_goes_on_to_what_it_would_have_been(tmp_path):
    """By SIGKILL in the first and in the second batch; the one that was left alone had two workers."""
    tuned("whole", *OFTEN, "--workers", "2")
    command = [sys.executable, "-m", "sim.cli", *asked("--out", "killed", *OFTEN)]
    for batch, more in (("batch-1", ()), ("batch-2", ("--resume",))):
        started = subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 300
        while not list((tmp_path / f"killed/search-1/{batch}").glob("cells/*.json")) and time.monotonic() < until:
            assert started.poll() is None
            time.sleep(0.01)
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
        assert not (tmp_path / "killed/tuned.json").exists()
    tuned("killed", *OFTEN, "--resume")
    whole, killed = (pd.read_parquet(tmp_path / name / "search-1" / TRIED_FILE) for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(whole, killed)
    assert read_tuned(tmp_path / "whole") == read_tuned(tmp_path / "killed")


def test_a_search_that_was_killed_while_it_asked_goes_on_with_what_is_left_to_ask(tmp_path):
    tuned("out", *OFTEN, tries=3)
    folder = tmp_path / "out/search-1"
    whole = pd.read_parquet(folder / TRIED_FILE)
    for path in (folder / TRIED_FILE, folder / "optuna.db", tmp_path / "out/tuned.json"):
        path.unlink()
    shutil.rmtree(folder / "batch-1")
    storage = f"sqlite:///{folder / 'optuna.db'}"
    optuna.create_study(storage=storage, study_name=STUDY_NAME, directions=["maximize", "minimize"]).ask()
    tuned("out", *OFTEN, "--resume", tries=3)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / TRIED_FILE), whole)


def test_rules_and_other_policies_compete_and_the_choice_is_a_policy(tmp_path):
    told = tuned(
        "out", *OFTEN, "--rule", "f1_drop > {a}", "--range", "a=0.9:1", "--seeds", "5", "--confirm", "6", "--json"
    )
    said, kept = json.loads(told.stdout), read_tuned(tmp_path / "out")
    assert [each.rule for each in kept.combinations] == ["every(days={d})", "f1_drop > {a}"]
    means = [each.cross_fitted.mean for each in kept.combinations]
    assert means[0] != means[1]
    assert said["rule"] == kept.rule
    assert said["is_shown"], "retraining by the calendar beats a rule that never fires, or these worlds are too quiet"
    spec = load_policy("out/chosen.toml")
    assert spec.parameters["days"] == kept.setting["d"]
    page = write_report(tmp_path / "out").read_text()
    assert f"Use every(days={kept.setting['d']:g})" in page
    assert "--range d=30:360 --range a=0.9:1.0 --tries 20 --gates" in page
    tuning = read_tuning(tmp_path / "out")
    view = read_tried_view(tmp_path / "out", tuning, kept)
    points, *_ = tried_settings_chart(view, "Source.").subfigs[0].axes[0].collections
    drawn = np.asarray(points.get_offsets())
    np.testing.assert_allclose(drawn[:, 0], [setting["d"] for setting in view.tried.settings])
    np.testing.assert_allclose(drawn[:, 1], view.values.mean(axis=1) / 1000)


def test_a_class_of_ones_own_is_tuned_and_settings_that_fail_are_left_out(tmp_path):
    (tmp_path / "mine.py").write_text(PATIENT)
    told = tuned(
        "out", "--rule", "mine.py:Patient(steps={n}, greed={d})", "--range", "n=1:4", "--range", "d=0:1",
        "--seeds", "5", "--confirm", "6",
    )  # fmt: skip
    study = optuna.load_study(study_name=STUDY_NAME, storage="sqlite:///out/search-1/optuna.db")
    failed = [trial.state.name == "FAIL" for trial in study.trials]
    assert failed == [trial.params["d"] > 0.5 for trial in study.trials]
    together = [trial.params["n"] > 2 and trial.params["d"] > 0.7 for trial in study.trials]
    assert any(together), "no setting was tried that can't be built: take other ranges"
    assert sum(failed) > sum(together)
    found, kept = tried_in(tmp_path / "out/search-1"), read_tuned(tmp_path / "out")
    assert found.size == failed.count(False)
    assert all(setting["d"] <= 0.5 and setting["n"] in {1, 2, 3, 4} for setting in found.settings)
    assert not (tmp_path / "out/chosen.toml").exists()
    if kept.is_shown:
        shown = " ".join(told.stdout.split())
        text = f"mine.py:Patient(steps={int(kept.setting['n'])}, greed={kept.setting['d']!r})"
        assert f"The choice is {text}; run and compare take it" in shown
        assert load_policy(text).parameters["steps"] == kept.setting["n"]


def test_the_worst_regret_is_made_small_over_the_scenarios_as_objectives(tmp_path):
    tuned("out", "quiet.toml", *OFTEN, "--goal", "worst_regret")
    found = tried_in(tmp_path / "out/search-1")
    study = optuna.load_study(study_name=STUDY_NAME, storage="sqlite:///out/search-1/optuna.db")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MAXIMIZE"]
    net = found.values("net_value")
    means = net.mean(axis=2)
    np.testing.assert_allclose([trial.values for trial in study.trials], means.T)
    regret = (means.max(axis=1)[:, np.newaxis, np.newaxis] - net).max(axis=0).mean(axis=1)
    assert read_tuned(tmp_path / "out").setting == found.setting(int(regret.argmin()))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--limit", "retrains_per_year <= -1"), "a limit must leave some setting"),
        (("--limit", "happiness <= 1"), "a --limit must bound a score of the lives, got 'happiness'"),
        (("--seeds", "1"), "tuning needs at least 2 seeds"),
        (("--reference", "always"), "a reference must be a rule"),
        (("--range", "e=1:2"), "a --range must be of a placeholder"),
    ],
)
def test_what_cannot_be_tuned_is_said(more, said):
    told = CliRunner().invoke(app, asked("--out", "out", *OFTEN, *more, tries=2))
    assert isinstance(told.exception, InputError), told.output
    assert said in str(told.exception)
    assert not Path("out").exists() or "must leave some setting" in said, "what is wrong before any world is played"


def test_the_command_of_a_page_tunes_the_same_again(tmp_path):
    """With a placeholder that two policies share, a file of several policies and a file that is held out."""
    (tmp_path / "two.toml").write_text(
        '[policy.often]\nkind = "every"\ndays = "{d}"\n[policy.rule]\nretrain_when = "f1_drop > {a}"\n'
    )
    rules = ("--rule", "two.toml:often", "--rule", "every(days={d}, budget_per_year={n})", "--rule", "f1_drop > {d}")
    ranges = ("--range", "d=30.5:90", "--range", "n=1:3")
    tuned("out", *rules, *ranges, "--hold-out", "quiet.toml", tries=2)
    wanted, kept = read_tuning(tmp_path / "out"), read_tuned(tmp_path / "out")
    assert filled("two.toml:often", {"d": 45.0}) == "two.toml:often with d = 45"
    page = surface_page(tmp_path / "out", tmp_path)
    for name, text in page.texts.items():
        (tmp_path / name).write_text(text)
    command = shlex.split(page.commands[0])[1:]
    told = CliRunner().invoke(app, [*command, "--out", "again", "--cache", "cache"])
    assert told.exit_code == 0, told.exception
    assert (read_tuning(tmp_path / "again"), read_tuned(tmp_path / "again")) == (wanted, kept)


def test_many_placeholders_share_a_picture_with_numbers_on_every_axis(tmp_path):
    """A logarithmic axis within one decade has no power of ten to name."""
    settings = 'settings="threshold={t}, delta={e}", cooldown_days={c}, budget_per_year={n}'
    text = f'detector(detector="page_hinkley", {settings})'
    ranges = ("t=20:60:log", "e=0.0001:0.1:log", "c=1:90:log", "n=1:4")
    tuned("out", "--rule", text, *(word for each in ranges for word in ("--range", each)), tries=6)
    view = read_tried_view(tmp_path / "out", read_tuning(tmp_path / "out"), read_tuned(tmp_path / "out"))
    figure = tried_settings_chart(view, "Source.")
    check(figure)
    panels = figure.subfigs[0].axes
    assert [panel.get_xlabel() for panel in panels] == ["t", "e", "c"]
    for panel in panels:
        low, high = panel.get_xlim()
        shown = [label.get_text() for label in panel.get_xticklabels() if low <= label.get_position()[0] <= high]
        assert len(list(filter(None, shown))) >= 2, panel.get_xlabel()
    starts, ends = zip(*((panel.get_position().x0, panel.get_position().x1) for panel in panels), strict=True)
    assert max(np.subtract(starts[1:], ends[:-1])) < 0.1, "a legend must not push the panels apart"
    assert "Along n: the picture has the first 3" in " ".join(write_report(tmp_path / "out").read_text().split())


def test_another_policy_in_the_same_file_is_another_tuning(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[policy.often]\nkind = "every"\ndays = "{d}"\n')
    asked_for = ("--rule", "mine.toml", "--range", "d=30:360")
    tuned("out", *asked_for, tries=2)
    file.write_text(file.read_text() + "budget_per_year = 1\n")
    told = CliRunner().invoke(app, asked("--out", "out", *asked_for, "--resume", tries=2))
    assert "holds another tuning" in str(told.exception)


def test_no_tries_are_refused_and_another_number_of_them_is_another_tuning():
    told = CliRunner().invoke(app, asked("--out", "out", *OFTEN, tries=0))
    assert "--tries must be a whole number from 1 on, got 0" in str(told.exception)
    tuned("out", *OFTEN, tries=2)
    told = CliRunner().invoke(app, asked("--out", "out", *OFTEN, "--resume", tries=3))
    assert "holds another tuning" in str(told.exception)


def test_settings_that_all_fail_are_told_of_with_the_reason(tmp_path):
    (tmp_path / "mine.py").write_text(PATIENT)
    told = CliRunner().invoke(
        app, asked("--out", "out", "--rule", "mine.py:Patient(steps=1, greed={d})", "--range", "d=0.6:0.8", tries=2)
    )
    assert "so many customers" in str(told.exception)
    assert "some setting of mine.py:Patient(steps=1, greed={d}) must live in every world" in str(told.exception)
