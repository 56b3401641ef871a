"""The policies that come with the package, and how a policy is named on the command line."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from policies.conformance import check_policy
from policies.detector import new_engine
from policies.expression import Expression, number_text, parse_tree, piece, shorten
from policies.settings import Value, named_values
from policies.signals import CATALOGUE as SIGNALS
from policies.spec import KINDS, PolicySpec, policies_from_toml
from sim.errors import InputError, did_you_mean

__all__ = ["PolicySpec", "catalogue", "load_policy"]

_CLASS = re.compile(r"(?P<kind>.+\.py:(?P<name>[A-Za-z_]\w*))(?P<call>\s*\(.*\))?", re.DOTALL)
_FILE = re.compile(r"(?P<path>.+\.toml)(?::(?P<name>.+))?", re.DOTALL)
_CALL = re.compile(r"(?!at_least|(?:not|slope|trained_on)\b)\w+\s*\(")  # what a rule may start with is no policy
_WORD = re.compile(r"[\w-]+")


@cache
def catalogue() -> Mapping[str, PolicySpec]:
    """Return the policies of the catalogue by name, read on first use.

    >>> catalogue()["every"].build()
    Every(days=90)
    """
    files = (
        file for file in resources.files("policies").joinpath("catalogue").iterdir() if file.name.endswith(".toml")
    )
    specs: dict[str, PolicySpec] = {}
    for file in sorted(files, key=lambda file: file.name):
        specs |= policies_from_toml(file.read_text(encoding="utf-8"), file.name)
    return MappingProxyType(specs)


def load_policy(text: str) -> PolicySpec:
    """Return the policy that `text` speaks of.

    Parameters
    ----------
    text
        A name of the catalogue (`proposal`); a name or kind with parameters (`proposal(cooldown_days=60)`,
        `rule(retrain_when="f1_drop > 0.05", for_steps=2)`); a TOML file with one policy (`mine.toml`), or one policy
        of a file with several (`mine.toml:strict`); a class of one's own in a Python file, which is run
        (`mine.py:Patient`, `mine.py:Patient(days=3)`); otherwise a rule (`f1_drop > 0.05`).

    Raises
    ------
    InputError
        If it is none of these; the message says what is wrong with what it looks most like. If a class of one's own
        breaks the contract (see `policies.conformance`).

    Examples
    --------
    >>> load_policy("every(days=30)").build()
    Every(days=30)
    >>> load_policy("f1_drop>0.050").name
    'f1_drop > 0.05'
    """
    if not isinstance(text, str):
        raise InputError(f"A policy must be given as text, got {type(text).__name__}.")
    tidy = text.strip()
    if tidy in catalogue():
        return catalogue()[tidy]
    if found := _CLASS.fullmatch(tidy):
        return _from_class(found["kind"], found["name"], found["call"] or "")
    if file := _FILE.fullmatch(tidy):
        return _from_file(file["path"], file["name"])
    if _WORD.fullmatch(tidy):
        raise InputError(_unknown_word(tidy))
    if call := _policy_call(tidy):
        return _from_call(tidy, call)
    rule = Expression.parse(tidy).text
    return PolicySpec(rule, "rule", {"retrain_when": rule})


def _from_file(path: str, name: str | None) -> PolicySpec:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"A policy file must be readable text, got {path!r}: {reason}.") from error
    specs = policies_from_toml(text, path)
    if name is None and len(specs) == 1:
        return _with_sound_settings(next(iter(specs.values())))
    if name is None:
        raise InputError(
            f"A policy file must hold one policy, got {len(specs)} in {path} ({', '.join(specs)}): "
            f"choose with {path}:{next(iter(specs))}."
        )
    if name not in specs:
        raise InputError(f"{path} holds {', '.join(specs)}, got {name!r}.{did_you_mean(name, specs)}")
    return _with_sound_settings(specs[name])


def _from_class(kind: str, name: str, call: str) -> PolicySpec:
    text = name + call.strip()
    tree = parse_tree(text, "A policy", f"written {name}(parameter=value, ...)")
    given = named_values(text, tree) if isinstance(tree, ast.Call) else {}
    spec = PolicySpec(text, kind, given)
    check_policy(spec.build, name)
    return spec


def _policy_call(text: str) -> ast.Call | None:
    """Return the tree of `name(...)`, or None if the text is something else."""
    if not _CALL.match(text):
        return None
    tree = parse_tree(text, "A policy", "written name(parameter=value, ...), or a rule such as 'f1_drop > 0.05'")
    return tree if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) else None


def _from_call(text: str, call: ast.Call) -> PolicySpec:
    name = piece(text, call.func)
    base = catalogue().get(name)
    if base is None and name not in KINDS:
        known = [*catalogue(), *KINDS, "at_least"]
        raise InputError(f"A policy must be one of the catalogue or a kind, got {name!r}.{did_you_mean(name, known)}")
    given = named_values(text, call)
    full_name = f"{name}({', '.join(f'{key}={_literal_text(value)}' for key, value in given.items())})"
    if base is None:
        return _with_sound_settings(PolicySpec(full_name, name, given))
    parameters = {**base.parameters, "training": base.training, **given}
    return _with_sound_settings(PolicySpec(full_name, base.kind, parameters, base.story))


def _with_sound_settings(spec: PolicySpec) -> PolicySpec:
    """Return a policy whose detector, if it has one, can be made: a run is no place to find out."""
    if spec.kind == "detector":
        new_engine(str(spec.parameters["detector"]), str(spec.parameters["settings"]))
    return spec


def _literal_text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else number_text(value)


def _unknown_word(word: str) -> str:
    if word in SIGNALS:
        return (
            f"A policy must compare the signal {word!r} with something, such as '{word} > 0.05', got the bare name."
        )
    suggestion = did_you_mean(word, [*catalogue(), *SIGNALS])
    return (
        "A policy must be a name of the catalogue (`retrainlab policies`), a TOML file or a rule on signals "
        f"(`retrainlab signals`), got {shorten(word)!r}.{suggestion}"
    )
