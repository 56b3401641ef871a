"""Pricing: what a finished run or comparison would have been worth at other prices; nothing is played again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic import ValidationError

from scenarios.schema import Prices
from sim.errors import InputError, did_you_mean
from sim.mlops.records.record import Record
from sim.study.scores.monthly import from_text, net_value
from sim.study.scores.table import Score

_SHORT = {"value": "customer_value"}
_CURRENCY = "currency"
PriceChange = Mapping[str, float | str]
"""Prices by name, all numbers but the currency."""
REASON = "priced again, and the oracle was planned at other prices"


def parse_prices(texts: Sequence[str]) -> PriceChange:
    """Return the prices that texts such as `value=2500` name; `value` is short for `customer_value`.

    >>> parse_prices(["value=2500", "success_rate=0.4", "currency=EUR"])
    {'customer_value': 2500.0, 'success_rate': 0.4, 'currency': 'EUR'}
    """
    found: dict[str, float | str] = {}
    for text in texts:
        name, sign, number = text.partition("=")
        key = _SHORT.get(name.strip(), name.strip())
        if not sign or key not in Prices.model_fields:
            known = [*_SHORT, *Prices.model_fields]
            hint = did_you_mean(name.strip(), known)
            msg = f"a price must read like value=2500 and be one of {', '.join(known)}, got {text!r}.{hint}"
            raise InputError(msg)
        if key == _CURRENCY:
            found[key] = number.strip()
            continue
        try:
            found[key] = float(number)
        except ValueError as error:
            msg = f"a price must be a number, got {text!r}; write it like value=2500."
            raise InputError(msg) from error
    priced(Prices(), found)
    return found


def changed_amounts(change: PriceChange) -> PriceChange:
    """Return the prices of a change that change what something is worth: all but the currency."""
    return {name: value for name, value in change.items() if name != _CURRENCY}


def priced(prices: Prices, change: PriceChange) -> Prices:
    """Return prices with some changed; `InputError` if one is out of range."""
    try:
        return Prices.model_validate({**prices.model_dump(), **change})
    except ValidationError as error:
        problem = error.errors()[0]
        msg = f"the price {problem['loc'][0]} must be right, got {problem['input']}: {problem['msg']}; give another."
        raise InputError(msg) from error


def reprice_record(record: Record, change: PriceChange) -> Record:
    """Return a record whose scenario has other prices, from which all money is computed."""
    prices = priced(record.scenario.prices, change)
    return replace(record, scenario=record.scenario.model_copy(update={"prices": prices}))


def _amounts(prices: Prices) -> PriceChange:
    return changed_amounts(prices.model_dump())


def reprice_cells(cells: pd.DataFrame, played: Mapping[str, Prices], prices: Mapping[str, Prices]) -> pd.DataFrame:
    """Return the cells of a comparison at other prices than they were `played` at, both for each scenario by name.

    Net value and the usual formula are computed anew; what a cell can't say at other prices is missing. A cell whose
    prices stay as they were stays as it was.
    """
    moved = np.array(
        [_amounts(played[name]) != _amounts(prices[name]) for name in cells["scenario"].astype(str)], dtype=np.bool_
    )
    if not moved.any():
        return cells
    again = cells.copy()
    for score in Score:
        if not score.follows_prices and score in again:
            again.loc[moved, score.value] = np.nan
    again.loc[moved, "regret_missing"] = REASON
    lived = moved & again["error"].isna() & again["monthly"].notna()
    for index, row in again[lived].iterrows():
        now = prices[str(row["scenario"])]
        again.loc[index, Score.NET_VALUE.value] = net_value(from_text(str(row["monthly"])), now)
        if pd.notna(row[Score.ROI_PROPOSAL.value]):  # it is missing where nobody was at high risk
            again.loc[index, Score.ROI_PROPOSAL.value] = now.success_rate * now.customer_value / now.offer_cost - 1
    return again
