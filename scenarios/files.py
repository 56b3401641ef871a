"""Scenario files: reading, writing and the catalogue."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from scenarios.injectors import INJECTORS
from scenarios.schema import Scenario
from sim.errors import InputError, did_you_mean

_KINDS: Mapping[Any, type[BaseModel]] = {each.known_as(): each for each in INJECTORS}


def load_scenario(text: str) -> Scenario:
    """Return the scenario that `text` names: a catalogue id, `id@version`, or the path of a TOML file.

    An id without a version means its newest version.

    Raises
    ------
    InputError
        If there is no such scenario, or the file breaks the schema.
    """
    if text.endswith(".toml") or "/" in text:
        return read_scenario(Path(text))
    by_name = catalogue()
    if text in by_name:
        return by_name[text]
    versions = [scenario for scenario in by_name.values() if scenario.id == text]
    if not versions:
        known = sorted({scenario.id for scenario in by_name.values()})
        msg = (
            f"a scenario must be a catalogue id or a TOML file, got {text!r}.{did_you_mean(text, known)} "
            f"`retrainlab scenarios` lists them."
        )
        raise InputError(msg)
    return max(versions, key=lambda scenario: scenario.version)


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of a TOML file; `InputError` says what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"a scenario file must be readable UTF-8 text, got {path} ({error})."
        raise InputError(msg) from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, source: str) -> Scenario:
    """Return the scenario of a TOML text; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is no TOMLDecodeError
        msg = f"a scenario file must be valid TOML, {source} is not: {error or 'nested too deeply'}."
        raise InputError(msg) from error
    try:
        return Scenario.model_validate(_without_lists(document))
    except ValidationError as error:
        msg = f"{source}: {_first_problem(error)}"
        raise InputError(msg) from error


@cache
def catalogue() -> Mapping[str, Scenario]:
    """Return the shipped scenarios by versioned name, in alphabetical order."""
    folder = files("scenarios") / "catalogue"
    texts = {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    scenarios = [parse_scenario(texts[name], name) for name in sorted(texts)]
    return {scenario.name: scenario for scenario in scenarios}


def to_toml(scenario: Scenario) -> str:
    """Return the TOML text of a scenario with every default filled in; `parse_scenario` reads it back as equal."""
    return tomli_w.dumps(scenario.model_dump(mode="json", exclude_none=True))


def _without_lists(value: Any) -> Any:
    """Turn TOML's lists into tuples, which the strict frozen schema asks for."""
    if isinstance(value, list):
        return tuple(_without_lists(item) for item in value)
    if isinstance(value, dict):
        return {key: _without_lists(item) for key, item in value.items()}
    return value


def _first_problem(error: ValidationError) -> str:
    """Say the first problem of a validation error in one sentence."""
    problems = error.errors()
    misspelt = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (misspelt or problems)[0]  # a key that is misspelt is also missing, and the first says why
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {place!r}.{_nearest_key(problem['loc'])} Remove or rename it."
    if problem["type"].startswith("union_tag"):
        kinds = ", ".join(sorted(_KINDS))
        return f"{place}: a drift must have a kind, one of {kinds}, got {problem['input'].get('kind')!r}."
    if problem["type"] == "value_error":
        return f"{problem['ctx']['error']}."
    return f"{place or 'the file'}: {problem['msg']}, got {problem['input']!r}."


def _nearest_key(place: Sequence[Any]) -> str:
    """Say the nearest key that a part knows; `place` leads to the wrong one, past the kind of a drift."""
    models = [_KINDS[part] for part in place if part in _KINDS] or [Scenario]
    return did_you_mean(str(place[-1]), [name for model in models for name in _keys_of(model)])


def _keys_of(model: type[BaseModel]) -> list[str]:
    """Return every key that a model and its parts know."""
    own = list(model.model_fields)
    parts = [field.default for field in model.model_fields.values() if isinstance(field.default, BaseModel)]
    return own + [key for part in parts for key in type(part).model_fields]
