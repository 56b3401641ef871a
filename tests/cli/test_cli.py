"""The command line: one sentence for a mistake, one JSON object for a result, and help at once."""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sim.cli import main
from sim.world.telco.table import SHA256, find

HEADER = (
    "customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,InternetService,"
    "OnlineSecurity,OnlineBackup,DeviceProtection,TechSupport,StreamingTV,StreamingMovies,Contract,PaperlessBilling,"
    "PaymentMethod,MonthlyCharges,TotalCharges,Churn\n"
)
ROW = (
    "7590-VHVEG,Female,0,Yes,No,1,No,No phone service,DSL,No,Yes,No,No,No,No,Month-to-month,Yes,Electronic check,"
    "29.85,29.85,No\n"
)
TIME = 'id = "mine"\ntitle = "Mine"\n[time]\nsteps = 4\n'
CONCEPT = '[[drift]]\nkind = "concept"\nonset_step = {}\n[drift.shifts]\nintercept = 1.0\n'
# pydantic is not among them: typer itself imports it.
HEAVY = ("mlflow", "lightgbm", "pandas", "duckdb", "optuna", "scipy", "sklearn", "matplotlib", "numpy")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Call the command in this process; return its exit code and what it wrote to stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["retrainlab", *arguments])
    try:
        main()
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    written = capsys.readouterr()
    return code, written.out, written.err


def refused(monkeypatch, capsys, *arguments: str) -> str:
    """Assert that a command is refused in one sentence and leaves nothing behind; return the sentence."""
    assert not Path("pyproject.toml").exists()  # in the checkout, other tests write between the two looks
    before = sorted(Path().rglob("*"))
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("retrainlab: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before
    return err


TABLES = {
    "no file": (None, "no such file|does not exist|No such file"),
    "empty": ("", "empty"),
    "missing columns": ("customerID,gender\n7590-VHVEG,Female\n", "column"),
    "a wrong type": (HEADER + ROW.replace(",1,No,", ",young,No,"), "tenure.*young|young.*tenure"),
    "another Churn": (HEADER + ROW.replace("29.85,No\n", "29.85,Maybe\n"), "Churn.*Maybe|Maybe.*Churn"),
    "a duplicate": (HEADER + ROW + ROW, "7590-VHVEG"),
    "another hash": (HEADER + ROW, SHA256),
    "no header": (ROW, "column"),
}


@pytest.mark.parametrize(("content", "said"), TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("command", [["data", "check"], ["run", "steady", "--population"]], ids=["check", "run"])
def test_a_wrong_table_is_refused(monkeypatch, capsys, command, content, said):
    if content is not None:
        Path("table.csv").write_text(content, encoding="utf-8")
    sentence = refused(monkeypatch, capsys, *command, "table.csv")
    assert "table.csv" in sentence
    assert re.search(said, sentence), sentence


SCENARIOS = {
    "an unknown key": (TIME + "setps = 3\n", "setps.*did you mean 'steps'"),
    "an unknown table": ("[tmie]\n" + TIME, "tmie"),
    "negative days": (TIME + "[labels]\ndelay_days = -1\n", "delay_days.*-1"),
    "a negative step": (TIME + CONCEPT.format(-1), "onset_step.*-1"),
    "an onset after the end": (TIME + CONCEPT.format(4), "before the end.*4"),
    "no TOML": ("steps = = 3", "valid TOML"),
    "half a file": (TIME + "[labels", "valid TOML"),
    "text for a number": (TIME + 'customers = "many"\n', "customers.*many"),
    "labels after the horizon": (TIME + "[labels]\ndelay_days = 100\n", "horizon_days"),
    "an unknown coefficient": (TIME + CONCEPT.format(2).replace("intercept", "intrecept"), "intrecept"),
    "an unknown column": (
        TIME + '[[drift]]\nkind = "number"\ncolumn = "tenre"\nfactor = 2.0\nonset_step = 1\n',
        "tenure",
    ),
}


@pytest.mark.parametrize(("content", "said"), SCENARIOS.values(), ids=SCENARIOS)
def test_a_wrong_scenario_is_refused(monkeypatch, capsys, content, said):
    Path("mine.toml").write_text(content, encoding="utf-8")
    sentence = refused(monkeypatch, capsys, "run", "mine.toml", "--population", "twin", "--out", "out")
    assert re.search(said, sentence, re.IGNORECASE), sentence


POLICIES = {
    "f1_drp > 0.05": "did you mean 'f1_drop'",
    "f1_drop > 0.05 or psi_mx > 0.25": "did you mean 'psi_max'",
    "f1_drop >": "f1_drop >",
    "f1_drop > 0.05 or": "or",
    "(f1_drop > 0.05": r"\(",
    "abs(f1_drop) > 0.05": "abs",
    "__import__('os').system('true')": "",
    "f1_drop.real > 0.05": "f1_drop.real",
    "f1_drop + 1": "f1_drop",
    "f1_drop": "f1_drop > ",
    "[1][0] > f1_drop": "",
    "propsal": "did you mean 'proposal'",
    "nowhere.toml": "nowhere.toml",
    "every(days=-3)": "-3",
    "": "",
}


@pytest.mark.parametrize(("policy", "said"), POLICIES.items(), ids=POLICIES)
def test_a_wrong_policy_is_refused(monkeypatch, capsys, policy, said):
    sentence = refused(monkeypatch, capsys, "run", "steady", "--population", "twin", "--policy", policy)
    assert re.search(said, sentence, re.IGNORECASE), sentence


OPTIONS = {
    "scenario": (["run", "competitr", "--population", "twin"], "Did you mean 'competitor'"),
    "a file that is not there": (["run", "nowhere.toml", "--population", "twin"], "nowhere.toml"),
    "gates": (["run", "steady", "--gates", "telco_chrun", "--population", "twin"], "Did you mean 'telco_churn'"),
    "population": (["run", "steady", "--population", "telcoo"], "Did you mean 'telco'"),
    "seed": (["run", "steady", "--seed", "-1"], "--seed must be"),
    "trials": (["run", "steady", "--trials", "-1"], "--trials must be"),
    "resume": (["run", "steady", "--population", "twin", "--resume", "--out", "out"], "leave --resume out"),
    "model name": (["run", "steady", "--population", "twin", "--model-name", "a/b"], "a model name must"),
    "store": (["run", "steady", "--population", "twin", "--tracking-uri", "foo://x"], "foo://x must answer"),
    "folder": (["run", "steady", "--population", "twin", "--out", "/proc/nowhere/run"], "must be writable"),
    "show scenario": (["scenarios", "stedy"], "Did you mean 'steady'"),
    "show policy": (["policies", "alwys"], "Did you mean 'always'"),
    "show signal": (["signals", "f1drop"], "Did you mean 'f1_drop'"),
    "show gates": (["gates", "non"], "Did you mean 'none'"),
    "holdout": (["gates", "power", "--holdout", "many"], "--holdout must be whole numbers with commas"),
    "difference": (["gates", "power", "--difference", "0;1"], "--difference must be numbers with commas"),
    "chart": (["gates", "power", "--chart", "power.html"], "a chart must be a file ending in .svg or .png"),
}


@pytest.mark.parametrize(("arguments", "said"), OPTIONS.values(), ids=OPTIONS)
def test_a_wrong_option_is_refused(monkeypatch, capsys, arguments, said):
    assert said in refused(monkeypatch, capsys, *arguments)


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named_within_seconds(monkeypatch, capsys):
    options = ["--population", "twin", "--tracking-uri", "http://127.0.0.1:9", "--out", "out"]
    assert "http://127.0.0.1:9 must answer" in refused(monkeypatch, capsys, "run", "steady", *options)


@pytest.mark.parametrize(
    "arguments", [["rn"], ["run"], ["run", "steady", "--seed", "one"], ["run", "steady", "--sed", "1"]]
)
def test_bad_usage_ends_with_2(monkeypatch, capsys, arguments):
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("retrainlab: ")
    assert err.count("\n") == 1, "one sentence, as for every other mistake"


def test_the_version_is_said(monkeypatch, capsys):
    code, out, err = call(monkeypatch, capsys, "--version")
    assert (code, out, err) == (0, f"retrainlab {version('retrainlab')}\n", "")


CATALOGUES = [
    ["scenarios"],
    ["scenarios", "competitor"],
    ["policies"],
    ["policies", "proposal"],
    ["policies", "f1_drop > 0.05"],
    ["signals"],
    ["signals", "f1_drop"],
    ["gates"],
    ["gates", "telco_churn"],
    ["gates", "fraud"],
]


@pytest.mark.parametrize("arguments", CATALOGUES, ids=" ".join)
def test_every_catalogue_reads_as_words_and_as_one_json_object(monkeypatch, capsys, arguments):
    code, out, err = call(monkeypatch, capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), dict)
    assert out.count("\n") == 1
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert (code, err) == (0, "")
    assert arguments[1:] == [] or arguments[1] in out
    assert "…" not in out, "nothing is cut off at 80 columns"


@pytest.mark.usefixtures("telco")
@pytest.mark.parametrize("arguments", [["describe"], ["check"]])
def test_the_table_is_described(monkeypatch, capsys, arguments, request):
    if arguments == ["check"]:
        arguments = ["check", str(find())]
    code, out, _ = call(monkeypatch, capsys, "data", *arguments, "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 7043
    code, out, _ = call(monkeypatch, capsys, "data", *arguments)
    assert code == 0
    assert SHA256 in out.replace("\n", "").replace(" ", "").replace("│", "")


@pytest.mark.slow
def test_a_run_prints_one_json_object_or_a_readable_table(monkeypatch, capsys):
    Path("mine.toml").write_text(TIME + "customers = 200\n" + CONCEPT.format(2), encoding="utf-8")
    options = ["mine.toml", "--population", "twin", "--trials", "1", "--policy", "age_days > 20"]
    code, out, _ = call(monkeypatch, capsys, "run", *options, "--json", "--out", "out")
    assert code == 0
    told = json.loads(out)
    assert told["folder"] == "out"
    assert len(told["steps"]) == 4
    assert {item.name for item in Path("out").iterdir()} >= {
        *("record.json", "scenario.toml", "policy.toml", "steps.parquet", "loop.duckdb", "mlflow.db", "mlartifacts")
    }
    code, out, _ = call(monkeypatch, capsys, "run", *options, "--out", "out", "--resume")
    assert code == 0
    assert "drift begins" in out
    assert "mlflow ui --backend-store-uri" in out
    assert "…" not in out, "nothing is cut off at 80 columns"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["data", "--help"]], ids=" ".join)
def test_help_waits_for_no_heavy_import(arguments):
    code = f"""
import sys
from sim.cli import main
sys.argv = ["retrainlab", *{arguments!r}]
try:
    main()
except SystemExit as error:
    assert not error.code
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "Usage" in ended.stdout
    assert ended.stderr.strip() == "[]"
