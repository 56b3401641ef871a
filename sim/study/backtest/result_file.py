"""The result of a backtest as a file."""

from pathlib import Path

from pydantic import TypeAdapter

from sim.errors import InputError
from sim.json_file import read_json, write_json
from sim.study.backtest.findings import Backtest

BACKTEST_FILE = "backtest.json"
_ADAPTER = TypeAdapter(Backtest)


def write_backtest(result: Backtest, folder: Path) -> Path:
    """Write the result into a folder, which is made if need be, and return the path of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / BACKTEST_FILE
    write_json(_ADAPTER, result, path)
    return path


def read_backtest(folder: Path) -> Backtest:
    """Return the result that a folder holds; `InputError` if there is none."""
    try:
        return read_json(_ADAPTER, (folder / BACKTEST_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} must hold a finished backtest, but it cannot be read ({error}): run `retrainlab backtest` "
            f"again."
        ) from error
