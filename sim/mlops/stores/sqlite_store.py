"""SQLite stores for MLflow, whole or not there: MLflow makes one in place, which takes seconds and may be cut short.

An empty store is made once for each version of MLflow, aside, and kept in the user's cache; a new store is a copy.
"""

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sim.errors import InputError
from sim.mlops.stores.mlflow_setting import quiet_client
from sim.trusted_file import is_trusted
from sim.world.telco.table import cache_folder

_HEAD_QUERY = "SELECT version_num FROM alembic_version"
_FILE_MODE = 0o600


def make_store(uri: str, *, is_own: bool) -> None:
    """Put an empty store where a SQLite URI points to nothing yet; it appears whole or not at all.

    Other URIs, and stores that are there, stay as they are.

    Parameters
    ----------
    uri
        The URI of an MLflow store, of any kind.
    is_own
        Whether the store is one that retrainlab made for itself; then a half-made one is replaced.

    Raises
    ------
    InputError
        If a store is there that a stopped process left half-made.
    OSError
        If the store cannot be written.
    """
    path = sqlite_path(uri)
    if path is None or not path.parent.is_dir():
        return
    with _empty_store() as empty:
        if path.exists() and path.stat().st_size:
            if not _is_half_made(path, _head(empty)):
                return
            if not is_own:
                raise _half_made(path)
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
            path.unlink()
        _put(empty, path)


def sqlite_path(uri: str) -> Path | None:
    """Return the file that a SQLite URI names, `None` for any other URI.

    >>> sqlite_path("sqlite:////tmp/mlflow.db")
    PosixPath('/tmp/mlflow.db')
    >>> sqlite_path("http://localhost:5000"), sqlite_path("sqlite:///:memory:"), sqlite_path("mlruns")
    (None, None, None)
    """
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    is_file = url.drivername.split("+")[0] == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def _put(empty: Path, path: Path) -> None:
    """Copy the empty store beside its place, and let it appear there unless another process was quicker."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(empty.read_bytes())
        part.chmod(_FILE_MODE)
        if path.exists() and not path.stat().st_size:
            part.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)


def _is_half_made(path: Path, head: str) -> bool:
    """Tell whether a file is a store that MLflow began: it has tables, but neither all of them nor an experiment."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as store:
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables & {"experiments", "alembic_version", "runs"}:
            return False
        if "experiments" in tables and store.execute("SELECT count(*) FROM experiments").fetchone()[0]:
            return False
        heads = [found for (found,) in store.execute(_HEAD_QUERY)] if "alembic_version" in tables else []
        return heads != [head]
    return False


def _half_made(path: Path) -> InputError:
    return InputError(
        f"an MLflow store must be whole, but {path} was left half-made by a process that was stopped while it made "
        f"it, and holds no runs; delete that file, or give another --tracking-uri."
    )


def _head(path: Path) -> str:
    with closing(sqlite3.connect(path)) as store:
        return str(store.execute(_HEAD_QUERY).fetchone()[0])


@contextmanager
def _empty_store() -> Iterator[Path]:
    """Lend the file of an empty store, from the user's cache or made anew."""
    folder = cache_folder() / "mlflow"
    kept = _kept(folder)
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory() as aside:
        made = Path(aside) / "mlflow.db"
        _make(made)
        with suppress(OSError):  # a cache that cannot be written costs the next run its head start
            _keep(made, folder)
        yield made


def _stem() -> str:
    return f"empty-{version('mlflow')}-"


def _kept(folder: Path) -> Path | None:
    """Return the kept store of this version of MLflow, if nobody else could have put it there and it is whole."""
    for path in sorted(folder.glob(f"{_stem()}*.db")):
        with suppress(OSError):
            if is_trusted(path) and path.stem == _stem() + _digest(path):
                return path
    return None


def _keep(made: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made.read_bytes())
        Path(name).replace(folder / f"{_stem()}{_digest(made)}.db")
    finally:
        Path(name).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _make(path: Path) -> None:
    """Let MLflow make a store, and take its one experiment out again: MLflow puts that back in each copy.

    The experiment names a folder of whoever opened the store first.
    """
    uri = f"sqlite:///{path}"
    quiet_client(uri).search_experiments(max_results=1)
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("DELETE FROM experiments")
