"""Tuning: what is held out is told without bias, optimism is seen where it is, and the choice is a policy."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from lives import TWIN, small
from typer.testing import CliRunner

from policies.catalogue import load_policy
from scenarios.files import to_toml
from scenarios.injectors import ConceptDrift
from sim.cli.app import app
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.cells import WorldTask, play_world
from sim.study.comparison.contestants import Contestant
from sim.study.comparison.results import to_row
from sim.study.inference.contests import mean_interval
from sim.study.replay.cache import ReplayCache
from sim.study.surface.goal import parse_limits, parse_weights
from sim.study.surface.surface import read_surface
from sim.study.surface.tuned_file import read_tuned
from sim.study.surface.tuning import Candidates, cross_fit

DRIFT = (ConceptDrift(kind="concept", onset_step=3, shifts={"InternetService=DSL": 3.0, "tenure/12": 0.4}),)
DRIFTING = small(8, customers=200, drift=DRIFT, delay_days=30)


def searched(value, limited=None, most=()):
    empty = np.zeros((0, 1, *value.shape))
    return Candidates(value, empty if limited is None else limited, np.array(most, dtype=float))


def test_what_is_held_out_is_told_without_bias_and_optimism_is_seen_where_it_is():
    """400 simulated surfaces of 40 settings and 10 seeds, in each of which the worth of every setting is known."""
    rng = np.random.default_rng(11)
    truth = -np.abs(np.arange(40) - 20) / 40.0
    bias, optimism, promise = [], [], []
    for _ in range(400):
        value = truth[:, np.newaxis] + rng.normal(size=(40, 10)) + 2 * rng.normal(size=10)
        fitted = cross_fit(searched(value))
        worth = truth[list(fitted.choices)].mean()
        bias.append(fitted.held_out.mean() - worth)
        optimism.append(fitted.promised - fitted.held_out.mean())
        promise.append(fitted.promised - worth)
    assert 0 in mean_interval(bias, level=0.99)
    assert mean_interval(optimism, level=0.99).low > 0.3  # the largest of 40 means of 8 seeds
    assert np.mean(promise) == pytest.approx(np.mean(optimism), abs=0.15)


def test_where_settings_differ_by_nothing_but_their_worth_there_is_no_optimism():
    rng = np.random.default_rng(12)
    truth = -np.abs(np.arange(40) - 20) / 40.0
    fits = [cross_fit(searched(truth[:, np.newaxis] + rng.normal(size=10))) for _ in range(200)]
    assert {choice for fitted in fits for choice in fitted.choices} == {20}
    assert abs(np.mean([fitted.promised - fitted.held_out.mean() for fitted in fits])) < 1e-12


def test_a_limit_leaves_out_what_is_beyond_it_in_any_scenario():
    value = np.array([[3.0, 3.0], [2.0, 2.0], [1.0, 1.0]])
    retrains = np.array([[[[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]], [[9.0, 9.0], [2.0, 2.0], [0.0, 0.0]]]])
    assert searched(value, retrains, [9.0]).best([0, 1]) == 0
    assert searched(value, retrains, [4.0]).best([0, 1]) == 1
    assert searched(value, retrains, [-1.0]).best([0, 1]) == -1


@pytest.mark.parametrize("text", ["retrains < 4", "retrains_per_year <= many", "<= 4", "retrains"])
def test_a_limit_says_what_is_wrong_with_it(text):
    with pytest.raises(InputError, match="--limit must read like"):
        parse_limits([text])


@pytest.mark.parametrize("text", ["erosion", "erosion=-1", "nowhere=1"])
def test_a_weight_says_what_is_wrong_with_it(text):
    with pytest.raises(InputError, match="--weight must read like"):
        parse_weights([text], ["erosion@1", "steady@1"])
    assert parse_weights(["erosion=2"], ["erosion@1", "steady@1"]) == {"erosion@1": 2.0}


def tuned(tmp_path, *more):
    scenario, quiet = tmp_path / "drifting.toml", tmp_path / "quiet.toml"
    scenario.write_text(to_toml(DRIFTING))
    quiet.write_text(to_toml(small(8, customers=200, delay_days=30).model_copy(update={"id": "quiet"})))
    asked = ["tune", str(scenario), "--rule", "f1_drop > {a}", "--range", "a=-0.2:0.6", "--population", "twin"]
    asked += ["--gates", "none", "--seeds", "5", "--confirm", "6", "--reference", "f1_drop > 0.95"]
    asked += ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), *more]
    return CliRunner().invoke(app, asked), quiet


@pytest.mark.slow
def test_the_choice_is_confirmed_on_new_seeds_and_held_out_scenarios_and_is_a_policy(tmp_path):
    quiet = tmp_path / "quiet.toml"
    told, _ = tuned(tmp_path, "--hold-out", str(quiet), "--json")
    assert told.exit_code == 0, told.output
    said = json.loads(told.stdout)
    assert set(said["by_scenario"]) == {DRIFTING.name, "quiet@1"}
    assert said["policy"] == (str(tmp_path / "out" / "chosen.toml") if said["is_shown"] else None)
    if said["is_shown"]:
        spec = load_policy(said["policy"])
        assert said["confirmed"]["low"] > 0
        assert spec.parameters["retrain_when"] == f"f1_drop > {said['setting']['a']!r}"
        assert "never saw" in spec.story
    else:
        assert not (tmp_path / "out" / "chosen.toml").exists()
    again, _ = tuned(tmp_path, "--hold-out", str(quiet), "--resume")
    assert again.exit_code == 0, again.output
    assert "optimism" in again.stdout
    assert ("Nothing was shown" in again.stdout) is not said["is_shown"]


@pytest.mark.slow
def test_rule_training_profile_and_gates_are_chosen_together(tmp_path):
    """Its policy alone, under the gates that were chosen, earns what its surface says, whichever levers won."""
    levers = ["--rule", "psi_max > {b}", "--training", "mix_70_30", "--training", "newest", "--gates", "telco_churn"]
    told, _ = tuned(tmp_path, *levers, "--json")
    assert told.exit_code == 0, told.output
    said, out = json.loads(told.stdout), tmp_path / "out"
    kept = read_tuned(out)
    assert [(each.rule, each.training, each.gates) for each in kept.combinations] == list(
        product(("f1_drop > {a}", "psi_max > {b}"), ("mix_70_30", "newest"), ("none", "telco_churn"))
    )
    assert (kept.rule, kept.training, kept.gates) == (said["rule"], said["training"], said["gates"])
    surfaces = [read_surface(out / f"search-{number}").surface for number in range(1, 9)]
    best = [surface.values("net_value").mean(axis=(0, 2)).max() for surface in surfaces]
    assert said["promised"]["mean"] == pytest.approx(max(best))
    assert kept.search == f"search-{np.argmax(best) + 1}"
    assert best[0] not in best[1:3], "these worlds can't tell the training profiles or the gates apart: take others"
    chosen, first = read_surface(out / kept.search), surfaces[0]
    setting, seed = said["setting"], 2
    spec = replace(chosen.template.fill(setting), training=said["training"])
    contestants = (Contestant("mine", spec), Contestant("theirs", load_policy("f1_drop > 0.95")))
    gates = (load_profile(said["gates"]),)
    order = WorldTask(chosen.scenarios[0], seed, contestants, gates, "theirs", 0, with_split=False)
    cells = {cell.identity.policy: to_row(cell) for cell in play_world(order, TWIN, ReplayCache(None)).cells}
    own = chosen.surface.values("net_value")[0, chosen.surface.overlay.class_of(setting), seed - 1]
    assert cells["mine"]["net_value"] == own
    assert first.reference("net_value")[0, seed - 1] != own
    if said["is_shown"]:
        spec = load_policy(str(out / "chosen.toml"))
        assert spec.training == said["training"]
        assert f"under the gates {said['gates']}" in spec.story
    again, _ = tuned(tmp_path, *levers, "--resume")
    assert again.exit_code == 0, again.output
    assert "cross-fitted:" in again.stdout
    told, _ = tuned(tmp_path, *levers, "--resume", "--goal", "worst_regret")
    assert "holds another tuning" in str(told.exception)


def test_settings_of_several_surfaces_compete_together():
    """Choosing which surface is choosing too: where ten are alike, the optimism is that of all their settings."""
    rng = np.random.default_rng(13)
    one, all_ten = [], []
    for _ in range(200):
        pooled = searched(rng.normal(size=(100, 10)))
        one.append(cross_fit(pooled.part(0, 10)))
        all_ten.append(cross_fit(pooled))
    optimism = [np.mean([each.promised - each.held_out.mean() for each in fits]) for fits in (one, all_ten)]
    assert optimism[1] > 1.3 * optimism[0]
    assert 0 in mean_interval([each.held_out.mean() for each in all_ten], level=0.99)


@pytest.mark.parametrize("command", [[], ["--training", "newest", "--training", "newest"]])
def test_an_occupied_folder_or_a_profile_named_twice_is_refused_before_any_work(tmp_path, command):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    told, _ = tuned(tmp_path, *command)
    assert isinstance(told.exception, InputError)
    assert ("named once together" if command else "is not empty") in str(told.exception)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_limit_that_nothing_meets_and_a_seen_hold_out_are_refused(tmp_path):
    told, _ = tuned(tmp_path, "--hold-out", str(tmp_path / "drifting.toml"))
    assert isinstance(told.exception, InputError)
    assert "must be none of the search" in str(told.exception)
    told, _ = tuned(tmp_path, "--limit", "retrains <= -1")
    assert isinstance(told.exception, InputError)
    assert "must leave some setting" in str(told.exception)
