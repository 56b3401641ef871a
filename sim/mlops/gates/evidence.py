"""The evidence of a gate meeting, and what can be wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

STRESSES = ("missing", "text", "float32")
"""The stresses of a robust model: 10 % of the values missing, numbers as text, numbers in single precision."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a challenger showed on the n holdout rows of its gate window.

    Attributes
    ----------
    label
        n booleans: who churned.
    challenger, champion
        n probabilities of each; no champion and no threshold of one (`None`) means a first model.
    stressed
        The challenger's n probabilities on the same rows under each of `STRESSES`.
    latency_ms
        The mean time of a single-row prediction; `None` where it was not measured.
    best, best_threshold
        The same of the best champion so far; `None` where no gate asks for it.
    weight
        n whole numbers of at least 1: how often each row counts; `None` means once.
    """

    label: NDArray[np.bool_]
    challenger: NDArray[np.float64]
    challenger_threshold: float
    champion: NDArray[np.float64] | None = None
    champion_threshold: float | None = None
    stressed: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    latency_ms: float | None = None
    best: NDArray[np.float64] | None = None
    best_threshold: float | None = None
    weight: NDArray[np.int64] | None = None

    @property
    def is_first(self) -> bool:
        """Whether there is no champion to compare with."""
        return self.champion is None and self.champion_threshold is None


def evidence_faults(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield what is malformed: the field and a sentence. Fields without a fault are safe to compute with."""
    label = evidence.label
    rows = None if array_fault(label, "b", None) else len(label)
    probabilities: dict[str, tuple[object, object]] = {
        "challenger": (evidence.challenger, evidence.challenger_threshold)
    }
    if not evidence.is_first:
        probabilities["champion"] = (evidence.champion, evidence.champion_threshold)
    if evidence.best is not None or evidence.best_threshold is not None:
        probabilities["best"] = (evidence.best, evidence.best_threshold)
    checked = {
        "label": _label_fault(label),
        **{name: _model_fault(*model, rows) for name, model in probabilities.items()},
        **{f"stressed {name}": array_fault(values, "f", rows) for name, values in evidence.stressed.items()},
        "weight": _weight_fault(evidence.weight, rows),
    }
    yield from ((name, f"{name} {fault}") for name, fault in checked.items() if fault)


def _label_fault(label: Any) -> str:
    fault = array_fault(label, "b", None)
    if not fault and (label.all() or not label.any()):
        return f"must have churners and stayers, got {len(label)} of one kind"
    return fault


def _model_fault(probability: Any, threshold: object, rows: int | None) -> str:
    fault = array_fault(probability, "f", rows)
    if fault:
        return fault
    if probability.min() < 0 or probability.max() > 1:
        return f"must lie in 0 to 1, got {probability.min():g} to {probability.max():g}"
    if not is_number(threshold) or not 0 <= threshold <= 1:
        return f"must have a threshold from 0 to 1, got {threshold!r}"
    return ""


def _weight_fault(weight: Any, rows: int | None) -> str:
    if weight is None:
        return ""
    fault = array_fault(weight, "i", rows)
    return f"must be at least 1, got {weight.min()}" if not fault and weight.min() < 1 else fault


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number."""
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool)


def array_fault(values: Any, kind: Literal["b", "f", "i"], rows: int | None) -> str:
    """Say what is wrong with an array of booleans, floats or integers of so many rows; nothing if it is sound."""
    noun = {"b": "booleans", "f": "floats", "i": "integers"}[kind]
    if type(values) is not np.ndarray:  # a masked array would show what it hides
        return f"must be a numpy array of {noun}, got {type(values).__name__}"
    if values.ndim != 1 or values.dtype.kind != kind or values.dtype.itemsize > 8:
        return f"must be one-dimensional {noun}, got {values.dtype} of shape {values.shape}"
    if not len(values) or rows not in {None, len(values)}:
        return f"must have {rows or 'some'} rows, got {len(values)}"
    return "" if np.isfinite(values).all() else "must be finite, got NaN or infinity"
