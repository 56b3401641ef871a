"""Scenario files: what is read, what is written, and what is refused in one sentence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import TWIN, scenarios

from scenarios.files import catalogue, load_scenario, parse_scenario, read_scenario, to_toml
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.world.world import World

HEAD = 'id = "mine"\ntitle = "Mine"\n'
DRIFT = HEAD + '[[drift]]\nkind = "number"\ncolumn = "tenure"\nfactor = 0.5\nonset_step = 3\n'


@given(scenarios(), st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_what_is_written_is_read_back_as_equal(scenario, story):
    told = scenario.model_copy(update={"story": story.replace("\r", "")})
    assert parse_scenario(to_toml(told), "a test") == told


def test_every_default_is_filled_in():
    text = to_toml(parse_scenario(HEAD, "a test"))
    for line in ("steps = 36", "step_days = 30", "warmup_steps = 6", "customers = 1000", "delay_days = 90"):
        assert line in text
    for line in ("recent_cohorts = 3", "recent_share = 0.7", "capacity = 0.1", "held_out_share = 0.05"):
        assert line in text
    for line in ("customer_value = 2000", "offer_cost = 50", "success_rate = 0.3", "retrain_cost = 1000"):
        assert line in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id = 1 2", "valid TOML"),
        (HEAD + "big = " + "1" * 5000, "valid TOML"),
        (HEAD + "[tme]\nsteps = 3", r"unknown key 'tme'.*Did you mean 'time'"),
        (HEAD + "[time]\nstepdays = 3", r"unknown key 'time.stepdays'.*Did you mean 'step_days'"),
        (DRIFT + "onsett = 3", r"unknown key .*onsett.*Did you mean 'onset_step'"),
        (HEAD + "[labels]\ndelay_days = -1", r"labels.delay_days.*greater than or equal to 0, got -1"),
        (HEAD + "[time]\nsteps = 0", r"time.steps.*got 0"),
        (HEAD + "[time]\nsteps = 3.5", r"time.steps.*integer, got 3.5"),
        (HEAD + "[time]\nsteps = true", r"time.steps.*integer, got True"),
        (HEAD + '[time]\nsteps = "36"', r"time.steps.*integer, got '36'"),
        (HEAD + "[offers]\ncapacity = 1.5", r"offers.capacity.*got 1.5"),
        (HEAD + "[offers]\ncapacity = nan", r"offers.capacity.*got nan"),
        (HEAD + "[prices]\ncustomer_value = inf", r"prices.customer_value.*got inf"),
        (HEAD + "[prices]\noffer_cost = 0", r"prices.offer_cost.*got 0"),
        (HEAD + '[offers]\nrule = "all"', r"offers.rule.*'top' or 'high_risk'"),
        (HEAD + "[labels]\ndelay_days = 91", r"delay_days must be at most labels.horizon_days, got 91 > 90"),
        (DRIFT + "[time]\nsteps = 3", r"must begin before the end, got onset_step 3 in a world of 3 steps"),
        (DRIFT.replace("= 3", "= -3"), r"drift.0.number.onset_step.*got -3"),
        (DRIFT.replace('"number"', '"numbr"'), r"drift.0.*numbr"),
        (DRIFT.replace("factor = 0.5", "factor = 0"), r"factor.*got 0"),
        (HEAD + "drift = 3", r"drift.*got 3"),
        ('id = "mine"', r"title.*required"),
        ('id = "My Scenario"\ntitle = "x"', r"id.*pattern"),
        (HEAD + '[[drift]]\nkind = "concept"\nonset_step = 1\n[drift.shifts]\n', r"shifts.*at least 1"),
    ],
)
def test_a_broken_file_gets_one_sentence(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_scenario(text, "mine.toml")
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_is_read_from_its_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(DRIFT, encoding="utf-8")
    assert load_scenario(str(path)) == read_scenario(path)
    assert load_scenario(str(path)).onset_step == 3


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"readable UTF-8 text, got .*mine.toml"):
        load_scenario(str(path))


def test_a_name_means_the_newest_version_and_a_misspelt_one_gets_a_hint():
    assert load_scenario("competitor") == load_scenario("competitor@1") == catalogue()["competitor@1"]
    with pytest.raises(InputError, match=r"got 'competitr'\. Did you mean 'competitor'\?"):
        load_scenario("competitr")
    with pytest.raises(InputError, match="competitor@9"):
        load_scenario("competitor@9")


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_each_scenario_of_the_catalogue_can_be_opened_and_says_what_it_is(name):
    scenario = catalogue()[name]
    world = World(scenario, 1, TWIN)
    assert len(world.batch(0).customer_id) == scenario.time.customers
    assert len(world.truth(scenario.time.steps - 1).churns) == scenario.time.customers
    assert scenario.title
    assert len(scenario.story.split()) > 20
    assert parse_scenario(to_toml(scenario), name) == scenario


def test_the_onset_is_the_first_injectors():
    assert load_scenario("steady").onset_step is None
    assert load_scenario("competitor").onset_step == 12
    twice = DRIFT + '[[drift]]\nkind = "number"\ncolumn = "tenure"\nfactor = 2.0\nonset_step = 1\n'
    assert parse_scenario(twice, "a test").onset_step == 1


def test_a_scenario_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_scenario("steady").time.steps = 3  # type: ignore[misc]
    assert isinstance(load_scenario("steady"), Scenario)


DRIFT_MISTAKES = {
    "no kind": ("onset_step = 1", "a drift must have a kind, one of category, concept, .*, got None"),
    "no such kind": ('kind = "colour"', "a drift must have a kind, one of .*, got 'colour'"),
    "a key of another kind": (
        'kind = "prior"\nbase_rate = 0.4\nonset_step = 1\nfactr = 2',
        "unknown key 'drift.0.prior.factr'. Remove",
    ),
    "a misspelt key": ('kind = "prior"\nbase_rat = 0.4\nonset_step = 1', "Did you mean 'base_rate'"),
    "a rate of 1": ('kind = "prior"\nbase_rate = 1.0\nonset_step = 1', "less than 1"),
    "huge log-odds": ('kind = "concept"\nonset_step = 1\nshifts = {intercept = 1e308}', "less than or equal to 100"),
    "no rest": (
        'kind = "prior"\nbase_rate = 0.4\nonset_step = 1\nprofile = "recurring"\nduration_steps = 12',
        "must rest",
    ),
}


@pytest.mark.parametrize(("drift", "message"), DRIFT_MISTAKES.values(), ids=DRIFT_MISTAKES)
def test_a_wrong_drift_is_told_in_one_sentence(drift, message):
    with pytest.raises(InputError, match=message) as told:
        parse_scenario(f'id = "x"\ntitle = "X"\n[[drift]]\n{drift}\n', "a test")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("[time]\ncustomers_growth = 10.0\nstep_days = 3000", "must stay below 10,000,000 customers"),
        ("[time]\nsteps = 10000000000", "less than or equal to 100000"),
        ('[offers]\nlearn_from = "weighted"\nheld_out_share = 0.4', "1 / share is a whole number, got 0.4"),
        ("[labels]\ndelay_days = 91", "must be at most labels.horizon_days"),
    ],
)
def test_what_no_world_can_be_is_refused(part, message):
    with pytest.raises(InputError, match=message):
        parse_scenario(f'id = "x"\ntitle = "X"\n{part}\n', "a test")


EXAMPLES = sorted((Path(__file__).parents[2] / "scenarios" / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_can_be_opened_and_is_none_of_the_catalogue(path):
    scenario = load_scenario(str(path))
    assert scenario.id == path.stem
    assert scenario.name not in catalogue()
    World(scenario, 1, TWIN)


def test_the_example_of_millions_has_as_many_customers_as_the_proposal():
    scenario = load_scenario(str(next(path for path in EXAMPLES if path.stem == "millions")))
    assert (scenario.time.customers, scenario.time.steps) == (2_400_000, 12)
    assert scenario.training.max_rows is not None
