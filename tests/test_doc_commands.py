"""The commands of README and docs: each is one that the command line knows, and each does what the page says."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer.main
from test_cli import call

from scenarios.files import catalogue, load_scenario, to_toml
from scenarios.schema import Time
from sim.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}


def commands(page, of=r"```sh\n(.*?)```"):
    """Return the words of each command in the blocks of a page."""
    found = []
    for block in re.findall(of, page, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["retrainlab"]:
                found.append(words[1:])
    return found


ALL = [(name, words) for name, page in PAGES.items() for words in commands(page)]
INLINE = [(name, words) for name, page in PAGES.items() for words in commands(page, r"(?<!`)`(retrainlab [^`]+)`")]


@pytest.mark.parametrize(
    ("page", "words"), [*ALL, *INLINE], ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_command_line_knows_it(page, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group, rest = typer.main.get_command(app), list(words)
    while hasattr(group, "commands") and rest and rest[0] in group.commands:
        group = group.commands[rest.pop(0)]
    known = {option for parameter in group.params for option in parameter.opts} | {"--help", "--version"}
    assert [word for word in rest if word.startswith("--") and word not in known] == [], page


def smaller(name):
    """Return a scenario of the catalogue that is over in a second: five steps of 300 customers."""
    scenario = load_scenario(name)
    early = tuple(each.model_copy(update={"onset_step": min(each.onset_step, 2)}) for each in scenario.drift)
    time = Time(**{**scenario.time.model_dump(), "steps": 8, "customers": 300})
    return scenario.model_copy(update={"time": time, "drift": early})


def shrunk(words):
    """Return a command with smaller worlds, fewer seeds and no search; what it asks for is the same."""
    made, after = [], ""
    for word in words:
        if word in {each.partition("@")[0] for each in catalogue()} and not after.startswith("--"):
            Path(f"{word}.toml").write_text(to_toml(smaller(word)), encoding="utf-8")
            made.append(f"{word}.toml")
        elif word.startswith("scenarios/"):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).write_text(to_toml(smaller(str(ROOT / word))), encoding="utf-8")
            made.append(word)
        elif after == "--seeds":
            made.append(str(min(int(word), 2)))
        else:
            made.append(word)
        after = word
    if made[0] in {"run", "compare"}:
        made += ["--trials", "0"] if "--trials" not in made else []
        made += ["--population", "twin"] if "--population" not in made else []
    if made[0] == "compare" and "--cache" not in made:
        made += ["--cache", "cache"]
    if made[:2] == ["gates", "power"]:
        made += ["--seeds", "1", "--holdouts", "2"]
    return made


def give_files(page):
    """Write the files that a page takes for granted: a table, and its own blocks that begin with a file's name."""
    rng = np.random.default_rng(1)
    n = 4000
    tenure = rng.integers(1, 60, n)
    table = pd.DataFrame(
        {
            "customer": [f"C{number:05d}" for number in range(n)],
            "day": pd.date_range("2021-01-01", periods=n // 200, freq="30D").repeat(200).strftime("%Y-%m-%d"),
            "tenure": tenure,
            "plan": rng.choice(["basic", "plus"], n),
            "churned": np.where(rng.random(n) < 0.5 - tenure / 150, "yes", "no"),
        }
    )
    table.to_csv("customers.csv", index=False)
    for name, text in re.findall(r"```\w+\n# (\w+\.\w+)\n(.*?)```", page, re.DOTALL):
        Path(name).write_text(text, encoding="utf-8")


ELSEWHERE = {
    "engines.md",  # needs a cluster: tests/study/test_engines.py has one
    "own_table.md",  # needs tables and servers: tests/cli/test_own_data.py runs each recipe
}


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({name for name, _ in ALL} - ELSEWHERE))
def test_it_does_what_the_page_says(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    give_files(PAGES[page])
    for words in commands(PAGES[page]):
        code, _, err = call(monkeypatch, capsys, *shrunk(words))
        assert code == 0, (words, err)
