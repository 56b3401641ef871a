"""A run on a server of others: its worth and report stand there, and the command to make it again names it."""

import json
import subprocess
import sys

import pytest
from lives import small
from mlflow import MlflowClient
from runs import Server

from scenarios.files import to_toml
from sim.mlops.stores.standing import model_id_of

OPTIONS = ["--policy", "age_days > 50", "--gates", "none", "--population", "twin", "--trials", "0", "--json"]


@pytest.mark.slow
def test_a_server_has_what_a_run_came_to_and_the_report_names_the_server(tmp_path):
    (tmp_path / "small.toml").write_text(to_toml(small(6, delay_days=30)), encoding="utf-8")
    server = Server(tmp_path / "server")
    server.start()
    try:
        places = ["--tracking-uri", server.address, "--model-name", "my-churn", "--out", "run"]
        command = [sys.executable, "-m", "sim.cli", "run", "small.toml", *OPTIONS, *places]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr[-2000:]
        told = json.loads(ended.stdout)
        page = (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
        assert f"--tracking-uri {server.address} --model-name my-churn" in page
        client = MlflowClient(server.address, server.address)
        life = client.get_run(told["measured"]["mlflow_run_id"])
        assert [each.path for each in client.list_artifacts(life.info.run_id, "report")] == ["report/report.html"]
        for name in ("net_value", "roi_realised"):
            assert life.data.metrics[name] == told["summary"][name]
        champion = client.get_model_version_by_alias("my-churn", "Champion")
        reached = {metric.key for metric in client.get_logged_model(model_id_of(champion)).metrics}
        assert {"f1", "f1_low", "f1_high"} <= reached
        assert {each.dataset.name for each in life.inputs.dataset_inputs} == {"twin (scored)"}
    finally:
        server.stop()
