"""The first page of a backtest: which trigger would have spoken when the model got worse, and when."""

from collections.abc import Iterator

from reports.charts.alarms import loss_words
from reports.first_page import FirstPage
from reports.plain_words import rule_words, signal_words
from sim.study.backtest.findings import Backtest, TriggerReport


def backtest_first_page(result: Backtest) -> FirstPage:
    """Return the first page of a backtest."""
    first = first_trigger(result)
    return FirstPage(
        question=f"When would each trigger have asked to retrain, on the recorded labels of {result.name}?",
        answer=f"{loss_words(result)} {best_words(result)}",
        points=dict(_points(result, first)),
        not_shown=list(_not_shown(result)),
        words=[
            "F1: how well churners are found on the customers whose outcome is known; 1 is perfect.",
            "Noise: the model is as good as before, and the customers of a step happen to be easier or harder.",
            *signal_words([] if first is None else [first.policy]),
        ],
    )


def best_words(result: Backtest) -> str:
    """Return which trigger spoke first once F1 was lost, in words."""
    if result.loss_date is None:
        return "So every alarm was one too many."
    first = first_trigger(result)
    if first is None:
        return "No trigger spoke after that."
    late = "at once" if not first.late_days else f"{_days(first.late_days)} later"
    return f"{first.policy} spoke {late}, after {_alarms(first.early)} before it."


def first_trigger(result: Backtest) -> TriggerReport | None:
    """Return the trigger that spoke first once F1 was lost, of several the one with the fewest alarms before."""
    spoke = [trigger for trigger in result.triggers if trigger.late_days is not None]
    return min(spoke, key=lambda trigger: (trigger.late_days or 0, trigger.early), default=None)


def _points(result: Backtest, first: TriggerReport | None) -> Iterator[tuple[str, str]]:
    if first is not None:
        yield "The trigger that spoke first", rule_words(first.policy)
        if first.false_alarms_per_year is not None:
            yield (
                "How often it would speak for nothing",
                f"{first.false_alarms_per_year:.1f} times a year ({first.false_alarms_low or 0:.1f} to "
                f"{first.false_alarms_high or 0:.1f}), counted in pasts like this one in which nothing changed",
            )
    known = sum(month.labelled for month in result.months)
    customers = sum(month.customers for month in result.months)
    if customers:
        yield (
            "What it rests on",
            f"{customers:,} customers in {len(result.months):,} steps, {known:,} with an outcome",
        )


def _not_shown(result: Backtest) -> Iterator[str]:
    yield "What a retrained model would have earned: the comparison beside this page retrains, this page does not."
    for reason in result.missing:
        yield f"Not known: {reason}."
    silent = [trigger.policy for trigger in result.triggers if not trigger.dates and trigger.policy != "never"]
    if silent:
        yield f"Whether these would ever speak: in this log nothing was said by {', '.join(silent)}."


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days:,} days"


def _alarms(count: int) -> str:
    return {0: "no alarm", 1: "1 alarm"}.get(count, f"{count:,} alarms")
