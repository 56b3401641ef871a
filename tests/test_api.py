"""The front door: every name is there, documented, and waits for nothing that it does not need."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sim.api

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", dir(sim.api))
def test_every_name_is_there_and_documented(name):
    assert getattr(sim.api, name).__doc__ or isinstance(getattr(sim.api, name), type)
    assert f"`{name}`" in PAGE


def test_the_page_promises_nothing_else():
    told = set(re.findall(r"`([A-Za-z_]+)`", PAGE.split("| what | names |")[1].split("\n\n")[0]))
    assert told == set(dir(sim.api))


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'Reply'"):
        sim.api.Reply  # noqa: B018 - the access is what is tested


def test_the_door_opens_at_once():
    code = "import sys, sim.api; print({'mlflow', 'pandas', 'lightgbm', 'numpy'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_run(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/api.md", "exec"), {})
    capsys.readouterr()
