"""A real PostgreSQL server for a test, with its own data, on a port of loopback."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOMES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def binary(name: str) -> str | None:
    """Return the path of a program of the server, from Debian's place or the search path."""
    return next((str(home / name) for home in reversed(_HOMES) if (home / name).exists()), shutil.which(name))


def is_installed() -> bool:
    """Whether a server can be started here; it refuses to be run by root, who needs the user postgres."""
    return binary("initdb") is not None and binary("pg_ctl") is not None


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start a server whose data are in a folder, and give the URL of its database; it ends with the block."""
    data, port = folder / "data", _free_port()
    folder.mkdir()
    _as_server(folder, binary("initdb"), "--auth=trust", "--username=tester", "--no-sync", "-D", data)
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    log = folder / "server.log"
    _as_server(folder, binary("pg_ctl"), "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        _as_server(folder, binary("pg_ctl"), "-D", data, "-m", "immediate", "stop")


def _as_server(folder: Path, *command: object) -> None:
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents:  # pytest's own folders, which only their owner may enter
            if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
        words = ["runuser", "-u", "postgres", "--", *words]
    subprocess.run(words, check=True, capture_output=True, cwd=folder, timeout=60)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
