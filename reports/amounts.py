"""Amounts: money, times and shares as a person writes them, with a currency and no more digits than are known."""

from math import floor, log10

from scenarios.schema import Prices, Time
from sim.study.comparison.boards import Ends
from sim.study.scores.pricing import PriceChange, changed_amounts

_DIGITS = 3
_MONTHS_A_YEAR = 12


def money_words(value: float, currency: str = "", ends: Ends | None = None) -> str:
    """Return an amount with its currency, and its range if it has one, in digits that mean something.

    >>> money_words(450688.7, "USD")
    'USD 451,000'
    >>> money_words(450688.7, "USD", (278881.0, 622497.0))
    'USD 450,000 (280,000 to 620,000)'
    >>> money_words(50.0, "EUR"), money_words(12.5)
    ('EUR 50', '12.5')
    """
    step = _step(value, ends)
    told = f"{currency} {_rounded(value, step)}".strip()
    return told if ends is None else f"{told} ({_rounded(ends[0], step)} to {_rounded(ends[1], step)})"


def difference_words(value: float, currency: str = "", ends: Ends | None = None) -> str:
    """Return a difference in money in words, with its range if it has one.

    >>> difference_words(-12345.0, "USD", (-30000.0, 5310.0))
    'USD 12,000 less (30,000 less to 5,000 more)'
    >>> difference_words(450688.7, "USD", (278881.0, 622497.0))
    'USD 450,000 more (280,000 to 620,000)'
    """
    step = _step(value, ends)
    told = _more(value, step, f"{currency} ".lstrip())
    if ends is None:
        return told
    low, high = (round(end / step) * step for end in ends)
    if low * high > 0 and low * value > 0:  # all on one side: the sentence has said which
        nearer, farther = sorted((abs(low), abs(high)))
        return f"{told} ({_rounded(nearer, step)} to {_rounded(farther, step)})"
    return f"{told} ({_more(low, step)} to {_more(high, step)})"


def thousands_words(currency: str = "") -> str:
    """Return the unit of an axis or a table of money.

    >>> thousands_words("USD"), thousands_words()
    ('thousands of USD', 'thousands')
    """
    return f"thousands of {currency}" if currency else "thousands"


def signed_words(value: float, ends: Ends | None = None) -> str:
    """Return a difference as a number with its sign, and its range if it has one, rounded as a person writes it.

    >>> signed_words(459915.4, (358303.0, 561528.0)), signed_words(5.0)
    ('+460,000 (+360,000 to +560,000)', '+5')
    """
    step = max(_step(value, ends), 1.0)
    told, *range_ = (f"{round(each / step) * step + 0.0:+,.0f}" for each in (value, *(ends or ())))
    return f"{told} ({' to '.join(range_)})" if range_ else told


def count_words(value: float) -> str:
    """Return a mean count as a person writes it.

    >>> count_words(6.25), count_words(36.0), count_words(1178.4), count_words(0.04)
    ('6.2', '36', '1,180', '0.04')
    """
    return number_words(round(value, 1) if round(value, 1) else value)


def prices_words(prices: Prices) -> str:
    """Return what a customer, an offer and a retraining are worth, in one line."""
    customer, offer, retraining = (
        money_words(value, prices.currency)
        for value in (prices.customer_value, prices.offer_cost, prices.retrain_cost)
    )
    return (
        f"a kept customer {customer}, an offer {offer}, a retraining {retraining}; an offer keeps "
        f"{prices.success_rate:.0%} of those who would leave"
    )


def other_prices_words(change: PriceChange, what: str) -> str:
    """Say that money is at other prices than what is reported was played with; empty where it is not."""
    told = ", ".join(f"{name} {value:g}" for name, value in changed_amounts(change).items())
    return f"All money is at other prices than the {what} was played with: {told}." if told else ""


def number_words(value: float, digits: int = _DIGITS) -> str:
    """Return a number with at most so many digits that count, as a person writes it.

    >>> number_words(0.121052631579), number_words(12), number_words(1234567.8), number_words(0.00004)
    ('0.121', '12', '1,230,000', '0.00004')
    """
    if not value:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, places)
    if places <= 0:
        return f"{rounded:,.0f}"
    return f"{rounded:,.{places}f}".rstrip("0").rstrip(".")


def time_words(time: Time, steps: int) -> str:
    """Return how long a number of steps is.

    >>> time_words(Time(step_days=30), 24), time_words(Time(step_days=30), 5), time_words(Time(step_days=7), 52)
    ('2 years', '5 months', '52 weeks')
    """
    unit = {30: "month", 7: "week", 1: "day"}.get(time.step_days, f"step of {time.step_days} days")
    if unit == "month" and steps % _MONTHS_A_YEAR == 0 and steps:
        steps, unit = steps // _MONTHS_A_YEAR, "year"
    first, *rest = unit.split(" ", 1)
    return " ".join([f"{steps:,}", first if steps == 1 else f"{first}s", *rest])


def _more(value: float, step: float, currency: str = "") -> str:
    rounded = round(value / step) * step
    if not rounded:
        return f"{currency}0"
    return f"{currency}{abs(rounded):,.{_places(step)}f} {'more' if rounded > 0 else 'less'}"


def _rounded(value: float, step: float) -> str:
    text = f"{round(value / step) * step + 0.0:,.{_places(step)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _step(value: float, ends: Ends | None) -> float:
    """Return what to round to: two digits of the half width of a range, or three of the value."""
    size = abs(value) if ends is None else (ends[1] - ends[0]) / 2
    if not size:
        return 1.0
    step = float(10.0 ** (floor(log10(size)) - (_DIGITS - 1 if ends is None else 1)))
    nearest = 0.0 if ends is None or ends[0] * ends[1] <= 0 else min(map(abs, ends))
    while nearest and not round(nearest / step):  # what is shown to be more than nothing must not read as nothing
        step /= 10
    return step


def _places(step: float) -> int:
    return max(0, -floor(log10(step)))
