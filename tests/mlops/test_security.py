"""Input is data: nothing in it is evaluated or unpickled, and no name leads out of the run folder."""

import ast
import pickle
import zlib
from pathlib import Path

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import CHEAP, TWIN, live, script, small
from mlflow import MlflowClient
from rich.console import Console

from policies.catalogue import load_policy
from policies.spec import policies_from_toml
from reports.tables import rows_table
from scenarios.files import parse_scenario, to_toml
from sim.errors import InputError
from sim.mlops.records.jobs import Alias
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.run_folder import run_folder
from sim.world.world import World

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for part in ("sim", "policies", "scenarios", "reports") for path in (ROOT / part).rglob("*.py"))
FORBIDDEN = {"eval", "exec", "__import__", "import_module", "system", "popen", "loads_pickle"}
TRUSTED = {
    ("detector.py", "import_module"),  # of river, by names that stand in the source
    ("api.py", "import_module"),  # of this package, by the names of its one list
    ("__init__.py", "import_module"),  # of the kinds of injectors, by the files of their own folder
    ("on_spark.py", "pickle"),  # what this process and its own workers send each other
    ("shared.py", "pickle"),  # likewise
    ("cache.py", "pickle"),  # its own files, if nobody else could have written them
    ("source.py", "import_module"),  # of python_calamine, an extra
    ("conformance.py", "pickle"),  # reads only what it has pickled itself a moment before
}
CODE = "__import__('pathlib').Path('pwned').touch()"


class Bomb:
    """What an attacker would pickle."""

    def __reduce__(self):
        return Path.touch, (Path("pwned"),)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in a folder of its own, where nothing may have been touched in the end."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path("pwned").exists()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_evaluates_text_or_reads_pickles(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name not in FORBIDDEN or (path.name, name) in TRUSTED, f"line {node.lineno}: {name}"
            assert name != "compile" or _is_regex(node), f"line {node.lineno}: compile"
            assert not any(keyword.arg == "shell" for keyword in node.keywords), f"line {node.lineno}: a shell"
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names = {name.split(".")[0] for name in [*module, *(alias.name for alias in node.names)]}
            unsafe = names & {"pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "joblib"}
            assert all((path.name, name) in TRUSTED for name in unsafe), f"line {node.lineno}: {unsafe}"


def _is_regex(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "re"


def test_the_scan_sees_what_it_forbids():
    path = Path("planted.py")
    path.write_text("eval('1')", encoding="utf-8")
    with pytest.raises(AssertionError, match="eval"):
        test_no_source_evaluates_text_or_reads_pickles(path)


POLICY_TEXTS = [
    CODE,
    f"f1_drop > {CODE}",
    f"rule(retrain_when={CODE!r})",
    f"every(days={CODE})",
    "f1_drop.__class__ > 0",
    "(lambda: 1)() > 0",
    "f'{f1_drop}' > 0",
]


@pytest.mark.parametrize("text", POLICY_TEXTS)
def test_a_policy_that_is_code_is_refused_and_not_run(text):
    Path("evil.py").write_text(CODE, encoding="utf-8")
    with pytest.raises(InputError):
        load_policy(text)
    with pytest.raises(InputError):
        policies_from_toml(f"[policy.x]\nretrain_when = {text!r}", "x.toml")


def test_a_class_in_a_file_is_code_and_only_the_command_line_may_name_one():
    """`--policy FILE.py:Class` runs a file on purpose; a policy file, which is data, can't have one run."""
    Path("evil.py").write_text(CODE, encoding="utf-8")
    for toml in ("[policy.x]\nretrain_when = 'evil.py:Policy'", "[policy.x]\nkind = 'evil.py:Policy'"):
        with pytest.raises(InputError):
            policies_from_toml(toml, "x.toml")


@pytest.mark.parametrize("field", ["id", "title", "story"])
def test_a_scenario_that_is_code_is_text(field):
    toml = to_toml(small(steps=2)).replace(f'{field} = "', f'{field} = "{CODE}', 1)
    if field == "id":
        with pytest.raises(InputError, match="id"):
            parse_scenario(toml, "x")
    else:
        assert CODE in getattr(parse_scenario(toml, "x"), field)


@pytest.mark.parametrize("identifier", ["../up", "a/b", "/etc", "a\\b", "..", "a\n", "a\x00b", "a b", ""])
def test_a_scenario_id_is_no_path(identifier):
    toml = to_toml(small(steps=2)).replace('id = "small"', f"id = {ascii_toml(identifier)}", 1)
    with pytest.raises(InputError):
        parse_scenario(toml, "x")


def ascii_toml(text: str) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in text) + '"'


@given(st.text(max_size=60) | st.sampled_from(["../../etc", "..", "/", "a/../../b", "C:\\x", "\x00", "~"]))
def test_no_title_leads_a_run_out_of_its_folder(title):
    for resume in (False, True):
        folder = run_folder(Path("runs"), f"small-{title}-seed1", resume=resume)
        assert folder.parent == Path("runs")
        assert folder.resolve().parent == Path("runs").resolve()


@pytest.mark.parametrize("name", ["[bold]x", "[/oops]", "[link=file:///etc/passwd]x"])
def test_a_name_is_no_markup(name, capsys):
    path = Path("profiles")
    path.mkdir()
    table = rows_table(f"Gates of {name}", [{"gate": name}])
    Console(width=200).print(table)
    assert capsys.readouterr().out.count(name) == 2


# Pickles


def replay_of() -> Replay:
    return Replay(World(small(steps=2, customers=60), 1, TWIN, kept_steps=None))


def test_the_cache_reads_only_files_that_nobody_else_could_have_written():
    folder = Path("cache")
    replay = replay_of()
    replay.beginning  # noqa: B018 - something to keep
    ReplayCache(folder).save(replay)
    (path,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    fresh = replay_of()
    ReplayCache(folder).load(fresh)
    assert fresh.memory.contents()[0]
    path.write_bytes(zlib.compress(pickle.dumps(Bomb())))
    for part, mode in ((path, 0o666), (folder, 0o777)):
        before = part.stat().st_mode
        part.chmod(mode)
        fresh = replay_of()
        ReplayCache(folder).load(fresh)
        assert not fresh.memory.contents()[0]
        assert path.exists()
        part.chmod(before)


def test_the_bomb_goes_off_where_it_is_read():
    """The test above could fail: the same file, trusted, runs its code."""
    pickle.loads(zlib.decompress(zlib.compress(pickle.dumps(Bomb()))))
    assert Path("pwned").exists()
    Path("pwned").unlink()
    assert pickle.dumps(Bomb())


@pytest.mark.filterwarnings("ignore")
def test_the_model_of_a_stranger_is_refused_before_it_is_loaded(tmp_path):
    store = f"sqlite:///{tmp_path}/mlflow.db"
    life = live(small(steps=1), script("k"))
    place = MlflowPlace(store, store, "shared", "retrainlab/test", (tmp_path / "artifacts").as_uri())
    registry = MlflowRegistry(place, Life("mine", "mine", {}), life.world.schema)
    registry.register(life.state.first, life.registry.model(1), CHEAP)
    registry.move(Alias.CHAMPION, 1)

    class Stranger(mlflow.pyfunc.PythonModel):
        """A model of somebody else, whose code MLflow runs to load it."""

        def load_context(self, context):
            Path("pwned").touch()

        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="m", python_model=Stranger(), registered_model_name="shared", pip_requirements=["mlflow"]
        )
    Path("pwned").unlink(missing_ok=True)
    client = MlflowClient(store, store)
    client.set_registered_model_alias("shared", "Champion", "2")
    with pytest.raises(InputError, match="somebody else moved the alias"):
        registry.score(life.world.batch(0).features)
