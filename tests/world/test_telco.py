"""The Telco table: what it holds, where it is found, and how a wrong file is refused."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.errors import InputError
from sim.world.schema.table import Table
from sim.world.telco import table as telco_module
from sim.world.telco.table import FILE_NAME, PATH_VARIABLE, SCHEMA, SHA256, describe, find, load, read_table

HEADER = ",".join(["customerID", *SCHEMA.names, "Churn"])


def row(
    customer: str = "A", tenure: str = "1", contract: str = "One year", total: str = "29.85", churn: str = "No"
) -> str:
    person = f"{customer},Female,0,Yes,No,{tenure}"
    services = "No,No phone service,DSL,No,Yes,No,No,No,No"
    return f"{person},{services},{contract},Yes,Electronic check,29.85,{total},{churn}"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


@pytest.fixture(scope="session")
def telco_bytes(telco: Table) -> bytes:
    path = find()
    assert path is not None
    return path.read_bytes()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no file named by the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(PATH_VARIABLE, raising=False)
    return tmp_path / "cache" / "retrainlab"


class TestTheRealTable:
    def test_has_the_known_shape_and_churn(self, telco: Table) -> None:
        assert telco.features.shape == (7043, 19)
        assert telco.churned.sum() == 1869
        assert telco.churned.dtype == np.bool_

    def test_total_charges_is_missing_exactly_where_tenure_is_0(self, telco: Table) -> None:
        missing = np.isnan(telco.features[:, SCHEMA.position["TotalCharges"]])
        assert missing.sum() == 11
        np.testing.assert_array_equal(missing, telco.features[:, SCHEMA.position["tenure"]] == 0)
        assert np.isnan(telco.features).sum() == 11

    def test_every_category_is_in_the_vocabulary_and_every_one_occurs(self, telco: Table) -> None:
        for position in SCHEMA.category_positions:
            codes = set(telco.features[:, position])
            assert codes == set(range(len(SCHEMA.columns[position].categories)))

    def test_is_sorted_by_distinct_customers(self, telco: Table) -> None:
        assert telco.customer_id.dtype.kind == "U"
        assert (telco.customer_id[1:] > telco.customer_id[:-1]).all()

    def test_keeps_each_customer_with_its_own_row(self, telco: Table) -> None:
        index = int(np.flatnonzero(telco.customer_id == "7590-VHVEG")[0])
        frame = SCHEMA.decode(telco.features[[index]])
        assert frame.iloc[0][["tenure", "InternetService", "MonthlyCharges"]].tolist() == [1.0, "DSL", 29.85]
        assert not telco.churned[index]

    def test_passes_the_schema_that_variants_must_pass(
        self, telco: Table, telco_bytes: bytes, tmp_path: Path
    ) -> None:
        variant = tmp_path / "variant.csv"
        variant.write_bytes(telco_bytes.replace(b"\n", b"\r\n"))
        table = read_table(variant, verify_hash=False)
        np.testing.assert_array_equal(table.features, telco.features)
        with pytest.raises(InputError, match="other line endings"):
            load(variant)

    @pytest.mark.usefixtures("telco")
    def test_is_described(self) -> None:
        description = describe()
        assert (description.rows, description.missing_total_charges) == (7043, 11)
        assert description.churn_rate == pytest.approx(0.26537, abs=1e-5)
        assert description.sha256 == SHA256
        assert description.is_original

    def test_is_taken_from_the_cache(self, telco: Table, telco_bytes: bytes, cache: Path) -> None:
        cache.mkdir(parents=True)
        (cache / FILE_NAME).write_bytes(telco_bytes)
        assert find() == cache / FILE_NAME == telco_module.fetch()
        np.testing.assert_array_equal(load().features, telco.features)


def test_categories_and_numbers_are_encoded_and_rows_sorted(write: Callable[..., Path]) -> None:
    table = read_table(
        write(HEADER, row("B", tenure="0", total=" "), row("A", contract="Two year", churn="Yes")), verify_hash=False
    )
    assert table.customer_id.tolist() == ["A", "B"]
    assert table.churned.tolist() == [True, False]
    assert table.features[:, SCHEMA.position["Contract"]].tolist() == [2, 1]
    assert np.isnan(table.features[1, SCHEMA.position["TotalCharges"]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([], "is empty", id="empty file"),
        pytest.param(["", ""], "is empty", id="blank lines"),
        pytest.param([HEADER], "only a header", id="no rows"),
        pytest.param([HEADER.replace("Contract,", ""), row()], "lacks Contract", id="missing column"),
        pytest.param(
            [HEADER.replace("tenure", "tenur").replace("Churn", "churn"), row()],
            "lacks tenure, Churn: .* Did you mean 'tenur'",
            id="misspelt columns",
        ),
        pytest.param([HEADER + ",Reason", row() + ",x"], "also has Reason", id="unknown column"),
        pytest.param([HEADER + ",Churn", row() + ",No"], "repeats Churn", id="repeated column"),
        pytest.param([HEADER, row(), row("B") + ",x"], "21 values, but row 2 .* has 22", id="long row"),
        pytest.param([HEADER, row(), "B,Female"], "21 values, but row 2 .* has 2:", id="short row"),
        pytest.param([HEADER, row(), '"B'], "comma-separated text", id="open quote"),
        pytest.param(
            [HEADER, row(), row("B", tenure="one"), row("C", tenure="two")],
            "column tenure must hold a number of at least 0, but row 2 of .* has 'one'",
            id="text as number",
        ),
        pytest.param([HEADER, row(tenure="-1")], "tenure .* '-1'", id="negative number"),
        pytest.param([HEADER, row(tenure="inf")], "tenure .* 'inf'", id="infinite number"),
        pytest.param([HEADER, row(tenure="nan")], "tenure .* 'nan'", id="not a number"),
        pytest.param([HEADER, row(tenure=" ")], "tenure .* ' '", id="blank number"),
        pytest.param([HEADER, row(total="much")], "TotalCharges .* or a blank, .* 'much'", id="text as charges"),
        pytest.param(
            [HEADER, row(contract="Daily")],
            "Contract must hold one of 'Month-to-month', 'One year', 'Two year', but row 1 .* 'Daily'",
            id="unknown category",
        ),
        pytest.param(
            [HEADER, row(), row("B", churn="yes")], "Churn must hold one of 'No', 'Yes'.* row 2", id="churn"
        ),
        pytest.param([HEADER, row(" ")], "customerID must hold an id", id="blank id"),
        pytest.param([HEADER, row(), row("B"), row()], "id that occurs once, but row 3 of .* 'A'", id="duplicate id"),
        pytest.param(
            [HEADER, row(), row(churn="maybe")], "column Churn .* 'maybe'", id="a wrong value before a duplicate id"
        ),
        pytest.param([HEADER, row()], f"sha256 {SHA256}, but .* has [0-9a-f]{{64}}", id="another hash"),
    ],
)
def test_a_wrong_file_is_refused_by_its_first_fault(
    lines: list[str], message: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=message):
        load(write(*lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PATH_VARIABLE, str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match=r"none\.csv is not \(No such file.*data fetch.*--population twin"):
        load()


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="readable file"):
        load(tmp_path)


def test_other_encodings_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=f"UTF-8 text, but byte {len(HEADER) + 1} "):
        load(write(HEADER, row("é"), encoding="latin-1"))


def test_a_byte_order_mark_is_no_part_of_a_column(write: Callable[..., Path]) -> None:
    assert len(read_table(write(HEADER, row(), encoding="utf-8-sig"), verify_hash=False).churned) == 1


def test_columns_may_come_in_any_order(write: Callable[..., Path]) -> None:
    lines = [",".join(reversed(line.split(","))) for line in (HEADER, row())]
    assert read_table(write(*lines), verify_hash=False).features[0, SCHEMA.position["MonthlyCharges"]] == 29.85


def test_a_variant_is_described_but_not_as_the_original(write: Callable[..., Path]) -> None:
    path = write(HEADER, row("A", tenure="0", total="", churn="Yes"), row("B"))
    description = describe(path)
    assert (description.rows, description.churn_rate, description.missing_total_charges) == (2, 0.5, 1)
    assert description.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not description.is_original


@pytest.mark.usefixtures("cache")
class TestWhereTheFileIsFound:
    def test_the_given_path_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PATH_VARIABLE, "named.csv")
        assert find(Path("given.csv")) == Path("given.csv")
        assert find() == Path("named.csv")

    def test_an_empty_variable_names_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PATH_VARIABLE, "")
        assert find() is None

    def test_a_damaged_file_in_the_cache_is_not_used(self, cache: Path) -> None:
        cache.mkdir(parents=True)
        (cache / FILE_NAME).write_text("half a fi")
        assert find() is None


def send(content: bytes) -> Callable[[BaseHTTPRequestHandler, threading.Event], None]:
    def reply(request: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(content)

    return reply


def hang(request: BaseHTTPRequestHandler, closing: threading.Event) -> None:
    closing.wait()


def trickle(request: BaseHTTPRequestHandler, closing: threading.Event) -> None:
    request.send_response(200)
    request.end_headers()
    while not closing.wait(0.02):
        request.wfile.write(b"x")


def trickle_headers(request: BaseHTTPRequestHandler, closing: threading.Event) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    while not closing.wait(0.02):
        request.wfile.write(b"x")


def refuse(request: BaseHTTPRequestHandler, closing: threading.Event) -> None:
    request.send_error(404)


@contextmanager
def serving(reply: Callable[[BaseHTTPRequestHandler, threading.Event], None]) -> Iterator[str]:
    """A web server on this machine that answers with `reply`; yields the address of the file."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the client may have gone
                reply(self, closing)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{FILE_NAME}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach this machine without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.usefixtures("direct")
class TestDownload:
    def test_the_right_file_is_kept_under_its_name(self, telco_bytes: bytes, tmp_path: Path) -> None:
        with serving(send(telco_bytes)) as url:
            path = telco_module._download(url, tmp_path / "cache", 4.5)
        assert path == tmp_path / "cache" / FILE_NAME
        assert path.read_bytes() == telco_bytes
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("reply", [hang, trickle, trickle_headers])
    def test_a_server_that_takes_too_long_is_given_up(
        self, reply: Callable[[BaseHTTPRequestHandler, threading.Event], None], tmp_path: Path
    ) -> None:
        with serving(reply) as url:
            start = time.monotonic()
            with pytest.raises(InputError, match=r"took too long.*retrainlab data fetch.*--population twin"):
                telco_module._download(url, tmp_path, 0.3)
            assert time.monotonic() - start < 2
        assert not list(tmp_path.iterdir())

    def test_the_limit_leaves_time_to_say_so(self) -> None:
        assert telco_module._DOWNLOAD_SECONDS < 5

    def test_wrong_bytes_are_not_kept(self, tmp_path: Path) -> None:
        with (
            serving(send(b"<html>log in first</html>")) as url,
            pytest.raises(InputError, match=f"{SHA256}.*data fetch"),
        ):
            telco_module._download(url, tmp_path, 4.5)
        assert not list(tmp_path.iterdir())

    def test_a_refusal_is_reported(self, tmp_path: Path) -> None:
        with serving(refuse) as url, pytest.raises(InputError, match=r"404.*--population twin"):
            telco_module._download(url, tmp_path, 4.5)

    def test_a_server_that_is_not_there_is_reported(self, tmp_path: Path) -> None:
        with serving(refuse) as url:
            """Learn an address at which nothing answers any more."""
        with pytest.raises(InputError, match=r"download failed \(no connection to the server\).*--population twin"):
            telco_module._download(url, tmp_path, 4.5)

    def test_a_cache_that_cannot_be_written_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file, not a folder")
        with pytest.raises(InputError, match=r"download failed .*--population twin"):
            telco_module._download("http://127.0.0.1:9/", tmp_path / "cache", 4.5)


def test_a_frame_with_a_column_twice_is_not_encoded() -> None:
    frame = SCHEMA.decode(np.zeros((3, len(SCHEMA.columns))))
    twice = pd.concat([frame, frame[["gender"]]], axis=1)
    with pytest.raises(ValueError, match="each column once, but has 'gender' 2 times"):
        SCHEMA.encode(twice)
