"""The report of a surface in a real browser: what the explorer tells of a setting is what the surface holds."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from browser import browsing
from report_lives import ATTACK
from surveyed import LONG, RULE, surveyed

from reports.report import write_report
from reports.surface_view import read_view
from sim.errors import InputError
from sim.json_file import write_json
from sim.study.comparison.leaderboard import BOOTSTRAP_SEED
from sim.study.inference.contests import Interval, mean_interval, ratio_interval
from sim.study.surface.surface import read_surface
from sim.study.surface.tuned_file import (
    TUNING_FILE,
    TUNING_KIND,
    Combination,
    TunedFigure,
    TunedFile,
    TuningIdentity,
    write_tuned,
)

NUMBER, MISSING = re.compile(r"-?[\d,]+(?:\.\d+)?"), "\N{EN DASH}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return surveyed(tmp_path_factory.mktemp("surfaces") / "s")


@pytest.fixture(scope="module")
def page(folder):
    return write_report(folder)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def opened(tab, page):
    tab.events.clear()
    tab.open(page)
    return tab


def shown(tab):
    return tab.evaluate(
        "[...document.querySelectorAll('#explorer-table tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )


def said(tab):
    return tab.evaluate("document.getElementById('explorer-told').textContent")


def enter(tab, setting):
    for axis, number in enumerate(setting):
        tab.evaluate(
            f"(() => {{ const box = document.getElementById('explorer-number-{axis}'); box.value = {number!r};"
            f" box.dispatchEvent(new Event('change')); }})()"
        )


def told(mean, interval, digits):
    def amount(value):
        return f"{value + 0.0:,.{digits}f}"

    if mean is None or np.isnan(mean):
        return MISSING
    return amount(mean) + (f" ({amount(interval.low)} to {amount(interval.high)})" if interval else "")


def mean_text(values, digits):
    present = [value for value in values if not np.isnan(value)]
    return told(np.mean(present) if present else None, mean_interval(present) if present else None, digits)


def expected(found, setting):
    """Return the rows of the explorer of a setting, from the surface by Python's own inference."""
    surface = found.surface
    code = surface.overlay.class_of(dict(zip(found.template.names, setting, strict=True)))
    names = ["net_value", "retrains", "false_alarms_per_year", "detection_days", "days_after_onset"]
    names += ["recovery_gained", "recovery_attainable"]
    scores = {name: surface.values(name)[:, code] for name in names}
    rows = {
        "net": scores["net_value"],
        "more": scores["net_value"] - surface.reference("net_value"),
        "retrains": scores["retrains"] / np.array(surface.years)[:, np.newaxis],
        "alarms": scores["false_alarms_per_year"],
        "days": np.where(np.isnan(scores["detection_days"]), scores["days_after_onset"], scores["detection_days"]),
    }
    never = np.where(np.isnan(scores["days_after_onset"]), np.nan, np.isnan(scores["detection_days"]))
    gained, attainable = scores["recovery_gained"][1], scores["recovery_attainable"][1]
    for scenario in (0, 1, slice(None)):
        figures = {name: np.nanmean(np.atleast_2d(each[scenario]), axis=0) for name, each in rows.items()}
        missed = np.nanmean(never[scenario]) if not np.isnan(never[scenario]).all() else 0.0
        recovery = MISSING
        if scenario != 0:  # nothing to recover in the calm scenario
            ratio = ratio_interval(gained, attainable, np.random.default_rng(BOOTSTRAP_SEED))
            recovery = told(ratio.estimate, ratio.interval, 2)
        days = mean_text(figures["days"], 0)
        if missed > 0:
            days += f"; never in {np.floor(100 * missed + 0.5):.0f} % of lives"
        yield [
            *(mean_text(figures["net"], 0), mean_text(figures["more"], 0), recovery),
            *(mean_text(figures["retrains"], 2), mean_text(figures["alarms"], 2), days),
        ]


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_the_explorer_tells_of_every_setting_what_the_surface_holds(opened, folder):
    """Half of the numbers are signal values themselves, where > and >= differ."""
    found, rng = read_surface(folder), random.Random(4)
    cuts = [[cut.value for cut in axis if np.isfinite(cut.value)] for axis in found.surface.overlay.cuts]
    seen = set()
    for _ in range(40):
        setting = [rng.choice(known) if rng.random() < 0.5 else rng.uniform(min(known), max(known)) for known in cuts]
        enter(opened, setting)
        rows = shown(opened)
        assert [row[0] for row in rows] == ["calm@1", "drifting@1", "all scenarios"]
        for row, wanted in zip(rows, expected(found, setting), strict=True):
            assert close(row[1:], wanted), (setting, row[1:], wanted)
        seen.add(tuple(rows[1]))
    assert len(seen) > 5
    assert "(" in rows[1][3], "recovery has a range"


def close(texts, wanted):
    """Whether cells are the same, but for a last digit that the two languages round apart."""
    return all(one == other or _nearly(one, other) for one, other in zip(texts, wanted, strict=True))


def _nearly(one, other):
    mine, theirs = (NUMBER.sub("#", text) for text in (one, other))
    digit = 0.011 if "." in one else 1.1
    values = [[float(found.replace(",", "")) for found in NUMBER.findall(text)] for text in (one, other)]
    return mine == theirs and np.allclose(*values, rtol=0, atol=digit)


def test_it_makes_no_request_and_keeps_the_content_policy(opened, page):
    assert opened.complaints() == []
    assert [each for each in opened.requests() if not each.startswith("data")] == [page.resolve().as_uri()]
    assert opened.evaluate("document.getElementById('explorer').checkVisibility()")


def press(tab, key, code):
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def test_the_keyboard_moves_a_slider_from_settings_to_the_next(opened):
    slider = "document.getElementById('explorer-slider-0')"
    opened.evaluate(f"{slider}.focus()")
    before, place = said(opened), opened.evaluate(f"{slider}.value")
    press(opened, "ArrowRight", 39)
    assert int(opened.evaluate(f"{slider}.value")) == int(place) + 1
    assert said(opened) != before
    assert said(opened).startswith("f1_drop > ")
    spoken = opened.evaluate(f"{slider}.getAttribute('aria-valuetext')")
    assert spoken.startswith("a = ")
    assert "all in" in spoken
    press(opened, "Home", 36)
    assert opened.evaluate(f"{slider}.value") == "0"


def test_buttons_lead_to_the_best_and_to_the_proposals_numbers(opened, folder):
    best = read_view(folder).said.best
    buttons = "document.querySelectorAll('#explorer button.mark')"
    assert opened.evaluate(f"[...{buttons}].map(button => button.textContent)") == ["the best seen", "as in proposal"]
    first = shown(opened)
    opened.evaluate(f"{buttons}[1].click()")
    numbers = [opened.evaluate(f"document.getElementById('explorer-number-{axis}').value") for axis in (0, 1)]
    assert numbers == ["0.05", "0.25"]
    assert "f1_drop > 0.05 or psi_max > 0.25" in said(opened)
    opened.evaluate(f"{buttons}[0].click()")
    assert shown(opened) == first
    assert "It is not shown to be worse" in said(opened)
    assert first[2][1].startswith(f"{best.net_value.mean:,.0f}")


def test_a_number_that_was_not_searched_is_refused_in_a_sentence(opened):
    before = shown(opened)
    enter(opened, [99.0])
    assert "must be a number that was searched" in said(opened)
    assert shown(opened) == before


def test_the_curve_above_a_slider_is_the_mean_net_value_along_it(opened, folder):
    found = read_surface(folder)
    enter(opened, [0.05, 0.2])
    points = opened.evaluate("document.getElementById('explorer-line-0').getAttribute('points')").split()
    heights = np.array([-float(point.split(",")[1]) for point in points[::2]])
    laid = found.surface.overlay
    other = next(at for at, span in enumerate(laid.spans(1)) if span.has(0.2))
    values = found.surface.values("net_value").mean(axis=(0, 2))[laid.codes[:, other]]
    assert len(heights) == len(values)
    scaled = (values - values.min()) / (values.max() - values.min())
    assert np.allclose(scaled, (heights - heights.min()) / (heights.max() - heights.min()), atol=0.01)


@pytest.mark.parametrize("pixels", [390, 1280])
def test_nothing_is_cut_off_at_any_width(tab, page, pixels):
    tab.call("Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=pixels < 500)
    tab.open(page)
    inner, outer = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    tab.call("Emulation.clearDeviceMetricsOverride")
    assert inner <= outer


def test_what_came_from_data_runs_nowhere(tab, tmp_path):
    """A scenario's title is somebody else's words."""
    evil = LONG.model_copy(update={"title": ATTACK})
    page = write_report(surveyed(tmp_path / "s", "f1_drop > {a}", ["a=0:0.3"], (1,), (evil,)))
    tab.events.clear()
    tab.open(page)
    assert tab.complaints() == []
    assert "<img src=x" not in page.read_text()
    assert "too few" in page.read_text()


def test_who_decides_reads_no_mathematical_intervals(page):
    text = page.read_text(encoding="utf-8")
    first = text[text.index('<section class="first"') : text.index("</section>")]
    assert "What may be as good" in first
    assert "just below" in first or "any number" in first or " on, " in first
    assert "the number itself is in" in text
    assert not re.search(r"[\[(]-?[\d.]+, -?[\d.]+[\])]", re.sub("<img[^>]*>", "", first))


def test_a_surface_has_its_own_prices(folder):
    with pytest.raises(InputError, match="set prices in its scenario"):
        write_report(folder, {"success_rate": 0.4})


def test_a_tuning_is_reported_with_its_choice_marked(folder, tmp_path):
    place = tmp_path / "tuned"
    place.mkdir()
    (place / "search-1").symlink_to(folder)
    gain = TunedFigure(1234.0, Interval(200.0, 2200.0, 0.95))
    tuned = TunedFile(
        search="search-1",
        rule=RULE,
        training="newest",
        gates="none",
        combinations=(
            Combination(RULE, "newest", "none", TunedFigure(8000.0, None)),
            Combination(RULE, "history", "none", TunedFigure(5000.0, None)),
        ),
        setting={"a": 0.07, "b": 0.3},
        reference="proposal",
        goal="mean",
        weights={},
        limits=(),
        confirm_seeds=6,
        hold_out=(),
        promised=TunedFigure(9000.0, None),
        cross_fitted=TunedFigure(8000.0, None),
        optimism=1000.0,
        confirmed=gain,
        by_scenario={"calm@1": gain, "drifting@1": gain},
        is_shown=True,
    )
    write_tuned(tuned, place)
    asked = replace(read_surface(folder).asked, gates_name="none")
    searches = tuple(replace(asked, training_name=each.training) for each in tuned.combinations)
    write_json(TUNING_KIND, TuningIdentity(searches, "mean", {}, (), tuple(range(6, 12)), ()), place / TUNING_FILE)
    text = write_report(place).read_text()
    told = "Use f1_drop &gt; 0.07 or psi_max &gt; 0.3, learning by newest: it earns USD 1,200 more (200 to 2,200)"
    assert f"{told} than proposal" in text
    assert "--training newest --training history" in text
    assert ">the chosen</button>" in text
    write_tuned(replace(tuned, is_shown=False), place)
    assert "Nothing was shown to be better than proposal" in write_report(place).read_text()
