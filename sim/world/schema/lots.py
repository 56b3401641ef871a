"""Lots: what a customer draws by a hash of the id, so that it is the same in every batch and on every replay."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix
from sim.world.schema.words import letters

COPY_SIGN = "\x1f"
"""What stands between the id of a customer and the number of a copy."""


def lots(customer_id: NDArray[np.str_], hash_key: str) -> Matrix:
    """Return a number from 0 to 1 for each customer, uniform over ids; copies of a customer draw the same.

    >>> ids = np.array(["a", "a" + COPY_SIGN + "1", "b"])
    >>> first, copy, other = lots(ids, "sixteen letters!")
    >>> bool(first == copy), bool(first == other)
    (True, False)
    """
    hashes = pd.util.hash_array(_originals(customer_id).astype(object), hash_key=hash_key, categorize=False)
    return np.asarray(hashes / 2.0**64)


def copy_names(customer_id: NDArray[np.str_], copy: NDArray[np.int64]) -> NDArray[np.str_]:
    r"""Return the ids of copies, numbered from 0; the first keeps the id of its customer.

    >>> copy_names(np.array(["a", "a"]), np.array([0, 1])).tolist()
    ['a', 'a\x1f1']
    """
    names = customer_id.astype(object)
    later = copy > 0
    names[later] = names[later] + COPY_SIGN + copy[later].astype(str).astype(object)
    return names.astype(np.str_)


def _originals(customer_id: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the ids without the numbers of copies."""
    if not (letters(customer_id) == ord(COPY_SIGN)).any():
        return customer_id
    return np.array([text.partition(COPY_SIGN)[0] for text in customer_id.tolist()], dtype=np.str_)
