"""Speed of a replay: beyond LightGBM's own work, for each further policy, and against live runs.

Run by `make bench`, on 36 monthly steps of 1,000 customers of the real table. The figures are reported, never
asserted: a machine may be busy.
"""

from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from figures import Figure, Tell
from test_live_speed import LightGBMClock

from policies.catalogue import load_policy
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings
from sim.study.comparison.contestants import contestants
from sim.study.comparison.grid import parse_grid
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


def test_the_first_policy(benchmark: Any, tell: Tell, telco: Population) -> None:
    """A new world for `always`, as a ratio to the LightGBM time in it; the target is 1.2."""
    ratios: list[float] = []
    policy = load_policy("always")

    def first() -> None:
        clock, replay = LightGBMClock(), new_replay(telco)
        with clock.watching():
            start = perf_counter()
            replay.record(policy.build(), _GATES, "always")
            ratios.append((perf_counter() - start) / clock.seconds)

    benchmark.pedantic(first, rounds=3)
    seconds = benchmark.stats.stats.min
    tell(
        Figure("replay: the first policy", f"{seconds:.2f} s", min(ratios), "LightGBM's own time in it", at_most=1.2)
    )


def test_a_further_policy(benchmark: Any, tell: Tell, telco: Population) -> None:
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
    milliseconds = 1000 * benchmark.stats.stats.min / len(specs)
    tell(Figure("replay: a further policy", f"{milliseconds:.2f} ms", milliseconds / 2, "2 ms", at_most=1))
    tell(Figure("replay: judging it", f"{1000 * judged:.2f} ms"))


def test_200_policies_against_200_live_runs(benchmark: Any, tell: Tell, telco: Population, tmp_path: Path) -> None:
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
    ratio = _POLICIES * live / replay_seconds
    tell(Figure("200 live runs", f"{_POLICIES * live:.0f} s", ratio, "a replay of all of them", at_least=150))
