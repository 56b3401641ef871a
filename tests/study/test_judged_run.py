"""The judged run: a live run gets the scores that a comparison gives the same life."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import CHEAP
from runs import settings_of
from test_cli import call, refused
from test_compare import DRIFTING, NONE, RULE

from scenarios.schema import Offers
from sim.errors import InputError
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.study.judged_run import judge_run
from sim.study.run_folder import play_live, read_record
from sim.study.scores.table import Score
from sim.world.own.table import Reading
from sim.world.population_spec import PopulationSpec

TWIN = ("--population", "twin")
LONGER = DRIFTING.model_copy(update={"time": DRIFTING.time.model_copy(update={"steps": 8})})
LEARNT = LONGER.model_copy(
    update={
        "recipe": CHEAP.model_copy(update={"rounds": 20}),
        "time": LONGER.time.model_copy(update={"customers": 300}),
    }
)
"""Models that are trained to the end: what they lose to the drift is far beyond the luck of training."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def played(scenario=LONGER, policy=RULE, seed=1, **more):
    settings = settings_of(Path("run"), scenario, policy, seed, population_arguments=TWIN, **more)
    return play_live(settings, resume=False)


@pytest.mark.parametrize(("scenario", "policy"), [(LEARNT, RULE), (LONGER, "ladder")])
def test_a_judged_run_has_the_scores_of_the_same_cell_of_a_comparison(scenario, policy):
    before = played(scenario, policy, seed=3)
    told = judge_run(Path("run")).to_json()
    asked = Study((scenario,), contestants((policy, "never"), {}), (NONE,), (3,), "never", PopulationSpec("twin"))
    cell = compare(asked, Path("study")).cells.set_index("policy").loc[policy]
    judged = {score.value for score in Score if score.is_in_cells} & set(told)
    assert {"regret", "recovery_days", "recovery_gained", "needless_cost", "detection_days"} <= judged
    for name in judged:
        assert told[name] == (None if pd.isna(cell[name]) else cell[name]), name
    assert told["regret_missing"] == cell["regret_missing"]
    ratio, within_noise = (
        told["recovery_gained"] / told["recovery_attainable"],
        "what could be recovered is within noise",
    )
    assert (told["f1_recovery"], told["f1_recovery_missing"]) == (
        (ratio, None) if scenario is LEARNT else (None, within_noise)
    )
    summary = json.loads(Path("run/record.json").read_text())["summary"]
    assert {name: summary[name] for name in told} == told
    assert summary["net_value"] == cell["net_value"]
    assert read_record(Path("run")) == before, "the record itself is what it was"


def test_what_can_not_be_known_of_a_run_is_missing_with_the_reason():
    calm = LONGER.model_copy(update={"drift": (), "offers": Offers(seen_in_labels=True)})
    played(calm, "always")
    told = judge_run(Path("run")).to_json()
    assert (told["f1_recovery"], told["f1_recovery_missing"]) == (None, "nothing drifts")
    assert (told["regret"], told["regret_missing"]) == (None, "labels depend on what was served")
    assert told["recovery_gained"] is None
    assert told["break_even_retrain_cost"] is not None


def test_a_run_that_is_judged_again_or_reported_stays_what_it_is(monkeypatch, capsys):
    played()
    code, out, _ = call(monkeypatch, capsys, "judge", "run", "--json")
    once = Path("run/record.json").read_bytes()
    assert (code, json.loads(out)["regret_missing"]) == (0, None)
    code, out, _ = call(monkeypatch, capsys, "judge", "run", "--split")
    assert code == 0
    assert "regret" in out
    assert "price_of_gates" in json.loads(Path("run/record.json").read_text())["summary"]
    assert call(monkeypatch, capsys, "judge", "run")[0] == 0
    assert Path("run/record.json").read_bytes() == once


def test_a_life_that_would_come_out_another_is_refused(monkeypatch, capsys):
    played()
    path = Path("run/record.json")
    content = json.loads(path.read_text())
    content["steps"][4]["tally"]["offers"] += 1
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    assert "step 4 comes out another" in refused(monkeypatch, capsys, "judge", "run")
    assert path.read_bytes() == before


def test_a_run_is_judged_with_its_own_table_and_gates(monkeypatch, capsys):
    played()
    path = Path("run/record.json")
    content = json.loads(path.read_text())
    other = {**content["measured"], "data_version": {"population": "sha256:of-another"}}
    path.write_text(json.dumps({**content, "measured": other}))
    assert "is another by now" in refused(monkeypatch, capsys, "judge", "run")
    path.write_text(json.dumps({**content, "gates": "mine"}))
    assert "mine" in refused(monkeypatch, capsys, "judge", "run")
    with pytest.raises(InputError, match="with its own profile mine, got none; give the file"):
        judge_run(Path("run"), gates="none")
    assert "hold the record of a run" in refused(monkeypatch, capsys, "judge", "nowhere")


WORDS = st.text("abcxyz. /%", min_size=1)


READINGS = st.builds(
    Reading,
    churned=st.none() | WORDS,
    ignored=st.lists(WORDS).map(tuple),
    schema=st.none() | WORDS.map(Path),
)


@given(READINGS, WORDS)
def test_the_words_that_asked_for_a_population_give_it_back(reading, name):
    spec = PopulationSpec(name, "churned", "id", "", reading)
    assert PopulationSpec.of_arguments(spec.arguments) == spec
    dated = replace(spec, date_column="day", reading=replace(reading, date_format="%d"))
    assert PopulationSpec.of_arguments(dated.arguments) == dated
    assert PopulationSpec.of_arguments([]) == PopulationSpec()
