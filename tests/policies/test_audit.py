"""The audit: no policy, kind of policy, scenario, signal or chart stands outside the suites that test all of them."""

import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import test_policies_conformance
import test_scenarios

import policies
import reports.charts
import scenarios
from policies.hold_back import HeldBack
from policies.learning_by import LearningBy
from policies.signals import ON_REQUEST
from policies.spec import KINDS
from sim.mlops.loop import on_request

_SUITES: dict[str, tuple[Callable[..., None], ...]] = {
    "policy": (test_policies_conformance.test_the_catalogue_conforms,),
    "scenario": (test_scenarios.test_each_scenario_of_the_catalogue_can_be_opened_and_says_what_it_is,),
}


def on_disk(package, table: str) -> set[str]:
    """Return the entries of a catalogue as its files have them, read without the package's own reader."""
    found = set()
    for path in (Path(package.__file__).parent / "catalogue").glob("*.toml"):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found |= set(content[table]) if table else {f"{content['id']}@{content['version']}"}
    return found


def in_suite(suite: Callable[..., None]) -> set[str]:
    """Return the values of the first parameter of a parametrised test."""
    (mark,) = (mark for mark in suite.pytestmark if mark.name == "parametrize")
    return {str(value) for value in mark.args[1]}


def missing_from(suites: tuple[Callable[..., None], ...], entries: set[str]) -> set[str]:
    return {entry for suite in suites for entry in entries - in_suite(suite)}


def classes() -> set[type]:
    """Return every class of the package that decides."""
    found = set()
    for module in pkgutil.iter_modules(policies.__path__, "policies."):
        for _, each in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            is_own = each.__module__ == module.name and not getattr(each, "_is_protocol", False)
            if is_own and hasattr(each, "decide"):
                found.add(each)
    return found


def test_every_policy_of_the_catalogue_is_in_the_suites():
    assert missing_from(_SUITES["policy"], on_disk(policies, "policy")) == set()


def test_every_scenario_of_the_catalogue_is_in_the_suites():
    assert missing_from(_SUITES["scenario"], on_disk(scenarios, "")) == set()


def test_every_class_that_decides_is_a_kind_and_every_kind_is_in_the_catalogue():
    assert classes() == set(KINDS.values()) | {LearningBy, HeldBack}  # which any of them may stand in
    files = (Path(policies.__file__).parent / "catalogue").glob("*.toml")
    tables = [table for path in files for table in tomllib.loads(path.read_text("utf-8"))["policy"].values()]
    assert {table.get("kind", "rule") for table in tables} == set(KINDS)


def test_every_policy_of_the_catalogue_has_its_story():
    files = (Path(policies.__file__).parent / "catalogue").glob("*.toml")
    stories = {
        name: table.get("story", "")
        for path in files
        for name, table in tomllib.loads(path.read_text("utf-8"))["policy"].items()
    }
    one_sided = [name for name, story in stories.items() if "Good" not in story or "Bad" not in story]
    assert one_sided == []


def test_every_policy_of_the_catalogue_is_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    assert {name for name in on_disk(policies, "policy") if f"`{name}`" not in page} == set()


def test_every_scenario_of_the_catalogue_is_in_the_leaderboard():
    page = (Path(__file__).parents[2] / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert {name for name in on_disk(scenarios, "") if f"`{name.partition('@')[0]}`" not in page} == set()


def test_the_audit_sees_what_stands_outside():
    @pytest.mark.parametrize("name", ["known"])
    def suite(name):
        pass

    assert missing_from((suite,), {"known", "stranger"}) == {"stranger"}


def test_every_signal_on_request_is_measured_by_something():
    measured = {"scores", "errors", "f1_drop_p", *on_request._DELAYED, *on_request._CHANGE}.union(*on_request._GROUPS)
    assert measured >= ON_REQUEST


def test_every_chart_is_in_a_suite_that_draws_it_from_odd_lives_or_boards():
    suites = (Path(__file__).parents[1] / "reports").glob("test_charts_*.py")
    drawn = " ".join(path.read_text(encoding="utf-8") for path in suites)
    files = {path.stem for path in Path(reports.charts.__file__).parent.glob("*.py")} - {"__init__"}
    assert {name for name in files if not re.search(rf"\b{name}\b", drawn)} == set()
