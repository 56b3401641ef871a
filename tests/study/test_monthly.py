"""The lines of a month, the ledger and the judge count one and the same money."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import TWIN, profiles, scenarios, script

from policies.catalogue import catalogue
from scenarios.schema import Prices
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.record import Record
from sim.study.replay.replay import Replay
from sim.study.scores.judge import summarise
from sim.study.scores.monthly import monthly, net_value, net_values
from sim.world.world import World

OTHER = Prices(customer_value=3000, offer_cost=10, success_rate=0.5, retrain_cost=7)


def check(record: Record) -> None:
    """A life step by step is worth what its record is, at its own prices and at others, to the last bit."""
    life = monthly(record)
    for prices in (record.scenario.prices, OTHER):
        assert net_value(life, prices) == summarise(record, prices).net_value
        assert sum(net_values(life, prices)) == pytest.approx(net_value(life, prices))
    assert len(life.requested) == summarise(record).retrains
    assert len(life.promoted) == summarise(record).promotions


@settings(max_examples=6)
@given(scenarios(), st.integers(0, 2**40), profiles())
def test_every_policy_of_the_catalogue_is_worth_the_same_step_by_step(scenario, seed, profile):
    replay = Replay(World(scenario, seed, TWIN, kept_steps=None))
    for name, spec in catalogue().items():
        check(replay.record(spec.build(), profile, name))


@settings(max_examples=15)
@given(scenarios(), st.integers(0, 2**40), st.text("krcbq", max_size=8))
def test_only_retrainings_are_paid_for_whatever_else_is_done(scenario, seed, actions):
    replay = Replay(World(scenario, seed, TWIN, kept_steps=None))
    check(replay.record(script(actions), load_profile("none"), "script"))
