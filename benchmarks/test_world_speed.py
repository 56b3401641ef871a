"""Speed of a world: generating customers and outcomes, as a ratio to scoring them.

Run by `make bench`. The figures are reported, never asserted: a machine may be busy.
"""

from time import perf_counter
from typing import Any

import lightgbm as lgb
import pytest
from figures import Figure, Tell

from scenarios.files import load_scenario
from scenarios.schema import Scenario
from sim.world.population import load_population
from sim.world.schema.columns import without_unseen
from sim.world.telco.table import SCHEMA
from sim.world.world import World

CUSTOMERS = 100_000
_TREES = 100


def large(name: str) -> Scenario:
    """Return a scenario of the catalogue with 100,000 customers a month."""
    scenario = load_scenario(name)
    return scenario.model_copy(update={"time": scenario.time.model_copy(update={"customers": CUSTOMERS})})


@pytest.mark.parametrize("name", ["steady", "proposal", "acquisition"])
def test_generating_36_months_of_100_000_twins(benchmark: Any, tell: Tell, name: str) -> None:
    """Batches and truth of 36 months against scoring them with 100 trees, each on one thread; the target is 1.

    It is meant for a world as it is; what drift costs on top is shown beside: covariate ramps, and a mix.
    """
    population = load_population("twin")
    warm = World(large("steady"), 2, population)
    features, churns = warm.batch(0).features[:20_000], warm.truth(0).churns[:20_000]
    model = lgb.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1},
        lgb.Dataset(features, churns, categorical_feature=list(SCHEMA.category_positions)),
        num_boost_round=_TREES,
    )
    seconds = {"generating": 0.0, "scoring": 0.0, "scoring_on_two_threads": 0.0}

    def month(world: World, step: int) -> None:
        start = perf_counter()
        batch, _ = world.batch(step), world.truth(step)
        generated = perf_counter()
        model.predict(without_unseen(batch.features), num_threads=1)
        scored = perf_counter()
        model.predict(without_unseen(batch.features), num_threads=2)
        seconds["scoring_on_two_threads"] += perf_counter() - scored
        seconds["generating"] += generated - start
        seconds["scoring"] += scored - generated

    def life() -> None:
        world = World(large(name), 1, population)
        for step in world.steps:
            month(world, step)

    benchmark.pedantic(life, rounds=1)
    generating = seconds["generating"]
    for threads, key in (("one thread", "scoring"), ("two threads", "scoring_on_two_threads")):
        what, to = f"generating 36 months of 100,000 ({name})", f"scoring them with 100 trees on {threads}"
        aim = 1.0 if threads == "one thread" else None
        tell(Figure(what, f"{generating:.1f} s", generating / seconds[key], to, at_most=aim))
