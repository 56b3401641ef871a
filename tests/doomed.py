"""A run in a process of its own that kills itself, without a word, at one call of one function; see `kill_at`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from runs import settings_of

from scenarios.files import read_scenario
from sim.mlops.live.journal import DuckDBJournal
from sim.mlops.stores.duckdb_log import DuckDBLog
from sim.mlops.stores.mlflow_registry import MlflowRegistry
from sim.mlops.stores.telling import Telling
from sim.study.run_folder import play_live

OWNERS: dict[str, Any] = {
    "registry": MlflowRegistry,
    "telling": Telling,
    "journal": DuckDBJournal,
    "log": DuckDBLog,
}


class Point(NamedTuple):
    """Where a run dies: before or after one call, counted from 1, of a function of one of the `OWNERS`."""

    owner: str
    name: str
    moment: str
    call: int


def kill_at(folder: Path, scenario: Path, point: Point, *, trials: int, resume: bool) -> None:
    """Play the scenario in a child until it dies at the point; that it reaches the point is asserted."""
    order = [str(folder), str(scenario), str(trials), str(int(resume)), *map(str, point)]
    ended = subprocess.run(
        [sys.executable, __file__, *order], capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == -signal.SIGKILL, (point, ended.stderr[-2000:])


def doomed(function: Callable[..., Any], moment: str, count: int) -> Callable[..., Any]:
    calls = 0

    def call(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if moment == "before" and calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **keywords)
        if moment == "after" and calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def main(
    folder: str, scenario: str, trials: str, resume: str, owner: str, name: str, moment: str, count: str
) -> None:
    target = OWNERS[owner]
    setattr(target, name, doomed(getattr(target, name), moment, int(count)))
    settings = settings_of(Path(folder), read_scenario(Path(scenario)), "always", trials=int(trials))
    play_live(settings, resume=bool(int(resume)))


if __name__ == "__main__":
    main(*sys.argv[1:])
