"""A registry that somebody changes behind a run's back: refused in one sentence, or the same numbers."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lives import live, small
from mlflow import MlflowClient
from runs import settings_of

from policies.catalogue import load_policy
from scenarios.schema import Jobs
from sim.errors import InputError, WorkError
from sim.mlops.live.run import Listener, LiveSettings, run_live, tracking_uri
from sim.mlops.records.jobs import Alias

LIFE = small(steps=5, customers=60, delay_days=30, jobs=Jobs(approval_days=30))
NAME = "retrainlab-small"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Registry:
    """What somebody with write access sees and does."""

    def __init__(self, settings: LiveSettings) -> None:
        self.settings = settings
        self.client = MlflowClient(tracking_uri(settings), tracking_uri(settings))

    def versions(self) -> list[Any]:
        return sorted(self.client.search_model_versions(f"name = '{NAME}'"), key=lambda v: int(v.version))

    def aliases(self) -> dict[str, str]:
        return dict(self.client.get_registered_model(NAME).aliases)

    def sql(self, statement: str) -> None:
        path = tracking_uri(self.settings).removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=30)) as store, store:
            store.execute(statement)

    def files(self, version: Any) -> Path:
        return next(self.settings.folder.rglob(f"{version.source.removeprefix('models:/')}/artifacts"))


def delete_oldest_unused(registry: Registry) -> None:
    used = set(registry.aliases().values())
    unused = [v for v in registry.versions() if str(v.version) not in {str(u) for u in used}]
    for version in unused[:1]:
        registry.client.delete_model_version(NAME, str(version.version))


def delete_champion(registry: Registry) -> None:
    registry.client.delete_model_version(NAME, str(registry.aliases()[Alias.CHAMPION]))


def delete_newest(registry: Registry) -> None:
    registry.client.delete_model_version(NAME, str(registry.versions()[-1].version))


def replace_newest(registry: Registry) -> None:
    """Let the newest version stand for the first model, with all its tags and its run."""
    newest, oldest = registry.versions()[-1], registry.versions()[0]
    registry.sql(
        f"UPDATE model_versions SET source = '{oldest.source}', storage_location = "
        f"(SELECT storage_location FROM model_versions WHERE version = {oldest.version}) "
        f"WHERE version = {newest.version}"
    )


def remove_job_tags(registry: Registry) -> None:
    for version in registry.versions():
        registry.client.delete_model_version_tag(NAME, str(version.version), "retrainlab.job")


def remove_life_tags(registry: Registry) -> None:
    for version in registry.versions():
        registry.client.delete_model_version_tag(NAME, str(version.version), "retrainlab.life")


def remove_tags_of_runs(registry: Registry) -> None:
    registry.sql("DELETE FROM tags WHERE key IN ('retrainlab.job', 'retrainlab.life')")


def rename_model(registry: Registry) -> None:
    registry.client.rename_registered_model(NAME, "renamed")


def delete_model(registry: Registry) -> None:
    registry.client.delete_registered_model(NAME)


def move_champion(registry: Registry) -> None:
    registry.client.set_registered_model_alias(NAME, "Champion", str(registry.versions()[0].version))


def delete_alias(registry: Registry) -> None:
    registry.client.delete_registered_model_alias(NAME, "Champion")


def swap_files(registry: Registry) -> None:
    """Put the files of the first model where those of the newest lie."""
    first, newest = registry.versions()[0], registry.versions()[-1]
    if first.version != newest.version:
        place = registry.files(newest)
        shutil.rmtree(place)
        shutil.copytree(registry.files(first), place)


def change_loader(registry: Registry) -> None:
    """Name another module, of a stranger, which MLflow would import to load each model."""
    Path("stranger.py").write_text("open('pwned', 'w').close()\ndef _load_pyfunc(path): ...\n", encoding="utf-8")
    for version in registry.versions():
        path = registry.files(version) / "MLmodel"
        changed = path.read_text(encoding="utf-8").replace("sim.mlops.models.model", "stranger")
        path.write_text(changed, encoding="utf-8")


def delete_runs(registry: Registry) -> None:
    for version in registry.versions():
        registry.client.delete_run(version.run_id)


def stranger_takes_champion(registry: Registry) -> None:
    made = registry.client.create_model_version(NAME, registry.versions()[0].source)
    registry.client.set_registered_model_alias(NAME, "Champion", str(made.version))


CHANGES: dict[str, Callable[[Registry], None]] = {
    change.__name__: change
    for change in (
        delete_oldest_unused,
        delete_champion,
        delete_newest,
        replace_newest,
        remove_job_tags,
        remove_life_tags,
        remove_tags_of_runs,
        rename_model,
        delete_model,
        move_champion,
        delete_alias,
        swap_files,
        change_loader,
        delete_runs,
        stranger_takes_champion,
    )
}
UNAFFECTED = ("delete_oldest_unused", "remove_job_tags", "remove_life_tags")
"""What no run may stumble over: it needs nothing of it."""

MOMENTS = [(where, step) for where in ("mid-run", "resume") for step in range(LIFE.time.steps)]


def outcome(settings: LiveSettings, change: Callable[[Registry], None], moment: tuple[str, int]) -> Any:
    """Play a run with a change in the middle; return its record, or the sentence that refused it."""
    where, step = moment

    def at_step(row: Any) -> None:
        if row.step == step:
            if where == "resume":
                raise KeyboardInterrupt
            change(Registry(settings))

    try:
        if where == "resume":
            with pytest.raises(KeyboardInterrupt):
                run_live(settings, resume=False, listener=Listener(step=at_step))
            change(Registry(settings))
            return run_live(settings, resume=True)
        return run_live(settings, resume=False, listener=Listener(step=at_step))
    except (InputError, WorkError) as error:
        return str(error)


@cache
def wanted() -> Any:
    return live(LIFE, load_policy("always").build(), profile="none").record


def check(tmp_path: Path, name: str, moment: tuple[str, int]) -> None:
    settings = settings_of(tmp_path / "run", LIFE, "always")
    found = outcome(settings, CHANGES[name], moment)
    assert not Path("pwned").exists()
    if isinstance(found, str):
        assert name not in UNAFFECTED, found
        assert re.search("deleted|gone|not found|moved the alias|made by somebody else|were changed", found), found
        assert "\n" not in found
        assert len(found) < 500
    else:
        assert replace(found, measured={}).steps == wanted().steps


HANDFUL = [
    ("delete_oldest_unused", ("resume", 3)),
    ("replace_newest", ("resume", 2)),
    ("change_loader", ("resume", 1)),
    ("remove_job_tags", ("mid-run", 1)),
    ("stranger_takes_champion", ("mid-run", 1)),
]


@pytest.mark.parametrize(("name", "moment"), HANDFUL, ids=str)
def test_a_change_is_refused_or_changes_no_number(tmp_path, name, moment):
    check(tmp_path, name, moment)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[0]} {moment[1]}")
@pytest.mark.parametrize("name", CHANGES)
def test_every_change_at_every_moment_is_refused_or_changes_no_number(tmp_path, name, moment):
    check(tmp_path, name, moment)
