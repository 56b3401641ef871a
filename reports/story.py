"""Story: a scenario in words, its drift over time as a line of blocks, and what it does to a stale model."""

from collections.abc import Iterator, Mapping

from scenarios.impacts import Impact, ImpactMean
from scenarios.injectors import Injector
from scenarios.schema import Jobs, Labels, Offers, Scenario, Time

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SIGNALS = ("f1_drop", "psi_max", "score_psi", "null_rate", "unseen_rate")
_NOTABLE = 0.02


def happenings(scenario: Scenario) -> Iterator[str]:
    """Yield a line in words for each thing that happens in a world of the scenario."""
    for injector in scenario.drift:
        strength = f", at {injector.strength:.0%} of it" if injector.strength < 1 else ""
        yield f"{when(injector)}: {injector.words}{strength}"
    yield from _settings(scenario)


def _settings(scenario: Scenario) -> Iterator[str]:
    """Yield a line for each part of a scenario that is not as usual."""
    time, jobs = scenario.time, scenario.jobs
    if time.step_days != Time().step_days:
        yield f"time: a step is {time.step_days} days, with {time.customers:,} customers"
    if time.customers_growth or time.customers_spread:
        yield f"time: customers grow by {time.customers_growth:.0%} a year and vary by {time.customers_spread:.0%}"
    if scenario.labels != Labels():
        yield f"labels: {_labels_in_words(scenario.labels)}"
    if scenario.offers.feed_back or scenario.offers.learn_from != "all":
        yield f"offers: {_offers_in_words(scenario.offers, scenario.prices.success_rate)}"
    if jobs != Jobs():
        yield f"jobs: training takes {jobs.train_days} days, approval {jobs.approval_days}"


def when(injector: Injector) -> str:
    """Say when and on whom an injector acts."""
    onset, steps = injector.onset_step, injector.duration_steps
    return {
        "sudden": f"from step {onset} on",
        "ramp": f"from step {onset} on, in full after {steps} steps",
        "gradual": f"from step {onset} on, one customer after another, all after {steps} steps",
        "recurring": f"from step {onset} on, for {steps} of every {injector.period_steps} steps",
        "blip": f"in steps {onset} to {onset + steps - 1}",
    }[injector.profile]


def sketch(injector: Injector, steps: int) -> str:
    """Return how much of an injector acts at each step (intensity x reach) as blocks, one a step.

    >>> from scenarios.injectors import PriorDrift
    >>> sketch(PriorDrift(kind="prior", base_rate=0.4, onset_step=2, profile="ramp", duration_steps=4), 8)
    '  ▂▄▆███'
    """
    return "".join(_BLOCKS[round(injector.intensity(step) * injector.reach(step) * 8)] for step in range(steps))


def losses(impact: Impact) -> Iterator[str]:
    """Yield sentences on what a stale model loses, and which signals move."""
    source = f"{impact.seeds} seeds of {impact.population}, in brackets 95 % intervals"
    fresh = _told(impact.fresh)
    if impact.late is None or impact.calm is None or impact.loss is None:
        stale = _told(impact.before)
        yield f"A model that is never retrained has an F1 of {stale}, a fresh one {fresh} ({source})."
        observed = impact.signals.get("f1", (None, None))[0]
        if observed is not None and abs(observed - impact.before.mean) > _NOTABLE:
            yield f"Production sees another: an F1 of {observed:.2f} on average."
        return
    share = impact.loss
    change = "loses" if share.mean > 0 else "gains"
    low, high = sorted(abs(end) for end in (share.low or share.mean, share.high or share.mean))
    yield (
        f"A model that is never retrained has an F1 of {_told(impact.late)} in the last steps of the drift, where"
        f" it would have had {impact.calm.mean:.3f} in peace, and a fresh model has {fresh}: it {change}"
        f" {abs(share.mean):.1%} ({low:.1%} to {high:.1%}) of its F1 ({source})."
    )
    moved = ", ".join(_moves(impact.signals))
    yield f"Signals that move, on average before and during: {moved or 'none of the usual ones'}."


def _moves(signals: Mapping[str, tuple[float | None, float | None]]) -> Iterator[str]:
    for name in _SIGNALS:
        before, during = signals.get(name, (None, None))
        if before is not None and during is not None and abs(during - before) > _NOTABLE:
            yield f"{name} {before:.2f} to {during:.2f}"


def _told(span: ImpactMean) -> str:
    interval = f" ({span.low:.3f} to {span.high:.3f})" if span.low is not None else ""
    return f"{span.mean:.3f}{interval}"


def _labels_in_words(labels: Labels) -> str:
    arrival = {
        "fixed": f"all {labels.delay_days} days after scoring",
        "churners_early": f"of churners on any day, of stayers after {labels.horizon_days} days",
        "long_tailed": f"half within {labels.delay_days} days, the rest in a long tail",
    }[labels.delay]
    parts = [arrival, f"a cohort is complete after {labels.horizon_days} days"]
    if labels.never_share:
        parts.append(f"{labels.never_share:.0%} never arrive")
    if labels.correction_share:
        parts.append(f"{labels.correction_share:.0%} are corrected {labels.correction_days} days later")
    if labels.cohorts == "naive":
        parts.append("cohorts with any label are used")
    return ", ".join(parts)


def _offers_in_words(offers: Offers, success_rate: float) -> str:
    learnt = {
        "all": "all labels are learnt from",
        "held_out": "held-out customers alone are learnt from",
        "weighted": "customers without one are learnt from, weighted",
    }[offers.learn_from]
    to = f"{offers.capacity:.0%} of the customers" if offers.rule == "top" else "everybody at high risk"
    shown = "the labels show it" if offers.seen_in_labels else "the labels do not show it"
    return f"{to} get one that keeps {success_rate:.0%} of the churners, {shown}, and {learnt}"
