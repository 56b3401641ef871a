"""The first page of a run: what the policy did, what that was worth, and what one life can't show."""

from collections.abc import Iterator, Mapping
from math import fsum
from typing import Any

from reports.amounts import money_words, number_words, prices_words, time_words
from reports.caption import source, step_word
from reports.findings import findings
from reports.first_page import NET_VALUE_WORDS, QUALITY, FirstPage
from reports.plain_words import rule_words, signal_words, training_words
from sim.mlops.records.record import Record, StepRow
from sim.study.scores.judge import Summary, expected_f1, observed_f1, summarise
from sim.study.scores.money import offer_value


def run_first_page(record: Record, before: Record | None = None) -> FirstPage:
    """Return the first page of a run; `before` is another run in the same world to hold it against."""
    found = summarise(record)
    return FirstPage(
        question=_question(record),
        answer=_answer(record, found, before),
        points=dict(_points(record, found)),
        sides=list(_against(before, record) if before is not None else _around_onset(record)),
        sides_title=_sides_title(record, before),
        warnings=list(findings(record)),
        not_shown=list(_not_shown(record)),
        words=[NET_VALUE_WORDS, *signal_words([record.policy])],
    )


def _question(record: Record) -> str:
    if record.is_recorded:
        return f"What would {record.policy} have done on the history {record.population}, and what was that worth?"
    title = record.scenario.title.rstrip(".")
    return f"What does {record.policy} do if this happens: {title}? And what is that worth?"


def _answer(record: Record, found: Summary, before: Record | None) -> str:
    span = time_words(record.scenario.time, len(record.steps))
    worth = money_words(found.net_value, record.scenario.prices.currency)
    told = f"Over {span} it earned a net value of {worth} and {_retrained(found)}."
    if before is None:
        return told
    gain = found.net_value - summarise(before).net_value
    amount = money_words(abs(gain), record.scenario.prices.currency)
    return f"{told} In the same life {before.policy} earned {amount} {'less' if gain >= 0 else 'more'}."


def _retrained(found: Summary) -> str:
    if not found.retrains:
        return "never retrained"
    times = "once" if found.retrains == 1 else f"{found.retrains:,} times"
    served = {0: "none of the new models", 1: "one new model"}.get(found.promotions, f"{found.promotions:,} of them")
    return f"retrained {times}; {served} went into service"


def _points(record: Record, found: Summary) -> Iterator[tuple[str, str]]:
    prices = record.scenario.prices
    yield "The policy", rule_words(record.policy)
    yield "The gates that a new model must pass", record.gates
    yield "What a new model learns from", training_words(record.training)
    spent = sum(job.trainings for job in record.retrainings) * prices.retrain_cost
    yield "Spent on retraining", money_words(spent, prices.currency)
    if found.detection_days is not None and not record.is_recorded:
        yield "Noticed the change after", f"{found.detection_days:,} days"
    yield "Prices", prices_words(prices)


def _sides_title(record: Record, before: Record | None) -> str:
    if before is not None:
        return "Before and after, in the same life"
    return "First and second half of the history" if record.is_recorded else "Before and after the change"


def _around_onset(record: Record) -> Iterator[Mapping[str, Any]]:
    """Yield what a life was before and after the onset; a history has none, and is told by halves."""
    steps = record.steps
    onset = len(steps) // 2 if record.is_recorded else record.scenario.onset_step
    if onset is None or not 0 < onset < len(steps):
        return
    names = ("first half", "second half") if record.is_recorded else ("before", "after")
    yield from _rows(record, {names[0]: steps[:onset], names[1]: steps[onset:]})


def _rows(record: Record, parts: Mapping[str, tuple[StepRow, ...]]) -> Iterator[Mapping[str, Any]]:
    prices, f1 = record.scenario.prices, observed_f1 if record.is_recorded else expected_f1
    quality = {name: [value for row in rows if (value := f1(row.tally)) is not None] for name, rows in parts.items()}
    if all(quality.values()):
        yield {"": QUALITY} | {name: f"{fsum(values) / len(values):.2f}" for name, values in quality.items()}
    yield {"": f"earned by offers, a {step_word(record.scenario.time)}"} | {
        name: money_words(fsum(offer_value(row.tally, prices) for row in rows) / len(rows), prices.currency)
        for name, rows in parts.items()
    }
    yield {"": "retrainings asked for"} | {
        name: number_words(sum(row.job_opened is not None for row in rows)) for name, rows in parts.items()
    }


def _against(before: Record, after: Record) -> Iterator[Mapping[str, Any]]:
    then, now = summarise(before), summarise(after)
    currency = after.scenario.prices.currency
    names = (before.policy, after.policy if after.policy != before.policy else f"{after.policy} (this run)")

    def row(what: str, *told: str) -> Mapping[str, Any]:
        return {"": what} | dict(zip(names, told, strict=True))

    yield row("net value", *(money_words(each.net_value, currency) for each in (then, now)))
    scores = (then.f1_observed, now.f1_observed)
    if None not in scores:
        yield row(QUALITY, *(f"{score:.2f}" for score in scores))
    yield row("retrainings", number_words(then.retrains), number_words(now.retrains))
    yield row("new models that went into service", number_words(then.promotions), number_words(now.promotions))


def _not_shown(record: Record) -> Iterator[str]:
    yield (
        "How much of this is luck: one life was played. `retrainlab compare` plays several and gives each figure a "
        "range."
    )
    yield "What another policy would have earned in the same life: `retrainlab compare` plays them side by side."
    if record.is_recorded:
        yield "What customers would have done after other offers: the history knows only of those they got."
    else:
        yield f"What happens outside the simulation: it was played on {source(record.population)}."
