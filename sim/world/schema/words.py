"""Words: the ids of many customers, at one byte a letter where that is exact."""

from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # it ships no type information
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

_LAST_ASCII = 127


def letters(words: NDArray[np.str_]) -> NDArray[np.uint32]:
    """Return the code points of all words, one word after another, each filled up with zeros."""
    return np.ascontiguousarray(words).view(np.uint32)


def packed(words: NDArray[np.str_]) -> NDArray[Any]:
    """Return ASCII words at a quarter of their memory, and others as they are.

    >>> packed(np.array(["F1", "F20"])).dtype.itemsize, packed(np.array(["F1", "é2"])).dtype.itemsize
    (3, 8)
    """
    width = words.dtype.itemsize // 4
    if not width or not len(words):
        return words
    points = letters(words)
    return points.astype(np.uint8).view(f"S{width}") if points.max() <= _LAST_ASCII else words


def unpacked(words: NDArray[Any]) -> NDArray[np.str_]:
    """Return the words that were packed.

    >>> unpacked(packed(np.array(["F1", "F20"])))
    array(['F1', 'F20'], dtype='<U3')
    """
    if words.dtype.kind == "U":
        return np.asarray(words, dtype=np.str_)
    return np.ascontiguousarray(words).view(np.uint8).astype(np.uint32).view(f"U{words.dtype.itemsize}")


def from_arrow(words: pa.StringArray) -> NDArray[np.str_]:
    """Return Arrow's words; those of one length, as ids mostly are, without looking at each.

    >>> from_arrow(pa.array(["F1", "F2"]))
    array(['F1', 'F2'], dtype='<U2')
    """
    if len(words) and words.type == pa.string() and not words.null_count:
        width = pc.min_max(pc.binary_length(words)).as_py()
        if 0 < width["min"] == width["max"]:
            _, offsets, data = words.buffers()
            start = np.frombuffer(offsets, dtype=np.int32)[words.offset]
            own = np.frombuffer(data, dtype=np.uint8)[start : start + len(words) * width["max"]]
            if own.max() <= _LAST_ASCII:
                return unpacked(own.view(f"S{width['max']}"))
    return np.array(words.to_pylist(), dtype=np.str_)
