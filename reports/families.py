"""Families: policies of a comparison that are one rule at several settings of one threshold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from policies.catalogue import load_policy
from policies.conditions import Comparison
from policies.expression import Expression
from sim.errors import InputError

LEAST_SETTINGS = 3
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the threshold, and the policy that has it."""

    value: float
    policy: str


@dataclass(frozen=True, slots=True)
class SettingFamily:
    """A rule with `{}` in place of its threshold, and the settings that were played, in ascending order."""

    rule: str
    settings: tuple[Setting, ...]

    @property
    def text(self) -> str:
        """The rule with x for its threshold."""
        return self.rule.replace("{}", "x")


def families(policies: Sequence[str]) -> list[SettingFamily]:
    """Return the families among policies, by name, the largest first; less than three settings are none.

    >>> [found] = families(["never", "f1_drop > 0.02", "f1_drop > 0.1", "f1_drop > 0.06"])
    >>> found.rule, [setting.value for setting in found.settings]
    ('f1_drop > {}', [0.02, 0.06, 0.1])
    """
    found: dict[str, dict[float, str]] = {}
    for policy in policies:
        for number in _NUMBER.finditer(policy):
            rule = f"{policy[: number.start()]}{{}}{policy[number.end() :]}"
            found.setdefault(rule, {})[float(number[0])] = policy
    grown = [
        SettingFamily(rule, tuple(Setting(value, members[value]) for value in sorted(members)))
        for rule, members in found.items()
        if len(members) >= LEAST_SETTINGS
    ]
    return sorted(grown, key=lambda family: -len(family.settings))


def proposed_setting(family: SettingFamily) -> float | None:
    """Return the threshold that the catalogue's proposal has for the same signal, `None` where it has none.

    >>> proposed_setting(SettingFamily("f1_drop > {}", ()))
    0.05
    """
    try:
        asked = Expression.parse(family.rule.replace("{}", "0")).comparisons
        rule = str(load_policy("proposal").parameters["retrain_when"])
    except (InputError, KeyError):
        return None
    wanted = {comparison.text.removesuffix(" 0") for comparison in asked if comparison.text.endswith(" 0")}
    for comparison in Expression.parse(rule).comparisons:
        limit = _limit(comparison)
        if limit is not None and comparison.text.rsplit(" ", 1)[0] in wanted:
            return limit
    return None


def _limit(comparison: Comparison) -> float | None:
    right = comparison.links[-1].right
    return None if isinstance(right, str) else right
