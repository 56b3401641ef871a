"""What a run came to, told on its own run in MLflow: its worth, true F1 and recovery, and the report as a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
from mlflow.entities import Metric

from policies.never import Never
from scenarios.schema import Recipe
from sim.errors import InputError, WorkError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings, tracking_uri
from sim.mlops.records.record import Record
from sim.mlops.records.registry import FIRST_VERSION
from sim.mlops.stores.claim import LOG_FILE
from sim.mlops.stores.mlflow_setting import STORE_ERRORS, gist, quiet_client
from sim.study.replay.replay import Replay
from sim.study.scores.fresh import fresh_f1, loss_noise
from sim.study.scores.judge import summarise
from sim.study.scores.recovery import recovery, share_of_life
from sim.world.world import World

_ARTIFACTS = "report"
_TOLD = "net_value"


def tell_run(record: Record, settings: LiveSettings, files: Sequence[Path]) -> None:
    """Tell MLflow what a finished run came to, and put files beside it; a run that was told is not judged again.

    Raises
    ------
    WorkError
        If the store does not answer: the run itself is finished, and `--resume` tells it.
    """
    client, run_id = quiet_client(tracking_uri(settings)), str(record.measured["mlflow_run_id"])
    try:
        run = client.get_run(run_id)
        if _TOLD not in run.data.metrics:
            began = int(run.info.start_time)
            told = run_scores(record, settings)
            client.log_batch(run_id, [Metric(name, value, began, 0) for name, value in told.items()])
        for file in files:
            client.log_artifact(run_id, str(file), _ARTIFACTS)
    except STORE_ERRORS as error:
        msg = f"the run is finished, but MLflow could not be told what it came to ({gist(error)}); add --resume."
        raise WorkError(msg) from error


def run_scores(record: Record, settings: LiveSettings) -> Mapping[str, float]:
    """Return the worth of a run, its true F1 and, where something drifted, how much of the lost F1 came back.

    A history has no true F1, and neither has it a recovery.
    """
    found = summarise(record)
    told = {
        _TOLD: found.net_value,
        "net_value_realised": found.net_value_realised,
        "roi_realised": found.roi_realised,
        "f1_observed": found.f1_observed,
        "retrains": found.retrains,
        "promotions": found.promotions,
    }
    if not record.is_recorded:
        told |= {"true_f1_before": found.f1_before, "true_f1_after": found.f1_after, "true_f1_end": found.f1_end}
        told |= _recovered(record, settings)
    return {name: float(value) for name, value in told.items() if value is not None}


def _recovered(record: Record, settings: LiveSettings) -> dict[str, float | None]:
    """Return the recovery of a run against the first model kept, and models without delay, in the same world."""
    onset = record.scenario.onset_step
    if onset is None:
        return {}
    scenario = settings.scenario.model_copy(update={"recipe": _first_recipe(settings.folder)})
    replay = Replay(World(scenario, settings.seed, settings.population, kept_steps=None))
    steps = range(onset, len(record.steps))
    never = replay.record(Never(), load_profile("none"), "never")
    try:
        fresh = {step: fresh_f1(replay, step) for step in steps}
        noise = loss_noise(replay, steps)
    except InputError:  # the table is too small for models to learn from anybody else: nobody can tell the recovery
        return {}
    found = recovery(record, never, fresh, noise)
    if found is None:
        return {}
    share = share_of_life(found.gained, found.attainable, noise, fresh)
    return {"f1_recovery": share, "recovery_days": None if found.days is None else float(found.days)}


def _first_recipe(folder: Path) -> Recipe:
    with duckdb.connect(str(folder / LOG_FILE), read_only=True) as log:
        query = "SELECT recipe FROM registered_models WHERE model_version = ?"
        return Recipe.model_validate_json(log.execute(query, [FIRST_VERSION]).fetchall()[0][0])
