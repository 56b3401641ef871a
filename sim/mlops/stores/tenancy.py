"""Tenancy: a registered model or an experiment of somebody else is never taken over."""

from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from sim.errors import InputError
from sim.mlops.records.jobs import Alias
from sim.mlops.stores.mlflow_setting import MlflowClient, MlflowException, is_gone, pages

LIFE_TAG = "retrainlab.life"
JOB_TAG = "retrainlab.job"
COMPARISON_TAG = "retrainlab.folder"
_OUR_TAGS = {"scenario", "policy", "gates"}  # of a comparison's runs, which live no life
_LOOKED_AT = 100


def registered_model(client: MlflowClient, name: str) -> RegisteredModel | None:
    """Return a registered model, `None` if there is none of this name."""
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if is_gone(error):
            return None
        raise


def versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return all versions of a registered model, oldest first."""
    found = pages(lambda token: client.search_model_versions(f"name = '{name}'", page_token=token))
    return sorted(found, key=lambda version: int(version.version))


def check_model_is_ours(client: MlflowClient, name: str) -> None:
    """Raise `InputError` if a registered model holds a version that no run of retrainlab made, or serves one."""
    model = registered_model(client, name)
    if model is None:
        return
    strangers = {str(v.version) for v in versions(client, name) if LIFE_TAG not in v.tags}
    for alias in Alias:
        if str(model.aliases.get(str(alias))) in strangers:
            raise strangers_alias(name, alias, str(model.aliases[str(alias)]))
    if strangers:
        msg = (
            f"a run takes no registered model over, but version {min(strangers, key=int)} of {name!r} was made by "
            f"somebody else; give another --model-name."
        )
        raise InputError(msg)


def strangers_alias(name: str, alias: Alias, number: str) -> InputError:
    """Return the refusal to move an alias that points to a version of somebody else."""
    return InputError(
        f"a run moves no alias of others, but {alias} of {name!r} points to version {number}, which was made by "
        f"somebody else; give another --model-name, or go on with --resume once the alias is free."
    )


def check_experiment_is_ours(client: MlflowClient, name: str) -> None:
    """Raise `InputError` if an experiment is deleted, or holds runs that retrainlab did not make."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return
    if found.lifecycle_stage != "active":
        msg = f"an experiment must be there to log to, but {name!r} is deleted in MLflow; restore it or erase it."
        raise InputError(msg)
    for run in client.search_runs([found.experiment_id], max_results=_LOOKED_AT):
        tags = run.data.tags
        if not (LIFE_TAG in tags or COMPARISON_TAG in tags or tags.keys() >= _OUR_TAGS):
            msg = (
                f"a run takes no experiment over, but {name!r} holds the run {run.info.run_name!r} of somebody else; "
                f"rename that experiment in MLflow, or use another store."
            )
            raise InputError(msg)
