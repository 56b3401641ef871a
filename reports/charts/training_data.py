"""Fresh-data preparation: the rows of each model by source against the mix asked for, and when labels were there."""

from itertools import accumulate

import numpy as np
from matplotlib.figure import Figure

from reports.caption import record_caption, step_word
from reports.steps import mark_onset, step_axis
from reports.style import BLUE, INK, ORANGE, SKY, chart, legend, sheet
from sim.mlops.models.profiles import load_training, training_profiles
from sim.mlops.records.record import Record

_HEIGHT = 5.3
_ROOM = 1.05  # above the highest bar


@chart
def training_data_chart(record: Record) -> Figure:
    """Draw each model's training rows by source, the share of recent ones against the mix, and the labels at hand.

    The first model stands one step before the first.
    """
    jobs, n_steps = record.jobs, len(record.steps)
    share = _share_asked(record)
    shares = [_recent_share(job.window.n_recent, job.window.n_historical) for job in jobs]
    retrained = [value for value in shares[1:] if value is not None]
    told = _share_words(retrained)
    scored = list(accumulate(row.tally.customers for row in record.steps))
    labelled = list(accumulate(row.labels_arrived for row in record.steps))
    known = f"{labelled[-1] / scored[-1]:.0%}" if scored and scored[-1] else "none"
    asked = "" if share is None else f"; {share:.0%} is asked for"
    finding = f"{len(jobs) - 1:,} retrainings{told}{asked}. {known} of the labels have arrived."
    page = sheet("Fresh data: what each model was trained on", finding, record_caption(record), _HEIGHT)
    rows, mix, labels = page.body.subplots(3, 1, sharex=True, height_ratios=(1.25, 0.8, 1.0))
    where = [-1, *(job.requested_step for job in jobs[1:])]
    recent = np.array([job.window.n_recent for job in jobs])
    older = rows.bar(
        where, [job.window.n_historical for job in jobs], bottom=recent, color=SKY, hatch="///", width=0.8
    )
    newer = rows.bar(where, recent, color=BLUE, width=0.8)
    highest = max(job.window.n_recent + job.window.n_historical for job in jobs)
    rows.set(ylabel="rows", ylim=(0, _ROOM * max(highest, 1)))
    for axes in (rows, labels):
        axes.yaxis.set_major_formatter("{x:,.0f}")
    legend(rows, [newer, older], ["recent cohorts", "historical cohorts"], 5.0)
    dots = mix.plot(where, [np.nan if value is None else value for value in shares], "o", color=BLUE)[0]
    wanted = [] if share is None else [mix.axhline(share, color=INK, linestyle="--", linewidth=1.3)]
    mix.set(ylabel="recent share", ylim=(0, 1.08), yticks=(0, 0.5, 1), yticklabels=("0%", "50%", "100%"))
    legend(mix, [dots, *wanted], ["share of recent rows", *(f"asked for: {share:.0%}" for _ in wanted)])
    steps = [row.step for row in record.steps]
    above = labels.step(steps, scored, where="post", color=ORANGE)[0]
    below = labels.step(steps, labelled, where="post", color=BLUE, linestyle="--")[0]
    labels.set(ylabel="rows so far", ylim=(0, _ROOM * max(scored[-1] if scored else 0, 1)))
    onset = mark_onset(labels, record.scenario)
    legend(
        labels,
        [above, below, *(handle for handle, _ in onset)],
        ["scored", "label arrived", *(name for _, name in onset)],
    )
    step_axis(labels, record.scenario, n_steps, with_label=False)
    labels.set_xlim(-1.7, n_steps - 0.4)
    labels.set_xlabel(f"{step_word(record.scenario.time)} of the request (the first model at -1)")
    page.body.align_ylabels()
    return page.figure


def _share_asked(record: Record) -> float | None:
    """Return the share of recent rows that all retrainings asked for; `None` where theirs differ or none is asked."""
    names = {job.window.profile for job in record.retrainings if job.window.profile} or {record.training}
    profiles = [load_training(name) for name in names if name in training_profiles()]
    if len(profiles) < len(names) or any(profile.kind != "mix" for profile in profiles):
        return None
    own = record.scenario.training.recent_share
    shares = {own if profile.recent_share is None else profile.recent_share for profile in profiles}
    return shares.pop() if len(shares) == 1 else None


def _share_words(shares: list[float]) -> str:
    if not shares:
        return ""
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return f", of which {low if low == high else f'{low} to {high}'} of the rows were recent"


def _recent_share(n_recent: int, n_historical: int) -> float | None:
    whole = n_recent + n_historical
    return n_recent / whole if whole else None
