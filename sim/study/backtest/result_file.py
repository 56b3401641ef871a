"""The result of a backtest as a file."""

from pathlib import Path

from pydantic import TypeAdapter

from sim.errors import InputError
from sim.json_file import read_json
from sim.study.backtest.findings import Backtest
from sim.study.claim import Claim

BACKTEST_FILE = "backtest.json"
_ADAPTER = TypeAdapter(Backtest)


def claim_backtest(result: Backtest, folder: Path, *, resume: bool) -> None:
    """Write the result into a folder of its own, or find it there to go on with; `InputError` if it holds another."""
    claim = Claim("backtest", BACKTEST_FILE, _ADAPTER, result, ".")
    claim.check(folder, resume=resume)
    claim.take(folder)


def read_backtest(folder: Path) -> Backtest:
    """Return the result that a folder holds; `InputError` if there is none."""
    try:
        return read_json(_ADAPTER, (folder / BACKTEST_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} must hold a finished backtest, but it cannot be read ({error}): run `retrainlab backtest` "
            f"again."
        ) from error
