"""The first page: what somebody who decides needs to know, in words that need no statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RANGE_WORDS = (
    "A range in brackets: if the whole study were made again and again, 95 of 100 such ranges would hold the true "
    "figure."
)
NET_VALUE_WORDS = (
    "Net value: the worth of the customers whom the offers kept, less the cost of the offers and of the retrainings."
)
QUALITY = "how well churners are found (F1; 1 is perfect)"


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What comes first: a question, its answer in one sentence, and what the answer rests on.

    `points` are short facts by name: the setting to choose, what it is worth, what staying as it was would cost.
    `sides` are the rows of one table, what was before and after beside each other. `warnings` need attention before
    the numbers, `not_shown` says what the answer does not rest on, and `words` what a reader may not know.
    """

    question: str
    answer: str
    points: Mapping[str, str] = field(default_factory=dict)
    sides: Sequence[Mapping[str, Any]] = ()
    sides_title: str = "Before and after"
    warnings: Sequence[str] = ()
    not_shown: Sequence[str] = ()
    words: Sequence[str] = ()
