"""Columns of odd names and values are read and played: what SQL, JSON and signals make of a name is no matter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_history import history, lived, opened

from sim.errors import InputError
from sim.study.scores.judge import observed_f1
from sim.world.own.table import RESERVED, read_own_table

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="`"), min_size=1, max_size=12
)
TAKEN = {"customer", "day", "gone", *RESERVED}


def played(folder: Path, frame: pd.DataFrame) -> list[tuple[float | None, float | None, float | None, str]]:
    """Return what a life on a history comes to, step by step."""
    record = lived(folder, frame)
    signals = [(row.signals.psi_max, row.signals.null_rate) for row in record.steps]
    return [
        (observed_f1(row.tally), *shown, str(row.decision.action))
        for row, shown in zip(record.steps, signals, strict=True)
    ]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=4, max_size=4, unique_by=str.casefold))
@example(['charges, "EUR"/month', "total: {sum}\\x", "p(x)<0.5", "a=b"])
@example(["f1", "psi_max", "rowid", "select"])
@example(["tenure [months]", "\U0001f642", "Verträge", "%s"])
def test_how_columns_are_called_changes_nothing_that_is_played(tmp_path, names):
    names = [name if name.casefold() not in TAKEN else f"my {name}" for name in names]
    plain = history()
    odd = plain.rename(columns=dict(zip(["tenure", "plan", "code", "late"], names, strict=True)))
    assert played(tmp_path, odd) == played(tmp_path, plain)


@pytest.mark.parametrize("number", ["1e308", "-1e308", "5e-324"])
def test_numbers_at_the_end_of_what_a_computer_holds_are_played(tmp_path, number):
    """Warnings are errors here, so nothing overflows on the way either."""
    frame = history()
    frame["tenure"] = frame["tenure"].astype(str).where(frame.index % 50 > 0, number)
    population, _, _ = opened(tmp_path, frame)
    assert np.count_nonzero(population.table.features[:, 0] == float(number)) == (frame.index % 50 == 0).sum()
    assert len(played(tmp_path, frame)) > 0


def test_texts_that_mean_missing_elsewhere_stay_categories_among_words(tmp_path):
    plans = ["None", "NaN", "null", "+", "-", "0", "1", "Yes", "yes", "NA"]
    frame = history()
    frame["plan"] = [plans[at % len(plans)] for at in range(len(frame))]
    population, _, _ = opened(tmp_path, frame)
    assert set(population.schema.columns[1].categories) == set(plans)
    assert not np.isnan(population.table.features[:, 1]).any()
    assert len(played(tmp_path, frame)) > 0


def test_constant_columns_are_said_and_columns_twice_refused(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("x,unit,word,gone\n" + "".join(f"{at},1.5,all,{at % 2}\n" for at in range(20)), encoding="utf-8")
    warned = {column.name: column.warnings for column in read_own_table(path, "gone").columns}
    assert warned["unit"] == warned["word"] == ("constant",)
    assert warned["x"] == ()
    path.write_text("x,x,gone\n1,2,0\n2,3,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="repeats x: drop the copies"):
        read_own_table(path, "gone")
