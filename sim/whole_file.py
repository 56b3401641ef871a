"""Files that appear whole or not at all: a part is written beside them and takes their place when it is complete."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def whole_file(path: Path, writer: str = "") -> Iterator[Path]:
    """Yield the path of a part that becomes the file once the block has ended; an error leaves the file as it was.

    Parameters
    ----------
    path
        The file.
    writer
        Tells parts of several writers of one file apart, where there may be several at once.
    """
    part = path.with_name(".".join(filter(None, (path.name, writer, "part"))))
    try:
        yield part
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Write a text as a file that appears whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table, without its index, as a Parquet file that appears whole or not at all."""
    with whole_file(path) as part:
        table.to_parquet(part, index=False)
