"""The axis of time: steps, the versions that served in them, what was asked for, and the onset of drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from policies.decision import Action
from reports.caption import step_word
from reports.style import GREEN, INK, MUTED, ORANGE, RED, SHADE
from scenarios.schema import Scenario
from sim.mlops.records.jobs import FIRST_JOB, Status
from sim.mlops.records.record import Record
from sim.study.scores.judge import expected_f1


@dataclass(frozen=True, slots=True)
class Reign:
    """The steps `first` to `last` in which one model version served on end."""

    version: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Events:
    """The steps at which something was done with a model."""

    requested: tuple[int, ...]
    promoted: tuple[int, ...]
    rejected: tuple[int, ...]
    rolled_back: tuple[int, ...]


def true_f1(record: Record) -> list[float | None]:
    """Return the expected F1 of each step under the true propensities."""
    return [expected_f1(row.tally) for row in record.steps]


def spans(record: Record) -> list[Reign]:
    """Return which version served when."""
    runs = groupby(((row.version, row.step) for row in record.steps), key=lambda pair: pair[0])
    listed = [(version, [step for _, step in pairs]) for version, pairs in runs]
    return [Reign(version, steps[0], steps[-1]) for version, steps in listed]


def events(record: Record) -> Events:
    """Return when retrainings were asked for, ended, and models rolled back."""
    ended = [job for job in record.jobs if job.name != FIRST_JOB and job.ended_step is not None]
    return Events(
        requested=tuple(job.requested_step for job in record.jobs if job.name != FIRST_JOB),
        promoted=tuple(
            job.ended_step for job in ended if job.status is Status.PROMOTED and job.ended_step is not None
        ),
        rejected=tuple(
            job.ended_step for job in ended if job.status is Status.REJECTED and job.ended_step is not None
        ),
        rolled_back=tuple(row.step for row in record.steps if row.decision.action is Action.ROLLBACK),
    )


def step_axis(axes: Axes, scenario: Scenario, n_steps: int, *, with_label: bool = True) -> None:
    """Let the horizontal axis count the steps of a scenario."""
    axes.set_xlim(-0.6, n_steps - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.grid(visible=False, axis="x")
    if with_label:
        axes.set_xlabel(f"{step_word(scenario.time)} ({scenario.time.step_days} days each)")


def shade_versions(axes: Axes, record: Record) -> list[tuple[Artist, str]]:
    """Shade every other version that served; return what a legend says of it."""
    listed = spans(record)
    for span in listed[1::2]:
        axes.axvspan(span.first - 0.5, span.last + 0.5, color=SHADE, zorder=0, linewidth=0)
    return [(Patch(facecolor=SHADE, edgecolor=MUTED), "every other version that served")] if len(listed) > 1 else []


def mark_onset(axes: Axes, scenario: Scenario) -> list[tuple[Artist, str]]:
    """Draw a line where drift begins; return what a legend says of it."""
    onset = scenario.onset_step
    if onset is None:
        return []
    line = axes.axvline(onset - 0.5, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.6)
    return [(line, f"drift begins ({step_word(scenario.time)} {onset})")]


def mark_events(axes: Axes, found: Events) -> list[tuple[Artist, str]]:
    """Draw a strip of what was decided, one row for each kind that occurred; return what a legend says of it."""
    kinds: tuple[tuple[Sequence[int], str, str, str], ...] = (
        (found.requested, "v", ORANGE, "retraining asked for"),
        (found.promoted, "^", GREEN, "challenger promoted"),
        (found.rejected, "x", RED, "challenger rejected"),
        (found.rolled_back, "<", INK, "rollback"),
    )
    shown = [kind for kind in kinds if kind[0]]
    for row, (steps, marker, colour, name) in enumerate(shown):
        height = len(shown) - row
        axes.plot(list(steps), [height] * len(steps), marker, color=colour, markersize=6, label=name)
    axes.set(ylim=(0.4, max(len(shown), 1) + 0.6), yticks=[])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    return [(Line2D([], [], marker=m, color=c, linestyle="", markersize=6), n) for _, m, c, n in shown]
