"""The complete loop: what really happened on each arrow, how often, and how long it took."""

from dataclasses import dataclass
from statistics import fmean

from matplotlib.figure import Figure

from reports.caption import record_caption, step_word
from reports.diagram import Box, Diagram
from reports.style import BLUE, WIDTH, chart, sheet
from sim.mlops.records.jobs import FIRST_JOB, Job, Status
from sim.mlops.records.record import Record

_BOX_WIDTH, _BOX_HEIGHT, _GAP = 1.42, 0.95, 0.62
_TOP, _BOTTOM, _HEIGHT = 2.62, 0.42, 3.85


@dataclass(frozen=True, slots=True)
class LoopFacts:
    """The counts of one life; days are simulated, means over the jobs that got so far (`None` without one)."""

    steps: int
    customers: int
    offers: int
    held_out: int
    churners: int
    labels_arrived: int
    steps_with_f1: int
    steps_missing: int
    requested: int
    met_gates: int
    promoted: int
    rejected: int
    rollbacks: int
    days_to_gates: float | None
    days_to_serve: float | None


def loop_facts(record: Record) -> LoopFacts:
    """Return what a record holds of each part of the loop."""
    jobs = [job for job in record.jobs if job.name != FIRST_JOB]
    met = [job for job in jobs if job.meeting is not None]
    promoted = [job for job in jobs if job.status is Status.PROMOTED]
    tallies = [row.tally for row in record.steps]
    return LoopFacts(
        steps=len(record.steps),
        customers=sum(tally.customers for tally in tallies),
        offers=sum(tally.offers for tally in tallies),
        held_out=sum(tally.held_out for tally in tallies),
        churners=sum(tally.churners for tally in tallies),
        labels_arrived=sum(row.labels_arrived for row in record.steps),
        steps_with_f1=sum(row.signals.f1 is not None for row in record.steps),
        steps_missing=sum(row.decision.reason == "missing" for row in record.steps),
        requested=len(jobs),
        met_gates=len(met),
        promoted=len(promoted),
        rejected=sum(job.status is Status.REJECTED for job in jobs),
        rollbacks=sum(bool(row.alias_changes) and row.job_ended is None for row in record.steps),
        days_to_gates=_mean_days(met, gates=True),
        days_to_serve=_mean_days(promoted, gates=False),
    )


@chart
def loop_chart(record: Record) -> Figure:
    """Draw the loop from scoring to promotion and back, with counts and durations on every arrow."""
    facts = loop_facts(record)
    finding = (
        f"{facts.customers:,} customers were scored and {facts.labels_arrived:,} labels came back; "
        f"{facts.requested:,} retrainings were asked for, {facts.promoted:,} challengers promoted and "
        f"{facts.rejected:,} rejected."
    )
    page = sheet("The loop as it ran", finding, record_caption(record, _seconds(record)), _HEIGHT)
    diagram = Diagram(page.body, _HEIGHT)
    upper = [Box(_x(column), _TOP, _BOX_WIDTH, _BOX_HEIGHT) for column in range(5)]
    lower = [Box(_x(4 - column), _BOTTOM, _BOX_WIDTH, _BOX_HEIGHT) for column in range(4)]
    for box, (heading, lines) in zip([*upper, *lower], _stations(record, facts), strict=True):
        diagram.box(box, heading, lines)
    _connect(diagram, upper, lower, record, facts)
    return page.figure


def _stations(record: Record, facts: LoopFacts) -> list[tuple[str, tuple[str, ...]]]:
    versions = len({row.version for row in record.steps})
    return [
        ("Score", (f"{facts.customers:,} customers", f"in {facts.steps:,} batches", f"by {versions:,} versions")),
        ("Offer", (f"{facts.offers:,} offers", f"{facts.held_out:,} held out", "never asked")),
        ("Settle", (f"{facts.churners:,} churners", "without an offer")),
        ("Labels", (f"{facts.labels_arrived:,} arrived", "joined to their", "own prediction")),
        ("Signals", (f"F1 known in {facts.steps_with_f1:,}", f"of {facts.steps:,} steps")),
        (
            "Policy",
            (f"{facts.steps:,} decisions", f"{facts.steps_missing:,} missing", f"{facts.requested:,} retrain"),
        ),
        ("Train", (f"{facts.requested:,} jobs", f"{record.scenario.training.recent_share:.0%} recent rows")),
        ("Gates", (f"{facts.met_gates:,} met", f"{facts.rejected:,} rejected")),
        ("Promote", (f"{facts.promoted:,} promoted", f"{facts.rollbacks:,} rolled back")),
    ]


def _connect(diagram: Diagram, upper: list[Box], lower: list[Box], record: Record, facts: LoopFacts) -> None:
    step, horizon = step_word(record.scenario.time), record.scenario.labels.horizon_days
    told = ["same day", "same day", f"within {horizon} days", "same day"]
    for box, after, words in zip(upper, upper[1:], told, strict=False):
        diagram.arrow(box.right, after.left)
        diagram.label(box.right[0] + _GAP / 2, _TOP + _BOX_HEIGHT + 0.12, words, 1.5, most_lines=1)
    told = [
        f"{facts.requested:,} jobs",
        _days(facts.days_to_gates),
        f"{facts.promoted:,} of {facts.met_gates:,}",
    ]
    for box, after, words in zip(lower, lower[1:], told, strict=False):
        diagram.arrow(box.left, after.right, colour=BLUE)
        diagram.label(box.left[0] - _GAP / 2, _BOTTOM - 0.2, words, 1.5, most_lines=1)
    diagram.arrow(upper[4].bottom, lower[0].top)
    diagram.label(upper[4].bottom[0] - 0.95, (_TOP + _BOTTOM + _BOX_HEIGHT) / 2, f"once a {step}", 1.5)
    diagram.arrow(lower[3].left, upper[0].bottom, colour=BLUE, bend=-0.3)
    diagram.label(
        upper[0].bottom[0] + 1.75,
        (_TOP + _BOTTOM + _BOX_HEIGHT) / 2,
        f"serves {_days(facts.days_to_serve)} after it was asked for" if facts.promoted else "no new model served",
        2.9,
    )


def _x(column: int) -> float:
    left = (WIDTH - 5 * _BOX_WIDTH - 4 * _GAP) / 2
    return left + column * (_BOX_WIDTH + _GAP)


def _days(days: float | None) -> str:
    return "-" if days is None else f"{days:.0f} days"


def _mean_days(jobs: list[Job], *, gates: bool) -> float | None:
    ends = [(job.meeting.day if job.meeting else None) if gates else job.ended_day for job in jobs]
    days = [end - job.requested_day for job, end in zip(jobs, ends, strict=True) if end is not None]
    return fmean(days) if days else None


def _seconds(record: Record) -> str:
    seconds = record.measured.get("seconds", {})
    told = ", ".join(f"{name.replace('_', ' ')} {value:.1f} s" for name, value in seconds.items())
    return f"d: simulated days. Measured: {told}." if told else "d: simulated days."
