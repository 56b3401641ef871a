"""Evidence for tests of gates: of counts, broken in every way, and drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from lives import TWIN, live, script, small
from numpy.typing import NDArray

from sim.mlops.gates.checks import GateResult, Verdict
from sim.mlops.gates.evidence import STRESSES, Evidence
from sim.mlops.gates.profiles import GATES, GateProfile, load_profile
from sim.mlops.models.model import Model
from sim.world.telco.table import SCHEMA
from sim.world.world import World

TELCO = load_profile("telco_churn")
NONE = load_profile("none")

CAUTIOUS = replace(load_profile("non_inferiority"), least_churners=5)
LENIENT = replace(load_profile("do_no_harm"), least_churners=5)

Floats = NDArray[np.float64]


def only(*gates: str, **thresholds: Any) -> GateProfile:
    return replace(TELCO, enforced=gates, **thresholds)


def rows(
    tp: int, fp: int, fn: int, tn: int, order: tuple[float, float, float, float] = (0.9, 0.6, 0.4, 0.1)
) -> Floats:
    """Probabilities of the four kinds of rows, churners first; the threshold is 0.5."""
    true_positive, false_positive, false_negative, true_negative = order
    return np.repeat([true_positive, false_negative, false_positive, true_negative], [tp, fn, fp, tn])


def evidence(tp: int, fp: int, fn: int, tn: int, **changes: Any) -> Evidence:
    challenger = rows(tp, fp, fn, tn)
    base = Evidence(
        label=np.arange(len(challenger)) < tp + fn,
        challenger=challenger,
        challenger_threshold=0.5,
        champion=challenger.copy(),
        champion_threshold=0.5,
        stressed={stress: challenger.copy() for stress in STRESSES},
        latency_ms=3.0,
        best=challenger.copy(),
        best_threshold=0.5,
    )
    return replace(base, **changes)


GOOD = evidence(70, 40, 30, 250)


def result(verdict: Verdict, name: str) -> GateResult:
    return next(result for result in verdict.results if result.name == name)


def spoil(values: NDArray[Any], value: float) -> NDArray[Any]:
    spoilt = values.astype(np.float64)
    spoilt[len(values) // 2] = value
    return spoilt


BREAK: dict[str, Callable[[NDArray[Any]], Any]] = {
    "nan": lambda v: spoil(v, float("nan")),
    "inf": lambda v: spoil(v, float("inf")),
    "-inf": lambda v: spoil(v, float("-inf")),
    "empty": lambda v: v[:0],
    "longer": lambda v: np.append(v, v[:1]),
    "shorter": lambda v: v[1:],
    "two-dimensional": lambda v: v.reshape(1, -1),
    "column": lambda v: v.reshape(-1, 1),
    "scalar": lambda v: v.sum(),
    "zero-dimensional": lambda v: np.array(v[0]),
    "list": lambda v: v.tolist(),
    "none": lambda _: None,
    "objects": lambda v: v.astype(object),
    "text": lambda v: v.astype(str),
    "bytes": lambda v: v.astype("S5"),
    "integers": lambda v: (v > 0.5).astype(np.int64),
    "complex": lambda v: v.astype(np.complex128),
    "extended": lambda v: v.astype(np.longdouble) * np.longdouble("1e4000"),
    "dates": lambda v: v.astype(np.int64).astype("datetime64[D]"),
    "masked": lambda v: np.ma.MaskedArray(v, mask=v > 0.5),
}
OUTSIDE: dict[str, Callable[[NDArray[Any]], Any]] = {
    "above 1": lambda v: spoil(v, 1.0000001),
    "below 0": lambda v: spoil(v, -1e-300),
    "huge": lambda v: spoil(v, 1e308),
}
ONE_CLASS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "no churner": np.zeros_like,
    "no stayer": np.ones_like,
}


GENERATORS = st.integers(0, 2**32).map(np.random.default_rng)  # many rows from one draw: far faster than a draw a row
GRID = np.array([0.0, 0.1, 0.3, 0.5, 0.9, 1.0])  # ties, and probabilities at a threshold


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    generator = draw(GENERATORS)
    size = draw(st.integers(2, 60))
    skill = draw(st.sampled_from([0.0, 0.5, 0.8, 1.0]))  # some challengers must be good, or nothing ever passes
    label = generator.random(size) < 0.4
    label[:2] = True, False

    def probabilities() -> Floats:
        drawn = np.where(generator.random(size) < 0.5, generator.choice(GRID, size), generator.random(size))
        return np.where(generator.random(size) < skill, 0.8 * label + 0.1 * drawn, drawn)

    champion = draw(st.sampled_from([None, 0.5]))
    return Evidence(
        label=label,
        challenger=probabilities(),
        challenger_threshold=draw(st.sampled_from([0.1, 0.3, 0.5, 0.9])),
        champion=None if champion is None else probabilities(),
        champion_threshold=champion,
        stressed={stress: probabilities() for stress in STRESSES},
        latency_ms=draw(st.sampled_from([None, 3.0, 50.0, 70.0])),
        best=None if champion is None else probabilities(),
        best_threshold=champion,
        weight=draw(st.sampled_from([None, np.ones(size, np.int64), generator.integers(1, 5, size)])),
    )


PROFILES = st.sampled_from([TELCO, NONE, only(*GATES), CAUTIOUS, LENIENT])


@st.composite
def broken_evidences(draw: st.DrawFn) -> Evidence:
    """Draw evidence of a good challenger of which one to three parts are broken."""
    kinds = {**BREAK, **OUTSIDE, **ONE_CLASS}
    names = draw(st.sets(st.sampled_from(["label", "challenger", "champion", "best", "stressed"]), min_size=1))
    changes: dict[str, Any] = {}
    for name in names:
        spoilt = kinds[draw(st.sampled_from(sorted(kinds)))]
        if name == "stressed":
            stress = draw(st.sampled_from(STRESSES))
            changes[name] = {**GOOD.stressed, stress: spoilt(GOOD.challenger)}
        else:
            changes[name] = spoilt(getattr(GOOD, name))
    return replace(GOOD, **changes)


@dataclass(frozen=True)
class BrokenTable:
    """A table as it may reach a model, and who churned before it was broken."""

    frame: pd.DataFrame
    label: NDArray[np.bool_]


@cache
def small_model() -> Model:
    """A model good enough to pass its gates on a sound table."""
    life = live(small(steps=1, customers=1500), script("k"))
    return life.registry.model(1)


@cache
def _sound_table() -> BrokenTable:
    world = World(small(customers=300), 3, TWIN)
    return BrokenTable(SCHEMA.decode(world.batch(0).features).astype(object), world.truth(0).propensity > 0.4)


NUMBERS = ("tenure", "MonthlyCharges", "TotalCharges")
_WORDS = st.sampled_from(["", " ", "nan", "Fibre", "-1", "1e400", "inf", "yes", "\u0000", "O'Brien; DROP TABLE x"])


def _filled(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    return frame.assign(**{column: pd.Series([value] * len(frame), index=frame.index, dtype=object)})


@st.composite
def broken_tables(draw: st.DrawFn) -> BrokenTable:
    """Draw a table of 300 customers, broken in up to three ways."""
    sound = _sound_table()
    frame = sound.frame
    column = st.sampled_from(SCHEMA.names)
    breaks: dict[str, Callable[[pd.DataFrame, str], pd.DataFrame]] = {
        "a column is lost": lambda f, c: f.drop(columns=c, errors="ignore"),
        "a column is renamed": lambda f, c: f.rename(columns={c: c.lower() + "_"}),
        "a column comes twice": lambda f, c: pd.concat([f, f[[c]]], axis=1) if c in f else f,
        "columns are in another order": lambda f, _: f[list(reversed(f.columns))],
        "a column is empty": lambda f, c: _filled(f, c, None),
        "a column is a constant": lambda f, c: _filled(f, c, draw(_WORDS)),
        "a column is infinite": lambda f, c: _filled(f, c, float("inf")),
        "a column is huge": lambda f, c: _filled(f, c, -1e308),
        "a column is a list": lambda f, c: _filled(f, c, [1, 2]),
        "numbers are text": lambda f, _: f.assign(**{n: f[n].astype(str) for n in NUMBERS if n in f}),
        "categories are numbers": lambda f, c: _filled(f, c, 7),
        "rows are lost": lambda f, _: f.iloc[::2],
        "rows come twice": lambda f, _: pd.concat([f, f.head(3)]),
        "there are no rows": lambda f, _: f.iloc[:0],
    }
    for name in draw(st.lists(st.sampled_from(sorted(breaks)), max_size=3)):
        frame = breaks[name](frame, draw(column))
    return BrokenTable(frame, sound.label)
