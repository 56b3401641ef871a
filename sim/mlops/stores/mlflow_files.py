"""A model as the files that MLflow keeps: written, known by their digest, and loaded only if they are those."""

import hashlib
import re
import sys
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

from sim.errors import WorkError
from sim.mlops.models.model import Model
from sim.mlops.stores import retrainlab_model
from sim.mlops.stores.ledger import Registered
from sim.mlops.stores.mlflow_setting import mlflow
from sim.world.schema.columns import UNSEEN, Column, Matrix, Schema

_MODEL_FOLDER = "churn_model"
_META_FILE = "registered_model_meta"  # which MLflow adds to what it downloads
_REQUIREMENTS = [f"{name}=={version_of(name)}" for name in ("lightgbm", "mlflow", "numpy", "pandas", "scipy")]
_CODE_FILE = Path(retrainlab_model.__file__)
_NUMBER_RANGES = re.compile(r"^feature_infos=(.*)$", re.MULTILINE)
_EXAMPLE_PLACES = (0.25, 0.75)


@contextmanager
def written(model: Model, logged: LoggedModel) -> Iterator[Path]:
    """Lend a folder with the files of a model as MLflow loads them, under the ids of a logged model.

    The code that answers travels with them (`retrainlab_model.py`): what loads the model needs no retrainlab.
    """
    with tempfile.TemporaryDirectory() as aside, warnings.catch_warnings():
        # MLflow compares the names of an example's columns in a way that pandas will stop to understand.
        warnings.filterwarnings("ignore", message="Operation with range is deprecated")
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
            loader_module=_CODE_FILE.stem,
            code_paths=[str(_CODE_FILE)],
            data_path=str(data),
            pip_requirements=_REQUIREMENTS,
            signature=signature(model.schema),
            input_example=input_example(model),
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
    """Return what MLflow makes of a folder that `fetched` lent; where modules are found stays as it is."""
    before = list(sys.path)
    asked_for = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    try:
        # MLflow looks up every requirement to warn of another version, for tens of milliseconds
        return mlflow.pyfunc.load_model(str(folder), suppress_warnings=asked_for == _REQUIREMENTS)
    finally:
        sys.path[:] = before


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
    """Return what goes in and out: text for categories, doubles for numbers, and each may be missing.

    MLflow checks it: it takes no 64-bit whole numbers for doubles, and no categories of pandas for text.
    """
    return ModelSignature(
        input_schema(schema), MlflowSchema([ColSpec("double", "probability"), ColSpec("long", "prediction")])
    )


def input_schema(schema: Schema) -> MlflowSchema:
    """Return the columns of customers as MLflow knows types."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("string" if column.is_category else "double", column.name, required=False)
        for column in schema.columns
    ]
    return MlflowSchema(inputs)


def input_example(model: Model) -> pd.DataFrame:
    """Return two made-up customers as a request has them: numbers from within the range of the training rows.

    LightGBM's text says which range that is. No customer's own values are shown.
    """
    found = _NUMBER_RANGES.search(model.trees)
    ranges = found[1].split() if found else []
    rows = [
        {
            column.name: column.categories[number % len(column.categories)]
            if column.is_category
            else _within(ranges[at] if at < len(ranges) else "", place)
            for at, column in enumerate(model.schema.columns)
        }
        for number, place in enumerate(_EXAMPLE_PLACES)
    ]
    return pd.DataFrame(rows)


def _within(told: str, place: float) -> float:
    """Return a number at a place within a range such as `[1:72]`; 0 where none is told."""
    low, _, high = told.strip("[]").partition(":")
    try:
        return round(float(low) + place * (float(high) - float(low)), 1)
    except ValueError:
        return 0.0
