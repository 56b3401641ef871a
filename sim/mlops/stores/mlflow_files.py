"""A model as the files that MLflow keeps: written, known by their digest, and loaded only if they are those."""

import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import LoggedModel
from mlflow.models import Model as MlflowModel
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, TensorSpec
from mlflow.types import Schema as MlflowSchema
from mlflow.types.schema import AnyType

from sim.errors import WorkError
from sim.mlops.models.model import Model
from sim.mlops.stores.ledger import Registered
from sim.mlops.stores.mlflow_setting import mlflow
from sim.world.schema.columns import UNSEEN, Column, Matrix, Schema

_MODEL_FOLDER = "churn_model"
_META_FILE = "registered_model_meta"  # which MLflow adds to what it downloads
_REQUIREMENTS = [f"{name}=={version_of(name)}" for name in ("lightgbm", "numpy", "pandas", "retrainlab")]


@contextmanager
def written(model: Model, logged: LoggedModel) -> Iterator[Path]:
    """Lend a folder with the files of a model as MLflow loads them, under the ids of a logged model."""
    with tempfile.TemporaryDirectory() as aside, warnings.catch_warnings():
        # The signature is given, so an input example, which MLflow asks for, would say nothing new.
        warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
        data, folder = Path(aside) / _MODEL_FOLDER, Path(aside) / "model"
        model.save(data)
        told = MlflowModel(
            artifact_path=logged.artifact_location,
            model_uuid=logged.model_id,
            run_id=logged.source_run_id,
            model_id=logged.model_id,
        )
        mlflow.pyfunc.save_model(
            path=str(folder),
            loader_module=Model.__module__,
            data_path=str(data),
            pip_requirements=_REQUIREMENTS,
            signature=signature(model.schema),
            mlflow_model=told,
        )
        yield folder


def digest(folder: Path) -> str:
    """Return the SHA-256 of all files in a folder, with their names."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _META_FILE:
            name = path.relative_to(folder).as_posix()
            total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


@contextmanager
def fetched(registered: Registered) -> Iterator[Path]:
    """Lend a folder with the files of a registered model, which are those that were sent there.

    Raises
    ------
    WorkError
        If they are others: nothing of them is loaded.
    """
    with tempfile.TemporaryDirectory() as aside:
        uri = f"models:/{registered.model_id}"
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=aside))
        if digest(folder) != registered.digest:
            msg = (
                f"a model must be as it was registered, but the files of version {registered.number} "
                f"({registered.job}, {uri}) are damaged or were changed; restore them or start again."
            )
            raise WorkError(msg)
        yield folder


def load(folder: Path) -> Model:
    """Return the model of a folder that `fetched` lent."""
    return Model.load(folder / "data" / _MODEL_FOLDER)


def load_scorer(folder: Path) -> Any:
    """Return what MLflow makes of a folder that `fetched` lent."""
    return mlflow.pyfunc.load_model(str(folder))


def readable(schema: Schema, features: Matrix) -> pd.DataFrame:
    """Return the frame that a model is asked with: numbers as they are, categories as text."""
    columns = {column.name: _readable(column, features[:, at]) for at, column in enumerate(schema.columns)}
    return pd.DataFrame(columns)


def _readable(column: Column, values: Matrix) -> Any:
    if not column.is_category:
        return values
    words = np.array([*column.categories, "unseen", None], dtype=object)
    codes = np.where(values == UNSEEN, len(column.categories), np.nan_to_num(values, nan=-1)).astype(np.int64)
    return pd.Series(words[codes], dtype=object)


def signature(schema: Schema) -> ModelSignature:
    """Return what goes in and out; each input may come as any type.

    MLflow takes no whole number for a double, and no categories of pandas, as DuckDB's `.df()` gives them, for text.
    """
    anything = AnyType()  # type: ignore[no-untyped-call] # MLflow leaves its constructor untyped
    inputs: list[ColSpec | TensorSpec] = [ColSpec(anything, column.name, required=False) for column in schema.columns]
    return ModelSignature(
        MlflowSchema(inputs), MlflowSchema([ColSpec("double", "probability"), ColSpec("long", "prediction")])
    )
