"""Shared values: what many tasks have in common travels to each worker once, and is known by its hash."""

import hashlib
import pickle
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

_MOST_KEPT = 4
_KEPT: dict[str, Any] = {}
"""What this process has been sent, by hash, the newest last."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a worker answers that was told the hash of a value that it has not been sent yet."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """A value by the SHA-256 of its pickle; without `content` it can only be had where it has been sent before."""

    sha256: str
    content: bytes | None = None

    @classmethod
    def of(cls, value: T) -> Self:
        """Return a value to be shared, which this process has from now on."""
        content = pickle.dumps(value)
        shared = cls(hashlib.sha256(content).hexdigest(), content)
        _keep(shared.sha256, value)
        return shared

    def by_hash(self) -> "Shared[T]":
        """Return the same without its content, to be sent where it is known already."""
        return replace(self, content=None)

    def value(self) -> T | Lacking:
        """Return the value, or `Lacking` in a process that has not been sent it."""
        if self.sha256 not in _KEPT:
            if self.content is None:
                return Lacking(self.sha256)
            if hashlib.sha256(self.content).hexdigest() != self.sha256:
                msg = f"a shared value must be what was sent, got another than {self.sha256}"
                raise ValueError(msg)
            _keep(self.sha256, pickle.loads(self.content))
        value: T = _KEPT[self.sha256]
        return value


def _keep(sha256: str, value: Any) -> None:
    _KEPT[sha256] = value
    while len(_KEPT) > _MOST_KEPT:
        del _KEPT[next(iter(_KEPT))]
