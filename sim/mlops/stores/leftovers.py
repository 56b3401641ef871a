"""Leftovers: what a broken attempt has made in MLflow is used by the attempt that repeats it, or cleared away."""

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion

from sim.mlops.stores.ledger import Ledger
from sim.mlops.stores.mlflow_life import LifeInMlflow
from sim.mlops.stores.standing import model_id_of
from sim.mlops.stores.tenancy import LIFE_TAG, registered_model, versions


def left_over_model(life: LifeInMlflow, run_id: str) -> LoggedModel | None:
    """Return the logged model that a broken attempt made in a run, finished or not."""
    return next(iter(life.logged_models(run_id)), None)


def left_over_version(life: LifeInMlflow, ledger: Ledger, run_id: str) -> ModelVersion | None:
    """Return the version that a broken attempt made of a run's model."""
    logged = left_over_model(life, run_id)
    known = {model.number for model in ledger}
    for version in versions(life.client, life.place.model_name):
        is_this = version.run_id == run_id and model_id_of(version) == (logged and logged.model_id)
        if is_this and version.tags.get(LIFE_TAG) == life.life.name and str(version.version) not in known:
            return version
    return None


def clear_away(life: LifeInMlflow, ledger: Ledger) -> None:
    """Delete what broken attempts of a life made twice: runs, logged models and versions of no job."""
    name, known = life.place.model_name, life.known_runs()
    life.look_up_runs()
    challengers = {run_id for job, run_id in life.runs.items() if ledger.of_job(job.partition("/")[0])}
    kept = {life.run_id, *(model.run_id for model in ledger), *challengers}
    own = {str(run.info.run_id) for run in known} | kept
    numbers = {model.number for model in ledger}
    model = registered_model(life.client, name)
    pointed_at = {str(number) for number in model.aliases.values()} if model else set()
    for version in versions(life.client, name):
        is_own = version.tags.get(LIFE_TAG) == life.life.name and version.run_id in own
        if is_own and str(version.version) not in numbers | pointed_at:
            life.client.delete_model_version(name, str(version.version))
    model_ids = {model.model_id for model in ledger}
    for logged in (logged for run_id in own for logged in life.logged_models(run_id)):
        if logged.model_id not in model_ids:
            life.client.delete_logged_model(logged.model_id)
    for run_id in own - kept:
        life.client.delete_run(run_id)
