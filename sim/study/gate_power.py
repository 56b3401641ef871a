"""The power of gates: how often they let a worse model through and stop a better one, simulated on known truth.

A gate sees a few hundred labelled rows, not the truth. Here the truth is known: models are trained in a world of the
twin, their expected F1 under the true propensities is measured on a large pool of customers, and one of two is
blurred until it is worse by exactly the difference asked for. Holdouts are then drawn from the pool again and again,
and every one of them meets the real gates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from scenarios.schema import Scenario
from sim.errors import InputError
from sim.mlops.gates.checks import Verdict, apply_gates
from sim.mlops.gates.evidence import Evidence
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.loop.validator import stress
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.model import Model
from sim.mlops.models.training import fit
from sim.mlops.statistics.metrics import expected_f1
from sim.study.engines.engine import Engine, as_done
from sim.study.inference.contests import MIN_SEEDS, Interval, clopper_pearson, mean_interval
from sim.study.scores.fresh import retraining_rows
from sim.world.injectors.customers import numbered
from sim.world.population import load_population
from sim.world.schema.columns import Matrix
from sim.world.schema.streams import Streams
from sim.world.world import World

ALL = "all gates"
"""The name of the verdict among the gates."""

POOL_ROWS = 20_000
_MOST_BLUR = 30.0  # standard deviations of the log-odds: nothing of a model is left

LEAST_HOLDOUT, MOST_HOLDOUT = 10, 10_000


@dataclass(frozen=True, slots=True)
class PowerStudy:
    """What is simulated.

    Attributes
    ----------
    scenario
        The world at whose step 0 models are trained and judged, played on the twin.
    profiles
        The gates.
    holdouts
        Numbers of labelled rows that a gate sees.
    differences
        True expected F1 of the challenger less the champion's.
    seeds
        Worlds, each with two models of its own; intervals are over them.
    holdouts_per_world
        How many holdouts of each size are drawn in each world.

    Raises
    ------
    InputError
        If a list is empty, or a number is out of its range.
    """

    scenario: Scenario
    profiles: tuple[GateProfile, ...]
    holdouts: tuple[int, ...] = (100, 200, 400, 1000, 2000)
    differences: tuple[float, ...] = (-0.10, -0.05, -0.02, 0.0, 0.02, 0.05)
    seeds: int = 10
    holdouts_per_world: int = 40

    def __post_init__(self) -> None:
        if not self.holdouts or not all(LEAST_HOLDOUT <= rows <= MOST_HOLDOUT for rows in self.holdouts):
            msg = f"holdout sizes must be from {LEAST_HOLDOUT} to {MOST_HOLDOUT}, got {_listed(self.holdouts)}."
            raise InputError(msg)
        if not self.differences or not all(-0.5 <= difference <= 0.5 for difference in self.differences):
            msg = f"differences of F1 must be from -0.5 to 0.5, got {_listed(self.differences)}."
            raise InputError(msg)
        if self.seeds < MIN_SEEDS or self.holdouts_per_world < 1:
            msg = (
                f"a power study needs at least {MIN_SEEDS} seeds and 1 holdout per world, got {self.seeds} and "
                f"{self.holdouts_per_world}; raise them."
            )
            raise InputError(msg)


@dataclass(frozen=True, slots=True)
class Power:
    """How often a gate (or all) let the challenger pass.

    `difference` is the challenger's true F1 less the champion's. `interval` is at 95 %, over worlds.
    `undecided` is the share of meetings in which nothing but too little evidence spoke against the challenger, or
    would have, had the profile not let that pass.
    """

    profile: str
    gate: str
    holdout: int
    difference: float
    passed: float
    interval: Interval
    undecided: float


@dataclass(frozen=True, slots=True)
class PowerResult:
    """What came of a study.

    `true_f1` is the mean of the models trained, the level at which the better of two stands. `retraining_sd` is the
    standard deviation of the true F1 of models trained on the same rows with other seeds; `rows_sd` that of models
    trained on other rows of the same world.
    """

    powers: tuple[Power, ...]
    true_f1: float
    retraining_sd: float
    rows_sd: float


def gate_power(study: PowerStudy, engine: Engine | None = None) -> PowerResult:
    """Simulate the gates and return how often they pass models of each true difference at each holdout size.

    A challenger that is worse meets an unblurred champion; one that is better meets a blurred one. So the better of
    both is always a model as the world makes it, and absolute thresholds see what they would see there. The champion
    is also the best so far. Latency is not simulated: its gate always passes.

    Parameters
    ----------
    study
        What is simulated.
    engine
        Where; in this process by default. The result does not depend on it.
    """
    seeds = range(1, study.seeds + 1)
    with (engine or Engine()).executor() as executor:
        ended = as_done(executor, _simulated, [(study, seed) for seed in seeds])
        found = {seed: future.result() for (_, seed), future in ended}
    worlds = [found[seed] for seed in seeds]
    powers = []
    for key in worlds[0].shares:
        passed, undecided = zip(*(world.shares[key] for world in worlds), strict=True)
        interval = _share_interval(passed, study.holdouts_per_world)
        powers.append(Power(*key, fmean(passed), interval, fmean(undecided)))
    return PowerResult(
        tuple(powers),
        true_f1=fmean(value for world in worlds for value in world.true_f1),
        retraining_sd=_spread([(world.true_f1[1], world.sibling_f1) for world in worlds]),
        rows_sd=_spread([world.true_f1 for world in worlds]),
    )


def _share_interval(shares: Sequence[float], holdouts: int) -> Interval:
    """Return the t interval over worlds, within 0 to 1; the exact one of a rate where no world differs."""
    if len(set(shares)) == 1:
        trials = len(shares) * holdouts
        return clopper_pearson(round(shares[0] * trials), trials)
    found = mean_interval(shares)
    if found is None:
        msg = f"a share needs at least {MIN_SEEDS} worlds for its interval, got {len(shares)}"
        raise ValueError(msg)
    return Interval(max(found.low, 0.0), min(found.high, 1.0), found.level)


def _spread(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the standard deviation of what differs within pairs of equal expectation."""
    return float(np.sqrt(np.mean(np.diff(np.array(pairs), axis=1) ** 2) / 2))


Key = tuple[str, str, int, float]
"""Profile, gate, holdout size, true difference."""


@dataclass(frozen=True, slots=True)
class _PowerWorld:
    """What came of one world: how often each gate passed and was undecided, and the true F1 of its models."""

    shares: Mapping[Key, tuple[float, float]]
    true_f1: tuple[float, float]
    sibling_f1: float


def _simulated(task: tuple[PowerStudy, int]) -> _PowerWorld:
    """Return what comes of a study in the world of one seed."""
    study, seed = task
    bench = _bench(study.scenario, seed)
    return _PowerWorld(dict(_shares(study, bench, seed)), bench.true_f1, bench.sibling_f1)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Customers of one world, and what two models trained on rows of their own answer for them, champion first.

    `sibling_f1` is the true F1 of a model trained on the challenger's rows with another seed.
    """

    propensity: Matrix
    answers: tuple[Matrix, Matrix]
    thresholds: tuple[float, float]
    stressed: Mapping[str, Matrix]
    true_f1: tuple[float, float]
    sibling_f1: float


def _bench(scenario: Scenario, seed: int) -> _Bench:
    world = World(scenario, seed, load_population("twin"))
    models = [_model(world, draw, number) for number, draw in enumerate((0, 1, 1))]
    pool = world.fresh_rows(0, POOL_ROWS, 2)
    answers = [model.probability(pool.features) for model in models]
    true_f1 = [expected_f1(pool.propensity, m.decide(p)) or 0.0 for p, m in zip(answers, models, strict=True)]
    stresses = stress(pool.features, world.schema, world.streams.generator("power_stress"))
    return _Bench(
        propensity=pool.propensity,
        answers=(answers[0], answers[1]),
        thresholds=(models[0].threshold, models[1].threshold),
        stressed={name: models[1].probability(values) for name, values in stresses.items()},
        true_f1=(true_f1[0], true_f1[1]),
        sibling_f1=true_f1[2],
    )


def _model(world: World, draw: int, number: int) -> Model:
    """Return a model trained on as many rows of step 0 as a retraining would use."""
    fresh = world.fresh_rows(0, retraining_rows(world.scenario), draw)
    rows = LabelledRows.alike(numbered("F", np.arange(len(fresh.churns)), 8), fresh.features, fresh.churns)
    seed = world.streams.integer("power_training", number)
    return fit(rows, world.scenario.recipe, world.scenario.prices, world.schema, seed)


def _shares(study: PowerStudy, bench: _Bench, seed: int) -> Iterator[tuple[Key, tuple[float, float]]]:
    """Yield for each key how often the gate passed, and how often evidence was too little."""
    streams = Streams(seed)
    pairs = {each: _pair(bench, each, streams.generator("power_blur")) for each in study.differences}
    for holdout in study.holdouts:
        for difference, (champion, challenger) in pairs.items():
            rng = streams.generator("power_holdout", holdout)  # the same customers for every difference
            cases = [_drawn(bench, champion, challenger, holdout, rng) for _ in range(study.holdouts_per_world)]
            for profile in study.profiles:
                verdicts = [apply_gates(case, profile) for case in cases]
                for gate in (*profile.enforced, ALL):
                    passed = fmean(_passes(verdict, gate) for verdict in verdicts)
                    undecided = fmean(_is_undecided(verdict, gate) for verdict in verdicts)
                    yield (profile.name, gate, holdout, difference), (passed, undecided)


def _pair(bench: _Bench, difference: float, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Return the answers of champion and challenger; the worse one is blurred until the difference is as wanted."""
    noise = rng.standard_normal(len(bench.propensity))
    worse = 1 if difference < 0 or (difference == 0 and bench.true_f1[1] > bench.true_f1[0]) else 0
    wanted = bench.true_f1[1 - worse] - abs(difference)
    answers = list(bench.answers)
    answers[worse] = _blurred_to(wanted, bench.propensity, answers[worse], bench.thresholds[worse], noise)
    return answers[0], answers[1]


def _blurred_to(wanted: float, propensity: Matrix, answers: Matrix, threshold: float, noise: Matrix) -> Matrix:
    """Return answers blurred so much that their true F1 is as wanted, or as they are where that is not above it.

    A blurred model ranks customers by its log-odds and noise, and gives its old answers in the new order: it is as
    sure of itself as before, but of others.
    """
    log_odds, n_predicted = np.log(answers / (1 - answers)), int(np.count_nonzero(answers >= threshold))
    whole = n_predicted + propensity.sum()

    def excess(spread: float) -> float:
        order = np.argpartition(-(log_odds + spread * noise), n_predicted)
        return float(2 * propensity[order[:n_predicted]].sum() / whole - wanted)

    if excess(0.0) <= 0:
        return answers
    if excess(_MOST_BLUR) > 0:
        msg = f"a true F1 of {wanted:.3f} is less than chance gives here; choose smaller differences."
        raise InputError(msg)
    spread = float(brentq(excess, 0.0, _MOST_BLUR, xtol=1e-4))
    blurred = np.empty_like(answers)
    blurred[np.argsort(log_odds + spread * noise)] = np.sort(answers)
    return blurred


def _drawn(bench: _Bench, champion: Matrix, challenger: Matrix, holdout: int, rng: np.random.Generator) -> Evidence:
    """Return the evidence of one holdout: customers drawn from the pool, and their outcomes."""
    rows = rng.choice(len(bench.propensity), holdout, replace=False, shuffle=False)
    label: NDArray[np.bool_] = rng.random(holdout) < bench.propensity[rows]
    return Evidence(
        label=label,
        challenger=challenger[rows],
        challenger_threshold=bench.thresholds[1],
        champion=champion[rows],
        champion_threshold=bench.thresholds[0],
        stressed={name: values[rows] for name, values in bench.stressed.items()},
        latency_ms=0.0,
        best=champion[rows],
        best_threshold=bench.thresholds[0],
    )


def _passes(verdict: Verdict, gate: str) -> bool:
    if gate == ALL:
        return verdict.passed
    return all(result.passed for result in verdict.results if _gate_of(result.name) == gate)


def _is_undecided(verdict: Verdict, gate: str) -> bool:
    if gate == ALL:
        is_open = [result.undecided for result in verdict.results]
        return any(is_open) and all(result.passed or result.undecided for result in verdict.results)
    return any(result.undecided for result in verdict.results if result.name == gate)


def _gate_of(check: str) -> str:
    return "robustness" if check.startswith("robustness_") else check


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"
