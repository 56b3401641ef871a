"""Comparisons: the same results for any number of workers, after a kill, from a cache; failures and bad input."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm as lgb
import pandas as pd
import pytest
import tomli_w
from lives import CHEAP, TWIN, small
from mlflow import MlflowClient
from test_cli import call, refused

from policies.catalogue import load_policy
from policies.spec import KINDS, PolicySpec
from scenarios.files import to_toml
from scenarios.injectors import ConceptDrift
from scenarios.schema import Jobs, Offers, Prices
from sim.errors import InputError
from sim.mlops.gates import profiles as gate_profiles
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.boards import read_leaderboard
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import Contestant, contestants
from sim.study.comparison.tracking import EXPERIMENT
from sim.study.replay.replay import Replay
from sim.study.scores import judge, money
from sim.study.scores.fresh import fresh_f1, loss_noise
from sim.study.scores.oracle import plan, planner
from sim.study.scores.recovery import recovery
from sim.study.scores.regret import needless
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

DRIFT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
)
PRICES = Prices(retrain_cost=100.0)
TINY = small(steps=5, customers=100, delay_days=30, recipe=CHEAP.model_copy(update={"rounds": 3}))
CALM = TINY.model_copy(update={"id": "calm", "prices": PRICES})
DRIFTING = TINY.model_copy(update={"id": "drifting", "prices": PRICES, "drift": (DRIFT,)})
NONE, TELCO = load_profile("none"), load_profile("telco_churn")
RULE = "f1_drop > 0.02 or age_days > 40"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def study(*texts, scenarios=(CALM, DRIFTING), profiles=(NONE,), seeds=(1, 2), baseline="never", **more):
    return Study(
        scenarios, contestants(texts, {}), profiles, seeds, baseline, population=PopulationSpec("twin"), **more
    )


def same(one, other):
    pd.testing.assert_frame_equal(one.cells, other.cells)
    assert one.leaderboard == other.leaderboard


# What a cell holds


def test_a_cell_holds_what_judge_and_oracle_say(tmp_path):
    found = compare(study("never", RULE, "oracle", scenarios=(DRIFTING,), seeds=(3,)), tmp_path / "out")
    cells = found.cells.set_index("policy")
    replay = Replay(World(DRIFTING, 3, TWIN, kept_steps=None))
    record, never = (replay.record(load_policy(each).build(), NONE, each) for each in (RULE, "never"))
    scores, best = judge.summarise(record), plan(replay, NONE, PRICES)
    wasted = needless(planner(replay, NONE, PRICES), record)
    recovered = recovery(
        record, never, {step: fresh_f1(replay, step) for step in range(2, 5)}, loss_noise(replay, range(2, 5))
    )
    cell = cells.loc[RULE]
    assert cell["net_value"] == scores.net_value
    assert cell["f1_after"] == scores.f1_after
    assert cell["retrains"] == scores.retrains > 0
    assert cell["regret"] == best.net_value - scores.net_value
    assert (cell["needless_retrains"], cell["needless_cost"]) == (wasted.retrains, wasted.cost)
    assert (cell["recovery_gained"], cell["recovery_attainable"]) == (recovered.gained, recovered.attainable)
    assert cell["break_even_retrain_cost"] == money.break_even_retrain_cost(record, never, PRICES)
    assert cell["days_after_onset"] == 90
    assert cells.loc["oracle"]["regret"] == pytest.approx(0, abs=1e-6)
    assert cells.loc["never"]["recovery_gained"] == 0
    assert set(cells.index) == {"never", RULE, "oracle", *(f"{RULE} without {c}" for c in RULE.split(" or "))}
    read = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert len(read) == len(found.cells) == 5
    assert read_leaderboard(tmp_path / "out" / "leaderboard.json") == found.leaderboard


def test_the_split_prices_each_constraint(tmp_path):
    slow = DRIFTING.model_copy(update={"jobs": Jobs(train_days=31)})
    found = compare(study("never", scenarios=(slow,), seeds=(1,), with_split=True), tmp_path / "out")
    cell = found.cells.iloc[0]
    assert cell["price_of_gates"] == cell["price_of_approval_time"] == 0
    assert cell["price_of_label_delay"] != 0


def test_regret_is_missing_with_the_reason_where_labels_depend_on_what_was_served(tmp_path):
    contaminated = DRIFTING.model_copy(update={"offers": Offers(seen_in_labels=True)})
    found = compare(study("never", "always", "oracle", scenarios=(contaminated,), seeds=(1,)), tmp_path / "out")
    cells = found.cells.set_index("policy")
    assert cells["regret"].isna().all()
    assert "depend on what was served" in cells.loc["oracle"]["missing"]
    assert found.failures.empty
    assert cells.loc["always"]["net_value"] > 0


def test_a_baseline_may_be_a_coin_or_the_oracle(tmp_path):
    coin = "coin(like=always)"
    for baseline in (coin, "oracle"):
        found = compare(study(coin, "always", "oracle", seeds=(1,), baseline=baseline), tmp_path / baseline)
        assert found.failures.empty
        cells = found.cells[found.cells["scenario"] == "drifting@1"].set_index("policy")
        assert cells.loc[coin]["retrains"] == cells.loc["always"]["retrains"]


# The same for workers, kills and caches


@pytest.mark.slow
def test_two_workers_find_what_one_does(tmp_path):
    asked = study("never", RULE, "coin(like=never)", "oracle", profiles=(NONE, TELCO))
    one = compare(asked, tmp_path / "one", cache_folder=tmp_path / "cache1")
    two = compare(asked, tmp_path / "two", workers=2, cache_folder=tmp_path / "cache2")
    same(one, two)


def test_a_second_comparison_of_the_same_worlds_trains_nothing(tmp_path, monkeypatch):
    asked = study("never", RULE, "oracle", with_split=True)
    first = compare(asked, tmp_path / "one", cache_folder=tmp_path / "cache")

    def train(*given, **named):
        raise AssertionError("nothing should be trained")

    monkeypatch.setattr(lgb, "train", train)
    same(first, compare(asked, tmp_path / "two", cache_folder=tmp_path / "cache"))
    more = study("never", "always", "every(days=60)", profiles=(NONE, TELCO))  # alarms train where nothing drifts too
    assert compare(more, tmp_path / "more", cache_folder=tmp_path / "cache").failures.empty


def test_a_finished_comparison_is_only_read_on_resume(tmp_path, monkeypatch):
    asked = study("never", "always")
    first = compare(asked, tmp_path / "out")
    monkeypatch.setattr(Replay, "play", None)
    same(first, compare(asked, tmp_path / "out", resume=True))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_comparison_resumes_to_the_same_results(tmp_path, workers):
    for scenario in (CALM, DRIFTING):
        Path(f"{scenario.id}.toml").write_text(to_toml(scenario))
    command = [sys.executable, "-m", "sim.cli", "compare", "calm.toml", "drifting.toml", "--population", "twin"]
    command += ["--policy", "never", "--policy", RULE, "--policy", "oracle", "--seeds", "7", "--out", "out"]
    command += ["--gates", "none", "--cache", "cache", "--workers", str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(Path("out/cells").glob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.read_bytes() for path in Path("out/cells").glob("*.json")}
    assert 3 <= len(done) < 14
    _wait_until_gone(children)
    asked = study("never", RULE, "oracle", seeds=tuple(range(1, 8)))
    resumed = compare(asked, Path("out"), resume=True)
    assert all(path.read_bytes() == content for path, content in done.items())
    same(resumed, compare(asked, Path("another")))


def _children(pid):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in listed.stdout.split()]


def _wait_until_gone(pids):
    """Wait for the workers of a killed comparison: they must notice by themselves."""
    until = time.monotonic() + 20
    while any(_is_running(pid) for pid in pids):
        assert time.monotonic() < until, "a worker outlives its comparison"
        time.sleep(0.1)


def _is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# Failures


@dataclass
class Broken:
    """A policy that fails in the middle of its life."""

    def decide(self, signals):
        if signals.step == 3:
            raise RuntimeError("it broke")
        return load_policy("never").build().decide(signals)

    def deployed(self, version):
        pass


def broken_study(monkeypatch):
    monkeypatch.setitem(KINDS, "broken", Broken)
    broken = Contestant("broken", PolicySpec("broken", "broken"))
    asked = study("never", "always", "coin(like=always)")
    return replace(asked, contestants=(broken, *asked.contestants, Contestant("coin", like="broken")))


def test_a_failed_cell_is_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    found = compare(broken_study(monkeypatch), tmp_path / "out")
    assert len(found.cells) == 4 * 5
    assert found.leaderboard.failed_cells == 8
    errors = found.failures.groupby("policy")["error"].unique()
    assert errors["broken"].tolist() == ["RuntimeError: it broke"]
    assert errors["coin"].tolist() == ["RuntimeError: a coin needs the record of broken, which failed"]


def test_resume_plays_failed_worlds_again(tmp_path, monkeypatch):
    compare(broken_study(monkeypatch), tmp_path / "out")
    monkeypatch.setattr(Broken, "decide", lambda _, signals: load_policy("never").build().decide(signals))
    assert compare(broken_study(monkeypatch), tmp_path / "out", resume=True).failures.empty


def test_a_world_that_breaks_fails_all_its_cells_and_no_other(tmp_path, monkeypatch):
    play = Replay.play

    def fragile(self, *arguments):
        if self.world.seed == 2:
            raise MemoryError("no memory left")
        return play(self, *arguments)

    monkeypatch.setattr(Replay, "play", fragile)
    found = compare(study("never", "always"), tmp_path / "out")
    assert found.failures["seed"].unique().tolist() == [2]
    assert len(found.failures) == 4


def test_a_failed_cell_ends_the_command_with_1(monkeypatch, capsys):
    asked = broken_study(monkeypatch)
    monkeypatch.setattr("sim.study.comparison.plan.contestants", lambda *_: asked.contestants)
    write(CALM)
    code, out, err = call(monkeypatch, capsys, *SMALL, "--out", "out", "--json")
    assert code == 1
    assert json.loads(out)["failed_cells"] == 2
    assert "calm@1 seed 1 broken: RuntimeError: it broke" in err
    assert "Traceback" not in err


# The command


SMALL = ["compare", "calm.toml", "--population", "twin", "--seeds", "1", "--gates", "none"]


def write(*scenarios):
    for scenario in scenarios:
        Path(f"{scenario.id}.toml").write_text(to_toml(scenario))


WRONG = {
    "policy": (["--policy", "propsal"], "Did you mean 'proposal'"),
    "scenario": (["competitr"], "Did you mean 'competitor'"),
    "no seeds": (["--seeds", "0"], "got 0"),
    "negative seeds": (["--seeds", "-3"], "got -3"),
    "baseline": (["--policy", "always", "--baseline", "alwys"], "Did you mean 'always'"),
    "baseline of a grid": (
        ["--policy", "f1_drop > {a}", "--grid", "a=0.1:0.4:12", "--baseline", "always"],
        "f1_drop > 0.3455 and 2 more), got 'always'",
    ),
    "coin": (["--policy", "never", "--policy", "coin(like=always)"], "add --policy for it"),
    "placeholder": (["--policy", "never", "--policy", "f1_drop > {a}"], "add --grid a="),
    "grid": (["--policy", "f1_drop > {a}", "--grid", "a=1:2"], "a=0.02:0.10:9"),
    "fail-if": (["--fail-if", "proposal.regret >> 1"], "must read like"),
    "fail-if, its policy": (["--fail-if", "propsal.regret > 1"], "Did you mean 'proposal'"),
    "fail-if, its score": (["--fail-if", "proposal.regrt > 1"], "Did you mean 'regret'"),
    "gates": (["--gates", "non"], "Did you mean 'none'"),
    "gates twice": (["--gates", "none"], "'none' twice"),
    "a scenario twice": (["calm.toml"], "'calm@1' twice"),
    "population": (["--population", "twn"], "Did you mean 'twin'"),
    "resume": (["--resume", "--out", "nowhere"], "leave --resume out"),
    "folder": (["--out", "/proc/nowhere/study"], "must be writable"),
    "store": (["--tracking-uri", "foo://x", "--out", "out"], "foo://x"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_bad_input_is_refused_in_one_sentence(monkeypatch, capsys, arguments, said):
    write(CALM)
    assert said in refused(monkeypatch, capsys, *SMALL, *arguments)


@pytest.mark.parametrize("option", [["--workers", "0"], ["--trials", "-1"], ["--seeds", "many"]])
def test_bad_usage_ends_with_2(monkeypatch, capsys, option):
    write(CALM)
    code, out, _ = call(monkeypatch, capsys, *SMALL, *option)
    assert (code, out) == (2, "")


def test_gates_that_enforce_a_wall_clock_are_refused(monkeypatch, capsys):
    quick = replace(NONE, name="quick", enforced=("latency_ms",))
    monkeypatch.setattr("sim.study.comparison.plan.load_profile", lambda _: quick)
    write(CALM)
    assert "latency_ms" in refused(monkeypatch, capsys, *SMALL)


def test_a_scenario_that_does_not_fit_is_refused_before_anything_is_made(monkeypatch, capsys):
    write(CALM)
    text = Path("calm.toml").read_text()
    text += '\n[[drift]]\nkind = "concept"\nonset_step = 1\n[drift.shifts]\nintrecept = 1.0\n'
    Path("calm.toml").write_text(text.replace("drift = []\n", ""))
    assert "intrecept" in refused(monkeypatch, capsys, *SMALL, "--out", "out")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    asked = study("never", seeds=(1,), scenarios=(CALM,))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "study.json").write_text("dear diary")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("miaow")
    compare(asked, tmp_path / "study")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = study("never", "always", seeds=(1,), scenarios=(CALM,))
    for folder, wanted, resume, said in (
        ("letters", asked, False, "another study"),
        ("letters", asked, True, "another study"),
        ("photos", asked, False, "not empty"),
        ("study", other, False, "another study"),
        ("study", other, True, "another study"),
        ("study", asked, False, "--resume"),
    ):
        with pytest.raises(InputError, match=said):
            compare(wanted, tmp_path / folder, resume=resume)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_dry_run_counts_the_work_and_writes_nothing(monkeypatch, capsys):
    write(CALM, DRIFTING)
    before = sorted(Path().rglob("*"))
    options = ["drifting.toml", "--policy", "never", "--policy", "f1_drop > {a}", "--grid", "a=0.1:0.3:3"]
    code, out, _ = call(monkeypatch, capsys, *SMALL, *options, "--seeds", "5", "--dry-run", "--json")
    assert code == 0
    (told,) = json.loads(out)["work"]
    assert (told["worlds"], told["cells"]) == (10, 40)
    assert told["seconds"] > 0
    assert sorted(Path().rglob("*")) == before


def test_the_default_baseline_is_played_where_it_is_not_named(monkeypatch, capsys):
    write(CALM)
    code, _, _ = call(monkeypatch, capsys, *SMALL, "--policy", "always", "--out", "out")
    assert code == 0
    assert set(pd.read_parquet("out/results.parquet")["policy"]) == {"always", "never"}


def test_gates_that_let_nothing_by_are_named(monkeypatch, capsys):
    write(CALM)
    strict = tomllib.loads((Path(gate_profiles.__file__).parent / "catalogue" / "none.toml").read_text("utf-8"))
    strict |= {"enforced": ["f1"], "thresholds": {**strict["thresholds"], "f1": 1.0}}
    Path("strict.toml").write_text(tomli_w.dumps(strict))
    options = [*SMALL, "--gates", "strict.toml", "--policy", "never", "--policy", "always", "--json"]
    code, out, err = call(monkeypatch, capsys, *options)
    boards = {board["gates"]: board for board in json.loads(out)["boards"]}
    assert code == 0
    assert set(boards) == {"none", "strict"}
    assert "under the gates strict no new model was ever promoted in calm@1" in err
    assert err.count("retrainlab:") == 1


@pytest.mark.slow
def test_the_command_prints_one_json_object_or_readable_boards(monkeypatch, capsys):
    write(CALM, DRIFTING)
    options = ["drifting.toml", "--policy", "never", "--policy", RULE, "--policy", "oracle", "--seeds", "5"]
    options += ["--out", "out", "--cache", "cache"]
    code, out, err = call(monkeypatch, capsys, *SMALL, *options, "--json", "--fail-if", "never.regret > 1e9")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    told = json.loads(out)
    assert [board["scenario"] for board in told["boards"]] == ["calm@1", "drifting@1", "overall"]
    assert (told["cells"], told["failed_cells"], told["fail_if"]) == (50, 0, [])
    code, out, err = call(monkeypatch, capsys, *SMALL, *options, "--resume", "--fail-if", "never.retrains < 1")
    assert (code, err) == (1, "retrainlab: never.retrains < 1 holds.\n")
    assert "nothing that was compared earned more" in out
    assert len(out.splitlines()) <= 40
    client = MlflowClient(f"sqlite:///{Path('out/mlflow.db').resolve()}")
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1  # the resumed call finds what the first has logged
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert len(children) == 3 * 3
    rows = {(b["scenario"], r["policy"]): r["scores"] for b in told["boards"] for r in b["policies"]}
    for run in children:
        score = rows[run.data.tags["scenario"], run.data.tags["policy"]]["net_value"]
        logged = [run.data.metrics[name] for name in ("net_value", "net_value_low", "net_value_high")]
        assert logged == [score["mean"], *score["interval"]]
        assert run.info.status == "FINISHED"
