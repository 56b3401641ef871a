"""Standing: whether what a life registered is still there as it was, whatever others did, and whose an alias is."""

from mlflow.entities.model_registry import ModelVersion

from sim.errors import InputError
from sim.mlops.records.jobs import Alias
from sim.mlops.stores.ledger import Ledger, Registered
from sim.mlops.stores.mlflow_setting import MlflowClient, MlflowException, is_gone
from sim.mlops.stores.tenancy import LIFE_TAG, registered_model, strangers_alias


def model_id_of(version: ModelVersion) -> str:
    """Return the logged model that a version was made of."""
    return str(version.model_id or "") or str(version.source or "").removeprefix("models:/")


def stands(client: MlflowClient, name: str, registered: Registered) -> bool:
    """Tell whether a version is still in the registry as it was registered."""
    try:
        found = client.get_model_version(name, registered.number)
    except MlflowException as error:
        if is_gone(error):
            return False
        raise
    return found.run_id == registered.run_id and model_id_of(found) == registered.model_id


def check_stands(client: MlflowClient, name: str, registered: Registered) -> None:
    """Raise `InputError` if a version is gone, or another took its number."""
    if not stands(client, name, registered):
        msg = (
            f"a run needs its models, but version {registered.number} of {name!r} ({registered.job}) was deleted or "
            f"replaced in the registry; put it back, or start again with another --out."
        )
        raise InputError(msg)


def check_alias_is_free(client: MlflowClient, name: str, alias: Alias, ledger: Ledger) -> None:
    """Raise `InputError` if an alias points to a version that no run of retrainlab made."""
    model = registered_model(client, name)
    number = str(model.aliases.get(str(alias), "")) if model else ""
    if not number or number in {known.number for known in ledger}:
        return
    if LIFE_TAG not in client.get_model_version(name, number).tags:
        raise strangers_alias(name, alias, number)


def check_champion(client: MlflowClient, name: str, champion: Registered) -> None:
    """Raise `InputError` unless the alias points to a life's champion: the model of a stranger may run any code."""
    found = client.get_model_version_by_alias(name, str(Alias.CHAMPION))
    if (str(found.version), found.run_id, model_id_of(found)) != (
        champion.number,
        champion.run_id,
        champion.model_id,
    ):
        msg = (
            f"a registered model belongs to one run at a time, but somebody else moved the alias {Alias.CHAMPION} of "
            f"{name!r}; go on with --resume once they are done, or start again with another --model-name."
        )
        raise InputError(msg)
