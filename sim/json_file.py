"""Values as JSON files, checked by their types when they are read."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from sim.whole_file import write_whole

T = TypeVar("T")


def write_json(adapter: TypeAdapter[T], value: T, path: Path) -> None:
    """Write a value as JSON; the file appears whole or not at all. No number may be NaN or infinite."""
    write_whole(path, json.dumps(adapter.dump_python(value, mode="json"), indent=1, allow_nan=False))


def read_json(adapter: TypeAdapter[T], text: str | bytes) -> T:
    """Return the value that a JSON text holds; `ValueError` in one line, with the place, if it is something else."""
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from error
