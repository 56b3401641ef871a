"""Populations: the version of their data."""

import re
from dataclasses import replace

import pytest
from lives import TWIN, toy_population, toy_table

from sim.world.population import TwinPopulation, load_population
from sim.world.telco import table as telco


def test_equal_data_have_equal_versions_and_others_another():
    toy = toy_population(40)
    assert re.fullmatch("sha256:[0-9a-f]{12}", toy.version)
    assert toy_population(40).version == toy.version
    table = toy_table(40)
    relabelled = replace(toy, table=replace(table, churned=~table.churned))
    renamed = replace(toy, table=replace(table, customer_id=table.customer_id[::-1]))
    moved = replace(toy, table=replace(table, features=table.features + 1))
    assert len({toy.version, relabelled.version, renamed.version, moved.version}) == 4


def test_the_version_of_the_twin_follows_its_mechanism():
    assert isinstance(TWIN, TwinPopulation)
    assert load_population("twin").version == TWIN.version
    moved = replace(TWIN, mechanism=TWIN.mechanism.moved({"intercept": 0.1}))
    assert moved.version != TWIN.version


def test_the_version_of_the_real_table_is_that_of_its_file():
    path = telco.find()
    if path is None:
        pytest.skip("the real Telco table is not at hand: set RETRAINLAB_TELCO_CSV")
    population = load_population(str(path))
    assert population.version == f"sha256:{telco.SHA256[:12]}"
