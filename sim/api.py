"""The front door: what a user of the library needs, each name from one place, loaded when it is first asked for.

>>> from sim.api import World, load_policy, load_population, load_profile, load_scenario
>>> world = World(load_scenario("steady"), 1, load_population("twin"))
>>> load_policy("proposal").kind
'rule'

What is not here is internal and may change. The names, with the types that a checker sees, are those of `api.pyi`.
"""

import ast
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """Return for each name the module that has it, and what it is called there."""
    tree = ast.parse((files("sim") / "api.pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: (str(node.module), alias.name) for node in imports for alias in node.names}


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name not in _homes():
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module, original = _homes()[name]
    return getattr(import_module(module), original)


def __dir__() -> list[str]:
    """Return the names that are promised."""
    return sorted(_homes())
