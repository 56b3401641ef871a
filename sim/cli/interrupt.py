"""Ctrl-C: it ends the work within two seconds, wherever it is, with exit code 130 and how to go on."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from select import select
from threading import Event, Thread
from typing import NoReturn

EXIT_CODE = 130
_GRACE_SECONDS = 1.2
_NOTICE_SECONDS = 0.2
_SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


class Interruption:
    """What is said when the work is interrupted, and what ends it where an exception would be lost or late.

    Python drops a `KeyboardInterrupt` that comes in a callback of the interpreter, and a library may work on for long
    before it notices one. All that is kept is made whole or not at all, so ending at once loses no more than a kill.
    """

    def __init__(self) -> None:
        self.advice = ""
        self._heard = Event()

    def watch(self) -> None:
        """From now on, end the process where Ctrl-C has not done so soon, or when it is pressed again."""
        heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)  # written at once, also while a library is at work
        Thread(target=self._listen, args=(heard,), daemon=True).start()

    @contextmanager
    def advising(self, advice: str) -> Iterator[None]:
        """Say how to go on with what is interrupted in this context; what a library makes of Ctrl-C may leave it."""
        self.advice = advice
        yield
        self.advice = ""

    def was_heard(self) -> bool:
        """Tell whether Ctrl-C was pressed, a moment ago at the latest."""
        return self._heard.wait(_NOTICE_SECONDS)

    def _listen(self, heard: int) -> None:
        while signal.SIGINT not in os.read(heard, 1):
            pass
        self._heard.set()
        select([heard], [], [], _GRACE_SECONDS)
        self.end()

    def end(self) -> NoReturn:
        """Say that the work was interrupted and how to go on, and end the process here and now.

        An exit by way of the interpreter would not do: it ends as if killed by the signal where that came while code
        was executed from text, and waits for threads.
        """
        cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
        advice = f"; {self.advice}" if self.advice else ""
        os.write(2, f"{cursor}retrainlab: interrupted{advice}.\n".encode())
        os._exit(EXIT_CODE)


INTERRUPTION = Interruption()
"""The process has one keyboard."""


def resumable(folder: Path) -> AbstractContextManager[None]:
    """Say, where this context is interrupted, how to go on with what lies in a folder."""
    return INTERRUPTION.advising(f"add --resume --out {shlex.quote(str(folder))}")
