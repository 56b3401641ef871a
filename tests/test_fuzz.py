"""Fuzzers: thirty thousand inputs that nobody should send end in a value or in one sentence; none hangs or promotes.

The generators (`hostile`) are hypothesis strategies; the few examples of `make test` and the many of `make slow` are
the same tests with another number.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hostile import (
    BYTES,
    CALLS,
    EXPRESSIONS,
    GATE_FILES,
    GRIDS,
    LINES,
    ODD_TEXT,
    POLICY_FILES,
    SCENARIOS,
    SCHEMA_FILES,
    TABLES,
    TRAINING_FILES,
    fuzz,
)
from hypothesis import strategies as st
from lives import live, small

from policies.catalogue import load_policy
from policies.expression import Expression
from policies.spec import policies_from_toml
from scenarios.files import parse_scenario
from sim.cli.app import run_app
from sim.errors import InputError, WorkError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import load_training
from sim.shown_text import sentence, visible
from sim.study.comparison.conditions import parse_condition
from sim.study.comparison.grid import parse_grid
from sim.study.run_folder import RECORD_FILE, STEPS_FILE, read_record, write_record
from sim.study.scores.pricing import parse_prices
from sim.world.own.schema_file import read_decisions
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


def in_file(read: Callable[[Path], Any]) -> Callable[[str, Path], None]:
    """Return the check of a reader of TOML files."""

    def check(text: str, folder: Path) -> None:
        path = folder / "given.toml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        ends_well(lambda: read(path))

    return check


def command_line(words: list[str], folder: Path) -> None:
    """A command ends with an exit code of the documented ones, and a mistake in one sentence."""
    said = StringIO()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    typed = patch.object(sys, "argv", ["retrainlab", *words])
    quiet = (redirect_stdout(StringIO()), redirect_stderr(said))
    with no_hang(), chdir(folder), quiet[0], quiet[1], typed, pytest.raises(SystemExit) as ended:
        run_app()
    assert ended.value.code in (None, 0, 2), (words, said.getvalue())
    if ended.value.code == 2:
        assert len(said.getvalue().splitlines()) == 1, (words, said.getvalue())
    assert not list(folder.glob("**/record.json"))


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
    "expressions": (expression, EXPRESSIONS | ODD_TEXT, 5000),
    "policies": (policy, EXPRESSIONS | CALLS | ODD_TEXT, 5000),
    "policy files": (policy_file, POLICY_FILES, 4000),
    "scenario files": (scenario_file, SCENARIOS, 4000),
    "gate files": (in_file(lambda path: load_profile(str(path))), GATE_FILES, 1500),
    "training files": (in_file(lambda path: load_training(str(path))), TRAINING_FILES, 1500),
    "schema files": (in_file(read_decisions), SCHEMA_FILES, 1500),
    "command lines": (command_line, LINES, 1000),
    "options": (options, GRIDS, 3000),
    "tables": (table, TABLES, 1000),
    "models": (model_files, CHANGES, 2000),
    "records": (record_files, CHANGES, 500),
}
INPUTS = sum(count for _, _, count in FUZZERS.values())


def tried(name: str, count: int, folder: Path) -> int:
    """Try so many inputs of a fuzzer; return how many there were."""
    check, inputs, _ = FUZZERS[name]
    return fuzz(inputs, count, lambda value: check(value, folder))


@pytest.mark.parametrize("name", FUZZERS)
def test_a_few_hostile_inputs_end_well(tmp_path, name):
    tried(name, FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("name", FUZZERS)
def test_thousands_of_hostile_inputs_end_well(tmp_path, name):
    assert INPUTS == 30_000
    assert tried(name, FUZZERS[name][2], tmp_path) > 0.9 * FUZZERS[name][2]
