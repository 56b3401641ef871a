"""Kills for real, at chosen seams and at random moments: a resumed run has told the same as an undisturbed one.

The record, every table of the log and everything in MLflow: runs, metrics, parameters, tags, logged models, versions
and aliases; and no run is left running.
"""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from forge import Ending, Forge, Order, workplace
from lives import small
from smith import SEAMS
from told import assert_files_are_those_registered, told

from scenarios.files import to_toml
from scenarios.schema import Jobs

LIFE = small(steps=3, customers=60, delay_days=30, jobs=Jobs(approval_days=30))
SEAM_NAMES = [(owner, name) for owner, names in SEAMS.items() for name in names]
ONCE = ("create_experiment", "create_registered_model")  # a resumed run finds them made
ON_THE_WAY = [
    seam for seam in SEAM_NAMES if seam[0] in ("client", "journal", "checkpoints", "log") and seam[1] not in ONCE
]
GROUPS = 10
ATTEMPTS = 6


@dataclass(frozen=True)
class Workshop:
    """A forge, and what a run that nobody disturbs tells there."""

    forge: Forge
    folder: Path
    scenario: Path
    undisturbed: dict[str, Any]
    ending: Ending

    def order(self, name: str, **more: Any) -> Order:
        return Order(str(self.folder / name), str(self.scenario), **more)

    def resumed(self, order: Order) -> Order:
        """Return the order that goes on with a killed run; where the folder holds none yet, it begins."""
        has_begun = (Path(order.folder) / "settings.json").exists()
        return replace(order, resume=has_begun, seam=None, seconds=None, cache="")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Iterator[Workshop]:
    with workplace("kills", tmp_path_factory.getbasetemp()) as (forge, folder):
        scenario = folder / "life.toml"
        scenario.write_text(to_toml(LIFE), encoding="utf-8")
        order = Order(str(folder / "undisturbed"), str(scenario))
        ending = forge.play(order)
        assert (ending.signal, ending.said) == (0, "")
        yield Workshop(forge, folder, scenario, told(folder / "undisturbed"), ending)


def assert_as_if_undisturbed(workshop: Workshop, order: Order) -> None:
    ending = workshop.forge.play(workshop.resumed(order))
    assert (ending.signal, ending.said) == (0, ""), order
    found = told(Path(order.folder))
    for part, wanted in workshop.undisturbed.items():
        assert found[part] == wanted, (part, order)
    assert_files_are_those_registered(Path(order.folder))
    shutil.rmtree(order.folder)


def test_two_runs_that_nobody_disturbs_tell_the_same_and_what_differs_is_seen(workshop):
    order = workshop.order("again")
    assert workshop.forge.play(order).said == ""
    assert told(workshop.folder / "again") == workshop.undisturbed
    other = workshop.order("other", policy="never")
    assert workshop.forge.play(other).said == ""
    differing = {part for part, wanted in workshop.undisturbed.items() if told(Path(other.folder))[part] != wanted}
    assert differing >= {"record", "runs", "logged", "versions", "aliases", "table registered_models"}


AT_SEAMS = [
    ("store", "_put", "after", 1),  # the store is there, and nothing in it
    ("client", "create_model_version", "after", 2),  # a version of an uncommitted step
    ("client", "log_model_artifacts", "before", 2),  # a logged model that is pending
    ("client", "set_registered_model_alias", "after", 5),  # Previous_Champion moved, Champion not yet
    ("journal", "commit", "before", 3),  # all of a step but its commit
    ("registry", "tell", "before", 3),  # committed and not told: gates met, an approval waited for
]


@pytest.mark.parametrize("seam", AT_SEAMS, ids=lambda seam: "-".join(map(str, seam)))
def test_a_run_that_is_killed_at_a_seam_tells_the_same(workshop, seam):
    order = workshop.order("killed-" + "-".join(map(str, seam)), seam=seam)
    assert workshop.forge.play(order).was_killed
    assert_as_if_undisturbed(workshop, order)


# The campaign: a hundred kills, of which forty in the start-up and twenty in a resume


def in_start_up(workshop: Workshop, rng: random.Random, number: int) -> dict[str, Any]:
    """Return a moment before the first step is done: a seam or a second; sometimes no empty store is at hand."""
    counts = {title.removeprefix("start-up "): n for title, n in workshop.ending.calls.items() if "start-up" in title}
    if number % 4 == 3:
        empty = str(workshop.folder / f"cache-{rng.random()}")
        is_cold = number % 8 == 3
        return {
            "seconds": rng.uniform(0, workshop.ending.seconds * (1.5 if is_cold else 0.5)),
            "cache": empty * is_cold,
        }
    return {"seam": at_seam(rng, counts, SEAM_NAMES)}


def anywhere(workshop: Workshop, rng: random.Random, number: int) -> dict[str, Any]:
    if number % 3 == 2:
        return {"seconds": rng.uniform(0, workshop.ending.seconds)}
    return {"seam": at_seam(rng, workshop.ending.calls, SEAM_NAMES)}


def at_seam(rng: random.Random, counts: dict[str, int], seams: list[tuple[str, str]]) -> tuple[str, str, str, int]:
    owner, name = rng.choice([seam for seam in seams if counts.get(".".join(seam))])
    return owner, name, rng.choice(["before", "after"]), rng.randint(1, counts[f"{owner}.{name}"])


def killed(workshop: Workshop, order: Order, rng: random.Random, moment: Any, number: int) -> Order:
    """Play until a run was killed before its end, and return its order."""
    for attempt in range(ATTEMPTS):
        tried = replace(order, folder=f"{order.folder}-{attempt}", **moment(workshop, rng, number))
        if tried.seconds is not None:  # the machine may be quicker by now than it was for the undisturbed run
            tried = replace(tried, seconds=tried.seconds / 2**attempt)
        ending = workshop.forge.play(tried)
        if ending.was_killed:
            return tried
        assert ending.said == "", tried
        shutil.rmtree(tried.folder)
    return pytest.fail("no run was killed before its end")


def killed_twice(workshop: Workshop, name: str, rng: random.Random) -> Order:
    """Kill a run, and what resumes it; return the order of the latter."""
    seam = ("client", "log_model_artifacts", rng.choice(["before", "after"]), rng.randint(1, 2))
    order = workshop.order(name, seam=seam)
    assert workshop.forge.play(order).was_killed
    owner, function = rng.choice(ON_THE_WAY)
    resumed = replace(workshop.resumed(order), seam=(owner, function, rng.choice(["before", "after"]), 1))
    assert workshop.forge.play(resumed).was_killed, resumed
    return resumed


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_ten_kills_of_a_hundred_leave_what_undisturbed_runs_leave(workshop, group):
    rng = random.Random(group)
    for number in range(4):
        order = workshop.order(f"start-{group}-{number}")
        assert_as_if_undisturbed(workshop, killed(workshop, order, rng, in_start_up, 4 * group + number))
    for number in range(4):
        order = workshop.order(f"way-{group}-{number}")
        assert_as_if_undisturbed(workshop, killed(workshop, order, rng, anywhere, 4 * group + number))
    for number in range(2):
        assert_as_if_undisturbed(workshop, killed_twice(workshop, f"twice-{group}-{number}", rng))
