"""`mlflow models serve` of the Champion answers where retrainlab is not installed, with the numbers of the loop."""

import json
import os
import subprocess
import sys
import sysconfig
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lives import CHEAP, live, script, small
from runs import free_port, wait_for

from sim.mlops.models.recalibration import Scaling
from sim.mlops.records.jobs import Alias
from sim.mlops.stores.mlflow_files import readable
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry

_UVICORN = "#!{python}\nimport sys\nfrom uvicorn.main import main\nsys.exit(main())\n"


@pytest.fixture
def stranger(tmp_path: Path) -> tuple[str, dict[str, str]]:
    """Return a Python that has MLflow and LightGBM and no retrainlab, and an environment for it."""
    home = tmp_path / "stranger"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *_site_packages()}
    # A .pth file inside a folder that is named here is not read, so what is installed to be edited is not found.
    (home / "lib" / version / "site-packages" / "libraries.pth").write_text("\n".join(sorted(libraries)))
    python = str(home / "bin" / "python")
    server = home / "bin" / "uvicorn"
    server.write_text(_UVICORN.format(python=python))
    server.chmod(0o755)
    ours = ("PYTHON", "VIRTUAL_ENV", "MLFLOW_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment['PATH']}"
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    return python, environment


def _site_packages() -> set[str]:
    return {path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}}


@pytest.mark.slow
@pytest.mark.parametrize("is_recalibrated", [False, True], ids=["trees", "recalibrated"])
def test_the_champion_is_served_without_retrainlab(tmp_path, stranger, is_recalibrated):
    python, environment = stranger
    for code, is_there in (("import mlflow, lightgbm, uvicorn", True), ("import sim", False)):
        ended = subprocess.run([python, "-c", code], env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert (ended.returncode == 0) == is_there, ended.stderr
    life = live(small(steps=2), script("kk"))
    model = life.registry.model(1)
    model = replace(model, scaling=Scaling(0.3, 0.8)) if is_recalibrated else model
    store = f"sqlite:///{tmp_path}/mlflow.db"
    place = MlflowPlace(store, store, "churn", "retrainlab/test", (tmp_path / "artifacts").as_uri())
    registry = MlflowRegistry(place, Life("mine", "mine", {}), life.world.schema)
    registry.register(life.state.first, model, CHEAP)
    registry.move(Alias.CHAMPION, 1)
    port = free_port()
    command = [python, "-m", "mlflow", "models", "serve", "-m", "models:/churn@Champion", "--env-manager", "local"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--host", "127.0.0.1"],
            env={**environment, "MLFLOW_TRACKING_URI": store},
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server)
        features = life.world.batch(1).features
        frame = readable(life.world.schema, features)
        answers = _ask(port, {"dataframe_split": json.loads(frame.to_json(orient="split", double_precision=15))})
        probability = model.probability(features)
        np.testing.assert_allclose([each["probability"] for each in answers], probability, rtol=0, atol=1e-12)
        assert [each["prediction"] for each in answers] == model.decide(probability).astype(int).tolist()
        example = json.loads(next((tmp_path / "artifacts").rglob("serving_input_example.json")).read_text())
        assert len(_ask(port, example)) == 2
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def _ask(port: int, request: object) -> list[dict[str, float]]:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(request).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        found: list[dict[str, float]] = json.loads(answer.read())["predictions"]
    return found
