"""Spark: an executor whose calls are jobs of one task each, in the session that there is or in one of its own."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.code_version import code_version
from sim.errors import InputError, WorkError
from sim.study.engines.reach import is_web_server, listens
from sim.study.engines.worker import Worker, call_checked, check_worker, this_worker

if TYPE_CHECKING:  # an extra
    from pyspark.sql import SparkSession

_LEAST_JAVA = 17  # what Spark 4 asks for
_JOBS_AT_ONCE = 64  # Spark lets those wait for which there is no room
_MOST_FAILURES = 4  # Spark's own for a cluster; on one machine it would allow none


@contextmanager
def spark(address: str, workers: int) -> Iterator[Executor]:
    """Yield an executor on the session that there is; else on the master at an address, or on `workers` cores here.

    Raises
    ------
    InputError
        If Spark or its Java is not installed, no master answers, or a worker has other code.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(
            'the engine spark needs the package pyspark, but it is missing; run pip install "retrainlab[spark]".'
        ) from error
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # not used here
        session = None if address else SparkSession.getActiveSession()
        if session is None:
            session = _new_session(address or f"local[{workers},{_MOST_FAILURES}]")
            stack.callback(session.stop)
        _check_worker(session)
        executor = SparkExecutor(session)
        stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        yield executor


class SparkExecutor(Executor):
    """Runs each call as a Spark job of one task, which Spark takes elsewhere if its worker dies.

    It needs nothing of a session but data frames, so that it also works where only Spark Connect is at hand.
    """

    def __init__(self, session: "SparkSession") -> None:
        self._session = session
        self._threads = ThreadPoolExecutor(_JOBS_AT_ONCE, thread_name_prefix="spark")
        self._tag = f"retrainlab-{os.getpid()}-{id(self):x}"

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have a function called by one of the workers."""
        return self._threads.submit(self._call, pickle.dumps((code_version(), fn, args, kwargs)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs, or end those that are under way."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if not wait:
            self._session.interruptTag(self._tag)

    def _call(self, payload: bytes) -> Any:
        self._session.addTag(self._tag)  # it holds for this thread
        is_done, answer = _answer_of(self._session, payload)
        if is_done:
            return answer
        raise answer


def _answer_of(session: "SparkSession", payload: bytes) -> tuple[bool, Any]:
    """Return whether a call was done by a worker, and its result or exception."""

    def there(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa  # type: ignore[import-untyped] # noqa: PLC0415 - untyped; it runs in a worker

        from sim.study.engines.on_spark import answered  # noqa: PLC0415 - it runs in a worker

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"answer": [answered(payload)]})

    rows = session.range(0, 1, 1, 1).mapInArrow(there, "answer binary").collect()
    is_done, answer = pickle.loads(rows[0]["answer"])
    return is_done, answer


def answered(payload: bytes) -> bytes:
    """Do a pickled call and return, pickled, whether it was done, and its result or exception."""
    try:
        wanted, function, arguments, keywords = pickle.loads(payload)
        return pickle.dumps((True, call_checked(wanted, function, *arguments, **keywords)))
    except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
        return pickle.dumps((False, error))


def _new_session(master: str) -> "SparkSession":
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

    _check_java()
    if master.startswith("spark://"):
        _check_listens(master)
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(master).appName("retrainlab")
    settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except Exception as error:  # Spark raises whatever its Java does
        raise InputError(
            f"--address must be a Spark master, such as spark://host:7077 or local[4], but {master} gave no session "
            f"({_first_line(error)}); see whether it runs, and the same version of Spark."
        ) from error


def _check_listens(master: str) -> None:
    """Raise `InputError` unless somebody who may be a master listens: Spark itself would try for a minute."""
    listening = [place for place in master.removeprefix("spark://").split(",") if listens(place)]
    if not listening:
        raise InputError(
            f"--address must be a running Spark master, such as spark://host:7077, but nothing answers at {master}; "
            f"start one with start-master.sh."
        )
    if all(map(is_web_server, listening)):
        raise InputError(
            f"--address must be a running Spark master, such as spark://host:7077, but a web server answers at "
            f"{master}; give the address that the master's page shows as its URL."
        )


def _check_java() -> None:
    """Raise `InputError` unless there is a Java that Spark can run on."""
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home) / "bin" / "java") if home else shutil.which("java") or "java"
    remedy = f"install Java {_LEAST_JAVA}, such as openjdk-{_LEAST_JAVA}-jre-headless, and set JAVA_HOME to it"
    try:
        told = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=10, check=False).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"Spark needs Java {_LEAST_JAVA} or later, but {command} does not run; {remedy}.") from error
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < _LEAST_JAVA:
        found = f"is Java {version[1]}" if version else "does not tell its version"
        raise InputError(f"Spark needs Java {_LEAST_JAVA} or later, but {command} {found}; {remedy}.")


def _check_worker(session: "SparkSession") -> None:
    """Raise `InputError` if the first worker that answers has other code; each looks again before each call."""
    payload = pickle.dumps((code_version(), this_worker, (), {}))
    try:
        is_done, answer = _answer_of(session, payload)
    except Exception as error:  # Spark raises whatever its workers do
        raise InputError(
            f"each worker must have Python {code_version().python} and retrainlab "
            f"{dict(code_version().libraries)['retrainlab']}, but the first one failed ({_first_line(error)}); "
            f"install them there, and set PYSPARK_PYTHON to that Python."
        ) from error
    if is_done and isinstance(answer, Worker):
        check_worker(answer, code_version())
        return
    raise answer if isinstance(answer, InputError) else WorkError(f"a Spark worker failed: {_first_line(answer)}.")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (told or lines or [type(error).__name__])[-1 if told else 0]
