"""Speed of a replay: beyond LightGBM's own work, for each further policy, and against live runs.

Run by `make bench`, on 36 monthly steps of 1,000 customers of the real table. The figures are reported, never
asserted: a machine may be busy.
"""

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # benchmarks are no package

from test_live_speed import LightGBMClock

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings
from sim.study.comparison.contestants import contestants, parse_grid
from sim.study.replay.replay import Replay
from sim.study.run_folder import play_live
from sim.study.scores.judge import summarise
from sim.world.population import Population, load_population
from sim.world.telco.table import find
from sim.world.world import World

_SCENARIO = load_scenario("competitor")
_GATES = load_profile("telco_churn")
_POLICIES = 200
_LIVE = ("f1_drop > 0.05", "psi_max > 0.25", "proposal_without_age")


@pytest.fixture(scope="module")
def telco() -> Population:
    """Return the real table, never downloaded."""
    if find() is None:
        pytest.skip("the real Telco table is not at hand: set RETRAINLAB_TELCO_CSV")
    return load_population("telco")


def new_replay(population: Population) -> Replay:
    return Replay(World(_SCENARIO, 1, population, kept_steps=None))


def rules() -> list[Any]:
    """Return 200 rules of which no two are the same."""
    grid = parse_grid(["a=0.01:0.2:20", "b=0.1:1:10"])
    found = contestants(["f1_drop > {a} or psi_max > {b}"], grid)
    return [contestant.spec for contestant in found if contestant.spec and not contestant.is_ablation]


def told(benchmark: Any, **figures: float) -> None:
    rounded = {name: round(value, 3) for name, value in figures.items()}
    benchmark.extra_info.update(rounded)
    print("\n" + ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in rounded.items()))  # noqa: T201 - a benchmark reports


def test_the_first_policy(benchmark: Any, telco: Population) -> None:
    """A new world for `always`, as a ratio to the LightGBM time in it; the target is 1.3."""
    ratios: list[float] = []
    policy = load_policy("always")

    def first() -> None:
        clock, replay = LightGBMClock(), new_replay(telco)
        with clock.watching():
            start = perf_counter()
            replay.record(policy.build(), _GATES, "always")
            ratios.append((perf_counter() - start) / clock.seconds)

    benchmark.pedantic(first, rounds=3)
    told(benchmark, seconds=benchmark.stats.stats.min, ratio_to_lightgbm=min(ratios))


def test_a_further_policy(benchmark: Any, telco: Population) -> None:
    """A rule in a world whose models, signals and verdicts are known; the targets are 2 ms, and the judge apart."""
    replay, specs = new_replay(telco), rules()
    for spec in specs:
        replay.play(spec.build(), _GATES)

    def further() -> None:
        for spec in specs:
            replay.play(spec.build(), _GATES)

    benchmark.pedantic(further, rounds=5, warmup_rounds=1)
    records = [replay.record(spec.build(), _GATES, spec.name) for spec in specs]
    start = perf_counter()
    for record in records:
        summarise(record)
    judged = (perf_counter() - start) / len(specs)
    told(benchmark, ms_a_policy=1000 * benchmark.stats.stats.min / len(specs), ms_to_judge=1000 * judged)


def test_200_policies_against_200_live_runs(benchmark: Any, telco: Population, tmp_path: Path) -> None:
    """200 rules in a new world, against 200 live runs (the mean of three); the target is 150 times faster."""
    specs, seconds = rules(), []

    def replayed() -> None:
        replay = new_replay(telco)
        for spec in specs:
            replay.record(spec.build(), _GATES, spec.name)

    benchmark.pedantic(replayed, rounds=2)
    for number, policy in enumerate(_LIVE):
        spec, folder = load_policy(policy), tmp_path / f"live{number}"
        start = perf_counter()
        play_live(LiveSettings(_SCENARIO, spec, telco, _GATES, 1, 0, folder), resume=False)
        seconds.append(perf_counter() - start)
    live, replay_seconds = sum(seconds) / len(seconds), benchmark.stats.stats.min
    told(benchmark, replay_seconds=replay_seconds, live_seconds_each=live, ratio=_POLICIES * live / replay_seconds)
