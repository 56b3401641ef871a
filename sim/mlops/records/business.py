"""Business rules: risk bands and who gets an offer."""

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Offers
from sim.world.schema.columns import Matrix

HIGH_RISK = 0.7
MEDIUM_RISK = 0.4


def risk_category(probability: Matrix) -> NDArray[np.str_]:
    """Return `high` (0.7 or above), `medium` (0.4 or above) or `low` for each probability.

    >>> risk_category(np.array([0.7, 0.4, 0.1])).tolist()
    ['high', 'medium', 'low']
    """
    return np.where(probability >= HIGH_RISK, "high", np.where(probability >= MEDIUM_RISK, "medium", "low"))


def choose_offers(offers: Offers, probability: Matrix, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return who gets an offer; nobody who is held out does.

    `top` offers to the highest scores, floor(capacity x customers) of them, ties in the order of rows; `high_risk`
    to everyone at 0.7 or above.

    >>> choose_offers(Offers(capacity=0.5), np.array([0.1, 0.9, 0.5, 0.8]), np.array([False, True, False, False]))
    array([False, False,  True,  True])
    """
    if offers.rule == "high_risk":
        return (probability >= HIGH_RISK) & ~held_out
    chosen = np.zeros(len(probability), dtype=np.bool_)
    candidates = np.flatnonzero(~held_out)
    ranked = candidates[np.argsort(-probability[candidates], kind="stable")]
    chosen[ranked[: int(offers.capacity * len(probability) + 1e-9)]] = True
    return chosen
