"""Values written as `name=value`, as in a policy's parameters or a detector's settings."""

import ast

from policies.expression import literal_number, parse_tree, piece
from sim.errors import InputError

Value = str | int | float | bool
"""What a parameter or a setting may be."""
_TRUTHS = {"true": True, "false": False}  # as in TOML; Python's are read too


def read_settings(text: str) -> dict[str, Value]:
    """Return the values of a text such as `delta=0.01, mode="up"`; an empty text has none.

    Raises
    ------
    InputError
        If it is no text, or a value has no name, comes twice, or is neither a number, text in quotes, true nor false.

    Examples
    --------
    >>> read_settings('delta = 0.01, mode = "up"')
    {'delta': 0.01, 'mode': 'up'}
    """
    if not isinstance(text, str):
        raise InputError(f"Settings must be text such as 'delta = 0.01', got {text!r}.")
    call = f"settings({text})"
    tree = parse_tree(call, "Settings", "written name=value, ...")
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise InputError(f"Settings must be written name=value, ..., got {text!r}.")
    return named_values(call, tree)


def named_values(text: str, call: ast.Call) -> dict[str, Value]:
    """Return the values that a call gives by name; errors as in `read_settings`."""
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise InputError(f"Parameters must be written name=value, got {piece(text, call)!r}.")
    given = {str(keyword.arg): _literal(text, keyword) for keyword in call.keywords}
    if len(given) < len(call.keywords):
        raise InputError(f"Each parameter must be given once, got {piece(text, call)!r}.")
    return given


def _literal(text: str, keyword: ast.keyword) -> Value:
    value = keyword.value
    if isinstance(value, ast.Name) and value.id in _TRUTHS:
        return _TRUTHS[value.id]
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        return value.value
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    number = literal_number(value)
    if number is None:
        msg = f"A parameter must be a number, text in quotes, true or false, got {piece(text, keyword)!r}."
        raise InputError(msg)
    return number
