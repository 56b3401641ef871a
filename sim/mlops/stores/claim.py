"""Claiming a run folder: one run takes it, no other can, and it is given back if the run cannot begin."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from sim.errors import InputError
from sim.mlops.stores.duckdb_log import connect

LOG_FILE = "loop.duckdb"
SETTINGS_FILE = "settings.json"
STORE_FILE = "mlflow.db"
ARTIFACTS_FOLDER = "mlartifacts"
_BEGUN_FILE = f"{SETTINGS_FILE}.part"
_UNDER_LOCK_FILE = f"{SETTINGS_FILE}.locked"
_SETTINGS_MODE = 0o600  # where a run logs to is nobody else's business
_WORD_FILES = ("scenario.toml", "policy.toml")
_CLAIM_FILES = {_BEGUN_FILE, _UNDER_LOCK_FILE, *_WORD_FILES, LOG_FILE, f"{LOG_FILE}.wal"}


@contextmanager
def claimed(folder: Path, settings: Mapping[str, Any], words: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Take a folder for a new run and lend its open log, which stays open where nothing fails.

    A file that marks the folder as a run's comes first. Then the log is opened: the database allows one process, so
    whoever has it has the folder. The settings come last: from then on the folder holds a run. A claim that a killed
    process began counts as nothing. What was only just made is removed if the caller raises `InputError`.

    Parameters
    ----------
    folder
        The run folder; it is made if it is missing.
    settings
        What the run was asked for, as JSON.
    words
        The texts of `scenario.toml` and `policy.toml`.

    Raises
    ------
    InputError
        If the folder is not free, or cannot be written to.
    """
    _check_free(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with _told_if_not_writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _BEGUN_FILE).touch()
    connection = connect(folder / LOG_FILE)
    try:
        if (folder / SETTINGS_FILE).exists():  # another run took the folder in the meantime, and may be done
            raise _taken(folder)
        _write(folder, settings, words)
    except BaseException:
        connection.close()
        raise
    try:
        yield connection
    except BaseException as error:
        connection.close()
        if isinstance(error, InputError):
            _give_back(folder, missing)
        raise


def _write(folder: Path, settings: Mapping[str, Any], words: Sequence[str]) -> None:
    with _told_if_not_writable(folder):
        for name, text in zip(_WORD_FILES, words, strict=True):
            (folder / name).write_text(text, encoding="utf-8")
        (folder / _UNDER_LOCK_FILE).touch(mode=_SETTINGS_MODE)
        (folder / _UNDER_LOCK_FILE).write_text(json.dumps(settings, indent=1), encoding="utf-8")
        (folder / _UNDER_LOCK_FILE).replace(folder / SETTINGS_FILE)
        (folder / _BEGUN_FILE).unlink(missing_ok=True)


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise _taken(folder)
    names = {item.name for item in folder.iterdir()} if folder.exists() else set()
    if names and not (_BEGUN_FILE in names and names <= _CLAIM_FILES):
        raise _taken(folder)


def _taken(folder: Path) -> InputError:
    return InputError(f"a run needs a folder of its own, but {folder} is not empty; use --resume or another --out.")


@contextmanager
def _told_if_not_writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"a run folder must be writable, but {folder} is not ({error.strerror}); use another --out."
        raise InputError(msg) from error


def _give_back(folder: Path, missing: Sequence[Path]) -> None:
    """Remove the files of a run that only just began, and the folders that it made unless others use them."""
    with suppress(OSError):  # the first error is the one to tell
        stores = [path for name in (LOG_FILE, STORE_FILE) for path in folder.glob(f"{name}*") if path.is_file()]
        for path in (*stores, *(folder / name for name in (*_CLAIM_FILES, SETTINGS_FILE))):
            path.unlink(missing_ok=True)
        if (folder / ARTIFACTS_FOLDER).exists():
            (folder / ARTIFACTS_FOLDER).rmdir()
    with suppress(OSError):  # others may have put something there since
        for path in missing:
            path.rmdir()
