"""MLflow as this package uses it: set up before it is imported, quiet, and its errors told in one sentence."""

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A laboratory that promises to stay on this machine must not report its use. Patience is ours: a request that MLflow
# itself repeats after its answer was lost makes things twice. Standard output belongs to the result, and standard
# error to our own words. MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow

with warnings.catch_warnings():
    # MLflow warns of a type hint of its own when this part of it is imported.
    warnings.filterwarnings("ignore", message=".*Any type hint", category=UserWarning)
    import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from sqlalchemy.exc import SQLAlchemyError  # MLflow lets the errors of its database through

from sim.errors import InputError
from sim.shown_text import redacted

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""What a store raises that does not answer, or refuses."""

_LONGEST_GIST = 200


def quiet_client(tracking_uri: str, registry_uri: str = "") -> MlflowClient:
    """Return a client of an MLflow store that says nothing but warnings."""
    quieten()
    return MlflowClient(tracking_uri, registry_uri or tracking_uri)


def quieten() -> None:
    """Let MLflow say nothing but warnings, and not print the traceback of an error that it raises anyway."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def told_as_input(uri: str) -> Iterator[None]:
    """Tell in one sentence that a store does not answer, or that what is needed to ask it is not installed."""
    try:
        yield
    except ImportError as error:
        msg = (
            f"the MLflow store {redacted(uri)} needs the Python package {error.name or gist(error)}, which is not "
            f"installed; install it, or give another URI."
        )
        raise InputError(msg) from error
    except STORE_ERRORS as error:
        msg = f"the MLflow store {redacted(uri)} must answer, but says: {gist(error)}; check the URI."
        raise InputError(msg) from error


def gist(error: BaseException) -> str:
    """Return the gist of a store's error, without its secrets: what failed, without the chain of causes."""
    said = str(error).strip() or type(error).__name__
    first = re.split(r" with exception|\. |Response body", said.splitlines()[0])[0]
    return redacted(first)[:_LONGEST_GIST]


def is_gone(error: MlflowException) -> bool:
    """Whether an error says that what was asked for is not there."""
    return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))


def pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield all that a search finds; `search` takes the token of a page."""
    token: str | None = None
    while True:
        page = search(token)
        yield from page
        token = page.token or None
        if token is None:
            return


__all__ = [
    "STORE_ERRORS",
    "MlflowClient",
    "MlflowException",
    "gist",
    "is_gone",
    "mlflow",
    "pages",
    "quiet_client",
    "quieten",
    "told_as_input",
]
