"""Labels: names too long for their place, cut in the middle or told by their numbers, so that they differ."""

import re
from collections.abc import Mapping, Sequence
from itertools import count
from string import ascii_uppercase

_DOTS = "…"
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?: to -?\d[\d,]*(?:\.\d+)?)?(?![\w.])")
_COUNTED = re.compile(r" \(\d+ settings\)$")
_HEAD_SHARES = (0.5, 0.33, 0.67, 0.2, 0.8, 0.0, 1.0)


def cut_labels(labels: Sequence[str], width: int) -> list[str]:
    """Return labels of at most `width` characters, cut in the middle; different labels stay different.

    All are cut at the same share of the width, the first at which they differ; where none does,
    the ends are numbered.

    >>> cut_labels(["f1_drop > 0.05 or psi_max > 0.1", "f1_drop > 0.06 or psi_max > 0.1"], 20)
    ['f1_drop > 0.05 … 0.1', 'f1_drop > 0.06 … 0.1']
    >>> cut_labels(["short", "short"], 20)
    ['short', 'short']
    """
    different = len(set(labels))
    for share in _HEAD_SHARES:
        told = [_cut(label, width, share) for label in labels]
        if len(set(told)) == different:
            return told
    numbers = dict(zip(dict.fromkeys(labels), count(1), strict=False))
    ends = {label: f"{_DOTS}#{number}" for label, number in numbers.items()}
    return [
        label if len(label) <= width else label[: max(width - len(ends[label]), 0)] + ends[label] for label in labels
    ]


def by_numbers(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return short labels for settings of one rule, by name, and the rules with letters that the labels speak of.

    A name that no other differs from by numbers alone has no label.

    >>> by_numbers(["f1 < 0.4 or age_days > 30", "f1 < 0.5 or age_days > 30", "never"])
    ({'f1 < 0.4 or age_days > 30': 'A 0.4', 'f1 < 0.5 or age_days > 30': 'A 0.5'}, ['f1 < A or age_days > 30'])
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_NUMBER.sub("#", _COUNTED.sub("", name)), []).append(name)
    labels, rules = {}, []
    letters = iter(ascii_uppercase)
    for members in groups.values():
        numbers = [_NUMBER.findall(_COUNTED.sub("", name)) for name in members]
        told = {place: set(column) for place, column in enumerate(zip(*numbers, strict=True))}
        varied = [place for place, values in told.items() if len(values) > 1 or " to " in next(iter(values))]
        named = dict(zip(varied, letters, strict=False))
        if len(members) < 2 or len(named) < len(varied):
            continue
        rules.append(_lettered(_COUNTED.sub("", members[0]), named))
        for name, values in zip(members, numbers, strict=True):
            labels[name] = ", ".join(f"{named[place]} {values[place]}" for place in varied)
    return labels, rules


def _lettered(rule: str, named: Mapping[int, str]) -> str:
    """Return a rule with letters for some of its numbers, given by place."""
    places = count()
    return _NUMBER.sub(lambda found: named.get(next(places), found[0]), rule)


def _cut(label: str, width: int, share: float) -> str:
    if len(label) <= width:
        return label
    room = max(width - len(_DOTS), 0)
    head = round(room * share)
    return label[:head] + _DOTS + (label[len(label) - (room - head) :] if room > head else "")
