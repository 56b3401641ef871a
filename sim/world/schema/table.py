"""A table of customers whose outcome is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix, Schema


@dataclass(frozen=True, slots=True)
class Table:
    """Customers with their features and real outcome, one row each.

    `customer_id` holds n strings, distinct unless the rows are of several days; `features` is the encoded n x columns
    matrix of `schema`, `churned` n booleans.
    """

    schema: Schema
    customer_id: NDArray[np.str_]
    features: Matrix
    churned: NDArray[np.bool_]
