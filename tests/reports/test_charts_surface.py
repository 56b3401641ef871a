"""The pictures of searches, surface_map, surface_curve and tried_settings: they show what was followed or tried."""

import numpy as np
import pytest
from figure_kit import check
from report_lives import CALM
from surveyed import surveyed

from reports.charts.surface_curve import surface_curve_chart
from reports.charts.surface_map import surface_map_chart
from reports.surface_view import read_view

LONG_NAME = "the_least_psi_of_any_feature_that_asks_for_a_retraining"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return surveyed(tmp_path_factory.mktemp("surfaces") / "s")


def test_a_curve_is_what_the_surface_holds(tmp_path):
    view = read_view(surveyed(tmp_path / "s", "f1_drop > {a}", ["a=0:0.3"]))
    figure = surface_curve_chart(view, "Source.")
    check(figure)
    less = (view.values - view.values[view.best]).mean(axis=1)[view.folder.surface.overlay.codes] / 1000
    (drawn,) = figure.subfigs[0].axes[0].patches
    np.testing.assert_allclose(drawn.get_data().values, less)


def test_a_map_is_what_the_surface_holds_with_the_best_and_the_proposals_marked(folder):
    view = read_view(folder)
    figure = surface_map_chart(view, (0, 1), "Source.")
    check(figure)
    mesh = figure.subfigs[0].axes[0].collections[0]
    means = view.values.mean(axis=1)
    wanted = ((means - means.max()) / 1000)[view.folder.surface.overlay.codes].T
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(wanted.shape), wanted)
    marks = {tuple(map(float, line.get_xydata()[0])) for line in figure.subfigs[0].axes[0].lines}
    best = view.said.best.setting
    assert {(0.05, 0.25), (best["a"], best["b"])} <= marks


def test_a_map_leads_through_the_best_of_the_other_placeholders(tmp_path):
    rule = 'rule(retrain_when="f1_drop > {a} or psi_max > {b}", cooldown_days={c})'
    view = read_view(surveyed(tmp_path / "s", rule, ["a=-0.2:0.6", "b=0:0.5", "c=0:200"], (1,), (CALM,)))
    axes, best = view.folder.surface.overlay.axes, view.said.best.setting
    for pair in ((0, 1), (0, 2), (1, 2)):
        figure = surface_map_chart(view, pair, "Source.")
        check(figure)
        marks = [tuple(map(float, line.get_xydata()[0])) for line in figure.subfigs[0].axes[0].lines]
        assert tuple(best[axes[axis].name] for axis in pair) in marks


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3, 4, 5)])
def test_settings_that_all_live_alike_and_long_names_are_drawn_too(tmp_path, seeds):
    one = read_view(surveyed(tmp_path / "one", "f1_drop > {a}", ["a=5:6"], seeds, (CALM,)))
    assert len(one.values) == 1
    check(surface_curve_chart(one, "Source."))
    rule = f"f1_drop > {{a}} or psi_max > {{{LONG_NAME}}}"
    two = read_view(surveyed(tmp_path / "two", rule, ["a=5:6", f"{LONG_NAME}=5:6"], seeds, (CALM,)))
    check(surface_map_chart(two, (0, 1), "Source."))
