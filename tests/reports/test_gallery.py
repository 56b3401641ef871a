"""The gallery is whole, and shows what would be drawn today; `make gallery` makes it again."""

import json
import re
import sys
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))  # examples are no package

import make_gallery
from make_gallery import GALLERY, NUMBERS_FILE

from reports.numbers import drawn_numbers

README = GALLERY.parents[1] / "README.md"
ASSETS = {
    *("loop", "architecture", "before_after", "trigger", "training_data", "champion_challenger", "label_timeline"),
    *("accuracy", "drift_psi", "drift_ks", "roi", "risk", "segments"),
    *("leaderboard", "recovery_cost", "response_split", "trigger_roc_1", "threshold_1", "ranks"),
}
STALE = "the gallery is out of date: run make gallery, look at the pictures, and commit them"


@pytest.fixture(scope="module")
def numbers():
    return json.loads((GALLERY / NUMBERS_FILE).read_text(encoding="utf-8"))


def test_every_asset_is_there_with_its_numbers(numbers):
    assert set(numbers["pictures"]) == ASSETS
    names = {item.name for item in GALLERY.iterdir()}
    assert names == {NUMBERS_FILE, *(f"{name}.{kind}" for name in ASSETS for kind in ("svg", "png"))}
    assert (GALLERY / NUMBERS_FILE).stat().st_size < 100_000


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_a_picture_is_the_one_its_numbers_tell_of(numbers, name):
    told = numbers["pictures"][name]
    svg = (GALLERY / f"{name}.svg").read_text(encoding="utf-8")
    assert sha256(svg.encode()).hexdigest() == told["svg_sha256"], STALE
    assert unescape(re.search(r"<dc:title>(.*?)</dc:title>", svg, re.DOTALL)[1]) == told["label"]
    with Image.open(GALLERY / f"{name}.png") as picture:
        assert picture.info["Title"] == told["label"], STALE
        assert picture.width == 1500


def test_the_readme_shows_three_of_them():
    shown = re.findall(r"!\[([^\]]+)\]\(reports/gallery/(\w+)\.png\)", README.read_text(encoding="utf-8"))
    assert len(shown) == 3
    assert {name for _, name in shown} <= ASSETS
    assert all(len(alt) > 20 for alt, _ in shown)


def alike(found, told):
    """Say whether two trees of numbers and texts are the same, but for the last digits of numbers."""
    if isinstance(told, dict):
        return found.keys() == told.keys() and all(alike(found[key], told[key]) for key in told)
    if isinstance(told, list):
        return len(found) == len(told) and all(map(alike, found, told))
    if isinstance(told, float):
        return isinstance(found, int | float) and found == pytest.approx(told, rel=1e-4, abs=1e-9)
    return found == told


def test_alike_sees_a_difference():
    told = {"axes": [{"lines": [[[0.0, 1.0], [0.5, None]]]}], "label": "a"}
    assert alike({"axes": [{"lines": [[[0.0, 1.0000001], [0.5, None]]]}], "label": "a"}, told)
    for lines, label in (
        ([[[0.0, 1.0], [0.6, None]]], "a"),
        ([[[0.0, 1.0], [0.5]]], "a"),
        ([[[0.0, 1.0], [0.5, None]]], "b"),
    ):
        assert not alike({"axes": [{"lines": lines}], "label": label}, told)


@pytest.mark.slow
@pytest.mark.usefixtures("telco")
def test_the_pictures_of_the_run_show_what_would_be_drawn_today(numbers, tmp_path):
    figures = make_gallery.run_figures(tmp_path / "run")
    assert figures
    for name, figure in figures.items():
        found = json.loads(json.dumps(drawn_numbers(figure)))
        told = {key: value for key, value in numbers["pictures"][name].items() if key != "svg_sha256"}
        assert alike(found, told), f"{name}: {STALE}"


@pytest.mark.slow
@pytest.mark.usefixtures("telco")
def test_the_comparison_rests_on_what_would_be_played_today(numbers, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = make_gallery.cell_numbers(make_gallery.study_of((1,), tmp_path / "study"))
    told = [row for row in numbers["cells"] if row["seed"] == 1]
    assert alike(json.loads(json.dumps(found)), told), STALE
