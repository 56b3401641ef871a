"""Tracking: a comparison as MLflow runs, one parent with a child for each policy of each board.

Settings of one rule that scored alike are one child, as they are one row on the screen.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlflow.entities import Metric

from sim.mlops.stores.mlflow_setting import quiet_client, told_as_input
from sim.mlops.stores.sqlite_store import make_store
from sim.mlops.stores.tenancy import COMPARISON_TAG, check_experiment_is_ours
from sim.study.comparison.boards import Board, BoardRow
from sim.study.comparison.compare import Study, StudyResult
from sim.study.comparison.rule_form import rule_form
from sim.study.scores.table import Score

EXPERIMENT = "retrainlab/compare"
_LONGEST_TAG = 5_000
"""Characters of a tag that every store of MLflow 3 takes."""


def check_store(tracking_uri: str) -> None:
    """Raise `InputError` if an MLflow store does not answer, or the experiment is somebody else's.

    Better now than after hours of work.
    """
    with told_as_input(tracking_uri):
        make_store(tracking_uri, is_own=False)
        check_experiment_is_ours(quiet_client(tracking_uri), EXPERIMENT)


def own_store(folder: Path) -> str:
    """Return the URI of the store that a comparison keeps in its own folder."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def track(study: Study, comparison: StudyResult, tracking_uri: str, folder: Path) -> str:
    """Log a comparison to MLflow, one call for all metrics of a policy, and return the id of the parent run.

    A comparison whose folder is known there already, as after a resume, is not logged again.

    Parameters
    ----------
    study, comparison
        What was asked for, and what came of it.
    tracking_uri
        The MLflow store.
    folder
        Where the results lie; the parent run is tagged with it.
    """
    make_store(tracking_uri, is_own=tracking_uri == own_store(folder))
    client = quiet_client(tracking_uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
    known = client.search_runs(
        [experiment],
        f"tags.`{COMPARISON_TAG}` = '{_quoted(folder)}' and attributes.status = 'FINISHED'",
        max_results=1,
    )
    if known:
        return str(known[0].info.run_id)
    title = " + ".join(scenario.name for scenario in study.scenarios)
    tags = {
        "baseline": study.baseline,
        "population": study.population_name,
        "seeds": str(len(study.seeds)),
    }
    parent = client.create_run(experiment, run_name=title, tags={**tags, COMPARISON_TAG: _quoted(folder)}).info.run_id
    for board in comparison.leaderboard.boards:
        for rows in _alike(board):
            labels = {"scenario": board.scenario, "gates": board.gates, "policy": rows[0].policy}
            tags = {**labels, **_settings([row.policy for row in rows]), "mlflow.parentRunId": parent}
            child = client.create_run(experiment, run_name=" / ".join(labels.values()), tags=tags).info.run_id
            client.log_batch(child, metrics=list(_metrics(rows[0])))
            client.set_terminated(child)
    client.set_terminated(parent)
    return str(parent)


def _alike(board: Board) -> list[list[BoardRow]]:
    """Return the rows of a board, settings of one rule that have the same metrics together."""
    found: dict[object, list[BoardRow]] = {}
    for row in board.policies:
        metrics = tuple((metric.key, metric.value) for metric in _metrics(row))
        found.setdefault((rule_form(row.policy), row.seeds, metrics), []).append(row)
    return list(found.values())


def _settings(names: Sequence[str]) -> dict[str, str]:
    """Return the tags that say which settings a run stands for, none where it is one."""
    if len(names) == 1:
        return {}
    return {"settings": str(len(names)), "policies": "; ".join(names)[:_LONGEST_TAG]}


def _quoted(folder: Path) -> str:
    """Return the folder's full path as MLflow's search language can hold it."""
    return str(folder.resolve()).replace("'", "_")


def _metrics(row: BoardRow) -> Iterator[Metric]:
    """Yield each score, with the ends of its interval where there is one."""
    for score in Score:
        estimate = row.estimate(score)
        if estimate is None:
            continue
        yield Metric(score.value, estimate.value, 0, 0)
        for end, value in (("low", estimate.low), ("high", estimate.high)):
            if value is not None:
                yield Metric(f"{score}_{end}", value, 0, 0)
