"""What a run came to stands on its run in MLflow: judged as a comparison judges it, told once, and told on resume."""

from dataclasses import replace

import pytest
from lives import TWIN, small
from mlflow import MlflowClient

from policies.catalogue import load_policy
from scenarios.injectors import ConceptDrift
from sim.errors import WorkError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings, tracking_uri
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import contestants
from sim.study.run_folder import play_live
from sim.study.run_told import run_scores, tell_run
from sim.study.scores.judge import summarise
from sim.world.population_spec import PopulationSpec

DRIFT = (ConceptDrift(kind="concept", onset_step=3, shifts={"InternetService=DSL": 4.0, "intercept": 0.5}),)
SCENARIO = small(12, customers=800, delay_days=30, drift=DRIFT)
RULE = "age_days > 50"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told") / "run"
    return LiveSettings(SCENARIO, load_policy(RULE), TWIN, load_profile("none"), 1, 0, folder)


@pytest.fixture(scope="module")
def record(settings):
    return play_live(settings, resume=False)


@pytest.mark.slow
def test_a_run_is_judged_as_a_comparison_judges_it(settings, record, tmp_path):
    told = run_scores(record, settings)
    study = Study(
        scenarios=(SCENARIO,),
        contestants=contestants([RULE, "never"], {}),
        profiles=(load_profile("none"),),
        seeds=(1,),
        baseline="never",
        population=PopulationSpec("twin"),
    )
    cells = compare(study, tmp_path / "study").cells.set_index("policy").loc[RULE]
    assert told["net_value"] == pytest.approx(cells["net_value"], rel=1e-12)
    assert told["true_f1_after"] == pytest.approx(cells["f1_after"], rel=1e-12)
    assert told["f1_recovery"] == pytest.approx(cells["recovery_gained"] / cells["recovery_attainable"], rel=1e-12)
    assert told["f1_recovery"] != 0


@pytest.mark.slow
def test_it_is_told_once_and_the_report_lies_beside_it(settings, record, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<p>A report.</p>", encoding="utf-8")
    for _ in range(2):
        tell_run(record, settings, [page])
    client = MlflowClient(tracking_uri(settings))
    run = client.get_run(record.measured["mlflow_run_id"])
    assert run.data.metrics["net_value"] == summarise(record).net_value
    assert len(client.get_metric_history(run.info.run_id, "f1_recovery")) == 1
    assert [each.path for each in client.list_artifacts(run.info.run_id, "report")] == ["report/report.html"]
    assert (run.info.status, run.info.run_name) == ("FINISHED", "small@1 / age_days > 50 / seed 1")


def test_a_store_that_is_gone_is_said_in_one_sentence(settings, record):
    gone = replace(settings, tracking_uri="http://127.0.0.1:1")
    with pytest.raises(WorkError, match=r"the run is finished, but MLflow could not be told.*--resume"):
        tell_run(record, gone, [])
