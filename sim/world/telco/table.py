"""The IBM Telco customer churn table: its columns, where to find it, and what a file must hold to be it.

The table is public (Apache-2.0, ``IBM/telco-customer-churn-on-icp4d`` on GitHub) and stays outside the package.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd

from sim.errors import InputError, did_you_mean
from sim.world.schema.columns import Column, Schema
from sim.world.schema.csv_file import CsvFile
from sim.world.schema.table import Table

YES_NO = ("No", "Yes")
_PHONE_EXTRA = ("No", "No phone service", "Yes")
_INTERNET_EXTRA = ("No", "No internet service", "Yes")

SCHEMA = Schema(
    (
        Column("gender", ("Female", "Male")),
        Column("SeniorCitizen", ("0", "1")),
        Column("Partner", YES_NO),
        Column("Dependents", YES_NO),
        Column("tenure"),
        Column("PhoneService", YES_NO),
        Column("MultipleLines", _PHONE_EXTRA),
        Column("InternetService", ("DSL", "Fiber optic", "No")),
        Column("OnlineSecurity", _INTERNET_EXTRA),
        Column("OnlineBackup", _INTERNET_EXTRA),
        Column("DeviceProtection", _INTERNET_EXTRA),
        Column("TechSupport", _INTERNET_EXTRA),
        Column("StreamingTV", _INTERNET_EXTRA),
        Column("StreamingMovies", _INTERNET_EXTRA),
        Column("Contract", ("Month-to-month", "One year", "Two year")),
        Column("PaperlessBilling", YES_NO),
        Column(
            "PaymentMethod",
            ("Bank transfer (automatic)", "Credit card (automatic)", "Electronic check", "Mailed check"),
        ),
        Column("MonthlyCharges"),
        Column("TotalCharges"),
    )
)
"""The 19 features of the Telco table, in the order of its columns (customerID and Churn are not features)."""

SHA256 = "16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91"
"""The hash of the one file that is the population `telco`."""

PATH_VARIABLE = "RETRAINLAB_TELCO_CSV"
"""The environment variable that names a local copy of the file."""

FILE_NAME = "Telco-Customer-Churn.csv"
SOURCE_URL = f"https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/master/data/{FILE_NAME}"

_ID, _LABEL = "customerID", "Churn"
_COLUMNS = (_ID, *SCHEMA.names, _LABEL)
_DOWNLOAD_SECONDS = 4.5  # gives up, and has said so, within five
_HELP = "run `retrainlab data fetch` where there is a network, or use `--population twin`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What `retrainlab data describe` says of a file."""

    path: str
    sha256: str
    is_original: bool
    rows: int
    churn_rate: float
    missing_total_charges: int


def load(path: Path | None = None) -> Table:
    """Return the real table, sorted by customer.

    The file is looked for at `path`, at the path in `RETRAINLAB_TELCO_CSV`, in the cache, and is downloaded into the
    cache if it is in none of them. Only the first of these that is given is read.

    Raises
    ------
    InputError
        If the file is not the Telco table, or cannot be had within five seconds.
    """
    return read_table(find(path) or fetch(), verify_hash=True)


def find(path: Path | None = None) -> Path | None:
    """Return the file that `load` reads if that needs no download, otherwise `None`.

    A path that is given, or named by `RETRAINLAB_TELCO_CSV`, is returned whether or not there is a file.
    """
    if path is not None:
        return path
    if named := os.environ.get(PATH_VARIABLE):
        return Path(named)
    cached = cache_folder() / FILE_NAME
    return cached if _is_original(cached) else None


def fetch() -> Path:
    """Download the file into the cache unless it is there, and return its path.

    Raises
    ------
    InputError
        If the right file has not arrived within five seconds, however the download fails.
    """
    folder = cache_folder()
    cached = folder / FILE_NAME
    return cached if _is_original(cached) else _download(SOURCE_URL, folder, _DOWNLOAD_SECONDS)


def read_table(path: Path, *, verify_hash: bool) -> Table:
    """Return the table in a CSV file, sorted by customer.

    Parameters
    ----------
    path
        A UTF-8 file with the 21 columns of the Telco table, in any order.
    verify_hash
        Whether the file must be the original, byte by byte, and not a variant of it.

    Raises
    ------
    InputError
        At the first of: no such file, an empty file, not UTF-8, wrong columns, a wrong value (with column and row,
        where row 1 follows the header), a duplicate id, another hash.
    """
    content = _file(path).read()
    digest = hashlib.sha256(content).hexdigest()
    frame = _parse(content, path)
    if digest != SHA256:
        _check_values(frame, path)
        if verify_hash:
            raise InputError(
                f"population telco is one file with sha256 {SHA256}, but {path} has {digest} although its columns and"
                " values are sound (a variant, or other line endings): use the original file, or `--population twin`."
            )
    return _to_table(frame)


def describe(path: Path | None = None) -> Description:
    """Describe the file that `load` would read, or any variant of it.

    Raises
    ------
    InputError
        As `load` and `read_table` do; another hash is reported, not raised.
    """
    found = find(path) or fetch()
    table = read_table(found, verify_hash=False)
    digest = hashlib.sha256(_file(found).read()).hexdigest()
    return Description(
        path=str(found),
        sha256=digest,
        is_original=digest == SHA256,
        rows=len(table.churned),
        churn_rate=float(np.mean(table.churned)),
        missing_total_charges=int(np.isnan(table.features[:, SCHEMA.position["TotalCharges"]]).sum()),
    )


def cache_folder() -> Path:
    """Return this package's folder in the user's cache."""
    import pooch  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; only a table not at hand needs it

    return Path(pooch.os_cache("retrainlab"))


def _is_original(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256


def _download(url: str, folder: Path, limit_seconds: float) -> Path:
    """Download the table from `url` into `folder`, giving up after `limit_seconds` in all.

    A socket time-out can't see a server that sends a byte a second, or a name server that never answers. So a
    background thread downloads into a folder of its own, and is left behind when time is up.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as temporary:
            arrived = _in_background(lambda: _retrieve(url, temporary, limit_seconds)).result(limit_seconds)
            return Path(arrived).replace(folder / FILE_NAME)
    except (
        OSError,
        ValueError,
    ) as error:  # time-outs and the errors of requests are OSErrors, a wrong hash ValueError
        raise InputError(
            f"the Telco table must come from {url}, but the download failed ({_reason(error)}): {_HELP}."
        ) from error


def _reason(error: Exception) -> str:
    import requests  # noqa: PLC0415 - only a download needs it

    if isinstance(error, TimeoutError | requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return " ".join(str(error).split())


def _retrieve(url: str, folder: str, timeout_seconds: float) -> str:
    import pooch  # noqa: PLC0415 - only a download needs it

    def save(url: str, file: str, _: object) -> None:
        _save(url, Path(file), timeout_seconds)

    return str(pooch.retrieve(url, known_hash=SHA256, fname=FILE_NAME, path=folder, downloader=save))


def _save(url: str, file: Path, timeout_seconds: float) -> None:
    """Save what `url` answers; pooch's own downloader leaves the connection of a failed download open."""
    import requests  # noqa: PLC0415 - only a download needs it

    with requests.get(url, stream=True, timeout=timeout_seconds) as response:
        response.raise_for_status()
        file.write_bytes(response.content)


def _in_background(work: Callable[[], str]) -> "Future[str]":
    future: Future[str] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - whatever went wrong is raised where the result is awaited
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _file(path: Path) -> CsvFile:
    return CsvFile(path, what="the Telco table", remedy=_HELP)


def _parse(content: bytes, path: Path) -> pd.DataFrame:
    """Return the cells as text, the columns in the order of the schema."""
    file = _file(path)
    header, rows = file.cells(content)
    _check_columns(header, path)
    file.check_unique(header)
    file.check_shape(header, rows)
    return pd.DataFrame(rows, columns=header, dtype=object)[list(_COLUMNS)]


def _check_columns(header: Sequence[str], path: Path) -> None:
    missing = [name for name in _COLUMNS if name not in header]
    unknown = [name for name in header if name not in _COLUMNS]
    if missing:
        hint = did_you_mean(missing[0], unknown)
        raise InputError(
            f"the Telco table must have all of its 21 columns, but {path} lacks {', '.join(missing)}: add them.{hint}"
        )
    if unknown:
        raise InputError(
            f"the Telco table must have only its 21 columns, but {path} also has {', '.join(unknown)}: drop them."
        )


def _check_values(frame: pd.DataFrame, path: Path) -> None:
    from pandera.errors import SchemaErrors  # noqa: PLC0415 - takes a second to import, and only variants need it

    try:
        _value_schema().validate(frame, lazy=True)
    except SchemaErrors as error:
        raise InputError(_first_failure(error.failure_cases, path)) from error


def _value_schema() -> Any:
    import pandera.pandas as pandera  # noqa: PLC0415 - takes a second to import, and only variants need it

    ids = [
        pandera.Check(_is_filled, error="an id"),
        pandera.Check(_is_first, error=_UNIQUE),
    ]
    features = {column.name: pandera.Column(checks=_value_check(pandera, column)) for column in SCHEMA.columns}
    label = pandera.Check.isin(YES_NO, error=_one_of(YES_NO))
    return pandera.DataFrameSchema(
        {_ID: pandera.Column(checks=ids), **features, _LABEL: pandera.Column(checks=label)}
    )


_UNIQUE = "an id that occurs once"


def _value_check(pandera: Any, column: Column) -> Any:
    if column.is_category:
        return pandera.Check.isin(column.categories, error=_one_of(column.categories))
    if column.name == "TotalCharges":
        return pandera.Check(_is_amount_or_blank, error="a number of at least 0, or a blank")
    return pandera.Check(_is_amount, error="a number of at least 0")


def _one_of(categories: Sequence[str]) -> str:
    return "one of " + ", ".join(map(repr, categories))


def _is_filled(values: "pd.Series[Any]") -> "pd.Series[bool]":
    return values.str.strip() != ""


def _is_first(values: "pd.Series[Any]") -> "pd.Series[bool]":
    return ~values.duplicated()


def _is_amount(values: "pd.Series[Any]") -> "pd.Series[bool]":
    numbers = pd.to_numeric(values, errors="coerce")
    return (numbers >= 0) & (numbers < np.inf)


def _is_amount_or_blank(values: "pd.Series[Any]") -> "pd.Series[bool]":
    return _is_amount(values) | ~_is_filled(values)


def _first_failure(failures: pd.DataFrame, path: Path) -> str:
    """Return the sentence on the first failure: by column, then by row, duplicate ids last."""
    position = failures["column"].map(_COLUMNS.index).mask(failures["check"] == _UNIQUE, len(_COLUMNS))
    first = failures.assign(position=position).sort_values(["position", "index"], kind="stable").iloc[0]
    return (
        f"column {first['column']} must hold {first['check']}, but row {int(first['index']) + 1} of {path} has"
        f" {first['failure_case']!r}: correct the file."
    )


def _to_table(frame: pd.DataFrame) -> Table:
    frame = frame.sort_values(_ID, kind="stable")
    return Table(
        schema=SCHEMA,
        customer_id=frame[_ID].to_numpy(dtype=np.str_),
        features=SCHEMA.encode(frame),
        churned=(frame[_LABEL] == "Yes").to_numpy(dtype=np.bool_),
    )
