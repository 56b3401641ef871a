"""How fast every setting of a rule is followed: a surface in a known world, and a grid read from an overlay."""

from typing import Any

import numpy as np
import pytest

from policies.always import Always
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.lives.box import Cut, Span
from sim.study.lives.continuum import regions
from sim.study.lives.template import read_template
from sim.study.replay.replay import Replay
from sim.study.surface.overlay import WorldRegions, overlay
from sim.world.population import load_population
from sim.world.world import World

TEMPLATE = read_template("f1_drop > {a} or psi_max > {b}")
GATES = load_profile("telco_churn")
SEARCHED = (
    Span(Cut(0.02, is_after=False), Cut(0.2, is_after=True)),
    Span(Cut(0.1, is_after=False), Cut(0.5, is_after=True)),
)


def opened(seed: int = 1) -> Replay:
    world = World(load_scenario("competitor"), seed, load_population("twin"), kept_steps=None)
    return Replay(world)


@pytest.fixture(scope="module")
def known() -> Replay:
    replay = opened()
    regions(replay, GATES, TEMPLATE)
    return replay


def test_a_surface_of_two_thresholds_in_a_known_world(benchmark: Any, known: Replay) -> None:
    found = benchmark(regions, known, GATES, TEMPLATE, SEARCHED)
    benchmark.extra_info["lives"] = len(found)


def test_the_whole_real_plane_in_a_known_world(benchmark: Any, known: Replay) -> None:
    found = benchmark(regions, known, GATES, TEMPLATE)
    benchmark.extra_info["lives"] = len(found)


def test_always_in_a_new_world(benchmark: Any) -> None:
    """What a surface in a new world is held against: a model is trained at every step."""
    benchmark.pedantic(
        lambda replay: replay.record(Always(), GATES, "always"), setup=lambda: ((opened(),), {}), rounds=3
    )


def test_a_surface_in_a_new_world(benchmark: Any) -> None:
    benchmark.pedantic(
        lambda replay: regions(replay, GATES, TEMPLATE, SEARCHED), setup=lambda: ((opened(),), {}), rounds=3
    )


def test_a_grid_of_a_million_settings(benchmark: Any, known: Replay) -> None:
    found = regions(known, GATES, TEMPLATE, SEARCHED)
    laid = overlay(TEMPLATE.axes, SEARCHED, [WorldRegions(tuple(region.boxes for region in found))])
    a, b = np.linspace(0.02, 0.2, 1_000), np.linspace(0.1, 0.5, 1_000)
    assert benchmark(laid.classes_at, a, b).shape == (1_000, 1_000)
