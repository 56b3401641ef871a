"""The page of a report in a real headless Chromium: on a screen, a phone and paper, by mouse and keyboard."""

import csv
import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from io import StringIO
from urllib.parse import parse_qsl

import numpy as np
import pytest
from browser import browsing
from PIL import Image


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def opened(tab, page):
    tab.events.clear()
    tab.open(page)
    return tab


VISIBLE = "[...document.querySelectorAll({!r})].filter(item => item.checkVisibility()).map(item => {})"


def visible(tab, selector, of="item.textContent"):
    return tab.evaluate(VISIBLE.format(selector, of))


def choose(tab, which, value):
    tab.evaluate(
        f"(() => {{ const chosen = document.getElementById('filter-{which}'); chosen.value = {json.dumps(value)};"
        f"chosen.dispatchEvent(new Event('change')); }})()"
    )


def test_the_page_renders_without_a_request_or_a_complaint(tab, run_page, study_page):
    for page in (run_page, study_page):
        opened(tab, page)
        assert tab.complaints() == []
        assert {address.partition(":")[0] for address in tab.requests()} == {"file", "data"}
        assert [each for each in tab.requests() if each.startswith("file")] == [page.resolve().as_uri()]
        sizes = tab.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
        assert sizes
        assert all(complete and width > 300 for complete, width in sizes)


def test_the_content_policy_stops_a_script_that_slipped_in(tab, run_page, tmp_path):
    broken = tmp_path / "report.html"
    text = run_page.read_text(encoding="utf-8")
    broken.write_text(
        text.replace("</main>", "<script>window.owned = 1</script><img src='https://a.invalid/x'></main>")
    )
    opened(tab, broken)
    assert tab.evaluate("window.owned") is None
    assert len(tab.complaints()) == 2, "the kit sees what the policy stops"


def test_the_filter_of_scenarios_shows_one(tab, study_page):
    opened(tab, study_page)
    boards = "section.board"
    assert visible(tab, boards, "item.dataset.scenario") == ["overall", "calm@1", "drifting@1"]
    choose(tab, "scenario", "drifting@1")
    assert visible(tab, boards, "item.dataset.scenario") == ["drifting@1"]
    assert set(visible(tab, "table.log tbody tr", "item.dataset.scenario")) == {"drifting@1"}
    assert tab.evaluate("document.getElementById('filter-told').textContent") == "1 part is shown"
    choose(tab, "scenario", "")
    assert len(visible(tab, boards)) == 3


def test_the_filter_of_policies_shows_one(tab, study_page):
    opened(tab, study_page)
    choose(tab, "policy", "f1_drop > 0.05")
    rows = visible(tab, "table.scores tbody tr", "item.dataset.policy")
    assert rows
    assert set(rows) == {"f1_drop > 0.05"}
    assert len(visible(tab, "table.log tbody tr")) == 2
    choose(tab, "scenario", "calm@1")
    assert len(visible(tab, "table.log tbody tr")) == 1


def test_a_run_needs_no_filter(tab, run_page):
    opened(tab, run_page)
    assert visible(tab, "form") == []


def test_the_keyboard_reaches_the_filter(tab, study_page):
    opened(tab, study_page)
    reached = []
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(tab.evaluate("document.activeElement.id || document.activeElement.className"))
    assert reached == ["skip", "picture", "filter-scenario", "filter-policy"]


CONTRAST = """
(() => {
  const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = rgb => { const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number).map(channel);
                         return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = item => { for (; item; item = item.parentElement) {
      const colour = getComputedStyle(item).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('body *')].filter(item => item.checkVisibility() &&
      [...item.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())).map(item => {
    const [a, b] = [light(getComputedStyle(item).color), light(ground(item))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); });
})()
"""


def test_words_stand_out_from_their_ground(tab, study_page):
    opened(tab, study_page)
    ratios = tab.evaluate(CONTRAST)
    assert len(ratios) > 50
    assert min(ratios) >= 4.5


A4_WIDTH = 718  # pixels between the margins


def test_it_prints_with_everything_opened(tab, study_page):
    opened(tab, study_page)
    assert tab.pdf().startswith(b"%PDF")
    assert tab.evaluate("[...document.querySelectorAll('details')].every(item => item.open)")
    tab.call("Emulation.setEmulatedMedia", media="print")
    tab.call("Emulation.setDeviceMetricsOverride", width=A4_WIDTH, height=1000, deviceScaleFactor=1, mobile=False)
    assert visible(tab, "form") == []
    wide = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    tab.call("Emulation.clearDeviceMetricsOverride")
    tab.call("Emulation.setEmulatedMedia", media="")
    assert wide[0] <= wide[1], "nothing is cut off at the edge of the paper"


# Tables


def press(tab, selector):
    tab.evaluate(f"document.querySelector({selector!r}).click()")


def column(tab, selector, index):
    return visible(tab, f"{selector} tbody tr", f"item.cells[{index}].textContent")


def test_a_table_is_sorted_by_any_column_and_back(tab, study_page):
    opened(tab, study_page)
    tab.evaluate("document.querySelector('table.log').id = 'log-table'")
    head = "#log-table thead th:nth-child(4)"
    unsorted = column(tab, "#log-table", 3)
    press(tab, f"{head} button")
    assert tab.evaluate(f"document.querySelector({head!r}).getAttribute('aria-sort')") == "descending"
    falling = column(tab, "#log-table", 3)
    assert falling == sorted(unsorted, key=float, reverse=True)
    press(tab, f"{head} button")
    assert column(tab, "#log-table", 3) == sorted(unsorted, key=float)
    assert tab.complaints() == []


def test_a_table_gives_ten_rows_and_the_rest_when_asked(tab, study_page):
    opened(tab, study_page)
    tab.evaluate("""(() => { const table = document.querySelector('table.log'); table.id = 'log-table';
        const row = table.tBodies[0].rows[0];
        while (table.tBodies[0].rows.length < 14) { table.tBodies[0].append(row.cloneNode(true)); } })()""")
    choose(tab, "policy", "")
    assert len(visible(tab, "#log-table tbody tr")) == 10
    assert visible(tab, "#log-table button.more") == ["show all 14"]
    press(tab, "#log-table button.more")
    assert len(visible(tab, "#log-table tbody tr")) == 14
    assert visible(tab, "#log-table button.more") == ["show 10"]


def test_paper_says_of_how_many_rows_it_has_ten(tab, run_page):
    tab.call("Emulation.setEmulatedMedia", media="print")
    opened(tab, run_page)
    told = """[...document.querySelectorAll("caption[data-printed]")].map(caption => [
        getComputedStyle(caption, "::after").content, caption.dataset.printed,
        caption.parentElement.tBodies[0].rows.length])"""
    found = tab.evaluate(told)
    tab.call("Emulation.setEmulatedMedia", media="")
    assert found
    for shown, printed, rows in found:
        assert printed == f"the first 10 of {rows}"
        assert printed in shown


def test_a_table_is_copied_as_csv_and_reads_back(tab, study_page):
    opened(tab, study_page)
    tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    tab.call("Page.bringToFront")
    tab.evaluate("document.querySelector('table.log').id = 'log-table'")
    tab.evaluate("navigator.clipboard.writeText = text => { window.told = text; return Promise.resolve(); }")
    press(tab, "#log-table button.copy")
    rows = list(csv.reader(StringIO(tab.evaluate("window.told"))))
    assert rows[0][:3] == ["policy", "scenario", "gates"]
    assert [row[0] for row in rows[1:]] == column(tab, "#log-table", 0)
    assert visible(tab, "#log-table button.copy") == ["copied"]


def test_a_picture_tells_the_value_under_the_pointer_and_by_the_keyboard(tab, study_page):
    opened(tab, study_page)
    place = """(() => {
        const picture = document.querySelector(".picture"), spots = JSON.parse(picture.dataset.spots);
        picture.scrollIntoView();
        const box = picture.querySelector("img").getBoundingClientRect();
        const [left, top, words] = spots[spots.length - 1];
        return [box.left + left * box.width, box.top + top * box.height, words, spots[0][2]];
    })()"""
    x, y, words, first = tab.evaluate(place)
    told = "[...document.querySelectorAll('.tip')].filter(tip => !tip.hidden).map(tip => tip.textContent)"
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert tab.evaluate(told) == [words]
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    assert tab.evaluate(told) == []
    tab.evaluate("document.querySelector('.picture').focus()")
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
    assert tab.evaluate(told) == [first]
    tab.evaluate("document.activeElement.blur()")
    assert tab.evaluate(told) == []


def test_an_address_leads_to_a_scenario_and_a_policy(tab, study_page):
    opened(tab, study_page)
    choose(tab, "scenario", "drifting@1")
    choose(tab, "policy", "f1_drop > 0.05")
    address = tab.evaluate("location.hash")
    assert dict(parse_qsl(address[1:])) == {"scenario": "drifting@1", "policy": "f1_drop > 0.05"}
    opened(tab, study_page)
    assert len(visible(tab, "section.board")) == 3
    tab.evaluate(f"location.hash = {address!r}")
    tab.evaluate("new Promise(done => setTimeout(done, 50))")
    assert visible(tab, "section.board", "item.dataset.scenario") == ["drifting@1"]
    assert set(visible(tab, "table.log tbody tr", "item.dataset.policy")) == {"f1_drop > 0.05"}
    tab.evaluate("location.hash = 'scenario=elsewhere'")
    tab.evaluate("new Promise(done => setTimeout(done, 50))")
    assert len(visible(tab, "section.board")) == 3, "what is not there hides nothing"


# Widths, dark, and paper

SMALLEST_TEXT = 8.5  # points on the 10-inch sheet; STYLE has none below


@contextmanager
def width(tab, pixels):
    tab.call("Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=pixels < 500)
    yield
    tab.call("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("pixels", [390, 820, 1280])
def test_nothing_is_cut_off_and_all_can_be_read_at_any_width(tab, study_page, run_page, pixels):
    for page in (study_page, run_page):
        with width(tab, pixels):
            opened(tab, page)
            inner, outer = tab.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert inner <= outer, "nobody scrolls sideways but inside a picture"
            shown = tab.evaluate("[...document.images].map(image => image.getBoundingClientRect().width)")
            assert min(shown) * SMALLEST_TEXT / (10 * 72) >= 8, "the smallest text of a picture, in pixels"
            sizes = tab.evaluate(
                "[...document.querySelectorAll('body *')]"
                ".filter(item => item.checkVisibility() && item.textContent.trim())"
                ".map(item => parseFloat(getComputedStyle(item).fontSize))"
            )
            assert min(sizes) >= 12


def test_on_a_phone_a_row_is_a_card_with_its_labels(tab, study_page):
    with width(tab, 390):
        opened(tab, study_page)
        label = "getComputedStyle(document.querySelector('table.log tbody td'), '::before').content"
        assert tab.evaluate(label) == '"scenario"'
        assert tab.evaluate("getComputedStyle(document.querySelector('table.log tbody tr')).display") == "block"


def test_words_stand_out_in_the_dark_too(tab, study_page):
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    opened(tab, study_page)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    ratios = tab.evaluate(CONTRAST)
    tab.call("Emulation.setEmulatedMedia", features=[])
    assert sum(map(int, re.findall(r"\d+", ground))) < 150, "the ground is dark"
    assert min(ratios) >= 4.5


def pages_of(pdf, folder):
    """Return each printed page as an array of grey values."""
    (folder / "page.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "30", "-gray", "page.pdf", "page"], cwd=folder, check=True)
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("page-*.pgm"))]


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="no pdftoppm at hand: install the package poppler-utils")
def test_paper_is_used(tab, study_page, run_page, tmp_path):
    for number, page in enumerate((study_page, run_page)):
        folder = tmp_path / str(number)
        folder.mkdir()
        opened(tab, page)
        empty = []
        for image in pages_of(tab.pdf(), folder)[:-1]:
            rows = np.flatnonzero((image < 200).any(axis=1))
            empty.append(1 - (rows[-1] - rows[0]) / len(image) if len(rows) else 1.0)
        assert np.mean(empty) < 0.35, f"two pictures and their words fill a page, margins are a tenth of it: {empty}"
        assert max(empty) < 0.5
