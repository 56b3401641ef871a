"""Columns of one's own table are read right, or refused with row and cell; never silently as something else.

The kinds of dirty cells are those that teams have reported of their files: signs of missing values, decimal commas,
currencies, leading zeros, infinities, words among numbers.
"""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.world.own.cells import RawColumn
from sim.world.own.column import ColumnDecision, ColumnReader, Kind
from sim.world.own.numbers import MISSING_MARKS, NumberStyle
from sim.world.own.schema_file import read_decisions, write_decisions
from sim.world.own.table import Reading, inspect_own_table, read_own_table
from sim.world.schema.columns import Column
from sim.world.telco.table import find


def read(cells, known=None, days=None, **decision):
    """Read one column `x` and return what became of it."""
    mask = np.ones(len(cells), dtype=bool) if known is None else np.array(known)
    reader = ColumnReader("FILE", mask, days, {"x": ColumnDecision(**decision)})
    return reader.read(RawColumn("x", pa.array(cells)))


def values(cells, **decision):
    column = read(cells, **decision)
    assert column.feature is not None, column.report
    assert column.report.kind is Kind.NUMBER
    return column.feature.values


class TestStyles:
    @pytest.mark.parametrize(
        ("cells", "numbers", "said"),
        [
            (["90,59", "104,1", "7"], [90.59, 104.1, 7.0], "decimal commas"),
            (["5.525,99", "12,5"], [5525.99, 12.5], "decimal commas, thousands marked by ."),
            (["5,525.99", "1,234,567", "12"], [5525.99, 1234567.0, 12.0], "thousands marked by ,"),
            (["1 234,5", "2\u202f000,0"], [1234.5, 2000.0], "decimal commas, thousands marked by spaces"),
            (["1'234.5", "12"], [1234.5, 12.0], "thousands marked by '"),
            (["$18.00", "$ 20.62", "-$3"], [18.0, 20.62, -3.0], "amounts in $"),
            (["18,00 €", "1.020,62 €"], [18.0, 1020.62], "decimal commas, thousands marked by ., amounts in €"),
            (["5%", "12.5 %"], [0.05, 0.125], "per cent, as shares of 1"),
            (["(5)", "7"], [-5.0, 7.0], ""),
            (["\u22125.5", "7"], [-5.5, 7.0], ""),
            (["1.234", "2.5"], [1.234, 2.5], ""),
            (["1e3", "+.5", "-2.5E-1"], [1000.0, 0.5, -0.25], ""),
        ],
    )
    def test_a_style_of_the_whole_column_is_read_and_said(self, cells, numbers, said):
        column = read(cells)
        np.testing.assert_allclose(values(cells), numbers)
        assert [warning for warning in column.report.warnings if "read with" in warning] == (
            [f"read with {said}"] if said else []
        )

    @pytest.mark.parametrize(
        ("cells", "row"),
        [
            (["1", "2", "$3", "4"], 3),
            (["$1", "$2", "3", "$4"], 3),
            (["5%", "0.05", "6%"], 2),
            (["1.5", "2,5", "3.5"], 2),
            (["1,500", "2", "12,000"], 1),
            (["1", "05", "72"], 2),
            (["$1", "€2", "$3"], 2),
        ],
    )
    def test_a_mixture_is_refused_with_row_and_cell(self, cells, row):
        column = read(cells)
        assert column.report.kind is Kind.REFUSED
        assert f"row {row} of FILE has {cells[row - 1]!r}" in str(column.refusal)
        assert "--schema" in str(column.refusal)

    def test_what_is_not_clear_may_be_said(self):
        thousands, decimals = NumberStyle(".", ","), NumberStyle(",", "")
        assert values(["1,500", "2"], kind=Kind.NUMBER, style=thousands).tolist() == [1500.0, 2.0]
        assert values(["1,500", "2"], kind=Kind.NUMBER, style=decimals).tolist() == [1.5, 2.0]


class TestMissing:
    @pytest.mark.parametrize("mark", sorted(MISSING_MARKS))
    def test_a_usual_sign_is_missing_among_numbers_and_said(self, mark):
        column = read(["1", mark, "2.5", mark.upper()])
        assert np.isnan(column.feature.values).tolist() == [False, True, False, True]
        assert any("counts as missing" in warning for warning in column.report.warnings)
        assert set(column.report.marks) == {mark, mark.upper()}

    @pytest.mark.parametrize("mark", ["NA", "?", "None", "-"])
    def test_a_sign_is_a_category_among_categories(self, mark):
        column = read(["DE", mark, "FR", ""])
        assert set(column.feature.column.categories) == {"DE", "FR", mark}
        assert column.report.missing == 1

    @pytest.mark.parametrize(
        "cells", [["-999", "3", "-999", "8"], [-999.0, 3.0, -999.0, 8.0], ["-999.0", "3", "-999", "8"]]
    )
    def test_a_far_number_is_said_and_may_be_declared_missing(self, cells):
        assert "-999 in 2 rows is far from all others" in " ".join(read(cells).report.warnings)
        np.testing.assert_array_equal(values(cells, missing=("-999",)), [np.nan, 3.0, np.nan, 8.0])

    def test_ordinary_numbers_are_not_suspected(self):
        assert read([str(number) for number in range(-5, 100)]).report.warnings == ()

    @pytest.mark.parametrize("number", ["inf", "-Infinity", "1e999"])
    def test_what_is_not_finite_is_refused(self, number):
        assert f"row 2 of FILE has {number!r}" in str(read(["1", number, "2"]).refusal)
        assert values(["1", number, "2"], kind=Kind.NUMBER, missing=(number,))[0] == 1.0
        assert "row 2 of FILE has 'inf'" in str(read([1.0, np.inf]).refusal)


class TestCodesAndWords:
    def test_leading_zeros_keep_a_code_a_code(self):
        column = read(["01067", "1067", "99084", "80331"])
        assert column.feature.column.categories == ("01067", "1067", "80331", "99084")
        assert any("leading zeros" in warning for warning in column.report.warnings)
        assert read(["01", "02", "12"]).report.kind is Kind.CATEGORY
        assert read(["0", "1", "10"]).report.kind is Kind.NUMBER

    @pytest.mark.parametrize(
        ("cells", "why"),
        [
            (["2026-01-31", "2026-02-01", ""], "holds dates"),
            (["20260131", "20260201", "20260202"], "holds dates"),
            (["31/01/2026", "01/02/2026"], "holds dates"),
            (["2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"], "holds dates"),
            (["a@b.org", "c@d.org", "a@b.org"], "e-mail"),
            ([f"name {number}" for number in range(60)], "another text in each row"),
            (["", " ", ""], "blank in all rows"),
        ],
    )
    def test_what_is_no_feature_is_left_out_with_a_word(self, cells, why):
        column = read(cells)
        assert (column.report.kind, column.feature) == (Kind.IGNORED, None)
        assert why in column.report.warnings[0]

    def test_numbers_among_more_words_are_categories_and_said(self):
        column = read(["few", "many", "none at all", "1"])
        assert column.report.kind is Kind.CATEGORY
        assert "numbers in 1 rows are read as categories" in column.report.warnings[0]

    def test_a_column_may_be_declared_categories(self):
        column = read(["1", "2", "3+"], kind=Kind.CATEGORY)
        assert column.feature.column == Column("x", ("1", "2", "3+"))


class TestHistories:
    def test_kinds_come_from_what_was_known_at_first(self):
        cells = ["3", "4", "?", "X9", "5", "inf"]
        column = read(cells, known=[True, True, True, False, False, False], days=np.arange(6).astype("datetime64[D]"))
        np.testing.assert_array_equal(column.feature.values, [3.0, 4.0, np.nan, np.nan, 5.0, np.nan])
        assert "2 later cells are no such numbers" in " ".join(column.report.warnings)
        assert "'X9' in row 4" in " ".join(column.report.warnings)
        assert read(cells).report.kind is Kind.REFUSED

    def test_categories_are_numbered_in_the_order_of_their_first_day(self):
        days = np.array(["2026-03-01", "2026-01-01", "2026-02-01", "2026-01-01"], dtype="datetime64[D]")
        column = read(["b", "z", "a", "m"], known=[False, True, False, True], days=days)
        assert column.feature.column.categories == ("m", "z", "a", "b")

    def test_of_what_was_blank_at_first_nothing_is_known(self):
        column = read(["", "", "7"], known=[True, True, False])
        assert column.report.kind is Kind.IGNORED
        assert "nothing was known of it" in column.report.warnings[0]
        assert values(["", "", "7"], known=[True, True, False], kind=Kind.NUMBER)[2] == 7.0


DIRTY = (
    *["?", "-", "#N/A", "inf", "-inf", "$5.00", "1,5", ".", "n/a", "NaN", "1_000", "0x10", "12 months", "5 %", "€3"],
    *[
        "007",
        "3.5.2",
        "1,234",
        "1.234,5",
        "1 000",
        "(4",
        "4)",
        "--",
        "unknown",
        "O",
        "l0",
        "1e999",
        "TRUE",
        "2026-01-01",
    ],
    *["'5", "5-", "+-5", "½", "five", "#REF!", "<1", "10+", "1/2", "a@b.org", "∞", "\u00a0", "\uff11\uff12"],
)
CLEAN = {
    "whole": lambda rng, n: [str(number) for number in rng.integers(0, 73, n)],
    "binary": lambda rng, n: [str(number) for number in rng.integers(0, 2, n)],
    "decimal": lambda rng, n: [f"{number:.2f}" for number in rng.uniform(18, 120, n)],
    "signed": lambda rng, n: [f"{number:.1f}" for number in rng.normal(0, 30, n)],
    "large": lambda rng, n: [str(number) for number in rng.integers(1_000, 9_000_000, n)],
}


def dirtied(kind, seed, n_dirty):
    """Return the clean cells of a numeric column, and those with some of them made dirty."""
    rng = np.random.default_rng(seed)
    cells = CLEAN[kind](rng, 120)
    dirty = list(cells)
    for row in rng.choice(len(cells), n_dirty, replace=False):
        dirty[row] = str(rng.choice(DIRTY))
    return cells, dirty


def is_silent(clean, dirty):
    """Return whether a dirty column is read as something else than its clean numbers without a word."""
    column = read(dirty)
    if column.report.kind is Kind.REFUSED or column.report.warnings:
        return False
    if column.report.kind is not Kind.NUMBER or column.feature is None:
        return True
    same = [before == after for before, after in zip(clean, dirty, strict=True)]
    kept = column.feature.values[same].tolist() == [
        float(text) for text, keep in zip(clean, same, strict=True) if keep
    ]
    missing = np.isnan(column.feature.values[[not each for each in same]])
    blank = [not text.strip() for text, keep in zip(dirty, same, strict=True) if not keep]
    return not kept or missing.tolist() != blank


@pytest.mark.slow
def test_no_numeric_column_becomes_anything_else_without_a_word():
    kinds = list(CLEAN)
    cases = [(kinds[seed % len(kinds)], seed, 1 + seed % 10) for seed in range(2_000)]
    silent = [case for case in cases if is_silent(*dirtied(*case))]
    assert silent == []
    assert not any(read(dirtied(*case)[1]).report.kind is Kind.CATEGORY for case in cases[:400])


@given(
    st.sampled_from(sorted(CLEAN)),
    st.integers(0, 2**32 - 1),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Nd"]), min_size=1, max_size=8),
        min_size=1,
        max_size=10,
    ),
)
@settings(max_examples=200, deadline=None)
def test_whatever_word_stands_in_a_numeric_column_nothing_is_silent(kind, seed, words):
    rng = np.random.default_rng(seed)
    clean = CLEAN[kind](rng, 60)
    dirty = list(clean)
    for row, word in zip(rng.choice(60, len(words), replace=False), words, strict=True):
        dirty[row] = word
    assert not is_silent(clean, dirty)


@given(
    st.lists(st.decimals(-99_999, 99_999, places=2, allow_nan=False), min_size=30, max_size=60),
    st.sampled_from([("$", ""), ("", " €"), ("", ""), ("CHF ", "")]),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", "")]),
)
def test_a_column_written_in_any_one_style_is_read_right_or_refused(numbers, unit, style):
    decimal, thousands = style
    texts = [f"{abs(number):,.2f}".translate({ord(","): thousands, ord("."): decimal}) for number in numbers]
    signs = ["-" if number < 0 else "" for number in numbers]
    cells = [f"{sign}{unit[0]}{text}{unit[1]}" for sign, text in zip(signs, texts, strict=True)]
    np.testing.assert_allclose(values(cells), [float(number) for number in numbers])


@pytest.mark.usefixtures("telco")
@pytest.mark.parametrize("cell", ["?", "-", "inf", "#N/A", "$5.00", ".", "1,5"])
def test_one_dirty_cell_of_the_real_table_is_missing_or_refused(tmp_path, cell):
    path = find()
    assert path is not None
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    place = rows[0].index("tenure")
    rows[4000][place] = cell
    dirty = tmp_path / "telco.csv"
    with dirty.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    own, refusals = inspect_own_table(dirty, "Churn", "customerID")
    report = next(column for column in own.columns if column.name == "tenure")
    if refusals:
        assert f"row 4000 of {dirty} has {cell!r} in 'tenure'" in str(refusals[0])
    else:
        assert report.kind is Kind.NUMBER
        assert report.warnings


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


class TestDecisions:
    def test_what_was_decided_is_written_and_read_back_alike(self, tmp_path):
        path = write(
            tmp_path / "c.csv",
            "price;visits;plan;zip;note;gone",
            *(f"{n},50 €;{'?' if n % 3 else n};{'AB'[n % 2]};0{1000 + n % 7};;{n % 2}" for n in range(40)),
        )
        own = read_own_table(path, "gone")
        write_decisions(tmp_path / "s.toml", own.columns, own.settings, own.name)
        decisions = read_decisions(tmp_path / "s.toml")
        assert decisions.text.separator == ";"
        assert decisions.columns["price"] == ColumnDecision(kind=Kind.NUMBER, style=NumberStyle(",", "", "€"))
        assert decisions.columns["visits"].missing == ("?",)
        again = read_own_table(path, "gone", reading=Reading(schema=tmp_path / "s.toml"))
        np.testing.assert_array_equal(again.table.features, own.table.features)
        assert again.table.schema == own.table.schema == read_own_table(path, "gone").table.schema

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[columns.x]\nkind = 'text'", "kind must be number, category or ignored"),
            ("[columns.x]\nkid = 'number'", "Did you mean 'kind'"),
            ("[columns.x]\nmissing = '?'", "missing must be a list of texts"),
            ("[columns.x]\ndecimal = ';'", "decimal must be . or ,"),
            ("[columns.y]\nkind = 'number'", "--schema must name columns of"),
            ("[file]\nseparator = 'tab'", "separator must be one character"),
            ("columns = 3", "must be tables"),
            ("[columns", "--schema must be a TOML file"),
        ],
    )
    def test_a_wrong_file_is_refused_in_one_sentence(self, tmp_path, text, said):
        schema = write(tmp_path / "s.toml", text)
        with pytest.raises(InputError) as refusal:
            read_own_table(write(tmp_path / "c.csv", "x,gone", "1,0", "2,1"), "gone", reading=Reading(schema=schema))
        assert said in str(refusal.value)
        assert "\n" not in str(refusal.value).split("(")[0]

    def test_a_refused_column_can_be_decided_by_hand(self, tmp_path):
        path = write(tmp_path / "c.csv", "x,gone", "1,0", "2,1", "lots,1")
        with pytest.raises(InputError, match=r"row 3 of .* has 'lots' in 'x'"):
            read_own_table(path, "gone")
        schema = write(tmp_path / "s.toml", "[columns.x]", 'kind = "number"', 'missing = ["lots"]')
        own = read_own_table(path, "gone", reading=Reading(schema=schema))
        np.testing.assert_array_equal(own.table.features[:, 0], [1.0, 2.0, np.nan])


def test_a_column_that_gives_the_outcome_away_is_named(tmp_path):
    rng = np.random.default_rng(0)
    gone = rng.random(400) < 0.3
    lines = [
        f"{rng.integers(0, 72)},{int(each)},{'moved' if each else ''},{rng.random():.3f},{int(each)}" for each in gone
    ]
    own = read_own_table(write(tmp_path / "c.csv", "tenure,churn_value,reason,score,gone", *lines), "gone")
    told = [note for note in own.notes if "gives the outcome away" in note]
    assert [note.split("'")[1] for note in told] == ["churn_value", "reason"]
    assert any("'score' is called like a model's answer" in note for note in own.notes)
    ignored = read_own_table(tmp_path / "c.csv", "gone", reading=Reading(ignored=("churn_value", "reason", "score")))
    assert ignored.table.schema.names == ("tenure",)
    assert not any("gives the outcome away" in note for note in ignored.notes)


@pytest.mark.parametrize(
    ("churner", "stayer"),
    [("Attrited Customer", "Existing Customer"), ("ja", "nein"), ("cancelled", "active"), (" True.", " False.")],
)
def test_usual_words_say_who_churned(tmp_path, churner, stayer):
    path = write(tmp_path / "c.csv", "x,gone", f"1,{churner}", f"2,{stayer}")
    assert read_own_table(path, "gone").table.churned.tolist() == [True, False]


def test_any_two_values_do_with_the_churners_named(tmp_path):
    path = write(tmp_path / "c.csv", "x,gone", "1,Ausgetreten", "2,Bestand")
    with pytest.raises(InputError, match="--churned 'Ausgetreten' or --churned 'Bestand'"):
        read_own_table(path, "gone")
    own = read_own_table(path, "gone", reading=Reading(churned="ausgetreten"))
    assert own.table.churned.tolist() == [True, False]
    with pytest.raises(InputError, match="--churned must be a value of the target"):
        read_own_table(path, "gone", reading=Reading(churned="gone"))
