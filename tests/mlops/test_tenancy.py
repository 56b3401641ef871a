"""A registry that others use: nothing of theirs is taken over, refused before anything is written."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from lives import small
from mlflow import MlflowClient
from runs import settings_of

from sim.errors import InputError
from sim.mlops.live.run import Listener, run_live
from sim.mlops.records.jobs import Alias
from sim.mlops.stores.sqlite_store import make_store

LIFE = small(steps=2, customers=60, delay_days=30)
NAME = "theirs"


@pytest.fixture
def store(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/shared.db"
    make_store(uri, is_own=False)
    return uri


def contents(store: str) -> list[str]:
    """All rows of all tables."""
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as connection:
        return list(connection.iterdump())


def theirs(store: str) -> MlflowClient:
    """Register two versions as another team would."""
    client = MlflowClient(store, store)
    client.create_registered_model(NAME)
    for _ in range(2):
        client.create_model_version(NAME, "s3://bucket/model")
    return client


@pytest.mark.parametrize("alias", [*Alias, None])
def test_a_model_that_holds_versions_of_others_is_refused_before_anything_is_written(tmp_path, store, alias):
    client = theirs(store)
    if alias is not None:
        client.set_registered_model_alias(NAME, str(alias), "1")
    before = contents(store)
    settings = settings_of(tmp_path / "run", LIFE, "always", tracking_uri=store, model_name=NAME)
    with pytest.raises(InputError, match="was made by somebody else; give another --model-name") as refused:
        run_live(settings, resume=False)
    assert "\n" not in str(refused.value)
    assert contents(store) == before
    assert not settings.folder.exists()


@pytest.mark.parametrize("alias", Alias)
def test_an_alias_that_somebody_moves_in_the_middle_is_left_to_them(tmp_path, store, alias):
    settings = settings_of(tmp_path / "run", LIFE, "always", tracking_uri=store)
    client = MlflowClient(store, store)

    def take(row) -> None:
        if row.step == 0:
            made = client.create_model_version(settings.registered_model, "s3://bucket/model")
            client.set_registered_model_alias(settings.registered_model, str(alias), made.version)

    with pytest.raises(InputError, match="somebody else"):
        run_live(settings, resume=False, listener=Listener(step=take))
    for _ in range(2):
        version = client.get_model_version_by_alias(settings.registered_model, str(alias))
        assert version.source == "s3://bucket/model"
        with pytest.raises(InputError, match="moves no alias of others"):
            run_live(settings, resume=True)
    client.delete_registered_model_alias(settings.registered_model, str(alias))
    assert len(run_live(settings, resume=True).steps) == LIFE.time.steps


def test_an_experiment_that_holds_runs_of_others_or_is_deleted_is_refused(tmp_path, store):
    client = MlflowClient(store, store)
    experiment = client.create_experiment(f"retrainlab/{LIFE.id}")
    run = client.create_run(experiment, run_name="their run")
    settings = settings_of(tmp_path / "run", LIFE, "never", tracking_uri=store)
    before = contents(store)
    with pytest.raises(InputError, match="holds the run 'their run' of somebody else"):
        run_live(settings, resume=False)
    client.delete_run(run.info.run_id)
    client.delete_experiment(experiment)
    with pytest.raises(InputError, match="is deleted in MLflow"):
        run_live(settings, resume=False)
    client.restore_experiment(experiment)
    client.restore_run(run.info.run_id)
    assert len(contents(store)) == len(before)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_others_changes_in_a_shared_store_whether_a_run_ends_or_fails(tmp_path, store, fails):
    client = theirs(store)
    for alias, version in zip(Alias, ("1", "2", "1"), strict=True):
        client.set_registered_model_alias(NAME, str(alias), version)
    client.create_run(client.create_experiment("their experiment"), run_name="their run")
    before = contents(store)

    def break_off(row) -> None:
        if fails and row.step == 1:
            raise RuntimeError("broken off")

    settings = settings_of(tmp_path / "run", LIFE, "always", tracking_uri=store)
    if fails:
        with pytest.raises(RuntimeError, match="broken off"):
            run_live(settings, resume=False, listener=Listener(step=break_off))
    else:
        run_live(settings, resume=False)
    after = contents(store)
    assert not set(before) - set(after)
    assert len(after) > len(before)
    assert NAME not in str(set(after) - set(before))


def test_runs_of_one_scenario_share_a_store_one_after_the_other(tmp_path, store):
    for number in (1, 2):
        settings = settings_of(tmp_path / f"run-{number}", LIFE, "never", tracking_uri=store)
        assert settings.registered_model == "retrainlab-small"
        run_live(settings, resume=False)
    client = MlflowClient(store, store)
    assert len(client.search_model_versions("name = 'retrainlab-small'")) == 2


# Stores that are whole or not there


def half_made(path: Path) -> None:
    """Leave what MLflow leaves where it is killed in its first second."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        connection.execute("CREATE TABLE runs (run_uuid VARCHAR)")


def test_a_half_made_store_of_the_user_is_named_and_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "half.db"
    half_made(path)
    before = path.read_bytes()
    settings = settings_of(tmp_path / "run", LIFE, "never", tracking_uri=f"sqlite:///{path}")
    with pytest.raises(InputError, match=r"half\.db was left half-made.*delete that file"):
        run_live(settings, resume=False)
    assert path.read_bytes() == before


def test_a_half_made_store_in_a_run_folder_is_made_anew_on_resume(tmp_path):
    settings = settings_of(tmp_path / "run", LIFE, "never")

    def stop(words: str) -> None:
        if words.startswith("opening"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_live(settings, resume=False, listener=Listener(phase=stop))
    half_made(settings.folder / "mlflow.db")
    assert len(run_live(settings, resume=True).steps) == LIFE.time.steps


# Secrets


def test_no_password_of_a_uri_is_kept_or_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = "http://ann:s3cret@127.0.0.1:9/"
    monkeypatch.setattr("sim.mlops.stores.patience.WAITS_SECONDS", ())
    settings = settings_of(tmp_path / "run", LIFE, "never", tracking_uri=uri)
    with pytest.raises(InputError) as refused:
        run_live(settings, resume=False)
    assert "s3cret" not in str(refused.value)
    assert "http://***@127.0.0.1:9/" in str(refused.value)
    assert "s3cret" not in str(settings.identity())


def test_the_settings_of_a_run_are_its_users_own(tmp_path):
    settings = settings_of(tmp_path / "run", LIFE, "never")
    run_live(settings, resume=False)
    for name in ("settings.json", "mlflow.db"):
        assert (settings.folder / name).stat().st_mode & 0o077 == 0, name
    assert replace(settings, tracking_uri="http://a:b@c/").identity() == (
        replace(settings, tracking_uri="http://a:another@c/").identity()
    )
