"""One table, from everything that teams keep tables in: the same customers come out of each."""

import gzip
import io
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from postgresql_server import is_installed, postgresql

from sim.errors import InputError
from sim.world.own.dates import check_outliers
from sim.world.own.source import Source
from sim.world.own.table import OwnTable, Reading, read_own_table
from sim.world.population_spec import PopulationSpec
from sim.world.schema.columns import Column


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    return pd.DataFrame(
        {
            "customer": [f"K{row:03d}" for row in range(n)],
            "tenure": rng.integers(0, 72, n),
            "charges": rng.uniform(18, 120, n).round(2),
            "plan": rng.choice(["Basic", "Plus, yearly", 'say "max"'], n),
            "gone": rng.choice(["yes", "no"], n),
        }
    )


TEXT = frame().to_csv(index=False)


def check(own: OwnTable) -> None:
    """Compare a table with the frame that it was written from."""
    wanted = frame().sort_values("customer")
    assert own.table.customer_id.tolist() == wanted["customer"].tolist()
    assert own.table.churned.tolist() == (wanted["gone"] == "yes").tolist()
    assert own.table.schema.names == ("tenure", "charges", "plan")
    assert own.table.schema.columns[2] == Column("plan", ("Basic", "Plus, yearly", 'say "max"'))
    np.testing.assert_array_equal(own.table.features[:, 0], wanted["tenure"])
    np.testing.assert_array_equal(own.table.features[:, 1], wanted["charges"])
    assert own.whole_numbers == {"tenure"}


def read(source: Path | str) -> OwnTable:
    return read_own_table(source, "gone", "customer")


class TestText:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_any_usual_separator_and_line_end(self, tmp_path, separator, end):
        path = tmp_path / "customers.txt"
        frame().to_csv(path, index=False, sep=separator, lineterminator=end)
        check(read(path))

    def test_an_excel_export_of_europe(self, tmp_path):
        path = tmp_path / "export.csv"
        path.write_bytes(
            b"\xef\xbb\xbfsep=;\r\n"
            + frame().to_csv(index=False, sep=";", decimal=",").replace("\n", "\r\n").encode()
        )
        check(read(path))

    @pytest.mark.parametrize("above", ["# Report of 2026\n", "Customers\n\nas of May\n"])
    def test_lines_above_the_header_are_left_out_and_said(self, tmp_path, above):
        path = tmp_path / "customers.csv"
        path.write_text(above + TEXT, encoding="utf-8")
        own = read(path)
        check(own)
        assert "above the header" in own.notes[0]

    def test_trailing_separators_are_left_out_and_said(self, tmp_path):
        path = tmp_path / "customers.csv"
        path.write_text("\n".join(line + "," for line in TEXT.splitlines()), encoding="utf-8")
        own = read(path)
        check(own)
        assert own.notes == (f"column 6 of {path} has no name and no values: left out",)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda lines: [*lines[:9], '"' + lines[9], *lines[10:]], r"row 9 of .* quote that is not closed"),
            (
                lambda lines: [*lines[:9], lines[9].rpartition(",")[0], *lines[10:]],
                "row 9 of .* has 4: repair the row",
            ),
            (lambda lines: [*lines[:9], lines[9] + ",x", *lines[10:]], "row 9 of .* has 6: repair the row"),
            (lambda lines: lines + lines, "target 'gone' must hold two values, but .* has 3"),
        ],
    )
    def test_broken_rows_are_refused_with_their_number(self, tmp_path, change, said):
        path = tmp_path / "customers.csv"
        path.write_text(
            "\n".join(change(frame().assign(plan="A").to_csv(index=False).splitlines())), encoding="utf-8"
        )
        with pytest.raises(InputError, match=said):
            read(path)

    def test_json_is_refused_with_what_to_do(self, tmp_path):
        path = tmp_path / "customers.jsonl"
        frame().to_json(path, orient="records", lines=True)
        with pytest.raises(InputError, match="holds JSON: convert it"):
            read(path)


class TestPacked:
    def test_gzip_and_zip(self, tmp_path):
        (tmp_path / "customers.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
        with zipfile.ZipFile(tmp_path / "customers.zip", "w") as archive:
            archive.writestr("export/customers.csv", TEXT)
            archive.writestr("__MACOSX/._customers.csv", "x")
        for name in ("customers.csv.gz", "customers.zip"):
            own = read(tmp_path / name)
            check(own)
            assert own.name == "customers"

    @pytest.mark.parametrize(
        "content", [gzip.compress(TEXT.encode())[:-20], b"\x1f\x8bnothing", b"PK\x03\x04nothing"]
    )
    def test_a_broken_archive_is_refused(self, tmp_path, content):
        (tmp_path / "customers.gz").write_bytes(content)
        with pytest.raises(InputError, match="can't be unpacked"):
            read(tmp_path / "customers.gz")

    def test_a_zip_of_two_tables_is_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "customers.zip", "w") as archive:
            archive.writestr("a.csv", TEXT)
            archive.writestr("b.csv", TEXT)
        with pytest.raises(InputError, match="holds 2 files"):
            read(tmp_path / "customers.zip")


class TestTyped:
    def test_parquet(self, tmp_path):
        frame().to_parquet(tmp_path / "customers.parquet", index=False)
        check(read(tmp_path / "customers.parquet"))

    def test_types_of_parquet_are_read_as_what_they_are(self, tmp_path):
        table = pa.table(
            {
                "day": pa.array([0, 1, 2], type=pa.date32()),
                "flag": [True, None, False],
                "ratio": pa.array([0.5, None, 2.0], type=pa.float32()),
                "amount": pa.array([None, 2, 3], type=pa.decimal128(9, 2)),
                "kind": pa.array(["a", "b", None]).dictionary_encode(),
                "gone": [1, 0, 0],
            }
        )
        pq.write_table(table, tmp_path / "t.parquet")
        own = read_own_table(tmp_path / "t.parquet", "gone", None, "day")
        assert own.dates is not None
        assert own.dates.astype(str).tolist() == ["1970-01-01", "1970-01-02", "1970-01-03"]
        columns = (Column("flag", ("false", "true")), Column("ratio"), Column("amount"), Column("kind", ("a", "b")))
        assert own.table.schema.columns == columns
        nan = np.nan
        np.testing.assert_array_equal(own.table.features, [[1, 0.5, nan, 0], [nan, nan, 2, 1], [0, 2.0, 3, nan]])

    @pytest.mark.parametrize("values", [[[1], [2]], [b"x", b"y"], [{"a": 1}, {"a": 2}]])
    def test_columns_of_no_plain_values_are_refused(self, tmp_path, values):
        pq.write_table(pa.table({"x": values, "gone": [1, 0]}), tmp_path / "t.parquet")
        with pytest.raises(InputError, match=r"'x' of .* holds"):
            read_own_table(tmp_path / "t.parquet", "gone")

    def test_a_broken_parquet_file_is_refused(self, tmp_path):
        content = io.BytesIO()
        frame().to_parquet(content)
        (tmp_path / "t.parquet").write_bytes(content.getvalue()[:200])
        with pytest.raises(InputError, match="must be whole"):
            read(tmp_path / "t.parquet")

    def test_excel(self, tmp_path):
        write_workbook(tmp_path / "customers.xlsx", frame())
        check(read(tmp_path / "customers.xlsx"))


class TestFolders:
    @pytest.mark.parametrize("kind", ["csv", "parquet", "gz"])
    def test_the_parts_of_a_folder_are_one_table(self, tmp_path, kind):
        folder = tmp_path / "customers"
        folder.mkdir()
        (folder / "_SUCCESS").touch()
        for part, rows in enumerate(np.array_split(np.arange(60), 3)):
            path, piece = folder / f"part-{part}.{kind}", frame().iloc[rows]
            if kind == "parquet":
                piece.to_parquet(path, index=False)
            else:
                piece.to_csv(path, index=False, compression="gzip" if kind == "gz" else None)
        own = read(folder)
        check(own)
        assert own.name == "customers"

    def test_parts_with_other_columns_are_refused(self, tmp_path):
        frame().to_csv(tmp_path / "a.csv", index=False)
        frame().drop(columns="plan").to_csv(tmp_path / "b.csv", index=False)
        with pytest.raises(InputError, match=r"'plan' is in one of a.csv and b.csv only"):
            read(tmp_path)


class TestDuckDB:
    def test_a_table_and_a_query(self, tmp_path):
        path = tmp_path / "warehouse.duckdb"
        customers = frame()
        with duckdb.connect(str(path)) as connection:
            connection.register("customers_frame", customers)
            connection.execute("CREATE TABLE customers AS SELECT * FROM customers_frame")
        url = f"duckdb:///{path}"
        check(read(f"{url}#customers"))
        check(read(f"{url}#SELECT * FROM customers ORDER BY tenure"))
        assert (
            Source(f"{url}#customers").read(Reading().decisions.text)[1]
            == (Source(f"{url}#SELECT * FROM customers ORDER BY charges").read(Reading().decisions.text)[1])
        )

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("duckdb:///FILE", "end it with #table"),
            ("duckdb:///FILE#orders", "a database must answer 'SELECT . FROM orders'"),
            ("duckdb:///nowhere.duckdb#customers", "must be in a file"),
            ("postgresql://me:secret@host/base#customers", "must hold no password"),
        ],
    )
    def test_a_wrong_url_is_one_sentence(self, tmp_path, url, said):
        path = tmp_path / "warehouse.duckdb"
        duckdb.connect(str(path)).close()
        with pytest.raises(InputError, match=said) as refusal:
            read(url.replace("FILE", str(path)))
        assert "secret" not in str(refusal.value)


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="PostgreSQL's server is not installed")
def test_a_real_postgresql_server_gives_its_tables_and_queries(tmp_path):
    with postgresql(tmp_path / "server") as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "CREATE TABLE customers (customer text, tenure int, charges numeric(9, 2), plan text, gone "
                "boolean, day date)"
            )
            rows = [(*row[:4], row[4] == "yes", "2026-01-31") for row in frame().itertuples(index=False, name=None)]
            rows = [tuple(value.item() if isinstance(value, np.generic) else value for value in row) for row in rows]
            connection.cursor().executemany("INSERT INTO customers VALUES (%s, %s, %s, %s, %s, %s)", rows)
        columns = "customer, tenure, charges, plan, gone"
        check(read(f"{url}#SELECT {columns} FROM customers"))
        own = read_own_table(f"{url}#customers", "gone", "customer", "day")
        assert own.dates is not None
        assert set(own.dates.astype(str)) == {"2026-01-31"}
        again = read_own_table(f"{url}#SELECT * FROM customers ORDER BY charges", "gone", "customer", "day")
        assert again.sha256 == own.sha256
        with pytest.raises(InputError, match=r"must answer 'SELECT . FROM orders'.* does not exist"):
            read(f"{url}#orders")
        with pytest.raises(InputError, match="read-only"):
            read(f"{url}#DELETE FROM customers RETURNING *")
        assert PopulationSpec(f"{url}#customers", "gone").describe().rows == 60
    with pytest.raises(InputError, match="must answer"):
        read(f"{url}#customers")


def days(*texts: str, date_format: str | None = None, tmp_path: Path) -> list[str]:
    path = tmp_path / "d.csv"
    lines = [f'"{text}",{row % 2},{row}' for row, text in enumerate(texts)]
    path.write_text("\n".join(["day,gone,x", *lines]), encoding="utf-8")
    own = read_own_table(path, "gone", None, "day", Reading(date_format=date_format))
    assert own.dates is not None
    order = np.argsort(own.table.features[:, 0])
    return list(own.dates[order].astype(str))


class TestDates:
    @pytest.mark.parametrize(
        "text",
        [
            *["2026-01-31", "2026-01-31 23:30:00 UTC", "2026-01-31T23:30:00-05:00", "2026-01-31T00:00:00.123456789"],
            *[
                "20260131",
                "2026/01/31",
                "2026/1/31",
                "31.01.2026",
                "31.1.2026 10:00",
                "31 Jan 2026",
                "31-January-2026",
            ],
            "2026-01-31T10:00Z",
        ],
    )
    def test_every_unambiguous_form_is_read_as_written(self, tmp_path, text):
        assert days(text, "2026-02-01", tmp_path=tmp_path) == ["2026-01-31", "2026-02-01"]

    def test_a_month_is_its_first_day(self, tmp_path):
        assert days("2026-01", "2026-12", tmp_path=tmp_path) == ["2026-01-01", "2026-12-01"]

    @pytest.mark.parametrize("text", ["01/02/2026", "31/01/2026", "1-2-2026", "01/02/26"])
    def test_ambiguous_forms_need_a_format(self, tmp_path, text):
        with pytest.raises(
            InputError, match=r"must not be ambiguous, but row 1 .*--date-format %d/%m/%Y or %m/%d/%Y"
        ):
            days(text, "02/03/2026", tmp_path=tmp_path)

    @pytest.mark.parametrize(
        ("text", "date_format"),
        [
            ("03/02/2026", "%d/%m/%Y"),
            ("02/03/2026", "%m/%d/%Y"),
            ("1770076800", "epoch"),
            ("1770076800123", "epoch_ms"),
        ],
    )
    def test_a_format_says_it(self, tmp_path, text, date_format):
        assert days(text, text, date_format=date_format, tmp_path=tmp_path) == ["2026-02-03"] * 2
        with pytest.raises(InputError, match=f"must read {date_format}, but row 2 .* has 'soon'"):
            days(text, "soon", date_format=date_format, tmp_path=tmp_path)

    def test_seconds_are_not_guessed(self, tmp_path):
        with pytest.raises(InputError, match="add --date-format epoch"):
            days("1770076800", "1770076800", tmp_path=tmp_path)

    @pytest.mark.parametrize("odd", ["2099-12-31", "1970-01-01", "0001-01-01"])
    def test_one_row_of_another_age_is_refused_by_its_number(self, tmp_path, odd):
        usual = [f"2026-{month:02d}-{day:02d}" for month in range(1, 7) for day in range(1, 29)]
        with pytest.raises(InputError, match=f"row 3 of .* has {odd}, while nearly all others are from 2026-01-0"):
            days(*usual[:2], odd, *usual[2:], tmp_path=tmp_path)

    def test_a_long_history_is_no_outlier(self):
        all_days = np.datetime64("2000-01-31") + 30 * np.arange(300)
        check_outliers(all_days, "day", "FILE")

    def test_blank_targets_have_not_come_yet(self, tmp_path):
        path = tmp_path / "d.csv"
        path.write_text("day,gone,x\n2026-01-01,1,1\n2026-01-02,0,2\n2026-02-01,,3\n", encoding="utf-8")
        own = read_own_table(path, "gone", None, "day")
        assert own.labelled is not None
        assert own.labelled.tolist() == [True, True, False]
        assert "blank in 1 rows" in own.notes[-1]
        with pytest.raises(InputError, match=r"row 3 of .* is blank"):
            read_own_table(path, "gone")


def write_workbook(path: Path, table: pd.DataFrame) -> None:
    """Write a minimal workbook, part by part, as the standard says (ECMA-376)."""
    rows = [table.columns.tolist(), *table.to_numpy(dtype=object).tolist()]

    def cell(value: object) -> str:
        if isinstance(value, str):
            escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
            return f'<c t="inlineStr"><is><t>{escaped}</t></is></c>'
        return f"<c><v>{value!r}</v></c>"

    sheet = "".join(f"<row>{''.join(cell(value) for value in row)}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kinds = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        f'PartName="/xl/workbook.xml" '
        f'ContentType="{types}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" '
        f'ContentType="{types}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{kinds}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Customers" sheetId="1" '
        f'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{kinds}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
