"""When and on what: the oracle over training profiles, the parts of the regret, and comparisons of profiles."""

import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path

import pytest
from lives import CHEAP, TWIN, small
from runs import CONCEPT

from policies.catalogue import load_policy
from policies.decision import Action
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.study.comparison.cells import play_world
from sim.study.comparison.compare import Study
from sim.study.comparison.contestants import contestants
from sim.study.comparison.plan import learning_by
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.replay.schedule import Schedule
from sim.study.scores.judge import summarise
from sim.study.scores.oracle import plan, planner
from sim.study.scores.regret import beyond_oracle
from sim.study.scores.table import Score
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

SCENARIO = small(steps=5, delay_days=30, drift=[CONCEPT], recipe=CHEAP)
SCENARIO = SCENARIO.model_copy(update={"prices": SCENARIO.prices.model_copy(update={"retrain_cost": 20.0})})
PROFILES = (load_training("mix_70_30"), load_training("newest"), load_training("history"))


def replay_of(scenario=SCENARIO, seed=1) -> Replay:
    return Replay(World(scenario, seed, TWIN, kept_steps=None))


@pytest.mark.parametrize("gates", ["none", "telco_churn"])
@pytest.mark.parametrize("names", [("newest", "history"), ("mix_70_30", "tournament")])
def test_no_schedule_of_when_and_on_what_beats_the_plan(gates, names):
    """All of them are tried: keep, roll back, or learn by one of two profiles at each of four steps."""
    replay, profile, trainings = replay_of(), load_profile(gates), tuple(load_training(name) for name in names)
    best = plan(replay, profile, SCENARIO.prices, trainings)
    found = planner(replay, profile, SCENARIO.prices, trainings)
    values = []
    for moves in product((Action.KEEP, Action.ROLLBACK, *names), repeat=4):
        asked = {step: move for step, move in enumerate(moves) if move in names}
        actions = {step: Action.RETRAIN if move in names else Action(move) for step, move in enumerate(moves)}
        record = replay.record(Schedule(actions, "brute force", asked), profile, "x", known=trainings)
        played = summarise(record).net_value
        assert found.value(actions, asked) == pytest.approx(played, abs=1e-6)
        values.append(played)
    assert best.net_value == pytest.approx(max(values), abs=1e-6)
    record = replay.record(best.schedule, profile, "oracle", known=best.trainings)
    assert summarise(record).net_value == pytest.approx(best.net_value, abs=1e-6)


def test_one_profile_gives_the_plan_it_always_gave():
    for seed in (1, 2):
        replay, free = replay_of(seed=seed), load_profile("none")
        plain, named = plan(replay, free, SCENARIO.prices), plan(replay, free, SCENARIO.prices, PROFILES[:1])
        assert plain == named
        assert plain.schedule.learnt == {}


def test_more_profiles_are_never_worth_less():
    for seed in (1, 2, 3):
        replay, free = replay_of(seed=seed), load_profile("none")
        values = [plan(replay, free, SCENARIO.prices, PROFILES[: n + 1]).net_value for n in range(3)]
        assert values == sorted(values)


def test_a_world_of_too_many_requests_has_no_plan_and_says_why():
    scenario = small(steps=60)
    assert (
        "160 steps times training profiles"
        in plan(replay_of(scenario), load_profile("none"), scenario.prices, PROFILES).reason
    )


# Comparisons


def study(policies, trainings=(), gates="none", **more) -> Study:
    profiles = tuple(load_training(name) for name in trainings)
    chosen = contestants(policies, {}, profiles)
    settings = {"baseline": "never", "population": PopulationSpec("twin"), **more}
    return Study((SCENARIO,), chosen, (load_profile(gates),), (1,), trainings=profiles, **settings)


def cells_of(asked: Study) -> dict[str, dict[Score, float]]:
    (order,) = asked.orders()
    cells = play_world(order, TWIN, ReplayCache(None)).cells
    assert [cell.error for cell in cells] == [None] * len(cells)
    return {cell.identity.policy: dict(cell.judgement.scores) for cell in cells}


def test_policies_stand_once_for_each_training_that_makes_a_difference_to_them():
    names = [each.name for each in study(["always", "never", "oracle"], ["newest", "history"]).contestants]
    assert names == ["always on newest", "always on history", "never", "oracle"]
    assert [each.name for each in study(["always", "never"], ["newest"]).contestants] == ["always", "never"]
    own = study(["always", 'every(days=30, training="newest")', "never"], ["recent", "history"])
    assert [each.name for each in own.contestants][-2:] == ['every(days=30, training="newest")', "never"] or [
        each.name for each in own.contestants
    ][2].startswith("every(days=30")
    assert [each.name for each in own.oracle_trainings(SCENARIO)] == ["recent", "history", "newest"]
    coins = study(["always", "coin(like=always)", "never"], ["newest", "history"]).contestants
    assert [(each.name, each.like) for each in coins if each.like] == [
        ("coin(like=always) on newest", "always on newest"),
        ("coin(like=always) on history", "always on history"),
    ]
    assert study(["always", "never"], ["newest"]).identity() != study(["always", "never"], ["history"]).identity()
    with pytest.raises(InputError, match="a name of its own"):
        study(["always", "never"], ["newest", "newest"])


@pytest.mark.parametrize("gates", ["none", "telco_churn"])
def test_the_regret_is_its_parts_and_none_of_them_is_negative(gates):
    scores = cells_of(study(["always", "never", "oracle"], ["newest", "history"], gates))
    for name in ("always on newest", "always on history"):
        timing, data = scores[name][Score.REGRET_TIMING], scores[name][Score.REGRET_DATA]
        assert timing >= -1e-6
        assert data >= -1e-6
        assert timing + data == pytest.approx(scores[name][Score.REGRET], abs=1e-6)
    assert scores["oracle"][Score.REGRET] == pytest.approx(0, abs=1e-6)
    assert scores["always on newest"] != scores["always on history"]


def test_a_comparison_on_one_training_is_the_replay_on_it():
    scores = cells_of(study(["always", "never"], ["newest"]))
    record = replay_of().record(
        load_policy("always").build(), load_profile("none"), "always", training=load_training("newest")
    )
    assert scores["always"][Score.NET_VALUE] == summarise(record).net_value
    assert scores["always"][Score.REGRET_DATA] == 0


def test_a_record_that_learnt_by_what_the_oracle_does_not_know_has_no_regret():
    record = replay_of().record(load_policy('always(training="newest")').build(), load_profile("none"), "always")
    assert beyond_oracle(record, ("mix_70_30",)) == "the training profile newest in play"
    assert beyond_oracle(record, ("mix_70_30", "newest")) == beyond_oracle(record) == ""
    assert beyond_oracle(replace(record, steps=()), ("mix_70_30",)) == ""


def test_a_scenario_learns_by_what_a_surface_is_asked_for():
    assert learning_by(SCENARIO, "") is SCENARIO
    changed = learning_by(SCENARIO, "newest")
    record = replay_of(changed).record(load_policy("always").build(), load_profile("none"), "always")
    assert {job.window.profile for job in record.retrainings} == {"newest"}
    with pytest.raises(InputError, match="newset"):
        learning_by(SCENARIO, "newset")


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [200, 600, 2000])
def test_a_tournament_keeps_the_level_of_its_gate_however_many_there_are(n_rows):
    """Challengers all 0.05 F1 worse: at most 5 % get by, within three standard errors; unsplit, far more do."""
    path = Path(__file__).parents[2] / "benchmarks" / "tournament_level.py"
    spec = spec_from_file_location("tournament_level", path)
    level = module_from_spec(spec)
    sys.modules["tournament_level"] = level
    spec.loader.exec_module(level)
    repeats = 600
    for n_challengers in (1, 6):
        split, unsplit = level.rates(n_challengers, n_rows, repeats)
        assert split <= 0.05 + 3 * (0.05 * 0.95 / repeats) ** 0.5
    assert unsplit > 0.12
