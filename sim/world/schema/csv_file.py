"""A CSV file as cells of text, with one sentence for whatever makes it none."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file that must hold a table: UTF-8, comma-separated, a header and then rows; blank lines count nothing.

    Parameters
    ----------
    path
        Where the file is.
    what
        What it must hold, as errors call it: "the Telco table".
    remedy
        What to do where there is no such table at all.
    """

    path: Path
    what: str
    remedy: str

    def read(self) -> bytes:
        """Return the content; `InputError` if there is none."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{self.what} must be a readable file, but {self.path} is not ({reason}): {self.remedy}."
            ) from error
        if not content.strip():
            raise self._empty()
        return content

    def cells(self, content: bytes) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of a content; `InputError` if it is no comma-separated UTF-8 text."""
        try:
            text = content.decode("utf-8-sig")
            lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.what} must be UTF-8 text, but byte {error.start} of {self.path} is not: save it as UTF-8."
            ) from error
        except csv.Error as error:
            raise InputError(
                f"{self.what} must be comma-separated text, but {self.path} is not ({error}): export it as CSV."
            ) from error
        if not lines:  # nothing but a byte order mark
            raise self._empty()
        return lines[0], lines[1:]

    def check_unique(self, header: Sequence[str]) -> None:
        """Raise `InputError` if a column occurs twice."""
        if repeated := sorted(name for name, count in Counter(header).items() if count > 1):
            raise InputError(
                f"each column must occur once, but {self.path} repeats {', '.join(repeated)}: drop the copies."
            )

    def check_shape(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Raise `InputError` if there is no row, or one with another number of values than the header."""
        if not rows:
            raise InputError(f"{self.what} must have rows, but {self.path} has only a header: {self.remedy}.")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(header):
                raise InputError(
                    f"each row must have {len(header)} values, but row {number} of {self.path} has {len(row)}: "
                    f"repair the row."
                )

    def _empty(self) -> InputError:
        return InputError(f"{self.what} must have a header and rows, but {self.path} is empty: {self.remedy}.")
