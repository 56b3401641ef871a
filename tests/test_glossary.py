"""The glossary: what it names as code exists, and every word stands there once."""

import importlib
import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:4] for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| word")]


def exists(dotted: str) -> bool:
    """Return whether a module has what its dotted name says."""
    module, _, name = dotted.rpartition(".")
    return hasattr(importlib.import_module(module), name)


def test_everything_that_the_glossary_names_as_code_exists():
    named = [name for *_, code in ROWS for name in re.findall(r"`([^`]+)`", code)]
    assert len(named) >= len(ROWS) > 35
    assert [name for name in named if not exists(name)] == []
    assert not exists("policies.rule.Ruler")


def test_a_word_stands_in_the_glossary_once_and_every_word_has_a_meaning():
    words = [word.strip() for row in ROWS for word in row[0].split(",")]
    assert sorted(words) == sorted(set(words))
    assert all(meaning.strip() for _, meaning, _ in ROWS)
