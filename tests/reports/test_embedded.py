"""Pictures in a page: fewer bytes, to the eye the same pixels, and nothing that gets out of its attribute."""

from base64 import b64encode
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import browsing
from PIL import Image

from reports.embedded import data_uri

LEAST_SEEN = 24
"""Of 255 shades; a hundredth of a point moves an edge by less, but for a hairline at the border of two pixels."""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def seen(tab, folder, address):
    """Return the pixels of a page that shows one picture, twice as large as it is."""
    folder.mkdir(exist_ok=True)
    page = folder / "report.html"
    page.write_text(f'<!DOCTYPE html><body style="margin: 0"><img width="1500" src="{address}">', encoding="utf-8")
    tab.open(page)
    tab.screenshot(folder / "seen.png")
    with Image.open(folder / "seen.png") as drawn:
        return np.asarray(drawn.convert("RGB"), dtype=int)


@pytest.mark.slow
def test_a_picture_is_drawn_alike_from_less_than_half_of_the_bytes(tab, run_page, study_page, tmp_path):
    drawings = sorted({*run_page.parent.glob("*.svg"), *study_page.parent.glob("*.svg")})
    assert len(drawings) > 10
    sizes: list[tuple[int, int]] = []
    for number, drawing in enumerate(drawings):
        whole = "data:image/svg+xml;base64," + b64encode(drawing.read_bytes()).decode()
        short = data_uri(drawing.read_text(encoding="utf-8"))
        sizes.append((len(short), len(whole)))
        before, after = (seen(tab, tmp_path / str(number), address) for address in (whole, short))
        assert before.std() > 10, "the kit sees a picture"
        assert (np.abs(before - after) > LEAST_SEEN).any(axis=2).mean() < 0.001, drawing.name
    short, whole = map(sum, zip(*sizes, strict=True))
    assert short < 0.45 * whole


def test_no_word_of_a_picture_gets_out_of_its_attribute():
    title = """100 % "of" it's <b>, a #7 & more"""
    svg = ElementTree.Element("svg")
    ElementTree.SubElement(svg, "title").text = title
    ElementTree.SubElement(svg, "g", {"aria-label": title})
    address = data_uri(ElementTree.tostring(svg, encoding="unicode"))
    assert not set('"#&') & set(address)
    read = ElementTree.fromstring(unquote(address.removeprefix("data:image/svg+xml,")))
    assert read.find("g").get("aria-label") == title
    assert read.find("title").text == title.replace('"', "'")
