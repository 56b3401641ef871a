"""A user's own table: what is read from it, and the one sentence for each thing that is wrong with it."""

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.mlops.stores.duckdb_log import DuckDBLog
from sim.world.own.table import OUTCOMES, RESERVED, OwnTable, read_own_table
from sim.world.schema.columns import Column, Schema
from sim.world.schema.table import Table
from sim.world.telco.table import find

HEADER = "id,day,plan,price,churn"
ROWS = ("b,2026-02-01,Basic,9.5,1", "a,2026-02-01,Plus,,0", "b,2026-01-31, Basic ,10,0")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
        path = tmp_path / "customers.csv"
        path.write_bytes("".join(line + end for line in lines).encode(encoding))
        return path

    return write


def column(own: OwnTable, name: str) -> list[float]:
    return own.table.features[:, own.table.schema.position[name]].tolist()


def one_column(tmp_path: Path, *cells: str) -> OwnTable:
    """The table whose only feature `x` has these cells, in this order."""
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["x", "y"], *([cell, index % 2] for index, cell in enumerate(cells))])
    return read_own_table(path, "y")


class TestWhatIsRead:
    def test_a_table_without_dates_is_sorted_by_id(self, write):
        path = write("id,plan,price,churn", "b,Plus,9.5,1", "a,Basic,,0", "c,Basic,10,0")
        own = read_own_table(path, "churn", "id")
        assert own.name == "customers"
        assert own.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert own.dates is None
        assert own.table.schema == Schema((Column("plan", ("Basic", "Plus")), Column("price")))
        assert own.table.customer_id.tolist() == ["a", "b", "c"]
        assert own.table.churned.tolist() == [False, True, False]
        np.testing.assert_array_equal(own.table.features, [[0.0, np.nan], [1.0, 9.5], [0.0, 10.0]])

    def test_a_table_with_dates_is_sorted_by_date_and_id(self, write):
        own = read_own_table(write(HEADER, *ROWS), "churn", "id", "day")
        assert own.dates is not None
        assert own.dates.dtype == np.dtype("M8[D]")
        assert own.dates.astype(str).tolist() == ["2026-01-31", "2026-02-01", "2026-02-01"]
        assert own.table.customer_id.tolist() == ["b", "a", "b"]
        assert own.table.churned.tolist() == [False, False, True]
        np.testing.assert_array_equal(own.table.features, [[0.0, 10.0], [1.0, np.nan], [0.0, 9.5]])

    def test_without_an_id_rows_are_named_in_order(self, write):
        own = read_own_table(write("day,price,churn", "2026-02-01,9,1", "2026-01-01,8,0"), "churn", date_column="day")
        assert own.table.customer_id.tolist() == ["R0000002", "R0000001"]
        assert column(own, "price") == [8.0, 9.0]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_line_endings_and_byte_order_marks_dont_matter(self, write, end, encoding):
        own = read_own_table(write(HEADER, *ROWS, end=end, encoding=encoding), "churn", "id", "day")
        assert column(own, "price")[::2] == [10.0, 9.5]

    def test_white_space_around_names_and_cells_doesnt_matter(self, write):
        own = read_own_table(write(' id ,"monthly\n\tprice", churn', " a , 9.5 ,yes", "b,10 , no"), "churn ", " id")
        assert own.table.schema.names == ("monthly price",)
        assert own.table.customer_id.tolist() == ["a", "b"]
        assert column(own, "monthly price") == [9.5, 10.0]

    def test_times_are_left_out_of_dates(self, write):
        days = ("2026-01-31T23:59:59", "2026-02-01 00:00", "2026-02-02T10:00:00.5Z", "2026-02-03 10:00+01:00")
        own = read_own_table(write("day,x,y", *(f"{day},1,{i % 2}" for i, day in enumerate(days))), "y", None, "day")
        assert own.dates is not None
        assert own.dates.astype(str).tolist() == [day[:10] for day in days]

    @pytest.mark.parametrize(("churner", "stayer"), OUTCOMES)
    @pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
    def test_each_pair_of_outcomes_is_understood(self, write, churner, stayer, change):
        own = read_own_table(write("x,y", f"1,{change(stayer)}", f"2,{change(churner)}"), "y")
        assert own.table.churned.tolist() == [False, True]

    @pytest.mark.usefixtures("telco")
    def test_the_telco_table_reads_as_an_own_table(self, telco: Table):
        path = find()
        assert path is not None
        own = read_own_table(path, "Churn", "customerID")
        np.testing.assert_array_equal(own.table.features, telco.features)
        np.testing.assert_array_equal(own.table.customer_id, telco.customer_id)
        np.testing.assert_array_equal(own.table.churned, telco.churned)
        assert own.table.schema.names == telco.schema.names
        assert own.whole_numbers == {"SeniorCitizen", "tenure"}


class TestNumbersAndCategories:
    @pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "NaN", "null", "None"])
    def test_missing_values_of_numbers(self, tmp_path, cell):
        own = one_column(tmp_path, "1", cell, "-2.5e1", "+.5")
        np.testing.assert_array_equal(column(own, "x"), [1.0, np.nan, -25.0, 0.5])
        assert own.whole_numbers == frozenset()

    @pytest.mark.parametrize("cell", ["NA", "n/a", "NaN", "null", "None"])
    def test_what_stands_for_a_missing_number_may_be_a_category(self, tmp_path, cell):
        own = one_column(tmp_path, "a", cell, "", "a")
        assert own.table.schema.columns == (Column("x", tuple(sorted(["a", cell]))),)
        assert np.isnan(column(own, "x")).tolist() == [False, False, True, False]
        assert len(set(one_column(tmp_path, cell, cell).table.schema.columns[0].categories)) == 1

    @pytest.mark.parametrize(
        "cell", ["inf", "-Infinity", "1e999", "1_000", "0x10", "$5", "1,500", "5%", "007", "abc"]
    )
    def test_one_cell_that_is_no_such_number_is_refused_with_its_row(self, tmp_path, cell):
        with pytest.raises(InputError) as refusal:
            one_column(tmp_path, "1", cell, "2", "30")
        assert f"row 2 of {tmp_path / 'x.csv'} has {cell!r} in 'x'" in str(refusal.value)

    def test_whole_numbers_are_told_apart(self, tmp_path):
        assert one_column(tmp_path, "1.0", "", "-3", "1e3").whole_numbers == {"x"}
        assert one_column(tmp_path, "1.0", "0.5").whole_numbers == frozenset()

    def test_a_thousand_categories_are_read_and_more_refused(self, tmp_path):
        names = [f"c{number}" for number in range(1_000)] * 2
        assert len(one_column(tmp_path, *names).table.schema.columns[0].categories) == 1_000
        with pytest.raises(InputError, match=r"at most 1,000 categories, but 'x' of .* has 1,001 different values"):
            one_column(tmp_path, *names, "c1000")

    def test_many_numbers_with_one_that_is_none_are_named_by_it(self, tmp_path):
        numbers = [str(number) for number in range(1_500)]
        with pytest.raises(InputError) as refusal:
            one_column(tmp_path, *numbers, "12 pieces")
        assert str(refusal.value) == (
            f"a column of numbers must hold numbers only, but row 1501 of {tmp_path / 'x.csv'} has '12 pieces' in "
            f"'x', "
            "which holds numbers in 1,500 rows: correct the cell, or say in --schema that it is missing or that the "
            "column holds categories."
        )


SOUND = {"target": "churn", "id_column": "id", "date_column": "day"}


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        pytest.param([], {}, "the customer table must have a header and rows, but FILE is empty: REMEDY", id="empty"),
        pytest.param(
            [HEADER],
            {},
            "the customer table must have rows, but FILE has only a header: REMEDY",
            id="no rows",
        ),
        pytest.param(
            [HEADER, ROWS[0], "a,b"],
            {},
            "each row must have 5 values, but row 2 of FILE has 2: repair the row.",
            id="ragged rows",
        ),
        pytest.param(
            [HEADER, '"a'],
            {},
            "the customer table must be well-formed CSV, but row 1 of FILE is not (unexpected end of data): look "
            "for a "
            "quote that is not closed.",
            id="open quote",
        ),
        pytest.param(
            [HEADER.replace("plan", "price"), *ROWS],
            {},
            "each column must occur once, but FILE repeats price: drop the copies.",
            id="repeated column",
        ),
        pytest.param(
            [HEADER.replace("plan", ""), *ROWS],
            {},
            "each column must have a name, but column 3 of FILE has none: name it or drop it.",
            id="nameless column",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"target": "chrn"},
            "--target must name a column of FILE, got 'chrn': the columns are id, day, plan, price, churn. "
            "Did you mean 'churn'?",
            id="wrong target",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"id_column": "customer"},
            "--id must name a column of FILE, got 'customer': the columns are id, day, plan, price, churn.",
            id="wrong id",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"date_column": ""},
            "--date must name a column of FILE, got '': the columns are id, day, plan, price, churn.",
            id="wrong date",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"id_column": "churn"},
            "--target, --id and --date must name different columns, but --target and --id are both 'churn': name "
            "another column or leave one out.",
            id="target is id",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"id_column": "day"},
            "--target, --id and --date must name different columns, but --id and --date are both 'day': name "
            "another column or leave one out.",
            id="id is date",
        ),
        pytest.param(
            ["id,day,churn", "a,2026-01-01,1"],
            {},
            "the customer table must have features, but FILE has no other column than id, day, churn: add columns "
            "that models can learn from.",
            id="no features",
        ),
        pytest.param(
            [HEADER, ROWS[0], "c,2026-01-01,Plus,1, "],
            {"date_column": None},
            "the target 'churn' must say of each customer who churned, but row 2 of FILE is blank: fill it in or "
            "drop the row.",
            id="blank target",
        ),
        pytest.param(
            [HEADER, ROWS[1], ROWS[2]],
            {},
            "the target 'churn' must tell churners from stayers, but all rows of FILE have '0': name a column with "
            "both.",
            id="constant target",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"target": "price", "id_column": None, "date_column": None},
            "the target 'price' must say of each customer who churned, but row 2 of FILE is blank: fill it in or "
            "drop the row.",
            id="a number as target",
        ),
        pytest.param(
            [HEADER, *ROWS, "d,2026-01-01,Plus,1,maybe", "e,2026-01-01,Plus,1,no"],
            {},
            "the target 'churn' must hold two values, but FILE has 4 ('0', '1', 'maybe', ...): name another column "
            "with --target, or write 1 for churners and 0 for all others.",
            id="four outcomes",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"target": "plan"},
            "the target 'plan' must tell churners from stayers by known words, but FILE has 'Basic' and 'Plus': "
            "say who "
            "churned by --churned 'Basic' or --churned 'Plus'.",
            id="unknown outcomes",
        ),
        pytest.param(
            [HEADER, *ROWS, "c,2026-02-30,Plus,1,1"],
            {},
            "the date 'day' must be a day, but row 4 of FILE has '2026-02-30': write dates like 2026-01-31, or say "
            "how "
            "they are written by --date-format.",
            id="no such day",
        ),
        pytest.param(
            [HEADER, *ROWS, "c,01/02/2026,Plus,1,1"],
            {},
            "the date 'day' must not be ambiguous, but row 4 of FILE has '01/02/2026': add --date-format %d/%m/%Y or "
            "%m/%d/%Y, as it is meant.",
            id="ambiguous date",
        ),
        pytest.param(
            [HEADER, *ROWS, "c,,Plus,1,1"],
            {},
            "the date 'day' must be a day, but row 4 of FILE has '': write dates like 2026-01-31, or say how they "
            "are "
            "written by --date-format.",
            id="blank date",
        ),
        pytest.param(
            [HEADER, *ROWS, " ,2026-01-01,Plus,1,1"],
            {},
            "the id 'id' must name each customer, but row 4 of FILE is blank: fill it in or drop the row.",
            id="blank id",
        ),
        pytest.param(
            [HEADER, *ROWS, f"{'x' * 201},2026-01-01,Plus,1,1"],
            {},
            "the id 'id' must have at most 200 characters, but row 4 of FILE has 201: name another column with --id.",
            id="endless id",
        ),
        pytest.param(
            [HEADER, *ROWS],
            {"date_column": None},
            "an id must occur once in a table without dates, but FILE has 'b' in rows 1 and 3: drop the copies, or "
            "name the column with dates by --date.",
            id="repeated id",
        ),
        pytest.param(
            [HEADER, *ROWS, "b,2026-01-31T10:00,Plus,1,1"],
            {},
            "an id must occur once a day, but FILE has 'b' on 2026-01-31 in rows 3 and 4: drop the copies.",
            id="id repeats in a day",
        ),
        pytest.param(
            ["empty,churn", ",1", " ,0"],
            {"id_column": None, "date_column": None},
            "the customer table must have features, but FILE has none that is left: add columns that models can "
            "learn "
            "from.",
            id="all missing",
        ),
        pytest.param(
            ["x`,churn", "1,1"],
            {"id_column": None, "date_column": None},
            "a column's name must have no backquote, but FILE has 'x`': rename it.",
            id="backquote in a name",
        ),
        pytest.param(
            ["x,churn", "a,1", "b`,0"],
            {"id_column": None, "date_column": None},
            "a category must have no backquote, but row 2 of FILE has 'b`' in 'x': write it otherwise.",
            id="backquote in a category",
        ),
        pytest.param(
            ["x,churn", "a,1", "unseen,0"],
            {"id_column": None, "date_column": None},
            "a category must not be \"unseen\", which stands for new categories, but row 2 of FILE has 'unseen' in "
            "'x': write it otherwise.",
            id="unseen",
        ),
        pytest.param(
            ["Prediction_Proba,x,churn", "0.5,1,1", "0.1,2,0"],
            {"id_column": None, "date_column": None},
            "a feature must not be called 'Prediction_Proba', which is a column of the inference log, but a column "
            "of "
            "FILE is: leave it out by --ignore 'Prediction_Proba', or ask `retrainlab backtest` if the file is a "
            "log.",
            id="reserved name",
        ),
        pytest.param(
            ["age,Age,churn", "1,1,1", "2,2,0"],
            {"id_column": None, "date_column": None},
            "the names of columns must differ by more than upper and lower case, but FILE has 'age' and 'Age': "
            "rename one.",
            id="names that differ by case",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(write, lines, options, message):
    path = write(*lines)
    with pytest.raises(InputError) as refusal:
        read_own_table(path, **SOUND | options)
    remedy = "give a table with a header and a row for each customer."
    assert str(refusal.value) == message.replace("FILE", str(path)).replace("REMEDY", remedy)


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-16-be", ""),
        ("cp1252", "FILE is no UTF-8 and was read as cp1252: check 'Zürich'"),
    ],
)
def test_usual_encodings_are_read_and_a_guess_is_said(write, encoding, note):
    path = write("city,churn", *["Zürich,yes", "Köln,no", "Bern,no"] * 4, encoding=encoding)
    own = read_own_table(path, "churn")
    assert own.table.schema.columns == (Column("city", ("Bern", "Köln", "Zürich")),)
    assert own.notes == ((note.replace("FILE", str(path)),) if note else ())


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError) as refusal:
        read_own_table(tmp_path / "none.csv", "churn")
    assert str(refusal.value) == (
        f"the customer table must be a readable file, but {tmp_path / 'none.csv'} is not (No such file or "
        f"directory): "
        "give a table with a header and a row for each customer."
    )
    with pytest.raises(InputError, match=r"a folder must hold the parts of a table, but .* has none"):
        read_own_table(tmp_path, "churn")


def test_reserved_names_are_those_of_the_inference_log():
    with duckdb.connect() as connection:
        DuckDBLog(connection, Schema((Column("a feature"),)))
        rows = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'inference_log'")
        assert {name for (name,) in rows.fetchall()} == RESERVED | {"a feature"}


CELLS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["", "1", "0", "2026-01-01", "NA", "x"])


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=4), max_size=5),
    st.sampled_from([None, "i", "x"]),
    st.sampled_from([None, "d"]),
    st.sampled_from([",", ";"]),
)
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(tmp_path_factory, rows, id_column, date, separator):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([["i", "d", "x", "y"], *rows])
    check_read_or_refused(tmp_path_factory, text.getvalue().encode(), id_column, date)


@pytest.mark.parametrize("order", [b"\x01\x01\x80\x01", b"\x01\x01\x01\x80"])
def test_a_line_of_bytes_that_is_no_line_of_characters_is_read_or_refused(tmp_path_factory, order):
    """Where the encoding is taken for UTF-16 of either byte order, in which a line's end may be half a character."""
    check_read_or_refused(tmp_path_factory, order + b"\x01\x01\x01\x02\x01\r\x01\x01\x01\x80", None, None)


@given(st.binary(max_size=60) | st.text(st.sampled_from('ixy,"\n\r10;\ufeff '), max_size=40).map(str.encode))
def test_whatever_bytes_come_they_are_read_or_refused_in_one_line(tmp_path_factory, content):
    check_read_or_refused(tmp_path_factory, content, None, None)


def check_read_or_refused(tmp_path_factory, content, id_column, date):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        table = read_own_table(path, "y", id_column, date).table
    except InputError as error:
        refusal = str(error)
    else:
        assert len(table.features) == len(table.customer_id) == len(table.churned) > 0
        assert 0 < table.churned.sum() < len(table.churned)
        assert not np.isnan(table.features).all(axis=0).any()
        return
    assert "\n" not in refusal
    assert str(path) in refusal or "say in --schema" in refusal
