"""The form of a rule: its name without its numbers, by which settings of one rule are told from other policies."""

import re

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")
"""A number in the name of a policy."""


def rule_form(name: str) -> str:
    """Return the name of a policy with a sign in place of each number.

    >>> rule_form("f1_drop > 0.05 or psi_max > 0.25")
    'f1_drop > # or psi_max > #'
    """
    return NUMBER.sub("#", name)
