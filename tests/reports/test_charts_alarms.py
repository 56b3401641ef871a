"""The chart of a backtest: what it draws is what was found, and no word is clipped, for odd histories too."""

import numpy as np
import pytest
from figure_kit import check, words

from policies.signals import Signals
from reports.charts.alarms import alarms_chart
from sim.study.backtest.findings import Backtest, Month, TriggerReport

LONG = "f1_drop > 0.05 and psi_max > 0.25 or null_rate_rise > 0.10 or at_least(2, recall < 0.4, precision < 0.4)"


def month(step, f1):
    return Month(
        step=step,
        date=f"{2021 + step // 12}-{step % 12 + 1:02d}-01",
        customers=500,
        labelled=400,
        version="v1",
        f1=f1,
        f1_low=None if f1 is None else f1 - 0.05,
        f1_high=None if f1 is None else f1 + 0.05,
        f1_lost=None,
        signals=Signals(step=step, day=30 * step, job_open=False, f1=f1),
    )


def trigger(policy, dates=()):
    return TriggerReport(
        policy=policy,
        dates=tuple(dates),
        first=dates[0] if dates else None,
        clauses="",
        scheduled=0,
        unknown_steps=0,
        early=0,
        late_days=None,
        false_alarms_per_year=None,
    )


def history(values, triggers=(), loss_step=None, baseline=0.6, name="log.csv"):
    months = tuple(month(step, value) for step, value in enumerate(values))
    return Backtest(
        name=name,
        version="sha256:0",
        baseline_f1=baseline,
        months=months,
        loss_date=None if loss_step is None else months[loss_step].date,
        triggers=tuple(triggers),
    )


ODD = {
    "a loss": history([0.6, 0.58, 0.4, 0.41], [trigger("f1_drop > 0.05", ["2021-03-01", "2021-04-01"])], 2),
    "nothing fired": history([0.6, 0.61], [trigger("psi_max > 0.25")]),
    "no trigger": history([0.6, 0.61]),
    "one month": history([0.6], [trigger("age_days > 30", ["2021-01-01"])]),
    "no F1 at all": history([None, None, None], [trigger("psi_max > 0.25")], baseline=None),
    "many months, long names": history(
        [0.5] * 60, [trigger(f"{LONG} {number}") for number in range(12)], name="a very long file name " * 6
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_no_word_is_clipped_or_covered(odd):
    check(alarms_chart(ODD[odd]))


def test_every_mark_is_named():
    told = words(alarms_chart(ODD["a loss"]))
    for name in ("F1 of the model", "95 % interval", "F1 of the reference", "F1 is lost from here on", "alarm"):
        assert name in told
    assert "lost from here" not in words(alarms_chart(ODD["nothing fired"]))


def test_what_is_drawn_is_what_was_found():
    figure = alarms_chart(ODD["a loss"])
    upper, lower = figure.subfigs[0].axes
    np.testing.assert_allclose(upper.lines[0].get_ydata(), [0.6, 0.58, 0.4, 0.41])
    assert lower.lines[-1].get_xdata().tolist() == [2, 3]
    assert "from 2021-03-01 on" in words(figure)
