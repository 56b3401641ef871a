"""A handle on the smith: a process that plays runs in children of its own and kills them."""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Order:
    """A run to play, and when to kill it.

    `seam` is (owner, function, "before" or "after", which call), `seconds` after how long. `waits` are the waits of
    its patience. `cache` is where it finds an empty store, if not in the user's cache.
    """

    folder: str
    scenario: str
    policy: str = "always"
    store: str = ""
    model_name: str = ""
    resume: bool = False
    seam: tuple[str, str, str, int] | None = None
    seconds: float | None = None
    waits: tuple[float, ...] | None = None
    cache: str = ""


@dataclass(frozen=True)
class Ending:
    """How a child ended: the signal that killed it (0: none), the sentence of its error, and its calls by seam."""

    signal: int
    said: str
    seconds: float
    calls: dict[str, int]

    @property
    def was_killed(self) -> bool:
        return self.signal == signal.SIGKILL


@contextmanager
def workplace(name: str, otherwise: Path) -> Iterator[tuple["Forge", Path]]:
    """Lend a forge with a folder of its own, in memory where that can be had: a disk is slow to sync."""
    in_memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=in_memory if in_memory.is_dir() else otherwise, prefix=f"{name}-"))
    forge = Forge(folder)
    try:
        yield forge, folder
    finally:
        forge.close()
        shutil.rmtree(folder)


class Forge:
    """A handle on the process."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "forge.log").open("a")
        environment = {**os.environ, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(TESTS / "smith.py")]
        self._process = Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=self._log, text=True, cwd=folder, env=environment
        )

    def play(self, order: Order) -> Ending:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the forge has ended; see forge.log"
        return Ending(**json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)
        self._log.close()
