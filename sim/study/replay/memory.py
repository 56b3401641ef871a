"""The memory of a replayed world, and the part of it that one life may use."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from sim.mlops.loop.validator import KeptScores
from sim.mlops.models.model import Model
from sim.world.labels import LabelEvents

T = TypeVar("T")
Contents = tuple[dict[Hashable, Any], dict[Hashable, int], dict[int, Model]]
_NOTHING = object()
_NO_PAST = 0


@dataclass(slots=True)
class Memory:
    """Everything that was ever computed in a world, by what went into it.

    `known` holds the results, `numbers` small numbers that stand for long keys, `models` the models by their number,
    `scores` their probabilities on the rows of gates and `labels` the news of each batch, by its step and who got an
    offer; these two are not kept for another process. `has_changed` says whether anything was computed.
    """

    known: dict[Hashable, Any] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    models: dict[int, Model] = field(default_factory=dict)
    scores: KeptScores = field(default_factory=dict)
    labels: dict[tuple[int, bytes], LabelEvents] = field(default_factory=dict)
    has_changed: bool = False

    def computed_once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what is known by a key, computed if need be."""
        known = self.known.get(key, _NOTHING)
        if known is _NOTHING:
            known = self.known[key] = compute()
            self.has_changed = True
        return cast(T, known)  # what a key stands for has one type

    def number(self, key: Hashable) -> int:
        """Return a small number that stands for a key, from 1."""
        return self.numbers.setdefault(key, len(self.numbers) + 1)

    def contents(self) -> Contents:
        """Return all that was computed so far, for another process to go on from."""
        return self.known, self.numbers, self.models

    def restore(self, contents: Contents) -> None:
        """Go on from the `contents` of the memory of the same world."""
        self.known, self.numbers, self.models = contents


class LifeMemory:
    """The memory of a world as one life may use it: whatever its past has a part in is known by that past.

    The past is one number. It stands for the batches that the life has set apart, and where labels depend on what was
    served (`offers.feed_back`), for every model that has served; without feedback lives with other champions share.

    Parameters
    ----------
    memory
        What all lives of the world share.
    has_feedback
        Whether what is served changes what is learnt later.
    """

    def __init__(self, memory: Memory, *, has_feedback: bool) -> None:
        self._memory = memory
        self._has_feedback = has_feedback
        self._past = _NO_PAST

    @property
    def scores(self) -> KeptScores | None:
        """Where models' probabilities on the rows of gates are kept, nowhere if those rows depend on the past."""
        return None if self._has_feedback else self._memory.scores

    def fork(self) -> "LifeMemory":
        """Return the memory of a life with the same past, which may go another way from here on."""
        other = LifeMemory(self._memory, has_feedback=self._has_feedback)
        other._past = self._past
        return other

    def has_served(self, model: int) -> None:
        """Add a step to the past: a model has served it."""
        if self._has_feedback:
            self._past = self._memory.number(("served", self._past, model))

    def has_set_apart(self, step: int) -> None:
        """Add to the past that the batch of a step was put into quarantine."""
        self._past = self._memory.number(("apart", self._past, step))

    def of_world(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what follows from the world and the key alone, computed if need be."""
        return self._memory.computed_once(key, compute)

    def of_life(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what follows from the world, the key and the past of this life, computed if need be."""
        return self._memory.computed_once((key, self._past), compute)

    def model_of_life(self, key: Hashable, model: Model) -> int:
        """Return the number of a model that was made, by a key, of what this life has seen so far."""
        number = self._memory.number((key, self._past))
        self._memory.models[number] = model
        return number
