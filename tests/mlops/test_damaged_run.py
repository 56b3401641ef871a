"""Damage to what a run folder holds: a resumed run ends as if undisturbed, or in one sentence.

Bytes are written over, cut out or put in, in every file; rows of the journal's tables are changed or taken away.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from forge import Forge, Order, workplace
from hostile import BYTES_OF_A_RUN, VALUES_OF_A_JOURNAL, fuzz
from lives import small
from told import assert_files_are_those_registered, told_in_record

from scenarios.files import to_toml

LIFE = small(steps=3, customers=60, delay_days=30)
KILLED_AT = ("journal", "commit", "after", 3)
SEALED = ("checkpoints", "registered_models", "seals")


@dataclass(frozen=True)
class Wreck:
    """A run that was killed on its way, a copy of its folder, and what an undisturbed run records."""

    forge: Forge
    order: Order
    whole: Path
    undisturbed: dict[str, Any]

    @property
    def folder(self) -> Path:
        return Path(self.order.folder)

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.whole, self.folder)

    def resumes_well(self) -> bool:
        """Resume; return whether the run came to its end, `False` if it was refused in one sentence."""
        ending = self.forge.play(self.order)
        assert ending.signal == 0
        kind, _, sentence = ending.said.partition(" ")
        assert ending.said == "" or kind in ("InputError", "WorkError"), ending.said
        assert "\n" not in sentence
        assert bool(sentence) == bool(kind)
        return not kind

    def has_recorded_the_same(self) -> bool:
        return told_in_record(self.folder) == self.undisturbed


@pytest.fixture(scope="module")
def wreck(tmp_path_factory) -> Iterator[Wreck]:
    with workplace("damaged", tmp_path_factory.getbasetemp()) as (forge, folder):
        scenario = folder / "life.toml"
        scenario.write_text(to_toml(LIFE), encoding="utf-8")
        assert forge.play(Order(str(folder / "undisturbed"), str(scenario))).said == ""
        run = folder / "run"
        assert forge.play(Order(str(run), str(scenario), seam=KILLED_AT)).was_killed
        shutil.copytree(run, folder / "whole")
        order = Order(str(run), str(scenario), resume=True, waits=(0.0,))
        yield Wreck(forge, order, folder / "whole", told_in_record(folder / "undisturbed"))


def damage_bytes(folder: Path, name: str, how: str, place: float, put: bytes) -> None:
    path = folder / name
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        path = files[int(place * 997) % len(files)]
    whole = path.read_bytes()
    at = int(place * len(whole))
    rest = {"write": whole[at + len(put) :], "cut": b"", "insert": whole[at:]}[how]
    path.write_bytes(whole[:at] + (b"" if how == "cut" else put) + rest)


def damage_value(folder: Path, table: str, row: int, column: int, value: str | None) -> bool:
    """Change a value of the journal, or take a row away; return whether that changed anything."""
    with duckdb.connect(str(folder / "loop.duckdb")) as connection:
        before = connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
        names = [name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]
        (rowids,) = zip(*connection.execute(f"SELECT rowid FROM {table} ORDER BY ALL").fetchall(), strict=True)
        rowid = rowids[row % len(rowids)]
        if value is None:
            connection.execute(f"DELETE FROM {table} WHERE rowid = {rowid}")
        else:
            name = names[column % len(names)]
            with suppress(duckdb.Error):  # the table itself refuses what is of another type
                connection.execute(f'UPDATE {table} SET "{name}" = ? WHERE rowid = {rowid}', [value])
        return connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() != before


def test_an_undamaged_run_goes_on_to_the_same_end(wreck):
    wreck.restore()
    assert wreck.resumes_well()
    assert wreck.has_recorded_the_same()


@pytest.mark.parametrize("table", SEALED)
def test_a_row_that_is_gone_from_what_a_run_goes_on_from_is_missed(wreck, table):
    wreck.restore()
    assert damage_value(wreck.folder, table, 1, 0, None)
    assert not wreck.resumes_well()


def test_a_number_in_a_checkpoint_that_was_changed_is_not_believed(wreck):
    wreck.restore()
    with duckdb.connect(str(wreck.folder / "loop.duckdb")) as connection:
        connection.execute("UPDATE checkpoints SET row = replace(row, '\"offers\":', '\"offers\":1') WHERE step = 0")
    said = wreck.forge.play(wreck.order).said
    assert said.startswith("InputError a resumed run needs its journal as it was written, but it is damaged (step 0")


def test_a_block_of_the_log_that_was_written_over_is_told_as_such(wreck):
    wreck.restore()
    path = wreck.folder / "loop.duckdb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(range(256)) * 8 + whole[len(whole) // 2 + 2048 :])
    said = wreck.forge.play(wreck.order).said
    assert said == "" or ("Error" in said and "another process" not in said), said


@pytest.mark.slow
@pytest.mark.fuzz
def test_damaged_bytes_of_a_run_folder_end_in_the_same_run_or_a_sentence(wreck):
    ended = []

    def check(damage: tuple[str, str, float, bytes]) -> None:
        wreck.restore()
        damage_bytes(wreck.folder, *damage)
        ended.append(wreck.resumes_well())
        assert not ended[-1] or wreck.has_recorded_the_same()

    fuzz(BYTES_OF_A_RUN, 100, check, shrinks=False)  # each try is a run of its own
    assert {True, False} == set(ended)


@pytest.mark.slow
@pytest.mark.fuzz
def test_damaged_rows_of_a_journal_end_in_a_run_or_a_sentence_and_what_is_sealed_is_refused(wreck):
    refused = []

    def check(damage: tuple[str, int, int, str | None]) -> None:
        wreck.restore()
        is_changed = damage_value(wreck.folder, *damage)
        is_well = wreck.resumes_well()
        assert not (is_well and is_changed and damage[0] in SEALED)
        refused.append(is_changed and not is_well)
        if is_well:
            assert_files_are_those_registered(wreck.folder)

    fuzz(VALUES_OF_A_JOURNAL, 100, check, shrinks=False)
    assert sum(refused) >= 10


def test_a_store_of_mlflow_that_was_emptied_is_refused(wreck):
    wreck.restore()
    with closing(sqlite3.connect(wreck.folder / "mlflow.db")) as store:
        store.execute("DELETE FROM model_versions")
        store.commit()
    assert not wreck.resumes_well()
