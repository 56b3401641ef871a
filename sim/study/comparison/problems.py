"""The problems of a comparison: conditions that hold, cells that failed, a store that took nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sim.errors import InputError
from sim.mlops.stores.mlflow_setting import STORE_ERRORS, gist
from sim.study.comparison.compare import Study, StudyResult
from sim.study.comparison.tracking import own_store, track


def problems(study: Study, comparison: StudyResult, met: Sequence[str], tracking_uri: str, folder: Path) -> list[str]:
    """Log a comparison to MLflow and return, a sentence each, what went wrong with it or was asked to be told.

    The results are in `folder` all the same. `met` are the conditions that hold; an empty `tracking_uri` is a SQLite
    store in the folder.
    """
    found = [f"{text} holds." for text in met]
    found += _failures(comparison)
    try:
        track(study, comparison, tracking_uri or own_store(folder), folder)
    except (InputError, *STORE_ERRORS) as error:
        found.append(f"the results are in {folder}, but MLflow did not take them: {gist(error)}")
    return found


def _failures(comparison: StudyResult) -> Iterator[str]:
    for row in comparison.failures.to_dict("records"):
        yield f"{row['scenario']} seed {row['seed']} {row['policy']}: {row['error']}"
