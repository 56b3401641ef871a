"""Fuzzers: thirty thousand inputs that nobody should send end in a value or in one sentence; none hangs or promotes.

The generators (`hostile`) are hypothesis strategies; the few examples of `make test` and the many of `make slow` are
the same tests with another number.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hostile import BYTES, CALLS, EXPRESSIONS, GRIDS, ODD_TEXT, POLICY_FILES, SCENARIOS, TABLES
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from lives import live, small

from policies.catalogue import load_policy
from policies.expression import Expression
from policies.spec import policies_from_toml
from scenarios.files import parse_scenario
from sim.errors import InputError, WorkError
from sim.mlops.models.model import Model
from sim.shown_text import sentence, visible
from sim.study.comparison.conditions import parse_condition
from sim.study.comparison.grid import parse_grid
from sim.study.run_folder import RECORD_FILE, STEPS_FILE, read_record, write_record
from sim.study.scores.pricing import parse_prices
from sim.world.own.table import read_own_table

HANG_SECONDS = 20
FEW = 25


@contextmanager
def no_hang() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise TimeoutError(f"an input took more than {HANG_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ends_well(read: Callable[[], Any]) -> Any:
    """Return what an input is read as, or `None` if it is refused in one sentence."""
    with no_hang():
        try:
            return read()
        except (InputError, WorkError) as error:
            told = sentence(str(error))
            assert told.strip()
            assert visible(told) == told
            assert "\n" not in told
            return None


def expression(text: str, folder: Path) -> None:
    ends_well(lambda: Expression.parse(text))


def policy(text: str, folder: Path) -> None:
    ends_well(lambda: load_policy(text))


def policy_file(text: str, folder: Path) -> None:
    ends_well(lambda: policies_from_toml(text, "x.toml"))


def scenario_file(text: str, folder: Path) -> None:
    ends_well(lambda: parse_scenario(text, "x.toml"))


def options(text: str, folder: Path) -> None:
    ends_well(lambda: parse_grid([text]))
    ends_well(lambda: parse_condition(text, ["never"]))
    ends_well(lambda: parse_prices([text]))


def table(text: str, folder: Path) -> None:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    ends_well(lambda: read_own_table(path, "churn"))


MODEL = live(small(steps=1), load_policy("never").build())


def model_files(change: tuple[str, int, bytes], folder: Path) -> None:
    """A model whose files were changed is the same model, or none: nothing else can ever be promoted."""
    name, at, put = change
    wanted = MODEL.registry.model(1)
    wanted.save(folder / "model")
    path = folder / "model" / name
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + put + whole[at + len(put) :])
    found = ends_well(lambda: Model.load(folder / "model"))
    assert found is None or found == wanted


def record_files(change: tuple[str, int, bytes], folder: Path) -> None:
    name, at, put = change
    write_record(MODEL.record, folder)
    path = folder / {"trees.txt": RECORD_FILE, "model.json": STEPS_FILE}[name]
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + put + whole[at + len(put) :])
    ends_well(lambda: read_record(folder))


CHANGES = st.tuples(st.sampled_from(["trees.txt", "model.json"]), st.integers(0, 10**6), BYTES)
FUZZERS: dict[str, tuple[Callable[[Any, Path], None], st.SearchStrategy[Any], int]] = {
    "expressions": (expression, EXPRESSIONS | ODD_TEXT, 6000),
    "policies": (policy, EXPRESSIONS | CALLS | ODD_TEXT, 6000),
    "policy files": (policy_file, POLICY_FILES, 5000),
    "scenario files": (scenario_file, SCENARIOS, 5000),
    "options": (options, GRIDS, 5000),
    "tables": (table, TABLES, 1000),
    "models": (model_files, CHANGES, 1500),
    "records": (record_files, CHANGES, 500),
}
INPUTS = sum(count for _, _, count in FUZZERS.values())


def fuzz(name: str, count: int, folder: Path) -> int:
    """Try so many inputs, the same ones each time; return how many there were."""
    tried, (check, inputs, _) = [], FUZZERS[name]

    @seed(13)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def run(value: Any) -> None:
        tried.append(None)
        check(value, folder)

    run()
    return len(tried)


@pytest.mark.parametrize("name", FUZZERS)
def test_a_few_hostile_inputs_end_well(tmp_path, name):
    fuzz(name, FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("name", FUZZERS)
def test_thousands_of_hostile_inputs_end_well(tmp_path, name):
    assert INPUTS == 30_000
    assert fuzz(name, FUZZERS[name][2], tmp_path) > 0.9 * FUZZERS[name][2]
