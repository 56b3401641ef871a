"""What was decided of a table's columns, as a small TOML file that its owner may edit and give back."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from sim.errors import InputError, did_you_mean
from sim.world.own.column import ColumnDecision, ColumnReport, Kind
from sim.world.own.numbers import NumberStyle
from sim.world.own.text_file import TextSettings

_KEYS = ("kind", "missing", "decimal", "thousands", "unit")
_KINDS = (Kind.NUMBER, Kind.CATEGORY, Kind.IGNORED)
_DECIMALS = (".", ",")
_THOUSANDS = ("", ",", ".", " ", "'")


@dataclass(frozen=True, slots=True)
class Decisions:
    """How a table is to be read, as far as its owner says."""

    columns: Mapping[str, ColumnDecision] = field(default_factory=dict)
    text: TextSettings = field(default_factory=TextSettings)


def read_decisions(path: Path) -> Decisions:
    """Return the decisions of a file.

    Raises
    ------
    InputError
        If it can't be read, or says what it can't say.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"--schema must be a TOML file, but {path} is not ({error}): have `retrainlab data check` write one."
        ) from error
    _check_keys(told, ("file", "columns"), str(path))
    file, columns = told.get("file", {}), told.get("columns", {})
    if not isinstance(file, dict) or not isinstance(columns, dict):
        raise InputError(f"file and columns must be tables of {path}, got values: write [file] and [columns.NAME].")
    _check_keys(file, ("encoding", "separator"), f"[file] of {path}")
    settings = TextSettings(_text(file, "encoding", path), _text(file, "separator", path))
    if settings.separator is not None and len(settings.separator) != 1:
        raise InputError(f"separator must be one character, but {path} has {settings.separator!r}: correct it.")
    return Decisions({name: _decision(name, values, path) for name, values in columns.items()}, settings)


def write_decisions(path: Path, reports: Iterable[ColumnReport], settings: TextSettings, where: str) -> None:
    """Write what was decided of each column, for its owner to edit; a refused column stays open."""
    columns = {report.name: _entry(report) for report in reports}
    file = {
        key: value for key, value in (("encoding", settings.encoding), ("separator", settings.separator)) if value
    }
    told: dict[str, Any] = ({"file": file} if file else {}) | {"columns": columns}
    lines = [
        f"# How {where} is read. Edit it and give it back with --schema. A column has a kind (number, category or",
        '# ignored) and, for numbers, missing = ["?"], decimal = "," or ".", thousands = "." and unit = "$" or "%".',
        "",
    ]
    path.write_text("\n".join(lines) + tomli_w.dumps(told), encoding="utf-8")


def _entry(report: ColumnReport) -> dict[str, Any]:
    entry: dict[str, Any] = {} if report.kind is Kind.REFUSED else {"kind": str(report.kind)}
    if report.marks:
        entry["missing"] = sorted(set(report.marks))
    if report.style is not None and report.style != NumberStyle():
        entry |= {"decimal": report.style.decimal, "thousands": report.style.thousands, "unit": report.style.unit}
    return entry


def _decision(name: str, values: Any, path: Path) -> ColumnDecision:
    where = f"[columns.{name}] of {path}"
    if not isinstance(values, dict):
        raise InputError(f"a column must be a table, but {path} has {values!r} for {name!r}: write [columns.{name}].")
    _check_keys(values, _KEYS, where)
    kind = values.get("kind")
    if kind is not None and kind not in [str(known) for known in _KINDS]:
        raise InputError(f"kind must be number, category or ignored, but {where} has {kind!r}: name one of them.")
    missing = values.get("missing", [])
    if not isinstance(missing, list) or not all(isinstance(mark, str) for mark in missing):
        raise InputError(f'missing must be a list of texts, but {where} has {missing!r}: write missing = ["?"].')
    decimal, thousands = values.get("decimal", "."), values.get("thousands", "")
    if decimal not in _DECIMALS or thousands not in _THOUSANDS or decimal == thousands:
        raise InputError(
            f"decimal must be . or , and thousands another of . , ' and a space, but {where} has {decimal!r} and "
            f"{thousands!r}: correct them."
        )
    is_styled = any(key in values for key in ("decimal", "thousands", "unit"))
    style = NumberStyle(decimal, thousands, str(values.get("unit", ""))) if is_styled else None
    return ColumnDecision(kind=Kind(kind) if kind else None, style=style, missing=tuple(missing))


def _text(values: Mapping[str, Any], key: str, path: Path) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{key} must be a text, but {path} has {value!r}: put it in quotes.")
    return value


def _check_keys(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in known:
            raise InputError(
                f"{where} must have no other keys than {', '.join(known)}, got {key!r}.{did_you_mean(key, known)}"
            )
