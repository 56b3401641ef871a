"""A process that plays runs in children of its own and kills them; the libraries are loaded once for all of them.

It reads one order a line on standard input, as JSON, and answers with one line: how the child ended. See `forge`.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches
from runs import settings_of
from sqlalchemy.orm import configure_mappers

from scenarios.files import read_scenario
from sim.errors import InputError, WorkError
from sim.mlops.live.checkpoints import Checkpoints
from sim.mlops.live.journal import DuckDBJournal
from sim.mlops.live.run import Listener
from sim.mlops.stores import claim, patience, sqlite_store
from sim.mlops.stores.duckdb_log import DuckDBLog
from sim.mlops.stores.mlflow_registry import MlflowRegistry
from sim.study import run_folder

OWNERS: dict[str, Any] = {
    "client": MlflowClient,
    "journal": DuckDBJournal,
    "checkpoints": Checkpoints,
    "log": DuckDBLog,
    "claim": claim,
    "store": sqlite_store,
    "folder": run_folder,
    "registry": MlflowRegistry,
}
SEAMS = {
    "claim": ("_write",),
    "store": ("_put",),
    "log": ("append", "backfill"),
    "journal": ("begin", "commit", "_write_step"),
    "checkpoints": ("write",),
    "client": (
        "create_experiment",
        "create_registered_model",
        "create_run",
        "log_batch",
        "create_logged_model",
        "log_model_artifacts",
        "finalize_logged_model",
        "create_model_version",
        "set_terminated",
        "set_registered_model_alias",
        "set_model_version_tag",
        "update_model_version",
        "update_run",
    ),
    "folder": ("write_record",),
    "registry": ("tell",),
}


def set_up(order: dict[str, Any], calls: dict[str, int]) -> None:
    """Count the calls at every seam, and kill this process at one of them."""
    for owner, names in SEAMS.items():
        for name in names:
            target = OWNERS[owner]
            setattr(target, name, doomed(getattr(target, name), f"{owner}.{name}", order["seam"], calls))


def doomed(function: Callable[..., Any], title: str, seam: list[Any] | None, calls: dict[str, int]) -> Any:
    def call(*arguments: Any, **keywords: Any) -> Any:
        calls[title] = calls.get(title, 0) + 1
        is_it = seam is not None and (f"{seam[0]}.{seam[1]}", calls[title]) == (title, seam[3])
        moment = seam[2] if seam else ""
        if is_it and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **keywords)
        if is_it and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def child(order: dict[str, Any], answer: int) -> None:
    calls: dict[str, int] = {}
    set_up(order, calls)
    if order["waits"] is not None:
        patience.WAITS_SECONDS = tuple(order["waits"])
    if order["cache"]:
        os.environ["XDG_CACHE_HOME"] = order["cache"]
    settings = settings_of(
        Path(order["folder"]),
        read_scenario(Path(order["scenario"])),
        order["policy"],
        tracking_uri=order["store"],
        model_name=order["model_name"],
    )
    told = {"said": "", "calls": {}}
    try:
        run_folder.play_live(
            settings, resume=order["resume"], listener=Listener(step=lambda row: first_step(row, calls))
        )
    except (InputError, WorkError) as error:
        told["said"] = f"{type(error).__name__} {error}"
    except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
        told["said"] = traceback.format_exc()
    told["calls"] = calls
    os.write(answer, json.dumps(told).encode())


def first_step(row: Any, calls: dict[str, int]) -> None:
    """Keep the counts of the calls before the first step is done, under names of their own."""
    if row.step == 0:
        calls.update({f"start-up {title}": count for title, count in list(calls.items())})


def warm_up() -> None:
    """Load what the first run of a process loads, so that no child has to; no thread is started."""
    for store in ("tracking", "model_registry"):
        import_module(f"mlflow.store.{store}.sqlalchemy_store")
    configure_mappers()
    warn_dependency_requirement_mismatches(["mlflow"])  # looks through all packages that are installed


def smith() -> None:
    """Serve orders until there are no more."""
    warm_up()
    for line in sys.stdin:
        order, begun = json.loads(line), time.monotonic()
        reading, writing = os.pipe()
        number = os.fork()
        if number == 0:
            os.close(reading)
            os.dup2(2, 1)
            child(order, writing)
            os._exit(0)
        os.close(writing)
        timer = None
        if order["seconds"] is not None:
            timer = threading.Timer(order["seconds"], lambda number=number: os.kill(number, signal.SIGKILL))
            timer.start()
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        if timer is not None:
            timer.cancel()
        _, status = os.waitpid(number, 0)
        told = json.loads(said or b'{"said": "", "calls": {}}')
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        sys.stdout.write(json.dumps({"signal": ended, "seconds": time.monotonic() - begun, **told}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    smith()
