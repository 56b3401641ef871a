"""How fast every setting of a rule is followed, and a grid answered: processor time, unless it says so."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pytest
from figures import Figure, Tell

from policies.always import Always
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.lives.box import Box, Cut, Span
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
BOXES = {"the README's ranges": SEARCHED, "the whole real plane": TEMPLATE.whole}
_SEEDS = 20
_MOST_LINES = 40


def opened(seed: int = 1) -> Replay:
    world = World(load_scenario("competitor"), seed, load_population("twin"), kept_steps=None)
    return Replay(world)


@pytest.fixture(scope="module")
def known() -> Replay:
    replay = opened()
    regions(replay, GATES, TEMPLATE)
    return replay


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a piece of work."""
    start = process_time()
    work()
    return process_time() - start


@pytest.mark.parametrize("name", BOXES)
def test_a_surface_of_two_thresholds_in_a_known_world(benchmark: Any, tell: Tell, known: Replay, name: str) -> None:
    """The aim is 50 ms, the best of ten."""
    found = benchmark.pedantic(lambda: regions(known, GATES, TEMPLATE, BOXES[name]), rounds=1)
    best = 1000 * min(seconds(lambda: regions(known, GATES, TEMPLATE, BOXES[name])) for _ in range(10))
    what = f"a known surface, {name}: {len(found)} lives"
    tell(Figure(what, f"{best:.1f} ms", best / 50, "50 ms", at_most=1))


def test_twenty_surfaces_against_always_in_their_worlds(benchmark: Any, tell: Tell) -> None:
    """The aim is 1.2 times the time in which `always` is replayed, which trains a model at every step."""

    def surfaces(box: Box) -> float:
        worlds = [opened(seed) for seed in range(1, _SEEDS + 1)]
        return seconds(lambda: [regions(replay, GATES, TEMPLATE, box) for replay in worlds])

    worlds = [opened(seed) for seed in range(1, _SEEDS + 1)]
    always = seconds(lambda: [replay.record(Always(), GATES, "always") for replay in worlds])
    timed = {name: surfaces(box) for name, box in BOXES.items()}
    benchmark.pedantic(lambda: None, rounds=1)
    for name, spent in timed.items():
        what, ratio = f"{_SEEDS} new surfaces, {name}", spent / always
        tell(Figure(what, f"{spent:.1f} s", ratio, f"always in the {_SEEDS} worlds", at_most=1.2))


def test_a_grid_of_a_million_settings(benchmark: Any, tell: Tell, known: Replay) -> None:
    """The aim is ten million settings a second, in one world."""
    found = regions(known, GATES, TEMPLATE, SEARCHED)
    laid = overlay(TEMPLATE.axes, SEARCHED, [WorldRegions(tuple(region.boxes for region in found))])
    a, b = np.linspace(0.02, 0.2, 1_000), np.linspace(0.1, 0.5, 1_000)
    assert benchmark.pedantic(lambda: laid.classes_at(a, b), rounds=1).shape == (1_000, 1_000)
    spent = sorted(seconds(lambda: laid.classes_at(a, b)) for _ in range(9))[4]
    rate = a.size * b.size / spent
    tell(Figure("a grid read from a surface", f"{rate:,.0f} settings/s", rate / 1e7, "10,000,000/s", at_least=1))


def test_the_grid_of_twenty_by_twenty(benchmark: Any, tell: Tell, tmp_path: Path) -> None:
    """One command from its start to its answer, in a fresh process without a cache, on two workers."""
    asked = ["--policy", "f1_drop > {a} or psi_max > {b}", "--grid", "a=0.02:0.2:20", "--grid", "b=0.1:0.5:20"]
    asked += ["--policy", "never", "--seeds", "10", "--workers", "2", "--population", "twin"]
    command = [str(Path(sys.executable).with_name("retrainlab")), "compare", "competitor", *asked]
    command += ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    told = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True, env=own), rounds=1
    )
    wall, after = perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = len(told.stdout.splitlines())
    tell(Figure("20 x 20 settings, 10 seeds, two workers", f"{wall:.0f} s", wall / 60, "a minute", at_most=1))
    tell(Figure("its processor time", f"{spent:.0f} s", spent / 120, "two cores for a minute", at_most=1))
    tell(Figure("its lines on the terminal", f"{lines}", lines / _MOST_LINES, f"{_MOST_LINES}", at_most=1))
