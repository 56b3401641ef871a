"""Policies of one's own: a class in a Python file, named `path/to/file.py:ClassName`. The file is code and is run."""

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import cast

from policies.decision import Policy
from sim.errors import InputError, did_you_mean

_KIND = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)", re.DOTALL)


def is_user_class(kind: str) -> bool:
    """Return whether a kind of policy is a class in a file.

    >>> is_user_class("mine/patient.py:Patient"), is_user_class("rule")
    (True, False)
    """
    return _KIND.fullmatch(kind) is not None


def code_digest(kind: str) -> str:
    """Return the SHA-256 of the file that a class stands in: the same class is the same code.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    return hashlib.sha256(_read(_parts(kind)[0])).hexdigest()


def user_class(kind: str) -> Callable[..., Policy]:
    """Run the file and return the class of it that `kind` names.

    Raises
    ------
    InputError
        If the file cannot be read or run, or holds no such class.
    """
    path, name = _parts(kind)
    module = _module(path, code_digest(kind))
    classes = {key: value for key, value in vars(module).items() if inspect.isclass(value)}
    if name not in classes:
        raise InputError(f"{path} must hold the class {name}, but it does not.{did_you_mean(name, classes)}")
    return cast(Callable[..., Policy], classes[name])


@cache
def _module(path: str, digest: str) -> ModuleType:
    """Run a file once for each of its states; the module stays known, so that its objects can be pickled."""
    name = f"retrainlab_policy_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"A policy must stand in a Python file, got {path!r}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks for its module while it is made
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{path} must run without an error, got {type(error).__name__}: {error}.") from error
    return module


def _parts(kind: str) -> tuple[str, str]:
    match = _KIND.fullmatch(kind)
    if match is None:
        raise InputError(f"A policy of one's own must be named path/to/file.py:ClassName, got {kind!r}.")
    return match["path"], match["name"]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"A policy file must be readable, got {path!r}: {reason}.") from error
